"""The calibration for people: which cells pass, which the rules refuse, as README.md and figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.figures import write_png
from metrics.files import write_bytes
from metrics.reliability import ScoreKind, doubts_in_components, rules, songs_in_full
from tests.calibration.cells import REPETITIONS
from tests.calibration.laws import LAWS

MOST_BIAS, LEAST_COVERAGE, ERRORS, MOST_FALSE = 0.25, 0.92, (0.9, 1.5), 0.07
MOST_FLAGGED = 0.5
"""Where more than half of the samples are refused for their tails, a cell is not shown as reliable."""
EQUAL = "warm − cold"
INTERVALS: dict[str, ScoreKind] = {"corrected": "fad", "paired corrected": "paired fad"}

Row = dict[str, Any]


def failures(row: Row, repetitions: int) -> list[str]:
    """What is wrong with one row: too much bias, too little coverage, a wrong error, too many false positives.

    With fewer repetitions than a calibration takes, what two of the simulation's own standard errors explain is not
    held against a cell: it can be refuted, but not confirmed.
    """
    noise = 2 / math.sqrt(repetitions) if repetitions < REPETITIONS else 0.0
    found = []
    if abs(row.get("bias_over_sd", 0)) > MOST_BIAS + noise:
        found.append(f"bias {row['bias_over_sd']:+.2f} sd")
    if row.get("truth", 0) > 1e-9 and row.get("coverage", 1) < LEAST_COVERAGE - noise * _binomial_sd(LEAST_COVERAGE):
        found.append(f"coverage {row['coverage']:.3f}")
    slack = noise / math.sqrt(2)
    if not ERRORS[0] - slack <= row.get("se_over_sd", 1) <= ERRORS[1] + slack:
        found.append(f"SE/sd {row['se_over_sd']:.2f}")
    if row["condition"] in (EQUAL, "same") and row.get("rejected", 0) > MOST_FALSE + noise * _binomial_sd(MOST_FALSE):
        found.append(f"false positives {row['rejected']:.3f}")
    return found


def _binomial_sd(share: float) -> float:
    return math.sqrt(share * (1 - share))


def refused(result: dict[str, Any], kind: ScoreKind) -> bool:
    """Whether the rules call this kind of score unreliable in a cell: by its songs, its components or its tails."""
    cell = result["cell"]
    songs, reference = cell["songs"], cell["reference_songs"]
    if cell["components"] is None:
        too_few = min(songs, reference) < songs_in_full(result["effective_dimension"])
    else:
        explained = result["explained_variance"] * LAWS[cell["law"]].share()
        too_few = bool(doubts_in_components(kind, explained, songs, reference))
    return too_few or result["heavy_tails"] > MOST_FLAGGED


def verdicts(results: dict[str, Any]) -> Iterator[tuple[str, str, list[str], bool]]:
    """Of every interval and test in every cell: cell, what, its failures, and whether the rules refuse it."""
    for name, result in results.items():
        for estimator, kind in INTERVALS.items():
            rows = [row for row in result["rows"] if row["estimator"] == estimator]
            if rows:
                found = [
                    f"{row['condition']}: {failure}" for row in rows for failure in failures(row, result["repetitions"])
                ]
                yield name, kind, found, refused(result, kind)
        for row in result["rows"]:
            if row["estimator"] == "equality_test" and row["condition"] == "same":
                yield name, "equality test", failures(row, result["repetitions"]), False


def write(results: dict[str, Any], folder: Path) -> None:
    """README.md, bias.png and coverage.png."""
    write_bytes(folder / "README.md", _markdown(results).encode())
    _figure(results, folder)


def _markdown(results: dict[str, Any]) -> str:
    rule = rules()
    components, full = rule["components"], rule["full"]
    lines = [
        "# Where a Fréchet distance may be trusted",
        "",
        "Made by `make calibration` (tests/calibration): samples whose true distance is known, of songs of four",
        "frames with four fifths of the variance between songs, under musicnn's spectrum, a 1/k spectrum, and",
        "Student's t with 5 degrees of freedom. *same*: the truth is 0; *other*: another covariance and mean;",
        "*cold* and *warm*: spreads × 0.75 and × 1.25, equally far. Differences are of conditions that share half of",
        "their songs' variance.",
        "",
        f"An interval or test passes with |bias| ≤ {MOST_BIAS} sd, coverage ≥ {LEAST_COVERAGE} where the truth is",
        f"above 0, mean standard error within {ERRORS[0]}–{ERRORS[1]} of the true one and at most {MOST_FALSE:.0%}",
        "false positives. What does not pass is refused: `reliable` is False, shown as ~, and in full dimension",
        "there is no interval. A cell with fewer than 2000 repetitions can be refuted but not confirmed: two standard",
        "errors of the simulation are allowed it. The rules, in",
        "`metrics/data/frechet_reliability.json`:",
        "",
        f"- in components that hold {components['explained_variance']:.0%} of the reference's variance:",
        *(_said(kind, components[kind]) for kind in INTERVALS.values()),
        "- in full dimension, on either side: "
        + ", ".join(f"{songs} songs up to an effective dimension of {largest}" for largest, songs in full)
        + ", in proportion beyond;",
        f"- songs whose fourth moment is at most {rule['tail_weight']} times a Gaussian's.",
        "",
        "The permutation test of equality is exact and needs no rule. Plug-in values and FAD∞ by extrapolation never",
        "carry an interval.",
        "",
        "## Verdicts",
        "",
        "| cell | repetitions | score | fails | rules |",
        "|---|---|---|---|---|",
    ]
    for name, kind, found, out in verdicts(results):
        shown = "; ".join(found) or "–"
        lines.append(
            f"| {name} | {results[name]['repetitions']} | {kind} | {shown} | {'refused' if out else 'shown'} |"
        )
    lines += [
        "",
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
                *(_number(row, key, ".2f") for key in ("truth", "bias", "sd", "bias_over_sd")),
                _number(row, "coverage", ".3f"),
                _number(row, "se_over_sd", ".2f"),
                _number(row, "rejected", ".3f"),
            ]
            lines.append(f"| {name} | {row['condition']} | {row['estimator']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _said(kind: str, needed: dict[str, float]) -> str:
    return (
        f"  - {kind}: {needed['songs']} clips against {needed['reference_songs']} reference tracks, "
        f"and {needed['references_per_song']:g} times as many tracks as clips;"
    )


def _number(row: Row, key: str, places: str) -> str:
    return f"{row[key]:{places}}" if key in row else ""


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
            axes.set(xscale="log", xlabel="songs", ylabel=key.replace("_over_", " / "))
            counts = sorted({result["cell"]["songs"] for result in results.values()})
            axes.set_xticks(counts, [str(count) for count in counts])
            axes.minorticks_off()
            axes.set_title(f"{kind}: blue in components, orange in full; open where refused", loc="left", fontsize=9)
        write_png(figure, folder / file)
