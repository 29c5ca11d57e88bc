"""Oracles first: closed forms of Gaussians, whose exact sample moments are built in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.errors import DegenerateInput, UsageError
from metrics.sets.gaussians import (
    Gaussian,
    frechet_distance,
    frechet_distance_of_moments,
    nuclear_norm,
    principal_axes,
    subset_distances,
    without_mean,
)


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
    determinants = [np.linalg.det(p) if np.linalg.cond(p) < 1e12 else 0.0 for p in products]
    return sum(np.sqrt(np.trace(p) + 2 * np.sqrt(det)) for p, det in zip(products, determinants, strict=True))


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


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), blocks=st.integers(1, 8), flat=st.booleans())
def test_rotated_blocks_of_any_number_have_a_closed_form_also_when_some_are_flat(seed, blocks, flat):
    (first, left), (second, right) = rotated_blocks(seed, blocks), rotated_blocks(seed + 1, blocks)
    if flat:  # the first block of one side has rank 1: tr √(S₁S₂) = √tr(S₁S₂)
        left[0] = np.outer(left[0][0], left[0][0])
        first[:2, :2] = left[0]
    expected = blocks + np.trace(first) + np.trace(second) - 2 * root_trace(left, right)
    found = frechet_distance_of_moments(np.zeros(2 * blocks), first, np.full(2 * blocks, 0.5**0.5), second)
    assert found == pytest.approx(expected, rel=1e-10)
    swapped = frechet_distance_of_moments(np.zeros(2 * blocks), second, np.full(2 * blocks, 0.5**0.5), first)
    assert swapped == pytest.approx(found, rel=1e-10)


@pytest.mark.parametrize("shape", [(3, 200), (120, 40), (40, 40)])
def test_the_distance_of_a_set_to_itself_is_zero(shape):
    x = 100 * np.random.default_rng(8).standard_normal(shape)
    assert frechet_distance(x, x) <= 1e-10


def test_rows_without_their_mean_are_one_fewer_and_have_the_same_products():
    centred = np.random.default_rng(9).standard_normal((7, 5))
    centred -= centred.mean(0)
    fewer = without_mean(centred)
    assert fewer.shape == (6, 5)
    assert np.allclose(fewer.T @ fewer, centred.T @ centred, atol=1e-12)


@pytest.mark.parametrize("smallest", [1.0, 1e-3, 1e-9, 0.0])
def test_the_nuclear_norm_keeps_its_digits_when_singular_values_are_small(smallest):
    rng = np.random.default_rng(10)
    left, right = (np.linalg.qr(rng.standard_normal((n, 6)))[0] for n in (30, 9))
    values = np.array([2.0, 1.0, 0.5, smallest, smallest, smallest])
    assert nuclear_norm((left * values) @ right.T) == pytest.approx(values.sum(), rel=1e-11)


def test_subsets_are_those_of_the_rows():
    rng = np.random.default_rng(11)
    x, y = rng.standard_normal((30, 5)), rng.standard_normal((40, 5))
    masks = [np.arange(30) % 3 != 0, np.arange(30) < 4]
    found = subset_distances(x, masks, Gaussian.of_rows(y))
    assert found == pytest.approx([frechet_distance(x[mask], y) for mask in masks], rel=1e-10)


@pytest.mark.parametrize("shape", [(900, 450), (60, 500), (80, 20)])
def test_principal_axes_are_those_of_the_covariance(shape):
    rows = np.random.default_rng(12).standard_normal(shape) * np.geomspace(1, 0.1, shape[1])
    axes = principal_axes(rows, 5)
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1][:5]
    assert np.allclose(axes.T @ axes, np.eye(5), atol=1e-10)
    assert np.var(rows @ axes, axis=0, ddof=1) == pytest.approx(values, rel=1e-9)


def test_moments_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match=r"a mean \(2,\) came with a covariance \(3, 3\)"):
        frechet_distance_of_moments([0, 0], np.eye(3), [0, 0], np.eye(2))
    with pytest.raises(UsageError, match="2 and 3 dimensions"):
        frechet_distance_of_moments([0, 0], np.eye(2), [0, 0, 0], np.eye(3))
