import json
from types import SimpleNamespace

import numpy as np
import pytest

from metrics.errors import AudioError, DegenerateInput
from metrics.io.audio import resample
from metrics.waves.clips import AudioSet
from metrics.waves.structure import MAJOR, MINOR, PITCHES, VALUES, key_of, measure_structure, structure_score
from tests.metrics import synthetic

RATE = synthetic.RATE


def found_in(audio, rate=RATE):
    """The figures as attributes, of whatever type they are."""
    return SimpleNamespace(**measure_structure(audio, rate).as_dict())


def noise(seconds=12.0, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("bpm", [80, 120, 150])
def test_clicks_have_their_tempo_and_one_onset_a_beat(bpm):
    found = found_in(synthetic.clicks(bpm), RATE)
    assert found.tempo == pytest.approx(bpm, rel=0.005)
    assert found.tempo_confidence > 0.8
    assert found.onset_density == pytest.approx(bpm / 60, rel=0.05)


def test_noise_has_no_pulse_no_lasting_tonality_and_no_repetition():
    found = found_in(noise(), RATE)
    assert found.tempo_confidence < 0.1
    assert abs(found.tonal_stability) < 0.3
    assert found.repetition < 0.2


@pytest.mark.parametrize("transposed", [0, 5, -4])
def test_four_chords_have_their_key(transposed):
    found = found_in(synthetic.chords(synthetic.C_MAJOR * 3, transposed=transposed), RATE)
    assert found.key == f"{PITCHES[transposed % 12]} major"
    assert found.key_strength > 0.9
    assert found.tonal_stability > 0.8


def test_every_profile_is_its_own_key():
    for mode, profile in (("major", MAJOR), ("minor", MINOR)):
        for shift, pitch in enumerate(PITCHES):
            assert key_of(np.roll(profile, shift)) == (f"{pitch} {mode}", pytest.approx(1.0))
    assert key_of(np.ones(12)) == (None, None)


def test_a_change_of_key_halfway_is_unstable():
    moved = [synthetic.chords(synthetic.C_MAJOR * 2, transposed=shift) for shift in (0, 6)]
    assert found_in(np.concatenate(moved), RATE).tonal_stability < 0.4


def test_a_loop_repeats_itself_random_notes_do_not_and_a_held_sound_does_not_change():
    loop = found_in(np.tile(synthetic.random_notes(0, seconds=3.0), 4), RATE)
    random = found_in(synthetic.random_notes(0, seconds=12.0), RATE)
    time = np.arange(12 * RATE) / RATE
    held = found_in(0.3 * np.sin(2 * np.pi * 440 * time), RATE)
    assert loop.repetition > 0.8 > 0.4 > random.repetition
    assert held.self_difference < 0.5 < 5 < random.self_difference


def test_the_rate_and_the_level_do_not_matter():
    audio = synthetic.chords(synthetic.C_MAJOR * 2)
    plain, other = found_in(audio, RATE), found_in(0.1 * resample(audio, RATE, 32000), 32000)
    assert (plain.key, plain.onset_density) == (other.key, pytest.approx(other.onset_density, rel=0.01))
    assert plain.repetition == pytest.approx(other.repetition, abs=0.05)


def test_silence_and_what_is_too_short_have_no_figures():
    silent = found_in(np.zeros(8 * RATE), RATE)
    assert set(vars(silent).values()) == {8.0, None, 0.0}
    assert silent.onset_density == 0.0
    short = found_in(synthetic.clicks(120, 0.9), RATE)
    assert [name for name, value in vars(short).items() if value is not None] == ["seconds"]
    some = found_in(synthetic.clicks(120, 3.0), RATE)
    assert (some.tempo, some.tonal_stability, some.repetition) == (None, None, None)
    assert some.key is not None
    json.dumps(vars(some), allow_nan=False)


def test_a_constant_is_no_music_but_no_error():
    found = found_in(np.full(8 * RATE, 0.5), RATE)
    assert (found.tempo, found.tempo_confidence) == (None, 0.0)
    assert found.self_difference < 1


def test_broken_and_empty_clips_are_errors():
    with pytest.raises(AudioError, match="NaN"):
        measure_structure([0.0, np.nan], RATE)
    with pytest.raises(AudioError, match="no samples"):
        measure_structure([], RATE)


def test_scores_are_means_over_clips_that_have_the_figure():
    clips = AudioSet([synthetic.clicks(bpm, 6.0) for bpm in (100, 120, 140)] + [np.zeros(RATE)], RATE, list("abcd"))
    measured = clips.measure(measure_structure)
    tempo = structure_score("tempo", clips, measured)
    assert (tempo.value, tempo.n_units, tempo.direction) == (pytest.approx(120, abs=1), 3, "none")
    assert "1 of 4" in tempo.note
    assert structure_score("onset_density", clips, measured).n_units == 4
    assert {structure_score(name, clips, measured).name for name in VALUES} == set(VALUES)
    with pytest.raises(DegenerateInput, match="no value for any"):
        structure_score("tempo", AudioSet([np.zeros(RATE)] * 3, RATE, range(3)))
