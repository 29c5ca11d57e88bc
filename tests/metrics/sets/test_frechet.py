"""Distances between sets of songs whose laws are known."""

import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_fad
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.frechet import fad, growing_error_interval, headline_components
from tests.metrics.compare.conditions import p_of


def units(n, spectrum, seed, shift=0.0, frames=4, first=0, scale=1.0):
    """n songs of a few frames: four fifths of the variance lies between songs."""
    rng = np.random.default_rng(seed)
    between = rng.standard_normal((n, 1, len(spectrum))) * np.sqrt(0.8 * spectrum)
    within = rng.standard_normal((n, frames, len(spectrum))) * np.sqrt(0.2 * spectrum)
    rows = scale * (between + within) + shift
    return EmbeddingSet(rows.reshape(-1, len(spectrum)), np.repeat(np.arange(first, first + n), frames))


SPECTRUM = 30 * 0.7 ** np.arange(12)


def test_the_bias_of_the_plug_in_is_removed():
    """Two samples of one law: the truth is 0, the plug-in far from it, the mean of the corrected within 3 errors of
    0.
    """
    scores = [fad(units(40, SPECTRUM, [1, i]), units(40, SPECTRUM, [2, i])) for i in range(25)]
    values = np.array([score.value for score in scores])
    error = values.std(ddof=1) / 5
    assert min(score.plain for score in scores) > 3
    assert abs(values.mean()) < 3 * error
    assert all(score.reliable for score in scores)


def test_the_interval_covers_a_known_distance():
    """A shift of every dimension by 1: the truth is 12. A 95 % interval misses it more than 5 times in 25 once in
    300.
    """
    made = [fad(units(30, SPECTRUM, [3, i], shift=1.0), units(60, SPECTRUM, [4, i])) for i in range(25)]
    covered = [score.interval[0] <= 12 <= score.interval[1] for score in made if score.interval is not None]
    assert len(covered) == 25
    assert sum(covered) >= 20


def test_a_fixed_reference_leaves_its_error_out():
    x, y = units(30, SPECTRUM, 5, shift=1.0), units(30, SPECTRUM, 6)
    fixed, population = fad(x, y, estimand="fixed reference"), fad(x, y)
    assert fixed.stderr < population.stderr
    assert population.value < fixed.value < fixed.plain


def test_components_are_those_of_the_reference():
    x, y = units(30, SPECTRUM, 7, shift=1.0), units(30, SPECTRUM, 8)
    score, whole = fad(x, y, 3), fad(x, y)
    assert score.name == "fad3"
    assert score.provenance["explained_variance"] == pytest.approx(1 - 0.7**3, abs=0.1)
    assert score.plain < whole.plain
    assert fad(x, y, 12).value == pytest.approx(whole.value, rel=1e-9)
    with pytest.raises(UsageError, match="1 to 12"):
        fad(x, y, 13)


def test_a_reference_may_store_how_many_components_its_headline_has():
    y = units(30, SPECTRUM, 8)
    assert headline_components(y) == 16
    assert headline_components(EmbeddingSet(y.frames, y.units, {"components": 8})) == 8


def test_too_few_songs_leave_a_value_that_ranks_and_the_number_it_takes_is_named():
    spectrum = np.ones(25)
    score = fad(units(10, spectrum, 9), units(40, spectrum, 10))
    assert (score.reliable, score.interval) == (False, None)
    assert "10 clips, and it takes" in score.why
    assert "40 reference tracks, and it takes" in score.why
    many = fad(units(90, np.ones(80), 9), units(90, np.ones(80), 10))
    assert (many.reliable, many.interval) == (False, None)
    assert "beyond 58 no number of clips is known to be enough" in many.why
    eight = fad(units(10, spectrum, 9), units(40, spectrum, 10), 8)
    assert not eight.reliable
    assert eight.interval is not None
    assert "10 clips" in eight.why
    steep = 30 * 0.3 ** np.arange(12)
    some = fad(units(30, steep, 9), units(60, steep, 10), 3)
    assert some.reliable
    assert some.interval is not None
    assert "in 3 components with" in some.note


