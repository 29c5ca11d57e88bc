"""Sound files of any length to frames, kept by content: what was embedded once is not embedded again.

    <cache>/ab/abcdef….safetensors

The key covers the file's hash, the embedder's provenance, the preprocessing and the length of excerpts; names and
places of files are no part of it. The folder may be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from harness.core.errors import AudioError, HarnessError
from harness.core.identity import digest
from harness.core.progress import Progress
from harness.scoring.frames import Recipe, is_silent
from metrics.api.score import EmbeddingSet
from metrics.embeddings.base import Frames, embed_clip, is_padded
from metrics.embeddings.stream import embed_files
from metrics.io.streaming import file_rate, read_blocks

VERSION = 1
"""Raised when the same file would come to other frames."""


def embed_by_content(
    files: Mapping[str, Path], recipe: Recipe, cache: Path, progress: Progress
) -> tuple[dict[str, tuple[Frames, bool]], dict[str, str]]:
    """The frames of `files`, each under the SHA-256 of its content, and why the others have none.

    Returns {hash: (float32 (frames, dim), whether its audio was filled up to a window)} and {hash: reason}: a file
    without a measurable sound is left out.
    """
    places = {sha: _place(cache, sha, recipe) for sha in files}
    found = {sha: cached for sha, place in places.items() if (cached := _read(place)) is not None}
    missing = {path: sha for sha, path in files.items() if sha not in found}
    left_out: dict[str, str] = {}
    if not missing:
        return found, left_out
    with progress.stage(f"embedding ({recipe.embedder.name})", len(missing)) as stage:
        for path, frames, padded in _frames(list(missing), recipe, left_out, missing):
            sha = missing[path]
            flags = {"padded": [sha]} if padded else {}
            EmbeddingSet(frames, np.array([sha] * len(frames)), recipe.provenance() | flags).save(places[sha])
            found[sha] = (frames, padded)
            stage.advance(len(found) + len(left_out) - (len(files) - len(missing)))
    return found, left_out


def _frames(
    paths: list[Path], recipe: Recipe, left_out: dict[str, str], names: dict[Path, str]
) -> Iterator[tuple[Path, Frames, bool]]:
    def leave_out(path: Path, error: AudioError) -> None:
        left_out[names[path]] = str(error)

    if recipe.excerpt_seconds is None:
        for path, frames in embed_files(paths, recipe.embedder, recipe.preprocessing, on_error=leave_out):
            # A file that is long enough for two frames was not padded; of one frame the length tells.
            yield path, frames, len(frames) == 1 and is_padded(recipe.embedder, _seconds(path))
        return
    for path in paths:
        try:
            parts = list(_excerpt_frames(path, recipe, recipe.excerpt_seconds))
            if not parts:
                raise AudioError(f"{path}: all of its excerpts are silent. Leave it out.")
        except AudioError as error:
            leave_out(path, error)
        else:
            seconds = min(_seconds(path), recipe.excerpt_seconds)
            yield path, np.concatenate(parts), is_padded(recipe.embedder, seconds)


def _excerpt_frames(path: Path, recipe: Recipe, seconds: float) -> Iterator[Frames]:
    """The frames of each excerpt that sounds, in their order; a file shorter than one is its own excerpt."""
    rate = file_rate(path)
    length = round(seconds * rate)
    buffer, any_yet = np.zeros(0, np.float32), False
    for piece in read_blocks(path):
        buffer = np.concatenate([buffer, piece])
        while buffer.size >= length:
            excerpt, buffer, any_yet = buffer[:length], buffer[length:], True
            if not is_silent(excerpt, rate):
                yield embed_clip(recipe.embedder, excerpt, rate, recipe.preprocessing)
    if not any_yet:
        yield embed_clip(recipe.embedder, buffer, rate, recipe.preprocessing)


def _seconds(path: Path) -> float:
    import soundfile

    return float(soundfile.info(path).duration)


def _place(cache: Path, sha: str, recipe: Recipe) -> Path:
    key = digest({"audio": sha, "version": VERSION, **recipe.provenance()})
    return cache / key[:2] / f"{key}.safetensors"


def _read(path: Path) -> tuple[Frames, bool] | None:
    try:
        cached = EmbeddingSet.load(path)
    except HarnessError:
        return None
    return cached.frames.astype(np.float32, copy=False), "padded" in cached.provenance
