"""What a sound file's container holds, held against what it says: parts, their bytes, and what is odd about them.

libsndfile believes a container's length. Here each container is walked first, so that all of its sound is decoded and
a length that does not fit is reported:

- MP3 without a header, with a wrong one, or several that were joined (`metrics.io.mpeg`);
- Ogg streams that were joined, and those that end before their end;
- FLAC of unknown or wrong length, or several that were joined;
- WAV whose header was never completed (0 or the largest number), or that is cut off, and AIFF that is cut off.

What is none of these is given to libsndfile as it is.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from metrics.errors import AudioError
from metrics.io.mpeg import Bytes, is_free_format, stretches

Piece = bytes | tuple[int, int]
"""Bytes that take the place of the file's, or a range (start, end) of the file's own."""

UNKNOWN = 0x7FFF0000
"""Lengths in a WAV header from here on are put there by programs that do not know it yet."""

STRAY_BYTES = 4096
WINDOW = 1 << 16
"""Bytes of a file that are held at once."""

MP3_SUFFIXES = (".mp3", ".mp2", ".mpga", ".mpa")


@dataclass(frozen=True)
class ContainerPart:
    """A part of a file that is decoded by itself; the sound of the file is that of its parts, one after another.

    Attributes:
        pieces: its bytes, as they are decoded; () for the file as it is.
        seconds: how long it is by what its container says; None where that is not known.
        md5: of its samples as integers, by what a FLAC says; None where it says none.
        bits: of such a sample.
        sequential: its length is not to be guessed by the decoder: it is hidden from it.
    """

    pieces: tuple[Piece, ...] = ()
    seconds: float | None = None
    md5: bytes | None = None
    bits: int = 0
    sequential: bool = False


@dataclass(frozen=True)
class Container:
    """What a file holds. `chatty`: its decoder writes to standard error."""

    parts: tuple[ContainerPart, ...] = (ContainerPart(),)
    warnings: tuple[str, ...] = ()
    chatty: bool = False


def look_into(file: BinaryIO, suffix: str) -> Container:
    """Walk a file's container.

    Args:
        file: open for reading; its position is left anywhere.
        suffix: of its name, in lower case: MP3 has no beginning by which it is always known.

    Raises:
        AudioError: for what cannot be what it says it is.
    """
    file.seek(0)
    head = file.read(12)
    if not head:
        raise AudioError("it is empty: a sound file was expected.")
    content = FileBytes(file)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _wav(content)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(content)
    if head[:4] == b"OggS":
        return _ogg(content)
    if head[:4] == b"fLaC":
        return _flac(content)
    if head[:3] == b"ID3" or suffix in MP3_SUFFIXES or (head[0] == 0xFF and head[1:2] >= b"\xe0"):
        if head[:3] == b"ID3" and content.find(b"fLaC", 0, min(len(content), 1 << 20)) >= 0:
            return Container()  # a FLAC behind a tag: libsndfile knows it
        return _mpeg(content)
    return Container()


class FileBytes:
    """A file's content as bytes are, a window of it held at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor = file.fileno()
        self._size = os.fstat(self._descriptor).st_size
        self._start, self._held = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice) -> bytes:
        start, stop, _ = key.indices(self._size)
        if start < self._start or stop > self._start + len(self._held):
            self._start, self._held = start, os.pread(self._descriptor, max(WINDOW, stop - start), start)
        return self._held[start - self._start : max(start, stop) - self._start]

    def find(self, sub: bytes, start: int, end: int) -> int:
        """Where `sub` is first found whole between `start` and `end`; −1 where it is not."""
        while start < end:
            part = os.pread(self._descriptor, min(WINDOW, end - start), start)
            if (at := part.find(sub)) >= 0:
                return start + at
            if len(part) < WINDOW:
                break
            start += len(part) - len(sub) + 1
        return -1


def _mpeg(content: Bytes) -> Container:
    if is_free_format(content):
        return Container((ContainerPart(((0, len(content)),), sequential=True),), chatty=True)
    parts, warnings = [], []
    found = stretches(content)
    for stretch in found:
        pieces: list[Piece] = list(stretch.ranges)
        announced, there = stretch.announced, stretch.frames
        length = stretch.frame_samples / stretch.rate
        if announced is not None and stretch.header is not None and there > announced + 1:
            warnings.append(_longer(announced * length, there * length))
            pieces = _replaced(pieces, stretch.header, struct.pack(">I", there))
        elif announced is not None and there < announced - 1:
            warnings.append(_cut_off(announced * length, there * length))
        parts.append(ContainerPart(tuple(pieces), sequential=announced is None))
    if len(found) > 1:
        warnings.append(f"{len(found)} MP3 streams are joined in it: all are read")
    stray = len(content) - sum(end - start for stretch in found for start, end in stretch.ranges)
    first, last = found[0].ranges[0][0], found[-1].ranges[-1][1]
    inside = stray - first - (len(content) - last)
    if inside > STRAY_BYTES and len(found) == 1:
        warnings.append(f"{inside} bytes between its frames are no sound and are left out: it may be damaged")
    return Container(tuple(parts), tuple(warnings), chatty=True)


