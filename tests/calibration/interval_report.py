"""The intervals of `tests.calibration.intervals` for people: which pass, and from how many songs on they are shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metrics.stats.reliability import interval_rules, interval_warnings, is_sensitive_to_tails
from tests.calibration.cells import REPETITIONS

MOST_FLAGGED = 0.5
"""Where more than half of the samples are refused for their tails, a cell is not shown as reliable."""
LEAST_COVERAGE, ERRORS, MOST_FALSE = 0.92, (0.9, 1.5), 0.07
NULL = "again − same"


def failures(row: dict[str, Any]) -> list[str]:
    """What is wrong with one row; values have no bias to find, for they are asked what they are at this number."""
    found = []
    if row["coverage"] < LEAST_COVERAGE:
        found.append(f"coverage {row['coverage']:.3f}")
    if not ERRORS[0] <= row["se_over_sd"] <= ERRORS[1]:
        found.append(f"SE/sd {row['se_over_sd']:.2f}")
    if row["condition"] == NULL and row["rejected"] > MOST_FALSE:
        found.append(f"false positives {row['rejected']:.3f}")
    return [f"{row['condition']}: {failure}" for failure in found]


def refused(result: dict[str, Any], metric: str, difference: bool) -> bool:
    """Whether the rules call this interval unreliable in a cell."""
    cell = result["cell"]
    doubts = interval_warnings(metric, cell["songs"], cell["reference_units"], difference=difference)
    return bool(doubts) or (is_sensitive_to_tails(metric) and result["heavy_tails"] > MOST_FLAGGED)


def interval_verdicts(results: dict[str, Any]) -> Iterator[tuple[str, str, bool, list[str], bool]]:
    """Of every metric in every cell: cell, metric, whether of a difference, its failures, whether it is refused."""
    for name, result in results.items():
        few = [f"{result['repetitions']} repetitions"] if result["repetitions"] < REPETITIONS else []
        for metric in dict.fromkeys(row["estimator"] for row in result["rows"]):
            for difference in (False, True):
                rows = [
                    row for row in result["rows"]
                    if row["estimator"] == metric and ("−" in row["condition"]) == difference
                ]  # fmt: skip
                found = [failure for row in rows for failure in failures(row)]
                yield name, metric, difference, found + few, refused(result, metric, difference)


def interval_section(results: dict[str, Any]) -> list[str]:
    """The lines of README.md about them."""
    rules = interval_rules()
    lines = [
        "## The other intervals",
        "",
        "Values that depend on the number of songs, or have no truth in closed form under heavy tails, are to be",
        "covered as they are at this number: the truth is their mean over the repetitions. There is therefore **no",
        "bias to find here**: the value is the plain one, never corrected. Cosines are seen from the centre of one",
        "reference, which counts as fixed; the others meet a new one in each repetition. *same* and *again* are of",
        "the reference's law, so that their difference is 0. All figures are in `intervals.json`.",
        "",
        f"Shown from so many clips on, against {rules['reference_units']} tracks where there is a reference "
        "(`metrics/stats/interval_reliability.json`):",
        "",
        "| metric | clips, one condition | clips, difference | heavy tails |",
        "|---|---|---|---|",
        *(
            f"| {metric} | {_least(rule['one'])} | {_least(rule['difference'])} | {_tails(rule)} |"
            for metric, rule in rules["metrics"].items()
        ),
        "",
        "What fails, by cell; all else passes. MAD, which is dear, has 200 repetitions: they confirm nothing.",
        "",
        "| cell | repetitions | interval | fails | rules |",
        "|---|---|---|---|---|",
    ]
    for name, metric, difference, found, out in interval_verdicts(results):
        if found:
            kind = f"{metric} difference" if difference else metric
            verdict = "refused" if out else "shown"
            lines.append(f"| {name} | {results[name]['repetitions']} | {kind} | {'; '.join(found)} | {verdict} |")
    shown = [found for _, _, _, found, out in interval_verdicts(results) if not out]
    return [
        *lines,
        "",
        f"Of {len(shown)} intervals that the rules show in {len(results)} cells, {sum(map(bool, shown))} fail. They",
        "were not simulated again with other random numbers.",
        "",
    ]


def _tails(rule: dict[str, Any]) -> str:
    if rule["one"] is None and rule["difference"] is None:
        return "–"
    return "refused" if rule.get("tails") else "pass"


def _least(units: int | None) -> str:
    return "never" if units is None else str(units)
