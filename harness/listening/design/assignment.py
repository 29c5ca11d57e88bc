"""From a design of numbers to blind trials: which stimuli are to be made, what each is, and who hears them when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.listening.choose.material import Material
from harness.listening.choose.selection import Item
from harness.listening.choose.sources import Clip
from harness.listening.design.conditions import REFERENCE, Voice
from harness.listening.design.designs import Design, Slot
from harness.listening.design.lists import listener_names
from harness.listening.kinds.catalogue import Kind
from harness.listening.make.blinding import Blinder, Role
from harness.listening.make.processing import Part
from harness.listening.package.stimulus_set import ListenerList, Presentation, Trial

MOST_BEEPS = 5
"""More are not counted with certainty."""

Task = Mapping[str, str]


@dataclass(frozen=True)
class Member:
    """A stimulus to be made, and what the key will say of it. `clip` None: it is made of nothing."""

    part: Part
    role: Role
    condition: str
    item: Item
    clip: Clip | None
    expected: str = ""


@dataclass
class Cast:
    """`groups` holds the stimuli whose level is set together: those of one item in one role."""

    groups: dict[tuple, dict[str, Member]] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    lists: list[ListenerList] = field(default_factory=list)


def cast(
    design: Design, kind: Kind, material: Material, blinder: Blinder, seed: int, tasks: Sequence[Task] = ()
) -> Cast:
    """Give every slot of the design its trial. Nothing is written."""
    director = _Director(kind, material, blinder, np.random.default_rng([seed, 3]), tasks)
    made = Cast()
    for name, slots in zip(listener_names(len(design.listeners)), design.listeners, strict=True):
        training, trials = [], []
        for slot in slots:
            trial, shown = director.trial(slot, made.groups)
            made.trials.setdefault(trial.id, trial)
            (training if slot.role == "training" else trials).append(Presentation(trial.id, shown))
        made.lists.append(ListenerList(name, tuple(training), tuple(trials)))
    made.trials = dict(sorted(made.trials.items()))
    return made


class _Director:
    def __init__(
        self, kind: Kind, material: Material, blinder: Blinder, rng: np.random.Generator, tasks: Sequence[Task]
    ) -> None:
        self.kind, self.material, self.blinder, self.tasks = kind, material, blinder, tasks
        items = material.selection.items
        # Which item a gold or a trap is made from, and how many beeps a trap has.
        self.order = rng.permutation(len(items)).tolist()
        self.beeps = rng.permutation(answers(kind)).tolist()

    def trial(self, slot: Slot, groups: dict[tuple, dict[str, Member]]) -> tuple[Trial, tuple[str, ...]]:
        """The trial of a slot, and its stimuli in the order of presentation. Its members are added to `groups`."""
        role: Role = "test" if slot.role == "repeat" else slot.role
        group = groups.setdefault((role, slot.item), {})
        shown = tuple(self._stimulus(role, slot.item, number, group) for number in slot.conditions)
        held_against, probed = None, -1
        if slot.probe is not None:
            probed = slot.conditions[slot.probe]
            held_against = self._copy(role, slot.item, "X", group[shown[slot.probe]], group)
            if role != "trap":
                group[held_against] = replace(group[held_against], expected=f"= {shown[slot.probe]}")
        elif self.kind.reference:
            number = next(n for n, voice in enumerate(self.material.voices) if voice.role == "reference")
            hidden = self._stimulus(role, slot.item, number, group)
            held_against = self._copy(role, slot.item, "open", group[hidden], group)
        id = self.blinder.trial(role, slot.item, *sorted(slot.conditions), probed)
        task = self.tasks[slot.item] if self.tasks and role == "test" else {}
        if role == "training":
            task = self.kind.practice
        return Trial(id, tuple(sorted(shown)), held_against, task), shown

    def _stimulus(self, role: Role, number: int, condition: int, group: dict[str, Member]) -> str:
        item, voices = self._item(role, number), self.material.voices
        # Attention is tested on every condition in turn where a trial has one stimulus.
        turn = number if self.kind.layout == "single" and role in ("trap", "gold") else 0
        voice = voices[(condition + turn) % len(voices)]
        id = self.blinder.stimulus(role, *item.key, number, condition, voice.name)
        if id not in group:
            group[id] = self._member(id, role, number, condition, voice)
        return id

    def _copy(self, role: Role, number: int, name: str, of: Member, group: dict[str, Member]) -> str:
        id = self.blinder.stimulus(role, *of.item.key, number, name, of.part.id)
        said: Role = "reference" if name == "open" and role == "test" else "probe" if role == "test" else role
        expected = of.expected if role == "trap" and name == "X" else ""
        group.setdefault(id, replace(of, part=replace(of.part, id=id), role=said, expected=expected))
        return id

    def _member(self, id: str, role: Role, number: int, condition: int, voice: Voice) -> Member:
        item = self._item(role, number)
        clip, offset = self._excerpt(item, voice)
        part = Part(id, voice.what, None if clip is None else clip.path, offset, voice.number)
        said = voice.role if role == "test" else role
        member = Member(part, said, voice.name, item, clip)  # type: ignore[arg-type]
        if role == "trap":
            beeps = 1 + self.beeps[number % len(self.beeps)]
            return replace(
                member, part=replace(part, what="trap", number=beeps), expected=expected_of_trap(self.kind, beeps)
            )
        if role == "gold":
            return self._gold(member, number, condition)
        return member

    def _gold(self, member: Member, number: int, condition: int) -> Member:
        """The first of a gold trial's stimuli is the degraded one."""
        if condition == 0:
            return replace(
                member,
                part=replace(member.part, what="gold"),
                condition=f"{member.condition}, degraded",
                expected=expected_of_gold(self.kind),
            )
        return replace(member, expected="chosen" if self.kind.layout == "pair" and not self.kind.probe else "")

    def _item(self, role: Role, number: int) -> Item:
        chosen = self.material.selection
        if role == "training":
            return chosen.training[number]
        return chosen.items[number if role == "test" else self.order[number % len(self.order)]]

    def _excerpt(self, item: Item, voice: Voice) -> tuple[Clip | None, float]:
        name = REFERENCE if voice.what == "anchor" else voice.name
        clip = self.material.clips[item.key].get(name)
        return clip, 0.0 if clip is None else self.material.offsets[item.key][name]


def answers(kind: Kind) -> int:
    """Among how many answers a trap can ask for one."""
    if kind.layout == "pair":
        return 2
    scale = kind.scales[0]
    return min(MOST_BEEPS, len(next(iter(scale.bands.values()))) if scale.bands else scale.high - scale.low + 1)


def expected_of_trap(kind: Kind, beeps: int) -> str:
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


def expected_of_gold(kind: Kind) -> str:
    """What a listener who listens says of the degraded stimulus: the lower two fifths of a scale, or what it is not."""
    if kind.layout == "page":
        return "lowest"
    if kind.layout == "pair":
        return "" if kind.probe else "not chosen"
    scale = kind.scales[0]
    return f"{scale.low}..{scale.low + (scale.high - scale.low) * 2 // 5}"
