"""Train one level of the VQ-VAE. The levels share nothing, so each is its own run."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.train.data import Recordings
from harness.models.jukebox.train.loop import Job, Trainer
from harness.models.jukebox.train.losses import spectral_distance

EXCERPT = 16_384  # samples, about a second: a multiple of every hop
WARM_UP = 300
"""Steps before quantising begins. From random weights all latents look alike, and a codebook made of them never
spreads: after 100 steps a single entry was in use."""


class LevelCodec(nn.Module):
    """Encoder, codebook and decoder of one level, with the running statistics that train the codebook."""

    usage: Tensor
    sums: Tensor

    def __init__(self, config: VQVAEConfig, level: int, decay: float = 0.99) -> None:
        super().__init__()
        self.vqvae, self.level, self.decay = VQVAE(config), level, decay
        self.quantising = True
        for other in set(range(config.levels)) - {level}:  # of the whole VQ-VAE only this level is trained
            self.vqvae.encoders[other] = nn.Identity()
            self.vqvae.decoders[other] = nn.Identity()
        self.book = self.vqvae.codebook(level)
        self.register_buffer("usage", torch.zeros(config.bins))
        self.register_buffer("sums", torch.zeros(config.bins, config.emb_width))

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T) -> decoded (B, T), commitment loss, codes (B, T / hop)."""
        latents = self.vqvae.latents(audio, self.level)
        if self.training and not self.quantising:
            decoded = self.vqvae.decoders[self.level](latents).squeeze(1)
            return decoded, latents.new_zeros(()), latents.new_zeros(latents.shape[::2], dtype=torch.long)
        if self.training and not self.usage.any():
            self._restart(latents, torch.ones_like(self.usage, dtype=torch.bool))
        codes = self.book.encode(latents.detach())
        quantised = self.book.decode(codes)
        commitment = F.mse_loss(latents, quantised)
        if self.training:
            self._update(latents.detach(), codes)
        passed = latents + (quantised - latents).detach()  # straight-through
        return self.vqvae.decoders[self.level](passed).squeeze(1), commitment, codes

    @torch.no_grad()
    def _update(self, latents: Tensor, codes: Tensor) -> None:
        """Move each entry to the running mean of its latents; entries that are hardly used start again on data."""
        flat, picked = latents.transpose(1, 2).flatten(0, 1), codes.flatten()
        counts = torch.bincount(picked, minlength=len(self.usage)).float()
        sums = torch.zeros_like(self.sums).index_add_(0, picked, flat)
        self.usage.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.book.k.copy_(self.sums / self.usage.clamp_min(1e-3).unsqueeze(1))
        self._restart(latents, self.usage < 0.03 * picked.numel() / len(self.usage))

    @torch.no_grad()
    def _restart(self, latents: Tensor, dead: Tensor) -> None:
        flat = latents.transpose(1, 2).flatten(0, 1)
        chosen = flat[torch.randint(len(flat), (int(dead.sum()),))]
        fresh = chosen + 0.01 * torch.randn_like(chosen)
        start = latents.shape[0] * latents.shape[2] / len(self.usage)  # as if used as often as the average
        self.book.k[dead], self.sums[dead], self.usage[dead] = fresh, fresh * start, start


def train_codec(config: VQVAEConfig, level: int, job: Job, train: Recordings, valid: Recordings) -> LevelCodec:
    """Train one level.

    Args:
        config: shape of the whole VQ-VAE.
        level: 0 for the finest.
        job: schedule, folder and log; the folder gets checkpoints and the best weights by validation loss.
        train: recordings to learn from.
        valid: recordings to validate on.
    """
    schedule = job.schedule
    torch.manual_seed(schedule.seed)
    codec = LevelCodec(config, level)
    held_out = torch.from_numpy(valid.excerpts(np.random.default_rng(1), 32, EXCERPT))

    def losses(audio: Tensor) -> tuple[Tensor, dict[str, float], Tensor]:
        decoded, commitment, codes = codec(audio)
        decoded = decoded.float()
        mel, convergence = spectral_distance(decoded, audio, config.rate)
        waveform = ((decoded - audio).square().sum(1) / (audio.square().sum(1) + 1.0)).mean()
        loss = mel + 0.5 * convergence + 0.2 * waveform + 0.25 * commitment
        terms = {"mel": mel, "convergence": convergence, "waveform": waveform, "commitment": commitment}
        return loss, {key: value.item() for key, value in terms.items()}, codes

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        codec.quantising = index >= WARM_UP
        rng = np.random.default_rng((schedule.seed, index))
        loss, terms, _ = losses(torch.from_numpy(train.excerpts(rng, schedule.batch, EXCERPT)))
        return loss, terms

    def validate() -> dict[str, float]:
        loss, terms, codes = losses(held_out)
        return {"loss": loss.item(), **terms, "codes_used": len(codes.unique()) / config.bins}

    Trainer(f"codec-{level}", codec, job).run(step, validate)
    return codec
