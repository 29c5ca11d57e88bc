"""Two figures by which a codec is judged, on the same clips: how far its round trips lie from real music in embedding
space, and how much of each clip's spectrum they lose. One of them alone deceives: a codec can win by embedding
distance and smear every tone.

Samples are judged as codes that the priors once drew, so that decoders are compared on the same codes.
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
from harness.models.base import Sampling, SamplingProgress
from harness.models.jukebox.model import PEAK, JukeboxModel
from harness.models.jukebox.train.evaluate import Sets, conditioning
from harness.models.jukebox.train.losses import TONES, magnitude
from harness.prompts.prompt import Prompt
from metrics.api.score import EmbeddingSet, Score
from metrics.embeddings.base import Embedder
from metrics.io.audio import loudness
from metrics.reference.sets import build_reference
from metrics.sets.diversity import vendi
from metrics.sets.frechet import HEADLINE_COMPONENTS, fad
from metrics.sets.kernel import kad

Audio = NDArray[np.float32]
Codes = NDArray[np.int64]

SILENT = -60.0
"""LUFS below which a clip is silent."""


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
    """What every decoder and every way of sampling is judged on: the real clips of `evaluate` and held-out music."""

    real: list[Excerpt]
    reference: EmbeddingSet  # all held-out tracks
    other_half: EmbeddingSet  # held-out tracks that no real clip is from
    real_set: EmbeddingSet
    training: EmbeddingSet  # real music that a classifier of styles learns from
    per_style: int
    seconds: float

    @classmethod
    def of(cls, corpus: str, embedder: Embedder, per_style: int = 13, seconds: float = 6.0) -> Bench:
        """The clips of `evaluate`: `per_style` clips of each style, `seconds` long."""
        built = open_corpus(corpus)
        held_out = built.select("test")
        ours, theirs = halves(held_out)
        most = max(sum(t.style == style for t in held_out) for style in {t.style for t in held_out})
        real = excerpts(built, theirs, per_style, seconds)

        def embedded(found: list[Excerpt]) -> EmbeddingSet:
            return build_reference(((e.audio, e.rate, e.song, e.track.style) for e in found), embedder)

        return cls(
            real=real,
            reference=embedded(excerpts(built, held_out, max(per_style, most), seconds)),
            other_half=embedded(excerpts(built, ours, per_style, seconds)),
            real_set=embedded(real),
            training=embedded(excerpts(built, built.select("train"), 4 * per_style, seconds)),
            per_style=per_style,
            seconds=seconds,
        )

    def codes(self, model: JukeboxModel) -> list[Codes]:
        """The finest codes of the real clips, by the encoder there is."""
        return [model.encode_audio(_padded(e.audio, model.folder.vqvae.hops[-1]))[0] for e in self.real]

    def sampled(self, model: JukeboxModel, sampling: Sampling, progress: SamplingProgress | None = None) -> list[Codes]:
        """The finest codes of a clip for each style and seed, styles in turn, as `evaluate` samples them."""
        wanted = [model.encode(Prompt(style=style), self.seconds) for style in self.asked(model)]
        seeds = list(range(self.per_style)) * len(model.styles)
        return [np.asarray(clip.codes[0]) for clip in model.sample(wanted, seeds, sampling, progress)]

    def asked(self, model: JukeboxModel) -> list[str]:
        """The style of each sampled clip."""
        return [style for style in model.styles for _ in range(self.per_style)]


def decoded(model: JukeboxModel, decoder: nn.Module, codes: list[Codes], samples: int) -> list[Audio]:
    """Audio (samples,) of finest codes, turned down as a whole where its peak is over full scale, as a clip is."""
    book, found = model.vqvae.codebook(0), []
    with torch.inference_mode():
        for row in codes:
            audio = decoder(book.decode(torch.from_numpy(row)[None]))[0, 0].numpy()[:samples]
            found.append(audio * np.float32(min(1.0, PEAK / max(float(np.abs(audio).max()), 1e-9))))
    return found


def judge_round_trip(bench: Bench, trips: list[Audio], embedder: Embedder) -> dict[str, Any]:
    """Both figures of the real clips' round trips, and the log-spectral distance in dB."""
    pairs = list(zip(trips, bench.real, strict=True))
    found = build_reference(((x, e.rate, e.song, e.track.style) for x, e in pairs), embedder)
    return {
        "fad16": figure(fad(found, bench.other_half, HEADLINE_COMPONENTS)),
        "kad": figure(kad(found, bench.other_half)),
        "spectral_convergence_2048": float(np.mean([spectral_convergence(x, e.audio) for x, e in pairs])),
        "log_spectral_distance_db": float(np.mean([log_spectral_distance(x, e.audio) for x, e in pairs])),
    }


def judge_samples(
    bench: Bench, samples: list[Audio], asked: list[str], rate: int, embedder: Embedder
) -> dict[str, Any]:
    """Distances of samples to all held-out music, how different they are, whether their styles are heard, and how many
    are silent."""
    named = enumerate(zip(samples, asked, strict=True))
    found = build_reference(((x, rate, f"{i:04d}", style) for i, (x, style) in named), embedder)
    both = {"real": bench.real_set, "round trip": bench.real_set, "samples": found}
    heard = conditioning(Sets(bench.reference, bench.other_half, both, bench.training))
    return {
        "fad16": figure(fad(found, bench.reference, HEADLINE_COMPONENTS)),
        "kad": figure(kad(found, bench.reference)),
        "vendi": figure(vendi(found, bench.reference)),
        "vendi_of_real_clips": vendi(bench.real_set, bench.reference).value,
        "style_heard": heard["samples"]["balanced_accuracy"],
        "style_heard_in_real_clips": heard["real"]["balanced_accuracy"],
        "silent": int(sum(loudness(x, rate) < SILENT for x in samples)),
        "clips": len(samples),
    }


def figure(score: Score) -> dict[str, Any]:
    """What a table prints of a score."""
    interval = None if score.interval is None else [round(x, 4) for x in score.interval]
    return {"value": round(score.value, 4), "stderr": round(score.stderr, 4), "interval": interval,
            "reliable": score.reliable}  # fmt: skip


def _padded(audio: Audio, hop: int) -> Audio:
    return np.pad(audio, (0, -len(audio) % hop))
