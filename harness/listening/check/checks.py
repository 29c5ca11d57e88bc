"""Verify a folder of stimuli: one that `harness stimuli` made, or any folder of sound files.

For a study's folder everything it promises is checked again from its files alone: hashes, formats, loudness within an
item, true peaks, the lists, who can read the key, and that no public byte names a condition. For any other folder what
is possible: that all files have one format and length, one loudness, a safe peak and no metadata.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.process_pool import ProcessPool
from harness.core.progress import Progress
from harness.core.settings import Texts, settings_class
from harness.core.sound_files import Listing, sound_files
from harness.listening.check.leaks import find_leaks, ordinary_text
from harness.listening.check.measuring import MeasuredFile, measure
from harness.listening.choose.conditions import SILENCE
from harness.listening.make.blinding import PRIVATE
from harness.listening.make.processing import LUFS_TOLERANCE
from harness.listening.package.study_folder import StudyFolder, read_study_folder

NAMED = 5
FEW = 64


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: what was checked.
        ok: whether it is as it should be; None where that cannot be checked.
        detail: what was found.
    """

    what: str
    ok: bool | None
    detail: str


@settings_class
class CheckLimits:
    """What a folder of another origin is compared with.

    Attributes:
        lufs: loudness in LUFS; None for the median of the files.
        peak: highest true peak in dBTP.
        tolerance: of the loudness, in LU.
        names: texts that must be in no public byte.
    """

    lufs: Annotated[
        float | None, Option("Loudness that a foreign folder is to have, in LUFS.", default="the files' median")
    ] = None
    peak: Annotated[float, Option("Highest true peak of a foreign folder, in dBTP.", flag="true-peak")] = -1.0
    tolerance: Annotated[float, Field(ge=0), Option("Tolerance of the loudness, in LU.")] = LUFS_TOLERANCE
    names: Annotated[Texts, Option("A name that must be in no public byte.", flag="name")] = ()


