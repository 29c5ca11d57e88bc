"""How good a trained model is, in scores that a change can be compared with: `harness train evaluate`.

All sets hold the same number of clips of the same length; samples share their seeds across styles. The real music that
they are measured against was not trained on: all tracks of it for what the model makes; for real clips, and those
passed through the codec, the half of the tracks that they are not from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.corpora import open_corpus
from harness.corpora.excerpts import Excerpt, excerpts, halves
from harness.models.base import Sampling, SamplingProgress
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.train.codes import CodedTrack
from harness.models.jukebox.train.ngram import Trigram
from harness.models.jukebox.train.prior import Windows, mean_bits
from harness.prompts.prompt import Prompt
from metrics.api.score import EmbeddingSet, Score
from metrics.embeddings.base import Embedder
from metrics.reference.sets import build_reference
from metrics.sets.frechet import HEADLINE_COMPONENTS, fad

OF_TRACKS = ("real", "round trip")
"""Sets of real clips, which are of one half of the tracks."""


@dataclass(frozen=True)
class Sets:
    """Embedded clips by what they are: real, round trip, samples, random codes, white noise; and real music to train a
    classifier on. `reference` is of all held-out tracks, `other_half` of those that no real clip is from."""

    reference: EmbeddingSet
    other_half: EmbeddingSet
    evaluated: dict[str, EmbeddingSet]
    training: EmbeddingSet

    def reference_of(self, name: str) -> EmbeddingSet:
        """What a set is measured against."""
        return self.other_half if name in OF_TRACKS else self.reference


def make_sets(
    model: JukeboxModel,
    corpus: str,
    embedder: Embedder,
    per_style: int,
    seconds: float,
    progress: SamplingProgress | None = None,
) -> Sets:
    """Sample, take or compute every set, and embed it.

    Args:
        model: the model to evaluate.
        corpus: name of a built corpus.
        embedder: of all sets.
        per_style: clips of each style in a set.
        seconds: length of a clip.
        progress: of the sampling.
    """
    built = open_corpus(corpus)
    held_out = built.select("test")
    ours, theirs = halves(held_out)
    other_half, real = (excerpts(built, tracks, per_style, seconds) for tracks in (ours, theirs))
    most = max(Counter(track.style for track in held_out).values())
    reference = excerpts(built, held_out, max(per_style, most), seconds)  # at least one of every track
    training = excerpts(built, built.select("train"), 4 * per_style, seconds)
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal(len(e.audio)).astype(np.float32) * 0.1 for e in real]
    seeds = list(range(per_style))
    prompts = [Prompt(style=style) for style in model.styles]
    conditionings = [model.encode(prompt, seconds) for prompt in prompts for _ in seeds]
    clips = model.sample(conditionings, seeds * len(prompts), Sampling(), progress)
    styles = [e.track.style for e in real]
    requested = [prompt.style or "" for prompt in prompts for _ in seeds]

    def embedded(audio: Iterable[NDArray[np.float32]], styles: list[str]) -> EmbeddingSet:
        named = zip(audio, styles, strict=True)
        return build_reference(((x, model.rate, f"{i:04d}", style) for i, (x, style) in enumerate(named)), embedder)

    def of_tracks(found: list[Excerpt], audio: Iterable[NDArray[np.float32]] | None = None) -> EmbeddingSet:
        sounds = (e.audio for e in found) if audio is None else audio
        pairs = zip(found, sounds, strict=True)
        return build_reference(((x, e.rate, e.song, e.track.style) for e, x in pairs), embedder)

    return Sets(
        reference=of_tracks(reference),
        other_half=of_tracks(other_half),
        evaluated={
            "real": of_tracks(real),
            "round trip": of_tracks(real, (round_trip(model, e.audio) for e in real)),
            "samples": embedded((clip.audio for clip in clips), requested),
            "random codes": embedded((random_codes(model, len(e.audio), rng) for e in real), styles),
            "white noise": embedded(noise, styles),
        },
        training=of_tracks(training),
    )


@torch.inference_mode()
def round_trip(model: JukeboxModel, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Audio (samples,) through the finest codes and back."""
    hop = model.folder.vqvae.hops[0]
    padded = torch.from_numpy(np.pad(audio, (0, -len(audio) % hop))).unsqueeze(0)
    return model.vqvae.decode(model.vqvae.encode(padded, 0), 0)[0].numpy()[: len(audio)]


