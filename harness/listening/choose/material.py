"""The material of a study: the chosen items, what was found in their files, and the excerpt taken from each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.process_pool import ProcessPool
from harness.core.progress import Progress
from harness.core.sound_files import every_sound_file
from harness.listening.choose.conditions import REFERENCE, StudyCondition, other_music, study_conditions
from harness.listening.choose.inspection import CLIPPED_SHARE, FileFacts, inspect
from harness.listening.choose.selection import Item, Selection, choose_items, matched_items
from harness.listening.choose.sources import SourceClip, StudySource
from harness.listening.kinds.catalogue import StudyKind
from harness.listening.settings import ProcessingSettings, SoundSettings, StudySettings

FEW = 64
"""Fewer files are inspected in this process, since others take a second to start."""
NAMED = 5
"""At most so many of the refused clips are named."""


@dataclass(frozen=True)
class StudyMaterial:
    """What a study is made of.

    Attributes:
        source: where the clips are from.
        selection: the chosen items.
        conditions: all conditions of the study.
        clips: for each item's key, the clip of each condition that has one.
        offsets: likewise, where the excerpt begins, in seconds.
        facts: what was found in each file.
        processing: how every stimulus is made.
    """

    source: StudySource
    selection: Selection
    conditions: tuple[StudyCondition, ...]
    clips: Mapping[tuple[str, int], Mapping[str, SourceClip]]
    offsets: Mapping[tuple[str, int], Mapping[str, float]]
    facts: Mapping[Path, FileFacts]
    processing: ProcessingSettings


def gather(
    source: StudySource, kind: StudyKind, settings: StudySettings, pool: ProcessPool, progress: Progress
) -> StudyMaterial:
    """Choose the items and inspect their files.

    Args:
        source: where the clips are from.
        kind: the kind of study.
        settings: which items are taken, and how they are to sound.
        pool: processes that read files.
        progress: where progress is shown.

    Raises:
        UsageError: for clips that cannot be used, each by name with the reason, unless their items are dropped.
    """
    found, originals = _without_reference(source, settings)
    choice = settings.choice
    clips = {item.key: _clips_of(item, found.conditions, originals) for item in found.items}
    found = _complete(found, clips, originals is not None, choice.skip_bad)
    facts: dict[Path, FileFacts] = {}
    if choice.skip_bad:
        facts = _inspected((clip for item in found.items for clip in clips[item.key].values()), pool, progress)
        found = _usable(found, clips, facts, kind, settings)
    chosen = choose_items(found, choice, _training(settings, len(found.items)), settings.order.seed)
    items = (*chosen.items, *chosen.training)
    others = other_music(kind, chosen, settings)
    clips = {item.key: {**clips[item.key], **others.get(item.key, {})} for item in items}
    needed = [clip for of_item in clips.values() for clip in of_item.values()]
    facts |= _inspected((clip for clip in needed if clip.path not in facts), pool, progress)
    _refuse({clip.path: problem for clip in needed if (problem := _problem(clip, facts[clip.path], settings))})
    spans = {key: _spans(of_item, facts, kind, settings.format) for key, of_item in clips.items()}
    processing = _processing(clips, facts, spans, kind, settings)
    offsets = {key: {name: span[0] for name, span in of_item.items()} for key, of_item in spans.items()}
    _refuse(
        {
            clips[key][name].path: silent
            for key, of_item in offsets.items()
            for name, start in of_item.items()
            if (silent := _silent(facts[clips[key][name].path], start, processing.seconds))
        }
    )
    return StudyMaterial(source, chosen, study_conditions(kind, found.conditions), clips, offsets, facts, processing)


def _without_reference(source: StudySource, settings: StudySettings) -> tuple[Selection, Mapping | None]:
    """The matched items, and the references: clips by item if they are a condition, files by name if in a folder."""
    name, choice = settings.reference, settings.choice
    if name is None:
        return matched_items(source, choice), None
    if name in source.conditions:
        tested = tuple(one for one in choice.conditions or source.conditions if one != name)
        if not tested:
            raise UsageError(f"{name!r} is the reference and the only condition: another one to compare was expected.")
        originals = {clip.item: clip for clip in source.clips if clip.condition == name}
        return matched_items(source, replace(choice, conditions=tested)), originals
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise UsageError(
            f"the reference {name!r} is neither a condition ({', '.join(source.conditions)}) nor a folder of originals."
        )
    return matched_items(source, choice), {file.stem: file for file in every_sound_file([folder])}


def _clips_of(item: Item, conditions: Sequence[str], originals: Mapping | None) -> dict[str, SourceClip]:
    clips = dict(zip(conditions, item.clips, strict=True))
    if originals is None:
        return clips
    names = [item.key, item.clips[0].path.stem, f"{item.prompt}-{item.index}", item.prompt, item.group]
    found = next((originals[name] for name in names if name in originals), None)
    if isinstance(found, Path):
        found = SourceClip(REFERENCE, item.key, item.prompt, found)
    return clips if found is None else {**clips, REFERENCE: found}


def _complete(found: Selection, clips: Mapping, needed: bool, skip: bool) -> Selection:
    """Without the items that have no reference."""
    lacking = [item for item in found.items if needed and REFERENCE not in clips[item.key]]
    if lacking and (not skip or len(lacking) == len(found.items)):
        raise UsageError(
            f"{lacking[0]} has no reference ({len(lacking)} such items): a clip of the same prompt and index, or a "
            f"file named {lacking[0].prompt}-{lacking[0].index} or {lacking[0].prompt}, was expected. Add it, or drop "
            "such items with --skip-bad."
        )
    return _without(found, {item.key: "no reference" for item in lacking})


def _without(found: Selection, reasons: Mapping[tuple[str, int], str]) -> Selection:
    dropped = {str(item): reasons[item.key] for item in found.items if item.key in reasons}
    rest = tuple(item for item in found.items if item.key not in reasons)
    return replace(found, items=rest, dropped={**found.dropped, **dropped})


def _training(settings: StudySettings, items: int) -> int:
    """Number of items for training: as requested, else one where there are enough."""
    if settings.order.training is not None:
        return settings.order.training
    requested = settings.choice.items
    return int(items >= 3 and (requested is None or requested < items))


def _inspected(clips: Iterable[SourceClip], pool: ProcessPool, progress: Progress) -> dict[Path, FileFacts]:
    paths = list(dict.fromkeys(clip.path for clip in clips))
    return dict(pool.map(inspect, paths, "inspecting clips", progress, alone=len(paths) < FEW))


def _usable(
    found: Selection, clips: Mapping, facts: Mapping[Path, FileFacts], kind: StudyKind, settings: StudySettings
) -> Selection:
    """Without the items with a clip that cannot be used, or that is silent in its excerpt."""
    reasons, spans = {}, {}
    for item in found.items:
        for clip in clips[item.key].values():
            if problem := _problem(clip, facts[clip.path], settings):
                reasons.setdefault(item.key, f"{clip.path.name} ({clip.condition}): {problem}")
        if item.key not in reasons:
            of_item = _spans(clips[item.key], facts, kind, settings.format)
            if (length := min(end - start for start, end in of_item.values())) < _shortest(kind, settings):
                reasons[item.key] = f"it lasts {max(length, 0):.2f} s"
            else:
                spans[item.key] = of_item
    seconds = _seconds(spans, kind, settings)
    for key, of_item in spans.items():
        for name, (start, _) in of_item.items():
            if silent := _silent(facts[(clip := clips[key][name]).path], start, seconds):
                reasons.setdefault(key, f"{clip.path.name} ({clip.condition}): {silent}")
    if found.items and len(reasons) == len(found.items):
        raise UsageError(f"no item can be used; the first: {next(iter(reasons.values()))}.")
    return _without(found, reasons)


def _problem(clip: SourceClip, facts: FileFacts, settings: StudySettings) -> str | None:
    if facts.problem:
        return facts.problem
    if clip.sha256 not in (None, facts.sha256):
        return "its content is not what the run recorded: run harness store verify"
    if facts.channels > 2:
        return f"it has {facts.channels} channels: mono or stereo was expected. Mix it down first"
    if facts.clipped > CLIPPED_SHARE and not settings.format.keep_clipped:
        return f"{facts.clipped:.1%} of it is clipped: render it softer, or accept it with --keep-clipped"
    return None


def _silent(facts: FileFacts, start: float, seconds: float) -> str | None:
    if facts.is_silent(start, seconds):
        return f"it is silent in the {seconds:.2f} s from {start:.2f} s on: choose another excerpt with --start"
    return None


def _refuse(problems: Mapping[Path, str]) -> None:
    """Raise `UsageError` naming the clips that cannot be used, if there are any."""
    if problems:
        named = "\n".join(f"  {path}: {problem}" for path, problem in list(problems.items())[:NAMED])
        more = f"\n  … and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise UsageError(
            f"these clips cannot be stimuli ({len(problems)}):\n{named}{more}\nCorrect them, or drop their items "
            "under every condition with --skip-bad."
        )


def _spans(
    clips: Mapping[str, SourceClip], facts: Mapping[Path, FileFacts], kind: StudyKind, sound: SoundSettings
) -> dict[str, tuple[float, float]]:
    """Where each clip of an item begins and ends, in seconds. With a reference all are trimmed alike, since they are
    aligned with it."""
    found, start = {name: facts[clip.path] for name, clip in clips.items()}, sound.start
    if not sound.trim:
        return {name: (start, one.seconds) for name, one in found.items()}
    if kind.reference:
        first, last = min(one.first for one in found.values()), max(one.last for one in found.values())
        return {name: (first + start, min(last, one.seconds)) for name, one in found.items()}
    return {name: (one.first + start, one.last) for name, one in found.items()}


def _shortest(kind: StudyKind, settings: StudySettings) -> float:
    return settings.format.seconds or kind.seconds[0]


def _seconds(spans: Mapping, kind: StudyKind, settings: StudySettings) -> float:
    """The length of stimuli from clips with these spans."""
    lengths = [end - start for of_item in spans.values() for start, end in of_item.values()]
    return settings.format.seconds or min([*lengths, kind.seconds[1]])


def _processing(
    clips: Mapping, facts: Mapping[Path, FileFacts], spans: Mapping, kind: StudyKind, settings: StudySettings
) -> ProcessingSettings:
    sound, needed = settings.format, _shortest(kind, settings)
    length, shortest = min(
        (end - start, clips[key][name].path) for key, of in spans.items() for name, (start, end) in of.items()
    )
    if length < needed:
        why = "as requested with --seconds" if sound.seconds else f"the least for kind {kind.name!r}"
        fewer = ", request fewer --seconds" if sound.seconds else ""
        earlier = ", begin at an earlier --start" if sound.start else ""
        raise UsageError(
            f"{shortest} leaves {max(length, 0):.2f} s to hear, and {needed:g} s or more were expected, "
            f"{why}. Sample longer clips{fewer}{earlier}, or drop such items with --skip-bad."
        )
    all_clips = [clip for of_item in clips.values() for clip in of_item.values()]
    rates = {facts[clip.path].rate: clip for clip in all_clips}
    channel_counts = {facts[clip.path].channels: clip for clip in all_clips}
    rate = sound.rate or _only("rates", rates, "Hz, choose one with --rate")
    channels = sound.channels or _only("numbers of channels", channel_counts, "channels, choose with --channels 1")
    seconds = _seconds(spans, kind, settings)
    return ProcessingSettings(
        rate=rate,
        channels=channels,
        samples=int(seconds * rate + 1e-6),
        bits=sound.bits,
        suffix=".flac" if sound.flac else ".wav",
        lufs=sound.lufs,
        peak=sound.peak,
        fade_seconds=sound.fade_ms / 1000,
    )


def _only(what: str, found: Mapping[int, SourceClip], advice: str) -> int:
    """The value that all clips share. Raises `UsageError` when they differ."""
    if len(found) > 1:
        shown = ", ".join(f"{clip.path.name} has {value}" for value, clip in sorted(found.items())[:3])
        raise UsageError(f"the clips have different {what}: {shown} {advice}.")
    return next(iter(found))
