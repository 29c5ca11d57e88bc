"""What embedders of windows share: cutting audio, batches of bounded size, and the device they run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metrics.embeddings.base import Frames
from metrics.errors import UsageError

if TYPE_CHECKING:
    import torch


class WindowEmbedder:
    """Base of the embedders whose every frame sees one window and nothing else.

    A subclass writes `embed_windows`. It is given at most `batch` windows at once, so that memory does not grow with
    the length of the audio, and windows of several files may share a batch (`metrics.embeddings.stream`). The frames of
    a window are the same in any batch up to the rounding of its products.
    """

    name: str
    rate: int
    dim: int
    window_seconds: float
    hop_seconds: float
    batch: int = 16

    def provenance(self) -> dict[str, Any]:
        raise NotImplementedError

    def embed_windows(self, windows: NDArray[np.float32]) -> Frames:
        """float32 (n, samples of a window) → float32 (n, dim)."""
        raise NotImplementedError

    def fill(self, audio: NDArray[np.float32], length: int) -> NDArray[np.float32]:
        """Audio shorter than a window as one of `length` samples: zeros follow it, unless a subclass knows better."""
        return pad_to(audio, length)

    def embed(self, audio: NDArray[np.float32]) -> Frames:
        """float32 (samples,) at `self.rate` → float32 (frames, dim), at least one frame."""
        window, hop = samples(self.window_seconds, self.rate), samples(self.hop_seconds, self.rate)
        filled = self.fill(audio, window) if audio.size < window else audio
        views = np.lib.stride_tricks.sliding_window_view(filled, window)[::hop]
        parts = [
            self.embed_windows(np.array(views[n : n + self.batch], dtype=np.float32))
            for n in range(0, len(views), self.batch)
        ]
        return np.concatenate(parts)


def samples(seconds: float, rate: int) -> int:
    """A length in samples."""
    return round(seconds * rate)


def pad_to(audio: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Audio (samples,) followed by zeros up to `length` samples, where it is shorter."""
    return np.pad(audio, (0, max(0, length - audio.size)))


def in_blocks(
    network: Callable[[NDArray[np.float32]], Frames], audio: NDArray[np.float32], window: int, hop: int, block: int
) -> Frames:
    """`network` over audio of any length, `block` frames at a time.

    For networks that convolve along all of their input without padding, so that frame n sees the samples
    [n·hop, n·hop + window) wherever the input begins: the frames are those of one pass, the memory is that of a block.
    """
    audio = pad_to(audio, window)
    count = (audio.size - window) // hop + 1
    parts = [
        network(audio[first * hop : (min(first + block, count) - 1) * hop + window]) for first in range(0, count, block)
    ]
    return np.concatenate(parts)


def positive(name: str, seconds: float) -> float:
    """`seconds` itself; `UsageError` unless it is positive."""
    if not seconds > 0:
        raise UsageError(f"the {name} was {seconds} s: a positive number was expected.")
    return seconds


def resolve_device(device: str | None) -> torch.device:
    """The device of that name; without one, a CUDA card where there is one and the processor elsewhere.

    Raises `UsageError` for a name torch does not know and for a card that is not there.
    """
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"device {device!r} is not known: 'cpu', 'cuda' or 'cuda:1' was expected.") from error
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {device!r} was requested, and torch finds no CUDA device: use 'cpu'.")
    return resolved
