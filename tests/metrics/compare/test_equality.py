import json

import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.compare.equality import Moments, equality_test, permuted_labels
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.gaussians import frechet_distance
from metrics.sets.kernel import kad_of_rows, median_distance


def units(n, seed, shift=0.0, spread=1.0, frames=3, styles=None, dimensions=5):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 1, dimensions)) + 0.5 * rng.standard_normal((n, frames, dimensions))
    strata = None if styles is None else np.repeat(np.resize(styles, n), frames)
    return EmbeddingSet((spread * rows + shift).reshape(-1, dimensions), np.repeat(np.arange(n), frames), {}, strata)


def test_distances_from_the_moments_of_songs_are_those_of_the_frames():
    x = units(9, 0)
    rows, song = x.frames.astype(np.float64), x.units
    sides = np.random.default_rng(1).permuted(np.tile(np.arange(9) < 4, (5, 1)), axis=1)
    expected = [frechet_distance(rows[side[song]], rows[~side[song]]) for side in sides]
    assert Moments.of(rows, song).distances(sides) == pytest.approx(expected, rel=1e-9)


def test_sets_that_differ_are_told_apart_and_sets_of_one_law_are_not():
    same, moved = (
        equality_test(units(20, 2), units(25, 3), "fad"),
        equality_test(units(20, 2, shift=1.0), units(25, 3), "fad"),
    )
    assert same.p > 0.05
    assert same.distance == pytest.approx(same.expected, rel=0.5)
    assert moved.p == 0.001
    assert moved.distance > 2 * moved.expected
    assert equality_test(units(20, 2, spread=2.0), units(25, 3), "fad").p <= 0.01
    assert json.loads(json.dumps(moved.as_dict()))["permutations"] == 999


def test_the_test_keeps_its_level():
    """Under the null p ≤ .1 in one of ten: more than 22 times in 120 happens once in 400."""
    p_values = [equality_test(units(8, [4, i]), units(12, [5, i]), "fad3", permutations=39).p for i in range(120)]
    assert sum(p <= 0.1 for p in p_values) <= 22


def test_the_distance_is_the_plug_in_in_all_components_and_the_share_is_shown():
    x, y = units(10, 6), units(12, 7)
    whole = equality_test(x, y, "fad", permutations=9)
    assert whole.distance == pytest.approx(frechet_distance(x.frames, y.frames), rel=1e-9)
    assert (whole.components, whole.explained_variance) == (5, pytest.approx(1))
    part = equality_test(x, y, "fad2", permutations=9).explained_variance
    assert part is not None
    assert part < 1
    x, y = units(4, 8, dimensions=40), units(5, 9, dimensions=40)
    assert equality_test(x, y, "fad", permutations=9).distance == pytest.approx(
        frechet_distance(x.frames, y.frames), rel=1e-7
    )


def test_labels_change_within_strata_only():
    labels, strata = np.array([True, False, False, True, False]), np.array([0, 0, 0, 1, 1])
    for side in permuted_labels(labels, strata, 20, np.random.default_rng(0)):
        assert side[:3].sum() == 1
        assert side[3:].sum() == 1


@pytest.mark.parametrize("by", ["fad", "kad"])
def test_another_mixture_of_styles_is_not_what_is_found(by):
    def mixture(shares, seed):
        parts = [units(n, [seed, i], shift=4.0 * i) for i, n in enumerate(shares)]
        frames = np.concatenate([part.frames for part in parts])
        ids = np.repeat(np.arange(sum(shares)), 3)
        return EmbeddingSet(frames, ids, {}, np.repeat(["folk", "jazz"], [3 * n for n in shares]))

    x, y = mixture((15, 5), 10), mixture((5, 15), 11)
    assert equality_test(x, y, by).p > 0.05
    assert "within the styles" in equality_test(x, y, by).note
    bare_x, bare_y = (EmbeddingSet(data.frames, data.units) for data in (x, y))
    assert equality_test(bare_x, bare_y, by).p <= 0.01


def test_what_cannot_be_tested_is_refused():
    x, y = units(6, 12), units(6, 13)
    with pytest.raises(UsageError, match="allow 1 to 5"):
        equality_test(x, y, "fad6")
    with pytest.raises(UsageError, match="5 dimensions and the reference in 4"):
        equality_test(x, units(6, 13, dimensions=4), "fad2")
    with pytest.raises(UsageError, match="at least 1"):
        equality_test(x, y, "fad2", permutations=0)
    with pytest.raises(UsageError, match="a test by 'kid' was requested"):
        equality_test(x, y, "kid")
    with pytest.raises(DegenerateInput, match="1 clip is on one side"):
        equality_test(units(1, 17), y, "kad")


# ── By the kernel distance ──


def test_its_statistic_is_the_kernel_distance():
    x, y = units(9, 1), units(12, 2, frames=2, shift=0.5)
    pooled, ids = np.concatenate([x.frames, y.frames]), np.concatenate([x.units, y.units + 9])
    bandwidth = median_distance(pooled, ids)
    found = equality_test(x, y, "kad", permutations=9)
    assert found.distance == pytest.approx(kad_of_rows(x.frames, y.frames, bandwidth, x.units, y.units), abs=1e-6)
    assert (found.bandwidth, found.components) == (pytest.approx(bandwidth), None)


def test_the_kernel_distance_tells_two_laws_apart_and_not_one():
    """Under one law p is uniform: of 60, more than 8 at or below .05 come once in 400."""
    assert equality_test(units(30, 3, frames=4), units(30, 4, shift=0.8, frames=4), "kad").p <= 0.005
    alike = [
        equality_test(units(12, [5, i], frames=4), units(15, [6, i], frames=4), "kad", permutations=199).p
        for i in range(60)
    ]
    assert sum(p <= 0.05 for p in alike) <= 8
    assert np.mean(alike) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("by", ["fad", "kad"])
def test_frames_are_not_songs(by):
    """What a test of frames would call different: the same songs would each have to be drawn anew."""
    x, y = units(6, 7, frames=40), units(6, 8, frames=40)
    as_frames = [EmbeddingSet(one.frames, np.arange(len(one.frames))) for one in (x, y)]
    assert equality_test(as_frames[0], as_frames[1], by, permutations=199).p == pytest.approx(1 / 200)
    assert equality_test(x, y, by, permutations=199).p > 0.05


def test_of_very_many_songs_some_are_drawn(monkeypatch):
    monkeypatch.setattr("metrics.compare.equality.MOST_UNITS", 40)
    found = equality_test(units(100, 11), units(100, 12, shift=1.5), "kad", permutations=99)
    assert (found.p, found.n_units, found.n_reference) == (0.01, 20, 20)
