"""The VQ-VAE of Jukebox: independent encoders, codebooks and decoders, one of each per level.

Module names follow the released checkpoints, so that their weights load as they are.
Source: Dhariwal et al. 2020, "Jukebox: A Generative Model for Music", sections 3 and 5.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.network.config import VQVAEConfig


class ResConv1DBlock(nn.Module):
    """x + scale * conv1(relu(dilated conv3(relu(x))))."""

    def __init__(self, width: int, state: int, dilation: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.model = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(width, state, 3, 1, dilation, dilation),
            nn.ReLU(),
            nn.Conv1d(state, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.model(x)


class Resnet1D(nn.Module):
    """A stack of dilated residual blocks; `listed` is how the conditioner's checkpoints name them."""

    def __init__(
        self,
        width: int,
        depth: int,
        dilations: tuple[int, ...],
        m_conv: float,
        scale: float = 1.0,
        listed: bool = False,
    ) -> None:
        super().__init__()
        blocks = [ResConv1DBlock(width, int(m_conv * width), dilations[i], scale) for i in range(depth)]
        if listed:
            self.blocks = nn.ModuleList(blocks)
        else:
            self.model = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks if hasattr(self, "blocks") else self.model:
            x = block(x)
        return x


def dilations(depth: int, growth: int, cycle: int | None, reverse: bool = False) -> tuple[int, ...]:
    """Dilation of each residual block: growth^i, starting again every `cycle` blocks.

    >>> dilations(4, 3, None), dilations(4, 3, 2, reverse=True)
    ((1, 3, 9, 27), (3, 1, 3, 1))
    """
    rising = tuple(growth ** (i if cycle is None else i % cycle) for i in range(depth))
    return rising[::-1] if reverse else rising


class EncoderBlock(nn.Module):
    """`down` strided convolutions, each followed by a residual stack, then a projection. (B, C, T) -> (B, E, T/hop)."""

    def __init__(self, n_in: int, config: VQVAEConfig, level: int, block: int) -> None:
        super().__init__()
        width, depth = config.width * config.multipliers[level], config.depth * config.multipliers[level]
        stride = config.strides[block]
        growth = dilations(depth, config.dilation_growth, config.dilation_cycle)
        stages = [
            nn.Sequential(
                nn.Conv1d(n_in if i == 0 else width, width, 2 * stride, stride, stride // 2),
                Resnet1D(width, depth, growth, config.m_conv),
            )
            for i in range(config.downs[block])
        ]
        self.model = nn.Sequential(*stages, nn.Conv1d(width, config.emb_width, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class DecoderBlock(nn.Module):
    """The mirror of `EncoderBlock`; also the conditioner of the upsamplers. (B, E, T) -> (B, n_out, T*hop)."""

    def __init__(self, n_emb: int, n_out: int, down: int, stride: int, resnets: list[Resnet1D], width: int) -> None:
        super().__init__()
        stages = [
            nn.Sequential(
                resnets[i],
                nn.ConvTranspose1d(width, n_out if i == down - 1 else width, 2 * stride, stride, stride // 2),
            )
            for i in range(down)
        ]
        self.model = nn.Sequential(nn.Conv1d(n_emb, width, 3, 1, 1), *stages)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Encoder(nn.Module):
    """Audio to the latents of one level, through the blocks of every level up to it."""

    def __init__(self, config: VQVAEConfig, level: int) -> None:
        super().__init__()
        self.level_blocks = nn.ModuleList(
            EncoderBlock(1 if block == 0 else config.emb_width, config, level, block) for block in range(level + 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        for block in self.level_blocks:
            x = block(x)
        return x


class Decoder(nn.Module):
    """Latents of one level to audio; it needs no codes of the other levels."""

    def __init__(self, config: VQVAEConfig, level: int) -> None:
        super().__init__()
        width, depth = config.width * config.multipliers[level], config.depth * config.multipliers[level]
        growth = dilations(depth, config.dilation_growth, config.dilation_cycle, reverse=True)
        self.level_blocks = nn.ModuleList(
            DecoderBlock(
                config.emb_width,
                config.emb_width,
                config.downs[block],
                config.strides[block],
                [Resnet1D(width, depth, growth, config.m_conv) for _ in range(config.downs[block])],
                width,
            )
            for block in range(level + 1)
        )
        self.out = nn.Conv1d(config.emb_width, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        for block in reversed(self.level_blocks):
            x = block(x)
        return self.out(x)


class Codebook(nn.Module):
    """Nearest-neighbour quantisation to `bins` vectors of one level."""

    k: Tensor

    def __init__(self, bins: int, width: int) -> None:
        super().__init__()
        self.register_buffer("k", torch.zeros(bins, width))

    def encode(self, x: Tensor) -> Tensor:
        """(B, E, T) -> codes (B, T) int64: the entry at the least squared distance."""
        flat = x.transpose(1, 2)  # (B, T, E)
        distance = flat.square().sum(-1, keepdim=True) - 2 * flat @ self.k.T + self.k.square().sum(-1)  # (B, T, bins)
        return distance.argmin(-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, T) -> (B, E, T)."""
        return F.embedding(codes, self.k).transpose(1, 2)


class Bottleneck(nn.Module):
    """The codebooks of all levels."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.level_blocks = nn.ModuleList(Codebook(config.bins, config.emb_width) for _ in range(config.levels))


class VQVAE(nn.Module):
    """Audio (B, T) in [-1, 1] at `config.rate` <-> codes (B, T / hop) of each level."""

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleList(Encoder(config, level) for level in range(config.levels))
        self.decoders = nn.ModuleList(Decoder(config, level) for level in range(config.levels))
        self.bottleneck = Bottleneck(config)

    def codebook(self, level: int) -> Codebook:
        """The codebook of a level."""
        block = self.bottleneck.level_blocks[level]
        assert isinstance(block, Codebook)
        return block

    def latents(self, audio: Tensor, level: int) -> Tensor:
        """(B, T) -> (B, E, T / hop), before quantisation; T must be a multiple of the level's hop."""
        x = self.encoders[level](audio.unsqueeze(1))
        return F.layer_norm(x.transpose(1, 2), x.shape[1:2]).transpose(1, 2) if self.config.latent_norm else x

    def encode(self, audio: Tensor, level: int) -> Tensor:
        """Audio (B, T) -> codes (B, T / hop) int64 of `level`."""
        return self.codebook(level).encode(self.latents(audio, level))

    def decode(self, codes: Tensor, level: int) -> Tensor:
        """Codes (B, T) of `level` -> audio (B, T * hop), not clipped."""
        return self.decoders[level](self.codebook(level).decode(codes)).squeeze(1)
