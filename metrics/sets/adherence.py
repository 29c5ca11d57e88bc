"""Whether clips are what their texts asked for.

A joint space of text and audio (CLAP and its like) gives the usual score: the mean cosine between a clip and its text.
By itself it says little, for any text is at some cosine of any music. It is therefore reported with the same mean over
shuffled pairs, each clip with the text of another prompt, and with z: by how many standard deviations of the shuffled
means the matched one lies above them (exact over all orders of six prompts or fewer).

Without such a space `tag_text_similarity` compares in words: the text's vector with those of the tags that a music
tagger hears. It knows as much as the tagger has tags, and is named for that.

The unit is the prompt (`by="prompt"`): clips of one prompt share its luck, and intervals from clips covered .54 to .90
where .95 was meant, those from prompts .91 to .94. Where the prompts are fixed by design and nothing is said of others,
`by="clip"` takes clips within prompts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.score import Score
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.diversity import unit_rows
from metrics.stats.scoring import Kind, mean_score

Matrix = NDArray[np.floating[Any]]

ALL_ORDERS = 6  # prompts: 720 orders
FEWEST_PROMPTS = 5  # 120 orders: below, the shuffled pairs say little
TAGGER_EPSILON = 1e-6  # probabilities of exactly 0 or 1 have no log-odds


@dataclass(frozen=True, eq=False)
class TextAudioPairs:
    """Clips and the texts they were asked for, in one space.

    `audio` (n, D), a vector per clip; `text` (n, D), the vector of each clip's text; `prompts` (n,), the id of each
    clip's prompt, by default one for each different text. `by` names the sampling unit. Raises `UsageError` for shapes
    that do not fit or a prompt with two texts, `DegenerateInput` for vectors that are not finite or zero, or fewer than
    2 prompts: nothing could be shuffled.
    """

    audio: Matrix
    text: Matrix
    prompts: NDArray[Any] | None = None
    by: Literal["prompt", "clip"] = "prompt"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        audio, text = np.asarray(self.audio, dtype=np.float64), np.asarray(self.text, dtype=np.float64)
        if audio.ndim != 2 or audio.shape != text.shape:
            raise UsageError(
                f"audio {audio.shape} came with text {text.shape}: one vector each of a clip was expected."
            )
        if not (np.isfinite(audio).all() and np.isfinite(text).all()):
            raise DegenerateInput("some vectors are NaN or infinite: finite ones were expected. Leave their clips out.")
        texts = np.unique(text, axis=0, return_inverse=True)[1].ravel()
        prompts = texts if self.prompts is None else np.asarray(self.prompts)
        if prompts.shape != audio.shape[:1]:
            raise UsageError(f"{prompts.shape} prompts came with {len(audio)} clips: one each was expected.")
        if len(set(zip(prompts.tolist(), texts.tolist(), strict=True))) != len(np.unique(prompts)):
            raise UsageError("a prompt has clips with different texts: each prompt has one.")
        if len(np.unique(prompts)) < 2:
            raise DegenerateInput(
                "all clips have one prompt: adherence is how much nearer clips are to their own text than to another. "
                "Sample at least 2 prompts."
            )
        object.__setattr__(self, "audio", unit_rows(audio))
        object.__setattr__(self, "text", unit_rows(text))
        object.__setattr__(self, "prompts", prompts)

    def table(self) -> tuple[Matrix, NDArray[np.intp]]:
        """(cosines (n, P) of each clip with each prompt's text, the column of each clip's own)."""
        _, first, own = np.unique(np.asarray(self.prompts), return_index=True, return_inverse=True)
        # Rounded so that equal texts stay equal, whatever order a product is summed in.
        return np.round(self.audio @ self.text[first].T, 12), own

    def units(self) -> tuple[NDArray[Any], NDArray[np.str_] | None]:
        """The sampling unit of each clip, and its stratum."""
        prompts = np.asarray(self.prompts)
        return (prompts, None) if self.by == "prompt" else (np.arange(len(prompts)), prompts.astype(np.str_))


def text_audio_similarity(
    pairs: TextAudioPairs, shuffles: int = 1000, seed: int = 0, name: str = "text_audio_similarity"
) -> Score:
    """The mean cosine between clips and their own texts: with CLAP's vectors, the CLAP score.

    Wu et al., "Large-scale contrastive language-audio pretraining", ICASSP 2023 (arXiv:2211.06687).

    Args:
        pairs: Clips and texts in one space. Each prompt counts once, or each clip with `by="clip"`.
        shuffles: How many random orders of the prompts; all orders for up to six prompts.
        seed: Of the random ones.
        name: Of the score.

    Returns:
        The score. The provenance gives `shuffled`, the mean cosine with the texts of other prompts; `margin`, the value
        less that; `z` (None where shuffling changes nothing) and one-sided `p` among orders of the prompts.

    Raises:
        DegenerateInput: Fewer than 3 prompts, or clips.

    >>> text_audio_similarity(TextAudioPairs(np.eye(5), np.eye(5))).value
    1.0
    """
    cosines, own = pairs.table()
    count = cosines.shape[1]
    sums = np.zeros((count, count))
    np.add.at(sums, own, cosines)
    sizes = np.bincount(own)[:, None]
    means = sums / sizes / count if pairs.by == "prompt" else sums / len(own)
    matched = float(np.trace(means))
    shuffled = float(means.sum() - matched) / (count - 1)
    exact = count <= ALL_ORDERS
    if exact:
        orders = np.array(list(itertools.permutations(range(count))))
    else:
        orders = np.random.default_rng(seed).permuted(np.tile(np.arange(count), (shuffles, 1)), axis=1)
    others = means[np.arange(count), orders].sum(axis=1)
    spread = float(others.std())
    z = (matched - float(others.mean())) / spread if spread > 1e-12 else None
    above = int((others >= matched - 1e-12).sum())
    p = above / len(orders) if exact else (1 + above) / (1 + len(orders))
    units, strata = pairs.units()
    shown = "undefined" if z is None else f"{z:.1f}"
    note = f"mean over {pairs.by}s; {shuffled:.3f} with the texts of other prompts, z {shown}"
    score = mean_score(
        Kind(name, "cosine", "higher", note=note, needs_calibration=False),
        cosines[np.arange(len(own)), own],
        _enough(units),
        strata=strata,
        provenance={
            **pairs.provenance, "prompts": count, "shuffled": shuffled, "margin": matched - shuffled, "z": z, "p": p,
            "shuffles": len(orders), "seed": None if exact else seed, "sampling_unit": pairs.by,
        },
    )  # fmt: skip
    return (
        score
        if count >= FEWEST_PROMPTS
        else _unreliable(score, f"shuffling {count} prompts says little: take 5 or more")
    )


def text_audio_margin(pairs: TextAudioPairs, name: str = "text_audio_margin") -> Score:
    """By how much a clip's cosine with its own text exceeds its mean cosine with the others: 0 for unrelated music.

    The score to compare conditions by, and the one whose interval tells whether texts were followed at all: what a clip
    has in common with any text cancels.

    Args:
        pairs: As for `text_audio_similarity`.
        name: Of the score.

    Returns:
        The score, a difference of cosines. Raises as `text_audio_similarity`.

    >>> text_audio_margin(TextAudioPairs(np.eye(5), np.eye(5))).value
    1.0
    """
    cosines, own = pairs.table()
    mine = cosines[np.arange(len(own)), own]
    others = (cosines.sum(axis=1) - mine) / (cosines.shape[1] - 1)
    units, strata = pairs.units()
    note = f"mean over {pairs.by}s, over {cosines.shape[1]} texts"
    return mean_score(
        Kind(name, "difference of cosines", "higher", note=note, needs_calibration=False),
        mine - others,
        _enough(units),
        strata=strata,
        provenance={**pairs.provenance, "prompts": cosines.shape[1], "sampling_unit": pairs.by},
    )


def retrieval_recall(
    pairs: TextAudioPairs, k: int = 1, direction: Literal["audio_to_text", "text_to_audio"] = "audio_to_text"
) -> Score:
    """Recall at `k`: how often a clip's own text is among the `k` nearest, or a text's own clip.

    As for Wu et al. (2023). Ties are broken by chance, and the value is the expectation.

    Args:
        pairs: As for `text_audio_similarity`.
        k: How many of the nearest count.
        direction: Whether texts are retrieved for clips, or clips for texts.

    Returns:
        The score, a share from 0 to 1; `chance` in the provenance is that of vectors that are all alike.

    Raises:
        UsageError: `k` is not at least 1 and less than the candidates.
        DegenerateInput: Fewer than 3 prompts (or clips, for `by="clip"` and "audio_to_text").

    >>> retrieval_recall(TextAudioPairs(np.eye(5), np.eye(5))).value
    1.0
    """
    cosines, own = pairs.table()
    mine = own[:, None] == np.arange(cosines.shape[1])
    units, strata = pairs.units()
    if direction == "text_to_audio":
        cosines, mine, units, strata = cosines.T, mine.T, np.unique(np.asarray(pairs.prompts)), None
    candidates = cosines.shape[1]
    if not 1 <= k < candidates:
        raise UsageError(
            f"recall at {k} of {candidates} candidates was requested: 1 to {candidates - 1} says something."
        )
    hits = [_chance_of_hit(row, own_ones, k) for row, own_ones in zip(cosines, mine, strict=True)]
    chance = float(np.mean([_chance_of_hit(np.zeros(candidates), own_ones, k) for own_ones in mine]))
    note = f"among {candidates} candidates; {chance:.3f} by chance"
    sampling_unit = "prompt" if direction == "text_to_audio" else pairs.by
    return mean_score(
        Kind(f"{direction}_recall_at_{k}", "share", "higher", note=note, needs_calibration=False),
        hits,
        _enough(units),
        strata=strata,
        provenance={
            **pairs.provenance, "k": k, "candidates": candidates, "chance": chance, "sampling_unit": sampling_unit
        },
    )  # fmt: skip


def label_accuracy(
    predicted: Sequence[str] | ArrayLike,
    asked: Sequence[str] | ArrayLike,
    units: Sequence[Any] | ArrayLike | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Score:
    """The share of clips in which a classifier hears the label that was asked for.

    Args:
        predicted: The label heard in each clip, (n,).
        asked: The label asked for, (n,); labels are strata.
        units: The id of each clip's unit, (n,), where excerpts share one.
        provenance: Of the predictions.

    Returns:
        The score, from 0 to 1. The provenance gives `chance`, the accuracy of the same predictions assigned at random,
        and the `recall` of each label.

    Raises:
        UsageError: Lengths differ.
        DegenerateInput: Fewer than 3 clips.

    >>> label_accuracy(["folk", "jazz", "jazz", "folk"], ["folk", "jazz", "jazz", "jazz"]).value
    0.75
    """
    heard, wanted = np.asarray(predicted, dtype=np.str_), np.asarray(asked, dtype=np.str_)
    if heard.ndim != 1 or heard.shape != wanted.shape:
        raise UsageError(f"{heard.shape} predictions came with {wanted.shape} labels: one each was expected.")
    right = heard == wanted
    labels = np.unique(wanted)
    chance = float(sum(np.mean(wanted == label) * np.mean(heard == label) for label in labels))
    note = f"of {len(labels)} labels; {chance:.3f} by chance"
    return mean_score(
        Kind("label_accuracy", "share", "higher", note=note, needs_calibration=False),
        right.astype(float),
        np.arange(right.size) if units is None else units,
        strata=wanted,
        provenance={
            **(provenance or {}),
            "chance": chance,
            "recall": {str(label): float(right[wanted == label].mean()) for label in labels},
        },
    )


Encode = Callable[[Sequence[str]], ArrayLike]
"""Texts to vectors (n, D), such as a sentence encoder's."""


