"""Whether two sets of clips are told apart at all: a permutation test by song labels.

An interval that contains zero does not show that two sets are alike: at zero the Fréchet distance is degenerate and its
error overstated. Here songs, whole with their frames, change sides at random; if both sides are draws from one law, the
distance as labelled is one of those equally likely values. The test is exact at any number of songs and for any tails,
as the components are those of both sides together, which no label changes. (In the components of the reference alone,
which the labels choose, a set is told from its own kind too often.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.errors import UsageError
from metrics.gaussians import Matrix, checked_rows
from metrics.score import EmbeddingSet, check_comparable

PERMUTATIONS = 999
BATCH_BYTES = 1 << 26


@dataclass(frozen=True)
class EqualityTest:
    """`p` of the hypothesis that the evaluated set and the reference are draws from one law.

    `distance` is the plug-in distance that was tested, `expected` its mean over permuted labels: what sets of these
    sizes show when nothing differs. A small p tells the sets apart; a large one only that these songs do not.
    """

    p: float
    distance: float
    expected: float
    permutations: int
    components: int
    explained_variance: float
    n_songs: int
    n_reference: int
    note: str
    provenance: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


def equality_test(
    evaluated: EmbeddingSet,
    reference: EmbeddingSet,
    components: int | None = 16,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> EqualityTest:
    """Test by permuting song labels whether a set of clips and a reference differ in mean or covariance.

    `components` takes the first principal components of both sides together; None uses every dimension. Where both
    sides have strata, songs are exchanged within those that both have (the others among themselves), so that a
    different mixture of styles is not what is found. p is (1 + permutations at least as distant)/(1 + permutations).
    Raises `UsageError` when the sets were embedded differently.
    """
    check_comparable(evaluated.provenance, reference.provenance)
    if evaluated.frames.shape[1] != reference.frames.shape[1]:
        raise UsageError(
            f"the clips have {evaluated.frames.shape[1]} dimensions and the reference {reference.frames.shape[1]}: "
            "use the embedder that the reference was made with."
        )
    if permutations < 1:
        raise UsageError(f"{permutations} permutations were asked for: at least 1 was expected.")
    rows, explained = _components_of_both(evaluated, reference, components)
    songs, labels, strata = _units(evaluated, reference)
    moments = Moments.of(rows, songs)
    sides = permuted_labels(labels, strata, permutations, np.random.default_rng(seed))
    distances = moments.distances(np.concatenate([labels[None], sides]))
    observed, null = distances[0], distances[1:]
    # A permutation that only exchanges equal songs gives the same distance but for rounding.
    above = int((null >= observed - 1e-9 * abs(observed)).sum())
    stratified = len(np.unique(strata)) > 1
    return EqualityTest(
        p=(1 + above) / (1 + permutations),
        distance=float(observed),
        expected=float(null.mean()),
        permutations=permutations,
        components=rows.shape[1],
        explained_variance=explained,
        n_songs=evaluated.n_songs,
        n_reference=reference.n_songs,
        note="labels of songs were permuted" + (" within the styles that both sides have" if stratified else ""),
        provenance={**evaluated.provenance, "reference": reference.provenance, "seed": seed},
    )


def permuted_labels(
    labels: NDArray[np.bool_], strata: NDArray[np.intp], count: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """`count` random arrangements (count, songs) of the labels (songs,), each within the strata (songs,)."""
    sides = np.tile(labels, (count, 1))
    for stratum in np.unique(strata):
        there = np.flatnonzero(strata == stratum)
        sides[:, there] = rng.permuted(sides[:, there], axis=1)
    return sides


class Moments:
    """Number, sum and products of each song's frames: enough for the distance between any two groups of songs."""

    def __init__(self, counts: Matrix, sums: Matrix, products: Matrix) -> None:
        self.counts, self.sums, self.products = counts, sums, products

    @classmethod
    def of(cls, rows: Matrix, songs: NDArray[np.intp]) -> Moments:
        """From rows (N, k), best with a mean near zero, and the number of each row's song, from 0 without gaps."""
        order = np.argsort(songs, kind="stable")
        counts = np.bincount(songs)
        parts = np.split(rows[order], np.cumsum(counts)[:-1])
        products = np.stack([part.T @ part for part in parts])
        return cls(counts.astype(np.float64), np.stack([part.sum(0) for part in parts]), products)

    def distances(self, sides: NDArray[np.bool_]) -> Matrix:
        """Plug-in Fréchet distances between the songs that are True and the others, for each row of `sides` (B, S)."""
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


def _components_of_both(
    evaluated: EmbeddingSet, reference: EmbeddingSet, components: int | None
) -> tuple[Matrix, float]:
    """All frames (N, k) in the first components of both sides together, and their share of the variance."""
    rows = np.concatenate([checked_rows(evaluated.frames, "some"), checked_rows(reference.frames, "the reference's")])
    rows -= rows.mean(0)
    most = min(rows.shape[1], len(rows) - 1)
    if components is not None and not 1 <= components <= most:
        raise UsageError(f"{components} components were asked for: 1 to {most} can be had from these sets.")
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
    """The number of each frame's song (N,), which songs are of the evaluated set (S,), and each song's stratum (S,)."""
    first, second = (np.unique(data.songs, return_inverse=True)[1] for data in (evaluated, reference))
    songs = np.concatenate([first, second + evaluated.n_songs])
    labels = np.arange(evaluated.n_songs + reference.n_songs) < evaluated.n_songs
    styles, others = evaluated.song_strata(), reference.song_strata()
    if styles is None or others is None:
        strata = np.zeros(len(labels), dtype=np.intp)
    else:
        shared = np.intersect1d(styles, others)
        names = np.concatenate([styles, others])
        strata = np.where(np.isin(names, shared), np.searchsorted(shared, names), len(shared))
    return songs, labels, strata
