"""Clips matched across conditions, and which of them are taken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.listening.choose.selection import choose_items, matched_items
from harness.listening.choose.sources import SourceClip, StudySource
from harness.listening.settings import SelectionSettings


def source(prompts: int = 3, indices: int = 4, conditions: tuple[str, ...] = ("a", "b")) -> StudySource:
    clips = [
        SourceClip(c, (f"p{p}", i), f"prompt {p}", Path(f"{c}/p{p}-{i}.wav"), scores={"fit": 10.0 * p + i + (c == "b")})
        for c in conditions
        for p in range(prompts)
        for i in range(indices)
    ]
    return StudySource("test", tuple(clips), {})


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 25), st.integers(0, 3), st.integers(0, 99))
def test_items_are_drawn_evenly_over_prompts_and_the_same_by_the_same_seed(p, i, number, extra, seed) -> None:
    found = matched_items(source(p, i), SelectionSettings())
    if number + extra > p * i:
        with pytest.raises(UsageError, match=f"there are {p * i}"):
            choose_items(found, SelectionSettings(items=number), extra, seed)
        return
    chosen = choose_items(found, SelectionSettings(items=number), extra, seed)
    assert (len(chosen.items), len(chosen.training)) == (number, extra)
    assert not {*chosen.items} & {*chosen.training}
    counts = Counter(item.group for item in chosen.items)
    assert max(counts.values()) - min(counts.get(f"p{n}", 0) for n in range(p)) <= 1
    assert chosen == choose_items(found, SelectionSettings(items=number), extra, seed)
    for item in chosen.items:
        assert [clip.condition for clip in item.clips] == ["a", "b"]
        assert len({clip.item for clip in item.clips}) == 1


def test_another_seed_draws_others() -> None:
    found = matched_items(source(9, 9), SelectionSettings())
    drawn = {choose_items(found, SelectionSettings(items=3), 0, seed).items for seed in range(5)}
    assert len(drawn) == 5


def test_conditions_are_in_the_requested_order() -> None:
    found = matched_items(source(conditions=("a", "b", "c")), SelectionSettings(conditions=("c", "a")))
    assert [clip.condition for clip in found.items[0].clips] == ["c", "a"]


def test_without_a_number_all_are_taken_but_those_for_training() -> None:
    chosen = choose_items(matched_items(source(2, 2), SelectionSettings()), SelectionSettings(), 1, 0)
    assert (len(chosen.items), len(chosen.training)) == (3, 1)
    assert chosen.rule == "3 of 4, drawn by seed 0, prompts evenly; 1 more for training"


def test_a_list_says_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("prompt,index\nprompt 2,1\nprompt 0,3\n")
    chosen = choose_items(
        matched_items(source(), SelectionSettings()), SelectionSettings(listed=tmp_path / "list.csv"), 1, 0
    )
    assert [str(item) for item in chosen.items] == ["prompt 0 #3", "prompt 2 #1"]
    assert "list.csv" in chosen.rule
    assert len(chosen.training) == 1


def test_the_best_are_taken_only_when_requested_and_the_rule_states_it() -> None:
    found = matched_items(source(), SelectionSettings())
    chosen = choose_items(found, SelectionSettings(items=2, best_by="fit"), 0, 0)
    assert [str(item) for item in chosen.items] == ["prompt 2 #2", "prompt 2 #3"]
    assert "highest mean fit" in chosen.rule


def test_an_item_that_lacks_a_clip_is_refused_or_dropped_everywhere() -> None:
    whole = source(2, 2)
    lacking = StudySource("test", whole.clips[1:], {})
    with pytest.raises(UsageError, match=r"prompt 0 #0 .*--skip-bad"):
        matched_items(lacking, SelectionSettings())
    found = matched_items(lacking, SelectionSettings(skip_bad=True))
    assert [str(item) for item in found.items] == ["prompt 0 #1", "prompt 1 #0", "prompt 1 #1"]
    assert found.dropped == {"prompt 0 #0": "no clip under a"}


def test_conditions_that_share_nothing_are_refused() -> None:
    clips = (SourceClip("a", ("x", 0), "x", Path("x")), SourceClip("b", ("y", 0), "y", Path("y")))
    with pytest.raises(UsageError, match="a, b"):
        matched_items(StudySource("test", clips, {}), SelectionSettings(skip_bad=True))
