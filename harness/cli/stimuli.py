"""`harness stimuli`: from an experiment to the files of a listening study; what to plan before, and check after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import LazyCommand, LazyGroup, Verb, command_of
from harness.cli.options import Quiet, Results

if TYPE_CHECKING:
    from harness.listening.make.build import Built

CHOSEN, SOUND, ORDER, KIND, DONE = (
    "Which clips", "How they sound", "Who hears what", "What some kinds need", "How the work is done",
)  # fmt: skip

TABLE = {
    "plan": Verb("harness.cli.stimuli_plan", "How many listeners and items, which design, how long a sitting is."),
    "check": Verb("harness.cli.stimuli_check", "Verify a folder of stimuli, of this or any other origin."),
}


class StimuliGroup(LazyGroup):
    """A first word that is no command of the group is a source of clips."""

    def table(self) -> Mapping[str, str]:
        return {name: verb.help for name, verb in TABLE.items()}

    def load(self, name: str) -> Any:
        import importlib

        if name not in TABLE:
            return command_of(build)
        return command_of(getattr(importlib.import_module(TABLE[name].module), name))

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:
        if args and args[0] not in self.table() and not args[0].startswith("-"):
            return "", LazyCommand("", "", self.load), args
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=StimuliGroup, no_args_is_help=True, add_completion=False)


@app.callback()
def stimuli() -> None:
    """Make the files of a listening study: SOURCE --kind KIND --out DIR. All options: harness stimuli SOURCE --help.

    SOURCE is an experiment (its newest run), a run, or a folder with a sub-folder of clips for each condition.

    [bold]Examples[/bold]

    harness stimuli plan --kind acr --conditions 3 --effect 0.3

    harness stimuli temperature --kind multi --out study

    harness stimuli check study
    """


def build(
    source: Annotated[str, typer.Argument(help="An experiment, a run, or a folder of clips.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder to make.", show_default=False)],
    kind: Annotated[
        str | None,
        typer.Option(
            help="multi, acr, ab, abx, mushra, affect or ideation.", show_default="what the experiment declares"
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What listeners may read as the study's name.")] = "listening study",
    language: Annotated[str, typer.Option(help="Of what listeners read: en or zh.")] = "en",
    condition: Annotated[
        list[str] | None, typer.Option(rich_help_panel=CHOSEN, help="A condition; repeatable.", show_default="all")
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=CHOSEN,
            help="How many prompts × indices, drawn by the seed.",
            show_default="all; ideation: one for each task",
        ),
    ] = None,
    clips: Annotated[
        Path | None, typer.Option(rich_help_panel=CHOSEN, help="A CSV with columns prompt,index: take these.")
    ] = None,
    best_by: Annotated[
        str | None,
        typer.Option(rich_help_panel=CHOSEN, help="Take the highest in this figure of the run; the protocol says so."),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", rich_help_panel=CHOSEN, help="Drop items that lack a clip or have a bad one."),
    ] = False,
    rate: Annotated[
        str, typer.Option(rich_help_panel=SOUND, metavar="HZ|keep", help="Sampling rate; keep: the clips' own.")
    ] = "48000",
    channels: Annotated[
        int | None, typer.Option(rich_help_panel=SOUND, help="1 or 2.", show_default="the clips' own")
    ] = None,
    bits: Annotated[int, typer.Option(rich_help_panel=SOUND, help="16 or 24.")] = 16,
    flac: Annotated[bool, typer.Option("--flac", rich_help_panel=SOUND, help="FLAC, not WAV.")] = False,
    lufs: Annotated[float, typer.Option(rich_help_panel=SOUND, help="Loudness by ITU-R BS.1770.")] = -23.0,
    true_peak: Annotated[float, typer.Option(rich_help_panel=SOUND, help="At most, in dBTP.")] = -1.0,
    fade_ms: Annotated[float, typer.Option(rich_help_panel=SOUND, help="Fade in and out.")] = 10.0,
    seconds: Annotated[
        float | None,
        typer.Option(rich_help_panel=SOUND, help="Length of every stimulus.", show_default="the shortest clip's"),
    ] = None,
    start: Annotated[float, typer.Option(rich_help_panel=SOUND, help="Second of the clip to begin at.")] = 0.0,
    trim: Annotated[
        bool, typer.Option("--trim", rich_help_panel=SOUND, help="Leave out silence at the ends first.")
    ] = False,
    keep_clipped: Annotated[
        bool, typer.Option("--keep-clipped", rich_help_panel=SOUND, help="Take clips that are clipped, too.")
    ] = False,
    listeners: Annotated[
        int | None,
        typer.Option(rich_help_panel=ORDER, help="How many lists.", show_default="12, or what the experiment declares"),
    ] = None,
    seed: Annotated[int, typer.Option(rich_help_panel=ORDER, help="Items and orders are drawn by it.")] = 0,
    per_listener: Annotated[
        int | None,
        typer.Option(rich_help_panel=ORDER, help="Trials that one listener meets.", show_default="all there are"),
    ] = None,
    block: Annotated[
        int | None, typer.Option(rich_help_panel=ORDER, help="Conditions on a page.", show_default="all")
    ] = None,
    repeats: Annotated[int, typer.Option(rich_help_panel=ORDER, help="Trials met twice, for test–retest.")] = 0,
    traps: Annotated[
        int | None, typer.Option(rich_help_panel=ORDER, help="Traps in a list.", show_default="one in ten")
    ] = None,
    golds: Annotated[
        int | None, typer.Option(rich_help_panel=ORDER, help="Gold items in a list.", show_default="one in ten")
    ] = None,
    training: Annotated[
        int | None,
        typer.Option(rich_help_panel=ORDER, help="Items that listeners are trained on.", show_default="one"),
    ] = None,
    design: Annotated[
        str, typer.Option(rich_help_panel=ORDER, help="auto, williams, blocks, pairs or random.")
    ] = "auto",
    reference: Annotated[
        str | None, typer.Option(rich_help_panel=KIND, help="mushra: a condition, or a folder of originals.")
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=KIND, help="ideation: a folder of real music.", show_default="clips of other prompts"
        ),
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(rich_help_panel=KIND, help="ideation: a YAML file of tasks.", show_default="four")
    ] = None,
    secret: Annotated[
        Path | None, typer.Option(rich_help_panel=DONE, help="A secret to blind with.", show_default="a new one")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(rich_help_panel=DONE, help="Processes.", show_default="one for each core")
    ] = None,
    results: Results = Path("results"),
    mlflow: Annotated[
        bool, typer.Option(rich_help_panel=DONE, help="Show protocol, manifest and a page without the key in MLflow.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the protocol as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make the files of a listening study from clips: of one loudness and length, blinded, ordered, exported.

    Clips are matched on prompt and index across conditions. A second run makes the same bytes; one that was stopped
    goes on. What may be served is in DIR/public, which is which in DIR/PRIVATE, the methods in DIR/protocol.json and
    README.md.

    ideation, emotion, experiment_design and writing declare how their listeners are asked: they need no --kind, and are
    run first where there is no run of them.
    """
    from harness.core.progress import progress_for
    from harness.listening.choose.declared import asked_for, keep_in_run, run_first
    from harness.listening.choose.selection import Choice
    from harness.listening.make.build import build as build_study
    from harness.listening.settings import Format, Order, StudySettings
    from harness.reporting.mlflow import log_run_or_postpone

    progress, asked = progress_for(quiet or as_json), asked_for(source, kind)
    if listeners is None:
        listeners = asked.listening.listeners if asked.listening else Order.listeners
    settings = StudySettings(
        source=asked.source,
        kind=asked.kind,
        out=out,
        results=results,
        name=name,
        language=language,
        choice=Choice(tuple(condition or ()), items, clips, best_by, skip_bad),
        format=Format(_rate(rate), channels, bits, flac, lufs, true_peak, fade_ms, seconds, start, trim, keep_clipped),
        order=Order(listeners, seed, per_listener, block, repeats, traps, golds, training, design),
        reference=reference,
        other=other,
        tasks=tasks,
        secret=secret,
        workers=workers,
        listening=asked.listening,
    )
    run_first(asked, results, progress)
    built = build_study(settings, progress)
    if (run := keep_in_run(built, results)) and mlflow and (problem := log_run_or_postpone(run, results)[1]):
        progress.note(f"not synced: run `harness sync`. {problem}")
    if as_json:
        from harness.core.identity import readable_json

        typer.echo(readable_json(built.protocol).decode().rstrip("\n"))
    else:
        print_built(built)


