"""Train the decoder of the finest level further, on real codes and on codes that its prior drew.

Encoder, codebook and priors stay as they are, so that codes keep their meaning. What the decoder first learnt from are
real codes only; those that a prior draws differ, and it turned that difference into hiss. Here it meets both: half of
each batch is decoded from codes drawn by the upsampler, given the real codes before and above them, and compared with
the recording that they stand for. The losses compare spectra, so that it does not matter that drawn codes have phases
of their own.

The weights kept are a running mean of those that are trained.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.train.data import Recordings
from harness.models.jukebox.train.loop import Job, Trainer
from harness.models.jukebox.train.losses import TONES, magnitude, spectral_distance

AVERAGING = 0.998
"""What the running mean keeps of itself each step."""

PASSES = 2
"""How often codes are drawn in parallel: after the first pass each follows drawn codes, as when sampling."""

CONVERGENCE, WAVEFORM = 1.0, 0.2
"""What spectral convergence and waveform error weigh where the log-mel distance weighs 1."""


@dataclass(frozen=True)
class Excerpts:
    """`audio` (B, T), half a window of the upsampler each; `y` (B, y), the labels of where each lies in its track."""

    audio: Tensor
    y: Tensor


class Refined(nn.Module):
    """The decoder in training and its running mean."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = copy.deepcopy(decoder).requires_grad_(True)
        self.average = copy.deepcopy(decoder).requires_grad_(False)

    @torch.no_grad()
    def follow(self, keep: float) -> None:
        """Move the running mean towards the weights in training."""
        for mean, now in zip(self.average.parameters(), self.decoder.parameters(), strict=True):
            mean.lerp_(now, 1 - keep)


def pick(model: JukeboxModel, recordings: Recordings, rng: np.random.Generator, count: int) -> Excerpts:
    """Random excerpts with their labels: every style is as likely, within it every second. Gain varies by ±6 dB."""
    labeller, hop = model.folder.labeller(0), model.folder.vqvae.hops[-1]
    length = model.folder.priors[0].window_samples // 2
    audio, rows = np.empty((count, length), np.float32), []
    for row in audio:
        style = rng.choice(recordings.styles)
        of_style = [
            i for i, t in enumerate(recordings.tracks) if t.style == style and len(recordings.audio[i]) > length
        ]
        lengths = np.array([len(recordings.audio[i]) for i in of_style])
        chosen = of_style[rng.choice(len(of_style), p=lengths / lengths.sum())]
        track, samples = recordings.tracks[chosen], recordings.audio[chosen]
        start = int(rng.integers((len(samples) - length) // hop + 1)) * hop
        row[:] = samples[start : start + length] * np.float32(10 ** (rng.uniform(-6, 6) / 20) / 32768)
        labels = labeller.label(track.artist, track.style, "", len(samples))
        rows.append(labeller.window(labels, start // model.folder.vqvae.hops[0]))
    return Excerpts(torch.from_numpy(audio.clip(-1, 1)), torch.from_numpy(np.stack(rows).astype(np.int64)))


@torch.no_grad()
def draw(prior: Prior, codes: Tensor, y: Tensor, above: Tensor, generator: torch.Generator) -> Tensor:
    """Codes (B, T) drawn in parallel, each given those before it: the real ones first, then those drawn."""
    for _ in range(PASSES):
        chances = prior(codes, y, above).float().softmax(-1)
        codes = torch.multinomial(chances.flatten(0, 1), 1, generator=generator).view_as(codes)
    return codes


@torch.no_grad()
def half_drawn(model: JukeboxModel, excerpts: Excerpts, seed: int) -> Tensor:
    """Finest codes (B, T) of excerpts: real for the first half of them, drawn by the upsampler for the second."""
    half = len(excerpts.audio) // 2
    codes, above = (model.vqvae.encode(excerpts.audio, level) for level in (0, 1))
    generator = torch.Generator().manual_seed(seed)
    drawn = draw(model.prior(0), codes[half:], excerpts.y[half:], above[half:], generator)
    return torch.cat([codes[:half], drawn])


def losses(decoded: Tensor, audio: Tensor, rate: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch (B, T) whose second half was drawn, and its parts by half."""
    half = len(audio) // 2
    figures = {}
    for name, rows in (("real", slice(half)), ("drawn", slice(half, None))):
        mel, convergence = spectral_distance(decoded[rows], audio[rows], rate)
        figures |= {f"mel_{name}": mel, f"convergence_{name}": convergence}
    error = (decoded - audio)[:half].square().sum(1) / (audio[:half].square().sum(1) + 1.0)
    figures["waveform"] = error.mean()
    loss = torch.stack([v for k, v in figures.items() if k.startswith("mel")]).mean()
    loss = loss + CONVERGENCE * torch.stack([v for k, v in figures.items() if k.startswith("conv")]).mean()
    return loss + WAVEFORM * figures["waveform"], figures


def refine_decoder(model: JukeboxModel, job: Job, train: Recordings, valid: Recordings) -> Refined:
    """Train the finest decoder of `model`; checkpoints and the best weights by validation loss lie in the job's folder.

    Args:
        model: what draws codes; its own decoder is where the training begins and is left as it is.
        job: `batch` excerpts of two seconds a step, half of them decoded from drawn codes; a training that was stopped
            resumes from the checkpoints in its folder.
        train: recordings to learn from.
        valid: recordings to be measured on.
    """
    schedule = job.schedule
    torch.manual_seed(schedule.seed)
    model.vqvae.eval().requires_grad_(False)
    model.prior(0).eval().requires_grad_(False)
    refined = Refined(model.vqvae.decoders[0])
    book, rate = model.vqvae.codebook(0), model.rate
    checked = pick(model, valid, np.random.default_rng(1), 32)
    checked_codes = half_drawn(model, checked, 1)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        refined.follow(AVERAGING if index > schedule.warmup else 0.0)
        excerpts = pick(model, train, np.random.default_rng((schedule.seed, index)), schedule.batch)
        with torch.autocast("cpu", torch.bfloat16):
            codes = half_drawn(model, excerpts, index)
            decoded = refined.decoder(book.decode(codes)).squeeze(1).float()
        loss, figures = losses(decoded, excerpts.audio, rate)
        return loss, {key: value.item() for key, value in figures.items()}

    def validate() -> dict[str, float]:
        decoded = refined.average(book.decode(checked_codes)).squeeze(1)
        loss, figures = losses(decoded, checked.audio, rate)
        half = len(decoded) // 2
        ours, real = (magnitude(audio[:half], *TONES) for audio in (decoded, checked.audio))
        tones = (ours - real).square().sum((1, 2)).sqrt() / real.square().sum((1, 2)).sqrt()
        figures["convergence_2048"] = tones.mean()
        return {"loss": loss.item(), **{key: value.item() for key, value in figures.items()}}

    Trainer("decoder-0", refined, job).run(step, validate)
    return refined
