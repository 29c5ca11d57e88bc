"""The one reader of sound files: all of a file's sound, block by block, and what is odd about it.

A file is opened by its descriptor, so that its name and the files beside it do not matter, and is decoded from its
first sample to its last without seeking: blocks of any size give the same bits as the whole. How long it is is counted,
not believed (`metrics.io.containers`).
"""

from __future__ import annotations

import hashlib
import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from metrics.errors import AudioError
from metrics.io.containers import Container, ContainerPart, Stitched, cut_off, look_into

if TYPE_CHECKING:
    import soundfile

Samples = NDArray[np.float32]

BLOCK = 1 << 18
"""Samples of a channel that are read at once: 6 s at 44.1 kHz; fewer of files with more than two channels."""

SEEKABLE = ("WAV", "WAVEX", "AIFF")
"""Formats whose samples all have one size."""

RATES = (1_000, 1_000_000)
"""Sampling rates in Hz that are believed."""

_stderr = threading.RLock()


class SoundReader:
    """An open sound file; close it, or use it in a `with` statement.

    Attributes:
        path: of the file.
        rate: in Hz.
        channels: how many.
        warnings: what is odd about the file; complete once all its blocks were read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises `AudioError` for a file that is missing or cannot be decoded."""
        self.path = Path(path)
        self._opened = ExitStack()
        self._next: soundfile.SoundFile | None = None
        try:
            self._file = self._opened.enter_context(_open(self.path))
            self._container = self._look()
            self.warnings = list(self._container.warnings)
            self._next = self._decoder(0)
            self.rate, self.channels = int(self._next.samplerate), int(self._next.channels)
            if not RATES[0] <= self.rate <= RATES[1]:
                raise AudioError(
                    f"{self.path} has a sampling rate of {self.rate:,} Hz: {RATES[0]:,} to {RATES[1]:,} Hz was "
                    "expected. Its header is damaged."
                )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> SoundReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._next is not None:
            self._next.close()
        self._opened.close()

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Samples]:
        """The file from one sample to another, once: float32 (samples, channels), none of them empty.

        Args:
            start: first sample. What lies before it is left out.
            stop: the sample to end before; None for all. What follows it is not decoded, nor checked.

        Raises:
            AudioError: what follows cannot be decoded, the parts of a joined file do not fit, or the file holds no
                sample.
        """
        count = self._skip(start)
        for block in self._all(count):
            first, count = count, count + len(block)
            kept = block[max(0, start - first) : None if stop is None else max(0, stop - first)]
            if len(kept):
                yield kept
            if stop is not None and count >= stop:
                return
        if not count:
            raise AudioError(f"{self.path} holds no samples: at least one was expected.")

    def _skip(self, start: int) -> int:
        """Go to a sample where that is exact and saves decoding what lies before; where the decoder is then."""
        if not start or self._next is None or self._container.parts[0].pieces or self._next.format not in SEEKABLE:
            return 0
        with _explained(self.path):
            return int(self._next.seek(min(start, self._next.frames)))

    def _all(self, skipped: int) -> Iterator[Samples]:
        for number, part in enumerate(self._container.parts):
            decoder = self._next if number == 0 and self._next is not None else self._decoder(number)
            self._next = None
            with decoder:
                if (decoder.samplerate, decoder.channels) != (self.rate, self.channels):
                    raise AudioError(
                        f"{self.path} is joined of parts that do not fit: {self.rate} Hz with {self.channels} channels,"
                        f" and {decoder.samplerate} Hz with {decoder.channels}. Split it."
                    )
                yield from self._decoded(decoder, part, skipped if number == 0 else 0)

    def _decoded(self, decoder: soundfile.SoundFile, part: ContainerPart, skipped: int) -> Iterator[Samples]:
        """The blocks of a part; at its end, what it announced is held against what was found."""
        at_once = max(1024, 2 * BLOCK // max(2, self.channels))
        found, checksum = skipped, None if part.md5 is None else hashlib.md5(usedforsecurity=False)
        while True:
            with _explained(self.path, found / self.rate), _silenced(self._container.chatty):
                samples = decoder.read(at_once, dtype="float32" if checksum is None else "int32", always_2d=True)
            if not len(samples):
                break
            found += len(samples)
            if checksum is not None:
                checksum.update(_as_stored(np.asarray(samples, np.int32), part.bits))
                samples = samples * np.float32(2.0**-31)
            yield np.asarray(samples, np.float32)
        if part.seconds is not None:
            short = cut_off(part.seconds, found / self.rate)
            long = found / self.rate > part.seconds * 1.001 + 0.05
            if short:
                self.warnings.append(short)
            elif long and part.md5 is not None:
                self.warnings.append(
                    f"its header announces {part.seconds:.1f} s, and {found / self.rate:.1f} s are there: all is read"
                )
        if checksum is not None and checksum.digest() != part.md5 and found:
            self.warnings.append("its samples do not have the MD5 that it says they have: it was altered or damaged")

    def _look(self) -> Container:
        try:
            return look_into(self._file, self.path.suffix.lower())
        except AudioError as error:
            raise AudioError(f"{self.path} cannot be decoded: {error}") from error
        except OSError as error:
            raise AudioError(f"{self.path} cannot be read ({error.strerror or error}).") from error

    def _decoder(self, number: int) -> soundfile.SoundFile:
        part = self._container.parts[number]
        source: Any = Stitched(self._file, part.pieces, part.sequential) if part.pieces else os.dup(self._file.fileno())
        if not part.pieces:
            os.lseek(source, 0, os.SEEK_SET)
        with _explained(self.path), _silenced(self._container.chatty):
            return _sequential()(source)


def undecodable(path: Path, error: Exception) -> AudioError:
    """What to raise for a file that is not decoded."""
    return AudioError(
        f"{path} cannot be decoded ({error}). WAV, FLAC, Ogg, Opus or MP3 was expected: convert it first, "
        f"for example with: ffmpeg -i {shlex.quote(path.name)} clip.wav"
    )


def _open(path: Path) -> BinaryIO:
    """A regular file, open; nothing else is, for a FIFO would never answer."""
    if not path.is_file():
        raise AudioError(f"no sound file at {path}. Check the path.")
    try:
        return path.open("rb", buffering=0)  # type: ignore[return-value]
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({error.strerror or error}).") from error


def _sequential() -> type[soundfile.SoundFile]:
    """soundfile's file, without its seeks before and after each read: an MP3 decoder starts afresh at each of them, and
    a length that is only guessed would be where it stops."""
    import soundfile

    class Sequential(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Sequential


@contextmanager
def _explained(path: Path, seconds: float | None = None) -> Iterator[None]:
    """What libsndfile says of a file, with its path; `seconds` were decoded before."""
    import soundfile

    try:
        yield
    except (soundfile.LibsndfileError, RuntimeError) as error:
        said = getattr(error, "error_string", str(error)).rstrip(".")
        if seconds is None:
            raise undecodable(path, RuntimeError(said)) from error
        raise AudioError(
            f"{path} cannot be decoded beyond {seconds:.1f} s ({said}): it is damaged or cut off. Get it anew."
        ) from error


@contextmanager
def _silenced(chatty: bool) -> Iterator[None]:
    """Keep libmpg123 from writing to standard error, which is the caller's."""
    if not chatty:
        yield
        return
    with _stderr:
        try:
            kept = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


def _as_stored(samples: NDArray[np.int32], bits: int) -> bytes:
    """Samples as FLAC's MD5 takes them: as many bytes as `bits` need, the least first."""
    whole = np.ascontiguousarray(samples >> (32 - bits), dtype="<i4")
    width = (bits + 7) // 8
    if width == 4:
        return whole.tobytes()
    if width == 2:
        return whole.astype("<i2").tobytes()
    return whole.view(np.uint8).reshape(*whole.shape, 4)[..., :width].tobytes()