def check_folder(folder: Path, limits: CheckLimits, workers: int | None, progress: Progress) -> list[Finding]:
    """Check a folder of stimuli.

    Args:
        folder: one that `harness stimuli` made, or any folder of sound files.
        limits: what a folder of another origin is compared with.
        workers: processes; None for one per core.
        progress: where progress is shown.

    Returns:
        The result of every check.

    Raises:
        UsageError: for a path that is not a folder, or has no sound files.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder: one that harness stimuli made, or one of sound files, was expected."
        )
    own = (folder / "public" / "manifest.csv").is_file()
    public = folder / "public" if own else folder
    listing = sound_files([public])
    paths = listing.files
    with ProcessPool(workers) as pool:
        measured = dict(pool.map(measure, paths, "measuring stimuli", progress, alone=len(paths) < FEW))
    sounds = {path.relative_to(public).as_posix(): measured[path] for path in paths}
    if not own:
        leaks = [_leaks(public, limits.names, (), ())] if limits.names else []
        return [*_passed_over(listing), *_sound_findings(sounds, limits), *leaks]
    study = read_study_folder(folder)
    return [
        Finding("folder", not study.problems, "; ".join(study.problems) or "all its parts can be read"),
        *_passed_over(listing),
        _hashes(study, sounds),
        *_sound_findings(sounds, _promised(study, limits), study),
        *_list_findings(study),
        _modes(folder),
        _names(folder, study, limits.names),
    ]


def _passed_over(listing: Listing) -> list[Finding]:
    """What looks like a sound file and cannot be one of the stimuli."""
    wrong = [f"{path.name}: {reason}" for path, reason in listing.passed_over.items()]
    return [_finding("files", wrong, "")] if wrong else []


def _promised(study: StudyFolder, limits: CheckLimits) -> CheckLimits:
    """The levels that the protocol states, where there is one."""
    processing = study.protocol.get("processing", {})
    lufs = processing.get("loudness", {}).get("target_lufs", limits.lufs)
    return CheckLimits(
        lufs, processing.get("true_peak", {}).get("limit_dbtp", limits.peak), limits.tolerance, limits.names
    )


def _hashes(study: StudyFolder, sounds: Mapping[str, MeasuredFile]) -> Finding:
    there = {Path(name).stem: one for name, one in sounds.items()}
    wrong = [id for id, row in study.manifest.items() if id in there and there[id].sha256 != row["sha256"]]
    missing, strange = sorted({*study.manifest} - {*there}), sorted({*there} - {*study.manifest})
    return _finding(
        "hashes",
        [
            *(f"{id} differs from the manifest" for id in wrong),
            *(f"{id} is missing" for id in missing),
            *(f"{id} is not in the manifest" for id in strange),
        ],
        f"{len(study.manifest)} files agree with the manifest",
    )


def _sound_findings(
    sounds: Mapping[str, MeasuredFile], limits: CheckLimits, study: StudyFolder | None = None
) -> list[Finding]:
    good = {name: one for name, one in sounds.items() if not one.problem}
    unreadable = [f"{name} {one.problem}" for name, one in sounds.items() if one.problem]
    formats = Counter((one.rate, one.channels, one.samples) for one in good.values())
    usual = formats.most_common(1)[0][0] if formats else (0, 0, 0)
    differ = [
        f"{name}: {one.rate} Hz, {one.channels} channels, {one.samples} samples"
        for name, one in good.items()
        if (one.rate, one.channels, one.samples) != usual
    ]
    peaks = [f"{name}: {one.peak:.2f} dBTP" for name, one in good.items() if (one.peak or -99) > limits.peak]
    extra = [f"{name}: {one.extra}" for name, one in good.items() if one.extra]
    rate, channels, samples = usual
    shown = f"{rate} Hz, {channels} channel{'s' * (channels > 1)}, {samples} samples"
    return [
        _finding("readable", unreadable, f"{len(good)} files can be decoded"),
        _finding("format", differ, f"all have {shown}"),
        _loudness(good, limits, study),
        _finding("true peak", peaks, f"none is above {limits.peak:g} dBTP"),
        _finding("metadata", extra, "no file holds any"),
    ]


def _loudness(sounds: Mapping[str, MeasuredFile], limits: CheckLimits, study: StudyFolder | None) -> Finding:
    """All at the target; in a study's folder a whole item may be lower, for its peaks."""
    levels = {name: one.lufs for name, one in sounds.items() if one.lufs is not None}
    silent = [name for name, one in sounds.items() if one.lufs is None]
    if not levels:
        return Finding("loudness", False, "every file is silent")
    target = float(np.median(list(levels.values()))) if limits.lufs is None else limits.lufs
    if study is None:
        off = [f"{name}: {lufs:.2f} LUFS" for name, lufs in levels.items() if abs(lufs - target) > limits.tolerance]
        off += [f"{name} is silent" for name in silent]
        return _finding("loudness", off, f"all within ±{limits.tolerance:g} LU of {target:.2f} LUFS")
    by_id = {Path(name).stem: lufs for name, lufs in levels.items()}
    off = [f"{id}: {lufs:.2f} LUFS" for id, lufs in by_id.items() if lufs > target + limits.tolerance]
    for trial, ids in study.trials.items():
        heard = [by_id[id] for id in ids if id in by_id]
        if heard and max(heard) - min(heard) > 2 * limits.tolerance:
            off.append(f"trial {trial}: {min(heard):.2f} to {max(heard):.2f} LUFS")
    down = study.protocol.get("processing", {}).get("true_peak", {}).get("items_lowered_db", {})
    low = [id for id, lufs in by_id.items() if lufs < target - limits.tolerance]
    if low and not down:
        off += [f"{id}: {by_id[id]:.2f} LUFS, and the protocol lowered none" for id in low]
    meant = {row.blind_id for row in study.key if row.condition == SILENCE}
    off += [f"{id} is silent" for id in (Path(name).stem for name in silent) if study.key and id not in meant]
    lowered = f", {len(low)} lowered with their items for the peak" if low else ""
    return _finding("loudness", off, f"within ±{limits.tolerance:g} LU of {target:g} LUFS{lowered}")


def _list_findings(study: StudyFolder) -> list[Finding]:
    trials, wrong = {trial: set(ids) for trial, ids in study.trials.items()}, []
    sets: dict[str, set[str]] = {}
    for one in study.lists:
        for shown in (*one.training, *one.trials):
            if not set(shown.stimuli) <= trials.get(shown.trial, set()):
                wrong.append(f"{one.listener} has a trial {shown.trial} with stimuli that are not its own")
            if sets.setdefault(shown.trial, set(shown.stimuli)) != set(shown.stimuli):
                wrong.append(f"{one.listener} has other stimuli in {shown.trial} than another listener")
    unheard = sorted({*trials} - {*sets})
    wrong += [f"trial {trial} is in no list" for trial in unheard]
    lengths = {len(one.trials) for one in study.lists}
    wrong += [f"lists have {min(lengths)} to {max(lengths)} trials"] if len(lengths) > 1 else []
    summary = f"{len(study.lists)} lists of {max(lengths, default=0)} trials, all of existing stimuli"
    return [_finding("lists", wrong, summary), _balance(study)]


