"""Two figures by which a codec is judged, on the same clips: how far its round trips lie from real music in embedding
space, and how much of each clip's spectrum they lose. One of them alone deceives: a codec can win by embedding
distance and smear every tone.

Samples are judged by the codes that the priors once drew, so that decoders are compared on the same codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harness.corpora import open_corpus
from harness.corpora.excerpts import Excerpt, excerpts, halves
from harness.models.base import Progress, Sampling
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.train.losses import TONES, magnitude
from harness.prompts.prompt import Prompt
from metrics.api.score import EmbeddingSet, Score
from metrics.embeddings.base import Embedder
from metrics.reference.sets import build_reference
from metrics.sets.frechet import HEADLINE_COMPONENTS, fad
from metrics.sets.kernel import kad


def spectral_convergence(decoded: NDArray[np.float32], real: NDArray[np.float32]) -> float:
    """Share of a clip's spectrum that is lost: |S' - S| / |S| over magnitudes at n_fft 2048, 0 for itself."""
    ours, theirs = (magnitude(torch.from_numpy(x)[None], *TONES) for x in (decoded, real))
    return float((ours - theirs).norm() / theirs.norm())


def log_spectral_distance(decoded: NDArray[np.float32], real: NDArray[np.float32]) -> float:
    """Mean over frames of the root mean square difference of log magnitudes (samples,), in dB, above -80 dB."""
    ours, theirs = (20 * (magnitude(torch.from_numpy(x)[None], *TONES) + 1e-4).log10() for x in (decoded, real))
    return float((ours - theirs).square().mean(1).sqrt().mean())


@dataclass(frozen=True)
class Bench:
    """What every decoder of one level is judged on: real clips, their codes, sampled codes, and held-out music."""

    level: int
    real: list[Excerpt]
    codes: list[NDArray[np.int64]]  # of the real clips, by the encoder there is
    sampled: list[NDArray[np.int64]]  # drawn by the priors there are
    asked: list[str]  # style of each sampled clip
    reference: EmbeddingSet  # all held-out tracks
    other_half: EmbeddingSet  # held-out tracks that no real clip is from

    @classmethod
    def of(
        cls,
        model: JukeboxModel,
        corpus: str,
        embedder: Embedder,
        size: tuple[int, float] = (13, 6.0),
        progress: Progress | None = None,
    ) -> Bench:
        """The clips of `evaluate`: `size` is clips of each style and their seconds."""
        per_style, seconds = size
        built = open_corpus(corpus)
        held_out = built.select("test")
        ours, theirs = halves(held_out)
        most = max(sum(t.style == style for t in held_out) for style in {t.style for t in held_out})
        real = excerpts(built, theirs, per_style, seconds)

        def embedded(found: list[Excerpt]) -> EmbeddingSet:
            return build_reference(((e.audio, e.rate, e.song, e.track.style) for e in found), embedder)

        asked = [style for style in model.styles for _ in range(per_style)]
        wanted = [model.encode(Prompt(style=style), seconds) for style in asked]
        clips = model.sample(wanted, list(range(per_style)) * len(model.styles), Sampling(), progress)
        hop = model.folder.vqvae.hops[0]
        with torch.inference_mode():
            codes = [
                model.vqvae.encode(torch.from_numpy(np.pad(e.audio, (0, -len(e.audio) % hop)))[None], 0)[0].numpy()
                for e in real
            ]
        return cls(
            level=0,
            real=real,
            codes=codes,
            sampled=[np.asarray(clip.codes[0]) for clip in clips],
            asked=asked,
            reference=embedded(excerpts(built, held_out, max(per_style, most), seconds)),
            other_half=embedded(excerpts(built, ours, per_style, seconds)),
        )

    def judge(self, model: JukeboxModel, decoder: nn.Module, embedder: Embedder) -> dict[str, Any]:
        """Both figures of round trips, and the distances of samples, with `decoder` in place of the model's own."""
        book = model.vqvae.codebook(self.level)

        @torch.inference_mode()
        def decoded(codes: NDArray[np.int64]) -> NDArray[np.float32]:
            audio = decoder(book.decode(torch.from_numpy(codes)[None]))[0, 0].numpy()
            peak = np.abs(audio).max()
            return audio if peak <= 0.98 else audio * np.float32(0.98 / peak)

        trips = [decoded(codes)[: len(e.audio)] for codes, e in zip(self.codes, self.real, strict=True)]
        length = len(self.real[0].audio)
        samples = [decoded(codes)[:length] for codes in self.sampled]
        rate = model.rate
        trip_set = build_reference(
            ((x, rate, e.song, e.track.style) for x, e in zip(trips, self.real, strict=True)), embedder
        )
        named = enumerate(zip(samples, self.asked, strict=True))
        sample_set = build_reference(((x, rate, f"{i:04d}", style) for i, (x, style) in named), embedder)
        lost = [spectral_convergence(x, e.audio) for x, e in zip(trips, self.real, strict=True)]
        apart = [log_spectral_distance(x, e.audio) for x, e in zip(trips, self.real, strict=True)]
        return {
            "round trip": {
                "fad16": figure(fad(trip_set, self.other_half, HEADLINE_COMPONENTS)),
                "kad": figure(kad(trip_set, self.other_half)),
                "spectral_convergence_2048": float(np.mean(lost)),
                "log_spectral_distance_db": float(np.mean(apart)),
            },
            "samples": {
                "fad16": figure(fad(sample_set, self.reference, HEADLINE_COMPONENTS)),
                "kad": figure(kad(sample_set, self.reference)),
            },
        }


def figure(score: Score) -> dict[str, Any]:
    """What a table prints of a score."""
    return {"value": score.value, "stderr": score.stderr, "interval": score.interval, "reliable": score.reliable}
