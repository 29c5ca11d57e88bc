"""Clips to frames, through one preprocessing, cached by content.

    <results>/embeddings/ab/abcdef….safetensors

The key covers the sound file's hash, the embedder's provenance (weights, layer, hop …), the preprocessing and how
much of the start is left out; nothing is ever keyed by a path, so nothing can be stale. The folder may be deleted at
any time.

A clip that continues an audio prompt is cut where the prompt ends, and both parts are embedded apart: no window sees
both, and only the continuation, which is the model's own, is measured.

A silent clip, or one too short for a loudness, cannot be normalised. It is embedded as it is, and silence is flagged,
not left out: a model that falls silent would otherwise be measured by its better clips only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import ModelError
from harness.core.identity import digest
from harness.core.progress import Progress
from harness.store.clips import StoredClip, explained
from metrics.embeddings.base import Embedder, embed_clip, embedding_provenance, is_padded
from metrics.io.audio import LOUDNESS_BLOCK_SECONDS, Preprocessing, loudness
from metrics.io.files import write_all
from metrics.sets.similarity import split_prompt

WRITTEN_AT_ONCE = 16
"""Embeddings that are flushed together: a kill costs no more of them than this, and no flush is waited for alone."""


@dataclass(frozen=True)
class Recipe:
    """How clips become frames: as the reference's music did. `excerpt_seconds` is the length of its excerpts.

    Clips that are longer are cut into excerpts of that length, one after another, and what is left over is dropped:
    loudness and windows are then those of excerpts on both sides. With None clips are taken whole.
    """

    embedder: Embedder
    preprocessing: Preprocessing
    excerpt_seconds: float | None = None

    def provenance(self) -> dict[str, Any]:
        """Everything that decides the frames, JSON-able."""
        compared = embedding_provenance(self.embedder, self.preprocessing)
        return compared | ({} if self.excerpt_seconds is None else {"excerpt_seconds": self.excerpt_seconds})


@dataclass(frozen=True)
class Embedded:
    """A clip's frames, float32 (frames, dim), and those of its audio prompt where it continues one.

    `padded`: what was sampled is shorter than one window and was filled up with zeros.
    """

    frames: np.ndarray
    prompt: np.ndarray | None
    silent: bool
    padded: bool


def embed_clips(
    clips: Sequence[StoredClip], recipe: Recipe, cache: Path, progress: Progress, again: bool = False
) -> list[Embedded]:
    """The frames of each clip, from the cache where they are in it; with `again`, made anew and the cache with them.

    Raises `StoreError` when the disk refuses.
    """
    made_by = recipe.provenance()
    paths = [_path(cache, clip, made_by) for clip in clips]
    found = [None if again else _read(path) for path in paths]
    missing = [n for n, embedded in enumerate(found) if embedded is None]
    if missing:
        with progress.stage(f"embedding ({recipe.embedder.name})", len(missing)) as stage:
            unwritten: dict[Path, bytes] = {}
            for done, n in enumerate(missing, start=1):
                found[n] = embedded = _embed(clips[n], recipe)
                unwritten[paths[n]] = _bytes(embedded)
                if len(unwritten) == WRITTEN_AT_ONCE or done == len(missing):
                    with explained(cache):
                        write_all(unwritten)
                    unwritten.clear()
                stage.advance(done)
    return [embedded for embedded in found if embedded is not None]


def prompt_seconds(clip: StoredClip) -> float:
    """How much of the clip's start is its audio prompt, in seconds."""
    return float(clip.record["conditioning"].get("prompt_seconds") or 0.0)


def _embed(clip: StoredClip, recipe: Recipe) -> Embedded:
    audio, rate = clip.audio()
    prompt, cut = None, prompt_seconds(clip)
    if cut:
        if round(cut * rate) >= len(audio):
            raise ModelError(f"clip {clip.id[:12]} in {clip.folder} is all audio prompt: ask for more --seconds.")
        prompt, audio = split_prompt(audio, rate, cut)
    return Embedded(
        _frames(audio, rate, recipe),
        None if prompt is None else _frames(prompt, rate, recipe),
        is_silent(audio, rate),
        is_padded(recipe.embedder, min(len(audio) / rate, recipe.preprocessing.seconds or np.inf)),
    )


def _frames(audio: np.ndarray, rate: int, recipe: Recipe) -> np.ndarray:
    return np.concatenate(
        [
            embed_clip(recipe.embedder, excerpt, rate, _bearable(recipe.preprocessing, excerpt, rate))
            for excerpt in excerpts(audio, rate, recipe.excerpt_seconds)
        ]
    )


def excerpts(audio: np.ndarray, rate: int, seconds: float | None) -> list[np.ndarray]:
    """(samples,) cut into consecutive pieces of `seconds`; what is shorter than one piece is one piece."""
    length = len(audio) if seconds is None else round(seconds * rate)
    whole = len(audio) // length if length else 0
    return [audio[n * length : (n + 1) * length] for n in range(whole)] or [audio]


def _bearable(preprocessing: Preprocessing, audio: np.ndarray, rate: int) -> Preprocessing:
    """The preprocessing, without its loudness where the audio has none."""
    kept = audio if preprocessing.seconds is None else audio[: round(preprocessing.seconds * rate)]
    has_loudness = len(kept) >= LOUDNESS_BLOCK_SECONDS * rate and not is_silent(kept, rate)
    return preprocessing if has_loudness else replace(preprocessing, lufs=None)


def is_silent(audio: np.ndarray, rate: int) -> bool:
    """Whether nothing in (samples,) reaches the −70 LUFS gate; too short for a loudness, whether all of it is zero."""
    if len(audio) < LOUDNESS_BLOCK_SECONDS * rate:
        return not np.any(audio)
    return not np.isfinite(loudness(audio, rate))


def _path(cache: Path, clip: StoredClip, made_by: dict[str, Any]) -> Path:
    audio = clip.record["files"][clip.path.name]["sha256"]
    key = digest({"audio": audio, "prompt_seconds": prompt_seconds(clip), **made_by})
    return cache / key[:2] / f"{key}.safetensors"


def _bytes(embedded: Embedded) -> bytes:
    from safetensors.numpy import save

    # One metadata entry: the order of several would vary, and with it the bytes.
    flags = " ".join(name for name in ("silent", "padded") if getattr(embedded, name))
    frames = {"frames": embedded.frames} | ({} if embedded.prompt is None else {"prompt": embedded.prompt})
    return save({name: np.ascontiguousarray(array) for name, array in frames.items()}, metadata={"flags": flags})


def _read(path: Path) -> Embedded | None:
    """What is cached, or None when it is not there or cannot be read: a cache is made again, not repaired."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            flags = file.metadata()["flags"].split()
            prompt = file.get_tensor("prompt") if "prompt" in file.keys() else None  # noqa: SIM118 - not a mapping
            return Embedded(file.get_tensor("frames"), prompt, "silent" in flags, "padded" in flags)
    except (SafetensorError, OSError, KeyError, TypeError):
        return None
