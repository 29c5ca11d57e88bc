"""Metrics of two conditions for every permutation of a permutation test, without their error bars.

A test calls a metric two thousand times. Here what does not depend on the labels (the reference's side, the kernel
between each two clips, the centred means) is computed once, and a permutation takes rows of it. The conditions stand
one after the other, and a set is given as the numbers of its frames in that order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.api.catalogue import Metric
from metrics.api.score import EmbeddingSet, Score
from metrics.compare.permuted_neighbours import Neighbourhoods
from metrics.sets.diversity import centred_means, diversity_of_rows, vendi_of_rows
from metrics.sets.frechet import FrechetSpace
from metrics.sets.gaussians import Gaussian, subset_distances
from metrics.sets.kernel import median_distance
from metrics.sets.manifold import NAMES as MANIFOLD
from metrics.sets.mmd import Cubic, GaussianKernel, unit_sums
from metrics.stats.permutation import PERMUTATIONS, PermutationTest, swap_test

Rows = NDArray[np.intp]
Statistic = Callable[[Rows], float]

MOST_DISTANCES = 10**8
"""Between frames, as held at once: 400 MB. With more, each permutation measures its distances anew."""

VENDI_ORDERS = {"vendi": 1.0, "vendi2": 2.0, "vendi_inf": np.inf}


class Permuted:
    """Two sets of the same units, frames of the first before those of the second, and what several metrics share.

    A `reference` counts for every metric that takes one, as in `metrics.compare.comparison.paired_difference`;
    `prompts` maps units to prompts for metrics that need them.
    """

    def __init__(
        self,
        first: EmbeddingSet,
        second: EmbeddingSet,
        reference: EmbeddingSet | None,
        prompts: Mapping[str, str] | None = None,
    ) -> None:
        self.first, self.second, self.reference, self.prompts = first, second, reference, prompts
        self.frames = np.concatenate([first.frames, second.frames])
        self.both = first.concat(second)
        later = np.arange(len(self.frames)) >= len(first.frames)
        unit = np.unique(self.both.units, return_inverse=True)[1]
        self.clip = unit + later * first.n_units
        """Of each frame: its unit in the first condition, or that number plus the number of units in the second."""
        self._neighbours: Neighbourhoods | None = None

    def test(
        self,
        row: Metric,
        *,
        permutations: int = PERMUTATIONS,
        seed: int = 0,
        advance: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> PermutationTest:
        """The paired permutation test of one metric (`metrics.stats.permutation.swap_test`), `options` being the
        metric's.

        `advance` is called after each evaluation; there are two for every permutation. Raises as the metric does.
        """
        statistic = self.statistic(row, **options)

        def counted(numbers: EmbeddingSet) -> float:
            advance()
            return statistic(numbers.frames[:, 0].astype(np.intp))

        sides = []
        for data, start in ((self.first, 0), (self.second, len(self.first.frames))):
            numbers = np.arange(start, start + len(data.frames))[:, None]
            sides.append(EmbeddingSet(numbers.astype(np.float32), data.units, data.provenance))
        return swap_test(counted, *sides, permutations=permutations, seed=seed)

    def statistic(self, row: Metric, **options: Any) -> Statistic:
        """Frame numbers → the plain value of a metric."""
        taken = {**row.options, **options}
        if row.name in ("fad", "fad16") and taken.keys() <= {"components"} and self.reference is not None:
            return self._fad(taken.get("components"), self.reference)
        if taken:
            return self._whole(row, options)
        if row.name in ("kad", "kid") and self.reference is not None:
            return self._kernel(row.name, self.reference)
        if row.name in MANIFOLD and self.reference is not None and self._fits(self.reference):
            neighbours = self._neighbours or Neighbourhoods(self.frames, self.clip, self.reference)
            self._neighbours = neighbours  # the four share it
            return lambda rows: neighbours.value(row.name, rows)
        if row.name in VENDI_ORDERS:
            means = self._means()
            return lambda rows: vendi_of_rows(means[np.unique(self.clip[rows])], VENDI_ORDERS[row.name])
        if row.name == "diversity":
            means = self._means()
            return lambda rows: diversity_of_rows(means[np.unique(self.clip[rows])])
        return self._whole(row, {})

    def _fad(self, components: int | None, reference: EmbeddingSet) -> Statistic:
        space = FrechetSpace(reference, components, self.first, self.second)
        x, side = space.project(self.both), Gaussian.of_rows(space.project(reference))

        def distance(rows: Rows) -> float:
            return float(subset_distances(x[rows], [np.ones(len(rows), dtype=bool)], side)[0])

        return distance

    def _kernel(self, name: str, reference: EmbeddingSet) -> Statistic:
        """MMD² from the kernel's sums over each two clips; the reference's own term is the same under all labels."""
        kernel = GaussianKernel(median_distance(reference.frames, reference.units)) if name == "kad" else Cubic()
        unit = np.unique(reference.units, return_inverse=True)[1]
        code = np.concatenate([self.clip, unit + 2 * self.first.n_units])
        order = np.argsort(code, kind="stable")
        sums = unit_sums(kernel, np.concatenate([self.frames, reference.frames])[order], code[order])
        sizes, clips, m = np.bincount(code).astype(float), 2 * self.first.n_units, len(reference.frames)
        across, real = sums[:clips, clips:].sum(axis=1), sizes[clips:]
        own = float(sums[clips:, clips:].sum() / (m**2 - np.sum(real**2)))

        def distance(rows: Rows) -> float:
            there = np.unique(self.clip[rows])
            n = sizes[there]
            within = sums[np.ix_(there, there)].sum() / (n.sum() ** 2 - np.sum(n**2))
            return float(within + own - 2 * across[there].sum() / (n.sum() * m))

        return distance

    def _fits(self, reference: EmbeddingSet) -> bool:
        """Whether all distances to and within a reference may be held at once."""
        real = len(reference.frames)
        return max(real, len(self.frames)) ** 2 <= MOST_DISTANCES

    def _means(self) -> NDArray[Any]:
        """The mean frame of each clip, seen from the reference's centre: those of the first condition come first."""
        sides = [centred_means(data, self.reference).frames for data in (self.first, self.second)]
        return np.concatenate(sides)

    def _whole(self, row: Metric, options: Mapping[str, Any]) -> Statistic:
        function = row.load()
        arguments = row.arguments(self.reference, self.prompts) | dict(options)

        def value(rows: Rows) -> float:
            chosen = np.zeros(len(self.frames), dtype=bool)
            chosen[rows] = True
            found = function(self.both.select(chosen), **arguments)
            return found.plain if isinstance(found, Score) else float(found)

        return value
