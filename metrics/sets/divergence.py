"""Divergences of class probabilities: the inception score and KLD, whose variant is in the name.

The field computes several things under the name of KLD: of softmax or of sigmoid outputs, of single clips and their
counterparts or of whole sets, in either direction. Here the direction is KL(reference ‖ generated), what is averaged
stands in the name, and a clip's probabilities are the mean of its frames'. IS: Salimans et al., "Improved Techniques
for Training GANs", NeurIPS 2016; KLD of softmax outputs in pairs: Liu et al., "AudioLDM", ICML 2023.

Sets hold probabilities in place of embeddings, `frames` (N, C). They come after a softmax (each row sums to 1) or, for
labels that do not exclude each other, after a sigmoid. Which classifier made them belongs in the provenance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.replicates import Replicates
from metrics.api.score import EmbeddingSet, Score
from metrics.errors import UsageError
from metrics.sets.sides import check_sides, checked_rows
from metrics.stats.folds import check_paired
from metrics.stats.resampling import leave_out
from metrics.stats.scoring import Kind, UnitValues

Matrix = NDArray[np.float64]

FLOOR = 1e-6
"""Probabilities below this count as this: KL grows without bound where a class is thought impossible. As AudioLDM."""

ROUNDING = 1e-3  # how far from 1 the probabilities of a row may sum


def inception_score(probabilities: ArrayLike) -> float:
    """exp of the mean KL of each row p(y|x) from the mean row p(y); rows (n, C) sum to 1.

    From 1, when all rows are the same, to C, when each is sure of its class and all classes are equally frequent.
    Raises `UsageError` for rows that are no probabilities and `DegenerateInput` for none, or values that are not
    finite.

    >>> inception_score([[1, 0], [0, 1]]), inception_score([[0.5, 0.5], [0.5, 0.5]])
    (2.0, 1.0)
    """
    rows = _softmax(probabilities)
    return float(np.exp(np.sum(_plogp(rows)) / len(rows) - np.sum(_plogp(rows.mean(axis=0)))))


def kl_softmax(reference: ArrayLike, made: ArrayLike) -> Matrix:
    """KL(reference ‖ made) in nats of each two rows (n, C) that sum to 1: (n,). Raises as `inception_score`.

    >>> kl_softmax([[0.5, 0.5]], [[0.75, 0.25]]).round(6)  # ½ ln(½/¾) + ½ ln(½/¼)
    array([0.143841])
    """
    p, q = _softmax(reference), _softmax(made)
    _check_shapes(p, q)
    p, q = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    return np.sum(p * np.log(p / q), axis=1)


def kl_sigmoid(reference: ArrayLike, made: ArrayLike) -> Matrix:
    """The sum over classes of KL(reference ‖ made) of two yes-or-no probabilities, for each two rows (n, C): (n,)."""
    p, q = _probabilities(reference), _probabilities(made)
    _check_shapes(p, q)
    p, q = np.clip(p, FLOOR, 1 - FLOOR), np.clip(q, FLOOR, 1 - FLOOR)
    return np.sum(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)), axis=1)


def is_softmax(evaluated: EmbeddingSet) -> Score:
    """The inception score of a set's clips, with its jackknife error. Compare at equal numbers of clips.

    Raises `DegenerateInput` for fewer than 3 clips and `UsageError` for rows that are no probabilities.
    """
    clips = _clips(evaluated)

    def statistic(some: EmbeddingSet) -> float:
        return inception_score(some.frames)

    note = f"of {clips.n_units} clips: compare at equal numbers"
    kind = Kind("is_softmax", "classes", "higher", "population at this n", note)
    return kind.score(Replicates(statistic(clips), (leave_out(statistic, clips),)), evaluated)


def kld_softmax_mean(evaluated: EmbeddingSet, reference: EmbeddingSet) -> Score:
    """The mean over clips of KL(its real counterpart ‖ it), from softmax outputs.

    The two sets hold the same ids: a clip and the music it stands for. Raises `UsageError` when they do not, and
    `DegenerateInput` for fewer than 3 clips.
    """
    return _mean_of_pairs("kld_softmax_mean", evaluated, reference)


def kld_sigmoid_mean(evaluated: EmbeddingSet, reference: EmbeddingSet) -> Score:
    """The same from sigmoid outputs: the sum over classes of yes-or-no divergences."""
    return _mean_of_pairs("kld_sigmoid_mean", evaluated, reference)


def kld_softmax_pooled(evaluated: EmbeddingSet, reference: EmbeddingSet) -> Score:
    """KL(mean of the reference ‖ mean of the clips) from softmax outputs: are the classes as frequent as in real music?

    Needs no counterparts. A plug-in, biased upwards by about (classes − 1)/2n. Raises `UsageError` when the sets were
    made differently and `DegenerateInput` for fewer than 3 units on a side.
    """
    check_sides(reference, evaluated)
    made, real = _clips(evaluated), _clips(reference)

    def pooled(p: EmbeddingSet, q: EmbeddingSet) -> float:
        means = [np.mean(_softmax(data.frames), axis=0, keepdims=True) for data in (p, q)]
        return float(kl_softmax(means[0], means[1])[0])

    parts = (
        leave_out(lambda some: pooled(real, some), made),
        leave_out(lambda some: pooled(some, made), real, "reference"),
    )
    note = f"of {made.n_units} clips: compare at equal numbers"
    kind = Kind("kld_softmax_pooled", "nats", "lower", "population at this n", note)
    return kind.score(Replicates(pooled(real, made), parts), evaluated, reference)


_OF_ROWS = {"kld_softmax_mean": kl_softmax, "kld_sigmoid_mean": kl_sigmoid}


def _mean_of_pairs(name: str, evaluated: EmbeddingSet, reference: EmbeddingSet) -> Score:
    check_sides(reference, evaluated)
    check_paired(evaluated, reference)
    values = _OF_ROWS[name](reference.means()[1], evaluated.means()[1])
    kind = Kind(name, "nats", "lower", "fixed reference", "mean over clips and counterparts")
    units = UnitValues(values, np.unique(evaluated.units), evaluated.unit_strata(), len(evaluated.frames))
    return kind.score(units.replicates(), evaluated, reference)


def _clips(data: EmbeddingSet) -> EmbeddingSet:
    ids, means = data.means()
    return EmbeddingSet(_softmax(means), ids, data.provenance, data.unit_strata())


def _softmax(probabilities: ArrayLike) -> Matrix:
    rows = _probabilities(probabilities)
    sums = rows.sum(axis=1)
    if np.abs(sums - 1).max() > ROUNDING:
        raise UsageError(
            f"rows of probabilities sum to {sums.min():.4g} … {sums.max():.4g}: 1 was expected. Apply a softmax first."
        )
    return rows / sums[:, None]


def _probabilities(probabilities: ArrayLike) -> Matrix:
    rows = checked_rows(probabilities, "some probabilities in place of", at_least=1).astype(np.float64)
    if rows.min() < -ROUNDING or rows.max() > 1 + ROUNDING:
        raise UsageError(
            f"probabilities range from {rows.min():.4g} to {rows.max():.4g}: 0 … 1 was expected, not logits."
        )
    return np.clip(rows, 0, 1)


def _check_shapes(p: Matrix, q: Matrix) -> None:
    if p.shape != q.shape:
        raise UsageError(f"probabilities have shapes {p.shape} and {q.shape}: (clips, classes) of both was expected.")


def _plogp(p: Matrix) -> Matrix:
    return p * np.log(np.where(p > 0, p, 1))
