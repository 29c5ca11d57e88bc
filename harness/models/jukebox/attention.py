"""Factored attention: a sequence of n_ctx positions seen as `blocks` rows of `block_ctx` columns.

A layer reads one of these patterns (the numbers are the original's):

    0 dense       every earlier position
    1 row         its own row, up to itself
    2 column      its own column in earlier rows, and itself
    3 previous    the whole row before; nothing in the first row, where the output is the projection's bias
    6 cross       every position of a second sequence (the lyric encoder's)
    7 prime       the first `prime_len` positions, up to itself

Keys and values of a window are kept in a buffer made once, laid out so that a step reads one contiguous stretch.
Source: Child et al. 2019, "Generating Long Sequences with Sparse Transformers"; Jukebox, appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.config import TransformerConfig


class Pattern(IntEnum):
    DENSE = 0
    ROW = 1
    COLUMN = 2
    PREVIOUS = 3
    CROSS = 6
    PRIME = 7


def layer_pattern(order: int, layer: int) -> Pattern:
    """Which pattern layer `layer` reads under the original's `attn_order`.

    >>> [int(layer_pattern(2, i)) for i in range(4)], int(layer_pattern(12, 15)), int(layer_pattern(10, 18))
    ([1, 2, 3, 1], 7, 6)
    """
    cycle = (Pattern.ROW, Pattern.COLUMN, Pattern.PREVIOUS)
    if order == 2:
        return cycle[layer % 3]
    if order == 12:
        return (Pattern.PRIME, Pattern.PRIME, Pattern.DENSE)[layer % 3] if layer % 16 == 15 else cycle[layer % 3]
    if order == 10:  # nine music layers, then ten at a time of which the last reads the lyrics
        place = (layer - 9) % 10
        return Pattern.CROSS if layer >= 9 and place == 9 else cycle[(layer if layer < 9 else place) % 3]
    raise ValueError(f"attn_order {order} is not one of 2, 10, 12")


class Conv1D(nn.Module):
    """An affine map stored as (n_in, n_out), the way the checkpoints have it."""

    def __init__(self, n_in: int, n_out: int, std: float = 0.02) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(n_in, n_out) * std)
        self.b = nn.Parameter(torch.zeros(n_out))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.b, x.flatten(0, -2), self.w).unflatten(0, x.shape[:-1])


@dataclass
class Cache:
    """Keys and values of one layer. Row layers hold (B, H, rows, columns, D), column layers (B, H, columns, rows, D),
    the others (B, H, positions, D); cross layers are filled once from the encoder."""

    k: Tensor
    v: Tensor


class FactoredAttention(nn.Module):
    """One attention layer, for a whole sequence (`forward`) or one position after another (`step`)."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        state = int(config.m_attn * config.width)
        self.config, self.heads = config, config.heads
        self.pattern = layer_pattern(config.attn_order, layer)
        if self.pattern is Pattern.CROSS:
            self.c_attn = Conv1D(config.width, state)
            self.c_enc_kv = Conv1D(config.width, 2 * state)
        else:
            self.c_attn = Conv1D(config.width, 3 * state)
        self.c_proj = Conv1D(state, config.width)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(-2, -3)  # (B, T, state) -> (B, H, T, D)

    def encoder_kv(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """The lyric encoder's output (B, L, width) -> keys and values (B, H, L, D)."""
        k, v = self.c_enc_kv(encoded).chunk(2, -1)
        return self._heads(k), self._heads(v)

    def forward(self, x: Tensor, encoded: Tensor | None = None, cache: Cache | None = None) -> Tensor:
        """(B, T, width) -> (B, T, width), T a multiple of block_ctx; `cache` receives the keys and values."""
        if self.pattern is Pattern.CROSS:
            if encoded is None:
                raise ValueError("a cross layer needs the encoder's output")
            q, (k, v) = self._heads(self.c_attn(x)), self.encoder_kv(encoded)
            if cache is not None:
                cache.k.copy_(k)
                cache.v.copy_(v)
            return self._out(F.scaled_dot_product_attention(q, k, v))
        q, k, v = (self._heads(part) for part in self.c_attn(x).chunk(3, -1))  # (B, H, T, D)
        if cache is not None:
            self._fill(cache, k, v)
        if self.pattern is Pattern.DENSE:
            return self._out(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        if self.pattern is Pattern.PRIME:
            length = min(self.config.prime_len, q.shape[2])
            allowed = torch.ones(q.shape[2], length, dtype=torch.bool, device=q.device).tril()
            return self._out(F.scaled_dot_product_attention(q, k[:, :, :length], v[:, :, :length], attn_mask=allowed))
        q, k, v = (part.unflatten(2, (-1, self.config.block_ctx)) for part in (q, k, v))  # (B, H, rows, columns, D)
        if self.pattern is Pattern.ROW:
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        elif self.pattern is Pattern.COLUMN:
            q, k, v = (part.transpose(2, 3) for part in (q, k, v))
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(2, 3)
        else:
            a = torch.zeros_like(q)
            a[:, :, 1:] = F.scaled_dot_product_attention(q[:, :, 1:], k[:, :, :-1], v[:, :, :-1])
        return self._out(a.flatten(2, 3))

    def _out(self, a: Tensor) -> Tensor:
        return self.c_proj(a.transpose(1, 2).flatten(2))  # (B, H, T, D) -> (B, T, width)

    def new_cache(self, batch: int) -> Cache:
        """Buffers for one window; what a step has not written yet it does not read."""
        rows, columns = self.config.blocks, self.config.block_ctx
        shape = {
            Pattern.ROW: (rows, columns),
            Pattern.PREVIOUS: (rows, columns),
            Pattern.COLUMN: (columns, rows),
            Pattern.CROSS: (self.config.encoder_len,),
        }.get(self.pattern, (rows * columns,))
        size = (batch, self.heads, *shape, self.c_proj.w.shape[0] // self.heads)
        return Cache(self.c_proj.w.new_zeros(size), self.c_proj.w.new_zeros(size))

    def _fill(self, cache: Cache, k: Tensor, v: Tensor) -> None:
        """Keep the keys and values (B, H, T, D) of the first T positions."""
        length = k.shape[2]
        for buffer, new in ((cache.k, k), (cache.v, v)):
            if self.pattern in (Pattern.DENSE, Pattern.PRIME):
                buffer[:, :, :length] = new
                continue
            grid = new.unflatten(2, (-1, self.config.block_ctx))
            if self.pattern is Pattern.COLUMN:
                buffer[:, :, :, : grid.shape[2]] = grid.transpose(2, 3)
            else:
                buffer[:, :, : grid.shape[2]] = grid

    def step(self, x: Tensor, cache: Cache, position: int) -> Tensor:
        """The layer at one position: (B, width) -> (B, width), reading and extending the cache."""
        row, column = divmod(position, self.config.block_ctx)
        if self.pattern is Pattern.CROSS:
            return self._attend(self.c_attn(x), cache.k, cache.v)
        q, k, v = self.c_attn(x).unflatten(-1, (3, self.heads, -1)).unbind(1)  # each (B, H, D)
        if self.pattern in (Pattern.DENSE, Pattern.PRIME):
            cache.k[:, :, position] = k
            cache.v[:, :, position] = v
            end = position + 1 if self.pattern is Pattern.DENSE else min(position + 1, self.config.prime_len)
            return self._attend(q, cache.k[:, :, :end], cache.v[:, :, :end])
        major, minor = (column, row) if self.pattern is Pattern.COLUMN else (row, column)
        cache.k[:, :, major, minor] = k
        cache.v[:, :, major, minor] = v
        if self.pattern is Pattern.PREVIOUS:
            if row == 0:
                return self.c_proj.b.expand(x.shape[0], -1)
            return self._attend(q, cache.k[:, :, row - 1], cache.v[:, :, row - 1])
        return self._attend(q, cache.k[:, :, major, : minor + 1], cache.v[:, :, major, : minor + 1])

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """One query a row, (B, H, D) or (B, state), against (B, H, L, D) -> (B, width)."""
        q = q.view(k.shape[0], self.heads, 1, -1)
        return self.c_proj(F.scaled_dot_product_attention(q, k, v).flatten(1))
