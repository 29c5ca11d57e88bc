"""Oracles first: the closed form of Gaussians, sums written out, and what other programs say of the same arrays."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.kernel import kad, kad_of_rows, kid, kid_of_rows, median_distance
from metrics.stats.resampling import jackknife

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics"


def units(n, seed, frames=1, dimensions=6, shift=0.0, scale=1.0, between=0.8, first=0):
    """n songs whose frames share `between` of their unit variance."""
    rng = np.random.default_rng(seed)
    rows = np.sqrt(between) * rng.standard_normal((n, 1, dimensions))
    rows = scale * (rows + np.sqrt(1 - between) * rng.standard_normal((n, frames, dimensions))) + shift
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(first, first + n), frames))


def written_out(x, y, kernel, x_units, y_units):
    """The definition, pair by pair."""
    x, y = x.astype(np.float64), y.astype(np.float64)

    def within(rows, ids):
        other = ids[:, None] != ids
        return np.mean([kernel(rows[i], rows[j]) for i, j in zip(*np.nonzero(other), strict=True)])

    return within(x, x_units) + within(y, y_units) - 2 * np.mean([[kernel(a, b) for b in y] for a in x])


def test_gaussians_have_a_closed_form():
    """|I+2Σ₁/σ²|^−½ + |I+2Σ₂/σ²|^−½ − 2|I+(Σ₁+Σ₂)/σ²|^−½·exp(−½Δᵀ(σ²I+Σ₁+Σ₂)⁻¹Δ), for Σ = I and I/4 in 3 dimensions."""
    sigma, shift = 2.0, 0.5

    def overlap(variance, offset=0.0):
        return (1 + variance / sigma**2) ** -1.5 * np.exp(-0.5 * 3 * offset**2 / (sigma**2 + variance))

    truth = overlap(2) + overlap(0.5) - 2 * overlap(1.25, shift)
    found = [
        kad_of_rows(
            units(300, [1, i], dimensions=3).frames,
            units(300, [2, i], dimensions=3, shift=shift, scale=0.5).frames,
            sigma,
        )
        for i in range(30)
    ]
    assert np.mean(found) == pytest.approx(truth, abs=3 * np.std(found, ddof=1) / np.sqrt(30))
    assert np.std(found) < 0.2 * truth


def test_other_programs_say_the_same():
    arrays, said = np.load(GOLDEN / "kernels.npz"), json.loads((GOLDEN / "kernels.json").read_text())
    x, y, kadtk = arrays["x"], arrays["y"], said["kadtk 1.1.0"]
    assert 100 * kad_of_rows(x, y, kadtk["bandwidth"]) == pytest.approx(kadtk["kad"], rel=1e-5)
    # kadtk's median is the lower of the two middle ones.
    assert median_distance(y) == pytest.approx(kadtk["median"], rel=1e-3)
    assert 100 * kad_of_rows(x, y) == pytest.approx(kadtk["kad_at_median"], rel=1e-3)
    assert kid_of_rows(x[:80], y) == pytest.approx(said["torchmetrics 1.9.0"]["kid_of_80"], rel=1e-9)


@settings(max_examples=20)
@given(n=st.integers(3, 9), m=st.integers(3, 9), frames=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_it_is_the_mean_over_pairs_of_different_songs(n, m, frames, seed):
    x, y = units(n, [seed, 1], frames), units(m, [seed, 2], frames + 1, shift=0.3)
    order = np.random.default_rng(seed).permutation(len(x.units))
    x = EmbeddingSet(x.frames[order], x.units[order])  # frames of a song need not be neighbours
    gaussian = written_out(
        x.frames, y.frames, lambda a, b: np.exp(-np.sum((a - b) ** 2) / 2 / 1.5**2), x.units, y.units
    )
    cubic = written_out(x.frames, y.frames, lambda a, b: (a @ b / 6 + 1) ** 3, x.units, y.units)
    assert kad_of_rows(x.frames, y.frames, 1.5, x.units, y.units) == pytest.approx(gaussian, abs=1e-6)
    assert kid_of_rows(x.frames, y.frames, x.units, y.units) == pytest.approx(cubic, rel=1e-6, abs=1e-9)
    assert kad_of_rows(y.frames, x.frames, 1.5, y.units, x.units) == pytest.approx(gaussian, abs=1e-6)


def test_many_tiles_are_one_tile():
    x, y = units(240, 3, 10), units(130, 4, 9, shift=0.1)
    by_hand = []
    for a, ids_a, b, ids_b in ((x.frames, x.units, x.frames, x.units), (y.frames, y.units, y.frames, y.units)):
        kernel = np.exp(-np.sum((a[:, None] - b) ** 2, axis=2, dtype=np.float64) / 2 / 9)
        by_hand.append(kernel[ids_a[:, None] != ids_b].mean())
    cross = np.exp(-np.sum((x.frames[:, None] - y.frames) ** 2, axis=2, dtype=np.float64) / 2 / 9).mean()
    found = kad_of_rows(x.frames, y.frames, 3.0, x.units, y.units)
    assert found == pytest.approx(sum(by_hand) - 2 * cross, abs=1e-8)


def test_a_set_and_itself_differ_by_what_unbiasedness_costs():
    """Each row meets itself between the sets but not within: −2·(1 − mean k)/n exactly."""
    x = units(40, 5).frames
    kernel = np.exp(-np.sum((x[:, None] - x) ** 2, axis=2) / 2)
    mean = kernel[~np.eye(40, dtype=bool)].mean()
    assert kad_of_rows(x, x, 1.0) == pytest.approx(-2 * (1 - mean) / 40, abs=1e-6)


def test_frames_of_one_song_do_not_pull_the_distance_from_zero():
    found = [(units(16, [6, i], 8), units(16, [7, i], 8)) for i in range(40)]
    scores = np.array([kad_of_rows(x.frames, y.frames, 3.0, x.units, y.units) for x, y in found])
    naive = np.array([kad_of_rows(x.frames, y.frames, 3.0) for x, y in found])
    assert abs(scores.mean()) < 3 * scores.std(ddof=1) / np.sqrt(40)
    assert naive.mean() > 6 * naive.std(ddof=1) / np.sqrt(40)


@pytest.mark.parametrize("metric", [kad, kid])
@pytest.mark.parametrize("strata", [None, 3])
def test_leaving_songs_out_needs_no_kernel_computed_again(metric, strata):
    x, y = units(24, 8, 3), units(30, 9, 2, shift=0.4)
    if strata is not None:
        x, y = (EmbeddingSet(one.frames, one.units, {}, (one.units % strata).astype(str)) for one in (x, y))
    options = {} if metric is kid else {"bandwidth": 2.0}
    score = metric(x, y, **options)
    part, other = (
        jackknife(lambda some, y=y: metric(some, y, **options).plain, x),
        jackknife(lambda some, x=x: metric(x, some, **options).plain, y),
    )
    assert score.stderr == pytest.approx(np.sqrt(part.variance + other.variance), rel=1e-4)
    fixed = metric(x, y, estimand="fixed reference", **options)
    assert fixed.stderr == pytest.approx(np.sqrt(part.variance), rel=1e-4)
    assert fixed.value == pytest.approx(score.value, abs=1e-7)
    assert score.value == score.plain


def test_the_interval_covers_the_truth():
    """Against N(0.5, 1) in 6 dimensions at σ = 3. A 95 % interval misses more than 5 times in 40 once in 300."""
    variance, offset = 2 / 9, 6 * 0.5**2
    truth = 2 * (1 + variance) ** -3 * (1 - np.exp(-0.5 * offset / (9 + 2)))
    made = [kad(units(24, [10, i], 4, shift=0.5), units(40, [11, i], 4), bandwidth=3.0) for i in range(40)]
    assert sum(score.covers(truth) for score in made) >= 35
    assert np.mean([score.value for score in made]) == pytest.approx(truth, rel=0.3)


def test_pairs_cancel_what_two_conditions_share():
    reference, first = units(40, 12, 3), units(30, 13, 3)
    second = EmbeddingSet(first.frames + 0.4, first.units)
    for metric in (kad, kid):
        difference = paired_difference(metric, first, second, reference)
        alone = [metric(data, reference) for data in (first, second)]
        assert difference.value == pytest.approx(alone[1].value - alone[0].value)
        assert difference.stderr < alone[0].stderr + alone[1].stderr
        assert difference.name == f"{alone[0].name} difference"
    assert paired_difference("kad", first, first, reference).stderr == 0


def test_the_bandwidth_is_the_median_of_pairs_of_different_songs():
    rows, ids = np.array([[0.0], [0.1], [4.0], [10.0]]), ["a", "a", "b", "c"]
    distances = [4.0, 10.0, 3.9, 9.9, 6.0]
    assert median_distance(rows, ids) == pytest.approx(np.median(distances))
    assert kad(units(9, 14), units(9, 15)).provenance["bandwidth"] == pytest.approx(
        median_distance(units(9, 15).frames)
    )


def test_the_bandwidth_of_a_large_reference_is_nearly_that_of_all_its_pairs(monkeypatch):
    rows = units(900, 16).frames
    whole = median_distance(rows)
    monkeypatch.setattr("metrics.sets.kernel.MEDIAN_FRAMES", 300)
    assert median_distance(rows) == pytest.approx(whole, rel=0.03)
    assert median_distance(rows) == median_distance(rows)


def test_few_songs_are_said_to_be_few():
    assert not kad(units(5, 19), units(60, 20)).reliable
    assert "5 clips, and it takes 16" in kad(units(5, 19), units(60, 20)).why
    assert kad(units(16, 19), units(60, 20)).reliable


def test_what_has_no_distance_is_refused():
    rows = units(4, 21).frames
    with pytest.raises(DegenerateInput, match="one clip"):
        kad_of_rows(rows, rows, 1.0, x_units=[1, 1, 1, 1])
    with pytest.raises(DegenerateInput, match="same point"):
        kad_of_rows(rows, np.ones((4, 6)))
    with pytest.raises(DegenerateInput, match="frames of at least 2"):
        median_distance(rows, [1, 1, 1, 1])
    with pytest.raises(UsageError, match="6 and 5 dimensions"):
        kid_of_rows(rows, rows[:, :5])
    with pytest.raises(UsageError, match="positive"):
        kad_of_rows(rows, rows, bandwidth=0.0)
    with pytest.raises(UsageError, match="one id for a frame"):
        kad_of_rows(rows, rows, 1.0, x_units=[1, 2])
