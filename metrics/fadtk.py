"""The Fréchet audio distance as fadtk computes it, for comparison with papers that used it.

fadtk 1.1 (Microsoft; Gui et al., ICASSP 2024) takes each file's mean in the precision of its embeddings and its
covariance in float64, merges the files, and evaluates the plug-in formula: no correction for bias, no error. These
functions take the same steps and evaluate the formula exactly instead of by the eigenvectors of a product, which they
agree with to 1e-6. A "file" here is a song of an `EmbeddingSet`.

The reference may be a Gaussian (mean, covariance), such as those that fadtk ships: `load_statistics` reads its files.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.errors import DegenerateInput, HarnessError, UsageError
from metrics.gaussians import frechet_distance_of_moments
from metrics.score import EmbeddingSet, check_comparable

Statistics = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""Mean (D,) and covariance (D, D)."""


def fadtk_fad(evaluated: EmbeddingSet, reference: EmbeddingSet | Statistics) -> float:
    """What `fadtk.FrechetAudioDistance.score` gives for these embeddings, one file a song.

    Raises `UsageError` when the two sets were embedded differently and `DegenerateInput` for a song of a single frame,
    of which fadtk makes NaN.
    """
    return _distance(_reference_statistics(evaluated, reference), fadtk_statistics(evaluated))


def fadtk_per_song(evaluated: EmbeddingSet, reference: EmbeddingSet | Statistics) -> dict[Any, float]:
    """What `score_individual` gives for each file, by song id. Raises as `fadtk_fad`."""
    background = _reference_statistics(evaluated, reference)
    return {song: _distance(background, (mean, cov)) for song, mean, cov, _ in _files(evaluated)}


def fadtk_statistics(data: EmbeddingSet) -> Statistics:
    """The mean (D,) and covariance (D, D) of a folder of embeddings, float64: merged from those of its files.

    Each file's mean is rounded to float32 before merging, as fadtk's is.
    """
    dimensions = data.frames.shape[1]
    mean, scatter, n = np.zeros(dimensions), np.zeros((dimensions, dimensions)), 0
    for _, file_mean, file_cov, count in _files(data):
        step = file_mean - mean
        mean = mean + count / (n + count) * step
        scatter += file_cov * (count - 1) + np.outer(step, step) * n * count / (n + count)
        n += count
    return mean, scatter / (n - 1)


def load_statistics(path: str | os.PathLike[str], model: str) -> Statistics:
    """The Gaussian of one model in a file of fadtk's (`stats/*.npz`, keys `<model>.mu` and `<model>.cov`).

    Raises `HarnessError` for another file, `UsageError` for a model that it does not have. Nothing pickled is read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = sorted(key.removesuffix(".mu") for key in arrays if key.endswith(".mu"))
            if model not in names:
                raise UsageError(f"{path} has no statistics of {model!r}: it has {', '.join(names) or 'none'}.")
            return arrays[f"{model}.mu"], arrays[f"{model}.cov"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise HarnessError(
            f"{path} is not a file of statistics ({error}). A .npz made by fadtk was expected."
        ) from error


def _files(data: EmbeddingSet) -> list[tuple[Any, NDArray[Any], NDArray[Any], int]]:
    """Song, mean, covariance and number of frames of each."""
    files = []
    for song in np.unique(data.songs):
        frames = data.frames[data.songs == song]
        if len(frames) < 2:
            raise DegenerateInput(f"song {song!s} is a single frame: fadtk takes at least two. Leave it out.")
        files.append((song.item(), np.mean(frames, axis=0), np.cov(frames, rowvar=False), len(frames)))
    return files


def _reference_statistics(evaluated: EmbeddingSet, reference: EmbeddingSet | Statistics) -> Statistics:
    if isinstance(reference, EmbeddingSet):
        check_comparable(evaluated.provenance, reference.provenance)
        return fadtk_statistics(reference)
    return reference


def _distance(background: Statistics, evaluated: Statistics) -> float:
    return frechet_distance_of_moments(*background, *evaluated)
