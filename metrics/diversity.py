"""How varied a set of clips is. Both figures are of clips, each by its mean embedding: frames of one clip are alike,
and counting them would measure how long the clips are.

Cosines are taken from the centre of a reference set (`centre_of`), where one is given, else from the origin. One
reference for all conditions keeps them comparable. From the origin musicnn finds most music alike, for its vectors
lean one way: over 84 tracks of seven kinds half of all cosines are above .47, and Vendi counts 8.7 tracks; from the
centre the median is −.03 and Vendi counts 16.6.

Vendi counts, and is bounded by, the clips at hand: compare it at equal numbers. The mean over pairs is unbiased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import DegenerateInput, UsageError
from metrics.resampling import Jackknife, estimate, jackknife, paired_difference
from metrics.score import EmbeddingSet, Estimand, Score, check_comparable

Matrix = NDArray[np.floating[Any]]


def vendi_of_kernel(kernel: ArrayLike) -> float:
    """The Vendi score of a similarity matrix (n, n) with ones on its diagonal: the effective number of distinct items.

    exp of the Shannon entropy of the eigenvalues of K/n: 1 when all are alike, n when none is like another. Friedman
    & Dieng, "The Vendi Score", TMLR 2023 (order 1). Raises `UsageError` unless K is square, symmetric and of unit
    diagonal.

    >>> round(vendi_of_kernel([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), 10)
    2.1573004834
    """
    kernel = np.asarray(kernel, dtype=np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or not np.allclose(kernel, kernel.T):
        raise UsageError(f"the kernel has shape {kernel.shape}: a symmetric (n, n) matrix was expected.")
    if not np.allclose(np.diag(kernel), 1):
        raise UsageError("the kernel's diagonal is not all ones: every item is wholly similar to itself.")
    return _effective_number(np.linalg.eigvalsh(kernel / len(kernel)))


def vendi_of_rows(rows: ArrayLike) -> float:
    """The Vendi score of vectors (n, D) under cosine similarity, by the smaller of the (n, n) and (D, D) matrices."""
    unit = unit_rows(rows)
    gram = unit.T @ unit if unit.shape[1] < len(unit) else unit @ unit.T
    return _effective_number(np.linalg.eigvalsh(gram / len(unit)))


def diversity_of_rows(rows: ArrayLike) -> float:
    """1 − the mean cosine over pairs of different rows (n, D): from 0, all alike, to n/(n−1), as opposed as can be."""
    unit = unit_rows(rows)
    if len(unit) < 2:
        raise DegenerateInput(f"{len(unit)} clip has no pair: diversity takes at least 2. Sample more clips.")
    total = unit.sum(0)
    return float(1 - (total @ total - len(unit)) / (len(unit) * (len(unit) - 1)))


def unit_rows(rows: ArrayLike) -> Matrix:
    """Rows (n, D) of length one, float64. Raises `DegenerateInput` for a row of zeros: it points nowhere."""
    array = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise DegenerateInput(
            f"{int((lengths == 0).sum())} of {len(array)} embeddings are zero or on the centre: they point nowhere."
        )
    return array / lengths


def centre_of(reference: EmbeddingSet) -> Matrix:
    """The point (D,) from which cosines are taken: the mean of the styles' means, or of the songs' without styles.

    Each style counts the same, so that the centre does not lean towards the one with most songs.
    """
    _, means = reference.means()
    strata = reference.song_strata()
    if strata is None:
        return means.mean(0)
    return np.mean([means[strata == style].mean(0) for style in np.unique(strata)], axis=0)


def vendi(evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Score:
    """The effective number of different clips, from 1 to the number of clips, with its jackknife error.

    Cosines are taken from the centre of `reference`, or from the origin without one. Compare at equal numbers of clips.
    Raises `DegenerateInput` for fewer than 3 clips, `UsageError` for a reference that was embedded differently.
    """
    return _score("vendi", [evaluated], reference)


def cosine_diversity(evaluated: EmbeddingSet, reference: EmbeddingSet | None = None) -> Score:
    """1 − the mean cosine between different clips, with its jackknife error. Arguments and errors as for `vendi`."""
    return _score("diversity", [evaluated], reference)


def paired_diversity(
    metric: str, first: EmbeddingSet, second: EmbeddingSet, reference: EmbeddingSet | None = None
) -> Score:
    """`second` − `first` in "vendi" or "diversity", for two conditions whose clips share their ids.

    Raises `UsageError` for another metric, or when the clips are not the same.
    """
    if metric not in _METRICS:
        raise UsageError(f"paired diversity of {metric!r} was asked for: one of {', '.join(_METRICS)} was expected.")
    return _score(metric, [first, second], reference)


# Name: (statistic of the clips' mean embeddings, unit, estimand).
_METRICS: dict[str, tuple[Callable[[ArrayLike], float], str, Estimand]] = {
    "vendi": (vendi_of_rows, "clips", "population at this n"),
    "diversity": (diversity_of_rows, "1 − cosine", "population"),
}


def _score(metric: str, conditions: Sequence[EmbeddingSet], reference: EmbeddingSet | None) -> Score:
    """The score of one condition, or of the second minus the first."""
    of_rows, unit, estimand = _METRICS[metric]
    means = [centred_means(data, reference) for data in conditions]
    plain, part = _with_jackknife(lambda data: of_rows(data.frames), means)
    # The plain value stays: Vendi's dependence on n is its meaning, and the mean over pairs has no bias.
    result = estimate(plain, [part], correct=False)
    note = f"of {means[0].n_songs} clips: compare at equal numbers" if metric == "vendi" else "over pairs of clips"
    provenance: dict[str, Any] = {**conditions[0].provenance, "df": result.df, "paired": len(conditions) == 2}
    if reference is not None:
        provenance["centre"] = {"reference": reference.provenance, "songs": reference.n_songs}
    return Score(
        name=metric if len(conditions) == 1 else f"{metric} difference",
        value=result.value,
        stderr=result.stderr,
        interval=result.interval,
        n_songs=means[0].n_songs,
        n_frames=sum(len(data.frames) for data in conditions),
        unit=unit,
        direction="higher",
        estimand=estimand,
        reliable=True,
        note=note,
        plain=plain,
        provenance=provenance,
    )


def _with_jackknife(
    statistic: Callable[[EmbeddingSet], float], means: Sequence[EmbeddingSet]
) -> tuple[float, Jackknife]:
    if len(means) == 2:
        return paired_difference(statistic, *means)
    return statistic(means[0]), jackknife(statistic, means[0])


def centred_means(data: EmbeddingSet, reference: EmbeddingSet | None) -> EmbeddingSet:
    """One row per song: its mean frame, seen from the reference's centre where there is one."""
    ids, means = data.means()
    if reference is not None:
        check_comparable(data.provenance, reference.provenance)
        means = means - centre_of(reference)
    return EmbeddingSet(means.astype(np.float32), ids, data.provenance, data.song_strata())


def _effective_number(eigenvalues: Matrix) -> float:
    positive = eigenvalues[eigenvalues > 0]
    return float(np.exp(-np.sum(positive * np.log(positive))))
