"""A window sampled one token after another: everything a step needs is laid out before the first.

Keys and values of a layer lie in one buffer made once per window, (majors, 2, B·H, minors, D), in the order in which
its pattern reads them: for each head a step writes one entry and reads one contiguous stretch, whose length is bounded
by the row, not by the position. So a token costs the same wherever it stands, but for the few dense layers of order 12.

    row        major: its row      minor: its column     reads its row up to itself
    column     major: its column   minor: its row        reads its column up to itself
    previous   major: its row + 1  minor: its column     reads the major before; major 0 stays zero
    dense      minor: its position                       reads up to itself
    prime      minor: its position                       reads the first prime_len, up to itself
    cross      filled once, by the encoder               reads all

On a GPU a step is launched as one CUDA graph. A graph knows no positions: there a step looks its places up in tables,
reads whole stretches and masks what is not there yet. Both ways compute the same sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.network.affine import affine
from harness.models.jukebox.network.attention import FactoredAttention, Pattern
from harness.models.jukebox.network.config import TransformerConfig

if TYPE_CHECKING:
    from harness.models.jukebox.network.transformer import Autoregressive, ResAttnBlock

CHUNK = 1024
"""Positions that a prompt is taken in by: the activations of a whole window of the largest model would need 3 GB."""


@dataclass(frozen=True)
class Places:
    """Where each position of a window writes its key and value, and what it reads."""

    majors: int
    minors: int
    write: list[tuple[int, int]]  # major, minor
    read: list[tuple[int, int]]  # major, how many minors of it

    @classmethod
    def of(cls, pattern: Pattern, config: TransformerConfig) -> Places:
        rows, columns = config.blocks, config.block_ctx
        count = rows * columns
        grid = [divmod(position, columns) for position in range(count)]
        if pattern is Pattern.ROW:
            return cls(rows, columns, grid, [(row, column + 1) for row, column in grid])
        if pattern is Pattern.COLUMN:
            return cls(columns, rows, [(c, r) for r, c in grid], [(c, r + 1) for r, c in grid])
        if pattern is Pattern.PREVIOUS:
            return cls(rows + 1, columns, [(row + 1, c) for row, c in grid], [(row, columns) for row, _ in grid])
        if pattern is Pattern.DENSE:
            return cls(1, count, [(0, p) for p in range(count)], [(0, p + 1) for p in range(count)])
        if pattern is Pattern.CROSS:
            length = config.encoder_len
            return cls(1, length, [(0, p) for p in range(length)], [(0, length)] * count)
        end = config.prime_len  # later keys are never read: they all go to one place behind the last
        return cls(1, end + 1, [(0, min(p, end)) for p in range(count)], [(0, min(p + 1, end)) for p in range(count)])


class Cache:
    """Keys and values of one layer in one window."""

    def __init__(self, layer: FactoredAttention, batch: int, dtype: torch.dtype, encoded: Tensor | None) -> None:
        self.layer, self.batch = layer, batch
        self.places = Places.of(layer.pattern, layer.config)
        depth = layer.c_proj.n_in // layer.heads
        size = (self.places.majors, 2, batch * layer.heads, self.places.minors, depth)
        self.kv = torch.zeros(size, dtype=dtype, device=layer.c_proj.b.device)
        self.majors = [(kv, kv[0].transpose(1, 2), kv[1]) for kv in self.kv]  # both, keys (B·H, D, minors), values
        if encoded is not None and layer.pattern is Pattern.CROSS:
            self._put(*layer.encoder_kv(encoded), first=0)

    def extend(self, x: Tensor, first: int) -> Tensor:
        """The layer at whole rows that begin at position `first`: (B, T, width) -> (B, T, width)."""
        layer, end = self.layer, first + x.shape[1]
        if layer.pattern is Pattern.CROSS:
            q = layer.split_heads(layer.c_attn(x))
            return layer.attend(q, *self._so_far(self.places.minors, q), first)
        q, k, v = layer.project(x)
        self._put(k, v, first)
        if first:
            k, v = self._so_far(end, q)
        return layer.attend(q, k, v, first)

    def _put(self, k: Tensor, v: Tensor, first: int) -> None:
        """Keep keys and values (B, H, T, D) of the positions from `first` on; of a cross layer, of the encoder."""
        new = torch.stack([k.flatten(0, 1), v.flatten(0, 1)]).permute(2, 0, 1, 3)  # (T, 2, B·H, D)
        majors, minors = zip(*self.places.write[first : first + len(new)], strict=True)
        self.kv[majors, :, :, minors] = new.to(self.kv.dtype)

    def _so_far(self, end: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, end, D) of the first positions in their order."""
        majors, minors = zip(*self.places.write[:end], strict=True)
        k, v = self.kv[majors, :, :, minors].permute(1, 2, 0, 3).unflatten(1, (self.batch, -1)).to(like.dtype)
        return k, v


