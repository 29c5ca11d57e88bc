"""The frames of an MPEG audio file (MP3), counted: how long it is, whatever its header says.

A file without a header of its own (Xing, Info, VBRI) does not say how long it is, and a decoder guesses from the bit
rate of the first frame: 8.7 of 30 s for one with a variable rate. A header may also be wrong, or be that of the first
of several files that were joined. So the frames are walked from one to the next, and each stretch that begins with a
header of its own becomes a `Stretch` that is decoded by itself.

ISO/IEC 11172-3 (MPEG-1), 13818-3 (MPEG-2), and the extension to low rates that is called MPEG-2.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Protocol

from metrics.errors import AudioError

BIT_RATES = {
    (3, 3): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by version bits (3: MPEG-1, 2: MPEG-2 and 2.5) and layer bits (3: I, 2: II, 1: III)."""

RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Hz by version bits."""

FEWEST_BYTES = 0.5
"""Share of a file, tags aside, that must be frames: less is some other file in which a few bytes look like them."""

TAG_BYTES = 128
"""Length of an ID3v1 tag."""


Kind = tuple[int, int, int, bool]


class Bytes(Protocol):
    """A file's content: bytes, or what stands for those of a long file."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int, end: int, /) -> int: ...


@dataclass
class Stretch:
    """Frames that are decoded together.

    Attributes:
        kind: bits of version, layer and rate, and whether there is one channel: all of its frames share them.
        rate: in Hz.
        frame_samples: samples of each channel in a frame.
        ranges: where its frames lie in the file, (start, end) in bytes, without what lies between them.
        frames: how many there are, its header aside.
        announced: how many its header says there are; None without a header, or with one that does not say.
        header: where the header's count of frames stands in the file; None where there is none.
    """

    kind: Kind
    rate: int
    frame_samples: int
    ranges: list[tuple[int, int]] = field(default_factory=list)
    frames: int = 0
    announced: int | None = None
    header: int | None = None


def stretches(content: Bytes) -> list[Stretch]:
    """The stretches of frames in a file.

    Args:
        content: all of the file.

    Returns:
        At least one stretch, in the order of the file. Tags and stray bytes are in none.

    Raises:
        AudioError: most of the file is no MPEG audio.
    """
    headers = _headers(content)
    found: list[Stretch] = []
    position, tags, framed, end = 0, 0, 0, len(content)
    synced = False
    while position < end - 3:
        tag = _tag(content, position)
        if 0 < tag <= end - position:
            tags, position, synced = tags + tag, position + tag, False
            continue
        frame = _frame(content[position : position + 4])
        follows = frame is not None and synced and frame[0] == found[-1].kind
        if frame is None or not (follows or _confirmed(content, position, frame)):
            position, synced = _next_sync(content, position + 1), False
            continue
        kind, size = frame
        if position + size > end:
            break  # cut off inside a frame
        header = headers.get(position)
        if not found or found[-1].kind != kind or header is not None:
            found.append(_stretch(kind, content, header))
        stretch = found[-1]
        if header is None:
            stretch.frames += 1
        if stretch.ranges and stretch.ranges[-1][1] == position:
            stretch.ranges[-1] = (stretch.ranges[-1][0], position + size)
        else:
            stretch.ranges.append((position, position + size))
        position, framed, synced = position + size, framed + size, True
    found = [stretch for stretch in found if stretch.frames]
    if not found or framed < FEWEST_BYTES * (end - tags):
        raise AudioError(
            f"it is no MPEG audio: {framed} of its {end} bytes are frames of it. Another kind of file has its name."
        )
    return found


def is_free_format(content: Bytes) -> bool:
    """Whether the first frame gives no bit rate, so that frames cannot be walked."""
    start = 0
    while 0 < (tag := _tag(content, start)) <= len(content) - start:
        start += tag
    first = content[start : start + 4]
    return len(first) == 4 and first[0] == 0xFF and first[1] & 0xE6 in (0xE2, 0xE4, 0xE6) and first[2] >> 4 == 0


def _frame(head: bytes) -> tuple[Kind, int] | None:
    """Kind and size in bytes of the frame that begins with these four bytes; None for what begins none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 0 or bits in (0, 15) or rate == 3:
        return None
    bit_rate, hertz = BIT_RATES[max(version, 2), layer][bits] * 1000, RATES[version][rate]
    if layer == 3:
        size = (12 * bit_rate // hertz + padding) * 4
    else:
        size = _frame_samples(version, layer) // 8 * bit_rate // hertz + padding
    return (version, layer, rate, head[3] >> 6 == 3), size


def _frame_samples(version: int, layer: int) -> int:
    if layer == 3:
        return 384
    return 576 if layer == 1 and version != 3 else 1152


def _stretch(kind: Kind, content: Bytes, header: int | None) -> Stretch:
    version, layer, rate, _ = kind
    announced = None if header is None else struct.unpack(">I", content[header : header + 4])[0]
    return Stretch(kind, RATES[version][rate], _frame_samples(version, layer), announced=announced, header=header)


def _confirmed(content: Bytes, position: int, frame: tuple[Kind, int]) -> bool:
    """Whether another frame of the kind, a tag, or the end follows: four bytes alone are often there by chance."""
    kind, size = frame
    following = position + size
    after = _frame(content[following : following + 4])
    return following == len(content) or (after is not None and after[0] == kind) or bool(_tag(content, following))


def _next_sync(content: Bytes, position: int) -> int:
    found = content.find(b"\xff", position, len(content))
    tag = content.find(b"TAG", position, len(content)) if len(content) - position <= TAG_BYTES else -1
    return min((at for at in (found, tag) if at >= 0), default=len(content))


def _tag(content: Bytes, position: int) -> int:
    """Length in bytes of the ID3 or APE tag that begins here; 0 where none does."""
    head = content[position : position + 32]
    if head[:3] == b"ID3" and len(head) >= 10 and all(byte < 128 for byte in head[6:10]):
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG" and len(content) - position >= TAG_BYTES:
        return TAG_BYTES
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size, flags = struct.unpack("<I", head[12:16])[0], struct.unpack("<I", head[20:24])[0]
        return 32 + (size if flags & 1 << 29 else 0)
    return 0


def _headers(content: Bytes) -> dict[int, int]:
    """Frames that are headers: their position → where their count of frames stands."""
    found: dict[int, int] = {}
    for name, count in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        at = content.find(name, 0, len(content))
        while at >= 0:
            for back in (36,) if name == b"VBRI" else (36, 21, 13):  # behind the header and the side information
                frame = _frame(content[at - back : at - back + 4]) if at >= back else None
                flags = content[at + 4 : at + 8]
                says = name == b"VBRI" or (len(flags) == 4 and flags[3] & 1)
                if frame is not None and back in _side(content[at - back : at - back + 4], name) and says:
                    found[at - back] = at + count
            at = content.find(name, at + 1, len(content))
    return found


def _side(head: bytes, name: bytes) -> tuple[int, ...]:
    """How far behind a frame's start its Xing or VBRI header stands, with and without a checksum."""
    if name == b"VBRI":
        return (36,)
    first, mono = head[1] >> 3 & 3 == 3, head[3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return (4 + side,)
