"""Anchors against what the standard asks, measured of the filter and of filtered sound."""

import numpy as np
import pytest
from scipy.signal import correlate, freqz

from harness.core.errors import UsageError
from harness.listening.make.anchors import lowpass, lowpass_taps

RATES = (16000, 22050, 44100, 48000)


@pytest.mark.parametrize(("cutoff", "rate"), [(c, r) for c in (3500, 7000) for r in RATES if c * 1.2 < r / 2])
def test_three_decibels_are_lost_at_the_cut_off_and_the_stop_band_is_the_standards(cutoff: int, rate: int) -> None:
    frequency, response = freqz(lowpass_taps(cutoff, rate), worN=1 << 16, fs=rate)
    decibels = 20 * np.log10(np.abs(response) + 1e-12)
    assert frequency[decibels < -3][0] == pytest.approx(cutoff, rel=0.001)
    assert np.abs(decibels[frequency < 0.85 * cutoff]).max() < 0.1
    # BS.1534-3 for 3.5 kHz: 25 dB down at 4 kHz, 50 dB at 4.5 kHz.
    assert decibels[frequency >= cutoff * 4 / 3.5].max() < -25
    assert decibels[frequency >= cutoff * 4.5 / 3.5].max(initial=-99) < -50


@pytest.mark.parametrize("cutoff", [3500, 7000])
def test_filtered_sound_is_as_long_as_before_and_not_a_sample_late(cutoff: int) -> None:
    noise = np.random.default_rng(0).standard_normal((48000, 2)).astype(np.float32)
    filtered = lowpass(noise, cutoff, 48000)
    assert filtered.shape == noise.shape
    for channel in range(2):
        lags = correlate(filtered[:, channel], noise[:, channel], mode="full", method="fft")
        assert np.argmax(lags) - (len(noise) - 1) == 0


def test_an_impulse_stays_where_it_was() -> None:
    impulse = np.zeros((4801, 1), dtype=np.float32)
    impulse[2400] = 1
    filtered = lowpass(impulse, 3500, 48000)[:, 0]
    assert np.argmax(filtered) == 2400
    np.testing.assert_allclose(filtered, filtered[::-1], atol=1e-7)


def test_a_rate_too_low_for_the_anchor_is_refused() -> None:
    with pytest.raises(UsageError, match=r"16800 Hz.*--rate"):
        lowpass_taps(7000, 16000)