def _replaced(pieces: Sequence[Piece], at: int, content: bytes) -> list[Piece]:
    """The pieces with some bytes of the file replaced."""
    made: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, tuple) and piece[0] <= at and at + len(content) <= piece[1]:
            made += [(piece[0], at), content, (at + len(content), piece[1])]
        else:
            made.append(piece)
    return made


@dataclass
class _Link:
    """One of the Ogg streams, or groups of streams, that follow each other in a file."""

    start: int
    open: set[int]
    begun: bool = False


def _ogg(content: Bytes) -> Container:
    """RFC 3533: pages of several streams at once, and one group of streams after another."""
    links: list[_Link] = []
    expected: dict[int, int] = {}
    position, missing, warnings = 0, 0, []
    while position + 27 <= len(content) and content[position : position + 4] == b"OggS":
        head = content[position : position + 27]
        flags, serial, number, count = head[5], *struct.unpack("<II", head[14:22]), head[26]
        size = 27 + count + sum(content[position + 27 : position + 27 + count])
        if flags & 2:
            if not links or links[-1].begun:
                links.append(_Link(position, set()))
            links[-1].open.add(serial)
        elif links:
            links[-1].begun = True
            missing += number != expected.get(serial, number)
        if flags & 4 and links:
            links[-1].open.discard(serial)
        expected[serial] = number + 1 & 0xFFFFFFFF
        if position + size > len(content):
            break
        position += size
    if not links:
        return Container()
    stray = len(content) - position
    if links[-1].open or 0 < stray < 27 or content[position : position + 4] == b"OggS":
        warnings.append("it is cut off: its last page is missing, and what is there is measured")
    elif stray > STRAY_BYTES:
        warnings.append(f"{stray} bytes behind its last page are no sound and are left out: it may be damaged")
    if missing:
        warnings.append(f"pages are missing in {missing} places: it is damaged")
    if len(links) > 1:
        warnings.append(f"{len(links)} Ogg streams are joined in it: all are read")
        ends = [*(link.start for link in links[1:]), position]
        return Container(
            tuple(ContainerPart(((link.start, end),)) for link, end in zip(links, ends, strict=True)), tuple(warnings)
        )
    return Container(warnings=tuple(warnings))


FLAC_START = b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22"
"""The mark and the header of STREAMINFO, which comes first; the second where no other metadata follow."""


def _flac(content: Bytes) -> Container:
    """RFC 9639. The total is hidden from the decoder, which stops at it even where more follows."""
    starts = sorted(_all_of(content, FLAC_START))
    if not starts:
        return Container()
    parts = []
    for start, end in zip(starts, [*starts[1:], len(content)], strict=True):
        packed = int.from_bytes(content[start + 18 : start + 26], "big")
        rate, bits, total = packed >> 44, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
        md5 = bytes(content[start + 26 : start + 42])
        hidden = (packed >> 36 << 36).to_bytes(8, "big")
        seconds = total / rate if total and rate else None
        pieces = ((start, start + 18), hidden, (start + 26, end))
        parts.append(ContainerPart(pieces, seconds, md5 if any(md5) else None, bits))
    warnings = (f"{len(parts)} FLAC streams are joined in it: all are read",) if len(parts) > 1 else ()
    return Container(tuple(parts), warnings)


def _all_of(content: Bytes, marks: Sequence[bytes]) -> Iterator[int]:
    for mark in marks:
        at = content.find(mark, 0, len(content))
        while at >= 0:
            yield at
            at = content.find(mark, at + 1, len(content))


def _wav(content: Bytes) -> Container:
    """Parts that were joined, each with the length that its data really have."""
    parts: list[ContainerPart] = []
    warnings: list[str] = []
    position = 0
    while content[position : position + 4] == b"RIFF" and content[position + 8 : position + 12] == b"WAVE":
        position, part, said = _one_wav(content, position)
        parts.append(part)
        warnings += said
    if len(parts) > 1:
        warnings.append(f"{len(parts)} WAV files are joined in it: all are read")
    elif len(parts[0].pieces) == 1:
        parts = [ContainerPart()]  # as it is
    return Container(tuple(parts), tuple(warnings))


