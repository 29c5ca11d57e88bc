"""The shell of the command line: quick help, and mistakes answered in one message."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from harness.cli import VERBS, app

HEAVY = {"torch", "mlflow", "librosa", "sklearn", "matplotlib", "scipy", "numpy", "pydantic"}


def test_help_lists_every_verb():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name, verb in VERBS.items():
        assert name in result.output
        assert verb.help.split()[0] in result.output


def test_help_imports_nothing_heavy():
    """The cause of a slow help is an import; the time itself depends on the machine and is measured by `make bench`."""
    code = "import sys; from harness.cli import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(run.stdout.split("\n")[-2].split())


@pytest.mark.parametrize("verb", ["sample", "run", "score", "ui", "models"])
def test_every_verb_has_help(verb):
    result = CliRunner().invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_an_unknown_verb_is_answered_with_the_nearest():
    result = CliRunner().invoke(app, ["smaple"])
    assert result.exit_code == 2
    assert "unknown command 'smaple'. Did you mean 'sample'?" in result.output


def test_no_arguments_show_the_help():
    result = CliRunner().invoke(app, [])
    assert "Usage" in result.output


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    result = CliRunner().invoke(app, ["--version"])
    assert result.output.strip() == version("music-harness")


def test_a_reader_that_wants_no_more_is_told_nothing():
    """As in `harness models list | head -1`: the pipe is closed before anything is printed."""
    run = subprocess.Popen(
        [sys.executable, "-m", "harness", "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.close()
    assert run.stderr.read() == ""
    run.stderr.close()
    assert run.wait() == 1
