import numpy as np
import pytest

from metrics.near.pairwise import ROUNDING, TILE, Cloud, centre, exact, slices, tiles


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
    assert [(part.start, part.stop) for part in slices(9, 4, 3)] == [(3, 7), (7, 9)]


def test_pairs_are_measured_as_in_tiles_and_some_rows_as_among_all():
    rows = np.random.default_rng(1).standard_normal((300, 40)) + 3
    cloud = Cloud(rows, centre(rows))
    [(_, _, tile)] = tiles(cloud, cloud)
    i, j = np.triu_indices(300, 1)
    assert cloud.squares(i, cloud, j) == pytest.approx(tile[i, j], abs=1e-4)
    some = np.array([7, 299, 7])
    [(_, _, part)] = tiles(cloud.taken(some), cloud)
    assert part == pytest.approx(tile[some], abs=1e-4)
    assert (cloud.taken(some).original == rows[some]).all()
