import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.stats.permutation import sign_flip_test, swap_test


def units(n, seed, frames=1, shift=0.0, strata=None, dimensions=4):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 1, dimensions)) + 0.4 * rng.standard_normal((n, frames, dimensions)) + shift
    styles = None if strata is None else np.repeat(strata, frames)
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(n), frames), {}, styles)


def mean(data):
    return float(data.frames.mean(dtype=np.float64))


def test_signs_are_all_flipped_where_they_are_few():
    assert sign_flip_test([1.0, 1.0, 1.0, 1.0]).p == 2 / 16
    assert sign_flip_test([0.0, 0.0]).p == 1
    found = sign_flip_test([0.3, -0.1, 0.7])
    assert (found.statistic, found.permutations) == (pytest.approx(0.3), 8)
    rng = np.random.default_rng(13)
    assert sign_flip_test(rng.standard_normal(40) + 1).p == 0.001
    null = [sign_flip_test(rng.standard_normal(10)).p for _ in range(100)]
    assert sum(p <= 0.05 for p in null) <= 12


def test_swapping_conditions_is_flipping_the_signs_of_a_mean():
    first, second = units(7, 14), units(7, 15, shift=0.3)
    differences = second.means()[1].mean(1) - first.means()[1].mean(1)
    by_set, by_sign = swap_test(mean, first, second), sign_flip_test(differences)
    assert by_set.statistic == pytest.approx(by_sign.statistic, abs=1e-6)
    assert (by_set.p, by_set.permutations) == (by_sign.p, 128)
    with pytest.raises(UsageError, match="same units"):
        swap_test(mean, first, units(8, 16))


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(DegenerateInput, match="at least one"):
        sign_flip_test([])
    with pytest.raises(DegenerateInput, match="finite"):
        sign_flip_test([np.nan])
    with pytest.raises(UsageError, match="one for each unit"):
        sign_flip_test([[1.0]])
