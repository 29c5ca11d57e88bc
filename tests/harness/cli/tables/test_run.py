"""Figures are printed to the second digit of their error, and doubts are said."""

from dataclasses import replace

import pytest

from harness.cli.tables.run import figures, heading, score_cell
from metrics.api.score import Score


def score(value: float, stderr: float, reliable: bool = True) -> Score:
    interval = (value - 2 * stderr, value + 2 * stderr)
    return Score(
        "fad16", value, stderr, interval, 16, 64, "squared", "lower", "population", reliable, "too few", value
    )  # fmt: skip


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
    assert figures(score(value, stderr)) == shown


def test_an_unreliable_score_has_a_tilde_and_a_missing_one_a_dash():
    assert score_cell(score(1.0, 0.1)).plain == "1.00 ± 0.10\n[0.80, 1.20]"
    assert score_cell(score(1.0, 0.1, reliable=False)).plain.startswith("~1.00")
    assert score_cell(None).plain == "–"


def test_a_score_without_an_interval_says_so():
    ranking = replace(score(1.0, 0.1, reliable=False), interval=None)
    assert score_cell(ranking).plain == "~1.00 ± 0.10\nno interval"


def test_the_headline_distance_is_headed_with_its_components():
    assert heading("fad16", score(1.0, 0.1)) == "FAD, 16 comp."
    assert heading("fad16", replace(score(1.0, 0.1), provenance={"components": 8})) == "FAD, 8 comp."
    assert heading("fad", score(1.0, 0.1)) == "FAD"
