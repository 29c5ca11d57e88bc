"""What an embedder is, and how a clip becomes frames."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.errors import AudioError, UsageError
from metrics.io.audio import Preprocessing

Frames = NDArray[np.float32]


class Embedder(Protocol):
    """Audio in, one vector per window out. The same audio gives the same frames whatever else is embedded.

    `rate` in Hz is what `embed` expects. Windows of `window_seconds` start every `hop_seconds`; audio shorter than one
    window is padded with zeros to one. `dim` is the length of a vector. `provenance` names everything that changes the
    numbers: weights, layer, front end, rate, window, hop. An embedder whose frames see a little beyond their windows
    says how far, in `context_seconds` (0 where it has no such attribute): long audio is then embedded in blocks that
    overlap by as much.
    """

    name: str
    rate: int
    dim: int
    window_seconds: float
    hop_seconds: float

    def provenance(self) -> dict[str, Any]: ...

    def embed(self, audio: NDArray[np.float32]) -> Frames:
        """float32 audio (samples,) at `self.rate` → float32 (frames, dim), at least one frame."""
        ...


def embed_clip(embedder: Embedder, audio: ArrayLike, rate: int, preprocessing: Preprocessing | None = None) -> Frames:
    """A clip as it was sampled or decoded → float32 (frames, dim), by way of the common preprocessing.

    `audio` is (samples,) at `rate` Hz; `preprocessing` defaults to mono at the embedder's rate and −23 LUFS. Raises
    `AudioError` for a clip that is silent or not finite, `UsageError` when the preprocessing's rate is not the
    embedder's.
    """
    preprocessing = preprocessing or Preprocessing(rate=embedder.rate)
    check_rate(embedder, preprocessing)
    frames = embedder.embed(preprocessing.apply(audio, rate))
    check_frames(embedder, frames, "this clip")
    return frames


def check_rate(embedder: Embedder, preprocessing: Preprocessing) -> None:
    """Raise `UsageError` when the preprocessing's rate is not the embedder's."""
    if preprocessing.rate != embedder.rate:
        raise UsageError(
            f"the preprocessing gives audio at {preprocessing.rate} Hz and {embedder.name} expects {embedder.rate} Hz: "
            f"use Preprocessing(rate={embedder.rate})."
        )


def check_frames(embedder: Embedder, frames: Frames, what: str) -> None:
    """Raise `AudioError` when frames are not finite."""
    if not np.isfinite(frames).all():
        raise AudioError(f"{embedder.name} gave NaN or infinite values for {what}: finite ones were expected.")


def is_padded(embedder: Embedder, seconds: float) -> bool:
    """Whether a clip of this length is shorter than one window, so that its one frame saw zeros."""
    return seconds < embedder.window_seconds - 1e-9


def embedding_provenance(embedder: Embedder, preprocessing: Preprocessing) -> dict[str, Any]:
    """The part of an `EmbeddingSet`'s provenance that must be equal on both sides of a comparison."""
    return {"embedder": embedder.provenance(), "preprocessing": preprocessing.provenance()}
