"""Kernel distances between two sets of embeddings: KAD (Gaussian kernel) and KID (cubic kernel).

    MMD² = mean k(xᵢ, xⱼ) + mean k(yᵢ, yⱼ) − 2·mean k(xᵢ, yⱼ)        i, j of different songs

Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012); KAD: Chung et al., "KAD: No More FAD!", ICML 2025; KID:
Bińkowski et al., "Demystifying MMD GANs", ICLR 2018. The value is unbiased at any n and may be negative.

Two things differ from other programs. Pairs of frames of one song are left out, not only a frame with itself: frames
of a song are alike, and counting them adds .016 at 16 songs to a distance whose truth is 0. And the bandwidth is the
median distance of the *reference*, as the paper has it, so that it does not move with what is evaluated. kadtk prints
100 times the value. When songs differ in length each frame counts the same, as in the other distances.

Near zero the distance is degenerate and its error overstated: `metrics.permutation` tells
whether two sets differ at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import DegenerateInput, UsageError
from metrics.pairwise import Cloud, Codes, Matrix, centre, tiles
from metrics.resampling import Dealing, deal
from metrics.score import EmbeddingSet, Estimand, Score
from metrics.sides import Kind, Replicates, check_sides, checked_rows, song_codes

MEDIAN_FRAMES = 4096
"""The bandwidth is the median over the pairs of at most so many frames: with 100,000 it came within .3 % of it all."""

FEWEST_RELIABLE = 8
"""Songs. 95 % intervals against 60 tracks covered .97 to 1.0 of the time from 4 songs on, .94 to .99 at 30; with fewer
than 8 the standard error is overstated by a third or more."""


class Kernel(Protocol):
    """A kernel in tiles: what rows must be made into, and what becomes of a tile."""

    def cloud(self, rows: Matrix, centre: Matrix) -> Any: ...
    def __call__(self, tile: Matrix) -> Matrix: ...


@dataclass(frozen=True)
class Gaussian:
    """exp(−d²/2σ²), in float32: its values lie between 0 and 1."""

    bandwidth: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bandwidth) and self.bandwidth > 0):
            raise UsageError(f"a bandwidth of {self.bandwidth} was given: a positive distance was expected.")

    def cloud(self, rows: Matrix, centre: Matrix) -> Cloud:
        return Cloud(rows, centre)

    def __call__(self, tile: Matrix) -> Matrix:
        tile *= np.float32(-0.5 / self.bandwidth**2)
        return np.exp(tile, out=tile)


class Cubic:
    """(x·y/D + 1)³, in float64: its values grow with the sixth power of a row's length, and float32 would not do."""

    def cloud(self, rows: Matrix, centre: Matrix) -> _Rows:
        return _Rows(rows)

    def __call__(self, tile: Matrix) -> Matrix:
        tile += 1
        tile *= tile * tile
        return tile


class _Rows:
    """Rows as they are, cast to float64 a tile at a time."""

    def __init__(self, rows: Matrix) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def left(self, part: slice) -> Matrix:
        return self.rows[part].astype(np.float64) / self.rows.shape[1]

    def right(self, part: slice) -> Matrix:
        return self.rows[part].T.astype(np.float64)


def kad_of_rows(
    x: ArrayLike,
    y: ArrayLike,
    bandwidth: float | None = None,
    x_songs: ArrayLike | None = None,
    y_songs: ArrayLike | None = None,
) -> float:
    """The Gaussian MMD² of rows (N, D) and (M, D), unbiased; `bandwidth` is `median_distance(y)` unless given.

    Without songs every row is its own. Raises `UsageError` when shapes do not fit and `DegenerateInput` for fewer than
    two songs on a side, values that are not finite, or a reference without spread.

    >>> round(kad_of_rows([[0.0], [2.0]], [[1.0], [1.0]], bandwidth=1.0), 6)  # e^−2 + 1 − 2·e^−½
    -0.077726
    """
    left, right = _sides(x, x_songs, y, y_songs)
    sigma = median_distance(right.rows, right.codes) if bandwidth is None else bandwidth
    return _mmd(Gaussian(sigma), left, right).plain


def kid_of_rows(
    x: ArrayLike, y: ArrayLike, x_songs: ArrayLike | None = None, y_songs: ArrayLike | None = None
) -> float:
    """The MMD² under the kernel (x·y/D + 1)³, unbiased. Arguments and errors as for `kad_of_rows`."""
    return _mmd(Cubic(), *_sides(x, x_songs, y, y_songs)).plain


