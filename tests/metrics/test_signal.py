import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.clips import AudioSet
from metrics.errors import AudioError, DegenerateInput
from metrics.signal import FIGURES, clipping_share, measure_signal, rolloff, signal_score, silence_share, true_peak

RATE = 48000


def tone(hertz, seconds=2.0, rate=RATE, amplitude=1.0, phase=0.0):
    """A sine that is faded in and out over 10 ms, so that its ends are no step."""
    time = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.01)
    return (amplitude * fade * np.sin(2 * np.pi * hertz * time + phase)).astype(np.float32)


def noise(seconds=2.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def test_a_full_scale_997_hz_sine_is_minus_3_01_lufs_and_0_dbtp():
    found = measure_signal(tone(997.0, seconds=5.0), RATE)
    assert found.loudness == pytest.approx(-3.01, abs=0.1)
    assert found.true_peak == pytest.approx(0.0, abs=0.05)
    assert (found.clipping, found.silence, found.non_finite, found.too_short) == (
        0.0,
        pytest.approx(0, abs=0.01),
        0,
        False,
    )
    assert found.dc_offset == pytest.approx(0.0, abs=1e-6)


def test_the_true_peak_lies_between_the_samples():
    """A quarter of the rate at 45°: every sample is at .707 of the peak."""
    audio = tone(RATE / 4, phase=np.pi / 4)
    assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak(audio, RATE) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_clipping_is_the_share_of_flat_tops_at_any_level(gain):
    clipped = np.clip(1.5 * tone(440.0), -1, 1)
    assert clipping_share(gain * clipped) == pytest.approx(np.mean(np.abs(clipped) >= 1), abs=1e-4)
    assert clipping_share(gain * tone(440.0)) == 0.0


def test_samples_beyond_full_scale_would_be_cut_off():
    audio = 1.5 * tone(440.0)
    assert clipping_share(audio) == pytest.approx(np.mean(np.abs(audio) > 1), abs=1e-4)


def test_silence_is_counted_in_frames_below_minus_60_dbfs():
    audio = noise()
    audio[: RATE // 2] *= 1e-5
    assert silence_share(audio, RATE) == pytest.approx(0.25)


@pytest.mark.parametrize("cutoff", [1000, 4000, 12000])
def test_the_rolloff_follows_the_band(cutoff):
    spectrum = np.fft.rfft(noise())
    spectrum[np.fft.rfftfreq(2 * RATE, 1 / RATE) > cutoff] = 0
    assert rolloff(np.fft.irfft(spectrum).astype(np.float32), RATE) == pytest.approx(0.95 * cutoff, rel=0.05)


def test_the_offset_is_the_mean():
    assert measure_signal(noise() + 0.25, RATE).dc_offset == pytest.approx(0.25, abs=1e-3)


@settings(max_examples=15)
@given(st.floats(-40, 0))
def test_a_gain_moves_levels_by_itself_and_nothing_else(decibels):
    plain, turned = measure_signal(noise(), RATE), measure_signal(noise() * 10 ** (decibels / 20), RATE)
    assert turned.loudness == pytest.approx(plain.loudness + decibels, abs=0.01)
    assert turned.true_peak == pytest.approx(plain.true_peak + decibels, abs=0.01)
    assert turned.rolloff == pytest.approx(plain.rolloff, abs=25)


def test_silence_has_no_level_and_no_band():
    found = measure_signal(np.zeros(RATE), RATE)
    assert (found.loudness, found.true_peak, found.rolloff) == (None, None, None)
    assert (found.silence, found.clipping, found.dc_offset) == (1.0, 0.0, 0.0)


def test_a_constant_is_one_flat_top():
    found = measure_signal(np.full(RATE, 0.5), RATE)
    assert (found.clipping, found.dc_offset, found.silence) == (1.0, 0.5, 0.0)


def test_what_is_too_short_has_no_loudness():
    found = measure_signal(noise(0.399), RATE)
    assert (found.too_short, found.loudness) == (True, None)
    assert found.true_peak is not None
    assert measure_signal([0.5], RATE).too_short
    assert not measure_signal(noise(0.4), RATE).too_short


def test_broken_samples_are_counted_and_nothing_else_is_measured():
    audio = noise()
    audio[[3, 5]] = np.nan, np.inf
    found = measure_signal(audio, RATE)
    assert found.non_finite == 2
    assert {found.loudness, found.true_peak, found.clipping, found.silence, found.dc_offset, found.rolloff} == {None}
    json.dumps(found.as_dict(), allow_nan=False)


def test_an_empty_clip_and_one_of_two_channels_are_errors():
    for audio in (np.zeros(0), np.zeros((2, 100))):
        with pytest.raises(AudioError, match=r"\(samples,\)"):
            measure_signal(audio, RATE)


def test_scores_are_means_over_clips_with_an_error():
    clips = AudioSet([noise(seed=seed) * gain for seed, gain in enumerate((1, 0.5, 0.25, 0.125))], RATE, range(4))
    measured = clips.measure(measure_signal)
    scores = {name: signal_score(name, clips, measured) for name in FIGURES}
    assert scores["loudness"].value == pytest.approx(np.mean([signal.as_dict()["loudness"] for signal in measured]))
    assert scores["loudness"].stderr == pytest.approx(6.02 * np.std([0, 1, 2, 3], ddof=1) / 2, rel=0.01)
    assert (scores["loudness"].unit, scores["clipping"].direction) == ("LUFS", "lower")
    assert scores["non_finite"].value == scores["too_short"].value == 0.0
    assert signal_score("loudness", clips) == scores["loudness"]


def test_a_broken_clip_is_a_share_of_broken_clips_and_leaves_the_other_means():
    clips = AudioSet([noise(), noise(), noise(), np.full(RATE, np.nan)], RATE, range(4))
    assert signal_score("non_finite", clips).value == 0.25
    loudness = signal_score("loudness", clips)
    assert (loudness.n_songs, loudness.reliable) == (3, False)
    with pytest.raises(DegenerateInput, match="no value for any of 3"):
        signal_score("loudness", AudioSet([np.zeros(RATE)] * 3, RATE, range(3)))
