import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.sets.mmd import Cubic, GaussianKernel, Side, mmd, unit_sums


def units(n, seed, frames=1, dimensions=6):
    rows = np.random.default_rng(seed).standard_normal((n * frames, dimensions))
    return EmbeddingSet(rows, np.repeat(np.arange(n), frames))


def test_a_kernel_of_other_values_is_computed_in_its_own_precision():
    tile = np.array([[0.0, 2.0]], dtype=np.float32)
    assert GaussianKernel(1.0)(tile.copy()) == pytest.approx(np.exp([[0.0, -1.0]]))
    rows = np.array([[1.0, 2.0], [3.0, -1.0]], dtype=np.float32)
    cloud = Cubic().cloud(rows, rows.mean(0))
    whole = slice(0, 2)
    assert Cubic()(cloud.left(whole) @ cloud.right(whole)) == pytest.approx((rows @ rows.T / 2 + 1) ** 3)
    assert (cloud.left(whole) @ cloud.right(whole)).dtype == np.float64


def test_without_dealings_there_is_only_the_value():
    sides = [Side.of_set(units(9, seed), []) for seed in (1, 2)]
    found = mmd(GaussianKernel(2.0), *sides)
    assert (found.evaluated, found.reference) == ([], [])


def test_sums_between_songs():
    x = units(5, 17, 3)
    kernel = np.exp(-np.sum((x.frames[:, None] - x.frames) ** 2, axis=2) / 2 / 4)
    expected = kernel.reshape(5, 3, 5, 3).sum((1, 3)) * (1 - np.eye(5))
    assert unit_sums(GaussianKernel(2.0), x.frames, x.units) == pytest.approx(expected, rel=1e-5)
    many = units(500, 18, 5)
    sums = unit_sums(GaussianKernel(2.0), many.frames, many.units)
    assert sums == pytest.approx(sums.T)
    i, j = 3, 460
    pair = np.exp(-np.sum((many.frames[15:20, None] - many.frames[2300:2305]) ** 2, axis=2) / 8).sum()
    assert sums[i, j] == pytest.approx(pair, rel=1e-5)
