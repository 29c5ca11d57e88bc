"""`harness corpus`: build corpora of real music from packages, and list them."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Build corpora of real music from packages, and list them."
)

Name = Annotated[
    str, typer.Argument(help="A corpus ('harness corpus list'), or the path of your own manifest (.toml).")
]


class Split(StrEnum):
    """The splits, for an option."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


@app.command()
def build(
    name: Name,
    packages: Annotated[
        Path | None,
        typer.Option(help="A folder with the .deb files, instead of downloading them.", exists=True, file_okay=False),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Tracks converted at once.")] = min(4, os.cpu_count() or 1),
    allow_version: Annotated[
        bool, typer.Option("--allow-version", help="Accept another version of a package; its files are still checked.")
    ] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Also check the hash of every existing track.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fetch the packages, convert their music, write the manifest. An interrupted build resumes."""
    from harness.core.progress import progress_for
    from harness.corpora.build import BuildOptions
    from harness.corpora.build import build as build_corpus
    from harness.corpora.manifest import load_manifest
    from metrics.io.weights import cache_dir

    manifest = load_manifest(name)
    options = BuildOptions(jobs=jobs, packages=packages, allow_version=allow_version, verify=verify)
    built = build_corpus(manifest, options, progress_for(quiet))
    minutes = sum(track.seconds for track in manifest.tracks) / 60
    typer.echo(
        f"{manifest.name}: {len(manifest.tracks)} tracks, {minutes / 60:.1f} h ({built.converted} converted now, "
        f"{built.kept} existing) in {built.folder}"
    )
    if built.converted and packages is None:
        typer.echo(f"The packages stay in {cache_dir() / 'packages'}: delete them to free disk space.")


@app.command()
def compose(
    name: Annotated[str, typer.Argument(help="The corpus to make, in the cache beside those of real music.")],
    hours: Annotated[float, typer.Option(help="Music in all, shared evenly by the styles.")] = 1.0,
    style: Annotated[
        list[str] | None, typer.Option(help="Only these styles; can be given more than once.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first piece of each style.")] = 0,
    packages: Annotated[
        Path | None,
        typer.Option(help="A folder with the soundfont's .deb, instead of downloading.", exists=True, file_okay=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compose music whose key, tempo, metre, chords, form and instruments are known: audio, MIDI and a truth table.

    [bold]Example[/bold]: harness corpus compose etudes --hours 2
    """
    from harness.core.progress import progress_for
    from harness.corpora.composed import STYLES, ComposeRequest
    from harness.corpora.composed import compose as compose_corpus

    wanted = ComposeRequest(name, hours, tuple(style or STYLES), seed)
    composed = compose_corpus(wanted, packages, progress_for(quiet))
    typer.echo(
        f"{name}: {composed.pieces} pieces, {composed.hours:.2f} h ({composed.added} composed now) in {composed.folder}"
    )


@app.command("list")
def list_corpora() -> None:
    """The corpora that can be built, and which are."""
    from rich.console import Console
    from rich.table import Table

    from harness.corpora.corpus import ROWS, corpus_folder
    from harness.corpora.manifest import load_manifest, manifest_names

    table = Table("corpus", "hours", "tracks", "styles", "built", "what it is")
    for name in manifest_names():
        manifest = load_manifest(name)
        styles = dict.fromkeys(track.style for track in manifest.tracks)
        hours = sum(track.seconds for track in manifest.tracks) / 3600
        built = "yes" if (corpus_folder(name) / ROWS).is_file() else "no"
        table.add_row(name, f"{hours:.1f}", str(len(manifest.tracks)), ", ".join(styles), built, manifest.description)
    Console().print(table)


@app.command()
def show(name: Name) -> None:
    """Minutes per style and split, packages and licences."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from harness.corpora.manifest import load_manifest
    from harness.corpora.splits import SPLITS

    manifest = load_manifest(name)
    console = Console()
    console.print(manifest.description)
    table = Table("style", *(f"{split} min (tracks)" for split in SPLITS), "never trained on")
    for style in [*dict.fromkeys(track.style for track in manifest.tracks), None]:
        tracks = [track for track in manifest.tracks if style in (None, track.style)]
        cells = []
        for split in SPLITS:
            part = [track.seconds / 60 for track in tracks if track.split == split]
            cells.append(f"{sum(part):.1f} ({len(part)})")
        whole = sorted({track.package for track in tracks if manifest.package(track.package).test is None})
        table.add_row(style or "all", *cells, ", ".join(whole) if style else "", end_section=style is None)
    console.print(table)
    console.print("Packages, their authors and where the licences were read:")
    for package in manifest.packages:
        tracks = manifest.of_package(package.name)
        licences = ", ".join(sorted({track.licence for track in tracks}))
        authors = "; ".join(dict.fromkeys(track.author for track in tracks))
        rest = f" {package.version} ({package.size / 1e6:.0f} MB, {licences}): {authors}"
        console.print(Padding(Text.assemble((package.name, "bold"), rest), (0, 0, 0, 2)))
        console.print(Padding(Text(package.evidence, style="dim"), (0, 0, 0, 6)))


@app.command()
def attribution(
    name: Name,
    split: Annotated[list[Split], typer.Option(help="Only these splits; can be given more than once.")] = list(Split),  # noqa: B006
) -> None:
    """The attribution table of the music, in Markdown."""
    from harness.corpora.attribution import attribution as render
    from harness.corpora.manifest import load_manifest

    typer.echo(render(load_manifest(name), [part.value for part in split]), nl=False)


@app.command()
def embed(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, .safetensors.")],
    style: Annotated[
        list[str] | None, typer.Option(help="Only these styles; can be given more than once.", show_default="all")
    ] = None,
    clips_per_style: Annotated[int, typer.Option(min=1, help="Excerpts of each style, its tracks in turn.")] = 30,
    seconds: Annotated[float, typer.Option(min=0.4, help="Length of each excerpt.")] = 6.0,
    embedder: Annotated[str, typer.Option(help="Embedding model.")] = "musicnn",
) -> None:
    """Embed excerpts of the test tracks as a reference set, for harness run … --reference FILE.

    [bold]Example[/bold]: harness corpus embed heldout --style ambient --style metal -o two-styles.safetensors
    """
    from harness.core.errors import UsageError
    from harness.corpora.reference import embed_corpus

    if output.suffix != ".safetensors":
        raise UsageError(f"the output {output} ends in {output.suffix!r}: .safetensors was expected.")
    embedded = embed_corpus(name, style or [], clips_per_style, seconds, embedder)
    embedded.save(output)
    typer.echo(f"{output}: {len(embedded.frames)} frames of {embedded.n_units} tracks")
