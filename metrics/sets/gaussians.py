"""The Fréchet distance between two Gaussians, on arrays: exact, without a matrix square root.

    ‖μ₁−μ₂‖² + tr Σ₁ + tr Σ₂ − 2·‖A₁A₂ᵀ‖_*        Σᵢ = AᵢᵀAᵢ with n−1, ‖·‖_* the nuclear norm (sum of singular values)

Dowson & Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate Analysis 12 (1982).
The last term equals tr (Σ₁Σ₂)^½. The square root of a product is slow, complex-valued when rank-deficient and gone
from SciPy; the factors need none. With fewer rows than dimensions a factor is the centred data itself, exact for
covariances of any rank and as small as the data; with more it is the Cholesky factor, or comes from eigenvectors where
there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import DegenerateInput, UsageError

Matrix = NDArray[np.floating[Any]]

LANCZOS_FROM = 400  # dimensions: with 2048, 16 axes take .2 s by Lanczos' method and 2 s otherwise
TOLERATED_ERROR = 1e-12  # of the nuclear norm, relative


def frechet_distance(x: ArrayLike, y: ArrayLike) -> float:
    """The plug-in Fréchet distance between two sets of embeddings, in float64. Not corrected for its bias.

    Dowson & Landau, "The Fréchet distance between multivariate normal distributions", J. Multivariate Analysis 12
    (1982).

    Args:
        x: Rows (n, D).
        y: Rows (m, D).

    Returns:
        The distance, in squared units of the rows. Exact for rank-deficient covariances too (n < D).

    Raises:
        UsageError: The shapes do not fit.
        DegenerateInput: Fewer than two rows, or values that are not finite.

    >>> x = np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> round(frechet_distance(x, x + [3.0, 4.0]), 12)
    25.0
    """
    x, y = checked_rows(x, "the first"), checked_rows(y, "the second")
    if x.shape[1] != y.shape[1]:
        raise UsageError(f"embeddings have {x.shape[1]} and {y.shape[1]} dimensions: the same was expected.")
    return max(0.0, float(subset_distances(x, [np.ones(len(x), dtype=bool)], Gaussian.of_rows(y))[0]))


def frechet_distance_of_moments(mean1: ArrayLike, cov1: ArrayLike, mean2: ArrayLike, cov2: ArrayLike) -> float:
    """The same from means (D,) and covariances (D, D), for statistics that were published without their embeddings.

    Raises `UsageError` when the shapes do not fit.
    """
    (mean1, cov1), (mean2, cov2) = _checked_moments(mean1, cov1), _checked_moments(mean2, cov2)
    if mean1.shape != mean2.shape:
        raise UsageError(f"the means have {len(mean1)} and {len(mean2)} dimensions: the same was expected.")
    cross = _sum_of_roots(_eigenvalues_of_product(cov2, cov1))
    if cross is None:
        cross = nuclear_norm(factor_of_covariance(cov1) @ factor_of_covariance(cov2).T)
    return max(0.0, float(np.sum((mean1 - mean2) ** 2) + np.trace(cov1) + np.trace(cov2) - 2 * cross))


class Gaussian:
    """What a distance needs of one side: mean (D,), trace of the covariance, and a factor (r, D) of it."""

    def __init__(self, mean: Matrix, factor: Matrix) -> None:
        self.mean, self.factor = mean, factor
        self.trace = float(np.sum(factor**2))

    @classmethod
    def of_rows(cls, rows: Matrix) -> Gaussian:
        """The Gaussian fitted to rows (n, D): sample mean, covariance with n−1."""
        mean = rows.mean(0)
        if len(rows) <= rows.shape[1]:
            return cls(mean, without_mean(rows - mean) / np.sqrt(len(rows) - 1))
        return cls(mean, factor_of_covariance(covariance(rows)))

    @classmethod
    def of_moments(cls, mean: ArrayLike, cov: ArrayLike) -> Gaussian:
        """From a mean (D,) and a covariance (D, D). Raises `UsageError` when the shapes do not fit."""
        mean, cov = _checked_moments(mean, cov)
        return cls(mean, factor_of_covariance(cov))

    def spectrum(self) -> Matrix:
        """The covariance's eigenvalues other than exact zeros of its rank, descending."""
        small = self.factor if self.factor.shape[0] <= self.factor.shape[1] else self.factor.T
        return np.maximum(np.linalg.eigvalsh(small @ small.T)[::-1], 0)


def subset_distances(x: Matrix, subsets: Iterable[NDArray[np.bool_]], side: Gaussian) -> Matrix:
    """Distances between a fixed Gaussian and some of the rows of `x` (n, D), for each mask (n,) of `subsets`.

    Everything that depends on all rows is computed once: centred rows, and their product with the other side's factor.
    """
    mean = x.mean(0)
    centred = x - mean
    product = centred @ side.factor.T
    squares = np.einsum("ij,ij->i", centred, centred)
    distances = []
    for keep in subsets:
        n = int(keep.sum())
        shift = centred[keep].mean(0)
        trace = (squares[keep].sum() - n * (shift @ shift)) / (n - 1)
        cross = nuclear_norm(without_mean(product[keep] - side.factor @ shift)) / np.sqrt(n - 1)
        offset = mean + shift - side.mean
        distances.append(offset @ offset + trace + side.trace - 2 * cross)
    return np.array(distances)


