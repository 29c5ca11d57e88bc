import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.errors import UsageError
from metrics.stats.rarefaction import draw_units, rarefied


def numbered(n, frames=2, strata=None):
    rows = np.repeat(np.arange(n, dtype=np.float32), frames)[:, None]
    return EmbeddingSet(rows, rows[:, 0].astype(int), {}, None if strata is None else np.repeat(strata, frames))


@given(n=st.integers(1, 30), wanted=st.integers(1, 40), seed=st.integers(0, 100))
def test_songs_are_drawn_whole_and_once(n, wanted, seed):
    drawn = draw_units(numbered(n), wanted, seed)
    assert drawn.n_units == min(n, wanted)
    assert set(np.bincount(drawn.units).tolist()) <= {0, 2}


def test_every_style_keeps_its_share():
    styles = np.repeat(["folk", "jazz", "rock"], [20, 10, 10])
    for seed in range(5):
        drawn = draw_units(numbered(40, strata=styles), 12, seed)
        counts = dict(zip(*np.unique(np.asarray(drawn.unit_strata()), return_counts=True), strict=True))
        assert counts == {"folk": 6, "jazz": 3, "rock": 3}


def test_draws_differ_and_are_always_the_same():
    assert draw_units(numbered(30), 10, 1).units.tolist() == draw_units(numbered(30), 10, 1).units.tolist()
    assert draw_units(numbered(30), 10, 1).units.tolist() != draw_units(numbered(30), 10, 2).units.tolist()
    with pytest.raises(UsageError, match="at least one"):
        draw_units(numbered(30), 0)


def test_a_rarefied_mean_is_the_mean_and_a_count_is_the_number():
    data = numbered(30)
    assert rarefied(lambda some: float(some.n_units), data, 10) == 10
    assert rarefied(lambda some: float(some.n_units), data, 90) == 30
    assert rarefied(lambda some: float(some.frames.mean()), data, 25) == pytest.approx(14.5, abs=1)
