"""The squared maximum mean discrepancy of two sets from one pass over the kernel, a tile at a time.

Sums over pairs of different units are kept for each frame and for each fold of units: what is left when a fold is
left out follows from them, and no kernel is computed twice. Tiles are float32 or float64, sums float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.near.pairwise import Cloud, Codes, Matrix, centre, tiles
from metrics.sets.sides import checked_rows, unit_codes
from metrics.stats.folds import Folds
from metrics.stats.scoring import LeftOut


class Kernel(Protocol):
    """A kernel in tiles: what rows must be made into, and what becomes of a tile."""

    def cloud(self, rows: Matrix, centre: Matrix) -> Any: ...
    def __call__(self, tile: Matrix) -> Matrix: ...


@dataclass(frozen=True)
class GaussianKernel:
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


@dataclass
class Side:
    """Frames of one set in the order of their units, so that pairs of one unit lie near the diagonal."""

    rows: Matrix
    codes: Codes
    groups: list[Codes]
    """For each round of fold assignment the fold of every frame."""

    @classmethod
    def of(cls, rows: Matrix, units: ArrayLike | None, all_folds: list[Folds]) -> Side:
        codes = unit_codes(units, len(rows))
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
        if codes[0] == codes[-1]:
            raise DegenerateInput("a set is one clip: a kernel distance takes at least 2 on either side. Add clips.")
        return cls(rows[order], codes, [folds[codes] for folds in all_folds])

    @classmethod
    def of_set(cls, data: EmbeddingSet, all_folds: list[Folds]) -> Side:
        return cls.of(checked_rows(data.frames, "some"), data.units, all_folds)

    def memberships(self, dtype: Any) -> Matrix:
        """A column of ones, then one for every fold of every round: 1 for the frames that are in it."""
        columns = [np.ones((len(self.rows), 1), dtype)]
        columns += [(group[:, None] == np.arange(group.max() + 1)).astype(dtype) for group in self.groups]
        return np.concatenate(columns, axis=1)

    def pairs(self, keep: NDArray[np.bool_] | None = None) -> int:
        """Ordered pairs of frames of different units, among those kept."""
        sizes = np.bincount(self.codes if keep is None else self.codes[keep])
        return int(sizes.sum() ** 2 - np.sum(sizes**2))


def mmd(kernel: Kernel, x: Side, y: Side) -> LeftOut:
    """MMD², and its value without each fold of either side, all from one pass over the kernel."""
    middle = centre(y.rows)
    left, right = kernel.cloud(x.rows, middle), kernel.cloud(y.rows, middle)
    within_x, within_y = _Within.of(kernel, left, x), _Within.of(kernel, right, y)
    from_x, from_y = _cross(kernel, left, right)
    n, m, total = len(x.rows), len(y.rows), from_x.sum()
    mean_x, mean_y = within_x.total / x.pairs(), within_y.total / y.pairs()

    def without(side: Side, within: _Within, across: Matrix, other_mean: float, others: int) -> list[Matrix]:
        replicates = []
        for group, inner in zip(side.groups, within.inner, strict=True):
            values = []
            for g, inside in enumerate(inner):
                keep = group != g
                own = (within.total - 2 * within.rows[~keep].sum() + inside) / side.pairs(keep)
                values.append(own + other_mean - 2 * across[keep].sum() / (keep.sum() * others))
            replicates.append(np.array(values))
        return replicates

    return LeftOut(
        float(mean_x + mean_y - 2 * total / (n * m)),
        without(x, within_x, from_x, mean_y, m),
        without(y, within_y, from_y, mean_x, n),
    )


@dataclass
class _Within:
    """Sums of a set's kernel over pairs of different units: in all, for each frame, and inside each fold."""

    total: float
    rows: Matrix
    inner: list[Matrix]

    @classmethod
    def of(cls, kernel: Kernel, cloud: Any, side: Side) -> _Within:
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


def unit_sums(kernel: Kernel, rows: Matrix, codes: Codes) -> Matrix:
    """The kernel summed over the frames of every pair of units (units, units), 0 for a unit with itself.

    Frames (N, D) come in the order of their units' `codes`.
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
