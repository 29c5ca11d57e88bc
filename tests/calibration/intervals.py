"""The cells of every other interval: diversity, similarity, precision and its kin, kernel distances; and differences.

These values depend on how many songs there are, or have no truth in closed form under heavy tails. What an interval is
asked to cover is the value's expectation at that number of songs: the mean over the repetitions. A bias there is none
to find; what is found is whether the error is right and the interval covers.

A value and its jackknife come from the library's own functions, those of a condition once for itself and for its
differences, which takes a third of the time. A test asserts that the scores of the library's functions say the same.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metrics.api.score import EmbeddingSet, Score
from metrics.compare.difference import Difference, paired_difference
from metrics.io.files import write_bytes
from metrics.sets.diversity import centred_means, diversity_of_rows, effective_number, unit_rows
from metrics.sets.kernel import median_distance
from metrics.sets.manifold import NAMES, NEIGHBOURS, _measure, _Side
from metrics.sets.mauve import mad
from metrics.sets.mmd import Cubic, GaussianKernel, mmd
from metrics.sets.mmd import Side as KernelSide
from metrics.sets.similarity import centroid_similarities
from metrics.stats.folds import assign_folds
from metrics.stats.reliability import tail_warnings
from metrics.stats.resampling import Estimate
from metrics.stats.scoring import LeftOut
from tests.calibration.cells import REPETITIONS
from tests.calibration.laws import CONDITIONS, LAWS, Array, Law, draw

REFERENCE_SONGS = 60
SONGS = (16, 24, 60, 200)
ORDERS = {"vendi": 1.0, "vendi2": 2.0, "vendi_inf": np.inf}
STYLE = "this"
SINGLE = ("same", "other")
PAIRS = (("same", "again"), ("same", "other"))
"""Of one law, so that the difference is 0 in truth, and not."""


@dataclass(frozen=True)
class IntervalCell:
    """A law, and how many songs of a condition and of the reference; `mad` is that metric alone, which is dear."""

    law: str
    units: int
    reference_units: int = REFERENCE_SONGS
    mad: bool = False
    repetitions: int = REPETITIONS

    @property
    def name(self) -> str:
        return f"{self.law}, {self.units} songs against {self.reference_units}{', MAD' if self.mad else ''}"


CELLS = [
    *(IntervalCell(law, units) for law in ("musicnn, 48 axes", "musicnn, 48 axes, t5") for units in SONGS),
    IntervalCell("musicnn, 48 axes", 60, mad=True, repetitions=200),
]


def run(cells: Sequence[IntervalCell], path: Path, repetitions: int, seed: int = 0) -> dict[str, Any]:
    """Run the cells that `path` does not hold yet with so many repetitions; everything it holds afterwards."""
    done: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    for cell in cells:
        before, wanted = done.get(cell.name, {}), min(repetitions, cell.repetitions)
        if before.get("cell") == asdict(cell) and before["repetitions"] >= wanted:
            continue
        started = time.process_time()
        done[cell.name] = {"cell": asdict(cell), "repetitions": wanted, **simulate(cell, wanted, seed)}
        write_bytes(path, (json.dumps(done, indent=1, ensure_ascii=False) + "\n").encode())
        print(f"{cell.name}: {time.process_time() - started:.0f} s of CPU", flush=True)
    return done


def simulate(cell: IntervalCell, repetitions: int, seed: int = 0) -> dict[str, Any]:
    """The rows of one cell.

    Cosines are seen from the centre of one reference, the same in every repetition: their intervals are for that one.
    The other metrics take a new reference each time.
    """
    law = LAWS[cell.law]
    rng = np.random.default_rng(zlib.crc32(f"intervals of {cell.name}, seed {seed}".encode()))
    centre = as_set(draw(law, 1, cell.reference_units, 1, rng)[1][0])
    found: dict[tuple[str, str], list[Estimate]] = {}
    heavy = 0
    for _ in range(repetitions):
        conditions, reference = draw_sets(law, cell, rng)
        heavy += bool(tail_warnings(conditions["same"].means()[1], reference.means()[1]))
        some = mad_estimates(conditions, reference) if cell.mad else estimates(law, conditions, reference, centre)
        for key, estimate in some.items():
            found.setdefault(key, []).append(estimate)
    rows = [_row(condition, metric, results) for (condition, metric), results in found.items()]
    return {"heavy_tails": heavy / repetitions, "rows": rows}


def estimates(
    law: Law, conditions: dict[str, EmbeddingSet], reference: EmbeddingSet, centre: EmbeddingSet
) -> dict[tuple[str, str], Estimate]:
    """By condition, or "second − first", and metric."""
    measured = {name: replicates(law, data, reference, centre) for name, data in conditions.items()}
    found = {}
    for metric, same in measured["same"].items():
        around = reference if same.reference else None
        for name in SINGLE:
            found[name, metric] = measured[name][metric].estimate(conditions[name], around)
        for first, second in PAIRS:
            difference = measured[second][metric] - measured[first][metric]
            found[f"{second} − {first}", metric] = difference.estimate(conditions[first], around)
    return found


def mad_estimates(conditions: dict[str, EmbeddingSet], reference: EmbeddingSet) -> dict[tuple[str, str], Estimate]:
    """As `estimates`, by the library's scores: errors are of the clustering, too."""
    scores: dict[str, Score | Difference] = {name: mad(conditions[name], reference) for name in SINGLE}
    for first, second in PAIRS:
        scores[f"{second} − {first}"] = paired_difference("mad", conditions[first], conditions[second], reference)
    return {(name, "mad"): _estimate(score) for name, score in scores.items()}


