"""`harness score`: figures of sound files that are there already, whatever made them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Quiet

if TYPE_CHECKING:
    from rich.table import Table

    from harness.models.likelihood import LikelihoodRequest
    from harness.scoring.likelihood import Scored

PER = {"nats_per_token": ("nats/token", 3), "bits_per_token": ("bits/token", 3), "bits_per_second": ("bits/s", 0)}
"""Heading and decimals of each figure that files of different lengths can be compared by."""

FIGURES, PAIRS, LABELS, OUTPUT = (
    "What is measured", "Two folders", "With --likelihood: what the model is told", "What is printed",
)  # fmt: skip


class OnError(StrEnum):
    """What a file that cannot be read does."""

    CONTINUE = "continue"
    STOP = "stop"


def score(
    paths: Annotated[
        list[Path], typer.Argument(help="Sound files, and folders that are searched for them.", show_default=False)
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            "-r",
            rich_help_panel=FIGURES,
            help="Real music to measure against: a name of 'harness reference list', or a folder of sound files.",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=FIGURES,
            help="A name of 'harness metrics', or a figure of single files such as loudness or tempo; repeatable.",
            show_default="fad16, fad, kad, precision, recall, density, coverage, vendi, diversity",
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=FIGURES, help="What makes embeddings.", show_default="the reference's; else musicnn"
        ),
    ] = None,
    excerpt_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.4,
            rich_help_panel=FIGURES,
            help="Cut both sides into excerpts of this length.",
            show_default="the reference's; else whole files",
        ),
    ] = None,
    pair_by: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=PAIRS,
            metavar="name|CSV",
            help="Compare two folders in pairs: of equal names, or by a table with columns a,b[,prompt][,stratum].",
        ),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", rich_help_panel=PAIRS, help="Several folders are one set.")
    ] = False,
    permutations: Annotated[
        int, typer.Option(min=99, rich_help_panel=PAIRS, help="Relabellings of each test, above 12 pairs.")
    ] = 999,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=PAIRS, help="Relabellings are drawn by it.")] = 0,
    likelihood: Annotated[
        bool, typer.Option("--likelihood", rich_help_panel=FIGURES, help="How likely each file is under a model.")
    ] = False,
    model: Annotated[
        str, typer.Option("--model", "-m", rich_help_panel=LABELS, help="The model, a Jukebox.")
    ] = DEFAULT_MODEL,
    as_it_is: Annotated[
        bool, typer.Option("--as-it-is", rich_help_panel=LABELS, help="Leave the loudness; else it is −23 LUFS.")
    ] = False,
    style: Annotated[str | None, typer.Option(rich_help_panel=LABELS, help="A style the model knows.")] = None,
    artist: Annotated[str | None, typer.Option(rich_help_panel=LABELS, help="An artist the model knows.")] = None,
    lyrics: Annotated[
        str | None, typer.Option(rich_help_panel=LABELS, help="The words sung, or a text file of them.")
    ] = None,
    offset_seconds: Annotated[
        float, typer.Option(rich_help_panel=LABELS, help="Where in a longer piece the files begin.")
    ] = 0.0,
    total_seconds: Annotated[
        float | None,
        typer.Option(rich_help_panel=LABELS, help="Length of that piece.", show_default="as the model samples"),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=OUTPUT, help="JSON, with the provenance of every figure.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(rich_help_panel=OUTPUT, help="A CSV file to write, a row for each file.")
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(rich_help_panel=OUTPUT, help="After a file that cannot be read.")
    ] = OnError.CONTINUE,
    quiet: Quiet = False,
) -> None:
    """Measure any folder of sound files, from any system, against real music; or compare two folders in pairs.

    Both sides go through one preprocessing: a reference by name brings its own, a folder is embedded as the files are.
    Sub-folders are styles. What was measured or embedded before, by content, is not again.
    --csv has a row for each file, --json everything with its provenance. The exit code is 1 if a file was not read.

    [bold]Examples[/bold]

    harness score clips/ --reference heldout --csv files.csv

    harness score clips/ --reference ~/music/jazz --metric kad --metric recall --embedder clap:laion/clap-htsat-unfused

    harness score system-a/ system-b/ --reference heldout --pair-by name

    harness score one.wav two.flac --likelihood --style metal --csv likelihood.csv
    """
    from harness.core.errors import UsageError
    from harness.core.progress import progress_for
    from harness.scoring.likelihood import as_csv, as_dict, as_json, rows
    from metrics.io.files import write_bytes

    measured = reference is not None or bool(metric) or pair_by is not None
    if not measured and not likelihood:
        raise UsageError(
            "nothing to measure was named. There is --reference, real music to measure against: "
            f"harness score {paths[0]} --reference heldout. There is --likelihood, how likely each file is under a "
            f"model: harness score {paths[0]} --likelihood"
        )
    if csv is not None:
        check_csv(csv)
    stop, progress = on_error is OnError.STOP, progress_for(quiet)
    report, scored = None, []
    if likelihood:
        labels = {"style": style, "artist": artist, "lyrics": lyrics}
        request = request_of(labels, offset_seconds, total_seconds, as_it_is)
    if measured:
        from harness.running.folder import Asked, measure_files

        asked = Asked(
            tuple(paths), reference, tuple(metric or ()), embedder, excerpt_seconds, pair_by, together, stop,
            permutations, seed,
        )  # fmt: skip
        report = measure_files(asked, progress)
    if likelihood:
        from harness.scoring.likelihood import load_scorer, score_files, sound_files

        scored = score_files(load_scorer(model), sound_files(paths), request, stop, progress)
    if report is None:
        table, text = as_csv(scored), as_json(scored)
    else:
        totals = {row["file"]: row for row in rows(scored) if row.get("level") == "all"}
        of_files = {
            file: {name: row[name] for name in ("nats_per_token", "bits_per_second")} for file, row in totals.items()
        }
        table = report.as_csv(of_files)
        text = report.as_json(**({"likelihood": as_dict(scored)} if likelihood else {}))
    if csv is not None:
        write_bytes(csv, table.encode())
    if json:
        typer.echo(text.rstrip("\n"))
    else:
        if report is not None:
            from harness.cli.tables.score import print_report

            print_report(report)
        if any(one.likelihood for one in scored):
            print_table(likelihood_table(scored))
    failed = {str(one.path): one.error for one in scored if one.error} | (report.failed if report else {})
    for error in failed.values():
        typer.echo(f"Left out: {error}", err=True)
    if failed:
        files = len(scored) if report is None else sum(1 for _ in report.rows())
        typer.echo(f"{len(failed)} of {files} files could not be scored.", err=True)
        raise typer.Exit(2 if len(failed) == files else 1)


def check_csv(path: Path) -> None:
    """Find out before scoring whether the table can be written after it. Raises `UsageError`."""
    from harness.core.errors import UsageError
    from metrics.io.files import writable

    if not writable(path):
        raise UsageError(f"the table {path} cannot be written: a file in a folder you may write to was expected.")


def request_of(labels: dict[str, Any], offset: float, total: float | None, as_it_is: bool) -> LikelihoodRequest:
    """The options as a request; without labels there is no prompt."""
    from harness.cli.sample import read_lyrics
    from harness.models.likelihood import LUFS, LikelihoodRequest
    from harness.prompts.prompt import Prompt

    named: dict[str, Any] = labels | {"lyrics": read_lyrics(labels["lyrics"])}
    prompt = Prompt(**named) if any(value is not None for value in named.values()) else None
    return LikelihoodRequest(prompt, offset, total, None if as_it_is else LUFS)


def likelihood_table(scored: Sequence[Scored]) -> Table:
    """File × level: nats and bits per token, bits per second of audio; below them the means over 3 files or more."""
    from rich.table import Table
    from rich.text import Text

    from harness.scoring.likelihood import rows, scores

    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("level")
    for heading in ("codes", "nats", *(heading for heading, _ in PER.values())):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows(scored):
        if "level" in row:
            name = Text(row["file"] if row["level"] == 0 else "")
            figures = [f"{row[figure]:,.{places}f}" for figure, (_, places) in PER.items()]
            last = row["level"] == "all"
            table.add_row(
                name, str(row["level"]), f"{row['codes']:,}", f"{row['nats']:,.1f}", *figures, end_section=last
            )
    over_files = scores(scored)
    for first, level in enumerate(over_files.get("bits_per_token", {})):
        cells = [
            f"{over_files[figure][level].value:,.{places}f} ± {over_files[figure][level].stderr:,.{places}f}"
            for figure, (_, places) in PER.items()
        ]
        table.add_row("" if first else "mean ± standard error", str(level), "", "", *cells)
    return table


def print_table(table: Table) -> None:
    """To standard output, as wide as it wants to be where there is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        wanted = Console(width=10_000).measure(table).maximum
        console = Console(file=console.file, width=max(console.width, wanted))
    console.print(table)
