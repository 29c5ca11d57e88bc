"""From a design of numbers to blind trials: which stimuli are needed, what each is, and who hears them when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.listening.choose.conditions import REFERENCE, StudyCondition
from harness.listening.choose.material import StudyMaterial
from harness.listening.choose.selection import Item
from harness.listening.choose.sources import SourceClip
from harness.listening.design.designs import Design
from harness.listening.design.settings import DesignTrial
from harness.listening.kinds.catalogue import StudyKind
from harness.listening.make.blinding import Blinder
from harness.listening.make.processing import StimulusSpec
from harness.listening.study import ListenerList, Presentation, StimulusRole, Trial

MOST_BEEPS = 5
"""More are not counted reliably."""

Task = Mapping[str, str]


@dataclass(frozen=True)
class AssignedStimulus:
    """A stimulus of the study, and what the key will say about it.

    Attributes:
        spec: how it is made.
        role: what it is for.
        condition: name of its condition.
        item: the item it belongs to.
        clip: what it is made from; None for noise and silence.
        expected: the answer that a control trial expects.
    """

    spec: StimulusSpec
    role: StimulusRole
    condition: str
    item: Item
    clip: SourceClip | None
    expected: str = ""


@dataclass
class Assignment:
    """The stimuli, trials and lists of a study.

    Attributes:
        groups: the stimuli whose level is set together, by id: those of one item in one role.
        trials: by id.
        lists: one for each listener.
    """

    groups: dict[tuple, dict[str, AssignedStimulus]] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    lists: list[ListenerList] = field(default_factory=list)


def assign(
    design: Design, kind: StudyKind, material: StudyMaterial, blinder: Blinder, seed: int, tasks: Sequence[Task] = ()
) -> Assignment:
    """Give every trial of the design its stimuli. Nothing is written.

    Args:
        design: the lists, by number.
        kind: the kind of study.
        material: items, conditions and clips that the numbers stand for.
        blinder: makes the ids.
        seed: the items of control trials are drawn by it.
        tasks: what listeners work on, one for each item; empty for none.
    """
    assigner = _Assigner(kind, material, blinder, np.random.default_rng([seed, 3]), tasks)
    made = Assignment()
    for name, planned in zip(design.listener_names, design.listeners, strict=True):
        training, trials = [], []
        for one in planned:
            trial, order = assigner.trial(one, made.groups)
            made.trials.setdefault(trial.id, trial)
            (training if one.role == "training" else trials).append(Presentation(trial.id, order))
        made.lists.append(ListenerList(name, tuple(training), tuple(trials)))
    made.trials = dict(sorted(made.trials.items()))
    return made


class _Assigner:
    def __init__(
        self,
        kind: StudyKind,
        material: StudyMaterial,
        blinder: Blinder,
        rng: np.random.Generator,
        tasks: Sequence[Task],
    ) -> None:
        self.kind, self.material, self.blinder, self.tasks = kind, material, blinder, tasks
        items = material.selection.items
        # Which item a gold or a trap is made from, and how many beeps a trap has.
        self.order = rng.permutation(len(items)).tolist()
        self.beeps = rng.permutation(answers(kind)).tolist()

    def trial(
        self, planned: DesignTrial, groups: dict[tuple, dict[str, AssignedStimulus]]
    ) -> tuple[Trial, tuple[str, ...]]:
        """The blind trial, and its stimuli in the order of presentation. The stimuli are added to `groups`."""
        role: StimulusRole = "test" if planned.role == "repeat" else planned.role
        group = groups.setdefault((role, planned.item), {})
        order = tuple(self._stimulus(role, planned.item, number, group) for number in planned.conditions)
        reference, probed = None, -1
        if planned.probe is not None:
            probed = planned.conditions[planned.probe]
            reference = self._copy(role, planned.item, "X", group[order[planned.probe]], group)
            if role != "trap":
                group[reference] = replace(group[reference], expected=f"= {order[planned.probe]}")
        elif self.kind.reference:
            number = next(n for n, one in enumerate(self.material.conditions) if one.role == "reference")
            hidden = self._stimulus(role, planned.item, number, group)
            reference = self._copy(role, planned.item, "open", group[hidden], group)
        id = self.blinder.trial(role, planned.item, *sorted(planned.conditions), probed)
        task = self.tasks[planned.item] if self.tasks and role == "test" else {}
        if role == "training":
            task = self.kind.practice
        return Trial(id, tuple(sorted(order)), reference, task), order

    def _stimulus(self, role: StimulusRole, number: int, condition: int, group: dict[str, AssignedStimulus]) -> str:
        item, conditions = self._item(role, number), self.material.conditions
        # With one stimulus in a trial, control trials use every condition in turn.
        turn = number if self.kind.layout == "single" and role in ("trap", "gold") else 0
        chosen = conditions[(condition + turn) % len(conditions)]
        id = self.blinder.stimulus(role, *item.key, number, condition, chosen.name)
        if id not in group:
            group[id] = self._assigned(id, role, number, condition, chosen)
        return id

    def _copy(
        self, role: StimulusRole, number: int, name: str, of: AssignedStimulus, group: dict[str, AssignedStimulus]
    ) -> str:
        """A second file of a stimulus: the open reference, or X."""
        id = self.blinder.stimulus(role, *of.item.key, number, name, of.spec.id)
        test_role: StimulusRole = "reference" if name == "open" else "probe"
        expected = of.expected if role == "trap" and name == "X" else ""
        copied = replace(
            of, spec=replace(of.spec, id=id), role=test_role if role == "test" else role, expected=expected
        )
        group.setdefault(id, copied)
        return id

    def _assigned(
        self, id: str, role: StimulusRole, number: int, condition: int, of: StudyCondition
    ) -> AssignedStimulus:
        item = self._item(role, number)
        clip, offset = self._excerpt(item, of)
        spec = StimulusSpec(id, of.what, None if clip is None else clip.path, offset, of.number)
        made = AssignedStimulus(spec, of.role if role == "test" else role, of.name, item, clip)
        if role == "trap":
            beeps = 1 + self.beeps[number % len(self.beeps)]
            return replace(
                made, spec=replace(spec, what="trap", number=beeps), expected=expected_of_trap(self.kind, beeps)
            )
        if role == "gold":
            return self._gold(made, condition)
        return made

    def _gold(self, made: AssignedStimulus, condition: int) -> AssignedStimulus:
        """The first of a gold trial's stimuli is the degraded one."""
        if condition == 0:
            return replace(
                made,
                spec=replace(made.spec, what="gold"),
                condition=f"{made.condition}, degraded",
                expected=expected_of_gold(self.kind),
            )
        return replace(made, expected="chosen" if self.kind.layout == "pair" and not self.kind.probe else "")

    def _item(self, role: StimulusRole, number: int) -> Item:
        chosen = self.material.selection
        if role == "training":
            return chosen.training[number]
        return chosen.items[number if role == "test" else self.order[number % len(self.order)]]

    def _excerpt(self, item: Item, condition: StudyCondition) -> tuple[SourceClip | None, float]:
        name = REFERENCE if condition.what == "anchor" else condition.name
        clip = self.material.clips[item.key].get(name)
        return clip, 0.0 if clip is None else self.material.offsets[item.key][name]