def _balance(study: StudyFolder) -> Finding:
    """Each condition equally often, and where a trial shows several, equally often in each position."""
    condition = {
        row.blind_id: row.condition for row in study.key if row.role in ("test", "reference", "anchor", "control")
    }
    if not condition:
        return Finding("balance", None, "cannot be determined without the key")
    counts: dict[int, Counter[str]] = {}
    for one in study.lists:
        for shown in one.trials:
            for position, id in enumerate(shown.stimuli):
                if id in condition:
                    counts.setdefault(position, Counter())[condition[id]] += 1
    names = sorted(set(condition.values()))
    heard = [name for name in names if any(name in count for count in counts.values())]
    spread = max((max(count[n] for n in heard) - min(count[n] for n in heard) for count in counts.values()), default=0)
    stated = study.protocol.get("design", {}).get("imbalance", [])
    if spread == 0:
        where = f" in each of {len(counts)} positions" if len(counts) > 1 else ""
        summary = f"{len(heard)} conditions are equally often heard{where}"
        return Finding("balance", True, summary if len(heard) > 1 else "there is one condition")
    summary = f"conditions differ by up to {spread} in how often they are in a position"
    repeats = study.request.get("order", {}).get("repeats", 0)
    if stated or repeats:
        reason = "; ".join(stated) or f"{repeats} trials of a list come twice"
        return Finding("balance", True, f"{summary}, as the protocol states: {reason}")
    return Finding("balance", False, f"{summary}, and the protocol does not state it")


def _modes(folder: Path) -> Finding:
    private = folder / PRIVATE
    wrong = [
        f"{path.relative_to(folder).as_posix()} can be read by others (mode {path.stat().st_mode & 0o777:o}): chmod "
        f"{'700' if path.is_dir() else '600'}"
        for path in (private, *sorted(private.rglob("*")))
        if path.exists() and path.stat().st_mode & 0o077
    ]
    outside = [
        f"public/{path.relative_to(folder / 'public').as_posix()} is a link" for path in (folder / "public").rglob("*")
        if path.is_symlink()
    ]  # fmt: skip
    return _finding("private", [*wrong, *outside], "the key and the secret are their owner's alone")


def _names(folder: Path, study: StudyFolder, more: Sequence[str]) -> Finding:
    """No public byte has a name that is in the key."""
    if not (study.key and study.protocol and study.manifest and study.lists):
        return Finding("names", None, "cannot be searched for without key, protocol, manifest and lists")
    selection, source = study.protocol["selection"], study.protocol["source"]
    names: set[str] = {*more, *selection.get("conditions", []), selection.get("reference", "")}
    names |= {str(source[part]) for part in ("run", "experiment", "folder") if part in source}
    for row in study.key:
        names |= {row.condition, row.model, row.prompt, row.seed, row.source, row.file, Path(row.file).stem}
    ids = {*study.manifest, *(trial for row in study.key for trial in row.trial)}
    return _leaks(folder / "public", names, ids, ordinary_text(study.neutral()))


def _leaks(public: Path, names: Iterable[str], ids: Iterable[str], ordinary: Sequence[bytes]) -> Finding:
    leaks = find_leaks(public, names, ids, ordinary)
    common = (
        f" (not searched for, being words that every such study has: {', '.join(leaks.common[:NAMED])})"
        if leaks.common
        else ""
    )
    found = [f"{name!r} in {places[0]}" for name, places in leaks.found.items()]
    return _finding("names", found, f"no public byte names a condition, model, prompt or source{common}")


def _finding(what: str, wrong: Sequence[str], good: str) -> Finding:
    if not wrong:
        return Finding(what, True, good)
    more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    return Finding(what, False, "; ".join(wrong[:NAMED]) + more)


def as_dicts(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """JSON-able."""
    return [asdict(one) for one in findings]