def draw_sets(law: Law, cell: IntervalCell, rng: np.random.Generator) -> tuple[dict[str, EmbeddingSet], EmbeddingSet]:
    """Conditions that share half of their songs' variance: "same" and "again" of the reference's law, "other"."""
    made, music = draw(law, cell.units, cell.reference_units, 1, rng)
    # "warm" differs from the reference by its spread alone.
    units = {"same": made["same"], "again": made["warm"] / np.float32(CONDITIONS["warm"].scale), "other": made["other"]}
    return {name: as_set(drawn[0]) for name, drawn in units.items()}, as_set(music[0])


def replicates(law: Law, data: EmbeddingSet, reference: EmbeddingSet, centre: EmbeddingSet) -> dict[str, LeftOut]:
    """Every metric of one condition, and without each group of songs, by name."""
    music, ours = KernelSide.of_set(reference, assign_folds(reference)), KernelSide.of_set(data, assign_folds(data))
    bandwidth = median_distance(reference.frames, reference.units)
    return {
        **_measure(_Side.of_set(reference), _Side.of_set(data), NEIGHBOURS, NAMES),
        "kad": mmd(GaussianKernel(bandwidth), ours, music),
        "kid": mmd(Cubic(), ours, music),
        **_of_cosines(centred_means(data, centre)),
        "style_similarity": _of_means(list(centroid_similarities(*styled(law, data, centre)).values()), data),
    }


def styled(law: Law, data: EmbeddingSet, centre: EmbeddingSet) -> tuple[EmbeddingSet, EmbeddingSet]:
    """The clips as of one style, and a reference of which every other song is of it: moved as *other* is moved."""
    shift = CONDITIONS["other"].mean(law.eigenvalues())
    of_style = centre.units % 2 == 0
    frames = centre.frames + np.where(of_style[:, None], shift, -shift).astype(np.float32)
    return (
        EmbeddingSet(data.frames, data.units, strata=np.full(len(data.units), STYLE)),
        EmbeddingSet(frames, centre.units, strata=np.where(of_style, STYLE, "that")),
    )


def as_set(units: Array) -> EmbeddingSet:
    """(songs, frames, D) as a set."""
    return EmbeddingSet(units.reshape(-1, units.shape[-1]), np.repeat(np.arange(len(units)), units.shape[1]))


def _of_cosines(means: EmbeddingSet) -> dict[str, LeftOut]:
    """Vendi in every order, from one decomposition, and the mean over pairs."""

    def values(rows: Array) -> list[float]:
        unit = unit_rows(rows)
        gram = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
        shares = np.linalg.eigvalsh(gram / len(unit))
        return [*(effective_number(shares, order) for order in ORDERS.values()), diversity_of_rows(rows)]

    (folds,) = assign_folds(means)
    without = np.array([values(means.frames[folds != group]) for group in range(folds.max() + 1)]).T
    whole = values(means.frames)
    names = [*ORDERS, "diversity"]
    return {name: LeftOut(value, [left]) for name, value, left in zip(names, whole, without, strict=True)}


def _of_means(values: Sequence[float], data: EmbeddingSet) -> LeftOut:
    array = np.asarray(values)
    (folds,) = assign_folds(data)
    without = [array[folds != group].mean() for group in range(folds.max() + 1)]
    return LeftOut(float(array.mean()), [np.array(without)])


def _estimate(score: Score | Difference) -> Estimate:
    assert score.interval is not None
    return Estimate(score.value, score.stderr, score.interval, score.provenance["df"])


def _row(condition: str, metric: str, results: Sequence[Estimate]) -> dict[str, Any]:
    value, stderr = (np.array([getattr(result, part) for result in results]) for part in ("value", "stderr"))
    low, high = np.array([result.interval for result in results]).T
    truth, sd = float(value.mean()), float(value.std(ddof=1))
    row = {
        "condition": condition,
        "estimator": metric,
        "truth": truth,
        "sd": sd,
        "coverage": float(((low <= truth) & (truth <= high)).mean()),
        "se_over_sd": float(stderr.mean() / sd),
    }
    if "−" in condition:
        row["rejected"] = float(((low > 0) | (high < 0)).mean())
    return row
