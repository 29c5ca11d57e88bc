"""Lower bounds on many squared distances for a fraction of the cost, so that few have to be measured.

They serve one workload: precision, recall, density and coverage of 10,000 frames a side in 512 dimensions, as papers
report them and `make bench-metrics` times them. Sets of a few hundred clips never reach them (`FEWEST`, `NARROWEST`).

`Principal` takes an eighth of the directions, those in which rows vary most, and of the rest the lengths only: in
embeddings of music few directions hold most of the variance, and one pair in hundreds passes. `Integer` rounds rows to
eight bits. It holds whatever the spectrum, but takes a processor and a torch that multiply such numbers fast: on a Zen
4, 4.4 times as fast as float32. Neither decides anything: pairs that pass are measured.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
Tile = NDArray[Any]
Part = slice | NDArray[np.intp]
Product = Callable[[NDArray[np.int8], NDArray[np.int8]], NDArray[np.int32]]

SHORT = 8
"""`Principal` is for rows that spread over at most this part of their dimensions, and keeps as many columns. Of 512
dimensions it took 1.7 s for a spread of 49, 3.0 s for one of 65, where whole tiles took 2.8 s."""

FEWEST, NARROWEST = 1024, 64
"""Rows of either cloud and dimensions from which bounds save time."""

WORTH_TORCH = 5e10
"""Pairs times dimensions from which importing torch, a second, pays: two sets of 10,000 rows in 512 dimensions."""


class Bounds(Protocol):
    """What a cloud of rows knows about them to bound their distances to those of another cloud."""

    def tile(self, rows: Part, other: Self, columns: Part) -> Tile:
        """Lower bounds (rows, columns) in units of `limit`, known to the rounding of float32 tiles."""
        ...

    def taken(self, rows: NDArray[np.intp]) -> Self:
        """Those of some of the rows."""
        ...

    def limit(self, squares: Matrix) -> Tile:
        """What a bound is at most where a squared distance is at most `squares`; of the tile's type."""
        ...


def bounds_between(x: Matrix, y: Matrix, x_norms: Matrix, y_norms: Matrix) -> tuple[Bounds, Bounds] | None:
    """Bounds for float32 rows x (N, D) and y (M, D) about a common centre, whose squared lengths are given, within and
    between them, or nothing where none would save time.
    """
    d = x.shape[1]
    if d < NARROWEST or min(len(x), len(y)) < FEWEST:
        return None
    if _spread(x) <= d / SHORT:
        axes = _principal_axes(x)
        return Principal.of(x, x_norms, axes), Principal.of(y, y_norms, axes)
    product = _integer_product() if "torch" in sys.modules or float(len(x)) * len(y) * d >= WORTH_TORCH else None
    if product is None:
        return None
    step = 4 * float(np.sqrt(max(np.square(_some(rows)).mean(axis=0).max() for rows in (x, y)))) / 127
    if max(x_norms.max(), y_norms.max()) > (2**14 * step) ** 2 or d > 2**15:
        return None  # a tile would not fit in 32 bits
    return Integer.of(x, x_norms, step, product), Integer.of(y, y_norms, step, product)


@dataclass(frozen=True)
class Principal:
    """‖x₁ − y₁‖² + (|x₂| − |y₂|)² ≤ ‖x − y‖², x₁ the first principal coordinates and x₂ all others."""

    factor: Matrix
    """(N, columns + 3): x₁, |x₂|, 1, ‖x‖²."""

    @classmethod
    def of(cls, rows: Matrix, norms: Matrix, axes: Matrix) -> Self:
        first = rows @ axes
        # A longer rest makes a lower bound: that it is the difference of two rounded lengths does no harm.
        rest = np.sqrt((norms - np.einsum("ij,ij->i", first, first)).clip(0) + 32 * np.finfo(np.float32).eps * norms)
        return cls(np.column_stack([first, rest, np.ones_like(rest), norms]))

    def tile(self, rows: Part, other: Self, columns: Part) -> Tile:
        left = -2 * self.factor[rows]
        left[:, -2] = self.factor[rows, -1]
        left[:, -1] = 1
        return left @ other.factor[columns].T

    def taken(self, rows: NDArray[np.intp]) -> Self:
        return replace(self, factor=self.factor[rows])

    def limit(self, squares: Matrix) -> Tile:
        return squares


