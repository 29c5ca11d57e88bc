"""Figures of single sound files, kept by content: what was measured once is not measured again.

    <cache>/ab/abcdef….json

The key covers the file's hash, which figures they are and the version of what measures them; names and places of files
are no part of it. The folder may be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harness.core.identity import digest
from metrics.io.audio import load
from metrics.io.files import write_bytes
from metrics.waves import signal, structure
from metrics.waves.signal import Signal, measure_signal_file
from metrics.waves.structure import Structure, measure_structure

T = TypeVar("T")


def signal_of(path: Path, sha: str, cache: Path) -> Signal:
    """The signal of a file whose content has this SHA-256. Raises `AudioError` for one that cannot be read."""
    return _kept(cache, {"signal": signal.VERSION, "audio": sha}, Signal, lambda: measure_signal_file(path))


def structure_of(path: Path, sha: str, cache: Path) -> Structure:
    """The same of its structure, for which the whole file is held in memory."""
    return _kept(
        cache, {"structure": structure.VERSION, "audio": sha}, Structure, lambda: measure_structure(*load(path))
    )


def _kept(cache: Path, key: dict[str, Any], kind: Callable[..., T], measure: Callable[[], Any]) -> T:
    name = digest(key)
    place = cache / name[:2] / f"{name}.json"
    try:
        return kind(**json.loads(place.read_bytes()))
    except (OSError, ValueError, TypeError):  # not there, or not whole: it is made again, not repaired
        found = measure()
        write_bytes(place, json.dumps(found.as_dict()).encode())
        return found
