"""One rate, one loudness, and a gain that is recorded where a peak would not fit."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.core.errors import AudioError
from harness.corpora.audio import LUFS, RATE, convert
from metrics.io.audio import loudness

from .conftest import tone


def test_loudness_rate_and_length(tmp_path: Path) -> None:
    seconds, gain = convert([tone(440, seconds=2.0, rate=44100, level=0.9)], tmp_path / "a.flac", "a")
    audio, rate = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert (rate, seconds, gain) == (RATE, 2.0, 1.0)
    assert loudness(audio, rate) == pytest.approx(LUFS, abs=0.05)


def test_a_peaky_track_is_turned_down_not_clipped(tmp_path: Path) -> None:
    samples = np.zeros(32000, dtype=np.float32)
    samples[::8000] = 0.5
    samples += 1e-3 * np.sin(np.arange(32000) * 0.3).astype(np.float32)
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format="FLAC")
    _, gain = convert([out.getvalue()], tmp_path / "a.flac", "a")
    audio, rate = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert 0 < gain < 1
    assert np.abs(audio).max() == pytest.approx(1.0, abs=1e-4)
    assert (np.abs(audio) > 0.99).sum() == 4
    assert loudness(audio, rate) == pytest.approx(LUFS + 20 * np.log10(gain), abs=0.1)


@pytest.mark.parametrize("content", [b"", b"OggS and then nothing", tone(440, level=0.0)])
def test_what_is_not_sound_is_refused_and_leaves_no_file(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(AudioError):
        convert([content], tmp_path / "a.flac", "a")
    assert list(tmp_path.iterdir()) == []
