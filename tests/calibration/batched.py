"""Fréchet distances and their jackknife for many repetitions at once: the arithmetic of `metrics.sets.frechet`,
batched.

Arrays are (R, songs, frames, k): repetitions first. A test asserts on one repetition that `metrics.fad` gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics.api.score import EmbeddingSet
from metrics.stats.folds import assign_folds
from tests.calibration.laws import Array


@dataclass(frozen=True)
class Side:
    """A batch of Gaussians that stay whole: means (R, k), factors (R, r, k) of the covariances, traces (R,)."""

    mean: Array
    factor: Array
    trace: Array

    @classmethod
    def of(cls, rows: Array) -> Side:
        """Fitted to rows (R, N, k)."""
        n = rows.shape[1]
        mean = rows.mean(1)
        centred = rows - mean[:, None]
        if n <= rows.shape[2]:
            factor = (centred[:, 1:] + centred[:, :1] / (np.sqrt(n) - 1)) / np.sqrt(n - 1)
        else:
            factor = np.swapaxes(np.linalg.cholesky(_products(centred) / (n - 1)), 1, 2)
        return cls(mean, factor, np.einsum("rik,rik->r", factor, factor))


def flat(units: Array) -> Array:
    """(R, songs, frames, k) → (R, N, k), float64"""
    return units.reshape(units.shape[0], -1, units.shape[-1]).astype(np.float64)


def distances(rows: Array, side: Side) -> Array:
    """Plug-in distances (R,) of rows (R, N, k)."""
    return _distances_of_centred(rows - rows.mean(1, keepdims=True), rows.mean(1), side)


def subset_distances(units: Array, masks: NDArray[np.bool_], side: Side) -> Array:
    """(R, B) for masks of songs (B, n)."""
    return np.stack([distances(flat(units[:, mask]), side) for mask in masks], axis=1)


def leave_out(units: Array, group: NDArray[np.intp], side: Side) -> Array:
    """Distances without each group of songs (R, G); group (n,) is the same in every repetition."""
    if units.shape[1] * units.shape[2] <= side.factor.shape[1]:
        return subset_distances(units, groups_left(group), side)
    rows = flat(units)
    mean = rows.mean(1)
    centred = rows - mean[:, None]
    product = centred @ np.swapaxes(side.factor, 1, 2)
    squares, total = np.einsum("rik,rik->r", centred, centred), _products(product)
    frame_group = np.repeat(group, units.shape[2])
    columns = []
    for g in range(group.max() + 1):
        # What is left is the whole less the group: sums change sign, for the whole sums to zero.
        out = frame_group == g
        n = int((~out).sum())
        gone, gone_product = centred[:, out], product[:, out]
        shift, shift_product = -gone.sum(1) / n, -gone_product.sum(1) / n
        left = total - _products(gone_product) - n * shift_product[:, :, None] * shift_product[:, None, :]
        trace = (squares - np.einsum("rik,rik->r", gone, gone) - n * _square(shift)) / (n - 1)
        cross = _sum_of_roots(left) / np.sqrt(n - 1)
        columns.append(_square(mean + shift - side.mean) + trace + side.trace - 2 * cross)
    return np.stack(columns, axis=1)


def principal_axes(rows: Array, count: int) -> Array:
    """The first principal axes (R, D, count) of rows (R, N, D)."""
    centred = rows - rows.mean(1, keepdims=True)
    return np.linalg.eigh(_products(centred))[1][:, :, : -count - 1 : -1]


@dataclass(frozen=True)
class OwnComponents:
    """Some of a reference's songs in their own first components: means (R, D), variances (R, k) and axes (R, D, k)."""

    mean: Array
    variances: Array
    axes: Array

    @classmethod
    def of_subsets(cls, units: Array, masks: NDArray[np.bool_], count: int) -> list[OwnComponents]:
        """For each mask of songs (B, n)."""
        rows = flat(units)
        total, products = rows.sum(1), _products(rows)
        found = []
        for mask in masks:
            # The smaller of what is left out and what is kept is multiplied out.
            mostly = mask.mean() > 0.5
            few = flat(units[:, ~mask if mostly else mask])
            sums, squares = few.sum(1), _products(few)
            if mostly:
                sums, squares = total - sums, products - squares
            n = int(mask.sum()) * units.shape[2]
            mean = sums / n
            cov = (squares - n * mean[:, :, None] * mean[:, None, :]) / (n - 1)
            values, vectors = np.linalg.eigh(cov)
            kept = slice(None, -count - 1, -1)
            found.append(cls(mean, np.maximum(values[:, kept], 0), np.ascontiguousarray(vectors[:, :, kept])))
        return found

    def distances(self, side: Moments) -> Array:
        """(R,)"""
        other = np.swapaxes(self.axes, 1, 2) @ side.covariance @ self.axes
        roots = np.sqrt(self.variances)
        cross = _sum_of_roots(roots[:, :, None] * other * roots[:, None, :])
        offset = np.einsum("rd,rdk->rk", side.mean - self.mean, self.axes)
        return _square(offset) + self.variances.sum(1) + np.einsum("rkk->r", other) - 2 * cross


@dataclass(frozen=True)
class Moments:
    """Means (R, D) and covariances (R, D, D)."""

    mean: Array
    covariance: Array

    @classmethod
    def of(cls, rows: Array) -> Moments:
        """Of rows (R, N, D)."""
        mean = rows.mean(1)
        return cls(mean, _products(rows - mean[:, None]) / (rows.shape[1] - 1))


def groups_left(group: NDArray[np.intp]) -> NDArray[np.bool_]:
    """For each group (G, n) the songs that are left without it."""
    return group != np.arange(group.max() + 1)[:, None]


def dealing_of(units: int) -> NDArray[np.intp]:
    """The folds that `metrics.stats.folds` assigns to this many units without strata."""
    (folds,) = assign_folds(EmbeddingSet(np.zeros((units, 1)), np.arange(units)))
    return folds


def _distances_of_centred(centred: Array, mean: Array, side: Side) -> Array:
    n = centred.shape[1]
    product = centred @ np.swapaxes(side.factor, 1, 2)
    if n <= product.shape[2]:
        product = product[:, 1:] + product[:, :1] / (np.sqrt(n) - 1)
        product = np.swapaxes(product, 1, 2)
    cross = _sum_of_roots(_products(product)) / np.sqrt(n - 1)
    trace = np.einsum("rik,rik->r", centred, centred) / (n - 1)
    return _square(mean - side.mean) + trace + side.trace - 2 * cross


def _products(rows: Array) -> Array:
    return np.swapaxes(rows, 1, 2) @ rows


def _square(vectors: Array) -> Array:
    return np.einsum("rk,rk->r", vectors, vectors)


def _sum_of_roots(matrices: Array) -> Array:
    return np.sqrt(np.maximum(np.linalg.eigvalsh(matrices), 0)).sum(-1)
