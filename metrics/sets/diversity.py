"""How varied a set of clips is. Values are of clips, each by its mean embedding: frames of one clip are alike,
and counting them would measure how long the clips are. (`metrics.sets.frame_diversity` measures frames.)

Cosines are taken from the centre of a reference set (`centre_of`), where one is given, else from the origin. One
reference for all conditions keeps them comparable. From the origin musicnn finds most music alike, for its vectors
lean one way: over 84 tracks of seven kinds half of all cosines are above .47, and Vendi counts 8.7 tracks; from the
centre the median is −.03 and Vendi counts 16.6.

Vendi counts, and is bounded by, the clips at hand: compare it at equal numbers, or let `clips` draw as many without
replacement. Its order q says how much rare clips count: 1 is the plain one, 2 the chance that two clips are alike, ∞
the share of the commonest kind alone. The mean over pairs is unbiased at any number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.replicates import Replicates
from metrics.api.score import EmbeddingSet, Estimand, Score, check_comparable
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.sides import checked_rows
from metrics.stats.rarefaction import rarefied
from metrics.stats.resampling import leave_out
from metrics.stats.scoring import Kind

Matrix = NDArray[np.floating[Any]]


def vendi_of_kernel(kernel: ArrayLike, order: float = 1.0) -> float:
    """The Vendi score of a similarity matrix (n, n) with ones on its diagonal: the effective number of distinct items.

    exp of the Rényi entropy of `order` of the eigenvalues of K/n: 1 when all are alike, n when none is like another.
    Friedman & Dieng, "The Vendi Score", TMLR 2023 (order 1); Pasarkar & Dieng, "Cousins of the Vendi Score", AISTATS
    2024. Raises `UsageError` unless K is square, symmetric and of unit diagonal, and for an order that is not positive;
    `DegenerateInput` for values that are not finite.

    >>> round(vendi_of_kernel([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), 10)
    2.1573004834
    """
    kernel = np.asarray(kernel, dtype=np.float64)
    if not np.isfinite(kernel).all():
        raise DegenerateInput("the kernel is not all finite. Leave out the items that gave NaN or infinity.")
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not np.allclose(kernel, kernel.T):
        raise UsageError(f"the kernel has shape {kernel.shape}: a symmetric (n, n) matrix was expected.")
    if not np.allclose(np.diag(kernel), 1):
        raise UsageError("the kernel's diagonal is not all ones: every item is wholly similar to itself.")
    return effective_number(np.linalg.eigvalsh(kernel / len(kernel)), order)


def vendi_of_rows(rows: ArrayLike, order: float = 1.0) -> float:
    """The Vendi score of vectors (n, D) under cosine similarity, by the smaller of the (n, n) and (D, D) matrices."""
    unit = unit_rows(rows)
    gram = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
    return effective_number(np.linalg.eigvalsh(gram / len(unit)), order)


def effective_number(shares: Matrix, order: float = 1.0) -> float:
    """exp of the Rényi entropy of shares (n,) that sum to 1; what rounding made negative counts as none.

    >>> [round(effective_number(np.array([0.5, 0.25, 0.25]), q), 4) for q in (1, 2, np.inf)]
    [2.8284, 2.6667, 2.0]
    """
    if not order > 0:
        raise UsageError(f"a Vendi score of order {order} was requested: a positive one was expected.")
    positive = shares[shares > 0]
    if order == 1:
        return float(np.exp(-np.sum(positive * np.log(positive))))
    if order == np.inf:
        return float(1 / positive.max())
    return float(np.sum(positive**order) ** (1 / (1 - order)))


def diversity_of_rows(rows: ArrayLike) -> float:
    """1 − the mean cosine over pairs of different rows (n, D): from 0, all alike, to n/(n−1), as opposed as can be."""
    unit = unit_rows(rows)
    if len(unit) < 2:
        raise DegenerateInput(f"{len(unit)} clip has no pair: diversity takes at least 2. Sample more clips.")
    total = unit.sum(0)
    return float(1 - (total @ total - len(unit)) / (len(unit) * (len(unit) - 1)))


def unit_rows(rows: ArrayLike) -> Matrix:
    """Rows (n, D) of length one, float64. Raises `DegenerateInput` for no rows, values that are not finite, or a row
    of zeros: it points nowhere.
    """
    array = checked_rows(rows, "some", at_least=1).astype(np.float64)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise DegenerateInput(
            f"{int((lengths == 0).sum())} of {len(array)} embeddings are zero or on the centre: they point nowhere."
        )
    return array / lengths


def centre_of(reference: EmbeddingSet) -> Matrix:
    """The point (D,) from which cosines are taken: the mean of the styles' means, or of the units' without styles.

    Each style counts the same, so that the centre does not lean towards the one with most units.
    """
    _, means = reference.means()
    strata = reference.unit_strata()
    if strata is None:
        return means.mean(0)
    return np.mean([means[strata == style].mean(0) for style in np.unique(strata)], axis=0)


def vendi(
    evaluated: EmbeddingSet, reference: EmbeddingSet | None = None, *, order: float = 1.0, clips: int | None = None
) -> Score:
    """The Vendi score: the effective number of different clips, from 1 to all of them, with its jackknife error.

    Friedman & Dieng, "The Vendi Score", TMLR 2023; other orders: Pasarkar & Dieng, AISTATS 2024.

    Args:
        evaluated: The clips, (N, D) frames of n units; each counts by its mean frame.
        reference: Cosines are taken from its centre, or from the origin without one.
        order: 1, 2 or infinity: how little rare clips count.
        clips: The mean over draws of that many clips without replacement, to compare with a smaller set.

    Returns:
        The score, in clips. The reference's centre counts as fixed.

    Raises:
        DegenerateInput: Fewer than 3 clips, or than `clips`.
        UsageError: The reference was embedded differently.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> 1 <= vendi(made).value <= 40
    True
    """
    return _score(vendi_name(order), evaluated, reference, clips)


vendi2 = partial(vendi, order=2.0)
vendi_inf = partial(vendi, order=np.inf)


def cosine_diversity(evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Score:
    """1 − the mean cosine between different clips, with its jackknife error.

    Args:
        evaluated: The clips, (N, D) frames of n units; each counts by its mean frame.
        reference: Cosines are taken from its centre, or from the origin without one.

    Returns:
        The score, from 0, all alike. Raises as `vendi`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> round(cosine_diversity(made).value, 1)
    1.0
    """
    return _score("diversity", evaluated, reference)


def vendi_name(order: float) -> str:
    """The name under which a Vendi score of an order goes. Raises `UsageError` for one that has none."""
    names = {1.0: "vendi", 2.0: "vendi2", np.inf: "vendi_inf"}
    if order not in names:
        raise UsageError(f"a Vendi score of order {order} was requested: 1, 2 or infinity was expected.")
    return names[order]


# Name: (statistic of the clips' mean embeddings, unit, estimand).
_METRICS: dict[str, tuple[Callable[[ArrayLike], float], str, Estimand]] = {
    "vendi": (vendi_of_rows, "clips", "population at this n"),
    "vendi2": (partial(vendi_of_rows, order=2.0), "clips", "population at this n"),
    "vendi_inf": (partial(vendi_of_rows, order=np.inf), "clips", "population at this n"),
    "diversity": (diversity_of_rows, "1 − cosine", "population"),
}


def _score(metric: str, evaluated: EmbeddingSet, reference: EmbeddingSet | None, clips: int | None = None) -> Score:
    of_rows, unit, estimand = _METRICS[metric]
    means = centred_means(evaluated, reference)
    n = means.n_units if clips is None else clips
    if not 1 <= n <= means.n_units:
        raise DegenerateInput(f"{n} clips were to be drawn of {means.n_units}: compare at a number that both have.")

    def statistic(some: EmbeddingSet) -> float:
        return rarefied(lambda drawn: of_rows(drawn.frames), some, n)

    # The plain value stays: Vendi's dependence on n is its meaning, and the mean over pairs has no bias.
    replicates = Replicates(statistic(means), (leave_out(statistic, means),))
    drawn = "" if n == means.n_units else f"drawn of {means.n_units}, "
    note = f"of {n} clips: {drawn}compare at equal numbers" if metric != "diversity" else "over pairs of clips"
    about = {"drawn_units": clips} | seen_from(reference)
    return Kind(metric, unit, "higher", estimand, note).score(replicates, evaluated, about=about)


def seen_from(reference: EmbeddingSet | None) -> dict[str, Any]:
    """What a provenance says of the centre that cosines are seen from."""
    if reference is None:
        return {}
    return {"centre": {"reference": reference.provenance, "units": reference.n_units}}


def centred_means(data: EmbeddingSet, reference: EmbeddingSet | None) -> EmbeddingSet:
    """One row per unit: its mean frame, seen from the reference's centre where there is one."""
    ids, means = data.means()
    if reference is not None:
        check_comparable(data.provenance, reference.provenance)
        means = means - centre_of(reference)
    return EmbeddingSet(means.astype(np.float32), ids, data.provenance, data.unit_strata())
