import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.mauve import mad, mad_of_rows, mauve_of_histograms


def units(n, seed, frames=1, dimensions=8, shift=0.0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 1, dimensions)) + 0.5 * rng.standard_normal((n, frames, dimensions))
    rows[..., 0] += shift
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(n), frames))


def test_histograms_without_a_common_cluster_have_a_closed_form():
    """x = (1−λ)⁵, y = λ⁵: the area is 5·B(6, 5) = 1/252; .00407 with the field's 25 points."""
    assert mauve_of_histograms([1, 0], [0, 1], points=3001) == pytest.approx(1 / 252, rel=1e-5)
    assert mauve_of_histograms([1, 0], [0, 1]) == pytest.approx(0.00407, abs=5e-6)


@given(seed=st.integers(0, 2**32), clusters=st.integers(1, 9))
def test_it_is_symmetric_between_its_bounds(seed, clusters):
    p, q = np.random.default_rng(seed).integers(0, 5, (2, clusters)) + np.array([[1], [1]])
    value = mauve_of_histograms(p, q)
    assert value == pytest.approx(mauve_of_histograms(q, p), rel=1e-9)
    assert value == pytest.approx(mauve_of_histograms(3 * p, q), rel=1e-9)
    assert 1 / 252 < value <= 1
    assert mauve_of_histograms(p, p) == pytest.approx(1)


def test_a_shift_is_seen_and_its_absence_too():
    real = units(120, 1)
    near, far = mad(units(120, 2), real), mad(units(120, 3, shift=2.5), real)
    assert far.value > near.value + 3 * far.stderr
    assert near.value < 0.1
    assert far.provenance["seed_sd"] > 0
    assert f"differ by {far.provenance['seed_sd']:.2g}" in far.note


def test_seeds_differ_and_are_always_the_same():
    x, y = units(60, 4).frames, units(60, 5, shift=1.0).frames
    values = mad_of_rows(x, y, clusters=12, seeds=4)
    assert len(set(values.tolist())) > 1
    assert values.tolist() == mad_of_rows(x, y, clusters=12, seeds=4).tolist()
    score = mad(EmbeddingSet(x, np.arange(60)), EmbeddingSet(y, np.arange(60)), clusters=12, seeds=4)
    assert score.value == pytest.approx(values.mean())
    assert score.stderr >= values.std(ddof=1) / 2


def test_frames_of_a_song_do_not_fill_clusters_by_themselves():
    x, y = units(60, 6, 8), units(60, 7, 8)
    assert mad(x, y).value < 0.1
    assert mad(x, y, clusters=48).value > 0.3


def test_pairs_of_conditions():
    real, first = units(60, 8), units(60, 9)
    second = EmbeddingSet(first.frames + np.float32(0.8), first.units)
    difference = paired_difference("mad", first, second, real)
    assert difference.value == pytest.approx(mad(second, real).value - mad(first, real).value)
    assert paired_difference("mad", first, first, real).value == 0


def test_few_clips_are_said_to_be_few_and_alike_ones_are_alike():
    assert not mad(units(20, 10), units(60, 11)).reliable
    alike = EmbeddingSet(np.ones((60, 3)), np.arange(60))
    assert mad(alike, alike).value == 0
    apart = EmbeddingSet(np.tile([-1.0, 0, 0], (60, 1)), np.arange(60))
    assert mad(alike, apart).value == pytest.approx(5.50, abs=0.01)


def test_what_has_no_value_is_refused():
    with pytest.raises(UsageError, match="clusters"):
        mauve_of_histograms([1, 2], [1, 2, 3])
    with pytest.raises(UsageError, match="empty"):
        mauve_of_histograms([0, 0], [1, 2])
    with pytest.raises(UsageError, match="at least one of each"):
        mad_of_rows(np.eye(4), np.eye(4), seeds=0)
    with pytest.raises(UsageError, match="dimensions"):
        mad_of_rows(np.eye(4), np.eye(5))
    with pytest.raises(DegenerateInput, match="point nowhere"):
        mad_of_rows(np.zeros((4, 2)), np.ones((4, 2)))
