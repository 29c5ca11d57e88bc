"""The `harness` command: one verb per module, imported only when it is named, so that help answers at once."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(NamedTuple):
    """A verb's module, which holds a Typer `app` or a function of the verb's name, and its line of help."""

    module: str
    help: str


VERBS = {
    "sample": Verb("harness.cli.sample", "Sample one clip from text, style, lyrics or audio."),
    "run": Verb("harness.cli.run", "Run an experiment: sample, measure, compare, log to MLflow."),
    "experiments": Verb("harness.cli.experiments", "List the experiments with the questions that they answer."),
    "score": Verb("harness.cli.score", "Measure any folder of sound files against real music, or compare two."),
    "stimuli": Verb("harness.cli.stimuli", "Make the files of a listening study: level, blind, order, export, check."),
    "ui": Verb("harness.cli.ui", "Open MLflow on the results."),
    "models": Verb("harness.cli.models", "List the models, or download what they need."),
    "metrics": Verb("harness.cli.metrics", "List the metrics, or show one in full."),
    "corpus": Verb("harness.cli.corpus", "Build corpora of real music from packages, and list them."),
    "reference": Verb("harness.cli.reference", "Build reference sets from your own music, and list them."),
    "plugins": Verb("harness.cli.plugins", "List what is installed, plug-ins included, and what is broken."),
    "prompts": Verb("harness.cli.prompts", "List the prompt sets, or show one, also one of your own."),
    "store": Verb("harness.cli.store", "List the sampled clips, check them, export and import them."),
    "sync": Verb("harness.cli.sync", "Log to MLflow the runs that it lacks."),
    "doctor": Verb("harness.cli.doctor", "Check whether this machine has what the harness needs."),
    "train": Verb("harness.cli.train", "Train a model on a corpus."),
}


class LazyGroup(TyperGroup):
    """A group whose commands come from a table of names; a command's own options are built when it is invoked."""

    kind = "command"

    def table(self) -> Mapping[str, str]:
        """Name → line of help."""
        return {name: verb.help for name, verb in VERBS.items()}

    def load(self, name: str) -> Any:
        """The real command."""
        verb = VERBS[name]
        module = importlib.import_module(verb.module)
        if derived := getattr(module, f"{name}_command", None):
            return command_of(derived())
        return command_of(getattr(module, "app", None) or getattr(module, name))

    def names(self) -> list[str]:
        """The names that are known, whether or not the help lists them."""
        return list(self.table())

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(self.table())

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        return LazyCommand(cmd_name, self.table()[cmd_name], self.load) if cmd_name in self.table() else None

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:
        if args and args[0] not in self.names() and not args[0].startswith("-"):
            from harness.core.errors import UsageError
            from metrics.api.registry import unknown_name

            raise UsageError(unknown_name(self.kind, args[0], self.names()))
        return super().resolve_command(ctx, args)


class LazyCommand(TyperCommand):
    """Placeholder for a command: shows its help line, and loads the real command when it is invoked."""

    def __init__(self, name: str, help: str, load: Callable[[str], Any]) -> None:
        super().__init__(name, help=help, callback=None)
        self._load = load

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self._load(self.name or "").make_context(info_name, args, parent=parent, **extra)


class RootGroup(LazyGroup):
    """The top group, where errors turn into messages and exit codes."""

    def invoke(self, ctx: typer.Context) -> Any:
        from harness.core.redaction import redacting

        with redacting():
            return self._invoke(ctx)

    def _invoke(self, ctx: typer.Context) -> Any:
        from harness.core.errors import HarnessError
        from harness.core.foreign import Stopped, ended
        from metrics.io.files import strict_umask

        try:
            with strict_umask():
                return super().invoke(ctx)
        except HarnessError as error:
            _fail(str(error), error.exit_code)
        except OSError as error:
            # Typer handles a broken pipe; anything else without a path or reason is a defect
            # of ours.
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _fail(f"{error}. Free some space and run the same command again: what is stored is kept.", 1)
            if isinstance(error, PermissionError | FileNotFoundError | NotADirectoryError | IsADirectoryError):
                _fail(f"{error}. Check the path and its permissions, then run the same command again.", 1)
            raise
        except KeyboardInterrupt:
            _fail("Interrupted. What is stored is kept: run the same command again to resume.", 130)
        except (Exception, Stopped):
            raise
        except BaseException as error:  # harness code never exits this way: exit code 0 would report success
            if isinstance(error.__context__, BrokenPipeError):  # Rich exits so where nobody reads its output
                raise typer.Exit(1) from error
            _fail(f"What was run {ended(error)}", 1)


def command_of(target: Any) -> Any:
    """The command of a Typer app, or of a plain function."""
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command()(function)
    return typer.main.get_command(target)


def _fail(message: str, code: int) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text.assemble(("Error: ", "bold red"), message))
    raise typer.Exit(code)


app = typer.Typer(
    cls=RootGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def harness(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """Sample from music models, measure the samples against real music, and report how certain each score is."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("music-harness"))
        raise typer.Exit


def main() -> None:
    """The console script."""
    app(prog_name="harness")
