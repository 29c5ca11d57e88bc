import json
from pathlib import Path

import pytest
import typer
from matplotlib.image import imread
from typer.testing import CliRunner, Result

from harness.cli.stimuli_plan import plan_command
from harness.core.errors import UsageError

app = typer.Typer()
app.command()(plan_command())
MULTI = ("--kind", "multi", "--conditions", "4", "--effect", "20", "--clip", "0", "--runs", "100")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_a_plan_says_how_many_which_design_and_what_to_run_next() -> None:
    result = run(*MULTI)
    assert result.exit_code == 0, result.output
    for said in (
        "multi: 4 conditions × 20 items for 12 listeners, 14 trials each (Williams square)",
        "paired t test over listeners, two-sided at 0.0083 (Holm's first step of 6)",
        "100 simulated studies",
        "all counts are equal (position, neighbour, item)",
        "a listener's ratings have a standard deviation of 20 (--sd)",
        "harness stimuli SOURCE --kind multi --items 20 --listeners 12 --per-listener 14 --seed 0 --out DIR",
    ):
        assert said in result.output
    lists = [line for line in result.output.splitlines() if line.startswith("L")]
    assert len(lists) == 12
    assert all(sorted(page) in (list("ABCD"), list("!!!!"), list("****")) for page in lists[0].split()[2:])


def test_json_holds_the_same() -> None:
    found = json.loads(run(*MULTI, "--json").output)
    assert found["design"] == "Williams square"
    assert found["chosen"]["listeners"] == found["settings"]["listeners"] == 12
    assert found["kept"] is True
    assert found["imbalance"] == []
    assert found["simulated"]["runs"] == 100
    assert found["comparisons"] == 6


def test_a_drawing_is_the_same_twice(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        assert run(*MULTI, "--per-listener", "3", "--listeners", "4", "--draw", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    height, width, _ = imread(tmp_path / "one.png").shape
    assert width > 800
    assert height > 200


def test_an_effect_in_standard_deviations_is_that_many_of_sd() -> None:
    counted, given = (
        json.loads(run(*MULTI[:5], effect, *MULTI[6:], "--json").output)["chosen"] for effect in ("1d", "20")
    )
    assert counted == given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kind", "muti", "--conditions", "4", "--effect", "10"), "Did you mean 'multi'"),
        (("--kind", "multi", "--conditions", "4", "--effect", "much"), "expected a number"),
        ((*MULTI, "--listeners", "1"), "listeners is 1"),
        ((*MULTI, "--runs", "0"), "runs is 0"),
        ((*MULTI, "--draw", "design.txt"), "ends with .png"),
    ],
)
def test_bad_options_are_refused(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
