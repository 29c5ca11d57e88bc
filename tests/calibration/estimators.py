"""The estimators that are calibrated, as named functions of batches of songs: `ESTIMATORS`, `PAIRED`, `TESTS`.

They agree with the library's functions of their names, which a test asserts on one repetition. Another metric is
calibrated by adding its functions here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from metrics.api.score import EmbeddingSet
from metrics.compare import equality
from metrics.compare.equality import Moments as SongMoments
from metrics.compare.equality import permuted_labels
from metrics.sets.frechet import growing_error_interval
from metrics.sets.frechet_variants import nested_subsets
from metrics.sets.kernel import kad as library_kad
from metrics.stats.reliability import tail_warnings
from tests.calibration.batched import (
    Moments,
    OwnComponents,
    Side,
    dealing_of,
    distances,
    flat,
    groups_left,
    leave_out,
    principal_axes,
    subset_distances,
)
from tests.calibration.laws import Array

PERMUTATIONS = 99


@dataclass(frozen=True)
class Estimates:
    """Of every repetition (R,): value, standard error, degrees of freedom and bounds; NaN where there are none.

    `bandwidth` is that of a kernel distance: what the truth depends on besides the law.
    """

    value: Array
    stderr: Array
    df: Array
    low: Array
    high: Array
    bandwidth: Array | None = None

    @classmethod
    def bare(cls, value: Array) -> Estimates:
        """Of an estimator without an error."""
        unknown = np.full(len(value), np.nan)
        return cls(value, unknown, unknown, unknown, unknown)

    @property
    def p(self) -> Array:
        """Of the hypothesis that the truth is zero."""
        return 2 * stdtr(self.df, -np.abs(self.value / self.stderr))


class Reference:
    """A batch of references (R, songs, frames, D), seen in their first components or, with None, in all dimensions.

    What does not depend on the evaluated songs is computed once for all conditions.
    """

    def __init__(self, units: Array, components: int | None) -> None:
        self.units, self.components = units, components

    @cached_property
    def basis(self) -> Array | None:
        return None if self.components is None else principal_axes(flat(self.units), self.components)

    @cached_property
    def side(self) -> Side:
        return Side.of(flat(self.project(self.units)))

    @cached_property
    def without_groups(self) -> list[OwnComponents]:
        return self.subsets(groups_left(dealing_of(self.units.shape[1])))

    def project(self, units: Array) -> Array:
        return units if self.basis is None else units @ self.basis[:, None]

    def subsets(self, masks: NDArray[np.bool_]) -> list[OwnComponents]:
        assert self.components is not None
        return OwnComponents.of_subsets(self.units, masks, self.components)


class Sample:
    """One condition's songs (R, songs, frames, D) and their distances to the reference. Estimators take these."""

    def __init__(self, units: Array, reference: Reference) -> None:
        self.units, self.reference = units, reference

    @cached_property
    def there(self) -> Array:
        return self.reference.project(self.units)

    @cached_property
    def plain(self) -> Array:
        return distances(flat(self.there), self.reference.side)

    @cached_property
    def without_units(self) -> Array:
        return leave_out(self.there, dealing_of(self.units.shape[1]), self.reference.side)

    @cached_property
    def without_references(self) -> Array:
        reference = self.reference
        if reference.components is None:
            return leave_out(reference.units, dealing_of(reference.units.shape[1]), Side.of(flat(self.units)))
        return self.to(reference.without_groups)

    def to(self, subsets: Sequence[OwnComponents]) -> Array:
        """Distances (R, B) to parts of the reference."""
        side = Moments.of(flat(self.units))
        return np.stack([subset.distances(side) for subset in subsets], axis=1)


Estimator = Callable[[Sample], dict[str, Estimates]]
PairedEstimator = Callable[[Sample, Sample], dict[str, Estimates]]
Test = Callable[[Sample, np.random.Generator], Array]


def fad(sample: Sample) -> dict[str, Estimates]:
    """`metrics.fad`: its plug-in value, and the value corrected by the jackknife of both sides."""
    parts = [
        (sample.without_units, sample.units.shape[1]),
        (sample.without_references, sample.reference.units.shape[1]),
    ]
    corrected = _jackknifed(sample.plain, parts)
    low, high = growing_error_interval(sample.plain, corrected.value, corrected.high - corrected.value)
    return {"plain": Estimates.bare(sample.plain), "corrected": replace(corrected, low=low, high=high)}


def fad_infinity(sample: Sample) -> dict[str, Estimates]:
    """`metrics.fad_infinity`: straight lines in 1/n on both sides."""
    reference = sample.reference
    sizes, masks = _nested(sample.units.shape[1])
    intercept = np.polyfit(1 / sizes, subset_distances(sample.there, masks, reference.side).T, 1)[1]
    sizes, masks = _nested(reference.units.shape[1])
    if reference.components is None:
        values = subset_distances(reference.units, masks, Side.of(flat(sample.units)))
    else:
        values = sample.to(reference.subsets(masks))
    return {"extrapolated": Estimates.bare(intercept + np.polyfit(1 / sizes, values.T, 1)[1] - sample.plain)}


