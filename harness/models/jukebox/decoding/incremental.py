"""Incremental decoding of one window with preallocated KV caches.

A prompt is taken in by whole rows (`prime`), every further token alone (`feed`). Both run the residual block of
`network.transformer`; a single token runs it with maps that write into buffers allocated once per window, because at a
few rows a step the time goes into reading weights and into calls, not into arithmetic.

On a GPU a step is launched as one CUDA graph. A graph knows no positions: there a step looks its cache slots up in
tables, reads whole lines and masks the slots that are not filled yet. Both ways compute the same sums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.models.jukebox.decoding.kv_cache import DevicePosition, HostPosition, KVCache
from harness.models.jukebox.network.affine import affine
from harness.models.jukebox.network.attention import FactoredAttention, Pattern
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.transformer import MLP, Autoregressive, ResAttnBlock, quick_gelu, residual_block

CHUNK = 1024
"""Positions that a prompt is taken in by: a whole window's activations would need gigabytes in a large model."""


class StepAttention:
    """An attention layer at one position, of `batch` clips: float32 (B, width) -> (B, width)."""

    def __init__(self, layer: FactoredAttention, cache: KVCache, batch: int) -> None:
        self.cache = cache
        self.c_attn, self.c_proj = affine(layer.c_attn, batch), affine(layer.c_proj, batch)
        heads, depth, like = layer.heads, cache.kv.shape[-1], cache.kv
        self.writes = layer.pattern is not Pattern.CROSS
        parts = 3 if self.writes else 1  # queries, keys, values; a cross layer's keys are the encoder's
        self.projected = self.c_attn.out.view(batch, parts, heads, depth).transpose(0, 1)  # (parts, B, H, D)
        self.scales = like.new_tensor([1 / sqrt(depth), 1, 1][:parts]).view(parts, 1, 1, 1)
        self.write_buffer = like.new_empty(parts, batch, heads, depth)
        self.q = self.write_buffer[0].view(batch * heads, 1, depth)  # (B·H, 1, D)
        self.kv = self.write_buffer[1:].view(-1, batch * heads, depth)  # (2, B·H, D)
        self.mixed = like.new_empty(batch * heads, 1, depth)
        self.mixed_rows = self.mixed.view(batch, -1)  # (B, H·D)

    def __call__(self, x: Tensor, position: HostPosition | DevicePosition) -> Tensor:
        self.c_attn(x)
        torch.mul(self.projected, self.scales, out=self.write_buffer)
        if self.writes:
            position.write(self.cache, self.kv)
        k, v, unfilled = position.read(self.cache)
        scores = torch.bmm(self.q, k)  # (B·H, 1, slots)
        if unfilled is not None:
            scores.masked_fill_(unfilled, -torch.inf)
        torch.bmm(scores.softmax(-1, torch.float32).to(v.dtype), v, out=self.mixed)
        return self.c_proj(self.mixed_rows)


class StepBlock:
    """A residual block at one position, of `batch` clips: the maths of `ResAttnBlock`, over faster maps."""

    def __init__(self, block: ResAttnBlock, cache: KVCache, batch: int) -> None:
        self.ln_0, self.ln_1 = _norm(block.ln_0), _norm(block.ln_1)
        self.attention = StepAttention(block.attn, cache, batch)
        self.mlp = _mlp(block.mlp, batch)

    def __call__(self, x: Tensor, position: HostPosition | DevicePosition) -> Tensor:
        """float32 (B, width) -> (B, width)."""
        return residual_block(x, self.ln_0, lambda h: self.attention(h, position), self.ln_1, self.mlp)


def _norm(norm: nn.LayerNorm) -> Callable[[Tensor], Tensor]:
    """A layer norm without the overhead of calling a module."""
    shape, weight, bias, eps = norm.normalized_shape, norm.weight, norm.bias, norm.eps
    return lambda x: torch.layer_norm(x, shape, weight, bias, eps)


