"""The quick statistics of a permutation test are the plain values of the metrics themselves."""

import numpy as np
import pytest

from metrics.api.catalogue import metric
from metrics.api.score import EmbeddingSet
from metrics.compare.permuted import Permuted
from metrics.stats.permutation import swap_test

MADE = {"embedder": {"name": "toy"}, "preprocessing": {"rate": 16000}}


def random_set(seed, units, shift=0.0):
    rng = np.random.default_rng(seed)
    clips = [rng.normal(shift, 1, (rng.integers(2, 5), 4)) + rng.normal(size=4) for _ in range(units)]
    return EmbeddingSet.from_clips(clips, [f"{n:02d}" for n in range(units)], MADE)


@pytest.fixture
def conditions():
    return Permuted(random_set(0, 7), random_set(1, 7, 0.5), random_set(2, 12))


NAMES = ("fad", "kad", "kid", "precision", "recall", "density", "coverage", "vendi", "vendi2", "diversity",
         "frame_diversity")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_is_the_plain_value_of_either_condition(conditions, name):
    row = metric(name)
    statistic = conditions.statistic(row)
    first = np.arange(len(conditions.first.frames))
    second = np.arange(len(first), len(conditions.frames))
    for rows, data in ((first, conditions.first), (second, conditions.second)):
        expected = row.load()(data, conditions.reference, **row.options).plain
        assert statistic(rows) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_what_is_too_large_to_hold_is_measured_by_the_metric(conditions, monkeypatch):
    rows, row = np.arange(len(conditions.first.frames)), metric("recall")
    held = conditions.statistic(row)(rows)
    monkeypatch.setattr("metrics.compare.permuted.MOST_DISTANCES", 1)
    assert conditions.statistic(row)(rows) == held


@pytest.mark.parametrize("name", ["kad", "vendi", "coverage"])
def test_the_test_is_the_swap_test_of_the_metric(conditions, name):
    row, calls = metric(name), []
    found = conditions.test(row, permutations=99, advance=lambda: calls.append(1))
    function = row.load()
    expected = swap_test(
        lambda data: function(data, conditions.reference, **row.options).plain, conditions.first, conditions.second
    )
    assert found.p == expected.p
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-5, abs=1e-6)
    assert len(calls) == 2 * found.permutations == 2 * 2**7
