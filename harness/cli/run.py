"""`harness run`: one command per experiment, installed or in a file. What varies comes from the experiment, the rest is
common to all."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer

from harness.cli import LazyCommand, LazyGroup, command_of
from harness.cli.options import DEFAULT_MODEL, Model, Quiet, Results, Seed
from harness.planning.installed import declarations

if TYPE_CHECKING:
    from harness.planning.experiment import Declaration
    from harness.prompts.prompt import Prompt

VARIES, PROMPTS, MEASURED = "What varies", "What is asked for", "What it is measured against"
DONE, HOW = "How the work is done", "How it is run"


class ExperimentGroup(LazyGroup):
    """Experiments are found by entry point, so that another distribution can bring its own, or by a file's path."""

    kind = "experiment"

    def table(self) -> Mapping[str, str]:
        return {name: declaration.headline for name, declaration in declarations().items()}

    def load(self, name: str) -> Any:
        from harness.planning.python_file import is_file_name

        return command_of_file(name) if is_file_name(name) else command_of(command_for(declarations()[name]))

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        from harness.planning.python_file import is_file_name

        if is_file_name(cmd_name):
            return LazyCommand(cmd_name, "", self.load)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:
        from harness.planning.python_file import is_file_name

        if args and is_file_name(args[0]):
            return args[0], self.get_command(ctx, args[0]), args[1:]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=ExperimentGroup, no_args_is_help=True, add_completion=False)


@app.callback()
def run() -> None:
    """Run an experiment: sample its conditions, measure them, compare them, log them to MLflow.

    A run that was stopped goes on where it was when the same command is given again.

    [bold]Example[/bold]

    harness run temperature --temperature 0.7 --temperature 0.99 --clips 24 --seconds 6

    harness run ./my_experiment.py --dry-run

    harness run study.yaml
    """


def common(
    clips: Annotated[int, typer.Option(help="Clips per condition, spread evenly over the prompts.")] = 16,
    seconds: Annotated[float, typer.Option(help="Length of each clip.")] = 6.0,
    model: Model = DEFAULT_MODEL,
    seed: Seed = 0,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=PROMPTS,
            help="A text prompt in any language; repeat for more.",
            show_default="a prompt per style",
        ),
    ] = None,
    style: Annotated[
        list[str] | None, typer.Option(rich_help_panel=PROMPTS, help="A style as a prompt; repeat for more.")
    ] = None,
    audio: Annotated[
        list[Path] | None, typer.Option(rich_help_panel=PROMPTS, help="A sound file to continue; repeat for more.")
    ] = None,
    prompt_seconds: Annotated[
        float | None, typer.Option(rich_help_panel=PROMPTS, help="How much of each --audio is used.", show_default="3")
    ] = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=PROMPTS, help="A prompt set ('harness prompts list') or file: .yaml, .csv, .jsonl."
        ),
    ] = None,
    references: Annotated[
        list[str],
        typer.Option(
            "--reference", rich_help_panel=MEASURED, help="Embeddings of real music: a name or a file; repeat for more."
        ),
    ] = ["heldout"],  # noqa: B006
    embedders: Annotated[
        list[str],
        typer.Option("--embedder", rich_help_panel=MEASURED, help="What makes embeddings of clips; repeat for more."),
    ] = ["musicnn"],  # noqa: B006
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            rich_help_panel=MEASURED,
            show_default="the usual ones",
            help="A metric to measure ('harness metrics' lists them); repeat for more.",
        ),
    ] = None,
    results: Results = Path("results"),
    mlflow: Annotated[bool, typer.Option(help="Log to MLflow.")] = True,
    quiet: Quiet = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    executor: Annotated[
        str, typer.Option(rich_help_panel=DONE, help="local, processes:N with a model in each, or ray.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(rich_help_panel=DONE, help="Of a Ray cluster; without it, this machine is one.")
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(rich_help_panel=DONE, help="Clips sampled at a time. Another width gives other clips."),
    ] = None,
    reuse: Annotated[
        str,
        typer.Option(
            rich_help_panel=DONE, help="Sample what is missing, all again (always-rerun) or nothing (only-cached)."
        ),
    ] = "missing",
    on_error: Annotated[
        str, typer.Option(rich_help_panel=DONE, help="When a clip cannot be made: continue or stop.")
    ] = "continue",
    max_failures: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=DONE, help="More failed clips stop the run.", show_default="a tenth, at least two batches"
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(rich_help_panel=DONE, help="How often to try again what the machine broke.")
    ] = 2,
    timeout: Annotated[
        float | None,
        typer.Option(rich_help_panel=DONE, help="Seconds without a step after which a worker counts as hung."),
    ] = None,
    independent_seeds: Annotated[
        bool, typer.Option(rich_help_panel=HOW, help="Own random numbers for each condition: pairs share prompts only.")
    ] = False,
    system_metrics: Annotated[
        bool,
        typer.Option(
            "--system-metrics", rich_help_panel=HOW, help="Log what the machine does meanwhile; needs psutil."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=HOW, help="Print the plan, sample nothing.")
    ] = False,
    confirm: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=HOW,
            help="Test one contrast again on fresh seeds: two names of conditions, or the word best.",
            metavar="NAME",
        ),
    ] = None,
) -> None:
    """The options that every experiment has."""