@dataclass(frozen=True)
class Integer:
    """Rows as whole steps q of eight bits and an error of known length, x = step·q + e:

        ‖x − y‖² ≥ ‖x‖² + ‖y‖² − 2·step²·q·q′ − 2·|step·q|·|e′| − 2·|e|·|y|

    Sums of products of whole numbers are exact. A tile is in units of 2·step², its terms rounded down.
    """

    codes: NDArray[np.int8]
    squares: Matrix
    lengths: Matrix
    errors: Matrix
    """‖x‖², |x| or where it is longer |step·q|, and |e|, in float64, (N,) each."""
    step: float
    product: Product

    @classmethod
    def of(cls, rows: Matrix, norms: Matrix, step: float, product: Product) -> Self:
        codes = np.empty(rows.shape, dtype=np.int8)
        coded, errors = np.empty(len(rows)), np.empty(len(rows))
        for start in range(0, len(rows), 1024):
            part = slice(start, start + 1024)
            steps = np.rint(rows[part] / np.float32(step)).clip(-127, 127)
            codes[part] = steps
            steps *= np.float32(step)
            coded[part] = np.vecdot(steps, steps)
            steps -= rows[part]
            errors[part] = np.vecdot(steps, steps)
        squares = norms.astype(np.float64)
        return cls(codes, squares, np.sqrt(np.maximum(coded, squares)), 1.001 * np.sqrt(errors), step, product)

    def tile(self, rows: Part, other: Self, columns: Part) -> Tile:
        tile = self.product(-self.codes[rows], other.codes[columns])
        tile += self._terms(rows, other.lengths[columns].max())[:, None]
        tile += other._terms(columns, self.lengths[rows].max())
        return tile

    def taken(self, rows: NDArray[np.intp]) -> Self:
        arrays = {name: getattr(self, name)[rows] for name in ("codes", "squares", "lengths", "errors")}
        return replace(self, **arrays)

    def limit(self, squares: Matrix) -> Tile:
        return np.minimum(squares.astype(np.float64) / (2 * self.step**2), 2**31 - 1).astype(np.int32)

    def _terms(self, rows: Part, length: float) -> NDArray[np.int32]:
        return np.floor((self.squares[rows] - 2 * self.errors[rows] * length) / (2 * self.step**2)).astype(np.int32)


def _some(rows: Matrix, number: int = 1024) -> Matrix:
    return rows[:: max(1, len(rows) // number)]


def _spread(rows: Matrix) -> float:
    """Over how many dimensions rows spread about 0, (Σλ)² / Σλ² of their variances λ, estimated from some of them."""
    some = _some(rows, 256)
    products = some @ some.T
    lengths = np.diagonal(products)
    between = np.square(products).sum() - np.square(lengths).sum()
    return float(lengths.mean() ** 2 * (len(some) - 1) * len(some) / between) if between else 0.0


def _principal_axes(rows: Matrix) -> Matrix:
    """The first of the principal axes (D, D / SHORT) of rows about 0, estimated from some of them."""
    some = _some(rows, 4096).astype(np.float64)
    return np.linalg.eigh(some.T @ some)[1][:, : -rows.shape[1] // SHORT - 1 : -1].astype(np.float32)


@cache
def _integer_product() -> Product | None:
    """The product of int8 matrices (N, D) and (M, D), where torch has it, it is right, and it is worth it."""
    try:
        import torch
    except ImportError:
        return None

    def product(left: NDArray[np.int8], right: NDArray[np.int8]) -> NDArray[np.int32]:
        return torch._int_mm(torch.from_numpy(left), torch.from_numpy(right).T).numpy()  # pyright: ignore[reportPrivateImportUsage]

    # Of the largest numbers, since instructions older than VNNI add pairs of products in 16 bits.
    whole = np.full((512, 512), 127, dtype=np.int8)
    whole[::2] = -127
    real = whole.astype(np.float32)
    try:
        if not (product(whole, whole) == real @ real.T).all():
            return None
    except (AttributeError, RuntimeError):
        return None
    return product if 2 * _seconds(lambda: product(whole, whole)) < _seconds(lambda: real @ real.T) else None


def _seconds(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return min(taken)
