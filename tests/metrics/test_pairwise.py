import numpy as np
import pytest

from metrics.pairwise import ROUNDING, TILE, Cloud, centre, exact, principal_axes, slices, tiles


@pytest.mark.parametrize("dimensions", [1, 7, 300, 2048])
def test_a_tile_is_known_to_its_rounding(dimensions):
    rng = np.random.default_rng(dimensions)
    x = (rng.standard_normal((40, dimensions)) * rng.uniform(0.1, 30, (40, 1)) + 50).astype(np.float32)
    middle = centre(x)
    cloud, other = Cloud(x[:25], middle), Cloud(x[20:], middle)
    [(rows, columns, tile)] = tiles(cloud, other)
    i, j = np.mgrid[rows, columns]
    truth = exact(x[:25], i.ravel(), x[20:], j.ravel()).reshape(tile.shape)
    # A centre of float64 is taken from float32 rows: their difference is rounded once more.
    bound = ROUNDING / 8 * (cloud.norms[:, None] + other.norms)
    assert (np.abs(tile - truth) <= bound + 1e-4 * np.abs(x).max() ** 2 * np.finfo(np.float32).eps).all()


def test_tiles_of_a_cloud_with_itself_are_its_upper_half():
    rows = np.random.default_rng(0).standard_normal((2 * TILE + 5, 3))
    cloud = Cloud(rows, centre(rows))
    seen = np.zeros((len(rows), len(rows)), dtype=int)
    for part, others, tile in tiles(cloud, cloud):
        seen[part, others] += 1
        assert tile.shape == (part.stop - part.start, others.stop - others.start)
    whole = seen + np.triu(seen, TILE).T
    assert seen.max() == 1
    assert (whole[np.triu_indices(len(rows))] >= 1).all()
    assert len(list(tiles(cloud, Cloud(rows, centre(rows))))) == 9


def test_single_pairs_are_exact():
    x, y = np.array([[1e4, 0.0], [0.0, 1.0]], dtype=np.float32), np.array([[1e4, 1e-3]], dtype=np.float32)
    found = exact(x, np.array([0, 1]), y, np.array([0, 0]))
    assert found == pytest.approx([1e-6, 1e8 + (1 - 1e-3) ** 2], rel=1e-7)


def test_slices_cover_everything_once():
    assert [(part.start, part.stop) for part in slices(5, 2)] == [(0, 2), (2, 4), (4, 5)]
    assert slices(0) == []


def test_turned_to_its_axes_a_cloud_keeps_its_distances_and_bounds_them():
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((60, 40)) * 0.8 ** np.arange(40)) @ np.linalg.qr(rng.standard_normal((40, 40)))[0] + 3
    middle = centre(x)
    axes = principal_axes(x, middle)
    assert axes.T @ axes == pytest.approx(np.eye(40), abs=1e-12)
    turned, plain = Cloud(x, middle, axes), Cloud(x, middle)
    [(part, _, tile)], [(_, _, same)] = tiles(turned, turned), tiles(plain, plain)
    assert tile == pytest.approx(same, abs=1e-5)
    bounds = turned.short_left(part) @ turned.short_right(part)
    assert (bounds <= tile + ROUNDING * (turned.norms[:, None] + turned.norms)).all()
    assert np.median(bounds / (tile + np.eye(60))) > 0.6
    i, j = np.triu_indices(60, 1)
    assert turned.squares(i, turned, j) == pytest.approx(tile[i, j], abs=1e-4)