def command_for(declaration: Declaration) -> Any:
    """A function whose signature is the experiment's parameters followed by the common ones."""
    varied, shared = declaration.parameters, inspect.signature(common, eval_str=True).parameters
    settings = dict(declaration.settings)
    settings.pop("prompts", None)
    if clash := set(varied) & set(shared):
        raise TypeError(
            f"experiment {declaration.name!r} varies {sorted(clash)}, which every run has as an option: rename it"
        )

    def command(**values: Any) -> None:
        experiment = declaration(**{name: values.pop(name) for name in varied})
        execute(experiment, declaration.prompts(), **values)

    parameters = [_option(parameter) for parameter in varied.values()]
    parameters += [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, default=_listed(settings.get(name, parameter.default)))
        for name, parameter in shared.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__ = declaration.name
    command.__doc__ = declaration.question
    return command


def command_of_file(name: str) -> Any:
    """The command of an experiment in a file. Raises `UsageError` for a signature that no options can be made of."""
    from harness.core.errors import HarnessError, UsageError
    from harness.planning.python_file import load_experiment

    declaration = load_experiment(name)
    try:
        return command_of(command_for(declaration))
    except HarnessError:
        raise
    except Exception as error:  # whatever Typer says of a type that it does not know
        raise UsageError(f"{name}: {declaration.name} cannot be given options: {error}") from error


def execute(
    experiment: Any, listed: Sequence[Prompt] = (), *, model: str, clips: int, seconds: float, seed: int,
    references: list[str], embedders: list[str], metrics: list[str] | None, results: Path,
    mlflow: bool, quiet: bool, json: bool, executor: str,
    address: str | None, width: int | None, reuse: Any, on_error: Any, max_failures: int | None, retries: int,
    timeout: float | None, independent_seeds: bool, system_metrics: bool, dry_run: bool,
    confirm: list[str] | None, **prompts: Any,
) -> None:  # fmt: skip
    """Run the experiment and print what it found. `listed` are its own prompts, for when no others are asked for. Exit
    code 1 when a clip could not be made."""
    from harness.cli.tables.run import print_failures, print_json, print_outcome
    from harness.core.errors import StoreError
    from harness.core.progress import progress_for
    from harness.running.confirmation import BEST, best, confirmation
    from harness.running.experiment import evaluate
    from harness.running.settings import RunSettings
    from harness.sampling.loop import Execution

    progress = progress_for(quiet)
    execution = Execution(executor, reuse, on_error, max_failures, retries, timeout, address)
    asked = _prompts(**prompts) or tuple(listed)
    if len(asked) > clips:
        progress.note(f"--clips {clips} takes the first {clips} of {len(asked)} prompts: raise it for all.")
    settings = RunSettings(
        model,
        clips,
        seconds,
        seed,
        asked,
        references,
        embedders,
        metrics or (),
        independent_seeds,
        results,
        width,
        execution,
        system_metrics,
    )
    try:
        if confirm:  # a plan that samples nothing has nothing to be the best of
            names = best(evaluate(experiment, settings, progress)) if confirm == [BEST] and not dry_run else confirm
            experiment, settings = confirmation(experiment, settings, names)
        if dry_run:
            from harness.cli.tables.plan import print_preview
            from harness.running.dry_run import preview

            return print_preview(preview(experiment, settings), results)
        outcome = evaluate(experiment, settings, progress)
    except KeyboardInterrupt:
        typer.echo(f"\nTo go on: {_this_command()}", err=True)
        raise
    except StoreError as error:
        raise type(error)(f"{error}\nTo go on: {_this_command()}") from error
    print_json(outcome) if json else print_outcome(outcome)
    if mlflow:
        from harness.reporting.mlflow import log_or_postpone

        progress.note("logging to MLflow …")
        logged, problem = log_or_postpone(outcome, results)
        where = f" --results {results}" if str(results) != "results" else ""
        if logged is None:
            typer.echo(problem, err=True)
            line = f"MLflow   not synced: run `harness sync`{where and f' with{where}'}"
        else:
            state = "logged to" if logged.new else "already in"
            line = f"MLflow   {state} experiment {logged.experiment!r} of {logged.uri}; see it with: harness ui{where}"
        typer.echo(line, err=json)
    if outcome.failures:
        print_failures(outcome.failures, results / "failures", _this_command())
        raise typer.Exit(1)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _this_command() -> str:
    """What was typed, to be typed again."""
    return shlex.join(["harness", *sys.argv[1:]])


def _option(parameter: inspect.Parameter) -> inspect.Parameter:
    """A parameter of an experiment as an option: its annotation's text is the help, a sequence may be repeated."""
    annotation, text = parameter.annotation, ""
    if get_origin(annotation) is Annotated:
        annotation, text = get_args(annotation)[:2]
    default = parameter.default
    if get_origin(annotation) is Sequence:
        annotation = list[get_args(annotation)[0]]
        default = default if default is inspect.Parameter.empty else list(default)
    option = Annotated[annotation, typer.Option(help=str(text), rich_help_panel=VARIES)]
    return parameter.replace(annotation=option, default=default, kind=inspect.Parameter.KEYWORD_ONLY)


def _prompts(
    prompt: list[str] | None,
    style: list[str] | None,
    audio: list[Path] | None,
    prompt_seconds: float | None,
    prompts: list[str] | None,
) -> tuple[Prompt, ...]:
    from harness.core.errors import UsageError
    from harness.prompts.prompt import Prompt
    from harness.prompts.sets import load_prompt_set

    if prompt_seconds is not None and not audio:
        raise UsageError("--prompt-seconds was given without --audio: name the sound file to continue.")
    length: dict[str, Any] = {} if prompt_seconds is None else {"prompt_seconds": prompt_seconds}
    return (
        *(Prompt(text=text) for text in prompt or ()),
        *(Prompt(style=name) for name in style or ()),
        *(Prompt(audio=path, **length) for path in audio or ()),
        *(one for name in prompts or () for one in load_prompt_set(name).prompts()),
    )
