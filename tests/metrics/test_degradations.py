import numpy as np
import pytest
from scipy.signal import hilbert

from metrics.io.audio import loudness
from tests.metrics import synthetic
from tests.metrics.degradations import DEGRADATIONS, LEVELS, low_pass, noise, pitch_wobble, time_scramble

RATE = 16000
AUDIO = synthetic.random_notes(0, seconds=4.0)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_a_level_keeps_length_and_input_and_is_the_same_every_time(name):
    degrade, before = DEGRADATIONS[name], AUDIO.copy()
    assert degrade(AUDIO, RATE, 0) is AUDIO
    for level in LEVELS:
        degraded = degrade(AUDIO, RATE, level)
        assert (degraded.dtype, degraded.shape) == (np.float32, AUDIO.shape)
        assert np.isfinite(degraded).all()
        assert np.array_equal(degraded, degrade(AUDIO, RATE, level))
    assert np.array_equal(AUDIO, before)


@pytest.mark.parametrize("name", ["noise", "low-pass", "clipping"])
def test_the_waveform_is_farther_off_from_level_to_level(name):
    """What moves music in time is as far from its waveform at once."""
    errors = [np.mean((DEGRADATIONS[name](AUDIO, RATE, level) - AUDIO) ** 2) for level in (0, *LEVELS)]
    assert np.all(np.diff(errors) > 0)


def test_clipping_leaves_the_loudness():
    for level in LEVELS:
        assert loudness(DEGRADATIONS["clipping"](AUDIO, RATE, level), RATE) == pytest.approx(
            loudness(AUDIO, RATE), abs=3.0
        )


def test_levels_are_what_they_say():
    added = noise(AUDIO, RATE, 3) - AUDIO
    assert 10 * np.log10(np.mean(AUDIO**2) / np.mean(added**2)) == pytest.approx(10.0, abs=0.1)
    time = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 3000 * time).astype(np.float32)
    assert np.std(low_pass(tone, RATE, 1)) > 0.9 * np.std(tone)
    assert np.std(low_pass(tone, RATE, 3)[RATE // 4 : -RATE // 4]) < 1e-3
    assert sorted(time_scramble(AUDIO, RATE, 2)) == sorted(AUDIO)
    low = np.sin(2 * np.pi * 500 * time).astype(np.float32)
    phase = np.unwrap(np.angle(np.asarray(hilbert(pitch_wobble(low, RATE, 3)))))
    hertz = np.diff(phase)[RATE // 2 : -RATE // 2] * RATE / (2 * np.pi)
    assert 12 * np.log2(hertz.max() / 500) == pytest.approx(1.0, abs=0.1)
