"""What the sampling benchmark samples from: priors with random weights, and a window's labels, codes and numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.models.jukebox.network.config import ConditionerConfig, PriorConfig, TransformerConfig
from harness.models.jukebox.network.prior import Prior

SMALL = PriorConfig(
    level=2, n_ctx=2048, width=256, depth=12, heads=1, bins=2048, hop=128, rate=44_100, blocks=32, artists=10, genres=5,
    min_seconds=60.0,
)  # fmt: skip
"""A top prior without lyrics that two CPU cores can sample from: the released patterns at a twelfth of their depth."""

RELEASED = {
    "upsampler": PriorConfig(
        level=1, n_ctx=8192, width=1920, depth=72, heads=1, bins=2048, hop=32, rate=44_100, blocks=128, artists=4111,
        genres=120, conditioner=ConditionerConfig(width=1024, depth=16, res_scale=True), cond_down=2,
    ),
    "1b_lyrics": PriorConfig(
        level=2, n_ctx=6144, width=2048, depth=72, heads=2, bins=2048, hop=128, rate=44_100, attn_order=12, blocks=64,
        labels_version="v3", artists=7898, genres=604, max_genres=1, n_tokens=384, n_vocab=79, t_bins=64,
        min_seconds=17.84, single_enc_dec=True,
    ),
    "5b_lyrics": PriorConfig(
        level=2, n_ctx=8192, width=4800, depth=79, heads=8, bins=2048, hop=128, rate=44_100, attn_order=10, blocks=128,
        artists=4111, genres=120, n_tokens=512, n_vocab=80, min_seconds=23.8, merged_decoder=True,
        lyric_encoder=TransformerConfig(n_ctx=512, width=1280, depth=18, heads=4, attn_order=2, blocks=32),
    ),
}  # fmt: skip
"""The shapes of the released priors: for a GPU."""


def small(width: int) -> PriorConfig:
    """`SMALL` at a width; a head of at most 64 numbers, so one head at 256 and two at 512."""
    return replace(SMALL, width=width, heads=max(1, width // 256))


def random_prior(config: PriorConfig, device: torch.device, dtype: torch.dtype = torch.float32) -> Prior:
    """The same weights each time; products are made in `dtype`."""
    torch.manual_seed(0)
    with device:
        prior = Prior(config)
    for key in prior.products():
        weight = prior.get_parameter(key)
        weight.data = weight.data.to(dtype)
    return prior.eval().requires_grad_(False)


@dataclass(frozen=True)
class Window:
    """What sampling a window takes: labels (B, y), the codes above (B, n_ctx / ratio) of an upsampler, the codes that
    are there (B, P), and a uniform for each that is to be drawn (B, N)."""

    labels: Tensor
    above: Tensor | None
    prompt: Tensor
    uniforms: Tensor


def random_window(config: PriorConfig, batch: int, prompt: int, tokens: int, device: torch.device) -> Window:
    """Seeded; every row has codes, artist, genre and lyrics of its own."""
    generator = torch.Generator().manual_seed(1)
    pick = lambda high, *size: torch.randint(0, high, size, generator=generator)  # noqa: E731
    piece = int((config.min_seconds + config.max_seconds) / 2 * config.rate)
    lengths = torch.tensor([piece, 0, config.window_samples]).expand(batch, 3)
    genres = torch.full((batch, config.max_genres), -1)
    genres[:, 0] = pick(config.genres, batch)
    labels = [lengths, pick(config.artists, batch, 1), genres, pick(max(config.n_vocab, 1), batch, config.n_tokens)]
    ratio = config.cond_stride**config.cond_down
    above = pick(config.bins, batch, config.n_ctx // ratio).to(device) if config.conditioner else None
    codes = pick(config.bins, batch, prompt).to(device)
    uniforms = torch.rand(batch, tokens, generator=generator, dtype=torch.float64).to(device)
    return Window(torch.cat(labels, 1).to(device), above, codes, uniforms)


def step_weights(prior: Prior) -> dict[str, Tensor]:
    """The weights that every step reads, by name: the transformer's and the output's. Of a lyric encoder's keys and
    values only the caches are read; of the embeddings one row."""
    return {
        name: weight
        for name, weight in prior.state_dict().items()
        if (name.startswith("prior.transformer.") or name == "prior.x_out.weight") and ".c_enc_kv." not in name
    }
