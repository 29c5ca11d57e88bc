"""Sound files to frames, however long and however many they are.

A file passes through as pieces: what is held at a time is a batch of windows, or a block of audio, and the frames made
so far. Embedders of single windows are given full batches, with windows of several files where those are short; the
others (which convolve along the clip) are given blocks that overlap by what a frame sees beyond them. Either way the
frames are those of `embed_clip`, up to rounding.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.embeddings.base import Embedder, Frames, check_frames, check_rate
from metrics.embeddings.windows import WindowEmbedder, samples
from metrics.errors import AudioError
from metrics.io.audio import Audio, Preprocessing
from metrics.io.streaming import preprocessed_blocks

BLOCK_SECONDS = 60.0
"""Audio that an embedder of whole clips is given at once."""

PathLike = str | os.PathLike[str]
OnError = Callable[[Path, AudioError], None]


def embed_files(
    paths: Iterable[PathLike],
    embedder: Embedder,
    preprocessing: Preprocessing | None = None,
    on_error: OnError | None = None,
) -> Iterator[tuple[Path, Frames]]:
    """`(path, float32 (frames, dim))` of each sound file, in their order, through the common preprocessing.

    A file without a measurable sound (silent, shorter than 0.4 s, not finite, damaged) raises `AudioError`; with
    `on_error`, that is called and the file left out. Raises `UsageError` when the preprocessing's rate is not
    the embedder's.
    """
    preprocessing = preprocessing or Preprocessing(rate=embedder.rate)
    check_rate(embedder, preprocessing)
    embedded = _batched if isinstance(embedder, WindowEmbedder) else _one_by_one
    for path, result in embedded(map(Path, paths), embedder, preprocessing):
        try:
            if isinstance(result, AudioError):
                raise result
            check_frames(embedder, result, str(path))
        except AudioError as error:
            if on_error is None:
                raise
            on_error(path, error)
            continue
        yield path, result


def embed_stream(pieces: Iterable[Audio], embedder: Embedder) -> Iterator[Frames]:
    """Audio that comes in pieces, (samples,) at the embedder's rate → its frames, a block at a time."""
    hop, window = samples(embedder.hop_seconds, embedder.rate), samples(embedder.window_seconds, embedder.rate)
    # Frames at either end of a block that are embedded only for their neighbours' sake.
    context = math.ceil(samples(getattr(embedder, "context_seconds", 0.0), embedder.rate) / hop)
    block = max(1, samples(BLOCK_SECONDS, embedder.rate) // hop)
    buffer, left = np.zeros(0, np.float32), 0  # `left`: frames of the buffer that are done
    started = False
    for piece in pieces:
        buffer = np.concatenate([buffer, piece])
        while buffer.size > (need := (left + block - 1 + context) * hop + window):
            yield embedder.embed(buffer[:need])[left : left + block]
            drop = left + block - context
            buffer, left, started = buffer[drop * hop :], context, True
    # A rest that holds no window of its own gives no frame, unless it is all there is.
    if not started or buffer.size >= left * hop + window:
        yield embedder.embed(buffer)[left:]


Results = Iterator[tuple[Path, Frames | AudioError]]


def _one_by_one(paths: Iterable[Path], embedder: Any, preprocessing: Preprocessing) -> Results:
    for path in paths:
        try:
            blocks = list(embed_stream(preprocessed_blocks(path, preprocessing), embedder))
        except AudioError as error:
            yield path, error
        else:
            yield path, np.concatenate(blocks)


def _batched(paths: Iterable[Path], embedder: Any, preprocessing: Preprocessing) -> Results:
    window, hop = samples(embedder.window_seconds, embedder.rate), samples(embedder.hop_seconds, embedder.rate)
    batch = _Batch(embedder)
    for path in paths:
        batch.begin(path)
        try:
            for piece in cut(preprocessed_blocks(path, preprocessing), window, hop):
                batch.add(piece if piece.size == window else embedder.fill(piece, window))
        except AudioError as error:
            batch.abandon()
            yield path, error
        yield from batch.finished()
    batch.flush()
    yield from batch.finished()


def cut(pieces: Iterable[Audio], window: int, hop: int) -> Iterator[Audio]:
    """The windows of audio that comes in pieces: (window,) samples every `hop`; all of it where it is shorter."""
    buffer, any_yet = np.zeros(0, np.float32), False
    skip = 0  # samples until the next window, where the hop is longer than what is held
    for piece in pieces:
        buffer = np.concatenate([buffer, piece])
        while buffer.size >= skip + window:
            yield buffer[skip : skip + window]
            any_yet, skip = True, skip + hop
        drop = min(skip, buffer.size)
        buffer, skip = buffer[drop:], skip - drop
    if not any_yet:
        yield buffer


class _Batch:
    """Windows of one file after another, embedded whenever a batch is full; files are finished in their order."""

    def __init__(self, embedder: WindowEmbedder) -> None:
        self._embedder = embedder
        self._files: list[tuple[Path, list[Frames]]] = []  # begun and not yet finished
        self._windows: list[tuple[list[Frames], NDArray[np.float32]]] = []  # with the file each belongs to

    def begin(self, path: Path) -> None:
        self._files.append((path, []))

    def add(self, window: NDArray[np.float32]) -> None:
        self._windows.append((self._files[-1][1], window))
        if len(self._windows) == self._embedder.batch:
            self.flush()

    def flush(self) -> None:
        if not self._windows:
            return
        frames = self._embedder.embed_windows(np.stack([window for _, window in self._windows]))
        for (owner, _), frame in zip(self._windows, frames, strict=True):
            owner.append(frame)
        self._windows = []

    def abandon(self) -> None:
        """Forget the file that was begun last."""
        _, owner = self._files.pop()
        self._windows = [(other, window) for other, window in self._windows if other is not owner]

    def finished(self) -> Iterator[tuple[Path, Frames]]:
        """The files that no window waits for, taken off the list."""
        waiting = {id(owner) for owner, _ in self._windows}
        while self._files and id(self._files[0][1]) not in waiting:
            path, frames = self._files.pop(0)
            yield path, np.stack(frames)
