"""The KV cache of incremental decoding: the keys and values of one attention layer in one window.

They lie in one buffer allocated once per window, (lines, 2, B·H, slots, D). The two axes follow the layer's attention
pattern: a line holds the positions that a query may read together, a slot is one of them, in the order of reading. So
for each head a step writes one slot and reads one contiguous stretch, whose length is bounded by the row, not by the
position: a token costs the same wherever it stands, but for the few dense layers of order 12.

    row        line: its row       slot: its column      reads its row up to itself
    column     line: its column    slot: its row         reads its column up to itself
    previous   line: its row + 1   slot: its column      reads the line before; line 0 stays zero
    dense      one line            slot: its position    reads up to itself
    prime      one line            slot: its position    reads the first prime_len, up to itself
    cross      one line, filled once by the encoder      reads all

Shapes: B clips, H heads, T positions, D the size of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.models.jukebox.network.attention import FactoredAttention, Pattern
from harness.models.jukebox.network.config import TransformerConfig


@dataclass(frozen=True)
class CacheLayout:
    """Which slot each position of a window writes, and which slots it reads."""

    lines: int
    slots: int  # of a line
    write: list[tuple[int, int]]  # by position: line, slot
    read: list[tuple[int, int]]  # by position: line, how many of its slots

    @classmethod
    def of(cls, pattern: Pattern, config: TransformerConfig) -> CacheLayout:
        """The layout of a layer with this pattern."""
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
        end = config.prime_len  # later keys are never read: they all go to one slot behind the last
        return cls(1, end + 1, [(0, min(p, end)) for p in range(count)], [(0, min(p + 1, end)) for p in range(count)])


class KVCache:
    """Keys and values of one layer in one window of `batch` clips; of a cross layer, those of the encoder."""

    def __init__(self, layer: FactoredAttention, batch: int, dtype: torch.dtype, encoded: Tensor | None) -> None:
        self.layer, self.batch = layer, batch
        self.layout = CacheLayout.of(layer.pattern, layer.config)
        depth = layer.c_proj.n_in // layer.heads
        size = (self.layout.lines, 2, batch * layer.heads, self.layout.slots, depth)
        self.kv = torch.zeros(size, dtype=dtype, device=layer.c_proj.b.device)
        self.lines = [(kv, kv[0].transpose(1, 2), kv[1]) for kv in self.kv]  # both, keys (B·H, D, slots), values
        if encoded is not None and layer.pattern is Pattern.CROSS:
            self._put(*layer.encoder_kv(encoded), first=0)

    def extend(self, x: Tensor, first: int) -> Tensor:
        """The layer at whole rows that begin at position `first`: (B, T, width) -> (B, T, width)."""
        layer, end = self.layer, first + x.shape[1]
        if layer.pattern is Pattern.CROSS:
            q = layer.split_heads(layer.c_attn(x))  # (B, H, T, D)
            return layer.attend(q, *self._up_to(self.layout.slots, q), first)
        q, k, v = layer.project(x)
        self._put(k, v, first)
        if first:
            k, v = self._up_to(end, q)
        return layer.attend(q, k, v, first)

    def _put(self, k: Tensor, v: Tensor, first: int) -> None:
        """Write keys and values (B, H, T, D) of the positions from `first` on; of a cross layer, of the encoder."""
        new = torch.stack([k.flatten(0, 1), v.flatten(0, 1)]).permute(2, 0, 1, 3)  # (T, 2, B·H, D)
        lines, slots = zip(*self.layout.write[first : first + len(new)], strict=True)
        self.kv[lines, :, :, slots] = new.to(self.kv.dtype)

    def _up_to(self, end: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, end, D) of the first positions in their order."""
        lines, slots = zip(*self.layout.write[:end], strict=True)
        kv = self.kv[lines, :, :, slots]  # (end, 2, B·H, D)
        k, v = kv.permute(1, 2, 0, 3).unflatten(1, (self.batch, -1)).to(like.dtype)  # (2, B, H, end, D)
        return k, v


class HostPosition:
    """A position known as a number: reads exactly the slots that are filled."""

    def __init__(self, position: int) -> None:
        self.position = position

    def write(self, cache: KVCache, kv: Tensor) -> None:
        """Write keys and values (2, B·H, D) of this position."""
        line, slot = cache.layout.write[self.position]
        cache.lines[line][0].select(2, slot).copy_(kv)

    def read(self, cache: KVCache) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys (B·H, D, slots read) and values (B·H, slots read, D) that this position sees; no mask."""
        line, length = cache.layout.read[self.position]
        _, k, v = cache.lines[line]
        if length < cache.layout.slots:
            k, v = k.narrow(2, 0, length), v.narrow(1, 0, length)
        return k, v, None


class DevicePosition:
    """A position as a tensor on the device: reads whole lines, with a mask over the slots that are not filled yet."""

    def __init__(self, position: Tensor) -> None:
        self.position = position  # int64 (1,)
        self._tables: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def write(self, cache: KVCache, kv: Tensor) -> None:
        """Write keys and values (2, B·H, D) of this position."""
        write, _, _ = self._tables_of(cache)
        line, slot = write.index_select(1, self.position)  # each (1,)
        cache.kv[line, :, :, slot] = kv.unsqueeze(0)

    def read(self, cache: KVCache) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys (B·H, D, slots), values (B·H, slots, D) of the line, and True (slots,) where a slot is not filled."""
        _, read, slots = self._tables_of(cache)
        line, length = read.index_select(1, self.position)
        kv = cache.kv if len(cache.kv) == 1 else cache.kv.index_select(0, line)  # (1, 2, B·H, slots, D)
        return kv[0, 0].transpose(1, 2), kv[0, 1], slots >= length

    def _tables_of(self, cache: KVCache) -> tuple[Tensor, Tensor, Tensor]:
        """The layout on the device: lines and slots to write (2, positions), to read (2, positions), slot numbers."""
        if id(cache) not in self._tables:
            layout, device = cache.layout, self.position.device
            write, read = (torch.tensor(pairs, device=device).T.contiguous() for pairs in (layout.write, layout.read))
            self._tables[id(cache)] = write, read, torch.arange(layout.slots, device=device)
        return self._tables[id(cache)]
