"""Reading a TensorFlow 1 checkpoint without TensorFlow: numpy and 80 lines.

A checkpoint is two files. `.index` is a LevelDB table: blocks of key-value entries whose keys share prefixes, found
from an index block, found from a footer. Each value is a `BundleEntryProto` that says where a tensor's bytes lie in
`.data`. Formats: LevelDB's table_format.md, TensorFlow's tensor_bundle.proto. What pretrained packages need is read:
one shard, uncompressed blocks, float32. Anything else is a `WeightsError`, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.errors import WeightsError

MAGIC = bytes.fromhex("57fb808b247547db")
FLOAT32 = 1  # tensorflow.DataType.DT_FLOAT
VARINT, LENGTH_DELIMITED, FIXED32 = 0, 2, 5


def read_tensors(index: Path, data: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 tensor of a checkpoint by its name, as read-only views of one buffer.

    Raises `WeightsError` for files that are not a single-shard, uncompressed checkpoint.
    """
    table, content = index.read_bytes(), data.read_bytes()
    if table[-8:] != MAGIC:
        raise WeightsError(f"{index} is not a TensorFlow checkpoint index: its last 8 bytes are {table[-8:].hex()}.")
    footer = table[-48:]
    _, _, position = _handle(footer, 0)  # the meta-index block, unused
    offset, size, _ = _handle(footer, position)
    tensors = {}
    for _, handle in _entries(table, offset, size):
        for key, value in _entries(table, *_handle(handle, 0)[:2]):
            if key:  # the empty key holds the header of the bundle
                tensor = _tensor(value, content, key.decode())
                if tensor is not None:
                    tensors[key.decode()] = tensor
    return tensors


def _tensor(value: bytes, content: bytes, name: str) -> NDArray[np.float32] | None:
    fields = dict(_fields(value))
    shape = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(fields.get(2, b"")) if number == 2]
    if fields.get(1) != FLOAT32:
        return None
    if fields.get(3, 0) != 0:
        raise WeightsError(f"tensor {name} lies in shard {fields[3]} of its checkpoint: one shard was expected.")
    offset, size = fields.get(4, 0), fields.get(5, 0)
    if size != 4 * math.prod(shape) or offset + size > len(content):
        raise WeightsError(f"tensor {name} of shape {shape} does not fit its {size} bytes: the checkpoint is damaged.")
    return np.frombuffer(content, dtype="<f4", count=size // 4, offset=offset).reshape(shape)


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The key-value pairs of one block. Each key repeats the first bytes of the one before."""
    if table[offset + size] != 0:
        raise WeightsError("a block of the checkpoint's index is compressed: an uncompressed one was expected.")
    block = table[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end = size - 4 * (restarts + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _handle(buffer: bytes, position: int) -> tuple[int, int, int]:
    """Where a block lies: (offset, size, position after the handle)."""
    offset, position = _varint(buffer, position)
    size, position = _varint(buffer, position)
    return offset, size, position


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protocol buffer message as (number, value): an integer or the bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, position = _varint(message, position)
        elif kind == LENGTH_DELIMITED:
            length, position = _varint(message, position)
            value, position = message[position : position + length], position + length
        elif kind == FIXED32:
            value, position = message[position : position + 4], position + 4
        else:
            raise WeightsError(f"the checkpoint's index holds a field of wire type {kind}: it is damaged.")
        yield number, value


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
