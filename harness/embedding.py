"""Clips to frames, through one preprocessing, cached by content.

    <results>/embeddings/ab/abcdef….safetensors

The key covers the sound file's hash, the embedder's provenance (weights, layer, hop …), the preprocessing and how
much of the start is left out; nothing is ever keyed by a path, so nothing can be stale. The folder may be deleted at
any time.

Of a clip that continues an audio prompt only the continuation is embedded: the prompt's own sound is not the model's.

A silent clip has no loudness to normalise. It is embedded as it is and flagged, not left out: a model that falls silent
would otherwise be measured by its better clips only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ModelError
from harness.identity import digest
from harness.progress import Progress
from harness.store import StoredClip
from metrics.audio import LOUDNESS_BLOCK_SECONDS, Preprocessing, loudness
from metrics.embeddings.base import Embedder, embed_clip, embedding_provenance, is_padded
from metrics.files import write_bytes


@dataclass(frozen=True)
class Embedded:
    """A clip's frames, float32 (frames, dim). `padded`: it was shorter than one window and filled up with zeros."""

    frames: np.ndarray
    silent: bool
    padded: bool


def embed_clips(
    clips: Sequence[StoredClip], embedder: Embedder, preprocessing: Preprocessing, cache: Path, progress: Progress
) -> list[Embedded]:
    """The frames of each clip, from the cache where they are in it."""
    keys = [_key(clip, embedder, preprocessing) for clip in clips]
    found = [_read(_path(cache, key)) for key in keys]
    missing = [n for n, embedded in enumerate(found) if embedded is None]
    if missing:
        with progress.stage(f"embedding ({embedder.name})", len(missing)) as stage:
            for done, n in enumerate(missing, start=1):
                embedded = _embed(clips[n], embedder, preprocessing)
                write_bytes(_path(cache, keys[n]), _bytes(embedded))
                found[n] = embedded
                stage.advance(done)
    return [embedded for embedded in found if embedded is not None]


def prompt_seconds(clip: StoredClip) -> float:
    """How much of the clip's start is its audio prompt, in seconds."""
    return float(clip.record["conditioning"].get("prompt_seconds") or 0.0)


def _embed(clip: StoredClip, embedder: Embedder, preprocessing: Preprocessing) -> Embedded:
    audio, rate = clip.audio()
    audio = audio[round(prompt_seconds(clip) * rate) :]
    if not len(audio):
        raise ModelError(
            f"clip {clip.id[:12]} in {clip.folder} holds nothing after its audio prompt: ask for more --seconds."
        )
    short = len(audio) < LOUDNESS_BLOCK_SECONDS * rate  # no loudness is defined for it: its level is left alone
    silent = not (np.any(audio) if short else np.isfinite(loudness(audio, rate)))
    used = replace(preprocessing, lufs=None) if short or silent else preprocessing
    return Embedded(embed_clip(embedder, audio, rate, used), silent, is_padded(embedder, len(audio) / rate))


def _key(clip: StoredClip, embedder: Embedder, preprocessing: Preprocessing) -> str:
    content: dict[str, Any] = {
        "audio": clip.record["files"][clip.path.name]["sha256"],
        "skipped_seconds": prompt_seconds(clip),
        **embedding_provenance(embedder, preprocessing),
    }
    return digest(content)


def _path(cache: Path, key: str) -> Path:
    return cache / key[:2] / f"{key}.safetensors"


def _bytes(embedded: Embedded) -> bytes:
    from safetensors.numpy import save

    flags = {"silent": str(int(embedded.silent)), "padded": str(int(embedded.padded))}
    return save({"frames": np.ascontiguousarray(embedded.frames)}, metadata=flags)


def _read(path: Path) -> Embedded | None:
    """What is cached, or None when it is not there or cannot be read: a cache is made again, not repaired."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            flags = file.metadata()
            return Embedded(file.get_tensor("frames"), flags["silent"] == "1", flags["padded"] == "1")
    except (SafetensorError, OSError, KeyError, TypeError):
        return None
