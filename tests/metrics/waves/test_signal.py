import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import AudioError, DegenerateInput
from metrics.io import reader
from metrics.waves.accumulators import Clipped
from metrics.waves.clips import AudioSet
from metrics.waves.signal import VALUES, measure_signal, measure_signal_file, signal_score

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
    assert measure_signal(audio, RATE).true_peak == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_clipping_is_the_share_of_flat_tops_at_any_level(gain):
    clipped = np.clip(1.5 * tone(440.0), -1, 1)
    assert measure_signal(gain * clipped, RATE).clipping == pytest.approx(np.mean(np.abs(clipped) >= 1), abs=1e-4)
    assert measure_signal(gain * tone(440.0), RATE).clipping == 0.0


def test_samples_beyond_full_scale_would_be_cut_off():
    audio = 1.5 * tone(440.0)
    assert measure_signal(audio, RATE).clipping == pytest.approx(np.mean(np.abs(audio) > 1), abs=1e-4)


def test_silence_is_counted_in_frames_below_minus_60_dbfs():
    audio = noise()
    audio[: RATE // 2] *= 1e-5
    assert measure_signal(audio, RATE).silence == pytest.approx(0.25)


@pytest.mark.parametrize("cutoff", [1000, 4000, 12000])
def test_the_rolloff_follows_the_band(cutoff):
    spectrum = np.fft.rfft(noise())
    spectrum[np.fft.rfftfreq(2 * RATE, 1 / RATE) > cutoff] = 0
    assert measure_signal(np.fft.irfft(spectrum), RATE).rolloff == pytest.approx(0.95 * cutoff, rel=0.05)


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


def measured(folder, channels, rate=RATE, start=0.0, **more):
    path = folder / "a.wav"
    soundfile.write(path, np.stack(channels, 1), rate, subtype="FLOAT", **more)
    return measure_signal_file(path, start)


@pytest.mark.parametrize(("count", "gain"), [(1, 0.0), (2, 3.01), (3, 4.77)])
def test_channels_add_up_in_loudness_and_not_in_peak(tmp_path, count, gain):
    alone, found = measure_signal(noise(), RATE), measured(tmp_path, [noise()] * count)
    assert found.loudness == pytest.approx(alone.loudness + gain, abs=0.01)
    assert found.true_peak == pytest.approx(alone.true_peak, abs=1e-4)
    assert (found.silence, found.channels) == (alone.silence, count)
    assert found.rolloff == pytest.approx(alone.rolloff, abs=25)
    assert found.cancellation == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("channels", [2, 3, 4, 5])
def test_the_loudness_of_channels_is_that_of_pyloudnorm(tmp_path, channels):
    import pyloudnorm

    audio = np.stack([noise(seed=n) * (n + 1) / channels for n in range(channels)], 1)
    expected = pyloudnorm.Meter(RATE).integrated_loudness(audio if channels != 4 else audio[:, :3])
    found = measured(tmp_path, list(audio.T if channels != 4 else audio.T[:3]))
    assert found.loudness == pytest.approx(expected, abs=0.02)


def test_surround_counts_more_and_the_lfe_not_at_all(tmp_path):
    silent = np.zeros_like(noise())
    front = measured(tmp_path, [noise(), silent, silent, silent, silent, silent]).loudness
    assert front is not None
    assert measured(tmp_path, [silent] * 4 + [noise(), silent]).loudness == pytest.approx(front + 1.49, abs=0.01)
    assert measured(tmp_path, [silent] * 3 + [noise(), silent, silent]).loudness is None


def test_channels_that_cancel_are_no_silence(tmp_path):
    found, same = measured(tmp_path, [noise(), -noise()]), measured(tmp_path, [noise(), noise()])
    assert (found.loudness, found.true_peak) == pytest.approx((same.loudness, same.true_peak), abs=0.01)
    assert (found.silence, found.clipping) == (same.silence, 0.0)
    assert found.rolloff == pytest.approx(same.rolloff, abs=25)
    assert found.cancellation == 120.0
    assert any("cancel" in one for one in found.warnings)
    assert same.warnings == ()


@pytest.mark.parametrize("other", [noise(seed=1), np.zeros_like(noise())])
def test_independent_channels_and_a_silent_one_do_not_cancel(tmp_path, other):
    found = measured(tmp_path, [noise(), other])
    assert found.cancellation == pytest.approx(3.01, abs=0.1)
    assert found.warnings == ()


def test_clipped_samples_are_counted_once_whatever_the_channels(tmp_path):
    clipped = np.clip(1.5 * tone(440.0), -1, 1)
    share = measure_signal(clipped, RATE).clipping
    assert share is not None
    assert measured(tmp_path, [clipped, clipped]).clipping == pytest.approx(share)
    assert measured(tmp_path, [clipped, -clipped]).clipping == pytest.approx(share)
    assert measured(tmp_path, [clipped, 0.5 * tone(440.0)]).clipping == pytest.approx(share / 2)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_dither_is_not_clipped(steps):
    dither = np.random.default_rng(0).integers(-steps, steps + 1, RATE) / 2**15
    assert measure_signal(dither, RATE).clipping == 0.0


def test_the_offset_is_that_of_the_worst_channel(tmp_path):
    assert measured(tmp_path, [noise() + 0.1, noise() - 0.3]).dc_offset == pytest.approx(-0.3, abs=1e-3)


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (np.concatenate([noise(1.0), np.zeros(3 * RATE)]), "75% of it is silent"),
        (np.zeros(RATE), "it is silent"),
        (300 * noise(), "LUFS"),
        (np.concatenate([noise(), [1000.0, -1000.0]]), "dBTP"),
        (np.clip(20 * noise(), -1, 1), "clipped"),
        (noise() + 0.2, "DC offset"),
        (noise(0.2), "too short"),
    ],
)
def test_what_no_music_has_is_said(audio, words):
    assert any(words in one for one in measure_signal(audio, RATE).warnings)


