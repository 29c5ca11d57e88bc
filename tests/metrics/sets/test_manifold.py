"""Oracles first: what `prdc` says, to the tie, and the definition written out."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.near.neighbours import balls
from metrics.near.pairwise import Cloud, centre, slices
from metrics.sets.manifold import NAMES, coverage, density, prdc, prdc_of_rows, precision, recall
from metrics.stats.resampling import jackknife

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics"


def units(n, seed, frames=1, dimensions=4, shift=0.0, between=0.8):
    rng = np.random.default_rng(seed)
    rows = np.sqrt(between) * rng.standard_normal((n, 1, dimensions))
    rows = rows + np.sqrt(1 - between) * rng.standard_normal((n, frames, dimensions)) + shift
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(n), frames))


def by_song(values, ids, reduce):
    """Rows (N, …) of one song made one."""
    return np.stack([reduce(values[ids == song], axis=0) for song in np.unique(ids)])


def written_out(real, made, k, real_units, made_units):
    def squares(a, b):
        return np.sum((a[:, None].astype(np.float64) - b) ** 2, axis=2)

    def radii(rows, ids):
        nearest = by_song(np.where(ids[:, None] == ids, np.inf, squares(rows, rows)), ids, np.min)
        return np.sort(nearest, axis=0)[k - 1]

    between = squares(real, made)
    in_real, in_made = between < radii(real, real_units)[:, None], between < radii(made, made_units)
    return {
        "precision": in_real.any(0).mean(), "recall": in_made.any(1).mean(),
        "density": by_song(in_real, real_units, np.any).sum(0).mean() / k, "coverage": in_real.any(1).mean(),
    }  # fmt: skip


@pytest.mark.parametrize(("real", "made", "name"), [("y", "x", "normal"), ("lattice_real", "lattice_made", "lattice")])
def test_prdc_says_the_same_to_the_tie(real, made, name):
    arrays, said = np.load(GOLDEN / "kernels.npz"), json.loads((GOLDEN / "kernels.json").read_text())
    assert prdc_of_rows(arrays[real], arrays[made]) == pytest.approx(said["prdc 0.2"][name], abs=1e-12)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32), frames=st.integers(1, 3), k=st.integers(1, 4), lattice=st.booleans(),
    offset=st.sampled_from([0.0, 1000.0]),
)  # fmt: skip
def test_it_is_the_definition_ties_included(seed, frames, k, lattice, offset):
    real, made = units(14, [seed, 1], frames, 2), units(11, [seed, 2], frames, 2)
    rows = [np.round(one.frames) if lattice else one.frames for one in (real, made)]
    rows = [one + np.float32(offset) for one in rows]
    expected = written_out(rows[0], rows[1], k, real.units, made.units)
    assert prdc_of_rows(rows[0], rows[1], k, real.units, made.units) == pytest.approx(expected, abs=1e-12)


def test_many_tiles_are_one_tile():
    real, made = units(300, 1, 5, 8), units(250, 2, 5, 8)
    expected = written_out(real.frames, made.frames, 5, real.units, made.units)
    assert prdc_of_rows(real.frames, made.frames, 5, real.units, made.units) == pytest.approx(expected, abs=1e-12)


BOUNDS = ("none", "principal", "integer", "integer, given up")


@pytest.fixture(params=BOUNDS)
def bounds(request, monkeypatch):
    """Every way to the same distances, whatever the size of the sets and the processor, in many tiles."""
    if request.param != "none":
        monkeypatch.setattr("metrics.near.bounds.FEWEST", 2)
        monkeypatch.setattr("metrics.near.bounds.NARROWEST", 1)
    monkeypatch.setattr("metrics.near.bounds.WORTH_TORCH", 0)
    monkeypatch.setattr("metrics.near.bounds._spread", lambda _: 0 if request.param == "principal" else np.inf)
    monkeypatch.setattr(
        "metrics.near.bounds._integer_product", lambda: lambda x, y: x.astype(np.int32) @ y.T.astype(np.int32)
    )
    monkeypatch.setattr("metrics.near.search.FEW", 1 if request.param != "integer, given up" else 0.01)
    monkeypatch.setattr("metrics.near.neighbours.SAMPLE", 32)
    monkeypatch.setattr("metrics.near.neighbours.slices", lambda n, size=40, start=0: slices(n, min(size, 40), start))


def outliers(rng, rows):
    return rows * np.where(rng.random(len(rows)) < 0.05, 1e4, 1)[:, None]


HARD = {
    "isotropic": lambda rng, rows: rows,
    "decaying spectrum": lambda rng, rows: rows * 0.9 ** np.arange(rows.shape[1]),
    "one direction": lambda rng, rows: rows * ([1e4] + [1e-2] * (rows.shape[1] - 1)),
    "heavy tails": lambda rng, rows: rows / rng.standard_normal(rows.shape),
    "outliers": outliers,
    "far from zero": lambda rng, rows: rows + 1e4,
    "tight clusters": lambda rng, rows: 1e-3 * rows + 1e3 * np.sign(rows[:, :1]),
    "lattice": lambda rng, rows: np.round(rows[:, :2]),
    "duplicates": lambda rng, rows: rows[rng.integers(0, len(rows) // 3, len(rows))],
    "sparse": lambda rng, rows: rows * (rng.random(rows.shape) < 0.05),
    "huge": lambda rng, rows: rows * 1e25,
    "tiny": lambda rng, rows: rows * 1e-30,
}


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("frames", [1, 3])
def test_hard_rows_are_measured_as_defined(kind, frames):
    rng = np.random.default_rng(40)
    real, made = units(60, 41, frames, 64), units(50, 42, frames, 64, shift=0.05)
    rows = [HARD[kind](rng, one.frames).astype(np.float32) for one in (real, made)]
    expected = written_out(rows[0], rows[1], 5, real.units, made.units)
    assert prdc_of_rows(rows[0], rows[1], 5, real.units, made.units) == pytest.approx(expected, abs=1e-12)


@pytest.mark.usefixtures("bounds")
def test_a_set_covers_itself():
    same = units(40, 43, 2, 64)
    values = prdc_of_rows(same.frames, same.frames, 5, same.units, same.units)
    assert (values["precision"], values["recall"], values["coverage"]) == (1, 1, 1)
    assert values == pytest.approx(written_out(same.frames, same.frames, 5, same.units, same.units))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32), k=st.integers(1, 4), lengths=st.lists(st.integers(1, 9), min_size=6, max_size=30),
    decay=st.sampled_from([0.7, 1.0]), lattice=st.booleans(), scale=st.sampled_from([2.0**-40, 1.0, 2.0**40]),
)  # fmt: skip
def test_bounds_change_nothing(bounds, seed, k, lengths, decay, lattice, scale):
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(len(lengths)), lengths)
    rows = [rng.standard_normal((len(ids), 16)) * decay ** np.arange(16) for _ in range(2)]
    rows = [scale * (np.round(one) if lattice else one) for one in rows]
    expected = written_out(rows[0], rows[1], k, ids, ids)
    assert prdc_of_rows(rows[0], rows[1], k, ids, ids) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("styles", [None, 3])
def test_leaving_songs_out_is_measuring_without_them(styles):
    """Exact, radii included: those that songs left out of either set would have had."""
    real, made = units(30, 3, 3), units(24, 4, 2, shift=0.3)
    if styles is not None:
        real, made = (EmbeddingSet(one.frames, one.units, {}, (one.units % styles).astype(str)) for one in (real, made))

    def value(name, x, y):
        return prdc_of_rows(y.frames, x.frames, 5, y.units, x.units)[name]

    for name, score in prdc(made, real).items():
        own = jackknife(lambda some, name=name: value(name, some, real), made)
        other = jackknife(lambda some, name=name: value(name, made, some), real)
        assert score.value == pytest.approx(value(name, made, real), abs=1e-12)
        assert score.stderr == pytest.approx(np.sqrt(own.variance + other.variance), rel=1e-9)


def test_neighbours_are_looked_for_further_where_the_nearest_are_left_out():
    """Ten songs of 30 frames lie in one place, ten in another: without nine of the first the tenth looks far."""
    rng = np.random.default_rng(5)
    rows = 0.01 * rng.standard_normal((600, 2)) + np.repeat([[0, 0], [9, 0]], 300, axis=0)
    codes = np.repeat(np.arange(20), 30)
    group = np.where((codes > 0) & (codes < 10), 0, 1)
    found = balls(Cloud(rows, centre(rows)), codes, [group], 2).squares
    assert (found[:, 0] < 0.1).all()
    assert (found[codes == 0, 1] > 70).all()
    assert (found[group == 0, 1] == 0).all()  # its own balls are gone
    assert (found[group == 0, 2] < 0.1).all()


def test_a_song_longer_than_a_tile_is_not_cut():
    real, made = units(8, 23, 2), units(9, 24, 3)
    long = EmbeddingSet(
        np.concatenate([real.frames, units(1, 25, 1500).frames, units(700, 26).frames]),
        np.concatenate([real.units, np.full(1500, 90), np.arange(100, 800)]),
    )
    expected = written_out(long.frames, made.frames, 3, long.units, made.units)
    assert prdc_of_rows(long.frames, made.frames, 3, long.units, made.units) == pytest.approx(expected, abs=1e-12)


def test_frames_of_one_song_do_not_shrink_the_balls():
    """Between two samples of one law, 8 frames a song give what one frame a song gives; not so when frames count."""

    def mean(frames, own):
        found = []
        for i in range(6):
            real, made = units(60, [6, i], frames, 16), units(60, [7, i], frames, 16)
            ids = (real.units, made.units) if own else (None, None)
            found.append(prdc_of_rows(real.frames, made.frames, 5, *ids)["precision"])
        return np.mean(found)

    assert mean(8, own=True) == pytest.approx(mean(1, own=True), abs=0.05)
    assert mean(8, own=False) < 0.3


def test_one_metric_is_that_of_all_four():
    real, made = units(20, 8, 2), units(20, 9, 2, shift=0.2)
    together = prdc(made, real)
    assert tuple(together) == NAMES
    for metric in (precision, recall, density, coverage):
        score = metric(made, real)
        assert score == together[score.name]
        assert "20 clips in 20 tracks" in score.note


def test_two_samples_of_one_law_have_density_one():
    found = [prdc(units(60, [10, i], 2), units(60, [11, i], 2))["density"] for i in range(8)]
    mean = np.mean([score.value for score in found])
    assert mean == pytest.approx(1, abs=4 * np.mean([score.stderr for score in found]) / np.sqrt(8))


def test_far_sets_share_nothing_and_a_narrow_one_reaches_little():
    real = units(40, 12)
    assert all(value == 0 for value in prdc_of_rows(real.frames, real.frames + 100).values())
    narrow = EmbeddingSet(0.1 * units(40, 13).frames, np.arange(40))
    scores = prdc(narrow, real)
    assert scores["precision"].value == 1
    assert scores["recall"].value < 0.2


def test_recall_is_compared_at_equal_numbers():
    real, many = units(60, 14, 2), units(60, 16, 2, shift=0.2)
    drawn = recall(many, real, clips=15)
    assert (drawn.n_units, drawn.provenance["drawn_units"], drawn.provenance["reference_units"]) == (15, 15, 15)


def test_a_paired_difference_is_that_of_the_values():
    real, first = units(40, 17, 2), units(30, 18, 2)
    second = EmbeddingSet(first.frames * np.float32(0.5), first.units)
    for name, metric in (("recall", recall), ("coverage", coverage), ("precision", precision)):
        difference = paired_difference(name, first, second, real)
        assert difference.value == pytest.approx(metric(second, real).value - metric(first, real).value)
    assert paired_difference("recall", first, first, real).stderr == 0


def test_what_has_too_few_neighbours_is_refused():
    with pytest.raises(DegenerateInput, match="as few as 4 other clips"):
        prdc(units(6, 19), units(30, 20))  # one of 6 is left out
    assert not prdc(units(7, 19), units(30, 20))["recall"].reliable
    with pytest.raises(DegenerateInput, match="as few as 1 other clips"):
        prdc_of_rows(units(4, 21).frames, units(4, 22).frames, real_units=[1, 1, 2, 2])
    with pytest.raises(UsageError, match="at least 1"):
        prdc_of_rows(units(9, 21).frames, units(9, 22).frames, k=0)
    with pytest.raises(UsageError, match="4 and 3 dimensions"):
        prdc_of_rows(units(9, 21).frames, units(9, 22).frames[:, :3])


def test_rows_that_are_all_alike_have_balls_without_an_inside():
    alike = np.ones((9, 3))
    assert set(prdc_of_rows(alike, alike).values()) == {0.0}
