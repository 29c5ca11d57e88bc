"""`harness reference`: sets of real music to measure against, built from your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import Quiet, taken, with_options
from harness.scoring.references import BuildSettings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Build sets of real music to measure against, and look at them."
)


def build(
    name: Annotated[str, typer.Argument(help="What the set is called: harness run … --reference NAME.")],
    source: Annotated[
        list[str],
        typer.Option("--from", help="A folder of sound files; or corpus:STYLE, which can be given more than once."),
    ],
    quiet: Quiet = False,
    **values: Any,
) -> None:
    """Embed a folder of music, or styles of a corpus, as a reference set.

    Sub-folders are styles. What was embedded before is not embedded again: after adding files, give the same command
    with --replace. The exit code is 1 if a file was left out.

    [bold]Examples[/bold]

    harness reference build jazz --from ~/music/jazz --licence CC-BY-4.0 --seconds 6

    harness reference build loud --from corpus:metal --from corpus:techno
    """
    from harness.core.errors import UsageError
    from harness.core.progress import progress_for
    from harness.scoring import references
    from metrics.embeddings import load_embedder

    settings = taken(BuildSettings, values)
    references.check_free(name, settings.replace)
    styles = [each.removeprefix("corpus:") for each in source if each.startswith("corpus:")]
    if (styles and len(styles) < len(source)) or (not styles and len(source) > 1):
        raise UsageError(f"--from was given {', '.join(source)}: one folder, or styles of a corpus, were expected.")
    if styles:
        manifest = references.build_from_corpus(name, styles, settings)
    else:
        recipe = references.recipe_for(load_embedder(settings.embedder), -23.0, settings.seconds)
        folder = references.MusicFolder(Path(source[0]).expanduser(), settings.licence)
        manifest = references.build_from_folder(name, folder, recipe, progress_for(quiet))
        for path, reason in folder.listing().skipped.items():
            typer.echo(f"skipped {folder.name(path)}: {reason}", err=True)
    frames = sum(entry.frames for entry in manifest.files)
    typer.echo(f"{name}: {frames} frames of {len(manifest.files)} files; use it with --reference {name}")
    for file, reason in manifest.left_out.items():
        typer.echo(f"left out {file}: {reason}", err=True)
    if manifest.left_out:
        raise typer.Exit(1)


app.command()(with_options(build, (BuildSettings,)))


@app.command("list")
def list_references() -> None:
    """The sets that --reference takes by name."""
    from rich.console import Console
    from rich.table import Table

    from metrics.reference.sets import load_reference, reference_names, shipped_folder

    table = Table("reference", "embedder", "songs", "frames", "styles", "whose")
    for name in reference_names():
        found = load_reference(name)
        shipped = (shipped_folder() / f"{name}.safetensors").is_file()
        strata = found.unit_strata()
        styles = "" if strata is None else ", ".join(sorted(set(strata.tolist())))
        embedder = found.provenance.get("embedder", {}).get("name", "?")
        whose = "shipped" if shipped else "yours"
        table.add_row(name, embedder, str(found.n_units), str(len(found.frames)), styles, whose)
    Console().print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A name of 'harness reference list', or a file.")],
    files: Annotated[bool, typer.Option("--files", help="List every file with its hash.")] = False,
) -> None:
    """How a set was made, what it was made from, and how much of its spread 16 components explain."""
    from harness.scoring import references
    from metrics.reference.sets import load_reference
    from metrics.reference.statistics import reference_statistics
    from metrics.sets.frechet import HEADLINE_COMPONENTS

    found = load_reference(name)
    size, dim = found.frames.shape
    typer.echo(f"{name}: {size} frames of {dim} dimensions, {found.n_units} songs")
    for part in ("embedder", "preprocessing"):
        told = ", ".join(f"{key} {value}" for key, value in found.provenance.get(part, {}).items())
        typer.echo(f"{part:<14} {told}")
    for key in ("excerpt_seconds", "corpus", "licences"):
        if key in found.provenance:
            value = found.provenance[key]
            typer.echo(f"{key.replace('_', ' '):<14} {', '.join(value) if isinstance(value, list) else value}")
    components = min(HEADLINE_COMPONENTS, dim, size - 1)
    if components > 0:
        share = reference_statistics(found, components).explained
        typer.echo(f"{'components':<14} {components} explain {share:.0%} of the variance")
    manifest = references.read_manifest(name)
    if manifest is None:
        return
    typer.echo(f"{'source':<14} {', '.join(f'{key} {value}' for key, value in manifest.source.items())}")
    for entry in manifest.files if files else ():
        again = f", also {', '.join(entry.same_as)}" if entry.same_as else ""
        typer.echo(f"{entry.sha256[:16]}  {entry.style}  {entry.licence or 'not stated'}  {entry.file}{again}")
    for file, reason in manifest.left_out.items():
        typer.echo(f"left out {file}: {reason}")
