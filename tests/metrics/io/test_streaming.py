"""Blocks against the whole: a file read piece by piece gives what `audio` gives at once."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import AudioError
from metrics.io import audio, reader
from metrics.io.audio import Preprocessing
from metrics.io.streaming import LoudnessMeter, file_loudness, preprocessed_blocks, read_blocks


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(reader, "BLOCK", 5000)


def sound(seconds=3.0, rate=44100, channels=2, seed=0):
    """Noise whose level rises from silence, so that the gates of the loudness have something to do."""
    noise = np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    return (0.3 * noise * np.linspace(0, 1, len(noise))[:, None] ** 4).astype(np.float32)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
@pytest.mark.parametrize("rate", [None, 16000, 48000])
def test_the_pieces_are_the_file(tmp_path, name, rate):
    soundfile.write(tmp_path / name, sound(), 44100)
    pieces = list(read_blocks(tmp_path / name, rate))
    assert len(pieces) > 5
    whole, decoded = audio.load(tmp_path / name, rate)[0], np.concatenate(pieces)
    assert decoded.shape == whole.shape
    assert np.abs(decoded - whole).max() <= (2e-4 if name == "a.mp3" else 0)


@pytest.mark.parametrize("preprocessing", [Preprocessing(), Preprocessing(22050, -14.0, 1.3), Preprocessing(lufs=None)])
def test_the_preprocessing_is_that_of_a_clip(tmp_path, preprocessing):
    soundfile.write(tmp_path / "a.wav", sound(), 44100, subtype="FLOAT")
    whole = preprocessing.apply(*audio.load(tmp_path / "a.wav"))
    pieces = np.concatenate(list(preprocessed_blocks(tmp_path / "a.wav", preprocessing)))
    assert pieces.shape == whole.shape
    assert np.abs(pieces - whole).max() <= 1e-4 * np.abs(whole).max()


@given(
    seconds=st.floats(0.4, 3.0),
    rate=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    size=st.integers(50, 9000),
    level=st.floats(-75, 0),
)
def test_the_loudness_is_that_of_the_whole_clip(seconds, rate, size, level):
    clip = sound(seconds, rate, 1)[:, 0] * 10 ** (level / 20)
    meter = LoudnessMeter(rate)
    for start in range(0, clip.size, size):
        meter.add(clip[start : start + size])
    assert meter.seconds == pytest.approx(clip.size / rate)
    expected = audio.loudness(clip, rate) if clip.size >= 0.4 * rate else -np.inf
    assert meter.integrated() == pytest.approx(expected, abs=2e-3)


def test_a_sine_of_full_scale_is_at_minus_three(tmp_path):
    tone = np.sin(2 * np.pi * 997 * np.arange(48000 * 2) / 48000)
    soundfile.write(tmp_path / "a.wav", tone, 48000, subtype="FLOAT")
    assert file_loudness(tmp_path / "a.wav", Preprocessing(rate=48000))[0] == pytest.approx(-3.01, abs=0.1)


def test_files_without_a_measurable_sound_are_refused_by_name(tmp_path):
    broken = sound(1.0)
    broken[-1] = np.nan
    files = {"silent": np.zeros(44100), "short": sound(0.3), "nan": broken, "empty": np.zeros(0)}
    for name, samples in files.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, 44100, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    for name, message in [
        ("silent", "silent: its 1.00 s"), ("short", "from 0.4 s"), ("nan", "NaN"), ("empty", "no samples"),
        ("text", "cannot be decoded"), ("absent", "no sound file"),
    ]:  # fmt: skip
        with pytest.raises(AudioError, match=message) as caught:
            list(preprocessed_blocks(tmp_path / f"{name}.wav", Preprocessing()))
        assert f"{name}.wav" in str(caught.value)