def without_mean(centred: Matrix) -> Matrix:
    """n−1 rows with the same Gram matrix XᵀX as n rows (n, D) that sum to zero.

    The Householder reflection that takes the constant vector to the first axis makes the first row zero. Without it
    every product of two such factors is singular, and its singular values take four times as long.
    """
    return centred[1:] + centred[0] / (np.sqrt(len(centred)) - 1)


def nuclear_norm(matrix: Matrix) -> float:
    """The sum of singular values: roots of the eigenvalues of the smaller Gram matrix where that is exact enough.

    0 for a matrix without rows, such as the factor of a covariance that is zero.
    """
    if not matrix.size:
        return 0.0
    small = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    norm = _sum_of_roots(np.linalg.eigvalsh(small @ small.T))
    return float(np.linalg.svd(matrix, compute_uv=False).sum()) if norm is None else norm


def factor_of_covariance(cov: Matrix) -> Matrix:
    """A with AᵀA = Σ: by Cholesky, or from the eigenvectors that are more than rounding where Σ is singular."""
    noise = len(cov) * np.finfo(np.float64).eps
    try:
        factor = np.linalg.cholesky(cov).T
        pivots = np.diag(factor) ** 2
        if pivots.min() > 10 * noise * pivots.max():
            return factor
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(cov)
    kept = values > noise * values[-1]
    return np.sqrt(values[kept])[:, None] * vectors.T[kept]


def covariance(rows: Matrix) -> Matrix:
    """The covariance (D, D) of rows (n, D), with n−1."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)


def principal_axes(rows: Matrix, count: int) -> Matrix:
    """The first principal axes (D, count) of rows (n, D), by descending variance."""
    centred = rows - rows.mean(0)
    if len(rows) <= rows.shape[1]:
        vectors = _first_eigenvectors(centred @ centred.T, count)
        return np.linalg.qr(centred.T @ vectors)[0]
    return _first_eigenvectors(centred.T @ centred, count)


def _first_eigenvectors(matrix: Matrix, count: int) -> Matrix:
    """(n, count), by descending eigenvalue."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    if len(matrix) <= LANCZOS_FROM or count > len(matrix) // 8:
        return eigh(matrix, subset_by_index=(len(matrix) - count, len(matrix) - 1))[1][:, ::-1]
    start = np.random.default_rng(0).standard_normal(len(matrix))
    values, vectors = eigsh(matrix, count, v0=start)
    return vectors[:, np.argsort(values)[::-1]]


def checked_rows(frames: ArrayLike, which: str) -> Matrix:
    """Frames (n, D) as float64. Raises `UsageError` for another shape, `DegenerateInput` for one row or NaN."""
    array = np.asarray(frames, dtype=np.float64)
    if array.ndim != 2:
        raise UsageError(f"{which} embeddings have shape {array.shape}: (frames, dimensions) was expected.")
    if len(array) < 2:
        raise DegenerateInput(f"{which} embeddings are {len(array)} frame: a spread takes at least 2. Add clips.")
    if not np.isfinite(array).all():
        raise DegenerateInput(f"{which} embeddings are not all finite. Leave out the clips that gave NaN or infinity.")
    return array


def _eigenvalues_of_product(cov2: Matrix, cov1: Matrix) -> Matrix:
    """Those of Σ₁Σ₂, ascending, as those of the symmetric LᵀΣ₂L with Σ₁ = LLᵀ; a single 0 when Σ₁ has no such L."""
    from scipy.linalg import LinAlgError, eigvalsh

    try:
        return eigvalsh(cov2, cov1, type=2, driver="gv")
    except LinAlgError:
        return np.zeros(1)


def _sum_of_roots(eigenvalues: Matrix) -> float | None:
    """Σ√λ of ascending eigenvalues, or None where small ones are too uncertain for it.

    An eigenvalue comes with an absolute error of about ε times the largest, so its root with ε·λ_max/2√λ; the errors'
    squares are added.
    """
    if not eigenvalues[0] > 0:
        return None
    roots = np.sqrt(eigenvalues)
    total = float(roots.sum())
    error = np.finfo(np.float64).eps * float(eigenvalues[-1]) / 2 * float(np.sqrt((1 / eigenvalues).sum()))
    return total if error <= TOLERATED_ERROR * total else None


def _checked_moments(mean: ArrayLike, cov: ArrayLike) -> tuple[Matrix, Matrix]:
    mean, cov = np.asarray(mean, dtype=np.float64), np.asarray(cov, dtype=np.float64)
    if mean.ndim != 1 or cov.shape != mean.shape * 2:
        raise UsageError(f"a mean {mean.shape} came with a covariance {cov.shape}: (D,) and (D, D) were expected.")
    return mean, cov
