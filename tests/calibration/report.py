"""The calibration for people: which cells pass, which the rules refuse, as README.md and figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.png import write_png
from metrics.io.files import write_bytes
from metrics.stats.reliability import (
    ScoreKind,
    component_warnings,
    interval_rules,
    interval_warnings,
    rules,
    units_in_full,
)
from tests.calibration.cells import REPETITIONS
from tests.calibration.interval_report import ERRORS, LEAST_COVERAGE, MOST_FALSE, MOST_FLAGGED, interval_section
from tests.calibration.laws import LAWS

MOST_BIAS = 0.25
CHOSEN_ON = (
    ("24 clips of one condition", "24 songs against 50 and 60, 16 against 50 and 200"),
    ("60 reference tracks, as many as clips", "24 songs against 50 and 60, 60 against 50 and 60, 200 against 50"),
    ("16 clips of a pair, 50 tracks, half as many as clips", "16, 24, 30, 60 and 200 songs against 50"),
    ("at most 16 components", "25 of VGGish's and 40 of CLAP's"),
    ("80 % of the variance", "24 songs against 50 in 4 and 8 components, the 1/k spectrum against 50 and 200"),
    (
        "songs in full dimension",
        "24, 50 and 100 songs on either side in 16 axes, 50 to 200 in 48, 200 and 500 in 200",
    ),
    ("1.2 times a Gaussian's fourth moment", "both cells with t₅"),
)
"""Which cells each threshold was chosen on."""
ROUNDING = 1e-12
BIASES = (-0.5, -MOST_BIAS, 0, MOST_BIAS, 0.5, 1, 2, 4)
"""Where the figure has ticks."""
EQUAL = "warm − cold"
INTERVALS: dict[str, ScoreKind] = {"corrected": "fad", "paired corrected": "paired fad"}
TESTED = ("equality_test", "equality_test by kad")

Row = dict[str, Any]


def failures(row: Row) -> list[str]:
    """What is wrong with one row: too much bias, too little coverage, a wrong error, too many false positives."""
    found = []
    if abs(row.get("bias_over_sd", 0)) > MOST_BIAS:
        found.append(f"bias {row['bias_over_sd']:+.2f} sd")
    if row.get("truth", 0) > 1e-9 and row.get("coverage", 1) < LEAST_COVERAGE:
        found.append(f"coverage {row['coverage']:.3f}")
    if not ERRORS[0] <= row.get("se_over_sd", 1) <= ERRORS[1]:
        found.append(f"SE/sd {row['se_over_sd']:.2f}")
    if row["condition"] in (EQUAL, "same") and row.get("rejected", 0) > MOST_FALSE:
        found.append(f"false positives {row['rejected']:.3f}")
    return found


def refused(result: dict[str, Any], kind: ScoreKind) -> bool:
    """Whether the rules call this kind of score unreliable in a cell: by its songs, its components or its tails."""
    cell = result["cell"]
    units, reference = cell["songs"], cell["reference_units"]
    if cell["components"] is None:
        needed = units_in_full(kind, result["effective_dimension"])
        too_few = needed is None or min(units, reference) < needed
    else:
        explained = result["explained_variance"] * LAWS[cell["law"]].share()
        too_few = bool(component_warnings(kind, cell["components"], explained, units, reference))
    return too_few or result["heavy_tails"] > MOST_FLAGGED


def verdicts(results: dict[str, Any]) -> Iterator[tuple[str, str, list[str], bool]]:
    """Of every interval and test in every cell: cell, what, its failures, and whether the rules refuse it.

    A few repetitions refute a cell, when it fails by much, but confirm none.
    """
    for name, result in results.items():
        few = [f"{result['repetitions']} repetitions"] if result["repetitions"] < REPETITIONS else []
        for estimator, kind in INTERVALS.items():
            rows = [row for row in result["rows"] if row["estimator"] == estimator]
            if rows:
                found = [f"{row['condition']}: {failure}" for row in rows for failure in failures(row)]
                yield name, kind, found + few, refused(result, kind)
        rows = [row for row in result["rows"] if row["estimator"] == "kad"]
        if rows:
            found = [f"{row['condition']}: {failure}" for row in rows for failure in failures(row)]
            doubts = interval_warnings("kad", result["cell"]["songs"], result["cell"]["reference_units"])
            yield name, "kad", found + few, bool(doubts)
        for row in result["rows"]:
            if row["estimator"] in TESTED and row["condition"] == "same":
                yield name, row["estimator"].replace("_", " "), failures(row) + few, False


def write(folder: Path) -> None:
    """README.md, bias.png and coverage.png, of the cells in fad.json, those simulated again in confirmation.json, and
    those in intervals.json.
    """
    results, again, others = (
        json.loads(path.read_text()) if path.exists() else {}
        for path in (folder / f"{name}.json" for name in ("fad", "confirmation", "intervals"))
    )
    write_bytes(folder / "README.md", _markdown(results, again, others).encode())
    _figure(results, folder)


def _markdown(results: dict[str, Any], again: dict[str, Any], others: dict[str, Any]) -> str:
    rule = rules()
    components, full = rule["components"], rule["full"]
    lines = [
        "# Where a distance may be trusted",
        "",
        "Made by `make calibration` (tests/calibration): samples whose true distance is known, of songs of four",
        "frames with four fifths of the variance between songs, under the spectra of musicnn, VGGish and CLAP, a 1/k",
        "spectrum, and Student's t with 5 degrees of freedom. *same*: the truth is 0; *other*: another covariance and",
        "mean; *cold* and *warm*: spreads × 0.75 and × 1.25, equally far. Differences are of conditions that share",
        "half of their songs' variance. What is rejected where the truth is above 0 is the power.",
        "",
        f"An interval or test passes, in {REPETITIONS} repetitions, with |bias| ≤ {MOST_BIAS} sd, coverage ≥",
        f"{LEAST_COVERAGE} where the truth is above 0, mean standard error within {ERRORS[0]}–{ERRORS[1]} of the true",
        f"one and at most {MOST_FALSE:.0%} false positives. What does not pass is refused: `reliable` is False, shown",
        "as ~, and in full dimension there is no interval. Fewer repetitions can refute a cell, when it fails by much,",
        "but not confirm it: it is never one of those that are shown. The rules, in",
        "`metrics/stats/frechet_reliability.json`:",
        "",
        f"- in at most {components['most']} components that hold {components['explained_variance']:.0%} of the "
        "reference's variance:",
        *(_said(kind, components[kind]) for kind in INTERVALS.values()),
        "- in full dimension, on either side, and with no number of songs beyond:",
        *(
            f"  - {kind}: "
            + ", ".join(f"{units} songs up to an effective dimension of {largest}" for largest, units in full[kind])
            + ";"
            for kind in INTERVALS.values()
        ),
        f"- songs whose fourth moment is at most {rule['tail_weight']} times a Gaussian's.",
        "",
        "The permutation tests of equality are exact and need no rule. Plug-in values and FAD∞ by extrapolation never",
        "carry an interval. The kernel distance is unbiased without a correction and is shown from "
        f"{interval_rules()['metrics']['kad']['one']} clips on; its",
        "truth is that at the bandwidth which each repetition took from its reference.",
        "",
        "## Verdicts",
        "",
        *_verdict_table(results),
        "",
        "## Thresholds, and their confirmation",
        "",
        "A threshold that is chosen on a simulation profits from its luck. Chosen on which cells:",
        "",
        *(f"- {threshold}: {cells};" for threshold, cells in CHOSEN_ON),
        "",
        "The cells beside the thresholds were then simulated again with other random numbers",
        "(`python -m tests.calibration --confirm`), and nothing was changed after it:",
        "",
        *_verdict_table(again),
        "",
        f"Of {len(_shown(again))} intervals and tests that the rules show, "
        f"{sum(bool(found) for _, _, found, _ in _shown(again))} fail there.",
        "",
        *interval_section(others),
        "## Figures",
        "",
        "![bias](bias.png)",
        "",
        "![coverage](coverage.png)",
        "",
        "| cell | condition | estimator | truth | bias | sd | bias/sd | coverage | SE/sd | rejected at 5 % |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for row in result["rows"]:
            cells = [
                *(_number(row, key, ".2g" if row["estimator"] == "kad" else ".2f") for key in ("truth", "bias", "sd")),
                _number(row, "bias_over_sd", ".2f"),
                _number(row, "coverage", ".3f"),
                _number(row, "se_over_sd", ".2f"),
                _number(row, "rejected", ".3f"),
            ]
            lines.append(f"| {name} | {row['condition']} | {row['estimator']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _verdict_table(results: dict[str, Any]) -> list[str]:
    return [
        "| cell | repetitions | score | fails | rules |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {results[name]['repetitions']} | {kind} | {'; '.join(found) or '–'} | "
            f"{'refused' if out else 'shown'} |"
            for name, kind, found, out in verdicts(results)
        ),
    ]


def _shown(results: dict[str, Any]) -> list[tuple[str, str, list[str], bool]]:
    return [verdict for verdict in verdicts(results) if not verdict[3]]


def _said(kind: str, needed: dict[str, float]) -> str:
    return (
        f"  - {kind}: {needed['songs']} clips against {needed['reference_units']} reference tracks, "
        f"and {needed['references_per_song']:g} times as many tracks as clips;"
    )


def _number(row: Row, key: str, places: str) -> str:
    if key not in row:
        return ""
    return f"{row[key] if abs(row[key]) > ROUNDING else 0.0:{places}}"


def _figure(results: dict[str, Any], folder: Path) -> None:
    """Bias over sd, and coverage, against the number of songs: filled where the rules show the interval."""
    from matplotlib.figure import Figure

    for key, limit, file in (("bias_over_sd", MOST_BIAS, "bias.png"), ("coverage", LEAST_COVERAGE, "coverage.png")):
        figure = Figure(figsize=(11, 4), dpi=130, layout="constrained")
        for axes, (estimator, kind) in zip(figure.subplots(1, 2), INTERVALS.items(), strict=True):
            for result in results.values():
                full = result["cell"]["components"] is None
                shown = not refused(result, kind)
                for row in result["rows"]:
                    if row["estimator"] == estimator and not (
                        key == "coverage" and row["truth"] <= 1e-9 and kind == "fad"
                    ):
                        colour = "#c4622d" if full else "#0b6e99"
                        face = colour if shown else "white"
                        axes.plot(result["cell"]["songs"], row[key], "o", mec=colour, mfc=face, ms=5)
            axes.axhline(limit, color="#22303c", lw=0.8)
            if key == "bias_over_sd":
                axes.axhline(-limit, color="#22303c", lw=0.8)
                axes.set_yscale("symlog", linthresh=1, linscale=2)
                axes.set_yticks(BIASES, [f"{bias:g}" for bias in BIASES])
            axes.set(xscale="log", xlabel="songs", ylabel=key.replace("_over_", " / "))
            counts = sorted(
                {one["cell"]["songs"] for one in results.values() if "kad" not in one["cell"]["estimators"]}
            )
            axes.set_xticks(counts, [str(count) for count in counts])
            axes.minorticks_off()
            axes.set_title(f"{kind}: blue in components, orange in full; open where refused", loc="left", fontsize=9)
        write_png(figure, folder / file)
