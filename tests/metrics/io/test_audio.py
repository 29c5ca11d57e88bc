import hashlib
import math

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import AudioError, UsageError
from metrics.io import audio


def tone(rate=16000, seconds=2.0, hertz=440.0, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def test_a_full_scale_997_hz_sine_is_minus_3_01_lufs_within_the_0_1_that_ebu_tech_3341_allows():
    assert audio.loudness(tone(48000, 5.0, 997.0, 1.0), 48000) == pytest.approx(-3.01, abs=0.1)


def test_silence_is_minus_infinity_and_cannot_be_normalised():
    silent = np.zeros(16000, np.float32)
    assert audio.loudness(silent, 16000) == -math.inf
    with pytest.raises(AudioError, match="silent"):
        audio.normalise(silent, 16000)


def test_audio_shorter_than_a_gating_block_has_no_loudness():
    with pytest.raises(AudioError, match=r"lasts 0\.390 s"):
        audio.loudness(tone(seconds=0.39), 16000)


@settings(max_examples=10, deadline=None)
@given(amplitude=st.floats(0.003, 5.0), lufs=st.floats(-40, -10))
def test_normalised_audio_has_the_loudness_asked_for(amplitude, lufs):
    noise = amplitude * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert audio.loudness(audio.normalise(noise, 16000, lufs), 16000) == pytest.approx(lufs, abs=0.01)


def test_stereo_is_mixed_down_and_resampled(tmp_path):
    stereo = np.stack([tone(44100), np.zeros(88200, np.float32)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, 44100, subtype="FLOAT")
    mono, rate = audio.load(tmp_path / "a.wav", 16000)
    assert (rate, mono.dtype, mono.shape) == (16000, np.float32, (32000,))
    middle = slice(1000, -1000)
    assert np.abs(mono[middle] - tone(16000, amplitude=0.25)[middle]).max() < 1e-4


def test_a_tone_above_the_new_nyquist_vanishes():
    assert np.abs(audio.resample(tone(44100, hertz=12000.0), 44100, 16000)[1000:-1000]).max() < 1e-6


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_what_is_saved_is_read_back_within_one_step_of_16_bits(tmp_path, suffix):
    gain = audio.save(tmp_path / f"a{suffix}", tone(), 16000)
    back, rate = audio.load(tmp_path / f"a{suffix}")
    assert (gain, rate) == (1.0, 16000)
    assert np.abs(back - tone()).max() <= 1 / 32768


def test_the_same_audio_gives_the_same_bytes_and_leaves_no_other_file(tmp_path):
    for name in ("a.flac", "b.flac"):
        audio.save(tmp_path / name, tone(), 16000)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert len(digests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flac", "b.flac"]


def test_loud_audio_is_turned_down_instead_of_clipped(tmp_path):
    gain = audio.save(tmp_path / "a.wav", tone(amplitude=1.6), 16000)
    back, _ = audio.load(tmp_path / "a.wav")
    assert gain == pytest.approx(1 / 1.6, rel=1e-3)
    assert np.abs(back - gain * tone(amplitude=1.6)).max() <= 1 / 32768


def test_saving_refuses_what_is_not_finite_and_keeps_the_older_file(tmp_path):
    audio.save(tmp_path / "a.wav", tone(), 16000)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(AudioError, match="NaN or infinite"):
        audio.save(tmp_path / "a.wav", np.array([0.0, np.nan]), 16000)
    assert (tmp_path / "a.wav").read_bytes() == before


def test_samples_beyond_any_scale_are_no_sound():
    assert audio.check(np.full(4, 2.0**31)).max() == 2.0**31
    with pytest.raises(AudioError, match="full scale is 1"):
        audio.check([0.0, -3e38])


def test_saving_names_the_formats_it_writes(tmp_path):
    with pytest.raises(UsageError, match=r"\.wav or \.flac"):
        audio.save(tmp_path / "a.ogg", tone(), 16000)


def test_saving_where_a_file_is_in_the_way_is_an_audio_error(tmp_path):
    (tmp_path / "folder").write_text("not a folder")
    with pytest.raises(AudioError, match="could not be written"):
        audio.save(tmp_path / "folder" / "a.wav", tone(), 16000)


def test_loading_says_what_was_found(tmp_path):
    with pytest.raises(AudioError, match="no sound file"):
        audio.load(tmp_path / "absent.wav")
    (tmp_path / "text.wav").write_text("not audio")
    with pytest.raises(AudioError, match="cannot be decoded"):
        audio.load(tmp_path / "text.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
    with pytest.raises(AudioError, match="no samples"):
        audio.load(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan], np.float32), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite"):
        audio.load(tmp_path / "nan.wav")


def test_preprocessing_resamples_crops_and_levels():
    done = audio.Preprocessing(rate=16000, lufs=-23.0, seconds=1.0).apply(tone(44100, 3.0), 44100)
    assert done.shape == (16000,)
    assert audio.loudness(done, 16000) == pytest.approx(-23.0, abs=0.01)


def test_preprocessing_can_leave_the_level_alone_and_keeps_short_clips():
    assert np.array_equal(audio.Preprocessing(lufs=None, seconds=9.0).apply(tone(), 16000), tone())


def test_preprocessing_refuses_lengths_and_rates_that_make_no_sense():
    with pytest.raises(UsageError, match="positive"):
        audio.Preprocessing(seconds=0.0)
    with pytest.raises(UsageError, match="positive"):
        audio.Preprocessing(rate=0)


def test_preprocessing_tells_what_it_did():
    assert audio.Preprocessing().provenance() == {
        "rate": 16000, "lufs": -23.0, "seconds": None, "channels": "mono", "resampler": "soxr HQ",
    }  # fmt: skip
