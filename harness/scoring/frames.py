"""Clips to frames: one way for the clips of a run and for any folder of sound files, cached by content.

The key of a cached entry covers the file's hash, the length of the audio prompt, the embedder's provenance (weights,
layer, hop …), the preprocessing with its silence policy, the length of excerpts, and `VERSION`; never a path, so that
nothing can be stale.

A clip that continues an audio prompt is cut where the prompt ends, and both parts are embedded apart: no window sees
both, and only the continuation, which is the model's own, is measured.

Silence: a clip or an excerpt that has no loudness is embedded as it is and flagged (`metrics.io.audio.Silence` says
why). The policy is part of the preprocessing's provenance, so that sets that were made otherwise are not compared.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.core.errors import AudioError
from harness.core.progress import Progress
from harness.core.sound_files import shown
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile
from metrics.embeddings.base import Embedder, Frames, check_frames, check_rate, embedding_provenance, is_padded
from metrics.embeddings.stream import embed_stream
from metrics.io.audio import LOUDNESS_BLOCK_SECONDS, Audio, Preprocessing, loudness_gain
from metrics.io.streaming import LoudnessMeter, file_rate, read_blocks

VERSION = 2
"""Incremented when the same clip would yield other frames."""

FLAGS = ("silent", "padded", "own_level")

WHOLE_SECONDS = 300.0
MOST_SAMPLES_A_SECOND = 48_000
"""A file taken whole is embedded in one piece up to this length, and block by block beyond it; at higher rates up to as
many samples."""


@dataclass(frozen=True)
class Recipe:
    """How clips become frames: as the reference's music did. `excerpt_seconds` is the length of its excerpts.

    Clips that are longer are cut into excerpts of that length, one after another, and what is left over is dropped:
    loudness and windows are then those of excerpts on both sides. With None clips are taken whole. A clip without a
    loudness is embedded at its own level, whatever the `silence` of the preprocessing that was given.
    """

    embedder: Embedder
    preprocessing: Preprocessing
    excerpt_seconds: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "preprocessing", replace(self.preprocessing, silence="own level"))

    def provenance(self) -> dict[str, Any]:
        """Everything that decides the frames, JSON-able."""
        compared = embedding_provenance(self.embedder, self.preprocessing)
        return compared | ({} if self.excerpt_seconds is None else {"excerpt_seconds": self.excerpt_seconds})


@dataclass(frozen=True)
class Embedded:
    """A clip's frames, float32 (n, D), and those of its audio prompt where it continues one.

    Attributes:
        frames: of what was generated.
        prompt: of the audio prompt; None without one.
        silent: nothing of what was generated reaches the −70 LUFS gate.
        padded: what was embedded is shorter than one window and was filled up with zeros.
        own_level: some of it has no loudness and was embedded without a gain.
    """

    frames: Frames
    prompt: Frames | None
    silent: bool
    padded: bool
    own_level: bool = False


@dataclass(frozen=True)
class Embeddings:
    """The clips of a set after embedding, by unit: those that have frames, in order, and why the others have none."""

    embedded: dict[str, Embedded]
    failed: dict[str, str]


def embed_clips(
    clips: Sequence[ClipFile], recipe: Recipe, cache: ContentCache, progress: Progress, again: bool = False
) -> Embeddings:
    """The frames of each clip, from the cache where they are in it.

    Args:
        clips: each with a unit of its own.
        recipe: embedder, preprocessing, length of excerpts.
        cache: read and written; `cache.note` says afterwards whether it could not be.
        progress: one part for each clip that is not cached.
        again: embed everything anew, and the cache with it.

    Returns:
        What each unit has. The frames of a clip depend on its file and `prompt_seconds` only: not on its path, nor on
        the clips beside it. A file that cannot be decoded, or is all audio prompt, is under `failed` with the reason.

    Raises:
        UsageError: the preprocessing's rate is not the embedder's.
    """
    check_rate(recipe.embedder, recipe.preprocessing)
    made_by = recipe.provenance()
    keys = {clip.unit: _key(clip, made_by) for clip in clips}
    found = {clip.unit: None if again else _cached(cache, keys[clip.unit], recipe, clip) for clip in clips}
    missing = [clip for clip in clips if found[clip.unit] is None]
    failed: dict[str, str] = {}
    if missing:
        made: dict[tuple[str, float], Embedded | str] = {}
        with progress.stage(f"embedding ({recipe.embedder.name})", len(missing)) as stage:
            for done, clip in enumerate(missing, start=1):
                same = clip.sha256, clip.prompt_seconds
                if same not in made:
                    made[same] = result = _embed_or_say(clip, recipe)
                    if isinstance(result, Embedded):
                        cache.write(keys[clip.unit], _bytes(result))
                result = made[same]
                if isinstance(result, Embedded):
                    found[clip.unit] = result
                else:
                    failed[clip.unit] = result
                stage.advance(done, shown(clip.path.name))
    return Embeddings({unit: embedded for unit, embedded in found.items() if embedded is not None}, failed)


def embed(clip: ClipFile, recipe: Recipe) -> Embedded:
    """One clip's frames, without a cache.

    Args:
        clip: its file and `prompt_seconds` are what counts.
        recipe: embedder, preprocessing, length of excerpts.

    Raises:
        AudioError: the file cannot be decoded, holds samples that are not finite, or is all audio prompt.
    """
    rate = file_rate(clip.path)
    blocks = read_blocks(clip.path)
    cut = round(clip.prompt_seconds * rate)
    prompt, blocks = _taken(blocks, cut)
    if recipe.excerpt_seconds is None:
        whole, blocks = _taken(blocks, round(WHOLE_SECONDS * min(rate, MOST_SAMPLES_A_SECOND)))
        longer = next(blocks, None) is not None
        parts = [_long_part(clip, cut, recipe)] if longer else [_part(whole, rate, recipe)] if whole.size else []
    else:
        parts = [_part(excerpt, rate, recipe) for excerpt in excerpts(blocks, rate, recipe.excerpt_seconds)]
    if not parts:
        raise AudioError(
            f"{shown(clip.path)} is all audio prompt, {clip.prompt_seconds:g} s of it: nothing is left to measure. "
            "Generate longer clips (--seconds)."
        )
    of_prompt = [_part(piece, rate, recipe).frames for piece in excerpts([prompt], rate, recipe.excerpt_seconds)]
    shortest = min([part.seconds for part in parts] + [recipe.preprocessing.seconds or math.inf])
    return Embedded(
        np.concatenate([part.frames for part in parts]),
        np.concatenate(of_prompt) if of_prompt else None,
        silent=all(part.silent for part in parts),
        padded=is_padded(recipe.embedder, shortest),
        own_level=any(part.own_level for part in parts),
    )


def excerpts(blocks: Iterable[Audio], rate: int, seconds: float | None) -> Iterator[Audio]:
    """Audio in blocks, each (samples,), → consecutive pieces of `seconds`; the rest is dropped.

    What is shorter than one piece is one piece, and without `seconds` all of it is; nothing gives none.
    """
    length = math.inf if seconds is None else round(seconds * rate)
    held: list[Audio] = []
    size, any_yet = 0, False
    for block in blocks:
        held.append(block)
        size += block.size
        if size < length:
            continue
        joined = np.concatenate(held)
        whole = int(size // length)
        for n in range(whole):
            yield joined[n * int(length) : (n + 1) * int(length)]
        any_yet = True
        held = [joined[whole * int(length) :]]
        size = held[0].size
    if not any_yet and size:
        yield np.concatenate(held)


@dataclass(frozen=True)
class _Part:
    """An excerpt, or all of a clip, after embedding; `seconds` is its length."""

    frames: Frames
    seconds: float
    silent: bool
    own_level: bool


def _part(audio: Audio, rate: int, recipe: Recipe) -> _Part:
    applied = recipe.preprocessing.applied(audio, rate)
    frames = recipe.embedder.embed(applied.audio)
    return _Part(frames, audio.size / rate, applied.silent, applied.own_level)


def _long_part(clip: ClipFile, start: int, recipe: Recipe) -> _Part:
    """A file too long to be held, read twice: for its loudness, and to be embedded in blocks. `start`: its samples that
    are audio prompt."""
    preprocessing = recipe.preprocessing

    def blocks() -> Iterator[Audio]:
        return read_blocks(clip.path, preprocessing.rate, preprocessing.seconds, start)

    meter = LoudnessMeter(preprocessing.rate)
    for block in blocks():
        meter.add(block)
    found = meter.integrated()
    too_short = meter.seconds < LOUDNESS_BLOCK_SECONDS
    silent, level = not math.isfinite(found) and not too_short, preprocessing.lufs
    own_level = level is not None and not math.isfinite(found)
    gain = np.float32(1 if level is None or own_level else loudness_gain(found, level, meter.seconds))
    frames = np.concatenate(list(embed_stream((block * gain for block in blocks()), recipe.embedder)))
    return _Part(frames, meter.seconds, silent, own_level)


def _taken(blocks: Iterator[Audio], count: int) -> tuple[Audio, Iterator[Audio]]:
    """The first `count` samples, or as many as there are, and the blocks of the rest."""
    held: list[Audio] = [np.zeros(0, np.float32)]
    size = 0
    while size < count and (block := next(blocks, None)) is not None:
        held.append(block)
        size += block.size
    joined = np.concatenate(held)
    rest = [joined[count:]] if size > count else []
    return joined[:count], itertools.chain(rest, blocks)


def _embed_or_say(clip: ClipFile, recipe: Recipe) -> Embedded | str:
    try:
        made = embed(clip, recipe)
        check_frames(recipe.embedder, made.frames, shown(clip.path))
    except (AudioError, OSError) as error:
        path = shown(clip.path)
        said = shown(str(error))
        return said if path in said else f"{path}: {said}"
    return made


def _key(clip: ClipFile, made_by: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "frames", "version": VERSION, "audio": clip.sha256, "prompt_seconds": clip.prompt_seconds, **made_by,
    }  # fmt: skip


def _bytes(embedded: Embedded) -> bytes:
    from safetensors.numpy import save

    # One metadata entry: the order of several would vary, and with it the bytes.
    flags = " ".join(name for name in FLAGS if getattr(embedded, name))
    frames = {"frames": embedded.frames} | ({} if embedded.prompt is None else {"prompt": embedded.prompt})
    return save({name: np.ascontiguousarray(array) for name, array in frames.items()}, metadata={"flags": flags})


def _cached(cache: ContentCache, key: dict[str, Any], recipe: Recipe, clip: ClipFile) -> Embedded | None:
    """What is cached, if it can be what was measured: finite frames of the embedder's size, a prompt where there is
    one. Anything else is measured again."""
    content = cache.read(key)
    return None if content is None else _embedded(content, recipe.embedder.dim, clip.prompt_seconds > 0)


def _embedded(content: bytes, dim: int, continues: bool) -> Embedded | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        flags = header["__metadata__"]["flags"].split()
    except (SafetensorError, ValueError, KeyError, TypeError):
        return None
    sound = all(a.ndim == 2 and len(a) and a.shape[1] == dim and np.isfinite(a).all() for a in tensors.values())
    if not sound or tensors.keys() != ({"frames", "prompt"} if continues else {"frames"}):
        return None
    return Embedded(tensors["frames"], tensors.get("prompt"), **{name: name in flags for name in FLAGS})
