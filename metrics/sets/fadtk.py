"""The Fréchet audio distance as fadtk computes it, for comparison with papers that used it.

fadtk 1.1 (Microsoft; Gui et al., ICASSP 2024) takes each file's mean in the precision of its embeddings and its
covariance in float64, merges the files, and evaluates the plug-in formula: no correction for bias, no error. These
functions take the same steps and evaluate the formula exactly instead of by the eigenvectors of a product, which they
agree with to 1e-6. A "file" here is a unit of an `EmbeddingSet`. `metrics.fad(…, compat="fadtk")` gives the value of
two sets as a `Score`; here is what it is made of.

The reference may be a Gaussian (mean, covariance), such as those that fadtk ships: `load_statistics` reads its files.
`fadtk_files` embeds sound files as it does, by an embedder of the user's: another resampler and 16 bits shift a
distance.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet, check_comparable
from metrics.embeddings.base import Embedder, check_frames
from metrics.errors import DegenerateInput, HarnessError, UsageError
from metrics.io.audio import check, read
from metrics.sets.gaussians import frechet_distance_of_moments

# The settings of fadtk's resampler, those of librosa's "kaiser_best".
ZERO_CROSSINGS, ROLLOFF, KAISER_BETA = 64, 0.9475937167399596, 14.769656459379492

Statistics = tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]
"""Mean (D,) and covariance (D, D)."""


def fadtk_fad(evaluated: EmbeddingSet, reference: EmbeddingSet | Statistics) -> float:
    """What `fadtk.FrechetAudioDistance.score` gives for these embeddings, one file a unit.

    Raises `UsageError` when the two sets were embedded differently and `DegenerateInput` for a unit of a single frame,
    of which fadtk makes NaN.
    """
    return _distance(_reference_statistics(evaluated, reference), fadtk_statistics(evaluated))


def fadtk_per_song(evaluated: EmbeddingSet, reference: EmbeddingSet | Statistics) -> dict[Any, float]:
    """What `score_individual` gives for each file, by unit id. Raises as `fadtk_fad`."""
    background = _reference_statistics(evaluated, reference)
    return {unit: _distance(background, (mean, cov)) for unit, mean, cov, _ in _files(evaluated)}


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


def fadtk_files(files: Sequence[str | os.PathLike[str]], embedder: Embedder) -> EmbeddingSet:
    """Sound files as fadtk prepares them for a model, embedded by one of those here: each is a unit, under its path.

    Raises `AudioError` for a file that cannot be read, is empty or not finite, or whose frames are not.
    """
    clips = []
    for file in files:
        clips.append(embedder.embed(check(fadtk_audio(*read(file), embedder.rate), what=str(file))))
        check_frames(embedder, clips[-1], str(file))
    made = {"rate": embedder.rate, "channels": "mono", "resampler": "fadtk 1.1", "bits": 16}
    return EmbeddingSet.from_clips(
        clips, [str(file) for file in files], {"embedder": embedder.provenance(), "preprocessing": made}
    )


def fadtk_audio(audio: ArrayLike, rate: int, to_rate: int) -> NDArray[np.float32]:
    """Audio (samples,) or (samples, channels) at `rate` Hz as fadtk hands it to a model: float32 (samples,).

    The mean of the channels, resampled by a Kaiser-windowed sinc of 64 zero crossings, and rounded down to 16 bits as
    libsndfile writes them, for fadtk caches a file. Equal to its own but for single steps of 16 bits. Raises
    `UsageError` for another shape.
    """
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim not in (1, 2):
        raise UsageError(f"audio has shape {samples.shape}: (samples,) or (samples, channels) was expected.")
    mono = samples if samples.ndim == 1 else samples.mean(1)
    resampled = mono if rate == to_rate else _resample(mono, rate, to_rate)
    steps = np.clip(np.floor(resampled * np.float32(32768)), -32768, 32767)
    return (steps / 32768).astype(np.float32)


def _resample(mono: NDArray[np.float32], rate: int, to_rate: int) -> NDArray[np.float32]:
    """Band-limited interpolation (J. O. Smith) at the times of the new rate, one filter for each phase."""
    divisor = math.gcd(rate, to_rate)
    step, phases = rate // divisor, to_rate // divisor
    cutoff = min(step, phases) * ROLLOFF  # in periods per `step` samples
    reach = math.ceil(ZERO_CROSSINGS * step / cutoff)
    taps = np.arange(-reach, reach + step) / step
    # One row for each phase: taps seen from the output's time, in zero crossings of the sinc.
    crossings = np.clip((taps - np.arange(phases)[:, None] / phases) * cutoff, -ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.i0(KAISER_BETA * np.sqrt(1 - (crossings / ZERO_CROSSINGS) ** 2)) / np.i0(KAISER_BETA)
    filters = (np.sinc(crossings) * window * cutoff / step).astype(np.float32)
    padded = np.pad(mono, (reach, reach + step))
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(taps))[::step]
    return (windows @ filters.T).reshape(-1)[: math.ceil(phases * len(mono) / step)]


def _files(data: EmbeddingSet) -> list[tuple[Any, NDArray[Any], NDArray[Any], int]]:
    """Unit, mean, covariance and number of frames of each."""
    files = []
    for unit in np.unique(data.units):
        frames = data.frames[data.units == unit]
        if len(frames) < 2:
            raise DegenerateInput(f"clip {unit!s} is a single frame: fadtk takes at least two. Leave it out.")
        files.append((unit.item(), np.mean(frames, axis=0), np.cov(frames, rowvar=False), len(frames)))
    return files


def _reference_statistics(evaluated: EmbeddingSet, reference: EmbeddingSet | Statistics) -> Statistics:
    if isinstance(reference, EmbeddingSet):
        check_comparable(evaluated.provenance, reference.provenance)
        return fadtk_statistics(reference)
    return reference


def _distance(background: Statistics, evaluated: Statistics) -> float:
    return frechet_distance_of_moments(*background, *evaluated)
