"""Slots of numbers become trials of blind ids, and back again by what each stimulus is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from harness.listening.choose.conditions import REFERENCE, study_conditions
from harness.listening.choose.material import StudyMaterial
from harness.listening.choose.selection import Item, Selection
from harness.listening.choose.sources import SourceClip, StudySource
from harness.listening.design.designs import DesignSettings, DesignTrial, make_design
from harness.listening.kinds.catalogue import StudyKind, find_kind, kinds
from harness.listening.make.assignment import answers, assign, expected_of_gold
from harness.listening.make.blinding import Blinder
from harness.listening.make.processing import ProcessingSettings

TRAINING = 1


def material(kind: StudyKind, conditions: int, items: int) -> StudyMaterial:
    """Clips without files, under every condition of the kind."""
    names = tuple(f"c{n}" for n in range(conditions))
    made = []
    for n in range(items + TRAINING):
        clips = tuple(SourceClip(name, (f"p{n}", 0), f"p{n}", Path(f"{name}/p{n}.wav")) for name in names)
        made.append(Item(f"p{n}", 0, clips))
    all_conditions = study_conditions(kind, names)
    clips = {
        item.key: {
            name: SourceClip(name, item.key, item.group, Path(f"{name}/{item.group}.wav"))
            for name in (*names, REFERENCE)
        }
        for item in made
    }
    offsets = {key: dict.fromkeys(of_item, 0.0) for key, of_item in clips.items()}
    selection = Selection(names, tuple(made[:items]), {}, "all", tuple(made[items:]))
    return StudyMaterial(
        StudySource("x", (), {}), selection, all_conditions, clips, offsets, {}, ProcessingSettings(48000, 1, 480000)
    )


@pytest.mark.parametrize("name", kinds())
@limits(max_examples=15)
@given(conditions=st.integers(2, 5), items=st.integers(2, 6), listeners=st.integers(1, 9), seed=st.integers(0, 99))
def test_blind_lists_are_those_of_the_design(name: str, conditions: int, items: int, listeners: int, seed: int) -> None:
    kind = find_kind(name)
    stuff = material(kind, conditions, items)
    lists = DesignSettings.for_kind(
        kind,
        conditions=len(stuff.conditions),
        items=items,
        listeners=listeners,
        seed=seed,
        training=TRAINING,
        per_listener=items if kind.open_answer else None,
    )
    design = make_design(lists)
    made = assign(design, kind, stuff, Blinder(bytes(32)), seed)
    stimuli = {id: stimulus for group in made.groups.values() for id, stimulus in group.items()}
    assert len(stimuli) == sum(map(len, made.groups.values()))  # no id is in two groups
    seen: dict[str, tuple] = {}
    for planned_trials, blind in zip(design.listeners, made.lists, strict=True):
        training = [planned.role == "training" for planned in planned_trials]
        assert training == [True] * len(blind.training) + [False] * len(blind.trials)
        for planned, shown in zip(planned_trials, (*blind.training, *blind.trials), strict=True):
            trial = made.trials[shown.trial]
            what = identity(planned)
            assert seen.setdefault(trial.id, what) == what
            assert tuple(sorted(shown.stimuli)) == trial.stimuli
            if planned.role in ("test", "repeat"):
                assert [stimuli[id].condition for id in shown.stimuli] == [
                    stuff.conditions[n].name for n in planned.conditions
                ]
                assert {stimuli[id].item for id in shown.stimuli} == {stuff.selection.items[planned.item]}
            if planned.probe is not None:
                assert trial.reference is not None
                assert stimuli[trial.reference].clip == stimuli[shown.stimuli[planned.probe]].clip
            assert (trial.reference is not None) == (kind.reference or kind.probe)
    assert len(seen) == len({*seen.values()}) == len(made.trials)


def identity(planned: DesignTrial) -> tuple:
    """What makes two trials of the design the same blind trial: the order of presentation does not, what X is does."""
    role = "test" if planned.role == "repeat" else planned.role
    probed = None if planned.probe is None else planned.conditions[planned.probe]
    return role, planned.item, tuple(sorted(planned.conditions)), probed


def test_a_trap_has_no_more_beeps_than_there_are_answers() -> None:
    assert {name: answers(kind) for name, kind in kinds().items() if "trap" in kind.attention} == {
        "multi": 5, "acr": 5, "ab": 2, "abx": 2, "mushra": 5, "affect": 5,
    }  # fmt: skip


def test_what_a_degraded_stimulus_is_expected_to_get() -> None:
    expected = {name: expected_of_gold(kind) for name, kind in kinds().items() if "gold" in kind.attention}
    assert expected == {"multi": "lowest", "acr": "1..2", "ab": "not chosen", "abx": ""}