def _rate(text: str) -> int | None:
    from harness.core.errors import UsageError

    if text == "keep":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--rate was {text!r}: a number of Hz such as 48000, or keep, was expected.") from None


def print_built(built: Built) -> None:
    """What was made, in a few lines."""
    from harness.listening.describe.readme import said_trials

    stimuli, protocol = built.stimuli, built.protocol
    selection, processing, design = protocol["selection"], protocol["processing"], protocol["design"]
    down = processing["true_peak"]["items_lowered_db"]
    there = len(stimuli.stimuli) - built.made
    lines = [
        f"{stimuli.kind.name}: {stimuli.kind.title}",
        f"items     {len(selection['items'])} × {', '.join(selection['conditions'])}: {selection['rule']}",
        *(
            [f"dropped   {len(selection['dropped'])} items: {_first(selection['dropped'])}"]
            if selection["dropped"]
            else []
        ),
        f"stimuli   {len(stimuli.stimuli)} of {stimuli.seconds:g} s, {stimuli.rate} Hz"
        + (f" ({there} were there already)" if there else ""),
        f"level     {processing['loudness']['target_lufs']:g} LUFS"
        + (f"; {len(down)} items lowered by up to {max(down.values()):.2f} dB for the true peak" if down else ""),
        f"design    {design['name']}, {design['listeners']} lists of {said_trials(design)}",
        *(f"!         {sentence}" for sentence in design["imbalance"]),
        *(f"!         not exported for {name}: {reason}" for name, reason in protocol["exports"]["refused"].items()),
        f"serve     {built.folder}/public",
        f"keep      {built.folder}/PRIVATE (key, secret, preview/index.html), protocol.json, README.md",
    ]
    for line in lines:
        typer.echo(line)


def _first(reasons: Mapping[str, str]) -> str:
    name, reason = next(iter(reasons.items()))
    return f"{name}: {reason}" + (", …" if len(reasons) > 1 else "")
