"""The conditions of a study: those of the source, and a kind's own reference, anchors and controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.errors import UsageError
from harness.listening.choose.selection import Item, Selection
from harness.listening.choose.sources import SourceClip
from harness.listening.kinds.catalogue import StudyKind
from harness.listening.settings import StudySettings
from harness.listening.study import StimulusContent, StimulusRole
from harness.scoring.likelihood import sound_files

REFERENCE, OTHER, NOISE, SILENCE = "reference", "other music", "noise", "silence"


@dataclass(frozen=True)
class StudyCondition:
    """One condition of a study.

    Attributes:
        name: its name in the key.
        what: "clip" for the clips of the source, else what its stimuli are made of.
        number: cut-off of an anchor in Hz.
        role: role of its stimuli in test trials.
    """

    name: str
    what: StimulusContent = "clip"
    number: int = 0
    role: StimulusRole = "test"


def study_conditions(kind: StudyKind, conditions: Sequence[str]) -> tuple[StudyCondition, ...]:
    """All conditions, in order: those of the source, the hidden reference and its anchors, the controls.

    A condition of the source with a control's name is that control. Raises `UsageError` for one with the name of
    another condition that the study adds.

    Args:
        kind: the kind of study.
        conditions: names of the conditions of the source.
    """
    found = [StudyCondition(name, role="control" if name in kind.controls else "test") for name in conditions]
    if kind.reference:
        found += [StudyCondition(REFERENCE, role="reference")]
        found += [StudyCondition(f"anchor {hz} Hz", "anchor", hz, "anchor") for hz in kind.anchors]
    made: dict[str, StimulusContent] = {NOISE: "noise", SILENCE: "silence"}
    controls = [name for name in kind.controls if name not in conditions]
    found += [StudyCondition(name, made.get(name, "clip"), role="control") for name in controls]
    if taken := [name for name in conditions if name in {one.name for one in found[len(conditions) :]}]:
        raise UsageError(f"a condition is called {taken[0]!r}, which a study of kind {kind.name!r} adds: rename it.")
    return tuple(found)


def other_music(
    kind: StudyKind, chosen: Selection, settings: StudySettings
) -> dict[tuple[str, int], dict[str, SourceClip]]:
    """The control "other music" of each item, unless that is a condition of the source.

    Args:
        kind: the kind of study.
        chosen: the items of the study.
        settings: the folder of real music, and the seed by which files or clips are drawn.

    Returns:
        For each item's key, under the control's name, a file of the folder or else a clip of another prompt.

    Raises:
        UsageError: when there is only one prompt and no folder.
    """
    if OTHER not in kind.controls or OTHER in chosen.conditions:
        return {}
    items, rng = (*chosen.items, *chosen.training), np.random.default_rng([settings.order.seed, 2])
    if settings.other is not None:
        files = sound_files([settings.other])
        order = rng.permutation(len(files)).tolist()
        picked = {item.key: files[order[n % len(files)]] for n, item in enumerate(items)}
        return {key: {OTHER: SourceClip(OTHER, key, path.stem, path)} for key, path in picked.items()}
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    if len(groups) < 2:
        raise UsageError(
            "the control 'other music' is a clip of another prompt, and there is one prompt: add prompts, or give a "
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
