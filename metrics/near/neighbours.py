"""Nearest units, exactly, and where they lie once a fold of units is left out.

The neighbours of a frame are the other units, each at its nearest frame. (Were they frames, the k nearest would often
be k frames of one unit, and a set of long units would look denser than one of short ones.)

Distances come in float32 tiles, or bounds on them in cheaper ones (`metrics.near.search`). A first look at a third of
the rows bounds the distance to each row's k-th neighbour, pairs below the bound are the candidates, and their distances
are computed again in float64: the result is that of float64 throughout, ties included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from metrics.errors import DegenerateInput
from metrics.near.pairwise import ROUNDING, TILE, Cloud, Codes, Matrix, exact, slices
from metrics.near.search import Pairs, Search, strike_own_unit

SAMPLE, SHARE, DRAWS = 1024, 1 / 3, 8
"""The first look is at so many rows, or this share of them where that is more, so many of each group of units."""

LOWEST = 512
"""Rows of a tile at least, where it is wide."""


@dataclass(frozen=True)
class Balls:
    """A ball about every row that reaches to the k-th nearest other unit.

    `codes` (N,) are the rows' units. `squares` (N, 1 + folds) is the squared radius with all units, then without each
    fold in turn; 0 for the rows of the fold itself, whose balls are gone with it.
    """

    cloud: Cloud
    codes: Codes
    squares: NDArray[np.float64]

    @property
    def widest(self) -> NDArray[np.float32]:
        """A bound (N,) in float32 above every radius of a row, rounding of the tiles included."""
        slack = ROUNDING * (self.cloud.norms + self.cloud.norms.max())
        return (self.squares.max(axis=1) * (1 + ROUNDING) + slack).astype(np.float32)


def balls(cloud: Cloud, codes: Codes, groups: Sequence[Codes], k: int) -> Balls:
    """Balls about the rows (N, D) of a cloud, whose units are `codes` (N,); `groups` gives each row's fold, once for
    every round of fold assignment.

    Raises `DegenerateInput` when there are fewer than k other units, with all units or without a fold.
    """
    _check_enough(codes, groups, k)
    wanted = 2 * k if groups else k
    near = _candidates(cloud, codes, wanted)
    radii, missing = _radii(near, codes, groups, k)
    while missing.any():
        # The neighbours found are of the fold that was left out: look further, for these rows only.
        wanted = 8 * wanted
        near = _joined([near.chosen(~missing[near.rows]), _nearest(cloud, codes, np.flatnonzero(missing), wanted)])
        radii, missing = _radii(near, codes, groups, k)
    # Radii differ from the exact ones by as much as the entries do.
    slack = 2 * ROUNDING * (cloud.norms[near.rows] + cloud.norms[near.columns]) + ROUNDING * cloud.norms.max()
    rows, columns, _ = near.chosen(near.squares <= radii.max(axis=1)[near.rows] + slack)
    squares = exact(cloud.original, rows, cloud.original, columns)
    return Balls(cloud, codes, _radii(Pairs(rows, columns, squares), codes, groups, k)[0])


def pairs_within(x: Balls | Cloud, y: Balls) -> Iterator[Pairs]:
    """The pairs of rows of x and y that one of the balls about them holds, or may hold once a fold is left out, sorted
    by row and then by column. Where rounding could decide the squared distance is exact.

    The rows of y come in the order of their units, and those of one unit in one part.
    """
    left, right = (side if isinstance(side, Cloud) else side.cloud for side in (x, y))
    reaches = [np.zeros(len(side), np.float32) if isinstance(side, Cloud) else side.widest for side in (x, y)]
    radii = [None if isinstance(side, Cloud) else (side.squares[:, 0], side.squares.max(axis=1)) for side in (x, y)]
    search = Search(left, right)
    for part, others in product(slices(len(left)), _whole_units(y.codes)):
        rows, columns, squares = search.near(part, others, *reaches)
        squares = squares.astype(np.float64)
        slack = ROUNDING * (left.norms[rows] + right.norms[columns])
        close = np.zeros(len(rows), dtype=bool)
        for side, index in zip(radii, (rows, columns), strict=True):
            if side is not None:
                close |= (squares >= side[0][index] - slack) & (squares <= side[1][index] + slack)
        squares[close] = exact(left.original, rows[close], right.original, columns[close])
        yield Pairs(rows, columns, squares)


def _whole_units(codes: Codes) -> list[slice]:
    """Parts of about a tile's width that do not cut through a unit."""
    ends = np.append(np.flatnonzero(np.diff(codes)) + 1, len(codes))  # of units
    # Where the unit ends that a tile's edge falls into.
    cuts = np.unique(ends[np.searchsorted(ends, np.arange(TILE, len(codes) + TILE, TILE).clip(max=len(codes)))])
    return [slice(int(start), int(end)) for start, end in zip([0, *cuts[:-1]], cuts, strict=True)]


