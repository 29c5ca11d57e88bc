import numpy as np
import pytest
from scipy.special import stdtrit

from metrics.api.replicates import FoldValues, Replicates
from metrics.api.score import EmbeddingSet, Score
from metrics.compare.difference import paired_difference
from metrics.errors import UsageError
from metrics.stats.resampling import (
    Estimate,
    agreeing,
    combine,
    delete_groups,
    deviations,
    estimate,
    estimate_of,
    jackknife,
    leave_out,
    p_of,
    p_value,
)


def one_frame_each(values, strata=None):
    return EmbeddingSet(np.asarray(values, dtype=np.float32)[:, None], np.arange(len(values)), {}, strata)


def mean(data):
    return float(data.frames.mean(dtype=np.float64))


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
    # Folds are assigned by chance: 4 rounds of 10 folds estimate the within-stratum variance with 18 degrees.
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
    difference = paired_difference(mean, first, second)
    assert difference.value == pytest.approx(change.mean(), rel=1e-4)
    assert difference.stderr**2 == pytest.approx(change.var(ddof=1) / 15, rel=1e-3)


def replicates(seed, units=range(12), strata=None):
    values = np.random.default_rng(seed).standard_normal(len(units))
    data = EmbeddingSet(values[:, None], np.array(list(units)), {}, strata)
    return Replicates(mean(data), (leave_out(mean, data),)), values


def test_a_weighted_sum_of_paired_scores_is_the_score_of_the_weighted_sum():
    (one, x), (two, y), (three, z) = (replicates(seed) for seed in (1, 2, 3))
    summed = 2 * x - 3 * y + z
    found = estimate_of(combine([2, -3, 1], [one, two, three]))
    assert found.value == pytest.approx(summed.mean(), abs=1e-6)
    assert found.stderr**2 == pytest.approx(summed.var(ddof=1) / 12, rel=1e-5)


def test_samples_of_other_units_are_independent_and_so_are_marked_ones():
    (one, x), (two, y) = replicates(1), replicates(2)
    (other, _) = replicates(2, range(12, 24))
    expected = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 12)
    for pair in ([one, other], [one.as_unpaired(), two.as_unpaired()]):
        summed = combine([-1, 1], pair)
        assert len(summed.parts) == 2
        found = estimate_of(summed)
        assert found.value == pytest.approx(y.mean() - x.mean(), abs=1e-6)
        assert found.stderr == pytest.approx(expected, rel=1e-5)


def test_the_bias_of_either_sample_is_removed_from_a_difference():
    def biased(data):  # variance with 1/n
        return float(data.frames.var(dtype=np.float64))

    sets = [EmbeddingSet(np.random.default_rng(n).normal(size=(9, 1)), np.arange(9) + 20 * n) for n in (0, 1)]
    scores = [Replicates(biased(data), (leave_out(biased, data),), corrected=True) for data in sets]
    found = estimate_of(combine([-1, 1], scores))
    first, second = (data.frames.var(ddof=1, dtype=np.float64) for data in sets)
    assert found.value == pytest.approx(second - first, rel=1e-6)


def test_the_deviations_of_two_scores_give_their_covariance():
    (one, x), (two, y) = replicates(5), replicates(6)
    (key, u), (other, v) = deviations(one)[0], deviations(two)[0]
    assert key == other
    assert np.sum(u * u) == pytest.approx(estimate_of(one).stderr ** 2)
    assert np.sum(u * v) == pytest.approx(np.cov(x, y)[0, 1] / 12, rel=1e-5)


def test_seeds_count_as_a_sample_of_their_own():
    part = FoldValues("evaluated", (0, 1, 2), ((0, 1, 2),), ((1.0, 1.0, 1.0),))
    assert estimate_of(Replicates(1.0, (part,), seeds=(0.0, 2.0))).stderr == pytest.approx(1.0)
    with pytest.raises(UsageError, match="number of seeds differs"):
        combine([1, -1], [Replicates(1.0, (part,), seeds=(0.0, 2.0)), Replicates(1.0, (part,))])


def test_p_and_interval_agree_to_the_last_digit():
    for df in (1.0, 2.5, 7.0, 19.0):
        for t in np.linspace(0, 15, 400):
            half = float(stdtrit(df, 0.975))
            result = Estimate(float(t), 1.0, (float(t) - half, float(t) + half), df)
            assert (result.interval[0] > 0) == (p_of(result) < 0.05)
    assert agreeing(0.05, (1e-300, 1.0)) < 0.05
    assert agreeing(0.0499999, (0.0, 1.0)) == 0.05


def test_a_distance_is_not_tested_by_its_own_interval():
    score = Score("fad", 1.0, 1.0, (0.1, 3), 12, 12, "", "lower", "population", True, "", 1.0, {"growing_error": True})
    with pytest.raises(UsageError, match="compare two conditions"):
        p_value(score)


@pytest.mark.parametrize(
    ("value", "stderr", "expected"), [(2.200985, 1.0, 0.05), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (-2.200985, 1.0, 0.05)]
)
def test_p_values_are_students(value, stderr, expected):
    score = Score("d", value, stderr, (0, 0), 12, 12, "", "lower", "population", True, "", value, {"df": 11.0})
    assert p_value(score) == pytest.approx(expected, rel=1e-4)
