"""`harness score`: scores of sound files that exist already, whatever made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_MODEL, Quiet, Results, taken, with_options
from harness.core.option import Option
from harness.core.settings import settings_class

if TYPE_CHECKING:
    from rich.table import Table

    from harness.core.progress import Progress
    from harness.models.likelihood import LikelihoodRequest
    from harness.running.folder import FolderRequest, ScoreReport
    from harness.scoring.likelihood import Scored

PER = {"nats_per_token": ("nats/token", 3), "bits_per_token": ("bits/token", 3), "bits_per_second": ("bits/s", 0)}
"""Heading and decimals of each value that files of different lengths can be compared by."""

LABELS, OUTPUT = "With --likelihood: the labels of the model", "What is printed"


@settings_class
class LikelihoodOptions:
    """Whether the likelihood of each file is measured, and what the model is told about the files."""

    likelihood: Annotated[bool, Option("How likely each file is under a model.", panel="What is measured")] = False
    as_it_is: Annotated[bool, Option("Leave the loudness; else it is −23 LUFS.", panel=LABELS)] = False
    style: Annotated[str | None, Option("A style the model knows.", panel=LABELS)] = None
    artist: Annotated[str | None, Option("An artist the model knows.", panel=LABELS)] = None
    lyrics: Annotated[str | None, Option("The words sung, or a text file of them.", panel=LABELS)] = None
    offset_seconds: Annotated[float, Option("Where in a longer piece the files begin.", panel=LABELS)] = 0.0
    total_seconds: Annotated[
        float | None, Option("Length of that piece.", panel=LABELS, default="as the model samples")
    ] = None


@settings_class
class OutputOptions:
    """Where the scores go."""

    json: Annotated[bool, Option("JSON, with the provenance of every score.", panel=OUTPUT)] = False
    csv: Annotated[Path | None, Option("A CSV file to write, a row for each file.", panel=OUTPUT)] = None
    mlflow: Annotated[bool, Option("Log to MLflow, as a run would be.", panel=OUTPUT)] = False


def score(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders, each a condition, and sound files, together one more.", show_default=False),
    ] = None,
    results: Results = Path("results"),
    quiet: Quiet = False,
    **values: Any,
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
    from harness.running.folder import FolderRequest, score_folders

    asked = replace(taken(FolderRequest, values), paths=tuple(paths or ()))
    labels, output = taken(LikelihoodOptions, values), taken(OutputOptions, values)
    named = asked.references or asked.metrics or asked.embedders or asked.manifest or asked.pair_by
    if output.csv is not None:
        check_csv(output.csv)
    progress = progress_for(quiet)
    request = request_of(labels) if labels.likelihood else None
    report = score_folders(asked, progress) if named or request is None else None
    scored = [] if request is None else _likelihoods(asked, report, request, progress)
    _show(report, scored, output.csv, output.json)
    if output.mlflow and report is not None:
        _log(report, results, output.json)
    _leave(report, scored)


def score_command() -> Callable[..., None]:
    """`score` with the options of its settings."""
    from harness.running.folder import FolderRequest

    return with_options(score, (FolderRequest, LikelihoodOptions, OutputOptions))


def _likelihoods(
    asked: FolderRequest, report: ScoreReport | None, request: LikelihoodRequest, progress: Progress
) -> list[Scored]:
    """The likelihood of each file that was measured, or of those named."""
    from harness.core.sound_files import sound_files
    from harness.scoring.likelihood import load_scorer, score_files

    if report is None:
        listing = sound_files(list(asked.paths))
        files = listing.files
    else:
        files = [clip.path for one in report.conditions for clip in one.clips.clips]
    return score_files(load_scorer(asked.model or DEFAULT_MODEL), files, request, asked.stop, progress)


def _show(report: ScoreReport | None, scored: Sequence[Scored], csv: Path | None, json: bool) -> None:
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


def _log(report: ScoreReport, results: Path, json: bool) -> None:
    from harness.reporting.mlflow import log_files_or_postpone

    logged, problem = log_files_or_postpone(report.as_run(), results)
    if logged is None:
        typer.echo(problem, err=True)
        return
    state = "logged to" if logged.new else "already in"
    typer.echo(f"MLflow   {state} experiment {logged.experiment!r} of {logged.uri}", err=json)


def _leave(report: ScoreReport | None, scored: Sequence[Scored]) -> None:
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


def request_of(options: LikelihoodOptions) -> LikelihoodRequest:
    """The options as a request; without labels there is no prompt."""
    from harness.cli.sample import read_lyrics
    from harness.models.likelihood import LUFS, LikelihoodRequest
    from harness.prompts.prompt import Prompt

    named: dict[str, Any] = {
        "style": options.style,
        "artist": options.artist,
        "lyrics": read_lyrics(options.lyrics),
    }
    prompt = Prompt(**named) if any(value is not None for value in named.values()) else None
    lufs = None if options.as_it_is else LUFS
    return LikelihoodRequest(prompt, options.offset_seconds, options.total_seconds, lufs)


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
