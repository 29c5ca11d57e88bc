import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.novelty import nearest_songs, neighbour_percentile, neighbour_percentiles

DIM, FRAMES = 16, 4


def units(count, seed=0, first=0, within=0.3):
    """Songs at random places, whose frames are alike."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(count, DIM))
    frames = centres[:, None] + within * rng.normal(size=(count, FRAMES, DIM))
    return EmbeddingSet(frames.reshape(-1, DIM), np.repeat(np.arange(first, first + count), FRAMES))


KNOWN = units(60)


def test_music_of_the_same_kind_is_at_the_middle():
    values = [neighbour_percentile(units(40, seed, first=100), KNOWN).value for seed in range(1, 9)]
    assert np.mean(values) == pytest.approx(50, abs=8)


def test_the_interval_covers_the_middle():
    """Also the error from the known songs: of 95 % intervals over new sets of both kinds, most hold 50."""
    covered = []
    for seed in range(60):
        score = neighbour_percentile(units(30, 2 * seed, first=100), units(40, 2 * seed + 1))
        covered.append(score.covers(50))
    assert np.mean(covered) > 0.85


def test_copies_are_nearer_than_any_two_songs_and_noise_is_farther():
    copies = EmbeddingSet(KNOWN.frames[:40] + 0.01, np.repeat(np.arange(100, 110), FRAMES))
    score = neighbour_percentile(copies, KNOWN)
    assert score.value == 100
    assert score.provenance["above_95"] == 1.0
    # Music in the first half of the dimensions, noise in the second: no cosine is far from 0.
    flat = EmbeddingSet(KNOWN.frames * (np.arange(DIM) < DIM // 2), KNOWN.units)
    noise = units(10, 5, first=100)
    strange = EmbeddingSet(noise.frames * (np.arange(DIM) >= DIM // 2), noise.units)
    assert neighbour_percentile(strange, flat).value < 5


def test_a_song_is_not_its_own_neighbour():
    """The known songs among themselves are at the middle: with their own frames they would all be at 100."""
    values = neighbour_percentiles(KNOWN, KNOWN)
    assert np.mean(list(values.values())) == pytest.approx(50)
    assert all(name != song for song, (name, _) in nearest_songs(KNOWN, KNOWN).items())


def test_the_nearest_song_is_named():
    copy = EmbeddingSet(KNOWN.frames[8:12], np.full(4, "clip"))
    name, cosine = nearest_songs(copy, KNOWN)["clip"]
    assert (name, cosine) == (2, pytest.approx(1.0))
    assert neighbour_percentiles(copy, KNOWN) == {"clip": 100.0}


@settings(max_examples=20)
@given(st.floats(0.1, 100), st.integers(0, 100))
def test_the_scale_of_the_space_does_not_matter(scale, seed):
    clips = units(5, seed, first=100)
    left = neighbour_percentiles(clips, KNOWN)
    right = neighbour_percentiles(
        EmbeddingSet(clips.frames * scale, clips.units), EmbeddingSet(KNOWN.frames * scale, KNOWN.units)
    )
    assert left == pytest.approx(right, abs=100 / 60)


def test_known_songs_that_are_fixed_have_no_error_of_their_own():
    clips = units(20, 1, first=100)
    fixed = neighbour_percentile(clips, KNOWN, estimand="fixed reference")
    drawn = neighbour_percentile(clips, KNOWN)
    values = np.array(list(neighbour_percentiles(clips, KNOWN).values()))
    assert fixed.value == drawn.value == pytest.approx(values.mean())
    assert fixed.stderr == pytest.approx(values.std(ddof=1) / np.sqrt(20), rel=1e-6)
    assert drawn.stderr > fixed.stderr


def test_small_sets_are_unreliable_or_refused():
    clips = units(5, 1, first=100)
    score = neighbour_percentile(clips, units(10))
    assert not score.reliable
    assert "take 20" in score.why
    with pytest.raises(DegenerateInput, match="2 known tracks"):
        neighbour_percentile(clips, units(2))
    with pytest.raises(DegenerateInput, match="at least 3"):
        neighbour_percentile(units(2, 1, first=100), KNOWN)
    with pytest.raises(UsageError, match="made differently"):
        neighbour_percentile(EmbeddingSet(clips.frames, clips.units, {"embedder": "other"}), KNOWN)
    with pytest.raises(UsageError, match="8 dimensions"):
        neighbour_percentile(EmbeddingSet(clips.frames[:, :8], clips.units), KNOWN)
    with pytest.raises(DegenerateInput, match="point nowhere"):
        neighbour_percentile(clips, EmbeddingSet(np.ones((20, DIM)), np.arange(20)))
