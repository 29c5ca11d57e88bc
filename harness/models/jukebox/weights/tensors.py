"""safetensors files, one tensor at a time.

A file is eight bytes with the length of a JSON header, the header ({key: {dtype, shape, data_offsets}}), and the
tensors' bytes one after another. The safetensors package writes a whole dictionary at once and reads by mapping the
file; a prior of 10 GB shall need its own memory once, so here a tensor is written and let go before the next is looked
at, and read straight into the memory that it stays in.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from harness.core.errors import ModelError
from metrics.io.files import atomic_writer

M = TypeVar("M", bound=nn.Module)

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32,
}  # fmt: skip
NAMES = {dtype: name for name, dtype in DTYPES.items()}

LONGEST_HEADER = 100_000_000  # bytes, the limit of the format


@dataclass(frozen=True)
class Spec:
    """What a tensor is without its values."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def bytes(self) -> int:
        """Size of the tensor in the file."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Header:
    """What a file holds, in the order of its bytes; `start` is where they begin."""

    tensors: Mapping[str, Spec]
    start: int
    metadata: Mapping[str, str] = field(default_factory=dict)


def write_tensors(path: Path, specs: Mapping[str, Spec], tensors: Iterable[Tensor], metadata: Mapping[str, str]) -> str:
    """Write a safetensors file, whole or not at all.

    Args:
        path: the file.
        specs: shape and type by key, in the order of `layout`.
        tensors: in the same order; each is used once and may be released after.
        metadata: for the header.

    Returns:
        The SHA-256 of the file, in hex.

    Raises:
        ValueError: a tensor that differs from its spec.
    """
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for key, spec in specs.items():
        table[key] = {
            "dtype": NAMES[spec.dtype], "shape": list(spec.shape), "data_offsets": [end, end := end + spec.bytes],
        }  # fmt: skip
    head = json.dumps(table, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    digest = hashlib.sha256()
    with atomic_writer(path) as file:

        def put(block: bytes | memoryview) -> None:
            digest.update(block)
            file.write(block)

        put(len(head).to_bytes(8, "little"))
        put(head)
        for spec, tensor in zip(specs.values(), tensors, strict=True):
            if (tuple(tensor.shape), tensor.dtype) != (spec.shape, spec.dtype):
                raise ValueError(f"a tensor is {tensor.dtype} {tuple(tensor.shape)} and was announced as {spec}")
            put(_bytes_of(tensor.contiguous()))
    return digest.hexdigest()


def layout(specs: Mapping[str, Spec]) -> dict[str, Spec]:
    """The order of a file: wide elements first, so that every tensor is aligned in a mapped file."""
    return dict(sorted(specs.items(), key=lambda item: -item[1].dtype.itemsize))


def read_header(path: Path) -> Header:
    """Raises `ModelError` for a file that is no safetensors file or is cut short, `OSError` where it cannot be read."""
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        try:
            if not 2 <= length <= min(LONGEST_HEADER, size - 8):
                raise ValueError("its header is cut short")
            table = json.loads(file.read(length))
            metadata = table.pop("__metadata__", {})
            ordered = sorted(table.items(), key=lambda item: item[1]["data_offsets"])
            specs, end = {}, 0
            for key, entry in ordered:
                spec = Spec(tuple(entry["shape"]), DTYPES[entry["dtype"]])
                if entry["data_offsets"] != [end, end + spec.bytes]:
                    raise ValueError(f"the offsets of {key} do not fit its shape")
                specs[key], end = spec, end + spec.bytes
            if size != 8 + length + end:
                raise ValueError(f"it has {size:,} bytes and announces {8 + length + end:,}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{path} is not a whole safetensors file ({error}). Delete it and fetch it again."
            ) from error
    return Header(specs, 8 + length, metadata)


def read_tensors(path: Path, header: Header) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in the order of the file, each read at its turn."""
    with path.open("rb", buffering=0) as file:
        file.seek(header.start)
        for key, spec in header.tensors.items():
            tensor = torch.empty(spec.shape, dtype=spec.dtype)
            block = _bytes_of(tensor)
            while block:
                got = file.readinto(block)
                if not got:
                    raise ModelError(f"{path} ended within {key}: another program changed it. Fetch it again.")
                block = block[got:]
            yield key, tensor


class _Uninitialised(TorchFunctionMode):
    """Draws no initial values. On the meta device they have none, and yet drawing and scaling them makes torch import
    its compiler: 815 modules, 1.3 s of processor."""

    FILL = frozenset({"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "zero_", "fill_"})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in self.FILL:
            return args[0] if args else kwargs["tensor"]
        if name == "mul" and isinstance(args[1], int | float):
            return args[0]
        return (torch.empty if func is torch.randn else func)(*args, **kwargs)


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules built here have shapes and no values."""
    with torch.device("meta"), _Uninitialised():
        yield


def load_module(
    build: Callable[[], M],
    tensors: Iterable[tuple[str, Tensor]],
    dtype: torch.dtype = torch.float32,
    products: Callable[[M], Collection[str]] = lambda module: (),
) -> M:
    """A module with these weights, for inference. It takes memory once: it is built without any, and each tensor is
    converted as it comes.

    Args:
        build: makes the module.
        tensors: keys, and tensors of the module's shapes; tied parameters under any or all of their names.
        dtype: of the tensors that `products` names; the others are float32.
        products: gives the keys of the tensors that the module multiplies with.
    """
    with without_memory():
        module = build()
    names = tied_names(module)
    reduced = set(products(module))
    placed: set[str] = set()
    for key, tensor in tensors:
        if key in placed:
            continue
        wanted = dtype if key in reduced else torch.float32
        value = tensor.to(wanted) if tensor.is_floating_point() else tensor
        parameter = nn.Parameter(value, requires_grad=False)
        for name in names[key]:
            owner, _, attribute = name.rpartition(".")
            parent = module.get_submodule(owner)
            setattr(parent, attribute, parameter if attribute in parent._parameters else value)
            placed.add(name)
    left = [name for name, value in (*module.named_parameters(), *module.named_buffers()) if value.is_meta]
    if left:
        raise RuntimeError(f"{type(module).__name__} is without values for {left[:3]}")
    return module.eval().requires_grad_(False)


def tied_names(module: nn.Module) -> dict[str, tuple[str, ...]]:
    """For each key of a state dict all keys of the same tensor, itself among them."""
    state = module.state_dict(keep_vars=True)
    groups: dict[int, list[str]] = {}
    for key, tensor in state.items():
        groups.setdefault(id(tensor), []).append(key)
    return {key: tuple(groups[id(tensor)]) for key, tensor in state.items()}


def _bytes_of(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor."""
    return memoryview(tensor.detach().reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
