"""Codes on disk: what a clip has so far, or what it was stopped with.

A safetensors file with an int32 array (codes,) for each level, `level_0` the finest, and under "request" in its header
the request: the parts of the clip's identity from which it can be continued. A file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import UsageError

PREFIX = "level_"


@dataclass(frozen=True)
class Codes:
    """int64 codes (codes,) by level, and the request they belong to (empty when the file does not say)."""

    levels: dict[int, np.ndarray]
    request: dict[str, Any] = field(default_factory=dict)


def write_codes(path: Path, levels: Mapping[int, np.ndarray], request: Mapping[str, Any] | None = None) -> None:
    """Replace `path` with these codes."""
    from safetensors.numpy import save

    from metrics.io.files import write_bytes

    tensors = {f"{PREFIX}{level}": np.ascontiguousarray(codes, np.int32) for level, codes in levels.items()}
    metadata = None if request is None else {"request": json.dumps(request, sort_keys=True, ensure_ascii=False)}
    write_bytes(path, save(tensors, metadata))


def request_of(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a clip's identity that say how to continue its codes."""
    request = {key: identity[key] for key in ("prompt", "sampling", "seed", "seconds") if key in identity}
    return request | {"model": identity.get("model", {}).get("name")}


def read_codes(path: Path) -> Codes:
    """Raises `UsageError` for a file that holds no codes."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118
            levels = {int(name.removeprefix(PREFIX)): file.get_tensor(name).astype(np.int64) for name in names}
            request = json.loads((file.metadata() or {}).get("request", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(
            f"the codes {path} cannot be read ({error}): codes.safetensors of a stored clip, or a file of "
            "harness sample --save-codes, was expected."
        ) from error
    if not levels or any(codes.ndim != 1 for codes in levels.values()):
        raise UsageError(f"{path} holds no codes: arrays level_0, level_1, … of one clip were expected.")
    return Codes(levels, request)


def unfinished_codes(path: Path | None, given: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """The codes of an interrupted clip by level, or those that it is to begin with. A file that does not continue these
    is not this clip's, and is ignored."""
    if path is None or not path.is_file():
        return given
    try:
        found = read_codes(path).levels
    except UsageError:
        return given
    resumed = tuple(found.get(level, codes) for level, codes in enumerate(given))
    continues = all(np.array_equal(new[: len(old)], old) for new, old in zip(resumed, given, strict=True))
    return resumed if continues else given
