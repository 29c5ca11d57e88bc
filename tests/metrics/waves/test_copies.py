import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import AudioError, DegenerateInput, UsageError
from metrics.io.audio import resample
from metrics.waves.clips import AudioSet
from metrics.waves.copies import THRESHOLD, CopyIndex, copied_share, landmarks
from tests.metrics import synthetic

RATE = synthetic.RATE
PLACE = 5.3217
"""Seconds into the track at which the excerpt begins: no multiple of a frame."""


@pytest.fixture(scope="module")
def tracks():
    return {f"track {seed}": synthetic.random_notes(seed, seconds=20.0) for seed in range(8)}


@pytest.fixture(scope="module")
def index(tracks):
    return CopyIndex((name, audio, RATE) for name, audio in tracks.items())


def excerpt(tracks, seconds=8.0):
    start = round(PLACE * RATE)
    return tracks["track 3"][start : start + round(seconds * RATE)]


def as_mp3(audio):
    file = io.BytesIO()
    soundfile.write(file, audio / np.abs(audio).max(), RATE, format="MP3")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def in_noise(audio, decibels):
    noise = np.random.default_rng(0).standard_normal(audio.size)
    return audio + noise * np.sqrt(np.mean(audio**2)) * 10 ** (-decibels / 20)


DEGRADED = {
    "as it is": lambda audio: audio,
    "turned down by 40 dB": lambda audio: 0.01 * audio,
    "as MP3": as_mp3,
    "in noise 20 dB below": lambda audio: in_noise(audio, 20),
    "in noise 10 dB below": lambda audio: in_noise(audio, 10),
    "clipped": lambda audio: np.clip(audio, -0.1, 0.1),
    "all of it": lambda audio: as_mp3(in_noise(0.1 * audio, 15)),
}


@pytest.mark.parametrize("how", DEGRADED)
def test_a_planted_excerpt_is_found_where_it_is_from(tracks, index, how):
    match = index.find(DEGRADED[how](excerpt(tracks)), RATE)
    assert match.is_copy
    assert match.track == "track 3"
    assert match.offset_seconds == pytest.approx(PLACE, abs=0.1)  # MP3 adds a delay of 50 ms
    assert THRESHOLD < match.score <= 1


def test_a_track_is_wholly_itself(tracks, index):
    match = index.find(tracks["track 5"], RATE)
    assert (match.track, match.offset_seconds, match.score) == ("track 5", 0.0, 1.0)


@settings(max_examples=10)
@given(st.floats(0, 11.5))
def test_any_crop_is_found(start):
    audio = synthetic.random_notes(3, seconds=20.0)
    match = CopyIndex([("only", audio, RATE)]).find(audio[round(start * RATE) :], RATE)
    assert match is not None
    assert match.is_copy
    assert match.offset_seconds == pytest.approx(start, abs=0.05)


def test_another_rate_is_the_same_music(tracks, index):
    assert index.find(resample(excerpt(tracks), RATE, 16000), 16000).track == "track 3"


def test_unrelated_music_is_no_copy(index):
    """Of the same instrument, tempo and range, so that much agrees by chance."""
    matches = [index.find(synthetic.random_notes(seed, seconds=8.0), RATE) for seed in range(100, 120)]
    assert not any(match.is_copy for match in matches)
    assert max(match.score for match in matches) < 0.8 * THRESHOLD


def test_a_short_quotation_in_a_long_clip_counts(tracks, index):
    before, after = (synthetic.random_notes(seed, seconds=12.0) for seed in (200, 201))
    match = index.find(np.concatenate([before, excerpt(tracks, seconds=5.0), after]), RATE)
    assert (match.is_copy, match.track) == (True, "track 3")
    assert match.offset_seconds == pytest.approx(PLACE - 12.0, abs=0.1)
    assert 12.0 - 10.0 < match.start_seconds < 17.0  # a window that holds some of it


def test_tracks_can_be_left_out(tracks, index):
    assert not index.find(excerpt(tracks), RATE, exclude=["track 3"]).is_copy


def test_silence_matches_nothing_and_noise_does_not_match_enough(index):
    assert index.find(np.zeros(RATE), RATE) is None
    assert index.find([0.5], RATE) is None or not index.find([0.5], RATE).is_copy
    noise = np.random.default_rng(0).standard_normal(10 * RATE)
    match = index.find(noise, RATE)
    assert match is None or not match.is_copy


def test_a_gain_does_not_move_a_landmark(tracks):
    plain, quiet = landmarks(excerpt(tracks), RATE), landmarks(0.25 * excerpt(tracks), RATE)
    assert np.array_equal(plain, quiet)
    assert plain[0].dtype == np.int32


def test_an_index_is_checked(tracks):
    with pytest.raises(UsageError, match="two tracks are named 'a'"):
        CopyIndex([("a", excerpt(tracks), RATE)] * 2)
    with pytest.raises(DegenerateInput, match="no sound"):
        CopyIndex([("a", np.zeros(RATE), RATE)])
    with pytest.raises(DegenerateInput, match="0 tracks"):
        CopyIndex([])
    with pytest.raises(AudioError, match="NaN"):
        CopyIndex([("a", [np.nan], RATE)])


def test_the_share_of_copies_has_an_error(tracks, index):
    clips = [excerpt(tracks), np.zeros(RATE, np.float32), *(synthetic.random_notes(n, 8.0) for n in (300, 301))]
    score = copied_share(AudioSet(clips, RATE, range(4)), index)
    assert (score.name, score.value, score.direction) == ("copied_share", 0.25, "lower")
    assert score.stderr == pytest.approx(0.25)
    with pytest.raises(DegenerateInput, match="at least 3"):
        copied_share(AudioSet(clips[:1], RATE, [0]), index)
