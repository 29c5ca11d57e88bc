"""What a design counts as conditions: those of the source, and a kind's own reference, anchors and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.errors import UsageError
from harness.core.sound_files import sound_files
from harness.listening.choose.selection import Item, Selection
from harness.listening.choose.sources import Clip
from harness.listening.kinds.catalogue import Kind
from harness.listening.make.processing import What
from harness.listening.settings import StudySettings

REFERENCE, OTHER, NOISE, SILENCE = "reference", "other music", "noise", "silence"


@dataclass(frozen=True)
class Voice:
    """What a design counts as a condition: the clips of one (`what` is "clip"), or what is made in its place."""

    name: str
    what: What = "clip"
    number: int = 0
    role: str = "test"


def voices_of(kind: Kind, conditions: Sequence[str]) -> tuple[Voice, ...]:
    """The conditions of the design, in order: those of the source, the hidden reference and its anchors, the controls.

    A condition that has a control's name is that control.
    """
    voices = [Voice(name, role="control" if name in kind.controls else "test") for name in conditions]
    if kind.reference:
        voices += [Voice(REFERENCE, role="reference")]
        voices += [Voice(f"anchor {hz} Hz", "anchor", hz, "anchor") for hz in kind.anchors]
    made: dict[str, What] = {NOISE: "noise", SILENCE: "silence"}
    controls = [name for name in kind.controls if name not in conditions]
    voices += [Voice(name, made.get(name, "clip"), role="control") for name in controls]
    if taken := [name for name in conditions if name in {voice.name for voice in voices[len(conditions) :]}]:
        raise UsageError(f"a condition is called {taken[0]!r}, which a study of kind {kind.name!r} makes: rename it.")
    return tuple(voices)


def other_music(kind: Kind, chosen: Selection, settings: StudySettings) -> dict[tuple[str, int], dict[str, Clip]]:
    """The control "other music" of each item, unless that is a condition: a file of the folder given, or else a clip of
    another prompt."""
    if OTHER not in kind.controls or OTHER in chosen.conditions:
        return {}
    items, rng = (*chosen.items, *chosen.training), np.random.default_rng([settings.order.seed, 2])
    if settings.other is not None:
        files = sound_files([settings.other]).files
        order = rng.permutation(len(files)).tolist()
        picked = {item.key: files[order[n % len(files)]] for n, item in enumerate(items)}
        return {key: {OTHER: Clip(OTHER, key, path.stem, path)} for key, path in picked.items()}
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    if len(groups) < 2:
        raise UsageError(
            "the control 'other music' is a clip of another prompt, and there is one prompt: add prompts, or name a "
            "folder of real music with --other."
        )
    names = list(groups)
    cycle = [names[n] for n in rng.permutation(len(names)).tolist()]
    following = dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    made = {}
    for group, members in groups.items():
        others = groups[following[group]]
        for n, item in enumerate(members):
            clip = others[n % len(others)].clips[int(rng.integers(len(item.clips)))]
            made[item.key] = {OTHER: clip}
    return made