def median_distance(rows: ArrayLike, songs: ArrayLike | None = None) -> float:
    """The median distance between rows (N, D) of different songs: of all pairs for up to 4,096 rows, else of the pairs
    of 4,096 rows drawn without replacement, always the same.

    Raises `DegenerateInput` when there is no such pair, or when half of them are closer than float32 can tell.
    """
    rows = checked_rows(rows, "the reference's")
    codes = song_codes(songs, len(rows))
    if len(rows) > MEDIAN_FRAMES:
        drawn = np.sort(np.random.default_rng(0).choice(len(rows), MEDIAN_FRAMES, replace=False))
        rows, codes = rows[drawn], codes[drawn]
    moved = rows - centre(rows)
    norms = np.einsum("ij,ij->i", moved, moved)
    squares = norms[:, None] + norms - 2 * moved @ moved.T
    squares = squares[np.triu(codes[:, None] != codes, 1)]
    if not squares.size:
        raise DegenerateInput("the reference is one song: a bandwidth takes frames of at least 2. Add songs to it.")
    median = float(np.sqrt(max(0.0, np.median(squares))))
    if median <= np.finfo(np.float32).eps * np.abs(rows).max():
        raise DegenerateInput(
            "at least half of the reference's pairs are the same point: there is no bandwidth. Take a more varied "
            "reference, or give a bandwidth."
        )
    return median


def kad(
    evaluated: EmbeddingSet,
    reference: EmbeddingSet,
    *,
    bandwidth: float | None = None,
    estimand: Estimand = "population",
) -> Score:
    """Kernel audio distance of a set of clips to a reference, with its jackknife error over songs.

    `estimand` "fixed reference" leaves the reference's sampling error out. The bandwidth is not taken anew when songs
    are left out: it is a choice of scale. Raises `UsageError` when the sets were embedded differently and
    `DegenerateInput` for fewer than 3 songs on a side or a reference without spread.
    """
    return _score("kad", [evaluated], reference, bandwidth, estimand)


def kid(evaluated: EmbeddingSet, reference: EmbeddingSet, *, estimand: Estimand = "population") -> Score:
    """Kernel distance under (x·y/D + 1)³, with its jackknife error over songs. Errors as for `kad`."""
    return _score("kid", [evaluated], reference, None, estimand)


def paired_kad(
    first: EmbeddingSet,
    second: EmbeddingSet,
    reference: EmbeddingSet,
    *,
    bandwidth: float | None = None,
    estimand: Estimand = "population",
) -> Score:
    """`kad(second) − kad(first)` for two conditions whose songs share their ids: what they share cancels.

    Raises as `kad`. `metrics.comparison.paired_difference` checks that the songs are the same.
    """
    return _score("kad", [first, second], reference, bandwidth, estimand)


def paired_kid(
    first: EmbeddingSet, second: EmbeddingSet, reference: EmbeddingSet, *, estimand: Estimand = "population"
) -> Score:
    """`kid(second) − kid(first)`; see `paired_kad`."""
    return _score("kid", [first, second], reference, None, estimand)


UNITS = {"kad": "squared kernel distance", "kid": "squared kernel distance, cubic"}


def _score(
    name: str, conditions: list[EmbeddingSet], reference: EmbeddingSet, bandwidth: float | None, estimand: Estimand
) -> Score:
    check_sides(reference, *conditions)
    about: dict[str, Any] = {}
    kernel: Kernel = Cubic()
    if name == "kad":
        about["bandwidth"] = median_distance(reference.frames, reference.songs) if bandwidth is None else bandwidth
        kernel = Gaussian(about["bandwidth"])
    music = _Side.of_set(reference, deal(reference) if estimand == "population" else [])
    replicates = [_mmd(kernel, _Side.of_set(data, deal(data)), music) for data in conditions]
    difference = replicates[0] if len(conditions) == 1 else replicates[1] - replicates[0]
    result = difference.estimate(conditions[0], reference)
    songs = min(data.n_songs for data in (reference, *conditions))
    if songs < FEWEST_RELIABLE:
        about["few"] = f"{songs} clips or tracks are too few for an error bar: take {FEWEST_RELIABLE} on either side"
    sets = conditions[0] if len(conditions) == 1 else (conditions[0], conditions[1])
    note = "unbiased, pairs of one song left out"
    return Kind(name, UNITS[name], "lower", estimand).score(result, sets, reference, note, **about)


@dataclass
class _Side:
    """Frames of one set in the order of their songs, so that pairs of one song lie near the diagonal."""

    rows: Matrix
    codes: Codes
    groups: list[Codes]
    """For each dealing the group of every frame."""

    @classmethod
    def of(cls, rows: Matrix, songs: ArrayLike | None, dealings: list[Dealing]) -> _Side:
        codes = song_codes(songs, len(rows))
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        if codes[0] == codes[-1]:
            raise DegenerateInput("a set is one song: a kernel distance takes at least 2 on either side. Add clips.")
        return cls(rows[order], codes, [dealing[codes] for dealing in dealings])

    @classmethod
    def of_set(cls, data: EmbeddingSet, dealings: list[Dealing]) -> _Side:
        return cls.of(checked_rows(data.frames, "some"), data.songs, dealings)

    def memberships(self, dtype: Any) -> Matrix:
        """A column of ones, then one for every group of every dealing: 1 for the frames that are in it."""
        columns = [np.ones((len(self.rows), 1), dtype)]
        columns += [(group[:, None] == np.arange(group.max() + 1)).astype(dtype) for group in self.groups]
        return np.concatenate(columns, axis=1)

    def pairs(self, keep: NDArray[np.bool_] | None = None) -> int:
        """Ordered pairs of frames of different songs, among those kept."""
        sizes = np.bincount(self.codes if keep is None else self.codes[keep])
        return int(sizes.sum() ** 2 - np.sum(sizes**2))