@torch.inference_mode()
def random_codes(model: JukeboxModel, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """What uniformly random finest codes sound like."""
    hop, bins = model.folder.vqvae.hops[0], model.folder.vqvae.bins
    codes = torch.from_numpy(rng.integers(0, bins, (1, -(-samples // hop))))
    return model.vqvae.decode(codes, 0)[0].numpy()[:samples]


def distances(sets: Sets) -> dict[str, dict[str, Score]]:
    """FAD of every set to its reference: in its first principal components, and in full dimension."""
    return {
        name: {
            "fad16": fad(found, sets.reference_of(name), HEADLINE_COMPONENTS),
            "fad": fad(found, sets.reference_of(name)),
        }
        for name, found in sets.evaluated.items()
    }


def by_style(sets: Sets, name: str) -> dict[str, float]:
    """Plug-in 16-component FAD of one set to its reference, style by style: too few clips for more than an order."""
    found, reference = sets.evaluated[name], sets.reference_of(name)
    assert found.strata is not None
    assert reference.strata is not None
    scores = {}
    for style in np.unique(reference.strata):
        pair = found.select(found.strata == style), reference.select(reference.strata == style)
        scores[str(style)] = fad(*pair, HEADLINE_COMPONENTS).plain
    return scores


def conditioning(sets: Sets, permutations: int = 9999) -> dict[str, Any]:
    """Whether the sampled style is the requested one, to a linear classifier trained on real clips of other tracks.

    The p value is exact for the null that the requested labels say nothing: the labels of clips that share a seed are
    permuted among themselves. Where a style has one training package this is package recognition.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    samples = sets.evaluated["samples"]
    per_clip = len(samples.frames) // samples.n_units  # frames; all clips are of one length

    def clip_means(found: EmbeddingSet) -> tuple[NDArray, NDArray]:
        assert found.strata is not None
        frames = found.frames.reshape(-1, per_clip, found.frames.shape[1])
        return frames.mean(1), found.strata.reshape(len(frames), -1)[:, 0]

    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=5000, class_weight="balanced"))
    classifier.fit(*clip_means(sets.training))
    result: dict[str, Any] = {}
    for name in ("real", "round trip", "samples"):
        means, requested = clip_means(sets.evaluated[name])
        heard = classifier.predict(means)
        styles = sorted(set(requested))
        result[name] = {
            "balanced_accuracy": float(balanced_accuracy_score(requested, heard)),
            "confusion": confusion_matrix(requested, heard, labels=styles).tolist(),
            "styles": styles,
            "clips": len(requested),
        }
    grid_requested, grid_heard = (
        x.reshape(len(styles), -1) for x in (requested, heard)
    )  # (styles, seeds): samples come last
    rng = np.random.default_rng(0)
    observed = (grid_requested == grid_heard).mean()
    exceeded = sum((rng.permuted(grid_requested, axis=0) == grid_heard).mean() >= observed for _ in range(permutations))
    result["samples"]["accuracy"] = float(observed)
    result["samples"]["p"] = (1 + int(exceeded)) / (1 + permutations)
    return result


def likelihood(model: JukeboxModel, coded: Callable[[int, str], list[CodedTrack]]) -> dict[str, dict[str, float]]:
    """Bits per code of the test tracks under each prior, beside an interpolated trigram model on the same windows.

    `coded(level, split)` gives what the prior of a level learns from, so that the trigrams are counted on no less.
    """
    result = {}
    for level in range(model.levels):
        prior = model.prior(level)
        train, valid, test = (coded(level, split) for split in ("train", "valid", "test"))
        windows = Windows(model.folder, level, test).grid(400)
        trigram = Trigram.fit([t.codes[level] for t in train], [t.codes[level] for t in valid], model.folder.vqvae.bins)
        with torch.inference_mode():
            bits = mean_bits(prior, windows)
        result[f"level {level}"] = {
            "prior": bits,
            "trigram": trigram.bits([window.codes for window in windows]),
            "codes": sum(len(window.codes) for window in windows),
            "tracks": len(test),
        }
    return result