def _mlp(mlp: MLP, batch: int) -> Callable[[Tensor], Tensor]:
    """An MLP over `batch` rows."""
    c_fc, c_proj = affine(mlp.c_fc, batch), affine(mlp.c_proj, batch)
    slope = c_fc.out.new_tensor(1.702)  # a tensor is not converted at every call
    return lambda x: c_proj(quick_gelu(c_fc(x), slope))


class Decoding:
    """A window being sampled: its KV caches, its conditioning, and the logits of the next token.

    Prime it once with the tokens that exist, then feed it one token at a time, under `torch.inference_mode`.

    Args:
        model: the transformer to decode.
        start: start embedding (B, 1, width), None for a model with its own start token.
        x_cond: conditioning of every position, (B, n_ctx, width).
        encoded: the lyric encoder's output (B, n_tokens, width), where layers read it.
        chunk: positions that `prime` takes in at once, rounded up to whole rows.
        graph: whether steps are launched as CUDA graphs; by default on a GPU.
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
        self.bias = x_cond + model.pos_emb.pos_emb  # (B, n_ctx, width): all that a position adds to its token
        batch, device = len(x_cond), x_cond.device
        dtype = model.dtype if device.type == "cuda" else torch.float32
        blocks = model.transformer.blocks
        self.caches = [KVCache(block.attn, batch, dtype, encoded) for block in blocks]
        self.blocks = [StepBlock(block, cache, batch) for block, cache in zip(blocks, self.caches, strict=True)]
        self.head = affine(model.x_out, batch)
        columns = model.transformer.config.block_ctx
        self.chunk = -(-chunk // columns) * columns
        self.position = 0
        self.graph = None
        if graph if graph is not None else device.type == "cuda":
            self.graph = Graph(self, batch, device)

    def prime(self, tokens: Tensor) -> Tensor:
        """Take in the first tokens (B, T), T ≥ 0 -> logits (B, bins) of token T."""
        x = self.model.inputs(tokens, self.start, self.x_cond)  # (B, T + 1, width)
        last = x.shape[1] - 1
        x = F.pad(x, (0, 0, 0, -x.shape[1] % self.model.transformer.config.block_ctx))  # whole rows
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
        position, at = HostPosition(self.position), self.position
        return self.step(token, self.bias[:, at], self.x_cond[:, at], position).clone()

    def step(self, token: Tensor, bias: Tensor, x_cond: Tensor, position: HostPosition | DevicePosition) -> Tensor:
        """Token (B,) at `position`, with what it is given there (B, width) twice -> logits (B, bins) in a buffer."""
        x = self.model.x_emb(token) + bias
        for block in self.blocks:
            x = block(x, position)
        return self.head(x if self.model.merged else x + x_cond)


class Graph:
    """A step whose position is on the device; on CUDA captured at its first use and launched as one graph after."""

    def __init__(self, decoding: Decoding, batch: int, device: torch.device) -> None:
        self.decoding = decoding
        self.token = torch.zeros(batch, dtype=torch.long, device=device)
        self.position = torch.zeros(1, dtype=torch.long, device=device)
        self.on_device = DevicePosition(self.position)
        self.captured: torch.cuda.CUDAGraph | None = None
        self.logits = torch.empty(0)

    def feed(self, token: Tensor, position: int) -> Tensor:
        """Token (B,) at `position` -> logits (B, bins) in a buffer that the next call overwrites."""
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
        return decoding.step(self.token, bias, x_cond, self.on_device)


def begin_window(prior: Prior, y: Tensor, z_cond: Tensor | None = None, chunk: int = CHUNK) -> Decoding:
    """A window of a prior ready to be sampled; prime it with the prior's `sequence_prompt` of the codes that exist.

    Args:
        prior: of the level.
        y: label rows (B, y).
        z_cond: the codes above, (B, n_ctx / ratio) or fewer, for an upsampler.
        chunk: positions that priming takes in at once.
    """
    start, x_cond = prior.conditioning(y, z_cond)
    if prior.config.single_enc_dec:
        x_cond = F.pad(x_cond, (0, 0, prior.config.n_tokens, 0))  # (B, total_ctx, width)
    return Decoding(prior.prior, start, x_cond, prior.encode_lyrics(y), chunk, prior.graph)
