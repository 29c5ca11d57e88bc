"""Squared distances between many vectors, a tile at a time: memory stays that of one tile, whatever their number.

A tile is one matrix product of float32 rows that carry their own norms,

    [−2x, ‖x‖², 1] · [y, 1, ‖y‖²] = ‖x − y‖²

so that no pass over the tile is spent on adding norms. Rows are moved to a common centre first: float32 then loses
digits to how far rows lie from each other, not to how far they all lie from zero. What a tile says is known to
`ROUNDING`·(‖x‖² + ‖y‖²); where that decides (a tie of neighbours), `exact` has the distance of single pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
Codes = NDArray[np.intp]

TILE = 1024
"""Rows and columns of a tile. Of 512, 1024 and 2048 the fastest with 512 dimensions: it stays in the cache."""

ROUNDING = 32 * float(np.finfo(np.float32).eps)
"""Error of a tile's entry, relative to the sum of both squared norms. Measured to stay below an eighth of this for up
to 4,096 dimensions."""

PAIRS_AT_ONCE = 512


class Cloud:
    """Rows (N, D) made ready for tiles: one float32 copy, moved to `centre`.

    `norms` (N,) are the squared lengths as seen from there.
    """

    def __init__(self, rows: Matrix, centre: Matrix) -> None:
        self.original = rows
        n, d = rows.shape
        self._right = np.empty((n, d + 2), dtype=np.float32)
        for part in slices(n):
            moved = rows[part] - centre  # float64: the centre is
            self._right[part, :d] = moved
        rounded = self._right[:, :d]
        self.norms = np.einsum("ij,ij->i", rounded, rounded)
        self._right[:, d] = 1
        self._right[:, d + 1] = self.norms

    def __len__(self) -> int:
        return len(self._right)

    def left(self, rows: slice | Codes) -> Matrix:
        """Rows as the left factor of a tile, (rows, D + 2)."""
        part = -2 * self._right[rows]
        part[:, -2] = self.norms[rows]
        part[:, -1] = 1
        return part

    def right(self, rows: slice | Codes) -> Matrix:
        """Rows as the right factor of a tile, (D + 2, rows)."""
        return self._right[rows].T


def slices(n: int, size: int = TILE) -> list[slice]:
    """0 … n in parts of `size`."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


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
        difference = x[i[part]].astype(np.float64) - y[j[part]]
        squares[part] = np.einsum("ij,ij->i", difference, difference)
    return squares


def centre(rows: Matrix) -> NDArray[np.float64]:
    """The mean row, in float64."""
    return rows.mean(axis=0, dtype=np.float64)
