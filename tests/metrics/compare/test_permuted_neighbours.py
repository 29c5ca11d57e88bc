"""The quick four are those of `metrics.sets.manifold`, for any selection of clips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.permuted_neighbours import Neighbourhoods
from metrics.errors import DegenerateInput
from metrics.sets.manifold import NAMES, prdc_of_rows


@given(st.integers(0, 2**32 - 1))
def test_any_selection_has_the_values_of_the_metric(seed):
    rng = np.random.default_rng(seed)
    clip, song = (rng.permutation(np.repeat(np.arange(n), rng.integers(1, 4, n))) for n in (12, 9))
    frames = (rng.normal(size=(12, 3))[clip] + 0.3 * rng.normal(size=(len(clip), 3))).astype(np.float32)
    real = (rng.normal(size=(9, 3))[song] + 0.3 * rng.normal(size=(len(song), 3))).astype(np.float32)
    found = Neighbourhoods(frames, clip, EmbeddingSet(real, song))
    rows = np.flatnonzero(np.isin(clip, rng.choice(12, 8, replace=False)))
    expected = prdc_of_rows(real, frames[rows], real_units=song, made_units=clip[rows])
    assert {name: found.value(name, rows) for name in NAMES} == pytest.approx(expected)


def test_too_few_songs_are_refused():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(8, 2)).astype(np.float32)
    with pytest.raises(DegenerateInput, match="the reference holds 5 clips"):
        Neighbourhoods(frames, np.arange(8), EmbeddingSet(frames[:5], np.arange(5)))
    found = Neighbourhoods(frames, np.arange(8), EmbeddingSet(frames, np.arange(8)))
    assert found.value("precision", np.arange(4)) > 0
    with pytest.raises(DegenerateInput, match="the generated set holds 4 clips"):
        found.value("recall", np.arange(4))
