"""The shapes of Jukebox: what a VQ-VAE and a prior are made of, and nothing about how they run.

Level 0 is the bottom (finest codes), the last level the top (coarsest). Lengths are in codes of the level at hand
unless a name says samples or seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class VQVAEConfig:
    """Shape of the VQ-VAE; the defaults are the released model's."""

    rate: int = 44_100  # Hz
    downs: tuple[int, ...] = (3, 2, 2)  # strided convolutions that each level adds to the one below
    strides: tuple[int, ...] = (2, 2, 2)  # stride of each of them
    bins: int = 2048  # codebook entries
    emb_width: int = 64
    width: int = 32
    depth: int = 4  # residual blocks after each strided convolution
    multipliers: tuple[int, ...] = (2, 1, 1)  # of width and depth, by level
    dilation_growth: int = 3
    dilation_cycle: int | None = None
    m_conv: float = 1.0
    latent_norm: bool = False  # layer norm without parameters before quantising: small codecs collapse without it

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.downs)

    @property
    def hops(self) -> tuple[int, ...]:
        """Samples per code, by level."""
        steps = [stride**down for down, stride in zip(self.downs, self.strides, strict=True)]
        return tuple(prod(steps[: level + 1]) for level in range(self.levels))


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of one factored-attention transformer."""

    n_ctx: int
    width: int
    depth: int
    heads: int
    attn_order: int = 2  # 2: music only; 10: reads an encoder of the lyrics; 12: lyrics and music in one sequence
    blocks: int = 1
    m_attn: float = 0.25  # attention state / width
    m_mlp: float = 1.0
    prime_len: int = 0  # positions that a prime layer (order 12) may read
    encoder_len: int = 0  # positions of the encoder that a cross layer (order 10) reads

    @property
    def block_ctx(self) -> int:
        """Positions of a row."""
        return self.n_ctx // self.blocks


@dataclass(frozen=True)
class ConditionerConfig:
    """Shape of the convolutional stack that turns the codes of the level above into conditioning."""

    width: int
    depth: int
    dilation_growth: int = 3
    dilation_cycle: int = 8
    res_scale: bool = False
    m_conv: float = 1.0


@dataclass(frozen=True)
class PriorConfig:
    """Shape of one prior: the top one (`conditioner is None`, timed) or an upsampler."""

    level: int
    n_ctx: int  # music codes a window holds
    width: int
    depth: int
    heads: int
    bins: int  # of the codes
    hop: int  # samples per code
    rate: int
    attn_order: int = 2
    blocks: int = 1
    m_attn: float = 0.25
    m_mlp: float = 1.0
    labels_version: str = "v2"
    artists: int = 0  # rows of the artist table; 0 for a prior without labels
    genres: int = 0
    max_genres: int = 5
    n_tokens: int = 0  # lyric characters
    n_vocab: int = 0
    t_bins: int = 128
    min_seconds: float = 0.0  # of the whole piece, for the time signal of the top prior
    max_seconds: float = 600.0
    merged_decoder: bool = False  # untied output and no conditioning after the transformer
    single_enc_dec: bool = False  # lyrics and music share one sequence and one transformer
    lyric_encoder: TransformerConfig | None = None
    conditioner: ConditionerConfig | None = None
    cond_down: int = 1  # stride^down of the conditioner: codes here per code above
    cond_stride: int = 2
    prime_loss_fraction: float = 0.0

    @property
    def total_ctx(self) -> int:
        """Positions of the transformer: the music, and the lyrics where they share its sequence."""
        return self.n_ctx + (self.n_tokens if self.single_enc_dec else 0)

    @property
    def total_bins(self) -> int:
        """Size of the vocabulary: the codes, and the lyric characters where they share the sequence."""
        return self.bins + (self.n_vocab if self.single_enc_dec else 0)

    @property
    def ratio(self) -> int:
        """Codes of this level per code of the level above."""
        return self.cond_stride**self.cond_down

    @property
    def labelled(self) -> bool:
        """Whether the prior is given artist, genre and time; without, only the codes above."""
        return self.artists > 0

    @property
    def window_samples(self) -> int:
        """Audio that a window spans."""
        return self.n_ctx * self.hop

    @property
    def transformer(self) -> TransformerConfig:
        """Shape of the music's transformer."""
        prime_len = (self.n_tokens // self.blocks + 1) * self.blocks if self.single_enc_dec else 0
        encoder_len = self.n_tokens if self.lyric_encoder else 0
        return TransformerConfig(
            self.total_ctx, self.width, self.depth, self.heads, self.attn_order, self.blocks, self.m_attn, self.m_mlp,
            prime_len, encoder_len,
        )  # fmt: skip
