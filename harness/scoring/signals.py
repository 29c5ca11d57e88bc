"""Figures of single sound files, cached by content: what was measured once is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from harness.scoring.cache import ContentCache
from harness.scoring.clips import Clip
from metrics.io.audio import Audio, load
from metrics.waves import signal, structure
from metrics.waves.signal import Signal, measure_signal, measure_signal_file
from metrics.waves.structure import Structure, measure_structure

T = TypeVar("T")


def signal_of(clip: Clip, cache: ContentCache) -> Signal:
    """The signal of a clip without its audio prompt. Raises `AudioError` for a file that cannot be read."""
    key = {"signal": signal.VERSION, **_key(clip)}
    if clip.prompt_seconds:
        return _kept(cache, key, Signal, lambda: measure_signal(*_continuation(clip)))
    return _kept(cache, key, Signal, lambda: measure_signal_file(clip.path))


def structure_of(clip: Clip, cache: ContentCache) -> Structure:
    """The same of its structure, for which the whole file is held in memory."""
    key = {"structure": structure.VERSION, **_key(clip)}
    return _kept(cache, key, Structure, lambda: measure_structure(*_continuation(clip)))


def _key(clip: Clip) -> dict[str, Any]:
    return {"audio": clip.sha256} | ({"prompt_seconds": clip.prompt_seconds} if clip.prompt_seconds else {})


def _continuation(clip: Clip) -> tuple[Audio, int]:
    audio, rate = load(clip.path)
    return audio[round(clip.prompt_seconds * rate) :], rate


def _kept(cache: ContentCache, key: dict[str, Any], kind: Callable[..., T], measure: Callable[[], Any]) -> T:
    if (content := cache.read(key)) is not None:
        try:
            return kind(**json.loads(content))
        except (ValueError, TypeError):  # not what this version writes: it is measured again
            pass
    found = measure()
    cache.write(key, json.dumps(found.as_dict()).encode())
    return found
