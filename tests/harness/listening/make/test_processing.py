"""The chain against oracles: loudness and peaks by the metrics' own meters, fades and lengths by arithmetic."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import AudioError
from harness.listening.check.leaks import wav_chunks
from harness.listening.make.processing import (
    NEUTRAL_TIME,
    PEAK_MARGIN_DB,
    ProcessingSettings,
    StimulusSpec,
    excerpt,
    faded,
    item_gains,
    make_item,
)
from metrics.io.audio import loudness
from metrics.waves.signal import true_peak
from tests.harness.listening.clips import RATE, music, read

STUDY = ProcessingSettings(rate=RATE, channels=1, samples=2 * RATE)


def clip(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, sound, rate, subtype="FLOAT")
    return path


def made(folder: Path, *sounds: np.ndarray, study: ProcessingSettings = STUDY, rate: int = RATE):
    specs = [StimulusSpec(f"s{n}", path=clip(folder / f"{n}.wav", one, rate)) for n, one in enumerate(sounds)]
    return make_item(specs, study, folder / "audio")


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("bits", [16, 24])
def test_loudness_is_the_target_whatever_the_sources_rate_and_level(tmp_path: Path, rate: int, bits: int) -> None:
    study = ProcessingSettings(rate=48000, channels=1, samples=96000, bits=bits)
    done = made(tmp_path, *(music(n, rate=rate, level=0.4 / 4**n) for n in range(3)), study=study, rate=rate)
    for one in done:
        sound, found = read(tmp_path / "audio" / f"{one.id}.wav")
        assert (found, sound.shape) == (48000, (96000,))
        assert loudness(sound, found) == pytest.approx(-23, abs=0.1)
        assert one.lufs_after == pytest.approx(loudness(sound, found), abs=1e-3)
        assert one.true_peak == pytest.approx(true_peak(sound, found), abs=1e-3)
        assert (one.true_peak or 0) <= -1


def test_an_item_with_a_peak_is_lowered_as_a_whole_and_nothing_is_limited(tmp_path: Path) -> None:
    spiky = music(1, level=0.02)
    spiky[8000] = 0.5
    plain, low = made(tmp_path, music(0), spiky)
    assert low.true_peak == pytest.approx(-1.01, abs=0.01)
    assert (low.true_peak or 0) <= -1
    assert plain.lowered == low.lowered > 3
    assert plain.lufs_after == pytest.approx(-23 - plain.lowered, abs=0.05)
    assert low.lufs_after == pytest.approx(plain.lufs_after, abs=0.1)
    written, _ = read(tmp_path / "audio" / "s1.wav")
    np.testing.assert_allclose(
        written[400:-400], spiky[400 : 2 * RATE - 400] * 10 ** ((low.gain_db or 0) / 20), atol=2.0**-14
    )


DECIBELS = st.floats(-60, 30)


@given(st.lists(st.tuples(DECIBELS, st.floats(-90, 3)) | st.none(), min_size=1, max_size=9))
def test_gains_are_lowered_alike_and_no_more_than_the_highest_peak_asks(stimuli: list) -> None:
    target, peaks = ([None if one is None else one[n] for one in stimuli] for n in (0, 1))
    gains, lowered = item_gains(target, peaks, STUDY)
    assert [gain is None for gain in gains] == [one is None for one in stimuli]
    after = [one[1] + gain for one, gain in zip(stimuli, gains, strict=True) if one is not None]
    for one, gain in zip(stimuli, gains, strict=True):
        assert one is None or gain == pytest.approx(one[0] - lowered, abs=1e-5)
    assert max(after, default=-99) <= STUDY.peak - PEAK_MARGIN_DB + 1e-5
    assert lowered == 0 or max(after) == pytest.approx(STUDY.peak - PEAK_MARGIN_DB, abs=1e-5)


def test_a_clip_that_is_silent_in_part_is_at_the_target_too(tmp_path: Path) -> None:
    """Its gain is not the difference of loudness: what lies above the −70 LUFS gate changes with the gain."""
    sound = music(0, seconds=4)
    sound *= 10 ** ((-64 - loudness(sound, RATE)) / 20)
    sound[RATE:] *= 0.4
    study = ProcessingSettings(rate=RATE, channels=1, samples=4 * RATE)
    [one] = made(tmp_path, sound, study=study)
    assert one.gain_db != pytest.approx(-23 - (one.lufs_before or 0), abs=0.1)
    assert one.lufs_after == pytest.approx(-23 - one.lowered, abs=0.05)


def test_fades_are_raised_cosines_and_length_is_exact(tmp_path: Path) -> None:
    ones = np.ones((RATE, 1), dtype=np.float32)
    shape = faded(ones, ProcessingSettings(RATE, 1, RATE, fade_seconds=0.01))[:, 0]
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(160) + 0.5) / 160)
    np.testing.assert_allclose(shape[:160], ramp, atol=1e-6)
    np.testing.assert_allclose(shape[-160:], ramp[::-1], atol=1e-6)
    assert (shape[160:-160] == 1).all()
    assert (faded(ones, ProcessingSettings(RATE, 1, RATE, fade_seconds=0)) == 1).all()


@pytest.mark.parametrize(("rate", "target"), [(44100, 48000), (48000, 44100), (22050, 48000), (16000, 44100)])
def test_resampling_keeps_place_and_length(tmp_path: Path, rate: int, target: int) -> None:
    """A click half a second in is half a second in at any rate."""
    sound = np.zeros(2 * rate, dtype=np.float32)
    sound[rate // 2] = 0.5
    path = clip(tmp_path / "click.wav", sound, rate)
    found = excerpt(StimulusSpec("s", path=path), ProcessingSettings(target, 1, 2 * target))
    assert found.shape == (2 * target, 1)
    assert abs(int(np.argmax(np.abs(found[:, 0]))) - target // 2) <= 1


def test_an_excerpt_begins_where_it_was_asked_to(tmp_path: Path) -> None:
    path = clip(tmp_path / "ramp.wav", np.linspace(0, 1, 4 * RATE, dtype=np.float32))
    found = excerpt(StimulusSpec("s", path=path, offset=1.5), ProcessingSettings(RATE, 1, RATE))
    assert found[0, 0] == pytest.approx(1.5 / 4, abs=1e-4)
    assert found[-1, 0] == pytest.approx(2.5 / 4, abs=1e-4)


def test_channels_are_mixed_or_doubled(tmp_path: Path) -> None:
    stereo = np.stack([np.full(RATE, 0.2), np.full(RATE, 0.4)], axis=1)
    both = excerpt(StimulusSpec("s", path=clip(tmp_path / "2.wav", stereo)), ProcessingSettings(RATE, 1, RATE))
    np.testing.assert_allclose(both, 0.3, atol=1e-6)
    mono = excerpt(StimulusSpec("s", path=clip(tmp_path / "1.wav", stereo[:, 0])), ProcessingSettings(RATE, 2, RATE))
    assert mono.shape == (RATE, 2)


def test_stereo_is_at_the_target_over_both_channels(tmp_path: Path) -> None:
    import pyloudnorm

    sound = np.stack([music(1), 0.3 * music(2)], axis=1)
    [one] = made(tmp_path, sound, study=ProcessingSettings(RATE, 2, 2 * RATE))
    written, rate = soundfile.read(tmp_path / "audio" / "s0.wav")
    assert written.shape == (2 * RATE, 2)
    assert pyloudnorm.Meter(rate).integrated_loudness(written) == pytest.approx(-23, abs=0.05)
    assert one.lufs_after == pytest.approx(-23, abs=0.05)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("bits", [16, 24])
def test_files_hold_sound_and_nothing_else(tmp_path: Path, suffix: str, bits: int) -> None:
    study = ProcessingSettings(RATE, 1, 2 * RATE, bits=bits, suffix=suffix)
    [one] = made(tmp_path, music(0), study=study)
    path = tmp_path / "audio" / f"s0{suffix}"
    info = soundfile.info(path)
    assert (info.subtype, info.frames, info.samplerate) == (f"PCM_{bits}", 2 * RATE, RATE)
    assert path.stat().st_mtime == NEUTRAL_TIME
    assert hashlib.sha256(path.read_bytes()).hexdigest() == one.sha256
    if suffix == ".wav":
        assert [name for name, *_ in wav_chunks(path.read_bytes())] == [b"fmt ", b"data"]
    assert [name.name for name in (tmp_path / "audio").iterdir()] == [path.name]


@pytest.mark.parametrize("bits", [16, 24])
def test_copies_differ_in_dither_alone_and_come_again_the_same(tmp_path: Path, bits: int) -> None:
    path, study = clip(tmp_path / "a.wav", music(0)), ProcessingSettings(RATE, 1, 2 * RATE, bits=bits)
    specs = [StimulusSpec("s1", path=path), StimulusSpec("s2", path=path)]
    first = make_item(specs, study, tmp_path / "audio")
    again = make_item(specs, study, tmp_path / "again")
    assert first == again
    assert first[0].sha256 != first[1].sha256
    a, b = (soundfile.read(tmp_path / "audio" / f"{one.id}.wav")[0] for one in first)
    assert 0 < np.abs(a - b).max() <= 3 * 2.0 ** (1 - bits)


def test_silence_is_digital_and_noise_is_as_loud_as_music(tmp_path: Path) -> None:
    specs = [
        StimulusSpec("s1", path=clip(tmp_path / "a.wav", music(0))),
        StimulusSpec("s2", "noise"),
        StimulusSpec("s3", "silence"),
    ]
    _, noise, silence = make_item(specs, STUDY, tmp_path / "audio")
    assert noise.lufs_after == pytest.approx(-23, abs=0.05)
    assert (silence.gain_db, silence.lufs_after, silence.true_peak) == (None, None, None)
    assert not soundfile.read(tmp_path / "audio" / "s3.wav")[0].any()


def test_a_source_without_loudness_is_refused_by_name(tmp_path: Path) -> None:
    path = clip(tmp_path / "quiet.wav", np.zeros(2 * RATE, dtype=np.float32))
    with pytest.raises(AudioError, match=r"quiet\.wav.*--start"):
        make_item([StimulusSpec("s1", path=path)], STUDY, tmp_path / "audio")
    assert not list((tmp_path / "audio").glob("*"))


def test_a_source_that_lies_elsewhere_by_now_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.wav"):
        make_item([StimulusSpec("s1", path=tmp_path / "gone.wav")], STUDY, tmp_path / "audio")
