"""Whether two sets of clips can be distinguished at all: a permutation test of unit labels.

An interval that contains zero does not show that two sets are alike: at zero a Fréchet or kernel distance is degenerate
and its error overstated. Here units, whole with their frames, change sides at random; if both sides are draws from one
law, the distance as labelled is one of those equally likely values. The test is exact at any number of units and for
any tails, as what a distance is measured by (components, bandwidth) is taken from both sides together, which no label
changes. (In the components of the reference alone, which the labels choose, a set is told from its own kind too often.)

Two conditions whose units are paired are tested by `metrics.compare.comparison.paired_permutation_test`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.gaussians import Matrix, checked_rows
from metrics.sets.kernel import median_distance
from metrics.sets.mmd import GaussianKernel, unit_sums
from metrics.sets.sides import check_sides
from metrics.stats.permutation import PERMUTATIONS, share_reaching

BATCH_BYTES = 1 << 26
MOST_UNITS = 4000  # of both sides under "kad": the sums between each two of them are held at once (128 MB)


@dataclass(frozen=True)
class EqualityTest:
    """`p` of the hypothesis that the evaluated set and the reference are draws from one law.

    `by` names the distance that was tested, `distance` is its plug-in value ("fad…") or unbiased one ("kad"), and
    `expected` its mean over permuted labels: what sets of these sizes show when nothing differs. A small p tells the
    sets apart; a large one only that these units do not. `n_units` and `n_reference` are those tested.
    """

    p: float
    by: str
    distance: float
    expected: float
    permutations: int
    n_units: int
    n_reference: int
    note: str
    components: int | None = None
    explained_variance: float | None = None
    bandwidth: float | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


class Statistic(Protocol):
    """A distance between any two groups of units, from sums that are made once."""

    def distances(self, sides: NDArray[np.bool_]) -> Matrix: ...


def equality_test(
    evaluated: EmbeddingSet,
    reference: EmbeddingSet,
    by: str = "fad16",
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> EqualityTest:
    """Test by permuting unit labels whether a set of clips and a reference are of one law.

    Where both sides have strata, units are exchanged within those that both have (the others among themselves), so that
    a different mixture of styles is not what is found.

    Args:
        evaluated: The clips, (N, D) frames of n units.
        reference: Real music, embedded alike.
        by: The distance: "fad16", or another number, in the first principal components of both sides together and "fad"
            in every dimension, which see mean and covariance; "kad", with the median distance of both sides as
            bandwidth, which sees any difference.
        permutations: How many.
        seed: Of the permutations.

    Returns:
        The test; p is (1 + permutations at least as distant)/(1 + permutations). Of more than 4,000 units under "kad"
        as many are drawn, the same share of either side.

    Raises:
        UsageError: The sets were embedded differently, or another name.
        DegenerateInput: Under "kad", a side of one unit or sides without spread.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> equality_test(made, real, "fad2", permutations=99).p > 0.05
    True
    """
    if not re.fullmatch(r"kad|fad\d*", by):
        raise UsageError(f"a test by {by!r} was requested: 'kad', 'fad' or 'fad16' (any number) was expected.")
    check_sides(reference, evaluated)
    if permutations < 1:
        raise UsageError(f"{permutations} permutations were requested: at least 1 was expected.")
    rng = np.random.default_rng(seed)
    about: dict[str, Any] = {}
    if by == "kad":
        evaluated, reference = _at_most(MOST_UNITS, evaluated, reference, rng)
    units, labels, strata = _units(evaluated, reference)
    statistic: Statistic
    if by == "kad":
        statistic = KernelSums.of(_rows_of_both(evaluated, reference), units)
        about["bandwidth"] = statistic.bandwidth
    else:
        components = int(by[3:]) if by != "fad" else None
        rows, about["explained_variance"] = _components_of_both(evaluated, reference, components)
        statistic, about["components"] = Moments.of(rows, units), rows.shape[1]
    sides = permuted_labels(labels, strata, permutations, rng)
    distances = statistic.distances(np.concatenate([labels[None], sides]))
    stratified = len(np.unique(strata)) > 1
    return EqualityTest(
        p=share_reaching(distances),
        by=by,
        distance=float(distances[0]),
        expected=float(distances[1:].mean()),
        permutations=permutations,
        n_units=evaluated.n_units,
        n_reference=reference.n_units,
        note="labels of units were permuted" + (" within the styles that both sides have" if stratified else ""),
        provenance={**evaluated.provenance, "reference": reference.provenance, "seed": seed},
        **about,
    )


def permuted_labels(
    labels: NDArray[np.bool_], strata: NDArray[np.intp], count: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """`count` random arrangements (count, units) of the labels (units,), each within the strata (units,)."""
    sides = np.tile(labels, (count, 1))
    for stratum in np.unique(strata):
        there = np.flatnonzero(strata == stratum)
        sides[:, there] = rng.permuted(sides[:, there], axis=1)
    return sides


class Moments:
    """Number, sum and products of each unit's frames: enough for the distance between any two groups of units."""

    def __init__(self, counts: Matrix, sums: Matrix, products: Matrix) -> None:
        self.counts, self.sums, self.products = counts, sums, products

    @classmethod
    def of(cls, rows: Matrix, units: NDArray[np.intp]) -> Moments:
        """From rows (N, k), best with a mean near zero, and the number of each row's unit, from 0 without gaps."""
        order = np.argsort(units, kind="stable")
        counts = np.bincount(units)
        parts = np.split(rows[order], np.cumsum(counts)[:-1])
        products = np.stack([part.T @ part for part in parts])
        return cls(counts.astype(np.float64), np.stack([part.sum(0) for part in parts]), products)

    def distances(self, sides: NDArray[np.bool_]) -> Matrix:
        """Plug-in Fréchet distances between the units that are True and the others, for each row of `sides` (B, S)."""
        k = self.sums.shape[1]
        batch = max(1, BATCH_BYTES // (8 * 4 * k * k))
        return np.concatenate([self._distances(sides[at : at + batch]) for at in range(0, len(sides), batch)])

    def _distances(self, sides: NDArray[np.bool_]) -> Matrix:
        (mean1, cov1), (mean2, cov2) = self._gaussians(sides), self._gaussians(~sides)
        values, vectors = np.linalg.eigh(cov1)
        factor = np.sqrt(np.maximum(values, 0))[:, :, None] * np.swapaxes(vectors, 1, 2)
        squares = np.linalg.eigvalsh(factor @ cov2 @ np.swapaxes(factor, 1, 2))
        cross = np.sqrt(np.maximum(squares, 0)).sum(-1)
        trace = np.trace(cov1 + cov2, axis1=1, axis2=2)
        return np.sum((mean1 - mean2) ** 2, axis=-1) + trace - 2 * cross

    def _gaussians(self, sides: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
        weights = sides.astype(np.float64)
        n = (weights @ self.counts)[:, None]
        mean = weights @ self.sums / n
        products = np.tensordot(weights, self.products, axes=1)
        cov = (products - n[:, :, None] * mean[:, :, None] * mean[:, None, :]) / (n[:, :, None] - 1)
        return mean, cov


class KernelSums:
    """Sums of the Gaussian kernel between the frames of each two units: enough for MMD² between any two groups."""

    def __init__(self, sums: Matrix, sizes: Matrix, bandwidth: float) -> None:
        self.sums, self.sizes, self.bandwidth = sums, sizes, bandwidth

    @classmethod
    def of(cls, rows: Matrix, units: NDArray[np.intp]) -> KernelSums:
        """From rows (N, D) and the number of each row's unit, from 0 without gaps; the bandwidth is their median
        distance."""
        order = np.argsort(units, kind="stable")
        rows, units = rows[order], units[order]
        bandwidth = median_distance(rows, units)
        return cls(unit_sums(GaussianKernel(bandwidth), rows, units), np.bincount(units).astype(np.float64), bandwidth)

    def distances(self, sides: NDArray[np.bool_]) -> Matrix:
        """MMD² between the units that are True and the others, for each row of `sides` (B, S)."""
        if min(sides.sum(1).min(), (~sides).sum(1).min()) < 2:
            raise DegenerateInput("1 clip is on one side: a kernel distance takes at least 2 on either. Add clips.")
        first, sums, sizes = sides.T.astype(np.float64), self.sums, self.sizes
        within = np.sum(first * (sums @ first), axis=0)
        across = sums.sum(0) @ first - within
        rest = sums.sum() - within - 2 * across
        n, squares = sizes @ first, sizes**2 @ first
        m, others = sizes.sum() - n, np.sum(sizes**2) - squares
        return within / (n**2 - squares) + rest / (m**2 - others) - 2 * across / (n * m)


def _at_most(
    most: int, evaluated: EmbeddingSet, reference: EmbeddingSet, rng: np.random.Generator
) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Both sides with as many of their units, drawn without replacement, as add up to `most` in the same shares."""
    units = evaluated.n_units + reference.n_units
    if units <= most:
        return evaluated, reference

    def drawn(data: EmbeddingSet) -> EmbeddingSet:
        kept = rng.choice(np.unique(data.units), max(2, data.n_units * most // units), replace=False)
        return data.select(np.isin(data.units, kept))

    return drawn(evaluated), drawn(reference)


def _rows_of_both(evaluated: EmbeddingSet, reference: EmbeddingSet) -> Matrix:
    return np.concatenate([data.frames for data in (evaluated, reference)])


def _components_of_both(
    evaluated: EmbeddingSet, reference: EmbeddingSet, components: int | None
) -> tuple[Matrix, float]:
    """All frames (N, k) in the first components of both sides together, and their share of the variance."""
    rows = np.concatenate([checked_rows(evaluated.frames, "some"), checked_rows(reference.frames, "the reference's")])
    rows -= rows.mean(0)
    most = min(rows.shape[1], len(rows) - 1)
    if components is not None and not 1 <= components <= most:
        raise UsageError(f"{components} components were requested: these sets allow 1 to {most}.")
    if len(rows) <= rows.shape[1]:
        values, vectors = np.linalg.eigh(rows @ rows.T)
        scores = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
    else:
        values, vectors = np.linalg.eigh(rows.T @ rows)
        scores = rows @ vectors[:, ::-1]
    kept = components or most
    return scores[:, :kept], float(np.maximum(values, 0)[::-1][:kept].sum() / np.maximum(values, 0).sum())


def _units(
    evaluated: EmbeddingSet, reference: EmbeddingSet
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]]:
    """The number of each frame's unit (N,), which units are of the evaluated set (S,), and each unit's stratum (S,)."""
    first, second = (np.unique(data.units, return_inverse=True)[1] for data in (evaluated, reference))
    units = np.concatenate([first, second + evaluated.n_units])
    labels = np.arange(evaluated.n_units + reference.n_units) < evaluated.n_units
    styles, others = evaluated.unit_strata(), reference.unit_strata()
    if styles is None or others is None:
        strata = np.zeros(len(labels), dtype=np.intp)
    else:
        shared = np.intersect1d(styles, others)
        names = np.concatenate([styles, others])
        strata = np.where(np.isin(names, shared), np.searchsorted(shared, names), len(shared))
    return units, labels, strata
