"""Kernel distances between two sets of embeddings: KAD (Gaussian kernel) and KID (cubic kernel).

    MMD² = mean k(xᵢ, xⱼ) + mean k(yᵢ, yⱼ) − 2·mean k(xᵢ, yⱼ)        i, j of different units

Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012); KAD: Chung et al., "KAD: No More FAD!", ICML 2025; KID:
Bińkowski et al., "Demystifying MMD GANs", ICLR 2018. The value is unbiased at any n and may be negative.

Two things differ from other programs. Pairs of frames of one unit are left out, not only a frame with itself: frames
of a unit are alike, and counting them adds .016 at 16 units to a distance whose truth is 0. And the bandwidth is the
median distance of the *reference*, as the paper has it, so that it does not move with what is evaluated. kadtk prints
100 times the value. When units differ in length each frame counts the same, as in the other distances.

Near zero the distance is degenerate and its error overstated: `metrics.equality_test` by "kad" tells whether two sets
differ at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.api.score import EmbeddingSet, Estimand, Score
from metrics.errors import DegenerateInput, UsageError
from metrics.near.pairwise import centre
from metrics.sets.mmd import Cubic, GaussianKernel, Kernel, Side, mmd
from metrics.sets.sides import check_sides, checked_rows, unit_codes
from metrics.stats.folds import assign_folds
from metrics.stats.scoring import Kind

MEDIAN_FRAMES = 4096
"""The bandwidth is the median over the pairs of at most so many frames: with 100,000 it came within .3 % of it all."""


def kad_of_rows(
    x: ArrayLike,
    y: ArrayLike,
    bandwidth: float | None = None,
    x_units: ArrayLike | None = None,
    y_units: ArrayLike | None = None,
) -> float:
    """The Gaussian MMD² of rows (N, D) and (M, D), unbiased; `bandwidth` is `median_distance(y)` unless given.

    Without units every row is its own. Raises `UsageError` when shapes do not fit and `DegenerateInput` for fewer than
    two units on a side, values that are not finite, or a reference without spread.

    >>> round(kad_of_rows([[0.0], [2.0]], [[1.0], [1.0]], bandwidth=1.0), 6)  # e^−2 + 1 − 2·e^−½
    -0.077726
    """
    left, right = _sides(x, x_units, y, y_units)
    sigma = median_distance(right.rows, right.codes) if bandwidth is None else bandwidth
    return mmd(GaussianKernel(sigma), left, right).plain


def kid_of_rows(
    x: ArrayLike, y: ArrayLike, x_units: ArrayLike | None = None, y_units: ArrayLike | None = None
) -> float:
    """The MMD² under the kernel (x·y/D + 1)³, unbiased. Arguments and errors as for `kad_of_rows`."""
    return mmd(Cubic(), *_sides(x, x_units, y, y_units)).plain


def median_distance(rows: ArrayLike, units: ArrayLike | None = None) -> float:
    """The median distance between rows (N, D) of different units: of all pairs for up to 4,096 rows, else of the pairs
    of 4,096 rows drawn without replacement, always the same.

    Raises `DegenerateInput` when there is no such pair, or when half of them are closer than float32 can tell.
    """
    rows = checked_rows(rows, "the reference's")
    codes = unit_codes(units, len(rows))
    if len(rows) > MEDIAN_FRAMES:
        drawn = np.sort(np.random.default_rng(0).choice(len(rows), MEDIAN_FRAMES, replace=False))
        rows, codes = rows[drawn], codes[drawn]
    moved = rows - centre(rows)
    norms = np.einsum("ij,ij->i", moved, moved)
    squares = norms[:, None] + norms - 2 * moved @ moved.T
    squares = squares[np.triu(codes[:, None] != codes, 1)]
    if not squares.size:
        raise DegenerateInput("the reference is one track: a bandwidth takes frames of at least 2. Add tracks to it.")
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
    """Kernel audio distance of a set of clips to a reference, with its jackknife error over units.

    Chung et al., "KAD: No More FAD!", ICML 2025: MMD² under a Gaussian kernel.

    Args:
        evaluated: The clips, (N, D) frames of n units.
        reference: Real music, embedded alike.
        bandwidth: Of the kernel, in embedding distance; by default the median distance of the reference. It is not
            taken anew when units are left out: it is a choice of scale.
        estimand: "fixed reference" leaves the reference's sampling error out.

    Returns:
        The score, in squared kernel distance; unbiased, so that it may be negative.

    Raises:
        UsageError: The sets were embedded differently.
        DegenerateInput: Fewer than 3 units on a side, or a reference without spread.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> score = kad(made, real)
    >>> score.n_units, abs(score.value) < 0.1
    (40, True)
    """
    return _score("kad", evaluated, reference, bandwidth, estimand)


def kid(evaluated: EmbeddingSet, reference: EmbeddingSet, *, estimand: Estimand = "population") -> Score:
    """Kernel distance under (x·y/D + 1)³, with its jackknife error over units.

    Bińkowski et al., "Demystifying MMD GANs", ICLR 2018.

    Args:
        evaluated: The clips.
        reference: Real music, embedded alike.
        estimand: As for `kad`.

    Returns:
        The score, in squared kernel distance. Raises as `kad`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> kid(made, real).direction
    'lower'
    """
    return _score("kid", evaluated, reference, None, estimand)


UNITS = {"kad": "squared kernel distance", "kid": "squared kernel distance, cubic"}


def _score(
    name: str, evaluated: EmbeddingSet, reference: EmbeddingSet, bandwidth: float | None, estimand: Estimand
) -> Score:
    check_sides(reference, evaluated)
    about: dict[str, Any] = {}
    kernel: Kernel = Cubic()
    if name == "kad":
        about["bandwidth"] = median_distance(reference.frames, reference.units) if bandwidth is None else bandwidth
        kernel = GaussianKernel(about["bandwidth"])
    music = Side.of_set(reference, assign_folds(reference) if estimand == "population" else [])
    found = mmd(kernel, Side.of_set(evaluated, assign_folds(evaluated)), music)
    kind = Kind(name, UNITS[name], "lower", estimand, "unbiased, pairs of one clip left out")
    return kind.score(found.of(evaluated, reference), evaluated, reference, about)


def _sides(x: ArrayLike, x_units: ArrayLike | None, y: ArrayLike, y_units: ArrayLike | None) -> tuple[Side, Side]:
    left, right = checked_rows(x, "the first"), checked_rows(y, "the second")
    if left.shape[1] != right.shape[1]:
        raise UsageError(f"embeddings have {left.shape[1]} and {right.shape[1]} dimensions: the same was expected.")
    return Side.of(left, x_units, []), Side.of(right, y_units, [])
