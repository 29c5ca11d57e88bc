import numpy as np
import pytest

from metrics.near.pairwise import Cloud, bound, centre, exact
from metrics.near.search import Search


@pytest.mark.parametrize("decay", [None, 0.8])
def test_the_first_look_bounds_the_neighbour_asked_for_and_gives_all_within(decay, monkeypatch):
    monkeypatch.setattr("metrics.near.bounds.FEWEST", 2)
    rows = np.random.default_rng(2).standard_normal((90, 64)) * (decay or 1) ** np.arange(64)
    codes = np.concatenate([np.arange(40), np.arange(20, 70)])  # the first rows: 5 draws of 8 groups, by their columns
    cloud = Cloud(rows, centre(rows))
    if decay is not None:
        bound(cloud, cloud)
        assert cloud.bounds is not None
    i, j = np.divmod(np.arange(90 * 90), 90)
    squares = exact(rows, i, rows, j).reshape(90, 90)
    squares[codes[:, None] == codes] = np.inf
    reach, part = np.zeros(90, dtype=np.float32), slice(30, 70)
    reach[:30] = np.median(squares[:30, 40:])
    found = Search(cloud, cloud, codes).first_look(part, (5, 8), 3, reach)
    least = np.sort(squares[part, :40].reshape(40, 5, 8).min(axis=1), axis=1)[:, 2]
    assert (reach[part] >= least).all()
    assert (reach[part] <= 1.5 * least).all()
    expected = (squares[part, :40] <= reach[part, None]) | (squares[part, :40] <= reach[:40])
    inside = np.zeros_like(expected)
    inside[found.rows - 30, found.columns] = True
    assert (inside | ~expected).all()
    assert found.squares == pytest.approx(squares[found.rows, found.columns], rel=1e-4)


def test_bounds_that_spare_nothing_are_given_up(monkeypatch):
    monkeypatch.setattr("metrics.near.bounds.FEWEST", 2)
    rows = np.random.default_rng(3).standard_normal((64, 64)) * 0.8 ** np.arange(64)
    cloud = Cloud(rows, centre(rows))
    bound(cloud, cloud)
    search, asked = Search(cloud, cloud), []
    monkeypatch.setattr(type(cloud.bounds), "tile", lambda *_: asked.append(1) or np.zeros((64, 64), np.float32))
    everything = np.full(64, 1e9, dtype=np.float32)
    for _ in range(3):
        assert len(search.near(slice(0, 64), slice(0, 64), everything, everything).rows) == 64 * 64
    assert len(asked) == 1
