"""`harness run`: one command per experiment, installed or in a file. What varies comes from the experiment, the rest is
common to all."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from harness.cli import LazyCommand, LazyGroup, command_of
from harness.cli.options import parameters_of, taken
from harness.core.option import DEFAULT_RESULTS, QUIET, Option
from harness.core.settings import Texts, options_of, settings_class
from harness.planning.registry import EXPERIMENTS, declarations

if TYPE_CHECKING:
    from harness.core.progress import Progress
    from harness.planning.experiment import Declaration
    from harness.prompts.prompt import Prompt
    from harness.running.settings import RunSettings
    from harness.scoring.results import Outcome

VARIES, HOW = "What varies", "How it is run"


class ExperimentGroup(LazyGroup):
    """Experiments are found by entry point, so that another distribution can bring its own, or by a file's path."""

    kind = "experiment"

    def table(self) -> Mapping[str, str]:
        from rich.markup import escape

        return {name: escape(declaration.headline) for name, declaration in declarations().items()}

    def names(self) -> list[str]:
        return EXPERIMENTS.names()

    def load(self, name: str) -> Any:
        from harness.planning.python_file import is_file_name

        return command_of_file(name) if is_file_name(name) else command_of_installed(name)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        from rich.markup import escape

        from harness.planning.python_file import is_file_name

        if is_file_name(cmd_name):
            return LazyCommand(cmd_name, "", self.load)
        if cmd_name not in self.names():
            return None
        found = EXPERIMENTS.find(cmd_name)
        return LazyCommand(cmd_name, escape(found.headline) if found else "", self.load)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:
        from harness.planning.python_file import is_file_name

        if args and is_file_name(args[0]):
            return args[0], self.get_command(ctx, args[0]), args[1:]
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=ExperimentGroup, no_args_is_help=True, add_completion=False)


def _print_schema(wanted: bool) -> None:
    if wanted:
        import json

        from harness.planning.study import study_schema

        typer.echo(json.dumps(study_schema(), indent=2, ensure_ascii=False))
        raise typer.Exit


@app.callback()
def run(
    schema: Annotated[
        bool, typer.Option("--schema", is_eager=True, callback=_print_schema, help="Print the JSON schema of a study.")
    ] = False,
) -> None:
    """Run an experiment: sample its conditions, measure them, compare them, log them to MLflow.

    A run that was stopped resumes when the same command is given again. 'harness run NAME --help' shows the options.

    [bold]Example[/bold]

    harness run temperature --temperature 0.7 --temperature 0.99 --clips 24 --seconds 6

    harness run ./my_experiment.py --dry-run

    harness run study.yaml
    """


@settings_class
class CommandOptions:
    """What is done with a run and its results, besides the run's own settings."""

    mlflow: Annotated[bool, Option("Log to MLflow.")] = True
    quiet: Annotated[bool, QUIET] = False
    json: Annotated[bool, Option("Print the results as JSON.")] = False
    dry_run: Annotated[bool, Option("Print the plan, sample nothing.", panel=HOW)] = False
    confirm: Annotated[
        Texts,
        Option(
            "Test one contrast again on fresh seeds: two names of conditions, or the word best.",
            panel=HOW,
            metavar="NAME",
        ),
    ] = ()
    rows: Annotated[
        Literal["style", "prompt"] | None, Option("The scores of each style, or of each prompt, as well.", panel=HOW)
    ] = None


def settings_classes() -> tuple[type, ...]:
    """The classes whose fields are the options that every experiment has."""
    from harness.prompts.options import PromptOptions
    from harness.running.settings import RunSettings
    from harness.sampling.loop import Execution

    return PromptOptions, RunSettings, Execution, CommandOptions


def common() -> dict[str, inspect.Parameter]:
    """The options that every experiment has, by name."""
    return {parameter.name: parameter for kind in settings_classes() for parameter in parameters_of(kind)}


def command_for(declaration: Declaration) -> Any:
    """A function whose signature is the experiment's parameters followed by the common ones."""
    varied, shared = declaration.parameters, common()
    flags = {field.flag.replace("-", "_") for kind in settings_classes() for field in options_of(kind).values()}
    if clash := set(varied) & (set(shared) | flags):
        raise TypeError(
            f"experiment {declaration.name!r} varies {sorted(clash)}, which every run has as an option: rename it"
        )

    def command(**values: Any) -> None:
        experiment = declaration(**{name: values.pop(name) for name in varied})
        execute(experiment, declaration.prompts(), values)

    parameters = [_option(parameter) for parameter in varied.values()]
    for name, parameter in shared.items():
        own = declaration.settings.get(name, parameter.default) if name != "prompts" else parameter.default
        parameters.append(parameter.replace(default=list(own) if isinstance(own, tuple) else own))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__name__ = declaration.name
    command.__doc__ = declaration.question
    return command


