"""Existing audio as a model reads it: its codes, level by level, and how many windows a prior takes at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from harness.core.errors import AudioError
from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE, dilations
from metrics.io.audio import normalise, resample

CHUNK = 2**19
"""Samples encoded at a time, so that memory does not grow with the piece."""

CODES_AT_ONCE = {"cpu": 2048, "cuda": 32768}
"""Windows of a clip are batched up to so many codes. Clips are not batched with one another, so that the scores of one
do not depend on what else is read; on a CPU that costs nothing (results/benchmarks/engine.md)."""


def windows_at_once(prior: Prior, length: int) -> int:
    """How many windows of `length` codes go through a prior in one pass."""
    return max(1, CODES_AT_ONCE.get(device_of(prior).type, CODES_AT_ONCE["cpu"]) // length)


def device_of(prior: Prior) -> torch.device:
    """Where a prior's weights are."""
    return prior.prior.x_emb.weight.device


def prepare(audio: ArrayLike, rate: int, model: JukeboxModel, lufs: float | None) -> NDArray[np.float32]:
    """Audio at the model's rate and loudness, cut to whole codes of the top level.

    Args:
        audio: mono, (samples,).
        rate: of the audio, in Hz.
        model: gives the rate and the codes.
        lufs: the loudness to bring it to; None leaves it as it is.

    Returns:
        float32 (samples,) at the model's rate.

    Raises:
        AudioError: audio that is not finite, silent (unless `lufs` is None) or shorter than one such code.
    """
    resampled = resample(audio, rate, model.rate)
    hop = model.folder.vqvae.hops[-1]
    if len(resampled) < hop:
        raise AudioError(
            f"the audio lasts {len(resampled) / model.rate:.4f} s: {model.name} reads at least one code of its top "
            f"level, {hop / model.rate:.4f} s. Use a longer clip."
        )
    levelled = resampled if lufs is None else normalise(resampled, model.rate, lufs)
    return levelled[: len(levelled) // hop * hop]


def reach(config: VQVAEConfig, level: int) -> int:
    """Samples on either side of a code, at most, that it depends on."""
    growth = dilations(config.depth * config.multipliers[level], config.dilation_growth, config.dilation_cycle)
    samples, step = 0, 1  # `step` samples lie between two positions of the layer at hand
    for block in range(level + 1):
        for _ in range(config.downs[block]):
            samples += 2 * config.strides[block] * step
            step *= config.strides[block]
            samples += sum(growth) * step
        samples += step
    return samples


@torch.inference_mode()
def encode(vqvae: VQVAE, audio: NDArray[np.float32], level: int, chunk: int = CHUNK) -> NDArray[np.uint16]:
    """Codes of one level, encoded in chunks with as much on either side as the encoder reads.

    Args:
        vqvae: the codec.
        audio: float32 (samples,) at its rate, a whole number of hops.
        level: 0 for the finest.
        chunk: samples at a time.

    Returns:
        uint16 (samples / hop,), equal to those of the whole clip encoded at once.
    """
    hop = vqvae.config.hops[level]
    chunk, context = -(-chunk // hop) * hop, -(-reach(vqvae.config, level) // hop) * hop
    device = vqvae.codebook(level).k.device
    codes = []
    for start in range(0, len(audio), chunk):
        first = max(0, start - context)
        piece = torch.from_numpy(audio[first : start + chunk + context]).to(device).unsqueeze(0)
        before = (start - first) // hop
        codes.append(vqvae.encode(piece, level)[0, before : before + chunk // hop].cpu())
    return torch.cat(codes).numpy().astype(np.uint16)
