"""Slots of numbers become trials of blind ids, and back again by what each stimulus is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from harness.listening.choose.material import Material
from harness.listening.choose.selection import Item, Selection
from harness.listening.choose.sources import Clip, Source
from harness.listening.design.assignment import answers, cast, expected_of_gold
from harness.listening.design.conditions import REFERENCE, voices_of
from harness.listening.design.designs import DesignSettings, Slot, make_design
from harness.listening.kinds.catalogue import Kind, find_kind, kinds
from harness.listening.make.blinding import Blinder
from harness.listening.make.processing import Processing

TRAINING = 1


def material(kind: Kind, conditions: int, items: int) -> Material:
    """Clips that are nowhere, with every voice that the kind has."""
    names = tuple(f"c{n}" for n in range(conditions))
    made = []
    for n in range(items + TRAINING):
        clips = tuple(Clip(name, (f"p{n}", 0), f"p{n}", Path(f"{name}/p{n}.wav")) for name in names)
        made.append(Item(f"p{n}", 0, clips))
    voices = voices_of(kind, names)
    clips = {
        item.key: {
            name: Clip(name, item.key, item.group, Path(f"{name}/{item.group}.wav")) for name in (*names, REFERENCE)
        }
        for item in made
    }
    offsets = {key: dict.fromkeys(of_item, 0.0) for key, of_item in clips.items()}
    selection = Selection(names, tuple(made[:items]), {}, "all", tuple(made[items:]))
    return Material(Source("x", (), {}), selection, voices, clips, offsets, {}, Processing(48000, 1, 480000))


@pytest.mark.parametrize("name", kinds())
@limits(max_examples=15)
@given(conditions=st.integers(2, 5), items=st.integers(2, 6), listeners=st.integers(1, 9), seed=st.integers(0, 99))
def test_lists_say_what_the_design_said(name: str, conditions: int, items: int, listeners: int, seed: int) -> None:
    kind = find_kind(name)
    stuff = material(kind, conditions, items)
    asked = DesignSettings(
        kind.layout, len(stuff.voices), items, listeners, seed, kind.probe, training=TRAINING,
        traps=None if "trap" in kind.attention else 0, golds=None if "gold" in kind.attention else 0,
        per_listener=items if kind.open_answer else None,
    )  # fmt: skip
    design = make_design(asked)
    made = cast(design, kind, stuff, Blinder(bytes(32)), seed)
    members = {id: member for group in made.groups.values() for id, member in group.items()}
    assert len(members) == sum(map(len, made.groups.values()))  # no id is in two groups
    seen: dict[str, tuple] = {}
    for slots, told in zip(design.listeners, made.lists, strict=True):
        assert [slot.role == "training" for slot in slots] == [True] * len(told.training) + [False] * len(told.trials)
        for slot, shown in zip(slots, (*told.training, *told.trials), strict=True):
            trial = made.trials[shown.trial]
            what = identity(slot)
            assert seen.setdefault(trial.id, what) == what
            assert tuple(sorted(shown.stimuli)) == trial.stimuli
            if slot.role in ("test", "repeat"):
                assert [members[id].condition for id in shown.stimuli] == [
                    stuff.voices[n].name for n in slot.conditions
                ]
                assert {members[id].item for id in shown.stimuli} == {stuff.selection.items[slot.item]}
            if slot.probe is not None:
                assert trial.reference is not None
                assert members[trial.reference].clip == members[shown.stimuli[slot.probe]].clip
            assert (trial.reference is not None) == (kind.reference or kind.probe)
    assert len(seen) == len({*seen.values()}) == len(made.trials)


def identity(slot: Slot) -> tuple:
    """What makes two slots one trial: the order of presentation does not, what X is does."""
    role = "test" if slot.role == "repeat" else slot.role
    probed = None if slot.probe is None else slot.conditions[slot.probe]
    return role, slot.item, tuple(sorted(slot.conditions)), probed


def test_a_trap_has_no_more_beeps_than_there_are_answers() -> None:
    assert {name: answers(kind) for name, kind in kinds().items() if "trap" in kind.attention} == {
        "multi": 5, "acr": 5, "ab": 2, "abx": 2, "mushra": 5, "affect": 5,
    }  # fmt: skip


def test_what_a_degraded_stimulus_is_expected_to_get() -> None:
    expected = {name: expected_of_gold(kind) for name, kind in kinds().items() if "gold" in kind.attention}
    assert expected == {"multi": "lowest", "acr": "1..2", "ab": "not chosen", "abx": ""}