def tag_text_pairs(
    encode: Encode,
    tags: Sequence[str],
    probabilities: ArrayLike,
    texts: Sequence[str],
    background: ArrayLike | None = None,
) -> TextAudioPairs:
    """Clips as the words a tagger has for them, beside the texts they were asked for.

    A clip is the sum of its tags' vectors, each weighted by how much likelier it is here than in the background, in
    log-odds; tags and texts are seen from the mean of all tags. Both matter: over 59 tracks of six styles the right one
    of six phrases was nearest for 49 %, and 24 % with probabilities as weights and vectors as they are.

    Args:
        encode: Texts to vectors, such as a sentence encoder's.
        tags: The tagger's, (T,).
        probabilities: Of the tags in each clip, (n, T), such as the mean over a clip of musicnn's.
        texts: One for each clip, (n,).
        background: Each tag's log-odds in other music (`log_odds(p).mean(0)`), (T,), by default in these clips. To
            compare conditions give one background to all.

    Returns:
        Pairs for `tag_text_similarity`.

    Raises:
        UsageError: Shapes do not fit, or probabilities are outside 0 … 1.

    >>> def encode(words):
    ...     return [[float(word == "folk"), float(word == "jazz")] for word in words]
    >>> pairs = tag_text_pairs(encode, ["folk", "jazz"], [[0.9, 0.1], [0.2, 0.8]], ["folk", "jazz"])
    >>> pairs.audio.shape
    (2, 2)
    """
    odds = log_odds(probabilities)
    if odds.ndim != 2 or odds.shape != (len(texts), len(tags)):
        raise UsageError(
            f"probabilities have shape {odds.shape} for {len(texts)} texts and {len(tags)} tags: (texts, tags) was "
            "expected."
        )
    words = np.asarray(encode(list(tags)), dtype=np.float64)
    different = sorted(set(texts))
    vectors = dict(zip(different, np.asarray(encode(different), dtype=np.float64), strict=True))
    heard = odds - (odds.mean(axis=0) if background is None else np.asarray(background, dtype=np.float64))
    centre = words.mean(axis=0)
    return TextAudioPairs(
        audio=heard @ (words - centre),
        text=np.stack([vectors[text] - centre for text in texts]),
        prompts=np.asarray(texts),
        provenance={"tags": len(tags), "background": "these clips" if background is None else "given"},
    )


