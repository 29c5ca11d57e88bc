"""`harness stimuli`: from an experiment to the files of a listening study; what to plan before, and check after it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import LazyCommand, LazyGroup, Verb, command_of
from harness.cli.options import Quiet, Results, taken, typer_option, with_options

if TYPE_CHECKING:
    from harness.listening.build import BuiltStudy
    from harness.listening.choose.declared import StudyRequest
    from harness.listening.settings import StudySettings

TABLE = {
    "plan": Verb("harness.cli.stimuli_plan", "How many listeners and items, which design, how long a session is."),
    "check": Verb("harness.cli.stimuli_check", "Verify a folder of stimuli, of this or any other origin."),
}


class StimuliGroup(LazyGroup):
    """A first word that is no command of the group is a source of clips."""

    def table(self) -> Mapping[str, str]:
        return {name: verb.help for name, verb in TABLE.items()}

    def load(self, name: str) -> Any:
        import importlib

        if name not in TABLE:
            return command_of(build_command())
        return command_of(getattr(importlib.import_module(TABLE[name].module), f"{name}_command")())

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
    kind: Annotated[
        str | None,
        typer.Option(
            help="multi, acr, ab, abx, mushra, affect or ideation.", show_default="what the experiment declares"
        ),
    ] = None,
    results: Results = Path("results"),
    mlflow: Annotated[bool, typer.Option(help="Log protocol, manifest and a page without the key to MLflow.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the protocol as JSON.")] = False,
    quiet: Quiet = False,
    **values: Any,
) -> None:
    """Make the files of a listening study from clips: of one loudness and length, blinded, ordered, exported.

    Clips are matched on prompt and index across conditions. A second run makes the same bytes; one that was stopped
    resumes. DIR/public may be served, DIR/PRIVATE tells which stimulus is which, DIR/protocol.json and README.md
    describe the methods.

    ideation, emotion, experiment_design and writing declare a listening study: they need no --kind, and are run first
    where there is no run of them.
    """
    from harness.core.progress import progress_for
    from harness.listening.build import build as build_study
    from harness.listening.build import copy_to_run
    from harness.listening.choose.declared import resolve_request, run_if_missing
    from harness.reporting.mlflow import log_run_or_postpone

    progress, request = progress_for(quiet or as_json), resolve_request(source, kind)
    settings = study_settings(request, {**values, "results": results})
    run_if_missing(request, results, progress)
    built = build_study(settings, progress)
    if (run := copy_to_run(built, results)) and mlflow and (problem := log_run_or_postpone(run, results)[1]):
        progress.note(f"not synced: run `harness sync`. {problem}")
    if as_json:
        from harness.core.identity import readable_json

        typer.echo(readable_json(built.protocol).decode().rstrip("\n"))
    else:
        print_built(built)


def build_command() -> Callable[..., None]:
    """`build` with the options of the settings of a study."""
    from harness.core.settings import options_of
    from harness.listening.settings import OrderSettings, SelectionSettings, SoundSettings, StudySettings

    rate = typer_option(options_of(SoundSettings)["rate"].option, ("--rate",))
    changed: dict[str, dict[str, Any]] = {
        "out": {"default": inspect.Parameter.empty},
        "listeners": {"default": None},  # that of the experiment, if it declares one
        "rate": {"default": "48000", "annotation": Annotated[str, rate]},
    }
    return with_options(build, (SelectionSettings, SoundSettings, OrderSettings, StudySettings), changed)


def study_settings(request: StudyRequest, values: Mapping[str, Any]) -> StudySettings:
    """The settings of a requested study from the values of the options. Raises `UsageError`."""
    from harness.core.settings import options_of
    from harness.listening.settings import OrderSettings, SelectionSettings, SoundSettings, StudySettings

    declared = {"listeners": request.listening.listeners} if request.listening else {}
    given = {name: value for name, value in values.items() if value is not None}
    return StudySettings(
        source=request.source,
        kind=request.kind,
        results=values["results"],
        choice=taken(SelectionSettings, given),
        format=replace(taken(SoundSettings, {**given, "rate": None}), rate=_rate(values["rate"])),
        order=taken(OrderSettings, declared | given),
        listening=request.listening,
        **{name: given[name] for name in options_of(StudySettings) if name in given},
    )


def _rate(text: str) -> int | None:
    from harness.core.errors import UsageError

    if text == "keep":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--rate was {text!r}: a number of Hz such as 48000, or keep, was expected.") from None


def print_built(built: BuiltStudy) -> None:
    """Print what was made, in a few lines."""
    from harness.listening.describe.readme import trials_in_words

    stimuli, protocol = built.stimuli, built.protocol
    selection, processing, design = protocol["selection"], protocol["processing"], protocol["design"]
    down = processing["true_peak"]["items_lowered_db"]
    existing = len(stimuli.stimuli) - built.made
    lines = [
        f"{stimuli.kind.name}: {stimuli.kind.title}",
        f"items     {len(selection['items'])} × {', '.join(selection['conditions'])}: {selection['rule']}",
        *(
            [f"dropped   {len(selection['dropped'])} items: {_first(selection['dropped'])}"]
            if selection["dropped"]
            else []
        ),
        f"stimuli   {len(stimuli.stimuli)} of {stimuli.seconds:g} s, {stimuli.rate} Hz"
        + (f" ({existing} existed)" if existing else ""),
        f"level     {processing['loudness']['target_lufs']:g} LUFS"
        + (f"; {len(down)} items lowered by up to {max(down.values()):.2f} dB for the true peak" if down else ""),
        f"design    {design['name']}, {design['listeners']} lists of {trials_in_words(design)}",
        *(f"!         {sentence}" for sentence in design["imbalance"]),
        *(f"!         not exported for {name}: {reason}" for name, reason in protocol["exports"]["refused"].items()),
        f"serve     {built.folder}/public",
        f"private   {built.folder}/PRIVATE (key, secret, preview/index.html), protocol.json, README.md",
    ]
    for line in lines:
        typer.echo(line)


def _first(reasons: Mapping[str, str]) -> str:
    name, reason = next(iter(reasons.items()))
    return f"{name}: {reason}" + (", …" if len(reasons) > 1 else "")