def _check_enough(codes: Codes, groups: Sequence[Codes], k: int) -> None:
    units = [np.unique(codes).size]
    units += [np.unique(codes[group != g]).size for group in groups for g in range(group.max() + 1)]
    if min(units) - 1 < k:
        raise DegenerateInput(
            f"a frame has as few as {min(units) - 1} other clips about it (some are left out for the error bar): "
            f"{k} were expected. Add clips, or ask for fewer neighbours."
        )


def _candidates(cloud: Cloud, codes: Codes, wanted: int) -> Pairs:
    """The frames of other units about each row, up to a bound on the distance of the `wanted`-th unit, in float32."""
    sample = _sample(codes, wanted)
    order = np.concatenate([sample.ravel(), np.setdiff1d(np.arange(len(cloud)), sample)])
    first = sample.size
    cloud, codes = cloud.taken(order), codes[order]
    search = Search(cloud, cloud, codes)
    reach, found = np.zeros(len(order), dtype=np.float32), list[Pairs]()

    def keep(near: Pairs, mirrored: bool) -> None:
        found.append(near.chosen(near.squares <= reach[near.rows]))
        if mirrored:
            rows, columns, squares = near.chosen(near.squares <= reach[near.columns])
            found.append(Pairs(columns, rows, squares))

    height = max(LOWEST, TILE**2 // first)
    for rows in slices(first, height) + slices(len(order), height, first):
        keep(search.first_look(rows, sample.shape, wanted, reach), mirrored=rows.start >= first)
    rest = slices(len(order), start=first)
    for i, rows in enumerate(rest):
        for columns in rest[i:]:
            keep(search.near(rows, columns, reach, reach), mirrored=rows != columns)
    rows, columns, squares = _joined(found)
    return Pairs(order[rows], order[columns], squares)


def _sample(codes: Codes, wanted: int) -> Codes:
    """Some of the rows, (draws, groups): no unit is in two groups. Where units differ in length rows may come twice."""
    rng = np.random.default_rng(0)
    n, units = len(codes), int(codes.max()) + 1
    size = min(n, max(SAMPLE, int(SHARE * n)))
    groups = min(units, max(size // DRAWS, 2 * wanted))
    group = rng.permutation(units)[codes] % groups
    order = np.lexsort((rng.random(n), group))
    starts = np.searchsorted(group[order], np.arange(groups + 1))
    return order[starts[:-1] + np.arange(size // groups)[:, None] % np.diff(starts)]


def _nearest(cloud: Cloud, codes: Codes, rows: Codes, wanted: int) -> Pairs:
    """The `wanted` nearest frames of other units, or all, about some rows."""
    found: list[Pairs] = []
    right = cloud.right(slice(None))
    for part in slices(len(rows), max(16, (1 << 22) // len(cloud))):
        tile = cloud.left(rows[part]) @ right
        strike_own_unit(tile, codes[rows[part]], codes)
        columns = np.argpartition(tile, min(wanted, len(cloud)) - 1, axis=1)[:, :wanted]
        squares = np.take_along_axis(tile, columns, axis=1)
        row = np.repeat(rows[part], columns.shape[1])
        known = np.isfinite(squares.ravel())
        found.append(Pairs(row, columns.ravel(), squares.ravel()).chosen(known))
    return _joined(found)


def _joined(parts: list[Pairs]) -> Pairs:
    rows, columns, squares = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(rows, columns, squares)


def _by_row(rows: Codes, squares: Matrix) -> Codes:
    """The order by rows, and by distance within a row."""
    if squares.dtype != np.float32:
        return np.lexsort((squares, rows))
    # Floats that are not negative sort like their bits: one sort of integers, three times as fast.
    bits = np.maximum(squares, np.float32(0)).view(np.uint32)
    return np.argsort(rows.astype(np.uint64) << np.uint64(32) | bits)


def _radii(near: Pairs, codes: Codes, groups: Sequence[Codes], k: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Squared distances of the k-th nearest units (N, 1 + folds), as in `Balls`, and the rows (N,) where candidates
    were too few to tell.
    """
    n = len(codes)
    order = _by_row(near.rows, near.squares)
    rows, columns, squares = near.rows[order], near.columns[order], near.squares[order]
    if codes.max() < n - 1:
        # Of each unit its nearest frame: the first of its kind in this order.
        first = np.sort(np.unique(rows * (codes.max() + 1) + codes[columns], return_index=True)[1])
        rows, columns, squares = rows[first], columns[first], squares[first]
    left_out = [(np.zeros(n, dtype=np.intp), -1)]  # none
    left_out += [(row, g) for row in groups for g in range(row.max() + 1)]
    radii, missing = [], np.zeros(n, dtype=bool)
    for group, g in left_out:
        kept = np.flatnonzero(group[columns] != g)
        starts = np.searchsorted(rows[kept], np.arange(n + 1))
        kth = starts[:-1] + k - 1
        enough, there = kth < starts[1:], group != g
        radius = np.zeros(n)
        radius[enough & there] = squares[kept[kth[enough & there]]]
        missing |= ~enough & there
        radii.append(radius)
    return np.stack(radii, axis=1), missing