def tag_text_similarity(pairs: TextAudioPairs, shuffles: int = 1000, seed: int = 0) -> Score:
    """The mean cosine between prompts and what a tagger hears, in words: not a CLAP score, and not comparable with one.

    What no tag names cannot be heard here.

    Args:
        pairs: From `tag_text_pairs`.
        shuffles: As for `text_audio_similarity`.
        seed: As for `text_audio_similarity`.

    Returns:
        The score. Raises as `text_audio_similarity`.

    >>> tag_text_similarity(TextAudioPairs(np.eye(5), np.eye(5))).name
    'tag_text_similarity'
    """
    return text_audio_similarity(pairs, shuffles, seed, name="tag_text_similarity")


def log_odds(probabilities: ArrayLike) -> Matrix:
    """ln p/(1−p), float64, of probabilities. Raises `UsageError` for values outside 0 … 1."""
    p = np.asarray(probabilities, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise UsageError("some probabilities are NaN or outside 0 … 1. Give the tagger's sigmoid outputs.")
    p = np.clip(p, TAGGER_EPSILON, 1 - TAGGER_EPSILON)
    return np.log(p) - np.log1p(-p)


def _chance_of_hit(cosines: Matrix, mine: NDArray[np.bool_], k: int) -> float:
    """How likely one of `mine` is among the `k` greatest when ties are broken at random."""
    least = np.partition(cosines, -k)[-k]
    if (mine & (cosines > least)).any():
        return 1.0
    tied, own = int((cosines == least).sum()), int((mine & (cosines == least)).sum())
    places = k - int((cosines > least).sum())
    return 1.0 - math.comb(tied - own, places) / math.comb(tied, places)


def _enough(units: NDArray[Any]) -> NDArray[Any]:
    if len(np.unique(units)) < 3:
        raise DegenerateInput(
            f"{len(np.unique(units))} prompts were given: an error bar takes at least 3. Sample more prompts, or take "
            'clips as units with by="clip" where nothing is said of other prompts.'
        )
    return units


def _unreliable(score: Score, why: str) -> Score:
    return replace(score, reliable=False, why="; ".join(part for part in (score.why, why) if part))
