"""The transformer of the priors, and the autoregressive model over codes built on it.

    block          x + attention(ln_0 x), then + mlp(ln_1 of that)          `residual_block`
    transformer    `depth` blocks, each with its attention pattern          `Transformer`
    model          embeddings, transformer, logits of the next token        `Autoregressive`

Module names follow the released checkpoints. Position t is predicted from the tokens before t: the input is the token
embedding shifted by one, with the start embedding in front, plus a learned position and the conditioning.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.network.affine import Conv1D
from harness.models.jukebox.network.attention import FactoredAttention
from harness.models.jukebox.network.config import TransformerConfig

Map = Callable[[Tensor], Tensor]
"""(…, width) -> (…, width): a module, or the same map by faster means."""


def quick_gelu(x: Tensor, slope: float | Tensor = 1.702) -> Tensor:
    """x · sigmoid(1.702 x), the sigmoid approximation of GELU (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    return x * torch.sigmoid(slope * x)


def residual_block(x: Tensor, ln_0: Map, attend: Map, ln_1: Map, mlp: Map) -> Tensor:
    """x + a + m with a = attend(ln_0 x) and m = mlp(ln_1(x + a)): teacher forcing and incremental decoding alike."""
    x = x + attend(ln_0(x))
    return x + mlp(ln_1(x))


class MLP(nn.Module):
    """(…, width) -> (…, width) through `m_mlp` times the width."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        hidden = int(config.m_mlp * config.width)
        self.c_fc = Conv1D(config.width, hidden)
        self.c_proj = Conv1D(hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(quick_gelu(self.c_fc(x)))


class ResAttnBlock(nn.Module):
    """Attention and MLP of one layer, each behind a norm and around a residual connection."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        self.attn = FactoredAttention(config, layer)
        self.ln_0 = nn.LayerNorm(config.width)
        self.mlp = MLP(config)
        self.ln_1 = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, attend: Map) -> Tensor:
        """(B, T, width) -> (B, T, width). `attend` is this layer's attention: over x itself, or over a KV cache."""
        return residual_block(x, self.ln_0, attend, self.ln_1, self.mlp)


class Transformer(nn.Module):
    """(B, T, width) -> (B, T, width); no norm after the last layer."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self._attn_mods = nn.ModuleList(ResAttnBlock(config, layer) for layer in range(config.depth))

    @property
    def blocks(self) -> list[ResAttnBlock]:
        """The residual blocks in order."""
        return cast(list[ResAttnBlock], list(self._attn_mods))

    def forward(self, x: Tensor, encoded: Tensor | None = None, layers: int | None = None) -> Tensor:
        """(B, T, width) -> (B, T, width) for any T up to n_ctx.

        Args:
            x: the input; its last row is filled up with zeros, which no earlier position reads.
            encoded: the lyric encoder's output (B, L, width), for cross layers.
            layers: stop after so many.
        """
        length = x.shape[1]
        x = F.pad(x, (0, 0, 0, -length % self.config.block_ctx))  # (B, whole rows, width)
        for block in self.blocks[:layers]:
            x = block(x, partial(block.attn, encoded=encoded))
        return x[:, :length]


class PositionEmbedding(nn.Module):
    """A learned vector for each position."""

    def __init__(self, n_ctx: int, width: int) -> None:
        super().__init__()
        self.pos_emb = nn.Parameter(torch.randn(n_ctx, width) * 0.01)


class Autoregressive(nn.Module):
    """A transformer over tokens.

    Args:
        config: shape of the transformer.
        bins: size of the vocabulary.
        merged: untied output, and no conditioning after the transformer.
        headless: hidden states are the result, as in the lyric encoder.
        start: has a start token of its own.
    """

    def __init__(
        self, config: TransformerConfig, bins: int, merged: bool = False, headless: bool = False, start: bool = False
    ) -> None:
        super().__init__()
        self.bins, self.merged = bins, merged
        self.x_emb = nn.Embedding(bins, config.width)
        nn.init.normal_(self.x_emb.weight, std=0.02)
        self.pos_emb = PositionEmbedding(config.n_ctx, config.width)
        self.transformer = Transformer(config)
        if start:
            self.start_token = nn.Parameter(torch.randn(1, config.width) * 0.01)
        if not headless:
            self.x_out = nn.Linear(config.width, bins, bias=False)
            nn.init.normal_(self.x_out.weight, std=0.02)
            if not merged:
                self.x_out.weight = self.x_emb.weight

    @property
    def dtype(self) -> torch.dtype:
        """Of the matrix products."""
        return self.x_emb.weight.dtype

    def inputs(self, tokens: Tensor, start: Tensor | None, x_cond: Tensor | None) -> Tensor:
        """Tokens (B, T) -> the transformer's input (B, T + 1, width) for positions 0 … T, cut at n_ctx."""
        first = self.start_token.expand(len(tokens), -1).unsqueeze(1) if start is None else start
        x = torch.cat([first, self.x_emb(tokens)], 1)[:, : len(self.pos_emb.pos_emb)]  # (B, T + 1, width)
        x = x + self.pos_emb.pos_emb[: x.shape[1]]
        return x if x_cond is None else x + x_cond[:, : x.shape[1]]

    def hidden(
        self, tokens: Tensor, start: Tensor | None, x_cond: Tensor | None = None, encoded: Tensor | None = None
    ) -> Tensor:
        """Hidden states that predict each token from those before it.

        Args:
            tokens: (B, T).
            start: start embedding (B, 1, width), None for a model with its own start token.
            x_cond: conditioning of every position, (B, T, width) or longer.
            encoded: the lyric encoder's output (B, L, width), for cross layers.

        Returns:
            (B, T, width).
        """
        return self.transformer(self.inputs(tokens[:, :-1], start, x_cond), encoded)

    def logits(self, hidden: Tensor, x_cond: Tensor | None) -> Tensor:
        """(…, width) -> (…, bins); `x_cond` has hidden's shape."""
        hidden = hidden if self.merged or x_cond is None else hidden + x_cond
        return self.x_out(hidden.to(self.dtype))

    def forward(
        self, tokens: Tensor, start: Tensor | None, x_cond: Tensor | None = None, encoded: Tensor | None = None
    ) -> Tensor:
        """Teacher-forced logits (B, T, bins) of each token given the ones before; arguments as for `hidden`."""
        return self.logits(self.hidden(tokens, start, x_cond, encoded), x_cond)
