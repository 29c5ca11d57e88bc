"""MAD, the MAUVE divergence of embeddings: −ln of the area under the curve of two sets' divergences from mixtures.

    (exp(−c·KL(Q‖R)), exp(−c·KL(P‖R)))        R = λP + (1−λ)Q,  0 < λ < 1,  c = 5

P and Q are histograms over clusters that k-means finds in both sets together. Pillutla et al., "MAUVE", NeurIPS 2021;
Huang et al., "Aligning Text-to-Music Evaluation with Human Preferences", 2025 (MAD). 0 when the histograms are the
same; ln 252 = 5.53 when they have no cluster in common (5.50 with the 25 points that everybody takes).

The clusters depend on where k-means starts: four seeds gave .079 to .126 at 500 frames. The value is the mean over
several seeds, and their spread is reported and counted in the error. There is one cluster for ten *units* of the
smaller set. With one for ten frames, as for independent texts, the frames of a unit fill a cluster by themselves and
two samples of one law look apart: 60 units of 8 frames on either side gave .005 with 6 clusters, 1.43 with 48.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet, Score
from metrics.errors import UsageError
from metrics.sets.diversity import unit_rows
from metrics.sets.sides import check_sides, checked_rows, unit_codes
from metrics.stats.folds import Folds, assign_folds
from metrics.stats.scoring import Kind, LeftOut

Matrix = NDArray[np.float64]

SCALE = 5.0
POINTS = 25
SEEDS = 5
UNITS_IN_A_CLUSTER = 10
MOST_CLUSTERS = 500
EXPLAINED = 0.9  # the share of variance that is kept for the clustering, as the authors have it


def mauve_of_histograms(p: ArrayLike, q: ArrayLike, *, scale: float = SCALE, points: int = POINTS) -> float:
    """MAUVE of two histograms (clusters,), which need not be normalised: 1 when they are alike, 0.004 at the least.

    Raises `UsageError` for shapes that differ, negative or no counts.

    >>> mauve_of_histograms([2, 2], [1, 1])
    1.0
    """
    counts = [np.asarray(histogram, dtype=np.float64) for histogram in (p, q)]
    if counts[0].shape != counts[1].shape or counts[0].ndim != 1:
        raise UsageError(f"histograms have shapes {counts[0].shape} and {counts[1].shape}: (clusters,) was expected.")
    if any(not np.isfinite(count).all() or count.min() < 0 or count.sum() <= 0 for count in counts):
        raise UsageError("a histogram is empty, negative or not finite: counts of frames were expected.")
    left, right = (count / count.sum() for count in counts)
    weights = np.linspace(1e-6, 1 - 1e-6, points)
    mixtures = weights[:, None] * left + (1 - weights[:, None]) * right
    x = np.concatenate([[0.0], np.exp(-scale * _kl(right, mixtures)), [1.0]])
    y = np.concatenate([[1.0], np.exp(-scale * _kl(left, mixtures)), [0.0]])
    order = np.lexsort((-y, x))
    return float(min(1.0, np.trapezoid(y[order], x[order])))


def mad_of_rows(x: ArrayLike, y: ArrayLike, *, clusters: int | None = None, seeds: int = SEEDS) -> Matrix:
    """MAD of rows (N, D) and (M, D) for each seed of the clustering, (seeds,). Every row counts as a unit of its own.

    Raises `UsageError` when shapes, clusters or seeds do not fit and `DegenerateInput` for values that are not finite
    or a row of zeros.
    """
    sides = [
        _Side(checked_rows(rows, which), np.arange(len(np.asarray(rows))), [])
        for rows, which in ((x, "the first"), (y, "the second"))
    ]
    return np.array([found.plain for found in _mad(sides[0], sides[1], clusters, seeds)])


def mad(evaluated: EmbeddingSet, reference: EmbeddingSet, *, clusters: int | None = None, seeds: int = SEEDS) -> Score:
    """MAD of a set of clips and a reference: the mean over seeds, with jackknife error over units and seeds.

    Huang et al., "Aligning Text-to-Music Evaluation with Human Preferences", 2025; MAUVE: Pillutla et al., NeurIPS
    2021.

    Args:
        evaluated: The clips, (N, D) frames of n units.
        reference: Real music, embedded alike.
        clusters: By default one for ten units of the smaller set. They stay when units are left out.
        seeds: How many clusterings.

    Returns:
        The score, −ln MAUVE; `provenance["seed_sd"]` is the standard deviation over seeds. Biased upwards at any n:
        compare at equal numbers.

    Raises:
        UsageError: The sets were embedded differently.
        DegenerateInput: Fewer than 3 units on a side, or a frame of zeros.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> mad(made, real, seeds=2).value >= 0
    True
    """
    return _score(evaluated, reference, clusters, seeds)


def _score(evaluated: EmbeddingSet, reference: EmbeddingSet, clusters: int | None, seeds: int) -> Score:
    check_sides(reference, evaluated)
    mean = _mean(_mad(_Side.of_set(evaluated), _Side.of_set(reference), clusters, seeds))
    spread = float(np.std(mean.seeds, ddof=1)) if seeds > 1 else 0.0
    note = f"mean over {seeds} clusterings, which differ by {spread:.2g}; compare at equal numbers of clips"
    kind = Kind("mad", "−ln MAUVE", "lower", "population at this n", note)
    about: dict[str, Any] = {"seeds": seeds, "seed_sd": spread}
    return kind.score(mean.of(evaluated, reference), evaluated, reference, about)


@dataclass(frozen=True)
class _Side:
    rows: NDArray[Any]
    codes: NDArray[np.intp]
    all_folds: list[Folds]

    @classmethod
    def of_set(cls, data: EmbeddingSet) -> _Side:
        return cls(checked_rows(data.frames, "some"), unit_codes(data.units, len(data.units)), assign_folds(data))

    def histograms(self, labels: NDArray[np.intp], clusters: int) -> tuple[Matrix, list[list[Matrix]]]:
        """Frames in each cluster: of all units, and without each fold of each round."""
        whole = np.bincount(labels, minlength=clusters).astype(np.float64)
        without = [
            [
                whole - np.bincount(labels[folds[self.codes] == group], minlength=clusters)
                for group in range(folds.max() + 1)
            ]
            for folds in self.all_folds
        ]
        return whole, without


def _mad(x: _Side, y: _Side, clusters: int | None, seeds: int) -> list[LeftOut]:
    if seeds < 1 or (clusters is not None and clusters < 1):
        raise UsageError(f"{clusters} clusters and {seeds} seeds were requested: at least one of each was expected.")
    if x.rows.shape[1] != y.rows.shape[1]:
        raise UsageError(f"embeddings have {x.rows.shape[1]} and {y.rows.shape[1]} dimensions: the same was expected.")
    pooled = np.concatenate([x.rows, y.rows])
    if clusters is None:
        units = min(int(side.codes.max()) + 1 for side in (x, y))
        clusters = int(np.clip(round(units / UNITS_IN_A_CLUSTER), 2, MOST_CLUSTERS))
    clusters = min(clusters, len(np.unique(pooled, axis=0)))
    points = _principal(unit_rows(pooled))
    found = []
    for seed in range(seeds):
        labels = _clustered(points, clusters, seed)
        (p, p_without), (q, q_without) = (
            side.histograms(part, clusters) for side, part in ((x, labels[: len(x.rows)]), (y, labels[len(x.rows) :]))
        )
        found.append(
            LeftOut(
                _mad_of_histograms(p, q),
                [np.array([_mad_of_histograms(some, q) for some in row]) for row in p_without],
                [np.array([_mad_of_histograms(p, some) for some in row]) for row in q_without],
            )
        )
    return found


def _mad_of_histograms(p: Matrix, q: Matrix) -> float:
    return max(0.0, -float(np.log(mauve_of_histograms(p, q))))


def _principal(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows in as many principal components as hold nine tenths of the variance."""
    moved = rows - rows.mean(axis=0)
    values, vectors = np.linalg.eigh(moved.T @ moved)
    shares = np.cumsum(values[::-1]) / max(values.sum(), np.finfo(np.float64).tiny)
    kept = int(np.searchsorted(shares, EXPLAINED)) + 1
    return moved @ vectors[:, ::-1][:, :kept]


def _clustered(points: NDArray[Any], clusters: int, seed: int) -> NDArray[np.intp]:
    """The cluster of each row, by k-means from one k-means++ start."""
    if clusters == 1:
        return np.zeros(len(points), dtype=np.intp)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters: some stay empty
        found = KMeans(clusters, n_init=1, random_state=seed)  # pyright: ignore[reportArgumentType]
        return found.fit_predict(points).astype(np.intp)


def _mean(by_seed: Sequence[LeftOut]) -> LeftOut:
    return LeftOut(
        float(np.mean([one.plain for one in by_seed])),
        [np.mean(rows, axis=0) for rows in zip(*(one.evaluated for one in by_seed), strict=True)],
        [np.mean(rows, axis=0) for rows in zip(*(one.reference for one in by_seed), strict=True)],
        seeds=[one.plain for one in by_seed],
    )


def _kl(p: Matrix, mixtures: Matrix) -> Matrix:
    """KL(p ‖ r) for each mixture (points, clusters); they are positive wherever p is."""
    known = p > 0
    return np.sum(p[known] * np.log(p[known] / mixtures[:, known]), axis=1)
