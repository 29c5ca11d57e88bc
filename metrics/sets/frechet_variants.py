"""Two variants of the Fréchet distance: extrapolated to infinitely many units, and of each unit by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.api.score import EmbeddingSet, Estimand, Score
from metrics.errors import DegenerateInput
from metrics.sets.frechet import UNIT, FrechetSpace
from metrics.sets.gaussians import Gaussian, Matrix, frechet_distance, subset_distances
from metrics.stats.folds import assign_folds, check_units
from metrics.stats.scoring import LeftOut

ORDERS = 10
SIZES = 6


def fad_infinity(
    evaluated: EmbeddingSet,
    reference: EmbeddingSet,
    components: int | None = None,
    *,
    estimand: Estimand = "population",
    seed: int = 0,
) -> Score:
    """FAD∞ by extrapolation, F(n) = F∞ + c/n: an alternative to `fad`, never with an interval.

    Chong & Forsyth, "Effectively unbiased FID and Inception Score", CVPR 2020, with two changes: units are drawn, not
    frames, and without replacement, as nested subsets of half to all of them in 10 random orders (each with every
    stratum's share). Frames drawn with replacement, as fadtk draws them, converge to the plug-in value and remove none
    of its bias. `fad` leaves less bias (results/calibration).

    Args:
        evaluated: The clips.
        reference: Real music, embedded alike.
        components: As for `metrics.fad`.
        estimand: "population" extrapolates the reference as well.
        seed: Of the random orders.

    Returns:
        The score; `stderr` is that of the plug-in value. Raises as `metrics.fad`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> fad_infinity(made, real, 2).interval is None
    True
    """
    check_units(evaluated)
    check_units(reference)
    space = FrechetSpace(reference, components, evaluated)
    x, y = space.project(evaluated), space.project(reference)
    plain = frechet_distance(x, y)
    side = Gaussian.of_rows(y)
    lines = [_extrapolate(evaluated, lambda masks: subset_distances(x, masks, side), seed)]
    without = space.without_units(evaluated, assign_folds(evaluated))
    without_reference: list[Matrix] = []
    if estimand == "population":
        lines.append(_extrapolate(reference, lambda masks: space.distances_to_subsets(evaluated, masks), seed))
        without_reference = space.without_references(evaluated, assign_folds(reference))
    value = plain + sum(line.intercept - plain for line in lines)
    stderr = LeftOut(plain, without, without_reference).estimate(evaluated, reference).stderr
    return Score(
        name=f"{space.name}_infinity",
        value=float(value),
        stderr=stderr,
        interval=None,
        n_units=evaluated.n_units,
        n_frames=len(evaluated.frames),
        unit=UNIT,
        direction="lower",
        estimand=estimand,
        reliable=False,
        note="extrapolated to infinitely many clips, for comparison with other programs; read fad",
        plain=plain,
        why="the bias that is left may be larger than the error",
        provenance=space.provenance(evaluated) | {"points": [line.points for line in lines], "seed": seed},
    )


def fad_per_song(evaluated: EmbeddingSet, reference: EmbeddingSet, components: int | None = None) -> dict[Any, float]:
    """The plug-in distance of each clip's frames to the reference: where to begin to listen.

    Gui et al., "Adapting Fréchet Audio Distance for generative music evaluation", ICASSP 2024. Its bias depends on how
    many frames a clip has: clips of one length can be ranked, and none of the values compared with a set's.

    Args:
        evaluated: The clips.
        reference: Real music, embedded alike.
        components: As for `metrics.fad`.

    Returns:
        By unit id; clips of a single frame have no spread and are left out.

    Raises:
        DegenerateInput: No clip has two frames.
        UsageError: The two sets were embedded differently.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> len(fad_per_song(made, real))
    40
    """
    distances: dict[Any, float] = {}
    if not (np.unique(evaluated.units, return_counts=True)[1] > 1).any():
        raise DegenerateInput("no clip has two frames: a distance takes a spread. Embed with a shorter hop.")
    space = FrechetSpace(reference, components, evaluated)
    x, side = space.project(evaluated), Gaussian.of_rows(space.project(reference))
    for unit in np.unique(evaluated.units):
        frames = x[evaluated.units == unit]
        if len(frames) > 1:
            everything = [np.ones(len(frames), dtype=bool)]
            distances[unit.item()] = max(0.0, float(subset_distances(frames, everything, side)[0]))
    return distances


class _Line(NamedTuple):
    intercept: float
    points: list[tuple[int, float]]


def _extrapolate(data: EmbeddingSet, distances_of: Callable[[list[NDArray[np.bool_]]], Matrix], seed: int) -> _Line:
    """A straight line in 1/n through the distances of nested subsets of the units, at infinitely many; its points."""
    unit = np.unique(data.units, return_inverse=True)[1]
    sizes, masks = nested_subsets(data, np.random.default_rng(seed))
    distances = distances_of([mask[unit] for mask in masks])
    points = [(int(n), float(distances[sizes == n].mean())) for n in np.unique(sizes)]
    return _Line(float(np.polyfit(1 / sizes, distances, 1)[1]), points)


def nested_subsets(data: EmbeddingSet, rng: np.random.Generator) -> tuple[Matrix, list[NDArray[np.bool_]]]:
    """Sizes and masks of units, from half to all, nested in each random order; strata keep their shares."""
    strata = data.unit_strata()
    codes = np.zeros(data.n_units, dtype=np.intp) if strata is None else np.unique(strata, return_inverse=True)[1]
    sizes = np.unique(np.linspace(max(2, data.n_units / 2), data.n_units, SIZES).round().astype(int))
    shares = np.bincount(codes)[codes]
    masks = []
    for _ in range(ORDERS):
        # The i-th of a stratum's m units stands near i/m, so that every beginning has its share of each stratum.
        place = np.empty(data.n_units)
        for code in np.unique(codes):
            there = np.flatnonzero(codes == code)
            place[there] = rng.permutation(len(there)) + rng.random()
        rank = np.argsort(np.argsort(place / shares, kind="stable"))
        masks += [rank < size for size in sizes]
    return np.tile(sizes, ORDERS).astype(np.float64), masks
