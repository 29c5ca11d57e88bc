import subprocess
import sys

import numpy as np
import pytest

from metrics.near import bounds
from metrics.near.bounds import Integer, Principal, bounds_between
from metrics.near.pairwise import ROUNDING, Cloud, bound, centre, exact


def product(x, y):
    return x.astype(np.int32) @ y.T.astype(np.int32)


def two_clouds(decay, monkeypatch, rows=150, dimensions=96):
    monkeypatch.setattr(bounds, "FEWEST", 2)
    monkeypatch.setattr(bounds, "WORTH_TORCH", 0)
    monkeypatch.setattr(bounds, "_integer_product", lambda: product)
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))[0]
    x, y = ((rng.standard_normal((rows, dimensions)) * decay ** np.arange(dimensions)) @ turn + 3 for _ in range(2))
    middle = centre(x)
    clouds = Cloud(x, middle), Cloud(y + 0.01, middle)
    bound(*clouds)
    return clouds


@pytest.mark.parametrize(("decay", "kind", "tight"), [(0.8, Principal, 0.9), (1.0, Integer, 0.95)])
def test_no_distance_is_below_its_bound_nor_far_above(decay, kind, tight, monkeypatch):
    x, y = two_clouds(decay, monkeypatch)
    left, right = x.bounds, y.bounds
    assert left is not None
    assert right is not None
    assert isinstance(left, kind)
    i, j = np.mgrid[: len(x), : len(y)]
    truth = exact(x.original, i.ravel(), y.original, j.ravel()).reshape(i.shape).astype(np.float32)
    highest = left.limit(truth + np.float32(ROUNDING) * (x.norms[:, None] + y.norms))
    tile = left.tile(slice(None), right, slice(None))
    assert (tile <= highest).all()
    assert (tile > left.limit(tight * truth)).mean() > 0.95
    some = np.array([3, 1, 140])
    part = left.taken(some).tile(slice(1, 3), right, some)
    assert (part <= highest[np.ix_(some[1:], some)]).all()
    assert part == pytest.approx(tile[np.ix_(some[1:], some)], rel=0.05)


def test_a_rest_that_is_lost_in_rounding_raises_no_bound():
    rows = np.zeros((2, 64), dtype=np.float32)
    rows[:, 0], rows[:, 9] = 1000, [0.15, 30]  # .02 beside a million
    norms, axes = np.vecdot(rows, rows), np.eye(64, 8, dtype=np.float32)
    bounded = Principal.of(rows, norms, axes)
    assert bounded.tile(slice(None), bounded, slice(None))[0, 1] <= 29.85**2 + ROUNDING * norms.sum()


def test_whole_numbers_beyond_their_range_are_not_used(monkeypatch):
    x, y = two_clouds(1.0, monkeypatch, rows=2100)
    far = y.moved.copy()
    far[1] = 1e5  # 2¹⁴ steps and more from the centre
    norms = np.vecdot(far, far)
    assert bounds_between(x.moved, y.moved, x.norms, y.norms) is not None
    assert bounds_between(x.moved, far, x.norms, norms) is None


@pytest.mark.parametrize("change", [{"FEWEST": 151}, {"NARROWEST": 97}, {"_integer_product": lambda: None}])
def test_where_they_save_nothing_there_are_none(change, monkeypatch):
    x, y = two_clouds(1.0, monkeypatch)
    for name, value in change.items():
        monkeypatch.setattr(bounds, name, value)
    assert bounds_between(x.moved, y.moved, x.norms, y.norms) is None


def test_torch_multiplies_whole_numbers_if_it_is_right_and_fast(monkeypatch):
    torch = pytest.importorskip("torch")
    find = bounds._integer_product.__wrapped__
    seconds = iter([1.0, 2.1, 1.0, 1.9])
    monkeypatch.setattr(bounds, "_seconds", lambda action: next(seconds))
    x, y = np.random.default_rng(0).integers(-127, 128, (2, 30, 70)).astype(np.int8)
    fast = find()
    if fast is None:
        pytest.skip("this processor adds products of eight bits in sixteen")
    assert (fast(x, y) == product(x, y)).all()
    assert find() is None  # slow
    # As processors without VNNI do it: sums of two products stop at 16 bits.
    monkeypatch.setattr(torch, "_int_mm", lambda x, y: (x.int() @ y.int()).clip(-(2**15), 2**15))
    assert find() is None
    monkeypatch.delattr(torch, "_int_mm")
    assert find() is None


def test_without_torch_there_are_no_whole_numbers(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert bounds._integer_product.__wrapped__() is None


def test_small_sets_do_not_import_torch():
    code = (
        "import sys, numpy as np\n"
        "from metrics.sets.manifold import prdc_of_rows\n"
        "x, y = np.random.default_rng(0).standard_normal((2, 1100, 64), dtype=np.float32)\n"
        "prdc_of_rows(x, y)\n"
        "print('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
