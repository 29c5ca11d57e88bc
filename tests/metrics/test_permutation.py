import numpy as np
import pytest

from metrics.errors import DegenerateInput, UsageError
from metrics.kernel import kad_of_rows, median_distance
from metrics.permutation import kernel_equality_test, sign_flip_test, swap_test
from metrics.score import EmbeddingSet


def songs(n, seed, frames=1, shift=0.0, strata=None, dimensions=4):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 1, dimensions)) + 0.4 * rng.standard_normal((n, frames, dimensions)) + shift
    styles = None if strata is None else np.repeat(strata, frames)
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(n), frames), {}, styles)


def mean(data):
    return float(data.frames.mean(dtype=np.float64))


def test_its_statistic_is_the_kernel_distance():
    x, y = songs(9, 1, 3), songs(12, 2, 2, shift=0.5)
    pooled, ids = np.concatenate([x.frames, y.frames]), np.concatenate([x.songs, y.songs + 9])
    expected = kad_of_rows(x.frames, y.frames, median_distance(pooled, ids), x.songs, y.songs)
    assert kernel_equality_test(x, y, permutations=9).statistic == pytest.approx(expected, abs=1e-6)


def test_two_laws_are_told_apart_and_one_law_is_not():
    """Under one law p is uniform: of 60, more than 8 at or below .05 come once in 400."""
    assert kernel_equality_test(songs(30, 3, 4), songs(30, 4, 4, shift=0.8)).p <= 0.005
    alike = [kernel_equality_test(songs(12, [5, i], 4), songs(15, [6, i], 4), permutations=199).p for i in range(60)]
    assert sum(p <= 0.05 for p in alike) <= 8
    assert np.mean(alike) == pytest.approx(0.5, abs=0.15)


def test_frames_are_not_songs():
    """What a test of frames would call different: the same songs would each have to be drawn anew."""
    x, y = songs(6, 7, 40), songs(6, 8, 40)
    as_frames = [EmbeddingSet(one.frames, np.arange(len(one.frames))) for one in (x, y)]
    assert kernel_equality_test(as_frames[0], as_frames[1], permutations=199).p == pytest.approx(1 / 200)
    assert kernel_equality_test(x, y, permutations=199).p > 0.05


def test_songs_change_places_within_their_style():
    """Two styles in unequal shares differ only in the shares: within styles there is nothing to tell."""
    styles = [np.repeat(["a", "b"], [16, 4]), np.repeat(["a", "b"], [4, 16])]
    sets = [songs(20, 9 + i, strata=style) for i, style in enumerate(styles)]
    sets = [
        EmbeddingSet(one.frames + 3 * (np.asarray(one.strata) == "b")[:, None], one.songs, {}, one.strata)
        for one in sets
    ]
    blind = [EmbeddingSet(one.frames, one.songs) for one in sets]
    assert kernel_equality_test(blind[0], blind[1], permutations=199).p < 0.03
    assert kernel_equality_test(sets[0], sets[1], permutations=199).p > 0.05


def test_of_very_many_songs_some_are_drawn(monkeypatch):
    monkeypatch.setattr("metrics.permutation.MOST_SONGS", 40)
    found = kernel_equality_test(songs(100, 11), songs(100, 12, shift=1.5), permutations=99)
    assert (found.p, found.relabellings) == (0.01, 100)


def test_signs_are_all_flipped_where_they_are_few():
    assert sign_flip_test([1.0, 1.0, 1.0, 1.0]).p == 2 / 16
    assert sign_flip_test([0.0, 0.0]).p == 1
    found = sign_flip_test([0.3, -0.1, 0.7])
    assert (found.statistic, found.relabellings) == (pytest.approx(0.3), 8)
    rng = np.random.default_rng(13)
    assert sign_flip_test(rng.standard_normal(40) + 1).p == 0.001
    null = [sign_flip_test(rng.standard_normal(10)).p for _ in range(100)]
    assert sum(p <= 0.05 for p in null) <= 12


def test_swapping_conditions_is_flipping_the_signs_of_a_mean():
    first, second = songs(7, 14), songs(7, 15, shift=0.3)
    differences = second.means()[1].mean(1) - first.means()[1].mean(1)
    by_set, by_sign = swap_test(mean, first, second), sign_flip_test(differences)
    assert by_set.statistic == pytest.approx(by_sign.statistic, abs=1e-6)
    assert (by_set.p, by_set.relabellings) == (by_sign.p, 128)
    with pytest.raises(UsageError, match="same songs"):
        swap_test(mean, first, songs(8, 16))


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(DegenerateInput, match="at least one"):
        sign_flip_test([])
    with pytest.raises(DegenerateInput, match="finite"):
        sign_flip_test([np.nan])
    with pytest.raises(UsageError, match="one for each unit"):
        sign_flip_test([[1.0]])
    with pytest.raises(DegenerateInput, match="1 song is on one side"):
        kernel_equality_test(songs(1, 17), songs(9, 18))
