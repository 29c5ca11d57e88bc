"""Measurements of single sound files, cached by content."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from harness.core.sound_files import shown
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile
from metrics.io.audio import Audio, load
from metrics.waves import signal, structure
from metrics.waves.signal import Signal, measure_signal_file
from metrics.waves.structure import Structure, measure_structure

T = TypeVar("T")

MOST_NAMED = 3


def signal_of(clip: ClipFile, cache: ContentCache) -> Signal:
    """The signal of a clip without its audio prompt. Raises `AudioError` for a file that cannot be read."""
    key = {"signal": signal.VERSION, **_key(clip)}
    return _kept(cache, key, Signal, lambda: measure_signal_file(clip.path, clip.prompt_seconds))


def structure_of(clip: ClipFile, cache: ContentCache) -> Structure:
    """The same of its structure, for which the whole file is held in memory."""
    key = {"structure": structure.VERSION, **_key(clip)}
    return _kept(cache, key, Structure, lambda: measure_structure(*_continuation(clip)))


def odd_files(clips: Sequence[ClipFile], signals: Sequence[Signal | None]) -> list[str]:
    """What is odd about clips and their files, a line for each kind, with the first files it is said of.

    Args:
        clips: of a set.
        signals: of the same clips, in order; None for one that could not be read.
    """
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for clip, found in zip(clips, signals, strict=True):
        for warning in () if found is None else found.warnings:
            kind = re.sub(r"[-+]?\d[\d.,]*", "#", warning)
            by_kind.setdefault(kind, []).append((shown(clip.path), warning))
    lines = []
    for (path, warning), *others in by_kind.values():
        named = ", ".join(other for other, _ in others[:MOST_NAMED]) + (", …" if len(others) > MOST_NAMED else "")
        alike = f" (and alike {len(others)} more of {len(clips)} files: {named})" if others else ""
        lines.append(f"{path}: {warning}{alike}")
    return lines


def _key(clip: ClipFile) -> dict[str, Any]:
    return {"audio": clip.sha256} | ({"prompt_seconds": clip.prompt_seconds} if clip.prompt_seconds else {})


def _continuation(clip: ClipFile) -> tuple[Audio, int]:
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
