import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.diversity import (
    centre_of,
    cosine_diversity,
    diversity_of_rows,
    effective_number,
    vendi,
    vendi2,
    vendi_inf,
    vendi_name,
    vendi_of_kernel,
    vendi_of_rows,
)
from tests.metrics.compare.conditions import p_of


def clips(seed, n=12, dimensions=5, spread=1.0):
    rng = np.random.default_rng(seed)
    frames = (
        np.ones(dimensions) + spread * rng.standard_normal((n, 1, dimensions)) + rng.standard_normal((n, 3, dimensions))
    )
    return EmbeddingSet(frames.reshape(-1, dimensions), np.repeat(np.arange(n), 3))


def test_vendi_has_its_published_values():
    points = np.array([0, 0, 10, 10, 20, 20])
    kernel = np.exp(-np.abs(points[:, None] - points))
    assert vendi_of_kernel(kernel) == pytest.approx(2.9999999959, abs=1e-9)
    assert vendi_of_kernel([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]) == pytest.approx(2.1573004834, abs=1e-9)
    assert vendi_of_rows([[100, 0], [99, 1], [1, 99], [0, 100]]) == pytest.approx(1.9998979913, abs=1e-9)


def test_the_orders_have_their_closed_forms():
    shares = np.array([0.5, 0.25, 0.25])
    assert effective_number(shares, 2) == pytest.approx(1 / (0.25 + 2 / 16))
    assert effective_number(shares, np.inf) == 2
    assert effective_number(shares, 1 + 1e-6) == pytest.approx(effective_number(shares, 1), rel=1e-5)
    assert effective_number(np.full(7, 1 / 7), 3.5) == pytest.approx(7)
    golden = Path(__file__).parents[2] / "golden" / "metrics"
    rows = np.load(golden / "kernels.npz")["x"]
    for order, said in json.loads((golden / "kernels.json").read_text())["vendi-score 0.0.3"].items():
        assert vendi_of_rows(rows, float(order)) == pytest.approx(said, rel=1e-9)


def test_higher_orders_count_less_and_have_names():
    data = clips(8, n=20)
    scores = [vendi(data), vendi2(data), vendi_inf(data)]
    assert [score.name for score in scores] == ["vendi", "vendi2", "vendi_inf"]
    assert scores[0].value > scores[1].value > scores[2].value >= 1
    for order in (0.5, 0.0, -1.0):
        with pytest.raises(UsageError, match="1, 2 or infinity"):
            vendi_name(order)
    with pytest.raises(UsageError, match="positive"):
        vendi_of_rows(data.frames, -1)


def test_vendi_is_compared_at_equal_numbers():
    """More clips of the same law: the plain value grows, the one at 15 clips does not."""
    few, many = clips(9, n=15, dimensions=12), clips(10, n=60, dimensions=12)
    drawn = vendi(many, clips=15)
    usual = np.mean([vendi(clips([9, i], n=15, dimensions=12)).value for i in range(10)])
    assert vendi(many).value > usual + 1
    assert drawn.value == pytest.approx(usual, rel=0.1)
    assert (drawn.n_units, drawn.provenance["drawn_units"]) == (60, 15)
    assert "of 15 clips: drawn of 60" in drawn.note
    assert vendi(few, clips=15).value == vendi(few).value
    with pytest.raises(DegenerateInput, match="30 clips were to be drawn of 15"):
        vendi(few, clips=30)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), dimensions=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_the_dual_is_the_kernel_and_lies_between_one_and_n(n, dimensions, seed):
    rows = np.random.default_rng(seed).standard_normal((n, dimensions))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    score = vendi_of_rows(rows)
    assert score == pytest.approx(vendi_of_kernel(unit @ unit.T), rel=1e-9)
    assert 1 - 1e-9 <= score <= min(n, dimensions) + 1e-9


def test_diversity_is_one_minus_the_mean_over_pairs():
    rows = np.random.default_rng(0).standard_normal((6, 4))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = [1 - unit[i] @ unit[j] for i in range(6) for j in range(i)]
    assert diversity_of_rows(rows) == pytest.approx(np.mean(pairs))
    assert diversity_of_rows([[1, 0], [2, 0]]) == pytest.approx(0)
    assert diversity_of_rows([[1, 0], [-2, 0]]) == pytest.approx(2)


def test_scores_are_of_clips_not_of_frames():
    data = clips(1)
    twice = data.concat(data)  # every clip twice as long
    assert vendi(twice).value == pytest.approx(vendi(data).value)
    assert cosine_diversity(twice).value == pytest.approx(cosine_diversity(data).value)
    assert (vendi(data).n_units, vendi(data).n_frames) == (12, 36)


def test_what_is_more_varied_scores_higher():
    near, far = clips(2, spread=0.1), clips(2, spread=2.0)
    for metric in (vendi, cosine_diversity):
        assert metric(far).value > metric(near).value + 3 * metric(far).stderr
    for name in ("vendi", "diversity"):
        difference = paired_difference(name, near, far)
        assert difference.value > 0
        assert p_of(difference) < 0.01


def test_the_error_of_diversity_is_that_of_repeated_samples():
    scores = [cosine_diversity(clips([3, i], n=24)) for i in range(60)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.stderr for score in scores]) == pytest.approx(spread, rel=0.35)


def test_a_reference_gives_the_point_to_look_from():
    reference = clips(4, n=40)
    off = EmbeddingSet(clips(5).frames + 50, clips(5).units)
    assert cosine_diversity(off).value < 0.01
    moved = EmbeddingSet(reference.frames + 50, reference.units)
    assert cosine_diversity(off, moved).value == pytest.approx(cosine_diversity(clips(5), reference).value, abs=1e-4)
    assert cosine_diversity(off, moved).value > 0.5
    other = EmbeddingSet(moved.frames, moved.units, {"embedder": {"name": "other"}})
    with pytest.raises(UsageError, match="embedder"):
        vendi(off, other)


def test_each_style_weighs_the_same_in_the_centre():
    frames = np.array([[0.0], [0.0], [0.0], [8.0]])
    styled = EmbeddingSet(frames, np.arange(4), {}, np.array(["a", "a", "a", "b"]))
    assert centre_of(styled).tolist() == [4.0]
    assert centre_of(EmbeddingSet(frames, np.arange(4))).tolist() == [2.0]


def test_input_without_a_value_is_refused():
    with pytest.raises(DegenerateInput, match="at least 3"):
        vendi(clips(6, n=2))
    with pytest.raises(DegenerateInput, match="point nowhere"):
        vendi_of_rows([[0, 0], [1, 0]])
    with pytest.raises(DegenerateInput, match="no pair"):
        diversity_of_rows([[1, 0]])
    with pytest.raises(UsageError, match="symmetric"):
        vendi_of_kernel([[1, 0.5], [0.2, 1]])
    with pytest.raises(UsageError, match="diagonal"):
        vendi_of_kernel([[2, 0], [0, 2]])
