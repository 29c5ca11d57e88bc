"""`harness score`: scores of sound files that exist already, whatever made them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Quiet, Results

if TYPE_CHECKING:
    from rich.table import Table

    from harness.core.progress import Progress
    from harness.models.likelihood import LikelihoodRequest
    from harness.running.folder import Report
    from harness.scoring.likelihood import Scored

PER = {"nats_per_token": ("nats/token", 3), "bits_per_token": ("bits/token", 3), "bits_per_second": ("bits/s", 0)}
"""Heading and decimals of each value that files of different lengths can be compared by."""

MEASURED, SETS, LABELS, OUTPUT = (
    "What is measured", "Which conditions", "With --likelihood: the labels of the model", "What is printed",
)  # fmt: skip


class OnError(StrEnum):
    """What a file that cannot be read does."""

    CONTINUE = "continue"
    STOP = "stop"


class Rows(StrEnum):
    """Of what the scores are given besides."""

    STYLE = "style"
    PROMPT = "prompt"


def score(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders, each a condition, and sound files, together one more.", show_default=False),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=SETS,
            help="A CSV file with a column file, and any of condition, prompt, text, style, index, seed, "
            "prompt_seconds; a run's clips.csv is one.",
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            "-r",
            rich_help_panel=MEASURED,
            help="Real music to measure against: a name of 'harness reference list', or a folder; one per embedder.",
            show_default="heldout, where a metric needs one",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=MEASURED,
            help="A name of 'harness metrics'; repeat for more.",
            show_default="fad16, kad, vendi, diversity, style_similarity, and adherence to prompts",
        ),
    ] = None,
    embedder: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=MEASURED,
            help="What makes embeddings; repeat for more, whose scores are named kad@NAME.",
            show_default="the reference's; else musicnn",
        ),
    ] = None,
    excerpt_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.4,
            rich_help_panel=MEASURED,
            help="Cut both sides into excerpts of this length.",
            show_default="the reference's; else whole files",
        ),
    ] = None,
    pair_by: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=SETS,
            metavar="name|CSV",
            help="Compare folders in pairs: of equal names, or by a table with columns a,b[,prompt][,stratum].",
        ),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", rich_help_panel=SETS, help="Several folders are one condition.")
    ] = False,
    likelihood: Annotated[
        bool, typer.Option("--likelihood", rich_help_panel=MEASURED, help="How likely each file is under a model.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            rich_help_panel=LABELS,
            help="The model, a Jukebox.",
            show_default=f"the run's; else {DEFAULT_MODEL}",
        ),
    ] = None,
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
    rows: Annotated[
        Rows | None, typer.Option(rich_help_panel=OUTPUT, help="The scores of each style, or of each prompt, as well.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", rich_help_panel=OUTPUT, help="JSON, with the provenance of every score.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(rich_help_panel=OUTPUT, help="A CSV file to write, a row for each file.")
    ] = None,
    mlflow: Annotated[
        bool, typer.Option("--mlflow", rich_help_panel=OUTPUT, help="Log to MLflow, as a run would be.")
    ] = False,
    results: Results = Path("results"),
    on_error: Annotated[
        OnError, typer.Option(rich_help_panel=OUTPUT, help="After a file that cannot be read.")
    ] = OnError.CONTINUE,
    quiet: Quiet = False,
) -> None:
    """Measure folders of sound files from any system, against real music and against each other.

    Each folder is a condition, its sub-folders are styles. Both sides go through one preprocessing. What was measured
    before, by content, is not measured again. --csv has a row for each file, --json everything with its provenance.
    The exit code is 1 if a file was not read.

    [bold]Examples[/bold]

    harness score clips/ --csv files.csv

    harness score clips/ --reference ~/music/jazz --metric kad --metric recall --embedder clap:laion/clap-htsat-unfused

    harness score system-a/ system-b/ system-c/ --pair-by name

    harness score --manifest results/runs/temperature-1a2b3c/clips.csv

    harness score one.wav two.flac --likelihood --style metal --csv likelihood.csv
    """
    from harness.core.progress import progress_for

    paths = paths or []
    measured = bool(reference or metric or embedder or manifest or pair_by) or not likelihood
    if csv is not None:
        check_csv(csv)
    stop, progress = on_error is OnError.STOP, progress_for(quiet)
    if likelihood:
        labels = {"style": style, "artist": artist, "lyrics": lyrics}
        request = request_of(labels, offset_seconds, total_seconds, as_it_is)
    report = None
    if measured:
        from harness.running.folder import FolderRequest, score_folders

        report = score_folders(
            FolderRequest(
                tuple(paths), manifest, tuple(metric or ()), tuple(embedder or ()), tuple(reference or ()),
                excerpt_seconds, pair_by, together, stop, model or "", rows.value if rows else "",
            ),
            progress,
        )  # fmt: skip
    scored = _likelihoods(model or DEFAULT_MODEL, paths, report, request, stop, progress) if likelihood else []
    _show(report, scored, csv, json)
    if mlflow and report is not None:
        _log(report, results, json)
    _leave(report, scored)


def _likelihoods(
    model: str, paths: Sequence[Path], report: Report | None, request: LikelihoodRequest, stop: bool, progress: Progress
) -> list[Scored]:
    """The likelihood of each file that was measured, or of those named."""
    from harness.core.sound_files import sound_files
    from harness.scoring.likelihood import load_scorer, score_files

    if report is None:
        listing = sound_files(list(paths))
        files = listing.files
    else:
        files = [clip.path for one in report.conditions for clip in one.clips.clips]
    return score_files(load_scorer(model), files, request, stop, progress)


def _show(report: Report | None, scored: Sequence[Scored], csv: Path | None, json: bool) -> None:
    """Write the table of files, and print tables or JSON."""
    from harness.scoring.likelihood import as_csv, as_dict, as_json
    from harness.scoring.likelihood import rows as likelihood_rows
    from metrics.io.files import write_bytes

    if csv is not None:
        if report is None:
            table = as_csv(scored)
        else:
            totals = {row["file"]: row for row in likelihood_rows(scored) if row.get("level") == "all"}
            table = report.as_csv(
                {
                    file: {name: row[name] for name in ("nats_per_token", "bits_per_second")}
                    for file, row in totals.items()
                }
            )
        write_bytes(csv, table.encode())
    if json:
        more = {"likelihood": as_dict(scored)} if scored else {}
        typer.echo((as_json(scored) if report is None else report.as_json(**more)).rstrip("\n"))
        return
    if report is not None:
        from harness.cli.tables.score import print_report

        print_report(report)
    if any(one.likelihood for one in scored):
        print_table(likelihood_table(scored))


def _log(report: Report, results: Path, json: bool) -> None:
    from harness.reporting.mlflow import log_files_or_postpone

    logged, problem = log_files_or_postpone(report.as_run(), results)
    if logged is None:
        typer.echo(problem, err=True)
        return
    state = "logged to" if logged.new else "already in"
    typer.echo(f"MLflow   {state} experiment {logged.experiment!r} of {logged.uri}", err=json)


def _leave(report: Report | None, scored: Sequence[Scored]) -> None:
    """Say which files could not be read, and exit with 1 where there are some."""
    failed = {str(one.path): one.error for one in scored if one.error} | (report.failed if report else {})
    for error in failed.values():
        typer.echo(f"Left out: {error}", err=True)
    if failed:
        count = len(scored) if report is None else report.count
        typer.echo(f"{len(failed)} of {count} files could not be scored.", err=True)
        raise typer.Exit(1)


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