def paired_fad(first: Sample, second: Sample) -> dict[str, Estimates]:
    """`metrics.paired_fad`, second − first: corrected, and the plug-in difference with the same error."""
    plain = second.plain - first.plain
    parts = [
        (second.without_units - first.without_units, first.units.shape[1]),
        (second.without_references - first.without_references, first.reference.units.shape[1]),
    ]
    corrected = _jackknifed(plain, parts)
    return {"paired plain": replace(corrected, value=plain), "paired corrected": corrected}


def kad(sample: Sample) -> dict[str, Estimates]:
    """`metrics.kad` itself, one repetition after another: it takes milliseconds."""
    scores = [library_kad(*sets) for sets in _sets(sample)]
    value, stderr, df, bandwidth = (
        np.array(column)
        for column in zip(
            *((score.value, score.stderr, score.provenance["df"], score.provenance["bandwidth"]) for score in scores),
            strict=True,
        )
    )
    low, high = np.array([score.interval for score in scores]).T
    return {"kad": Estimates(value, stderr, df, low, high, bandwidth)}


def equality_test(sample: Sample, rng: np.random.Generator) -> Array:
    """p of `metrics.equality_test` by the Fréchet distance (R,) with 99 permutations."""
    both = np.concatenate([sample.units, sample.reference.units], axis=1)
    rows = flat(both)
    rows -= rows.mean(1, keepdims=True)
    if sample.reference.components is not None:
        rows = rows @ principal_axes(rows, sample.reference.components)
    units = np.repeat(np.arange(both.shape[1]), both.shape[2])
    labels = np.arange(both.shape[1]) < sample.units.shape[1]
    found = []
    for repetition in rows:
        sides = permuted_labels(labels, np.zeros(len(labels), dtype=np.intp), PERMUTATIONS, rng)
        values = SongMoments.of(repetition, units).distances(np.concatenate([labels[None], sides]))
        found.append((1 + int((values[1:] >= values[0] * (1 - 1e-9)).sum())) / (1 + PERMUTATIONS))
    return np.array(found)


def kernel_equality_test(sample: Sample, rng: np.random.Generator) -> Array:
    """p of `metrics.equality_test` itself by "kad" (R,) with 99 permutations."""
    seeds = rng.integers(2**31, size=len(sample.units))
    return np.array(
        [
            equality.equality_test(*sets, "kad", permutations=PERMUTATIONS, seed=int(seed)).p
            for sets, seed in zip(_sets(sample), seeds, strict=True)
        ]
    )


def heavy_tails(sample: Sample) -> NDArray[np.bool_]:
    """Whether `metrics.stats.reliability` finds either side's too heavy (R,)."""
    sides = sample.there, sample.reference.project(sample.reference.units)
    return np.array([bool(tail_warnings(*units)) for units in zip(*(side.mean(2) for side in sides), strict=True)])


ESTIMATORS: dict[str, Estimator] = {"fad": fad, "fad_infinity": fad_infinity, "kad": kad}
PAIRED: dict[str, PairedEstimator] = {"paired_fad": paired_fad}
TESTS: dict[str, Test] = {"equality_test": equality_test, "equality_test by kad": kernel_equality_test}


def _sets(sample: Sample) -> Iterator[tuple[EmbeddingSet, EmbeddingSet]]:
    """The evaluated set and the reference of each repetition, in all dimensions."""
    for both in zip(sample.units, sample.reference.units, strict=True):
        first, second = (
            EmbeddingSet(units.reshape(-1, units.shape[-1]), np.repeat(np.arange(len(units)), units.shape[1]))
            for units in both
        )
        yield first, second


def _nested(units: int) -> tuple[Array, NDArray[np.bool_]]:
    sizes, masks = nested_subsets(EmbeddingSet(np.zeros((units, 1)), np.arange(units)), np.random.default_rng(0))
    return sizes, np.array(masks)


def _jackknifed(plain: Array, parts: Sequence[tuple[Array, int]]) -> Estimates:
    """`metrics.stats.resampling.delete_groups` and `estimate`, batched: parts are (values without each group,
    songs)."""
    bias, variance, spread = np.zeros(len(plain)), np.zeros(len(plain)), np.zeros(len(plain))
    for values, units in parts:
        share = np.bincount(dealing_of(units)) / units
        groups = len(share)
        corrected = groups * plain - ((1 - share) * values).sum(1)
        pseudo = plain[:, None] / share - (1 / share - 1) * values
        part = np.mean((pseudo - corrected[:, None]) ** 2 / (1 / share - 1), axis=1)
        df = max(1, min(units - units // groups, groups - 1))
        bias, variance, spread = bias + plain - corrected, variance + part, spread + part**2 / df
    value, stderr, df = plain - bias, np.sqrt(variance), variance**2 / spread
    half = stdtrit(df, 0.975) * stderr
    return Estimates(value, stderr, df, value - half, value + half)
