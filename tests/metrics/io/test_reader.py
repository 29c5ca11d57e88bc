"""All of a file is decoded, whatever its header says, and what is odd about it is said."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from metrics.errors import AudioError
from metrics.io import reader
from metrics.io.audio import load, read
from metrics.io.reader import SoundReader

RATE, SECONDS = 44100, 6
FRAME = 1152


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> dict[str, bytes]:
    """A tone, then noise, in stereo: so that the bit rate of an MP3 varies."""
    folder = tmp_path_factory.mktemp("sounds")
    time = np.arange(SECONDS * RATE) / RATE
    noise = 0.1 * np.random.default_rng(0).standard_normal(time.size)
    mono = np.where(time < SECONDS / 3, 0.3 * np.sin(2 * np.pi * 220 * time), noise)
    stereo = np.stack([mono, 0.5 * mono], 1).astype(np.float32)
    variable = {"subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE", "compression_level": 0.3}
    for name, more in {"wav": {}, "flac": {}, "ogg": {}, "aiff": {}, "mp3": variable}.items():
        soundfile.write(folder / f"a.{name}", stereo, RATE, **more)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def put(tmp_path):
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def seconds(path: Path) -> tuple[float, list[str]]:
    """Length of what is decoded, and what is said of the file."""
    with SoundReader(path) as file:
        count = sum(len(block) for block in file.blocks())
        return count / file.rate, file.warnings


def without_header(mp3: bytes) -> bytes:
    """An MP3 as it is streamed: its first frame, which holds the Xing header, is gone."""
    first = mp3.find(b"\xff\xfb", 4)
    assert mp3.find(b"Xing") < first
    return mp3[first:]


def flac_total(flac: bytes, total: int) -> bytes:
    packed = int.from_bytes(flac[18:26], "big") >> 36 << 36 | total
    return flac[:18] + packed.to_bytes(8, "big") + flac[26:]


def wav_data(wav: bytes, size: int) -> bytes:
    at = wav.find(b"data") + 4
    return wav[:at] + struct.pack("<I", size) + wav[at + 4 :]


@pytest.mark.parametrize("kind", [".wav", ".flac", ".ogg", ".aiff", ".mp3"])
def test_an_intact_file_is_what_libsndfile_decodes_bit_for_bit(put, sounds, kind, monkeypatch):
    path = put(f"a{kind}", sounds[kind])
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert seconds(path) == (SECONDS, [])
    np.testing.assert_array_equal(read(path)[0], expected)
    monkeypatch.setattr(reader, "BLOCK", 3000)
    found, found_rate = read(path)
    np.testing.assert_array_equal(found, expected)
    assert found_rate == rate == RATE
    np.testing.assert_array_equal(load(path)[0], expected.mean(axis=1, dtype=np.float32))


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("kind", [".wav", ".flac", ".ogg", ".mp3"])
def test_joined_files_are_read_whole(put, sounds, kind, times):
    alone, _ = read(put(f"one{kind}", sounds[kind]))
    joined = put(f"joined{kind}", sounds[kind] * times)
    found, said = seconds(joined)
    assert found == times * SECONDS
    assert "joined" in said[0]
    np.testing.assert_array_equal(read(joined)[0], np.concatenate([alone] * times))


def test_joined_files_of_two_rates_are_refused(put, sounds, tmp_path):
    soundfile.write(tmp_path / "b.ogg", np.zeros((8000, 2)), 8000)
    with pytest.raises(AudioError, match="do not fit"):
        read(put("c.ogg", sounds[".ogg"] + (tmp_path / "b.ogg").read_bytes()))


@pytest.mark.parametrize(
    "between", [b"", b"TAG" + b"x" * 125, b"ID3\x04\0\0\0\0\1\0" + b"\xff\xfb" * 64, b"\xff\xfb\x90" * 99]
)
def test_a_variable_rate_mp3_without_a_header_is_read_whole(put, sounds, between):
    bare = without_header(sounds[".mp3"])
    assert len(soundfile.read(put("bare.mp3", bare))[0]) < 0.6 * SECONDS * RATE  # what is wrong without counting
    for name, content, times in (("one.mp3", bare, 1), ("two.mp3", bare + between + bare, 2)):
        found, _ = seconds(put(name, content))
        assert times * SECONDS <= found < times * (SECONDS + 3 * FRAME / RATE)


@pytest.mark.parametrize("announced", [10, 100_000])
def test_an_mp3_whose_header_is_wrong_is_read_whole(put, sounds, announced):
    content = sounds[".mp3"]
    at = content.find(b"Xing") + 8
    found, said = seconds(put("a.mp3", content[:at] + struct.pack(">I", announced) + content[at + 4 :]))
    assert found == pytest.approx(SECONDS, abs=3 * FRAME / RATE)
    assert len(said) == 1


@pytest.mark.parametrize("total", [0, 1, RATE, 100 * RATE])
def test_a_flac_of_unknown_or_wrong_length_is_read_whole(put, sounds, total):
    found, said = seconds(put("a.flac", flac_total(sounds[".flac"], total)))
    assert found == SECONDS
    assert bool(said) == bool(total)


@pytest.mark.parametrize("size", [0, 4000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_whose_header_was_not_completed_is_read_whole(put, sounds, size):
    found, said = seconds(put("a.wav", wav_data(sounds[".wav"], size)))
    assert found == SECONDS
    assert bool(said) == (size == 4000)


def test_what_follows_the_sound_of_a_wav_is_no_sound(put, sounds):
    wav = sounds[".wav"]
    for behind in (b"LIST" + struct.pack("<I", 8) + b"INFOxxxx", b"ID3" + b"\1" * 9000, bytes(9000), b"\1" * 99):
        assert seconds(put("a.wav", wav + behind)) == (SECONDS, [])


@pytest.mark.parametrize("kind", [".wav", ".ogg", ".mp3", ".aiff"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_is_cut_off_is_said_to_be(put, sounds, kind, share):
    content = sounds[kind][: round(share * len(sounds[kind]))]
    found, said = seconds(put(f"a{kind}", content))
    assert 0.3 * SECONDS < found < SECONDS
    assert any("cut off" in one for one in said)


def test_a_flac_that_is_cut_off_is_refused_in_words(put, sounds):
    with pytest.raises(AudioError, match="damaged or cut off"):
        read(put("a.flac", sounds[".flac"][: len(sounds[".flac"]) // 2]))


def test_a_flac_whose_md5_does_not_fit_is_said_to_be(put, sounds):
    flac = sounds[".flac"]
    _, said = seconds(put("a.flac", flac[:26] + bytes(range(16)) + flac[42:]))
    assert "MD5" in said[0]
    assert seconds(put("b.flac", flac[:26] + bytes(16) + flac[42:]))[1] == []  # none is stated


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_md5_of_every_width_of_sample_fits(tmp_path, subtype, channels):
    audio = np.random.default_rng(0).uniform(-1, 1, (5000, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", audio, 8000, subtype=subtype)
    assert seconds(tmp_path / "a.flac") == (5000 / 8000, [])
    expected, _ = soundfile.read(tmp_path / "a.flac", dtype="float32", always_2d=True)
    np.testing.assert_array_equal(read(tmp_path / "a.flac")[0], expected)


@pytest.mark.parametrize("kind", [".mp3", ".wav", ".flac", ".ogg"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF" + np.random.default_rng(0).bytes(200_000), b"#!/bin/sh\n" * 99, bytes(50_000), b"\xff\xfb\x90"],
)
def test_what_is_no_sound_is_refused_whatever_its_name(put, kind, content):
    with pytest.raises(AudioError):
        read(put(f"a{kind}", content))


@pytest.mark.parametrize("rate", [0, 1, 999, 1_000_001, 4_000_000_000, 0xFFFFFFFF])
def test_impossible_rates_are_refused(put, sounds, rate):
    wav = sounds[".wav"]
    with pytest.raises(AudioError):
        read(put("a.wav", wav[:24] + struct.pack("<I", rate) + wav[28:]))


def test_files_beside_it_do_not_matter(put, sounds):
    path = put("a.mp3", sounds[".mp3"])
    put("._a.mp3", b"\0\5\x16\7" + bytes(78))
    put("a.mp3.reapeaks", b"x")
    assert seconds(path) == (SECONDS, [])


def test_a_long_path_is_no_obstacle(tmp_path, sounds):
    folder = tmp_path
    while len(str(folder)) < 2000:
        folder = folder / ("x" * 200)
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(sounds[".wav"])
    assert seconds(folder / "a.wav") == (SECONDS, [])


def test_a_name_that_is_not_utf8_is_no_obstacle(tmp_path, sounds):
    path = tmp_path / "\udcff.flac"
    path.write_bytes(sounds[".flac"])
    assert seconds(path) == (SECONDS, [])


def test_a_fifo_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(AudioError):
        read(tmp_path / "a.wav")


def test_the_decoder_does_not_write_to_standard_error(put, sounds, capfd):
    damaged = bytearray(sounds[".mp3"])
    damaged[len(damaged) // 2 : len(damaged) // 2 + 600] = bytes(600)
    for content in (
        bytes(damaged),
        sounds[".mp3"][:9000],
        without_header(sounds[".mp3"]),
        b"\xff\xfb\x90\0" + bytes(3000),
    ):
        try:
            read(put("a.mp3", content))
        except AudioError:
            continue
    assert capfd.readouterr().err == ""


def test_a_mono_mp3_of_a_low_rate_is_counted_as_well(tmp_path):
    audio = 0.2 * np.random.default_rng(0).standard_normal(3 * 16000)
    soundfile.write(tmp_path / "a.mp3", audio, 16000)
    assert seconds(tmp_path / "a.mp3") == (3, [])


@pytest.mark.parametrize("kind", [".wav", ".mp3", ".ogg"])
@pytest.mark.parametrize(("start", "length"), [(0.0, 1.0), (1.5, 2.0), (5.5, 2.0), (7.0, 1.0), (2.0, None)])
def test_an_excerpt_is_that_part_of_the_whole(put, sounds, kind, start, length):
    path = put(f"a{kind}", sounds[kind])
    end = None if length is None else round((start + length) * RATE)
    np.testing.assert_array_equal(read(path, start, length)[0], read(path)[0][round(start * RATE) : end])
