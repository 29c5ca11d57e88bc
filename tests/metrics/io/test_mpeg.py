"""The frames of MPEG audio are found among whatever else a file holds."""

import struct

import pytest

from metrics.errors import AudioError
from metrics.io.mpeg import BIT_RATES, RATES, is_free_format, stretches


def frame(version=3, layer=1, bits=9, rate=0, padding=0, fill=0) -> bytes:
    """A frame of zeros with that header."""
    head = struct.pack(
        ">I", 0x7FF << 21 | version << 19 | layer << 17 | 1 << 16 | bits << 12 | rate << 10 | padding << 9
    )
    bit_rate, hertz = BIT_RATES[max(version, 2), layer][bits] * 1000, RATES[version][rate]
    if layer == 3:
        size = (12 * bit_rate // hertz + padding) * 4
    else:
        size = (72 if layer == 1 and version != 3 else 144) * bit_rate // hertz + padding
    return head + bytes([fill]) * (size - 4)


@pytest.mark.parametrize(
    ("kind", "hertz", "samples"),
    [
        ((3, 1, 0), 44100, 1152), ((3, 2, 1), 48000, 1152), ((3, 3, 2), 32000, 384),
        ((2, 1, 0), 22050, 576), ((0, 1, 2), 8000, 576), ((2, 2, 1), 24000, 1152),
    ],
)  # fmt: skip
def test_frames_of_every_kind_are_counted(kind, hertz, samples):
    version, layer, rate = kind
    [found] = stretches(b"".join(frame(version, layer, 5 + n % 6, rate, n % 2) for n in range(50)))
    assert (found.kind, found.rate, found.frame_samples, found.frames) == ((*kind, False), hertz, samples, 50)
    assert found.announced is None


def test_stray_bytes_and_tags_are_no_frames():
    tag = b"ID3\x03\0\0\0\0\x02\0" + b"\xff\xfb\x90\0" * 64
    content = tag + frame() * 20 + b"stray \xff\xfb" * 9 + frame() * 20 + b"APETAGEX" + bytes(24) + b"TAG" + bytes(125)
    [found] = stretches(content)
    assert found.frames == 40
    assert [end - start for start, end in found.ranges] == [20 * len(frame())] * 2


def test_a_tag_longer_than_the_file_is_none():
    [found] = stretches(b"ID3\x03\0\0\x7f\x7f\x7f\x7f" + frame() * 20)
    assert found.frames == 20


def test_a_frame_that_is_cut_off_does_not_count():
    [found] = stretches((frame() * 20)[:-1])
    assert found.frames == 19


def test_each_header_begins_a_stretch():
    header = bytearray(frame())
    header[36:48] = b"Xing" + struct.pack(">II", 1, 20)
    first, second = stretches((bytes(header) + frame() * 20) * 2)
    assert (first.frames, first.announced, second.frames) == (20, 20, 20)
    assert first.header == 44


def test_a_word_in_the_sound_is_no_header():
    content = frame() * 5 + frame()[:200] + b"Xing" + struct.pack(">II", 1, 20) + frame()[212:] + frame() * 5
    [found] = stretches(content)
    assert (found.frames, found.announced) == (11, None)


@pytest.mark.parametrize("content", [b"", b"\xff", bytes(5000), b"\xff\xfb\x90\0" * 500, b"MZ" * 3000 + frame() * 3])
def test_what_is_mostly_something_else_is_refused(content):
    with pytest.raises(AudioError):
        stretches(content)


def test_free_format_is_recognised():
    assert is_free_format(b"\xff\xfb\x00\0" + bytes(900))
    assert not is_free_format(frame())
    assert not is_free_format(b"")
