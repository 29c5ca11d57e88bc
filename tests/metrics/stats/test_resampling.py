import numpy as np
import pytest

from metrics.api.errors import DegenerateInput, UsageError
from metrics.api.score import EmbeddingSet, Score
from metrics.stats.resampling import assign_folds, delete_groups, estimate, jackknife, p_value, paired_difference


def one_frame_each(values, strata=None):
    return EmbeddingSet(np.asarray(values, dtype=np.float32)[:, None], np.arange(len(values)), {}, strata)


def mean(data):
    return float(data.frames.mean(dtype=np.float64))


def test_up_to_twenty_songs_are_left_out_one_at_a_time():
    (folds,) = assign_folds(one_frame_each(range(17)))
    assert sorted(folds.tolist()) == list(range(17))


def test_more_songs_are_left_out_in_twenty_groups_of_nearly_equal_size():
    (folds,) = assign_folds(one_frame_each(range(50)))
    assert set(np.bincount(folds).tolist()) == {2, 3}
    assert len(np.bincount(folds)) == 20


def test_every_group_takes_its_share_of_each_stratum_and_few_groups_are_dealt_again():
    strata = np.repeat(["folk", "jazz", "rock"], [5, 10, 5])
    all_folds = assign_folds(one_frame_each(range(20), strata))
    assert len(all_folds) == 4
    for folds in all_folds:
        assert folds.max() == 4
        for group in range(5):
            assert [int((strata[folds == group] == style).sum()) for style in ("folk", "jazz", "rock")] == [1, 2, 1]
    assert any(not np.array_equal(all_folds[0], other) for other in all_folds[1:])


def test_strata_of_fewer_than_four_songs_are_pooled():
    strata = np.repeat(["a", "b", "c"], [1, 2, 9])
    assert all(folds.max() == 11 for folds in assign_folds(one_frame_each(range(12), strata)))
    strata = np.repeat(["a", "b", "c"], [2, 2, 8])
    assert all(folds.max() == 3 for folds in assign_folds(one_frame_each(range(12), strata)))


def test_two_songs_are_too_few():
    with pytest.raises(DegenerateInput, match="2 clips were given: an error bar takes at least 3"):
        assign_folds(one_frame_each([1, 2]))


@pytest.mark.parametrize("n", [12, 20])
def test_the_error_of_a_mean_is_the_textbooks(n):
    values = np.random.default_rng(0).standard_normal(n)
    part = jackknife(mean, one_frame_each(values))
    assert part.bias == pytest.approx(0, abs=1e-6)
    assert part.variance == pytest.approx(values.var(ddof=1) / n, rel=1e-5)
    assert part.df == n - 1


def test_the_error_of_a_mean_leaves_out_what_lies_between_strata():
    rng = np.random.default_rng(1)
    offsets = np.repeat([0.0, 100.0], 10)
    noise = rng.standard_normal(20)
    part = jackknife(mean, one_frame_each(noise + offsets, np.repeat(["a", "b"], 10)))
    within = (noise[:10].var(ddof=1) + noise[10:].var(ddof=1)) / 2 / 20
    # The groups are dealt at random: 2 dealings of 10 groups estimate the within-stratum variance with 18 degrees.
    assert part.variance == pytest.approx(within, rel=0.8)
    assert part.df == 18


def test_a_bias_of_order_one_over_n_is_removed_exactly_also_with_unequal_groups():
    """The variance with 1/n is biased by −σ²/n, and its jackknife is the variance with 1/(n−1)."""
    values = np.random.default_rng(2).standard_normal(18)
    data = one_frame_each(values)
    part = jackknife(lambda some: float(some.frames.var(dtype=np.float64)), data)
    assert values.var() - part.bias == pytest.approx(values.var(ddof=1), rel=1e-5)

    # F(n) = 3 + 5/n without noise, 50 songs in groups of 2 and 3.
    def law(some):
        return 3 + 5 / some.n_units

    assert law(one_frame_each(range(50))) - jackknife(law, one_frame_each(range(50))).bias == pytest.approx(3, abs=1e-3)


def test_equal_groups_give_the_plain_formula():
    plain, values = 2.0, np.array([2.5, 1.0, 2.2, 1.9])
    part = delete_groups(plain, [values], [np.array([0, 1, 2, 3, 0, 1, 2, 3])])
    assert plain - part.bias == pytest.approx(4 * plain - 3 * values.mean())
    assert part.variance == pytest.approx(3 / 4 * np.sum((values - values.mean()) ** 2))


def test_independent_parts_add_up_and_the_interval_is_students():
    values = np.random.default_rng(3).standard_normal(12)
    part = jackknife(mean, one_frame_each(values))
    alone = estimate(1.0, [part])
    assert alone.interval[1] - alone.value == pytest.approx(2.200985 * alone.stderr, rel=1e-5)  # t of 11 degrees
    both = estimate(1.0, [part, part])
    assert both.stderr == pytest.approx(alone.stderr * np.sqrt(2))
    assert both.df == pytest.approx(22)
    assert estimate(1.0, [part], correct=False).value == 1.0


def test_pairs_cancel_what_two_conditions_share():
    rng = np.random.default_rng(4)
    common = 10 * rng.standard_normal(15)
    change = 1 + 0.1 * rng.standard_normal(15)
    first, second = one_frame_each(common), one_frame_each(common + change)
    plain, part = paired_difference(mean, first, second)
    assert plain == pytest.approx(change.mean(), rel=1e-4)
    assert part.variance == pytest.approx(change.var(ddof=1) / 15, rel=1e-3)


def test_pairs_need_the_same_songs():
    with pytest.raises(UsageError, match="2 are in one only"):
        paired_difference(mean, one_frame_each([1, 2, 3, 4]), one_frame_each([1, 2, 3, 4, 5, 6]))


@pytest.mark.parametrize(
    ("value", "stderr", "expected"), [(2.200985, 1.0, 0.05), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (-2.200985, 1.0, 0.05)]
)
def test_p_values_are_students(value, stderr, expected):
    score = Score("d", value, stderr, (0, 0), 12, 12, "", "lower", "population", True, "", value, {"df": 11.0})
    assert p_value(score) == pytest.approx(expected, rel=1e-4)