def test_heavy_tails_are_refused():
    x, y = units(40, SPECTRUM, 27), units(60, SPECTRUM, 28)
    outlying = np.where(x.units < 2, 6.0, 1.0)[:, None]
    score = fad(EmbeddingSet(x.frames * outlying, x.units), y)
    assert fad(x, y).reliable
    assert (score.reliable, score.interval) == (False, None)
    assert "heavy tails" in score.why


def test_the_interval_reaches_further_up_than_down():
    low, high = growing_error_interval(20.0, 14.0, 8.0)
    assert 14 - low < 8 < high - 14
    # Its ends are distances whose own error would just reach the value.
    for end in (low, high):
        assert abs(14 - end) == pytest.approx(8 * np.sqrt((end + 6) / 20))
    assert growing_error_interval(0.0, 0.0, 0.0) == (0.0, 0.0)


def test_the_components_are_found_again_without_each_part_of_the_reference():
    """Cold and warm are equally far. Along the reference's own axes its variance is overstated, which favours the warm
    one while the axes stay as they are."""
    spectrum = 30 / np.arange(1, 25)
    made = []
    for i in range(40):
        cold, warm = (units(40, spectrum, [25, i], scale=scale) for scale in (0.75, 1.25))
        made.append(paired_fad(cold, warm, units(40, spectrum, [26, i]), 4))
    values = np.array([score.value for score in made])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(40)


def test_padded_clips_are_mentioned():
    x, y = units(12, SPECTRUM, 11), units(12, SPECTRUM, 12)
    flagged = EmbeddingSet(x.frames, x.units, {"padded": [0, 3]})
    assert "2 clips are shorter than one window" in fad(flagged, y).note


def test_the_order_of_frames_does_not_matter():
    x, y = units(12, SPECTRUM, 13), units(12, SPECTRUM, 14)
    order = np.random.default_rng(0).permutation(len(x.frames))
    shuffled = fad(EmbeddingSet(x.frames[order], x.units[order]), y)
    assert shuffled.value == pytest.approx(fad(x, y).value, rel=1e-9)
    assert shuffled.stderr == pytest.approx(fad(x, y).stderr, rel=1e-9)


def test_a_paired_difference_cancels_what_the_conditions_share():
    """The same songs, once moved away from the reference by 1 in each dimension: the truth is 12."""
    x, y = units(30, SPECTRUM, 15), units(40, SPECTRUM, 16)
    moved = EmbeddingSet(x.frames + 1, x.units)
    difference = paired_fad(x, moved, y)
    assert difference.name == "fad difference"
    assert difference.interval is not None
    assert difference.interval[0] < 12 < difference.interval[1]
    assert p_of(difference) < 0.05
    assert paired_fad(moved, x, y).value == pytest.approx(-difference.value)
    same = paired_fad(x, x, y)
    assert (same.value, same.stderr, same.p) == (0, 0, 1)


def test_a_colder_condition_does_not_win_by_the_bias_alone():
    """Spread × 0.75 and × 1.25 about the reference: (1 − s)² tr Σ is the same, and so is the mean of the corrected."""
    spectrum = SPECTRUM[:6]
    made = []
    for i in range(25):
        cold, warm = (units(16, spectrum, [17, i], scale=scale) for scale in (0.75, 1.25))
        made.append(paired_fad(cold, warm, units(60, spectrum, [18, i])))
    values, plain = (np.array([getattr(score, kind) for score in made]) for kind in ("value", "plain"))
    assert plain.mean() > 2.5 * abs(values.mean())


def test_sets_that_do_not_compare_are_refused():
    x = units(6, SPECTRUM, 19)
    there = EmbeddingSet(x.frames, x.units, {"embedder": {"name": "musicnn"}})
    with pytest.raises(UsageError, match="embedder is None against"):
        fad(x, there)
    with pytest.raises(UsageError, match="use the embedder that the reference was made with"):
        fad(x, units(6, SPECTRUM[:5], 20))
    with pytest.raises(UsageError, match="same units"):
        paired_fad(x, units(6, SPECTRUM, 21, first=1), units(9, SPECTRUM, 22))


def test_two_songs_have_no_error_bar():
    with pytest.raises(DegenerateInput, match="at least 3"):
        fad(units(2, SPECTRUM, 23), units(9, SPECTRUM, 24))
