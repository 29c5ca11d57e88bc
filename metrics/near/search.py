"""Pairs of rows that are near each other, out of tiles of squared distances or, where those spare most of the work, of
lower bounds on them (`metrics.near.bounds`). Only what can matter is kept of a tile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.near.bounds import Tile
from metrics.near.pairwise import ROUNDING, Cloud, Codes, Matrix

FEW = 0.04
"""The share of a tile's pairs up to which they are measured one by one: a tile costs as much as a twentieth of them."""


class Pairs(NamedTuple):
    """Rows, columns and squared distances of some pairs, (pairs,) each."""

    rows: Codes
    columns: Codes
    squares: Matrix

    def chosen(self, which: NDArray[np.bool_]) -> Pairs:
        return Pairs(self.rows[which], self.columns[which], self.squares[which])


class Search:
    """Looks for near pairs between two clouds, or with `codes` between those rows of one that are of different units.

    Tiles are of bounds, if the clouds have them, as long as these spare enough in half of the tiles.
    """

    def __init__(self, x: Cloud, y: Cloud, codes: Codes | None = None) -> None:
        self._x, self._y, self._codes = x, y, codes
        self._bounds = (x.bounds, y.bounds) if x.bounds and y.bounds else None
        self._tried = self._failed = 0

    def near(self, rows: slice, columns: slice, reach_x: Matrix, reach_y: Matrix) -> Pairs:
        """The pairs of a tile within reach of their row or their column, in float32, sorted by row, then by column.

        `reach_x` (N,) and `reach_y` (M,) are squared distances.
        """
        reaches = reach_x[rows], reach_y[columns]
        bounded = self._bounded(rows, columns)
        if bounded is not None:
            tile, limit = bounded
            found = self._measured(tile, rows, columns, *map(limit, reaches))
            if found is not None:
                return found
        return self._within(self._x.left(rows) @ self._y.right(columns), rows, columns, *reaches)

    def first_look(self, rows: slice, shape: tuple[int, int], wanted: int, reach: Matrix) -> Pairs:
        """Write into `reach` a bound on the squared distance of some rows to their `wanted`-th other unit, from the
        first rows of the cloud, whose `shape` is (draws, groups); no unit is in two groups. Gives the pairs with them
        that are within reach.
        """
        columns = slice(0, shape[0] * shape[1])
        bounded = self._bounded(rows, columns)
        if bounded is not None:
            tile, limit = bounded
            closest = self._measured(tile, rows, columns, self._least(tile, rows, shape, wanted))
            if closest is not None:
                starts = np.searchsorted(closest.rows, np.arange(rows.start, rows.stop))
                reach[rows] = self._widened(np.maximum.reduceat(closest.squares, starts), rows)
                found = self._measured(tile, rows, columns, limit(reach[rows]), limit(reach[columns]))
                if found is not None:
                    return found
        tile = self._x.left(rows) @ self._y.right(columns)
        reach[rows] = self._widened(self._least(tile, rows, shape, wanted), rows)
        return self._within(tile, rows, columns, reach[rows], reach[columns])

    def _bounded(self, rows: slice, columns: slice) -> tuple[Tile, Callable[[Matrix], Tile]] | None:
        """A tile of bounds, with what limits it by a distance, unless there are none or they have spared too little."""
        if self._bounds is None or 2 * self._failed > self._tried:
            return None
        self._tried += 1
        x, y = self._bounds
        return x.tile(rows, y, columns), x.limit

    def _least(self, tile: Tile, rows: slice, shape: tuple[int, int], wanted: int) -> Tile:
        """Of each row the `wanted`-th least of the groups; its own unit is struck out, which takes one of them."""
        assert self._codes is not None
        strike_own_unit(tile, self._codes[rows], self._codes[: tile.shape[1]])
        kth = min(wanted, shape[1] - 1) - 1
        return np.partition(tile.reshape(len(tile), *shape).min(axis=1), kth, axis=1)[:, kth]

    def _widened(self, squares: Matrix, rows: slice) -> Matrix:
        """Another tile may round differently."""
        norms = self._x.norms
        return squares * np.float32(1 + ROUNDING) + np.float32(ROUNDING) * (norms[rows] + norms.max())

    def _measured(
        self, tile: Tile, rows: slice, columns: slice, limit_x: Tile, limit_y: Tile | None = None
    ) -> Pairs | None:
        """The pairs of a tile of bounds that are within a limit; nothing where these are too many to be measured."""
        found = self._within(tile, rows, columns, limit_x, limit_y)
        if len(found.rows) > FEW * tile.size:
            self._failed += 1
            return None
        return found._replace(squares=self._x.squares(found.rows, self._y, found.columns))

    def _within(self, tile: Tile, rows: slice, columns: slice, limit_x: Tile, limit_y: Tile | None) -> Pairs:
        near = tile <= limit_x[:, None]
        if limit_y is not None:
            near |= tile <= limit_y
        places = np.flatnonzero(near)
        i, j = np.divmod(places, tile.shape[1])
        found = Pairs(i + rows.start, j + columns.start, tile.ravel()[places])
        return found if self._codes is None else found.chosen(self._codes[found.rows] != self._codes[found.columns])


def strike_own_unit(tile: Tile, rows: Codes, columns: Codes) -> None:
    """Write the largest value where row and column are of one unit."""
    if np.intersect1d(rows, columns).size:
        largest = np.inf if tile.dtype == np.float32 else np.iinfo(tile.dtype).max
        np.put(tile, np.flatnonzero(rows[:, None] == columns), largest)
