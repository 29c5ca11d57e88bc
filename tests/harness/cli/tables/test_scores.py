"""Values are printed to the second digit of their error, marks of unreliability with them, and tables fit the width."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from harness.cli.tables.scores import (
    by_condition,
    by_metric,
    digits,
    heading,
    ordered,
    print_differences,
    print_reasons,
    score_cell,
)
from harness.scoring.results import Comparison
from metrics.api.score import Score
from metrics.compare.difference import Difference


def score(value: float, stderr: float, reliable: bool = True) -> Score:
    interval, why = (value - 2 * stderr, value + 2 * stderr), "" if reliable else "too few"
    return Score(
        "fad16", value, stderr, interval, 16, 64, "squared", "lower", "population", reliable, "corrected", value,
        why=why,
    )  # fmt: skip


def comparison(metric: str = "fad16", label: Any = "declared", **changed: Any) -> Comparison:
    found = Difference(
        metric, 1.25, 0.5, (0.25, 2.25), 0.02, True, "", "squared", "lower", 16, p_adjusted=0.06,
        family_interval=(-0.05, 2.55), provenance={"family": {"tested": 3, "method": "max-t"}},
    )  # fmt: skip
    return Comparison(metric, "cold", "hot", replace(found, **changed), label)


def condition(name: str, **scores: Score) -> Any:
    return SimpleNamespace(name=name, n_clips=16, scores=scores, unmeasured={})


def printed(*shown: Any, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    for one in shown:
        one(console) if callable(one) else console.print(one)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "stderr", "shown"),
    [
        (23.4567, 3.4123, ("23.5", "3.4", "[16.6, 30.3]")),
        (0.00844, 0.0620, ("0.008", "0.062", "[-0.116, 0.132]")),
        (1234.5, 123.4, ("1234", "123", "[988, 1481]")),
        (2.0, 0.0, ("2.000", "0.000", "[2.000, 2.000]")),
    ],
)
def test_no_more_digits_than_are_known(value, stderr, shown):
    assert digits(score(value, stderr)) == shown


def test_an_unreliable_score_has_a_tilde_and_a_missing_one_a_dash():
    assert score_cell(score(1.0, 0.1)).plain == "1.00 ± 0.10\n[0.80, 1.20]"
    assert score_cell(score(1.0, 0.1, reliable=False)).plain.startswith("~1.00")
    assert score_cell(None).plain == "–"
    ranking = replace(score(1.0, 0.1, reliable=False), interval=None)
    assert score_cell(ranking).plain == "~1.00 ± 0.10\nno interval"


def test_a_heading_says_components_and_the_further_embedder():
    assert heading("fad16", score(1.0, 0.1)) == "FAD, 16 comp."
    assert heading("fad16", replace(score(1.0, 0.1), provenance={"components": 8})) == "FAD, 8 comp."
    assert heading("kad@hf:a/b@6") == "KAD @hf:a/b@6"


def test_the_primary_metric_is_first_and_what_does_not_fit_is_named():
    conditions = [condition("cold", kad=score(1, 0.1), vendi=score(2, 0.1), fad16=score(3, 0.1))]
    names = ordered(conditions, "fad16")
    assert names == ["fad16", "kad", "vendi"]
    assert ordered(conditions) == ["kad", "vendi", "fad16"]
    wide = printed(by_condition(conditions, names, {"fad16": "declared"}, 200))
    assert wide.index("FAD") < wide.index("KAD") < wide.index("Vendi")
    narrow = printed(by_condition(conditions, names, {}, 45), width=60)
    assert "in --json and the files also: kad, vendi" in " ".join(narrow.split())
    assert "KAD" not in narrow


def test_a_condition_has_a_column_whatever_it_is_named():
    first, second = condition("[/x]", kad=score(1, 0.1)), condition("[cold]", kad=score(2, 0.1, reliable=False))
    shown = printed(by_metric([first, second], ["kad"]))
    for said in ("[/x]", "[cold]", "1.00 ± 0.10", "~2.00 ± 0.10", "kad ↓"):
        assert said in shown


def test_reasons_are_said_once_with_the_conditions_they_are_of():
    first, second = condition("cold", kad=score(1, 0.1, reliable=False)), condition("hot", kad=score(1, 0.1))
    second.unmeasured = {"tempo": "no beat", "repetition": "no beat"}
    shown = printed(lambda console: print_reasons(console, [first, second], ["short clips"]))
    assert "~ KAD: too few (cold)" in shown
    assert "– tempo, repetition: no beat (hot)" in shown
    assert "! short clips" in shown


def test_a_declared_difference_is_said_with_the_interval_of_its_family():
    shown = printed(lambda console: print_differences(console, [comparison()], "clips in pairs"))
    assert "adjusted over 3 differences, max-t" in shown
    assert "hot − cold: +1.25 ± 0.50 [-0.05, 2.55], p = 0.06, not significant at 5 %" in shown
    marked = printed(lambda console: print_differences(console, [comparison(reliable=False)], ""))
    assert "hot − cold: ~+1.25" in marked


def test_an_exploratory_difference_has_the_p_of_one_test_and_no_verdict():
    one = comparison(label="exploratory", p_adjusted=None, family_interval=None)
    shown = printed(lambda console: print_differences(console, [one], ""))
    assert "+1.25 ± 0.50 [0.25, 2.25], p = 0.02" in shown
    assert "significant" not in shown
    assert not one.significant
    none = comparison(label="exploratory", interval=None, p=None, p_adjusted=None)
    assert "no interval" in printed(lambda console: print_differences(console, [none], ""))
    many = printed(lambda console: print_differences(console, [one] * 13, ""))
    assert "13 exploratory differences in 1 metrics are in --json" in many
