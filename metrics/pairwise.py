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

SHORT = 8
"""One eighth of the columns, the principal ones, bound distances: in embeddings of music they hold most of them."""


class Cloud:
    """Rows (N, D) made ready for tiles: one float32 copy, moved to `centre`.

    `norms` (N,) are the squared lengths as seen from there. With `axes` (D, D), orthonormal, the copy is turned to
    them, which changes no distance; the first `SHORT`-th part of its columns then serves for bounds (`short_left`).
    """

    def __init__(self, rows: Matrix, centre: Matrix, axes: Matrix | None = None) -> None:
        self.original = rows
        n, d = rows.shape
        self._right = np.empty((n, d + 2), dtype=np.float32)
        for part in slices(n):
            moved = rows[part] - centre  # float64: the centre is
            self._right[part, :d] = moved if axes is None else moved @ axes
        rounded = self._right[:, :d]
        self.norms = np.einsum("ij,ij->i", rounded, rounded)
        self._right[:, d] = 1
        self._right[:, d + 1] = self.norms
        self.bounded = axes is not None
        if self.bounded:
            first, rest = np.split(rounded, [d // SHORT], axis=1)
            length = np.sqrt(np.einsum("ij,ij->i", rest, rest))
            self._short = np.column_stack([first, length, np.ones_like(length), self.norms])

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

    def short_left(self, rows: slice) -> Matrix:
        """The left factor of a tile of lower bounds, ‖x₁ − y₁‖² + (|x₂| − |y₂|)² of the first columns and the rest."""
        part = -2 * self._short[rows]
        part[:, -2] = self.norms[rows]
        part[:, -1] = 1
        return part

    def short_right(self, rows: slice) -> Matrix:
        """The right factor of a tile of lower bounds."""
        return self._short[rows].T

    def squares(self, rows: Codes, other: Cloud, columns: Codes) -> NDArray[np.float32]:
        """The float32 squared distances of single pairs."""
        found = np.empty(len(rows), dtype=np.float32)
        for part in slices(len(rows), PAIRS_AT_ONCE):
            difference = self._right[rows[part], :-2] - other._right[columns[part], :-2]
            found[part] = np.einsum("ij,ij->i", difference, difference)
        return found


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


def principal_axes(rows: Matrix, middle: Matrix) -> NDArray[np.float64]:
    """The principal axes (D, D) of rows about a point, that of the largest variance first."""
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    for part in slices(len(rows)):
        moved = rows[part] - middle
        scatter += moved.T @ moved
    return np.linalg.eigh(scatter)[1][:, ::-1]


def centre(rows: Matrix) -> NDArray[np.float64]:
    """The mean row, in float64."""
    return rows.mean(axis=0, dtype=np.float64)