class HostPlaces:
    """The position as a number: reads exactly what is there."""

    def __init__(self, position: int) -> None:
        self.position = position

    def write(self, cache: Cache, kv: Tensor) -> None:
        major, minor = cache.places.write[self.position]
        cache.majors[major][0].select(2, minor).copy_(kv)

    def read(self, cache: Cache) -> tuple[Tensor, Tensor, Tensor | None]:
        major, length = cache.places.read[self.position]
        _, k, v = cache.majors[major]
        if length < cache.places.minors:
            k, v = k.narrow(2, 0, length), v.narrow(1, 0, length)
        return k, v, None


class Tables:
    """The position as a tensor on the device: reads whole stretches, with a mask over what is not there yet."""

    def __init__(self, position: Tensor) -> None:
        self.position = position  # int64 (1,)
        self._tables: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def write(self, cache: Cache, kv: Tensor) -> None:
        write, _, _ = self._of(cache)
        major, minor = write.index_select(1, self.position)  # each (1,)
        cache.kv[major, :, :, minor] = kv.unsqueeze(0)

    def read(self, cache: Cache) -> tuple[Tensor, Tensor, Tensor | None]:
        _, read, minors = self._of(cache)
        major, length = read.index_select(1, self.position)
        kv = cache.kv if len(cache.kv) == 1 else cache.kv.index_select(0, major)
        return kv[0, 0].transpose(1, 2), kv[0, 1], minors >= length

    def _of(self, cache: Cache) -> tuple[Tensor, Tensor, Tensor]:
        if id(cache) not in self._tables:
            places, device = cache.places, self.position.device
            write, read = (torch.tensor(pairs, device=device).T.contiguous() for pairs in (places.write, places.read))
            self._tables[id(cache)] = write, read, torch.arange(places.minors, device=device)
        return self._tables[id(cache)]


class StepLayer:
    """One layer of the transformer at one position. Its buffers are made once and written by every step."""

    def __init__(self, block: ResAttnBlock, cache: Cache, batch: int) -> None:
        self.cache, self.ln_0, self.ln_1 = cache, _norm(block.ln_0), _norm(block.ln_1)
        self.c_attn, self.c_proj = affine(block.attn.c_attn, batch), affine(block.attn.c_proj, batch)
        self.c_fc, self.mlp_proj = affine(block.mlp.c_fc, batch), affine(block.mlp.c_proj, batch)
        heads, depth, like = block.attn.heads, cache.kv.shape[-1], cache.kv
        self.writes = block.attn.pattern is not Pattern.CROSS
        parts = 3 if self.writes else 1
        self.projected = self.c_attn.out.view(batch, parts, heads, depth).transpose(0, 1)
        self.scales = like.new_tensor([1 / sqrt(depth), 1, 1][:parts]).view(parts, 1, 1, 1)
        self.staged = like.new_empty(parts, batch, heads, depth)
        self.q = self.staged[0].view(batch * heads, 1, depth)
        self.kv = self.staged[1:].view(-1, batch * heads, depth)  # (2, B·H, D)
        self.mixed = like.new_empty(batch * heads, 1, depth)
        self.mixed_rows = self.mixed.view(batch, -1)
        self.gate, self.slope = torch.empty_like(self.c_fc.out), self.c_fc.out.new_tensor(1.702)

    def step(self, x: Tensor, places: HostPlaces | Tables) -> None:
        """Add the layer's contribution to float32 (B, width) in place."""
        self.c_attn(torch.layer_norm(x, *self.ln_0))
        torch.mul(self.projected, self.scales, out=self.staged)
        if self.writes:
            places.write(self.cache, self.kv)
        k, v, missing = places.read(self.cache)
        scores = torch.bmm(self.q, k)  # (B·H, 1, minors)
        if missing is not None:
            scores.masked_fill_(missing, -torch.inf)
        torch.bmm(scores.softmax(-1, torch.float32).to(v.dtype), v, out=self.mixed)
        x.add_(self.c_proj(self.mixed_rows))
        h = self.c_fc(torch.layer_norm(x, *self.ln_1))
        torch.mul(h, self.slope, out=self.gate).sigmoid_()
        x.add_(self.mlp_proj(h.mul_(self.gate)))