def test_music_gives_no_warning():
    assert measure_signal(noise(), RATE).warnings == ()
    assert measure_signal(np.concatenate([noise(2.0), np.zeros(2 * RATE)]), RATE).warnings == ()


def test_what_is_odd_about_the_file_is_said_with_it(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(), RATE)
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[: len(content) // 2])
    assert any("cut off" in one for one in measure_signal_file(tmp_path / "a.wav").warnings)


def test_the_audio_prompt_is_left_out(tmp_path):
    prompted = np.concatenate([0.5 * tone(100.0, 1.0), noise()])
    found, expected = measured(tmp_path, [prompted], start=1.0), measured(tmp_path, [noise()])
    assert found == expected
    with pytest.raises(AudioError, match="audio prompt"):
        measured(tmp_path, [prompted], start=9.0)


def uneven(seconds, rate):
    """Noise that swells, with silence, cut tops over the edges of pieces, and samples beyond full scale."""
    audio = np.random.default_rng(0).normal(0, 0.2, round(seconds * rate)) * np.linspace(0, 1, round(seconds * rate))
    audio[rate // 4 : rate] *= 1e-5
    for start in range(5, audio.size, 997):
        audio[start : start + start % 7] = (0.9, -0.9)[start % 2]
    audio[-50:-45] = 0.9
    return audio.astype(np.float32)


@settings(max_examples=12, deadline=None)
@given(st.integers(301, 5000), st.floats(0.1, 2.0))
def test_a_file_in_pieces_of_any_size_has_the_figures_of_the_whole(tmp_path_factory, size, seconds):
    path = tmp_path_factory.mktemp("file") / "a.wav"
    audio = uneven(seconds, 8000)
    soundfile.write(path, audio, 8000, subtype="FLOAT")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BLOCK", size)
        pieces = measure_signal_file(path).as_dict()
    for name, expected in measure_signal(audio, 8000).as_dict().items():
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-5)
        assert name == "warnings" or pieces[name] == expected, name


def test_flat_tops_are_counted_once_wherever_pieces_end():
    audio = np.array([0, 0.5, 0.5, 0.5, 0.5, 0, -0.5, -0.5, 0, 0.5, 0.5, 0.5, -0.5, -0.5, -0.5, -0.5], np.float32)
    for size in range(1, len(audio) + 1):
        clipped = Clipped(0.5)
        for start in range(0, len(audio), size):
            clipped.add(audio[start : start + size])
        assert clipped.count() == 4 + 3 + 4


def file_of(path, seconds, rate=8000):
    """Noise, written a second at a time."""
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        for second in range(seconds):
            file.write(noise(1.0, rate, seed=second % 10))
    return path


def test_memory_does_not_grow_with_the_length_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BLOCK", 8000)
    measure_signal_file(file_of(tmp_path / "warm.wav", 2))  # what is imported counts as memory, too
    peaks = []
    for seconds in (20, 120):
        path = file_of(tmp_path / f"{seconds}.wav", seconds)
        tracemalloc.start()
        measure_signal_file(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 4 * 120 * 8000  # what the samples alone would take


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_two_hours_take_less_than_300_mb(tmp_path):
    path = file_of(tmp_path / "long.flac", 7200, 44100)
    # VmHWM begins anew with the program; ru_maxrss would count what pytest held when it forked.
    code = (
        "import sys; from metrics.waves.signal import measure_signal_file\n"
        "seconds = measure_signal_file(sys.argv[1]).seconds\n"
        "status = open('/proc/self/status').read()\n"
        "print(seconds, int(status.split('VmHWM:')[1].split()[0]) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    assert seconds == 7200
    assert megabytes < 300  # the samples alone: 1.2 GB


def test_scores_are_means_over_clips_with_an_error():
    clips = AudioSet([noise(seed=seed) * gain for seed, gain in enumerate((1, 0.5, 0.25, 0.125))], RATE, range(4))
    measured = clips.measure(measure_signal)
    scores = {name: signal_score(name, clips, measured) for name in VALUES}
    assert scores["loudness"].value == pytest.approx(np.mean([signal.as_dict()["loudness"] for signal in measured]))
    assert scores["loudness"].stderr == pytest.approx(6.02 * np.std([0, 1, 2, 3], ddof=1) / 2, rel=0.01)
    assert (scores["loudness"].unit, scores["clipping"].direction) == ("LUFS", "lower")
    assert scores["non_finite"].value == scores["too_short"].value == 0.0
    assert signal_score("loudness", clips) == scores["loudness"]


def test_a_broken_clip_is_a_share_of_broken_clips_and_leaves_the_other_means():
    clips = AudioSet([noise(), noise(), noise(), np.full(RATE, np.nan)], RATE, range(4))
    assert signal_score("non_finite", clips).value == 0.25
    loudness = signal_score("loudness", clips)
    assert (loudness.n_units, loudness.reliable) == (3, False)
    with pytest.raises(DegenerateInput, match="no value for any of 3"):
        signal_score("loudness", AudioSet([np.zeros(RATE)] * 3, RATE, range(3)))