def answers(kind: StudyKind) -> int:
    """The number of answers among which a trap can request one."""
    if kind.layout == "pair":
        return 2
    scale = kind.scales[0]
    return min(MOST_BEEPS, len(next(iter(scale.bands.values()))) if scale.bands else scale.high - scale.low + 1)


def expected_of_trap(kind: StudyKind, beeps: int) -> str:
    """The ratings that answer n beeps, as low..high: the n-th band of a page, else n itself.

    >>> from harness.listening.kinds.catalogue import find_kind
    >>> expected_of_trap(find_kind("multi"), 2), expected_of_trap(find_kind("acr"), 2)
    ('20..40', '2..2')
    """
    if kind.layout != "page":
        return f"{beeps}..{beeps}"
    scale = kind.scales[0]
    band = (scale.high - scale.low) // answers(kind)
    return f"{scale.low + (beeps - 1) * band}..{scale.low + beeps * band}"


def expected_of_gold(kind: StudyKind) -> str:
    """An attentive listener's answer to the degraded stimulus: the lower two fifths of a scale, or not chosen."""
    if kind.layout == "page":
        return "lowest"
    if kind.layout == "pair":
        return "" if kind.probe else "not chosen"
    scale = kind.scales[0]
    return f"{scale.low}..{scale.low + (scale.high - scale.low) * 2 // 5}"
