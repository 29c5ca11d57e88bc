"""Tests by permutation: of two sets being alike, and of two conditions being alike.

Under the hypothesis a label could as well have been another, so that the share of relabellings that give a value at
least as extreme is the p-value; the one that was observed counts as one of them. What is relabelled is the song, never
the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import DegenerateInput, UsageError
from metrics.kernel import median_distance
from metrics.mmd import Gaussian, song_sums
from metrics.resampling import check_paired
from metrics.score import EmbeddingSet, check_comparable
from metrics.sides import check_sides, checked_rows, song_codes

PERMUTATIONS = 999
ALL_FLIPS = 12  # units up to which all 2^n flips are tried
MOST_SONGS = 4000  # of both sets: the sums between each two of them are held at once (128 MB)


@dataclass(frozen=True)
class PermutationTest:
    """What was observed, how many relabellings there were (this one included), and the share at least as extreme."""

    statistic: float
    p: float
    relabellings: int


def kernel_equality_test(
    evaluated: EmbeddingSet, reference: EmbeddingSet, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> PermutationTest:
    """Are two sets of one law? The kernel distance against its values when songs are dealt to the sets at random.

    One-sided: large distances speak against it. Songs change places within strata where both sets have them. The
    bandwidth is the median of both sets together, which no relabelling changes. Of more than 4,000 songs as many are
    drawn, the same share of either set. Raises as `metrics.kernel.kad`.
    """
    check_sides(reference, evaluated)
    rng = np.random.default_rng(seed)
    sets = _at_most(MOST_SONGS, [evaluated, reference], rng)
    for data in sets:
        if data.n_songs < 2:
            raise DegenerateInput(f"{data.n_songs} song is on one side: a test takes at least 2 on either. Add clips.")
    codes = [song_codes(data.songs, len(data.frames)) for data in sets]
    code = np.concatenate([codes[0], codes[1] + codes[0].max() + 1])
    rows = np.concatenate([checked_rows(data.frames, "some") for data in sets])
    order = np.argsort(code, kind="stable")
    rows, code = rows[order], code[order]
    sums = song_sums(Gaussian(median_distance(rows, code)), rows, code)
    sizes = np.bincount(code).astype(np.float64)
    first = np.arange(len(sizes)) < sets[0].n_songs
    labels = np.stack([first] + [_shuffled(first, _blocks(sets), rng) for _ in range(permutations)], axis=1)
    values = _distances(sums, sizes, labels.astype(np.float64))
    return PermutationTest(float(values[0]), _share(values), permutations + 1)


def _distances(sums: NDArray[Any], sizes: NDArray[Any], first: NDArray[Any]) -> NDArray[Any]:
    """MMD² for each column of labels (songs, relabellings), 1 for the songs of the first set."""
    within = np.sum(first * (sums @ first), axis=0)
    across = sums.sum(0) @ first - within
    rest = sums.sum() - within - 2 * across
    n, squares = sizes @ first, sizes**2 @ first
    m, others = sizes.sum() - n, np.sum(sizes**2) - squares
    return within / (n**2 - squares) + rest / (m**2 - others) - 2 * across / (n * m)


def _blocks(sets: list[EmbeddingSet]) -> list[NDArray[np.intp]]:
    """The songs that may change places: those of one stratum where both sets have strata, else all."""
    strata = [data.song_strata() for data in sets]
    if strata[0] is None or strata[1] is None:
        return [np.arange(sum(data.n_songs for data in sets))]
    both = np.concatenate([strata[0], strata[1]])
    return [np.flatnonzero(both == name) for name in np.unique(both)]


def _shuffled(labels: NDArray[Any], blocks: list[NDArray[np.intp]], rng: np.random.Generator) -> NDArray[Any]:
    shuffled = labels.copy()
    for block in blocks:
        shuffled[block] = rng.permutation(labels[block])
    return shuffled


def _at_most(most: int, sets: list[EmbeddingSet], rng: np.random.Generator) -> list[EmbeddingSet]:
    songs = sum(data.n_songs for data in sets)
    if songs <= most:
        return sets
    drawn = []
    for data in sets:
        kept = rng.choice(np.unique(data.songs), max(2, data.n_songs * most // songs), replace=False)
        drawn.append(data.select(np.isin(data.songs, kept)))
    return drawn


def sign_flip_test(differences: ArrayLike, *, permutations: int = PERMUTATIONS, seed: int = 0) -> PermutationTest:
    """Is the mean of paired differences (units,) zero? Two-sided, by flipping their signs.

    All 2ⁿ flips for up to 12 units, else `permutations` random ones. Raises `UsageError` for another shape and
    `DegenerateInput` for no units or values that are not finite.

    >>> sign_flip_test([1.0, 2.0, 3.0]).p  # 2 of 8 flips
    0.25
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise UsageError(f"differences have shape {values.shape}: one for each unit was expected.")
    if not len(values) or not np.isfinite(values).all():
        raise DegenerateInput(f"{len(values)} differences were given: at least one, all finite, was expected.")
    means = _flips(len(values), permutations, seed) @ values / len(values)
    return PermutationTest(float(means[0]), _share(np.abs(means)), len(means))


def swap_test(
    statistic: Callable[[EmbeddingSet], float],
    first: EmbeddingSet,
    second: EmbeddingSet,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PermutationTest:
    """The same for a statistic of whole sets: `statistic(second) − statistic(first)` against its values when the two
    conditions of a song are swapped for some of the songs.

    `statistic` is called twice for every relabelling: give the plain one, without an error bar. Raises `UsageError`
    when the songs or the embeddings' provenance differ.
    """
    check_paired(first, second)
    check_comparable(first.provenance, second.provenance)
    ids = np.unique(first.songs)
    both = first.concat(second)
    song, later = np.searchsorted(ids, both.songs), np.arange(len(both.songs)) >= len(first.songs)
    differences = []
    for signs in _flips(len(ids), permutations, seed):
        in_second = later ^ (signs < 0)[song]
        differences.append(statistic(both.select(in_second)) - statistic(both.select(~in_second)))
    return PermutationTest(float(differences[0]), _share(np.abs(differences)), len(differences))


def _flips(units: int, permutations: int, seed: int) -> NDArray[Any]:
    """Signs (relabellings, units), the first row all +1."""
    if units <= ALL_FLIPS:
        return 1.0 - 2.0 * ((np.arange(2**units)[:, None] >> np.arange(units)) & 1)
    signs = np.random.default_rng(seed).integers(0, 2, (permutations + 1, units)) * 2.0 - 1.0
    signs[0] = 1
    return signs


def _share(values: NDArray[Any]) -> float:
    """The share of values that reach the first; what differs by rounding only counts as equal."""
    slack = 1e-12 * max(1.0, float(np.abs(values).max())) if values.any() else 0.0
    return float(np.mean(values >= values[0] - min(slack, 1e-9 * abs(values[0]))))
