"""Train the decoder of one level further, on the codes that it has: the encoder and the codebook stay as they are.

The codes keep their meaning, so that the priors need no new training and every experiment on codes stays valid, while
both round trips and samples sound better. The first training saw each second of the corpus about once, which is where
a decoder is far from what its codes allow.

The weights kept are a running mean of those that are trained. A discriminator of log-magnitude spectra can join in
(`adversarial` > 0); it is no embedder that judges the model.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.train.data import Recordings
from harness.models.jukebox.train.loop import Schedule, Trainer
from harness.models.jukebox.train.losses import magnitude, spectral_distance

EXCERPT = 16_384  # samples, about a second
JUDGED = ((1024, 256), (256, 64))
"""(window, hop) in samples of the spectra that the discriminators see."""


@dataclass(frozen=True)
class Weights:
    """What the loss weighs: log-mel distance is 1."""

    convergence: float = 1.0
    waveform: float = 0.2
    adversarial: float = 0.0
    matching: float = 2.0  # of the discriminators' features, times `adversarial`
    averaging: float = 0.998  # of the running mean of the weights, per step


class SpectrumJudge(nn.Module):
    """Real or decoded, judged patch by patch of a log-magnitude spectrum: (B, T) -> logits and the features before."""

    def __init__(self, window: int, hop: int, width: int = 24) -> None:
        super().__init__()
        self.window, self.hop = window, hop
        widths = (1, width, width, 2 * width, 2 * width)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, (7, 3), (3, 1 if i == 0 else 2), (3, 1))
            for i, (before, after) in enumerate(pairwise(widths))
        )
        self.out = nn.Conv2d(widths[-1], 1, 3, 1, 1)

    def forward(self, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = (magnitude(audio, self.window, self.hop) + 1e-3).log().unsqueeze(1) * 0.3
        features = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            features.append(x)
        return self.out(x), features


class Refined(nn.Module):
    """The decoder in training, its running mean, and the discriminators where there are any."""

    def __init__(self, vqvae: VQVAE, level: int, adversarial: bool) -> None:
        super().__init__()
        self.decoder = copy.deepcopy(vqvae.decoders[level]).requires_grad_(True)
        self.average = copy.deepcopy(self.decoder).requires_grad_(False)
        self.judges = nn.ModuleList(SpectrumJudge(*shape) for shape in JUDGED if adversarial)

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """Move the running mean towards the weights in training."""
        for mean, now in zip(self.average.parameters(), self.decoder.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)

    def contest(self, decoded: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Least-squares GAN losses: of the discriminators, of the decoder against them, and of their features."""
        fooled, judged, matched = [], [], []
        for judge in self.judges:
            still = {name: value.detach() for name, value in judge.named_parameters()}
            verdict, features = functional_call(judge, still, (decoded,))
            of_real, real_features = judge(real)
            of_decoded, _ = judge(decoded.detach())
            fooled.append((verdict - 1).square().mean())
            judged.append((of_real - 1).square().mean() + of_decoded.square().mean())
            pairs = zip(features, real_features, strict=True)
            matched.append(torch.stack([F.l1_loss(a, b.detach()) / b.detach().abs().mean() for a, b in pairs]).mean())
        named = {"fooled": fooled, "judged": judged, "matched": matched}
        return {name: torch.stack(values).mean() for name, values in named.items()}


def decode(decoder: nn.Module, vqvae: VQVAE, codes: Tensor, level: int) -> Tensor:
    """Codes (B, T) -> audio (B, T * hop): the products in bfloat16, what is added up in float32."""
    with torch.autocast("cpu", torch.bfloat16):
        return decoder(vqvae.codebook(level).decode(codes)).squeeze(1).float()


def refine_decoder(
    vqvae: VQVAE, level: int, schedule: Schedule, weights: Weights, data: tuple[Recordings, Recordings], folder: Path
) -> Refined:
    """Train the decoder of `level` on (training, validation) recordings; checkpoints lie in `folder`."""
    train, valid = data
    torch.manual_seed(schedule.seed)
    vqvae.eval().requires_grad_(False)
    refined = Refined(vqvae, level, weights.adversarial > 0)
    rate = vqvae.config.rate
    held_out = torch.from_numpy(valid.excerpts(np.random.default_rng(1), 64, EXCERPT))

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        refined.follow(weights.averaging if index > schedule.warmup else 0.0)
        rng = np.random.default_rng((schedule.seed, index))
        audio = torch.from_numpy(train.excerpts(rng, schedule.batch, EXCERPT))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            codes = vqvae.encode(audio, level)
        decoded = decode(refined.decoder, vqvae, codes, level)
        mel, convergence = spectral_distance(decoded, audio, rate)
        waveform = ((decoded - audio).square().sum(1) / (audio.square().sum(1) + 1.0)).mean()
        loss = mel + weights.convergence * convergence + weights.waveform * waveform
        figures = {"mel": mel, "convergence": convergence, "waveform": waveform}
        if refined.judges:
            contest = refined.contest(decoded, audio)
            loss = loss + weights.adversarial * (contest["fooled"] + weights.matching * contest["matched"])
            loss = loss + contest["judged"]
            figures |= contest
        return loss, {key: value.item() for key, value in figures.items()}

    def validate() -> dict[str, float]:
        codes = vqvae.encode(held_out, level)
        decoded = refined.average(vqvae.codebook(level).decode(codes)).squeeze(1)
        mel, convergence = spectral_distance(decoded, held_out, rate)
        fine = [magnitude(audio, 2048, 512) for audio in (decoded, held_out)]
        tones = ((fine[0] - fine[1]).square().sum((1, 2)).sqrt() / fine[1].square().sum((1, 2)).sqrt()).median()
        return {
            "loss": (mel + weights.convergence * convergence).item(),
            "mel": mel.item(),
            "convergence": convergence.item(),
            "convergence_2048": tones.item(),
        }

    Trainer(f"decoder-{level}", refined, schedule, folder).run(step, validate)
    return refined