def _norm(norm: nn.LayerNorm) -> tuple[Sequence[int], Tensor, Tensor, float]:
    return norm.normalized_shape, norm.weight, norm.bias, norm.eps


class Decoding:
    """A window being sampled: the caches, the conditioning, and the logits of the next token.

    `start` (B, 1, width) and `x_cond` (B, n_ctx, width) as in `Autoregressive.forward`. Feed the tokens that are there
    with `prime`, `chunk` positions at a time (a whole number of rows), then one at a time with `feed`. To be used under
    `torch.inference_mode`. `graph` chooses how a step is launched; by default as a CUDA graph where there is one.
    """

    def __init__(
        self,
        model: Autoregressive,
        start: Tensor | None,
        x_cond: Tensor,
        encoded: Tensor | None = None,
        chunk: int = CHUNK,
        graph: bool | None = None,
    ) -> None:
        self.model, self.start, self.x_cond = model, start, x_cond
        self.bias = x_cond + model.pos_emb.pos_emb  # everything that a position adds to its token, known ahead
        batch, device = len(x_cond), x_cond.device
        dtype = model.dtype if device.type == "cuda" else torch.float32
        blocks = model.transformer.blocks
        self.caches = [Cache(block.attn, batch, dtype, encoded) for block in blocks]
        self.layers = [StepLayer(block, cache, batch) for block, cache in zip(blocks, self.caches, strict=True)]
        self.head = affine(model.x_out, batch)
        columns = model.transformer.config.block_ctx
        self.chunk = -(-chunk // columns) * columns
        self.position = 0
        self.graph = None
        if graph if graph is not None else device.type == "cuda":
            self.graph = Graph(self, batch, device)

    def prime(self, tokens: Tensor) -> Tensor:
        """Take in the first tokens (B, T), T ≥ 0 -> logits (B, bins) of token T."""
        x = self.model.inputs(tokens, self.start, self.x_cond)
        last = x.shape[1] - 1
        x = F.pad(x, (0, 0, 0, -x.shape[1] % self.model.transformer.config.block_ctx))
        for first in range(0, x.shape[1], self.chunk):
            hidden = x[:, first : first + self.chunk]
            for block, cache in zip(self.model.transformer.blocks, self.caches, strict=True):
                hidden = block(hidden, partial(cache.extend, first=first))
        self.position = tokens.shape[1]
        return self.model.logits(hidden[:, last % self.chunk], self.x_cond[:, self.position])

    def feed(self, token: Tensor) -> Tensor:
        """Take in one more token (B,) -> logits (B, bins) of the next."""
        self.position += 1
        if self.graph is not None:
            return self.graph.feed(token, self.position).clone()
        places, at = HostPlaces(self.position), self.position
        return self._step(token, self.bias[:, at], self.x_cond[:, at], places).clone()

    def _step(self, token: Tensor, bias: Tensor, x_cond: Tensor, places: HostPlaces | Tables) -> Tensor:
        x = self.model.x_emb(token) + bias
        for layer in self.layers:
            layer.step(x, places)
        return self.head(x if self.model.merged else x + x_cond)


class Graph:
    """A step whose position is on the device; on CUDA captured at its first use and launched as one graph after."""

    def __init__(self, decoding: Decoding, batch: int, device: torch.device) -> None:
        self.decoding = decoding
        self.token = torch.zeros(batch, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)
        self.places = Tables(self.position)
        self.captured: torch.cuda.CUDAGraph | None = None
        self.logits = torch.empty(0)

    def feed(self, token: Tensor, position: int) -> Tensor:
        self.token.copy_(token)
        self.position.fill_(position)
        if self.captured is not None:
            self.captured.replay()
            return self.logits
        logits = self._step()  # also makes the tables, which a capture may not; writes only its own position
        if self.token.device.type == "cuda":
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self.logits = self._step()
            self.captured = graph
        return logits

    def _step(self) -> Tensor:
        decoding = self.decoding
        bias, x_cond = (part.index_select(1, self.position).squeeze(1) for part in (decoding.bias, decoding.x_cond))
        return decoding._step(self.token, bias, x_cond, self.places)
