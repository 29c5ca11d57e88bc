import itertools

import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput
from metrics.sets.frechet import fad
from metrics.sets.frechet_variants import fad_infinity, fad_per_song, nested_subsets
from metrics.sets.gaussians import frechet_distance


def units(n, seed, shift=0.0, frames=4, dimensions=6, strata=None):
    rng = np.random.default_rng(seed)
    rows = 2 * rng.standard_normal((n, 1, dimensions)) + rng.standard_normal((n, frames, dimensions)) + shift
    strata = None if strata is None else np.repeat(strata, frames)
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(n), frames), {}, strata)


def test_extrapolation_removes_most_of_the_bias_and_claims_no_interval():
    scores = [fad_infinity(units(40, [1, i]), units(40, [2, i])) for i in range(20)]
    values, plain = (np.array([getattr(score, kind) for score in scores]) for kind in ("value", "plain"))
    assert abs(values.mean()) < 0.25 * plain.mean()
    assert all(score.interval is None and not score.reliable for score in scores)
    assert scores[0].name == "fad_infinity"


def test_extrapolation_follows_a_straight_line_in_one_over_n():
    x, y = units(20, 3), units(30, 4, shift=1.0)
    score = fad_infinity(x, y, 3, estimand="fixed reference")
    (line,) = score.provenance["points"]
    assert [n for n, _ in line] == [10, 12, 14, 16, 18, 20]
    assert line[-1][1] == pytest.approx(score.plain)
    slope, intercept = np.polyfit([1 / n for n, _ in line], [value for _, value in line], 1)
    assert score.value == pytest.approx(intercept)
    assert slope > 0
    assert score.stderr == pytest.approx(fad(x, y, 3, estimand="fixed reference").stderr)
    assert len(fad_infinity(x, y, 3).provenance["points"]) == 2


def test_subsets_are_nested_and_keep_the_share_of_each_stratum():
    data = units(24, 5, strata=np.repeat(["a", "b"], [16, 8]))
    sizes, masks = nested_subsets(data, np.random.default_rng(0))
    strata = data.unit_strata()
    assert strata is not None
    for before, after in itertools.pairwise(masks):
        if before.sum() < after.sum():
            assert (after | ~before).all()
    for size, mask in zip(sizes, masks, strict=True):
        assert mask.sum() == size
        assert abs((strata[mask] == "a").sum() - 2 / 3 * size) <= 1.5


def test_the_distance_of_a_song_is_that_of_its_frames():
    x, y = units(5, 6), units(30, 7)
    found = fad_per_song(x, y)
    assert list(found) == [0, 1, 2, 3, 4]
    for song, value in found.items():
        assert value == pytest.approx(frechet_distance(x.frames[x.units == song], y.frames), rel=1e-9)
    assert fad_per_song(x, y, 2)[0] < found[0]


def test_a_song_of_one_frame_has_no_distance():
    x = EmbeddingSet.from_clips([np.zeros((1, 6)), np.ones((2, 6))], ["a", "b"], {})
    assert list(fad_per_song(x, units(30, 8))) == ["b"]
    with pytest.raises(DegenerateInput, match="no clip has two frames"):
        fad_per_song(x.select(x.units == "a"), units(30, 8))


def test_two_songs_are_too_few():
    with pytest.raises(DegenerateInput, match="at least 3"):
        fad_infinity(units(2, 9), units(9, 10))
