"""Figures of single sound files, cached by content: what was measured once is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harness.scoring.cache import ContentCache
from metrics.io.audio import load
from metrics.waves import signal, structure
from metrics.waves.signal import Signal, measure_signal_file
from metrics.waves.structure import Structure, measure_structure

T = TypeVar("T")


def signal_of(path: Path, sha: str, cache: ContentCache) -> Signal:
    """The signal of a file whose content has this SHA-256. Raises `AudioError` for one that cannot be read."""
    return _kept(cache, {"signal": signal.VERSION, "audio": sha}, Signal, lambda: measure_signal_file(path))


def structure_of(path: Path, sha: str, cache: ContentCache) -> Structure:
    """The same of its structure, for which the whole file is held in memory."""
    return _kept(
        cache, {"structure": structure.VERSION, "audio": sha}, Structure, lambda: measure_structure(*load(path))
    )


def _kept(cache: ContentCache, key: dict[str, Any], kind: Callable[..., T], measure: Callable[[], Any]) -> T:
    if (content := cache.read(key)) is not None:
        try:
            return kind(**json.loads(content))
        except (ValueError, TypeError):  # not what this version writes: it is measured again
            pass
    found = measure()
    cache.write(key, json.dumps(found.as_dict()).encode())
    return found
