"""Factored attention: a sequence of n_ctx positions seen as `blocks` rows of `block_ctx` columns.

A layer reads one of these patterns (the numbers are the original's):

    0 dense       every earlier position
    1 row         its own row, up to itself
    2 column      its own column in earlier rows, and itself
    3 previous    the whole row before; zeros in the first row, where the output is the projection's bias
    6 cross       every position of a second sequence (the lyric encoder's)
    7 prime       the first `prime_len` positions, up to itself

Source: Child et al. 2019, "Generating Long Sequences with Sparse Transformers"; Jukebox, appendix A.
"""

from __future__ import annotations

from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.core.errors import ModelError
from harness.models.jukebox.network.affine import Conv1D
from harness.models.jukebox.network.config import TransformerConfig


class Pattern(IntEnum):
    """What a layer reads, by the original's numbers."""

    DENSE = 0
    ROW = 1
    COLUMN = 2
    PREVIOUS = 3
    CROSS = 6
    PRIME = 7


def layer_pattern(order: int, layer: int) -> Pattern:
    """The pattern of layer `layer` under the original's `attn_order`. Raises `ModelError` for an unknown order.

    >>> [int(layer_pattern(2, i)) for i in range(4)], int(layer_pattern(12, 15)), int(layer_pattern(10, 18))
    ([1, 2, 3, 1], 7, 6)
    """
    cycle = (Pattern.ROW, Pattern.COLUMN, Pattern.PREVIOUS)
    if order == 2:
        return cycle[layer % 3]
    if order == 12:
        return (Pattern.PRIME, Pattern.PRIME, Pattern.DENSE)[layer % 3] if layer % 16 == 15 else cycle[layer % 3]
    if order == 10:  # nine music layers, then ten at a time of which the last reads the lyrics
        if layer < 9:
            return cycle[layer % 3]
        in_ten = (layer - 9) % 10
        return Pattern.CROSS if in_ten == 9 else cycle[in_ten % 3]
    raise ModelError(f"attn_order is {order}: 2, 10 or 12 was expected.")


class FactoredAttention(nn.Module):
    """One attention layer over whole rows at once; `decoding.kv_cache` runs it over what came before.

    Shapes: B clips, T positions, H heads, D the size of a head (H·D = m_attn · width), L positions of the encoder.
    """

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        state = int(config.m_attn * config.width)  # H·D
        self.config, self.heads = config, config.heads
        self.pattern = layer_pattern(config.attn_order, layer)
        if self.pattern is Pattern.CROSS:
            self.c_attn = Conv1D(config.width, state)  # queries
            self.c_enc_kv = Conv1D(config.width, 2 * state)  # keys and values, of the encoder
        else:
            self.c_attn = Conv1D(config.width, 3 * state)  # queries, keys and values
        self.c_proj = Conv1D(state, config.width)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, H·D) -> (B, H, T, D)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)  # (B, T, H, D) -> (B, H, T, D)

    def encoder_kv(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """The lyric encoder's output (B, L, width) -> keys and values (B, H, L, D)."""
        k, v = self.c_enc_kv(encoded).chunk(2, -1)  # (B, L, H·D) each
        return self.split_heads(k), self.split_heads(v)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, width) -> queries, keys and values of these positions, each (B, H, T, D)."""
        q, k, v = (self.split_heads(part) for part in self.c_attn(x).chunk(3, -1))
        return q, k, v

    def forward(self, x: Tensor, encoded: Tensor | None = None) -> Tensor:
        """(B, T, width) -> (B, T, width), T a multiple of block_ctx, from the first position on."""
        if self.pattern is Pattern.CROSS:
            if encoded is None:
                raise ModelError("a cross layer got no encoder output: (B, n_tokens, width) was expected.")
            return self.attend(self.split_heads(self.c_attn(x)), *self.encoder_kv(encoded), 0)
        return self.attend(*self.project(x), 0)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, first: int) -> Tensor:
        """Attention of whole rows to every position so far.

        Args:
            q: queries (B, H, T, D) of rows that begin at position `first`.
            k: keys (B, H, first + T, D) of every position so far; in a cross layer (B, H, L, D), the encoder's.
            v: values, shaped as the keys.
            first: a multiple of block_ctx.

        Returns:
            (B, T, width).
        """
        mixed = self._mix(q, k, v, first)  # (B, H, T, D)
        return self.c_proj(mixed.transpose(1, 2).flatten(2))  # (B, T, H·D) -> (B, T, width)

    def _mix(self, q: Tensor, k: Tensor, v: Tensor, first: int) -> Tensor:
        """Values weighted by the pattern's attention, (B, H, T, D)."""
        columns = self.config.block_ctx
        if self.pattern is Pattern.CROSS:
            return F.scaled_dot_product_attention(q, k, v)
        if self.pattern is Pattern.PRIME:
            k, v = k[:, :, : self.config.prime_len], v[:, :, : self.config.prime_len]
            return F.scaled_dot_product_attention(q, k, v, attn_mask=_earlier(q.shape[2], k.shape[2], first, q))
        if self.pattern is Pattern.DENSE:
            return _causal(q, k, v, first)
        if self.pattern is Pattern.ROW:
            q, k, v = (part.unflatten(2, (-1, columns)) for part in (q, k[:, :, first:], v[:, :, first:]))
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, rows, columns, D)
            return mixed.flatten(2, 3)
        q, k, v = (part.unflatten(2, (-1, columns)) for part in (q, k, v))  # (B, H, rows, columns, D)
        if self.pattern is Pattern.COLUMN:
            q, k, v = (part.transpose(2, 3) for part in (q, k, v))  # (B, H, columns, rows, D)
            return _causal(q, k, v, first // columns).transpose(2, 3).flatten(2, 3)
        row = first // columns
        if row:
            mixed = F.scaled_dot_product_attention(q, k[:, :, row - 1 : -1], v[:, :, row - 1 : -1])
        else:  # nothing comes before the first row
            later = F.scaled_dot_product_attention(q[:, :, 1:], k[:, :, :-1], v[:, :, :-1])
            mixed = torch.cat([torch.zeros_like(q[:, :, :1]), later], 2)
        return mixed.flatten(2, 3)  # (B, H, rows, columns, D) -> (B, H, T, D)


def _causal(q: Tensor, k: Tensor, v: Tensor, first: int) -> Tensor:
    """Each of the queries (…, T, D), which begin at position `first`, reads the keys up to itself."""
    if first == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=_earlier(q.shape[-2], k.shape[-2], first, q))


def _earlier(queries: int, keys: int, first: int, like: Tensor) -> Tensor:
    """True where a query, the first of which is at position `first`, may read a key: (queries, keys)."""
    return torch.ones(queries, keys, dtype=torch.bool, device=like.device).tril(first)