def _one_wav(content: Bytes, start: int) -> tuple[int, ContainerPart, list[str]]:
    """Where the next would begin, the part, and what is odd about it."""
    end, position = len(content), start + 12
    bytes_a_second = 0
    while position + 8 <= end:
        name, size = content[position : position + 4], struct.unpack("<I", content[position + 4 : position + 8])[0]
        body = position + 8
        if name == b"fmt " and body + 16 <= end:
            bytes_a_second = struct.unpack("<I", content[body + 8 : body + 12])[0]
        if name == b"data":
            there, following = end - body, body + size + size % 2
            to_the_end = ((start, position + 4), struct.pack("<I", min(there, UNKNOWN - 1)), (body, end))
            if (size == 0 and there) or (size >= UNKNOWN and size > there):
                return end, ContainerPart(to_the_end), []
            if size > there:
                return end, ContainerPart(((start, end),)), [_cut_off(*_seconds(bytes_a_second, size, there))]
            if _is_sound_behind(content, following):
                return end, ContainerPart(to_the_end), [_longer(*_seconds(bytes_a_second, size, there))]
            following = _end_of_chunks(content, following)
            return following, ContainerPart(((start, following),)), []
        position = body + size + size % 2
    return end, ContainerPart(((start, end),)), []


def _seconds(bytes_a_second: int, *sizes: int) -> list[float]:
    return [size / max(1, bytes_a_second) for size in sizes]


def _is_chunk(content: Bytes, position: int) -> bool:
    """Whether something that can be a chunk begins here: a name in ASCII and a length that fits."""
    head = content[position : position + 8]
    if len(head) < 8 or not all(32 <= byte < 127 for byte in head[:4]):
        return False
    return position + 8 + struct.unpack("<I", head[4:])[0] <= len(content) + 1


def _is_sound_behind(content: Bytes, position: int) -> bool:
    """Whether what follows the data is more of them: neither a chunk, nor a tag, nor nothing but zeros."""
    rest = content[position : position + STRAY_BYTES]
    if len(rest) < STRAY_BYTES or rest[:3] in (b"ID3", b"TAG") or not any(rest):
        return False
    return not _is_chunk(content, position)


def _end_of_chunks(content: Bytes, position: int) -> int:
    while position + 8 <= len(content) and content[position : position + 4] != b"RIFF" and _is_chunk(content, position):
        size = struct.unpack("<I", content[position + 4 : position + 8])[0]
        position += 8 + size + size % 2
    return min(position, len(content))


def _aiff(content: Bytes) -> Container:
    """What its COMM chunk announces; libsndfile reads it as it is."""
    position = 12
    while position + 8 <= len(content):
        name, size = content[position : position + 4], struct.unpack(">I", content[position + 4 : position + 8])[0]
        body = content[position + 8 : position + 8 + 18]
        if name == b"COMM" and len(body) == 18:
            frames = struct.unpack(">I", body[2:6])[0]
            exponent, mantissa = struct.unpack(">HQ", body[8:18])  # 80-bit extended
            rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)
            return Container((ContainerPart(seconds=frames / rate if rate > 0 else None),))
        position += 8 + size + size % 2
    return Container()


def _cut_off(announced: float, there: float) -> str:
    return f"it is cut off: {announced:.1f} s were announced, and {there:.1f} s are there and measured"


def _longer(announced: float, there: float) -> str:
    return f"its header announces {announced:.1f} s, and {there:.1f} s are there: all of it is read"


def cut_off(announced: float, there: float) -> str | None:
    """What to say of a part that decoded to less than its container announces, in seconds; None where it fits."""
    return _cut_off(announced, there) if there < 0.999 * announced - 0.05 else None


class Stitched(io.RawIOBase):
    """A file as its pieces are, one after another. With `endless` its end is not told, only met."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece], endless: bool = False) -> None:
        self._file, self._pieces, self._endless = file, pieces, endless
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + (len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self._endless:
            self._position = 0
        else:
            base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
            self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        wanted = self._starts[-1] - self._position if size < 0 else size
        parts = []
        for piece, start, end in zip(self._pieces, self._starts, self._starts[1:], strict=False):
            if wanted <= 0 or not start <= self._position < end:
                continue
            inside, count = self._position - start, min(wanted, end - self._position)
            if isinstance(piece, bytes):
                part = piece[inside : inside + count]
            else:
                self._file.seek(piece[0] + inside)
                part = self._file.read(count)
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
            if len(part) < count:
                break
        return b"".join(parts)

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)
