import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.errors import DegenerateInput, UsageError
from metrics.stats.folds import assign_folds, check_paired, folds_of, without_each_fold


def one_frame_each(values, strata=None):
    return EmbeddingSet(np.asarray(values, dtype=np.float32)[:, None], np.arange(len(values)), {}, strata)


def test_up_to_twenty_units_are_left_out_one_at_a_time():
    (folds,) = assign_folds(one_frame_each(range(17)))
    assert sorted(folds.tolist()) == list(range(17))


def test_more_units_are_left_out_in_twenty_folds_of_nearly_equal_size():
    (folds,) = assign_folds(one_frame_each(range(50)))
    assert set(np.bincount(folds).tolist()) == {2, 3}
    assert len(np.bincount(folds)) == 20


def test_every_fold_takes_its_share_of_each_stratum_and_few_folds_are_assigned_again():
    strata = np.repeat(["folk", "jazz", "rock"], [5, 10, 5])
    all_folds = assign_folds(one_frame_each(range(20), strata))
    assert len(all_folds) == 8
    for folds in all_folds:
        assert folds.max() == 4
        for fold in range(5):
            assert [int((strata[folds == fold] == style).sum()) for style in ("folk", "jazz", "rock")] == [1, 2, 1]
    assert any(not np.array_equal(all_folds[0], other) for other in all_folds[1:])


def test_strata_of_fewer_than_four_units_are_pooled():
    strata = np.repeat(["a", "b", "c"], [1, 2, 9])
    assert all(folds.max() == 11 for folds in assign_folds(one_frame_each(range(12), strata)))
    strata = np.repeat(["a", "b", "c"], [2, 2, 8])
    assert all(folds.max() == 3 for folds in assign_folds(one_frame_each(range(12), strata)))


def test_two_units_are_too_few():
    with pytest.raises(DegenerateInput, match="2 clips were given: an error bar takes at least 3"):
        assign_folds(one_frame_each([1, 2]))


IDS = st.text(st.characters(exclude_characters="\x00"), max_size=8)  # NumPy drops NUL at the end of a string


@given(st.lists(IDS, min_size=3, max_size=40, unique=True), st.randoms())
def test_folds_follow_from_the_ids_whatever_the_order(ids, random):
    styles = {unit: "ab"[len(unit) % 2] for unit in ids}
    shuffled = random.sample(ids, len(ids))
    found = []
    for order in (ids, shuffled):
        data = EmbeddingSet(np.zeros((len(ids), 1)), np.array(order), {}, np.array([styles[unit] for unit in order]))
        found.append(
            [dict(zip(np.unique(data.units).tolist(), folds.tolist(), strict=True)) for folds in assign_folds(data)]
        )
    assert found[0] == found[1]


def test_the_folds_of_some_ids_are_these():
    """They are part of what stored scores mean: another order of hashes would unpair them."""
    ids = ["p00#000", "p00#001", "p01#000", "p01#001"]
    assert [folds.tolist() for folds in folds_of(ids)] == [[2, 1, 3, 0]]
    assert [folds.tolist() for folds in folds_of([7, 8, 9, 10])] == [[2, 0, 1, 3]]
    found = folds_of([f"p{n}" for n in range(8)], ["a", "b"] * 4)
    assert len(found) == 10
    assert found[0].tolist() != found[1].tolist()


def test_masks_leave_out_whole_units():
    data = EmbeddingSet(np.zeros((6, 1)), np.array([0, 0, 1, 1, 2, 2]))
    [masks] = without_each_fold(data, assign_folds(data))
    assert sorted(tuple(np.unique(data.units[~mask]).tolist()) for mask in masks) == [(0,), (1,), (2,)]


def test_pairs_need_the_same_units():
    with pytest.raises(UsageError, match="2 are in one only"):
        check_paired(one_frame_each([1, 2, 3, 4]), one_frame_each([1, 2, 3, 4, 5, 6]))