def _sides(x: ArrayLike, x_songs: ArrayLike | None, y: ArrayLike, y_songs: ArrayLike | None) -> tuple[_Side, _Side]:
    left, right = checked_rows(x, "the first"), checked_rows(y, "the second")
    if left.shape[1] != right.shape[1]:
        raise UsageError(f"embeddings have {left.shape[1]} and {right.shape[1]} dimensions: the same was expected.")
    return _Side.of(left, x_songs, []), _Side.of(right, y_songs, [])


def _mmd(kernel: Kernel, x: _Side, y: _Side) -> Replicates:
    """MMD², and its value without each group of either side, all from one pass over the kernel."""
    middle = centre(y.rows)
    left, right = kernel.cloud(x.rows, middle), kernel.cloud(y.rows, middle)
    within_x, within_y = _Within.of(kernel, left, x), _Within.of(kernel, right, y)
    from_x, from_y = _cross(kernel, left, right)
    n, m, total = len(x.rows), len(y.rows), from_x.sum()
    mean_x, mean_y = within_x.total / x.pairs(), within_y.total / y.pairs()

    def without(side: _Side, within: _Within, across: Matrix, other_mean: float, others: int) -> list[Matrix]:
        replicates = []
        for group, inner in zip(side.groups, within.inner, strict=True):
            values = []
            for g, inside in enumerate(inner):
                keep = group != g
                own = (within.total - 2 * within.rows[~keep].sum() + inside) / side.pairs(keep)
                values.append(own + other_mean - 2 * across[keep].sum() / (keep.sum() * others))
            replicates.append(np.array(values))
        return replicates

    return Replicates(
        float(mean_x + mean_y - 2 * total / (n * m)),
        without(x, within_x, from_x, mean_y, m),
        without(y, within_y, from_y, mean_x, n),
    )


@dataclass
class _Within:
    """Sums of a set's kernel over pairs of different songs: in all, for each frame, and inside each group."""

    total: float
    rows: Matrix
    inner: list[Matrix]

    @classmethod
    def of(cls, kernel: Kernel, cloud: Any, side: _Side) -> _Within:
        sums, inner, members = np.zeros(len(side.rows)), 0.0, None
        for rows, columns, values in _values(kernel, cloud, cloud):
            members = side.memberships(values.dtype) if members is None else members
            if side.codes[columns.start] <= side.codes[rows.stop - 1]:
                values *= side.codes[rows, None] != side.codes[columns]
            part = values @ members[columns]
            once = np.sum(part * members[rows], axis=0, dtype=np.float64)
            sums[rows] += part[:, 0]
            if rows != columns:
                sums[columns] += members[rows, 0] @ values
                once *= 2
            inner = inner + once
        ends = np.cumsum([1, *(int(group.max()) + 1 for group in side.groups)])
        return cls(float(sums.sum()), sums, np.split(np.asarray(inner), ends)[1:-1])


def _cross(kernel: Kernel, x: Any, y: Any) -> tuple[Matrix, Matrix]:
    """Sums of the kernel between two sets, for each frame of either."""
    from_x, from_y = np.zeros(len(x)), np.zeros(len(y))
    for rows, columns, values in _values(kernel, x, y):
        from_x[rows] += values @ np.ones(values.shape[1], values.dtype)
        from_y[columns] += np.ones(values.shape[0], values.dtype) @ values
    return from_x, from_y


def _values(kernel: Kernel, x: Any, y: Any) -> Iterator[tuple[slice, slice, Matrix]]:
    return ((rows, columns, kernel(tile)) for rows, columns, tile in tiles(x, y))


def song_sums(kernel: Kernel, rows: Matrix, codes: Codes) -> Matrix:
    """The kernel summed over the frames of each two songs (songs, songs), 0 for a song with itself. Frames (N, D) come
    in the order of their songs' `codes`.
    """
    cloud = kernel.cloud(rows, centre(rows))
    sums = np.zeros((codes[-1] + 1, codes[-1] + 1))
    for part, others, values in _values(kernel, cloud, cloud):
        starts, ends = (np.flatnonzero(np.diff(codes[which], prepend=-1)) for which in (part, others))
        block = np.add.reduceat(np.add.reduceat(values, ends, axis=1), starts, axis=0)
        mine, theirs = codes[part][starts], codes[others][ends]
        sums[np.ix_(mine, theirs)] += block
        if part != others:
            sums[np.ix_(theirs, mine)] += block.T
    np.fill_diagonal(sums, 0)
    return sums