def command_of_installed(name: str) -> Any:
    """The command of an installed experiment. Raises `BrokenPlugin` for one of another distribution that is broken, or
    whose signature no options can be made of."""
    declaration = EXPERIMENTS.get(name)
    try:
        return command_of(command_for(declaration))
    except Exception as error:  # whatever Typer raises for a type that it does not know
        broken = EXPERIMENTS.failed(name, f"it cannot be given options: {error}")
        if broken is None:
            raise
        raise broken from error


def command_of_file(name: str) -> Any:
    """The command of an experiment in a file. Raises `UsageError` for a signature that no options can be made of."""
    from harness.core.errors import HarnessError, UsageError
    from harness.planning.python_file import load_experiment

    declaration = load_experiment(name)
    try:
        return command_of(command_for(declaration))
    except HarnessError:
        raise
    except Exception as error:  # whatever Typer raises for a type that it does not know
        raise UsageError(f"{name}: {declaration.name} cannot be given options: {error}") from error


def execute(experiment: Any, listed: Sequence[Prompt], values: Mapping[str, Any]) -> None:
    """Run the experiment and print the results. Exits with code 1 when a clip failed.

    Args:
        experiment: the conditions to compare.
        listed: the experiment's own prompts, for when the command gives none.
        values: the values of the common options, by name.
    """
    from harness.cli.tables.run import print_failures, print_json, print_outcome
    from harness.core.errors import StoreError
    from harness.core.progress import progress_for
    from harness.prompts.options import PromptOptions
    from harness.running.experiment import evaluate
    from harness.running.settings import RunSettings
    from harness.sampling.loop import Execution

    command = taken(CommandOptions, values)
    progress = progress_for(command.quiet)
    prompts = taken(PromptOptions, values).listed() or tuple(listed)
    settings = replace(taken(RunSettings, values), prompts=prompts, execution=taken(Execution, values))
    if len(prompts) > settings.clips:
        progress.note(
            f"--clips {settings.clips} takes the first {settings.clips} of {len(prompts)} prompts: raise it for all."
        )
    results = settings.results_folder
    try:
        if command.confirm:
            experiment, settings = _confirming(experiment, settings, command, progress)
        if command.dry_run:
            from harness.cli.tables.plan import print_preview
            from harness.running.dry_run import preview

            return print_preview(preview(experiment, settings), results)
        outcome = evaluate(experiment, settings, progress)
    except KeyboardInterrupt:
        typer.echo(f"\nTo resume: {_this_command()}", err=True)
        raise
    except StoreError as error:
        raise type(error)(f"{error}\nTo resume: {_this_command()}") from error
    print_json(outcome) if command.json else print_outcome(outcome, command.rows or "")
    if command.mlflow:
        progress.note("logging to MLflow …")
        typer.echo(_logged(outcome, results), err=command.json)
    if outcome.failures:
        print_failures(outcome.failures, results / "failures", _this_command())
        raise typer.Exit(1)


def _confirming(
    experiment: Any, settings: RunSettings, command: CommandOptions, progress: Progress
) -> tuple[Any, RunSettings]:
    """The contrast to test again; the best condition is found by the run that is there, or made first."""
    from harness.running.confirmation import BEST, best, confirmation
    from harness.running.experiment import evaluate

    names: Sequence[str] = command.confirm
    if names == (BEST,) and not command.dry_run:  # a plan that samples nothing has nothing to be the best of
        names = best(evaluate(experiment, settings, progress))
    return confirmation(experiment, settings, names)


def _logged(outcome: Outcome, results: Path) -> str:
    """Log a run to MLflow. Returns a line on where to see it."""
    from harness.reporting.mlflow import log_or_postpone

    logged, problem = log_or_postpone(outcome, results)
    where = f" --results {results}" if str(results) != DEFAULT_RESULTS else ""
    if logged is None:
        typer.echo(problem, err=True)
        return f"MLflow   not synced: run `harness sync`{where and f' with{where}'}"
    state = "logged to" if logged.new else "already in"
    return f"MLflow   {state} experiment {logged.experiment!r} of {logged.uri}; see it with: harness ui{where}"


def _this_command() -> str:
    """The command as it was typed."""
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
