"""How close clips are to what was asked for: to their audio prompt, to the centre of their style, to a harmony.

A similarity of embeddings is the cosine between mean embeddings, seen from the centre of the reference
(`diversity.centre_of`). The centre is what makes it speak: over 84 tracks, two of one kind and two of different kinds
are at cosines of .60 and .45 from the origin, of .30 and −.05 from the centre. A similarity of chroma is the cosine
between two clips' pitch classes, seen from where all twelve are alike, for the same reason; no embedder is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import EmbeddingSet, Score, check_comparable
from metrics.errors import DegenerateInput, UsageError
from metrics.io.audio import Audio, check, resample
from metrics.sets.diversity import centred_means, seen_from, unit_rows
from metrics.stats.folds import check_paired
from metrics.stats.scoring import Kind, mean_score
from metrics.waves.clips import AudioSet
from metrics.waves.structure import RATE as CHROMA_RATE
from metrics.waves.structure import chroma


def split_prompt(audio: ArrayLike, rate: int, prompt_seconds: float) -> tuple[Audio, Audio]:
    """A clip that continues an audio prompt → (the prompt, the continuation), to be embedded each by itself.

    No window then sees both, so that the prompt's own sound does not count as likeness to it. Raises `UsageError` when
    the prompt leaves nothing of the clip.
    """
    audio = check(audio)
    cut = round(prompt_seconds * rate)
    if not 0 < cut < audio.size:
        raise UsageError(
            f"a prompt of {prompt_seconds} s was to be cut from a clip of {audio.size / rate:.2f} s: "
            "more than 0 s and less than the clip was expected."
        )
    return audio[:cut], audio[cut:]


def prompt_similarities(
    continuations: EmbeddingSet, prompts: EmbeddingSet, reference: EmbeddingSet | None = None
) -> dict[Any, float]:
    """The cosine between each continuation and its own prompt, by unit id. Both sets hold the same ids.

    Raises `UsageError` when the ids or the embeddings' provenance differ.
    """
    check_paired(continuations, prompts)
    check_comparable(continuations.provenance, prompts.provenance)
    left, right = centred_means(continuations, reference), centred_means(prompts, reference)
    cosines = np.sum(unit_rows(left.frames) * unit_rows(right.frames), axis=1)
    return dict(zip(left.units.tolist(), cosines.tolist(), strict=True))


def prompt_similarity(
    continuations: EmbeddingSet, prompts: EmbeddingSet, reference: EmbeddingSet | None = None
) -> Score:
    """The mean cosine between continuations and their audio prompts, whose own frames are left out (`split_prompt`).

    Args:
        continuations: The clips without their prompts.
        prompts: The audio prompts, embedded alike, under the same unit ids.
        reference: Cosines are taken from its centre, or from the origin without one.

    Returns:
        The score, from 1, alike, through 0, as near as any music, to −1.

    Raises:
        UsageError: The ids or the embeddings' provenance differ.
        DegenerateInput: Fewer than 3 clips.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
    >>> prompt_similarity(made, made).value
    1.0
    """
    by_unit = prompt_similarities(continuations, prompts, reference)
    return _mean("prompt_similarity", by_unit, continuations, reference)


def centroid_similarities(evaluated: EmbeddingSet, reference: EmbeddingSet) -> dict[Any, float]:
    """The cosine between each clip and the centroid of its style in the reference, by unit id.

    A clip's style is its stratum; a centroid is the mean of the style's units, each unit counting once. Raises
    `UsageError` when a side has no styles and `DegenerateInput` when the reference lacks one.
    """
    if evaluated.strata is None or reference.strata is None:
        raise UsageError("similarity to a style's centroid takes sets with strata: the style of each clip.")
    known, wanted = np.unique(reference.strata), np.unique(evaluated.strata)
    missing = sorted(set(wanted.tolist()) - set(known.tolist()))
    if missing:
        raise DegenerateInput(
            f"the reference has no music of style {', '.join(map(repr, missing))}: it has {', '.join(known.tolist())}."
        )
    clips, units = centred_means(evaluated, reference), centred_means(reference, reference)
    centroids = {style: units.frames[units.strata == style].mean(0, dtype=np.float64) for style in wanted}
    targets = np.stack([centroids[style] for style in np.asarray(clips.strata)])
    cosines = np.sum(unit_rows(clips.frames) * unit_rows(targets), axis=1)
    return dict(zip(clips.units.tolist(), cosines.tolist(), strict=True))


def centroid_similarity(evaluated: EmbeddingSet, reference: EmbeddingSet) -> Score:
    """The mean cosine between clips and the centroids of the styles they were asked for.

    Args:
        evaluated: The clips; their strata are the styles.
        reference: Real music of those styles, with strata.

    Returns:
        The score, from 1, wholly of its style, through 0, as near as any music, to −1.

    Raises:
        UsageError: A side has no styles.
        DegenerateInput: Fewer than 3 clips, or the reference lacks a style.

    >>> styles = ["folk", "jazz"] * 4
    >>> rows = np.array([[1.0, 0.0], [0.0, 1.0]] * 4)
    >>> clips = EmbeddingSet(rows, np.arange(8), strata=np.array(styles))
    >>> round(centroid_similarity(clips, clips).value, 6)
    1.0
    """
    return _mean("style_similarity", centroid_similarities(evaluated, reference), evaluated, reference)


@dataclass(frozen=True)
class ChromaMatch:
    """The cosine of two clips' chroma, as they are (`cosine`) and at best when the second is moved by `semitones`
    (`transposed`), of −5 to 6: positive for up."""

    cosine: float
    transposed: float
    semitones: int


def chroma_match(first: ArrayLike, second: ArrayLike) -> ChromaMatch:
    """Compare the summed chroma (12,) of two clips, C first. Both cosines lie in −1 … 1.

    The best of twelve is above 0 for unrelated music, too: read it beside that of unrelated pairs (`chroma_similarity`
    gives it). Raises `DegenerateInput` for chroma that is flat: silence, or noise without pitch.

    >>> chroma_match([9, 1, 3, 1, 5, 2, 1, 7, 1, 3, 1, 3], [3, 1, 3, 9, 1, 3, 1, 5, 2, 1, 7, 1]).semitones
    -3
    """
    rows = np.asarray([first, second], dtype=np.float64)
    if rows.shape != (2, 12):
        raise UsageError(f"chroma of shape {rows.shape[1:]} was given: 12 pitch classes were expected.")
    cosines = _cosines_by_shift(rows[:1], rows[1:])[:, 0, 0]
    best = int(np.argmax(cosines))
    return ChromaMatch(float(cosines[0]), float(cosines[best]), best if best <= 6 else best - 12)


def chroma_similarity(first: AudioSet, second: AudioSet, transpose: bool = False) -> Score:
    """The mean cosine between the chroma of clips that share an id, such as a prompt and its continuation.

    Args:
        first: Clips as audio, one for each id.
        second: Clips of the same ids.
        transpose: Take the best of twelve transpositions of the second clip.

    Returns:
        The score. The provenance gives, under "unrelated", the same mean over all pairs of different units: what two of
        these clips have in common without being a pair.

    Raises:
        UsageError: The ids differ or occur twice.
        DegenerateInput: Fewer than 3 pairs, or a clip without pitch.
        AudioError: A clip is empty or not finite.
    """
    left, right = (dict(zip(side.units, side.measure(_summed_chroma), strict=True)) for side in (first, second))
    if left.keys() != right.keys() or len(left) != len(first.clips) or len(right) != len(second.clips):
        raise UsageError("the two sides do not hold the same units once each: a pair is two clips of one id.")
    units = list(left)
    cosines = _cosines_by_shift(np.stack([left[unit] for unit in units]), np.stack([right[unit] for unit in units]))
    table = cosines.max(axis=0) if transpose else cosines[0]
    unrelated = float(table[~np.eye(len(units), dtype=bool)].mean()) if len(units) > 1 else None
    shown = "" if unrelated is None else f"; {unrelated:.2f} between different clips"
    name = "chroma_similarity_transposed" if transpose else "chroma_similarity"
    kind = Kind(name, "cosine", "higher", note=f"mean over pairs{shown}", needs_calibration=False)
    provenance = {**first.provenance, "unrelated": unrelated}
    strata = None if first.strata is None else [dict(zip(first.units, first.strata, strict=True))[u] for u in units]
    return mean_score(kind, np.diag(table), units, strata=strata, provenance=provenance)


def _cosines_by_shift(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Chroma (n, 12) and (m, 12) → the cosines (12, n, m), `second` moved up by 0 … 11 semitones."""
    left, right = (unit_rows(_from_flat(rows)) for rows in (first, second))
    return np.stack([left @ np.roll(right, shift, axis=1).T for shift in range(12)])


def _from_flat(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    # What rounding leaves of flat chroma points nowhere.
    return np.where(np.abs(centred).max(axis=1, keepdims=True) > 1e-6 * np.abs(rows).max(), centred, 0.0)


def _summed_chroma(audio: ArrayLike, rate: int) -> NDArray[np.floating[Any]]:
    return chroma(resample(audio, rate, CHROMA_RATE)).sum(axis=1)


def _mean(name: str, by_unit: dict[Any, float], data: EmbeddingSet, reference: EmbeddingSet | None) -> Score:
    """The mean over units with its jackknife error, leaving units out within strata."""
    return mean_score(
        Kind(name, "cosine", "higher", "fixed reference", "mean over clips", needs_calibration=False),
        list(by_unit.values()),
        list(by_unit),
        strata=data.unit_strata(),  # in the order of the sorted ids, as `by_unit` is
        n_frames=len(data.frames),
        provenance=data.provenance | seen_from(reference),
    )
