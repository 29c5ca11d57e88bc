"""Squared distances between many vectors, a tile at a time: memory stays that of one tile, whatever their number.

A tile is one matrix product of float32 rows that carry their own norms,

    [−2x, ‖x‖², 1] · [y, 1, ‖y‖²] = ‖x − y‖²

so that no pass over the tile is spent on adding norms. Rows are moved to a common centre first: float32 then loses
digits to how far rows lie from each other, not to how far they all lie from zero. What a tile says is known to
`ROUNDING`·(‖x‖² + ‖y‖²); where that decides (a tie of neighbours), `exact` has the distance of single pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np
from numpy.typing import NDArray

from metrics.near.bounds import Bounds, Matrix, bounds_between

Codes = NDArray[np.intp]

TILE = 1024
"""Rows and columns of a tile. Of 512, 1024 and 2048 the fastest with 512 dimensions: it stays in the cache."""

ROUNDING = 32 * float(np.finfo(np.float32).eps)
"""Error of a tile's entry, relative to the sum of both squared norms. Measured to stay below an eighth of this for up
to 4,096 dimensions."""

PAIRS_AT_ONCE = 128
"""Of 64 to 512 the fastest: what is gathered stays in the cache, and below what is asked of the system anew."""


class Cloud:
    """Rows (N, D) made ready for tiles: one float32 copy, moved to `centre`.

    `norms` (N,) are the squared lengths as seen from there. `bounds` are what `bound` adds.
    """

    def __init__(self, rows: Matrix, centre: Matrix) -> None:
        self.original = rows
        n, d = rows.shape
        self._right = np.empty((n, d + 2), dtype=np.float32)
        for part in slices(n):
            self._right[part, :d] = rows[part] - centre  # float64: the centre is
        self.norms = np.einsum("ij,ij->i", self.moved, self.moved)
        self._right[:, d] = 1
        self._right[:, d + 1] = self.norms
        self.bounds: Bounds | None = None

    def __len__(self) -> int:
        return len(self._right)

    @property
    def moved(self) -> NDArray[np.float32]:
        """The float32 copy (N, D)."""
        return self._right[:, :-2]

    def taken(self, rows: Codes) -> Cloud:
        """The cloud of some of the rows."""
        cloud = copy(self)
        cloud.original, cloud._right, cloud.norms = self.original[rows], self._right[rows], self.norms[rows]
        cloud.bounds = self.bounds and self.bounds.taken(rows)
        return cloud

    def left(self, rows: slice | Codes) -> Matrix:
        """Rows as the left factor of a tile, (rows, D + 2)."""
        part = -2 * self._right[rows]
        part[:, -2] = self.norms[rows]
        part[:, -1] = 1
        return part

    def right(self, rows: slice | Codes) -> Matrix:
        """Rows as the right factor of a tile, (D + 2, rows)."""
        return self._right[rows].T

    def squares(self, rows: Codes, other: Cloud, columns: Codes) -> NDArray[np.float32]:
        """The squared distances of single pairs, known as those of a tile are."""
        found = self.norms[rows] + other.norms[columns]
        for part in slices(len(rows), PAIRS_AT_ONCE):
            left, right = self._right.take(rows[part], axis=0), other._right.take(columns[part], axis=0)
            found[part] -= 2 * np.vecdot(left[:, :-2], right[:, :-2])
        return found


def bound(x: Cloud, y: Cloud) -> None:
    """Add bounds to two clouds, on distances in them and between them, where that saves time."""
    x.bounds, y.bounds = bounds_between(x.moved, y.moved, x.norms, y.norms) or (None, None)


def slices(n: int, size: int = TILE, start: int = 0) -> list[slice]:
    """`start` … n in parts of `size`."""
    return [slice(first, min(first + size, n)) for first in range(start, n, size)]


def tiles(x: Cloud, y: Cloud, parts: list[slice] | None = None) -> Iterator[tuple[slice, slice, Matrix]]:
    """Every tile of squared distances between two clouds; between a cloud and itself only those on and above the
    diagonal, the others being their transposes. `parts` cuts y where it must not be cut anywhere.
    """
    for rows in slices(len(x)):
        left = x.left(rows)
        for columns in parts or slices(len(y)):
            if x is y and columns.start < rows.start:
                continue
            yield rows, columns, left @ y.right(columns)


def exact(x: Matrix, i: Codes, y: Matrix, j: Codes) -> NDArray[np.float64]:
    """‖xᵢ − yⱼ‖² in float64 for pairs of rows."""
    squares = np.empty(len(i))
    for part in slices(len(i), PAIRS_AT_ONCE):
        difference = np.subtract(x.take(i[part], axis=0), y.take(j[part], axis=0), dtype=np.float64)
        squares[part] = np.vecdot(difference, difference)
    return squares


def centre(rows: Matrix) -> NDArray[np.float64]:
    """The mean row, in float64."""
    return rows.mean(axis=0, dtype=np.float64)
