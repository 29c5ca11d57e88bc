"""How close clips are to what was asked for: to their audio prompt, and to the centre of their style.

A similarity is the cosine between mean embeddings, seen from the centre of the reference (`diversity.centre_of`). The
centre is what makes it speak: over 84 tracks, two of one kind and two of different kinds are at cosines of .60 and .45
from the origin, of .30 and −.05 from the centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.audio import Audio, check
from metrics.diversity import centred_means, unit_rows
from metrics.errors import DegenerateInput, UsageError
from metrics.resampling import check_paired, estimate, jackknife
from metrics.score import EmbeddingSet, Score, check_comparable


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
    """The cosine between each continuation and its own prompt, by song id. Both sets hold the same ids.

    Raises `UsageError` when the ids or the embeddings' provenance differ.
    """
    check_paired(continuations, prompts)
    check_comparable(continuations.provenance, prompts.provenance)
    left, right = centred_means(continuations, reference), centred_means(prompts, reference)
    cosines = np.sum(unit_rows(left.frames) * unit_rows(right.frames), axis=1)
    return dict(zip(left.songs.tolist(), cosines.tolist(), strict=True))


def prompt_similarity(
    continuations: EmbeddingSet, prompts: EmbeddingSet, reference: EmbeddingSet | None = None
) -> Score:
    """The mean cosine between continuations and their audio prompts; the prompt's own frames are left out
    (`split_prompt`).

    From 1, alike, through 0, as near as any music, to −1. Raises `DegenerateInput` for fewer than 3 clips.
    """
    by_song = prompt_similarities(continuations, prompts, reference)
    return _mean("prompt_similarity", by_song, continuations, reference)


def centroid_similarities(evaluated: EmbeddingSet, reference: EmbeddingSet) -> dict[Any, float]:
    """The cosine between each clip and the centroid of its style in the reference, by song id.

    A clip's style is its stratum; a centroid is the mean of the style's songs, each song counting once. Raises
    `UsageError` when a side has no styles and `DegenerateInput` when the reference lacks one.
    """
    if evaluated.strata is None or reference.strata is None:
        raise UsageError("similarity to a style's centroid takes sets with strata: the style of each song.")
    known, wanted = np.unique(reference.strata), np.unique(evaluated.strata)
    missing = sorted(set(wanted.tolist()) - set(known.tolist()))
    if missing:
        raise DegenerateInput(
            f"the reference has no music of style {', '.join(map(repr, missing))}: it has {', '.join(known.tolist())}."
        )
    clips, songs = centred_means(evaluated, reference), centred_means(reference, reference)
    centroids = {style: songs.frames[songs.strata == style].mean(0, dtype=np.float64) for style in wanted}
    targets = np.stack([centroids[style] for style in np.asarray(clips.strata)])
    cosines = np.sum(unit_rows(clips.frames) * unit_rows(targets), axis=1)
    return dict(zip(clips.songs.tolist(), cosines.tolist(), strict=True))


def centroid_similarity(evaluated: EmbeddingSet, reference: EmbeddingSet) -> Score:
    """The mean cosine between clips and the centroids of the styles they were asked for.

    From 1, wholly of its style, through 0, as near as any music, to −1. Raises as `centroid_similarities`, and
    `DegenerateInput` for fewer than 3 clips.
    """
    return _mean("style_similarity", centroid_similarities(evaluated, reference), evaluated, reference)


def paired_similarity(name: str, first: dict[Any, float], second: dict[Any, float], like: EmbeddingSet) -> Score:
    """The mean of `second` − `first`, two conditions' similarities by song; `like` gives strata and provenance."""
    if first.keys() != second.keys():
        raise UsageError("the two conditions do not hold the same songs: pairs share prompt and seed.")
    return _mean(f"{name} difference", {song: second[song] - first[song] for song in first}, like, None)


def _mean(name: str, by_song: dict[Any, float], data: EmbeddingSet, reference: EmbeddingSet | None) -> Score:
    """The mean over songs with its jackknife error, leaving songs out within strata."""
    songs, values = np.array(list(by_song)), np.array(list(by_song.values()))
    strata = data.song_strata()  # in the order of the sorted ids, as `by_song` is
    table = EmbeddingSet(values[:, None], songs, data.provenance, strata)
    plain = float(values.mean())
    result = estimate(plain, [jackknife(lambda part: float(part.frames.mean(dtype=np.float64)), table)], correct=False)
    provenance: dict[str, Any] = {**data.provenance, "df": result.df}
    if reference is not None:
        provenance["reference"] = reference.provenance
    return Score(
        name=name,
        value=plain,
        stderr=result.stderr,
        interval=result.interval,
        n_songs=len(songs),
        n_frames=len(data.frames),
        unit="cosine",
        direction="higher",
        estimand="fixed reference",
        reliable=True,
        note="mean over clips",
        plain=plain,
        provenance=provenance,
    )
