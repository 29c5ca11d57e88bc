"""Oracles first: closed forms of Gaussians, whose exact sample moments are built in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import DegenerateInput, UsageError
from metrics.frechet import fad, frechet_distance, frechet_distance_of_moments, paired_fad
from metrics.resampling import p_value
from metrics.score import EmbeddingSet


def with_moments(mean, factor, rows, seed=0):
    """Rows (n, D) whose sample mean is `mean` and whose sample covariance (n−1) is exactly `factor.T @ factor`."""
    noise = np.random.default_rng(seed).standard_normal((rows, factor.shape[0]))
    noise -= noise.mean(0)
    white = np.linalg.qr(noise)[0] * np.sqrt(rows - 1)
    return white @ factor + mean


def rotated_blocks(seed, blocks):
    """A block-diagonal covariance of random 2×2 blocks, and the blocks."""
    parts = [np.random.default_rng([seed, i]).standard_normal((2, 2)) for i in range(blocks)]
    parts = [part @ part.T + 0.05 * np.eye(2) for part in parts]
    whole = np.zeros((2 * blocks, 2 * blocks))
    for i, part in enumerate(parts):
        whole[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = part
    return whole, parts


def root_trace(left, right):
    """tr √(S₁S₂) of 2×2 blocks: √(tr(S₁S₂) + 2·√det(S₁S₂))."""
    products = [a @ b for a, b in zip(left, right, strict=True)]
    return sum(np.sqrt(np.trace(p) + 2 * np.sqrt(np.linalg.det(p))) for p in products)


@pytest.mark.parametrize("rows", [200, 13])
def test_rotated_blocks_have_a_closed_form(rows):
    (first, left), (second, right) = rotated_blocks(1, 6), rotated_blocks(2, 6)
    x = with_moments(np.zeros(12), np.linalg.cholesky(first).T, rows, seed=3)
    y = with_moments(np.ones(12), np.linalg.cholesky(second).T, rows, seed=4)
    expected = 12 + np.trace(first) + np.trace(second) - 2 * root_trace(left, right)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-10)
    moments = frechet_distance_of_moments(np.zeros(12), first, np.ones(12), second)
    assert moments == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("rank", "rows"), [(40, 60), (40, 41), (7, 60), (7, 8)])
def test_commuting_covariances_have_a_closed_form_also_when_rank_deficient(rank, rows):
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    a, b = rng.uniform(0.1, 3, rank), rng.uniform(0.1, 3, rank)
    x = with_moments(np.zeros(40), np.sqrt(a)[:, None] * rotation[:rank], rows, seed=6)
    y = with_moments(np.full(40, 0.5), np.sqrt(b)[:, None] * rotation[:rank], rows, seed=7)
    expected = 10 + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-10)


def test_covariances_without_a_common_direction_leave_their_traces():
    x = with_moments(np.zeros(8), np.eye(8)[:4], 5)
    y = with_moments(np.zeros(8), 2 * np.eye(8)[4:], 30)
    assert frechet_distance(x, y) == pytest.approx(4 + 16, rel=1e-10)


def test_a_singular_published_covariance_is_taken():
    assert frechet_distance_of_moments([0, 0], np.diag([1.0, 0.0]), [0, 0], np.diag([4.0, 0.0])) == pytest.approx(1.0)


matrices = st.builds(
    lambda seed, rows, spread: np.random.default_rng(seed).standard_normal((rows, 6)) * np.geomspace(1, spread, 6),
    st.integers(0, 2**32),
    st.integers(2, 20),
    st.floats(0.01, 1),
)


@settings(max_examples=30, deadline=None)
@given(x=matrices, y=matrices, seed=st.integers(0, 2**32))
def test_it_is_a_distance(x, y, seed):
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((6, 6)))[0]
    scale = np.var(x, axis=0).sum() + np.var(y, axis=0).sum() + np.sum((x.mean(0) - y.mean(0)) ** 2) + 1e-9
    distance = frechet_distance(x, y)
    assert distance >= 0
    assert frechet_distance(x, x) <= 1e-12 * scale
    assert frechet_distance(y, x) == pytest.approx(distance, abs=1e-10 * scale)
    assert frechet_distance(x @ rotation + 1, y @ rotation + 1) == pytest.approx(distance, abs=1e-10 * scale)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), DegenerateInput, "at least 2"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), DegenerateInput, "not all finite"),
        (np.zeros((5, 3)), np.zeros((5, 4)), UsageError, "3 and 4 dimensions"),
        (np.zeros(5), np.zeros((5, 4)), UsageError, "shape"),
    ],
)
def test_input_without_a_distance_is_refused(x, y, error, message):
    with pytest.raises(error, match=message):
        frechet_distance(x, y)


def songs(n, spectrum, seed, shift=0.0, frames=4, first=0, scale=1.0):
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
    scores = [fad(songs(40, SPECTRUM, [1, i]), songs(40, SPECTRUM, [2, i])) for i in range(25)]
    values = np.array([score.value for score in scores])
    error = values.std(ddof=1) / 5
    assert min(score.plain for score in scores) > 3
    assert abs(values.mean()) < 3 * error
    assert all(score.reliable for score in scores)


def test_the_interval_covers_a_known_distance():
    """A shift of every dimension by 1: the truth is 12. A 95 % interval misses it more than 5 times in 25 once in
    300.
    """
    made = [fad(songs(30, SPECTRUM, [3, i], shift=1.0), songs(60, SPECTRUM, [4, i])) for i in range(25)]
    assert sum(score.interval[0] <= 12 <= score.interval[1] for score in made) >= 20


def test_a_fixed_reference_leaves_its_error_out():
    x, y = songs(30, SPECTRUM, 5, shift=1.0), songs(30, SPECTRUM, 6)
    fixed, population = fad(x, y, estimand="fixed reference"), fad(x, y)
    assert fixed.stderr < population.stderr
    assert population.value < fixed.value < fixed.plain


def test_components_are_those_of_the_reference():
    x, y = songs(30, SPECTRUM, 7, shift=1.0), songs(30, SPECTRUM, 8)
    score, whole = fad(x, y, 3), fad(x, y)
    assert score.name == "fad3"
    assert score.provenance["explained_variance"] == pytest.approx(1 - 0.7**3, abs=0.1)
    assert score.plain < whole.plain
    assert fad(x, y, 12).value == pytest.approx(whole.value, rel=1e-9)
    with pytest.raises(UsageError, match="1 to 12"):
        fad(x, y, 13)


def test_fewer_songs_than_dimensions_are_called_unreliable_and_the_number_it_takes_is_named():
    score = fad(songs(10, SPECTRUM, 9), songs(40, SPECTRUM, 10))
    assert not score.reliable
    assert "10 clips or tracks are too few for 12 dimensions: take 12 on either side" in score.note
    assert fad(songs(10, SPECTRUM, 9), songs(40, SPECTRUM, 10), 8).reliable


def test_padded_clips_are_mentioned():
    x, y = songs(12, SPECTRUM, 11), songs(12, SPECTRUM, 12)
    flagged = EmbeddingSet(x.frames, x.songs, {"padded": [0, 3]})
    assert "2 clips are shorter than one window" in fad(flagged, y).note


def test_the_order_of_frames_does_not_matter():
    x, y = songs(12, SPECTRUM, 13), songs(12, SPECTRUM, 14)
    order = np.random.default_rng(0).permutation(len(x.frames))
    shuffled = fad(EmbeddingSet(x.frames[order], x.songs[order]), y)
    assert shuffled.value == pytest.approx(fad(x, y).value, rel=1e-9)
    assert shuffled.stderr == pytest.approx(fad(x, y).stderr, rel=1e-9)


def test_a_paired_difference_cancels_what_the_conditions_share():
    """The same songs, once moved away from the reference by 1 in each dimension: the truth is 12."""
    x, y = songs(30, SPECTRUM, 15), songs(40, SPECTRUM, 16)
    moved = EmbeddingSet(x.frames + 1, x.songs)
    difference = paired_fad(x, moved, y)
    assert difference.name == "fad difference"
    assert difference.interval[0] < 12 < difference.interval[1]
    assert p_value(difference) < 0.05
    assert paired_fad(moved, x, y).value == pytest.approx(-difference.value)
    same = paired_fad(x, x, y)
    assert (same.value, same.stderr, p_value(same)) == (0, 0, 1)


def test_a_colder_condition_does_not_win_by_the_bias_alone():
    """Spread × 0.75 and × 1.25 about the reference: (1 − s)² tr Σ is the same, and so is the mean of the corrected."""
    spectrum = SPECTRUM[:6]
    made = []
    for i in range(25):
        cold, warm = (songs(16, spectrum, [17, i], scale=scale) for scale in (0.75, 1.25))
        made.append(paired_fad(cold, warm, songs(60, spectrum, [18, i])))
    values, plain = (np.array([getattr(score, kind) for score in made]) for kind in ("value", "plain"))
    assert plain.mean() > 2.5 * abs(values.mean())


def test_sets_that_do_not_compare_are_refused():
    x = songs(6, SPECTRUM, 19)
    there = EmbeddingSet(x.frames, x.songs, {"embedder": {"name": "musicnn"}})
    with pytest.raises(UsageError, match="embedder is None against"):
        fad(x, there)
    with pytest.raises(UsageError, match="use the embedder that the reference was made with"):
        fad(x, songs(6, SPECTRUM[:5], 20))
    with pytest.raises(UsageError, match="same songs"):
        paired_fad(x, songs(6, SPECTRUM, 21, first=1), songs(9, SPECTRUM, 22))


def test_two_songs_have_no_error_bar():
    with pytest.raises(DegenerateInput, match="at least 3"):
        fad(songs(2, SPECTRUM, 23), songs(9, SPECTRUM, 24))
