"""Verify a folder of stimuli: one that `harness stimuli` made, or any folder of sound files.

Of an own folder everything that it promises is checked again from its files alone: hashes, formats, loudness within an
item, true peaks, the lists, who can read the key, and that no public byte names a condition. Of a folder of other
origin, what can be: that all files have one format and length, one loudness, a safe peak and no metadata.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import UsageError
from harness.core.progress import Progress
from harness.core.sound_files import sound_files
from harness.listening.check.leaks import find_leaks, ordinary_text, wav_chunks
from harness.listening.design.conditions import SILENCE
from harness.listening.make.blinding import PRIVATE
from harness.listening.make.processing import LUFS_TOLERANCE, integrated_loudness, true_peak
from harness.listening.make.workers import Workers
from harness.listening.package.study_folder import Study, read_study
from metrics.io.weights import file_sha256

NAMED = 5
OWN_CHUNKS = (b"fmt ", b"data")
FEW = 64


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: `ok` None where it could not be."""

    what: str
    ok: bool | None
    said: str


@dataclass(frozen=True)
class Wanted:
    """What a foreign folder is held against; `lufs` None: the median of its files. `names` must be in no byte."""

    lufs: float | None = None
    peak: float = -1.0
    tolerance: float = LUFS_TOLERANCE
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """A sound file: `lufs` and `peak` None for silence, `extra` what it holds besides format and samples."""

    sha256: str = ""
    rate: int = 0
    channels: int = 0
    samples: int = 0
    lufs: float | None = None
    peak: float | None = None
    extra: str = ""
    problem: str = ""


def check_folder(folder: Path, wanted: Wanted, workers: int | None, progress: Progress) -> list[Finding]:
    """Everything that can be said of `folder`. Raises `UsageError` for a folder that is none or holds no sounds."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: one that harness stimuli made, or one of sound files, was expected.")
    own = (folder / "public" / "manifest.csv").is_file()
    public = folder / "public" if own else folder
    paths = sound_files([public]).files
    with Workers(workers) as pool:
        measured = dict(pool.map(measure, paths, "measuring stimuli", progress, alone=len(paths) < FEW))
    sounds = {path.relative_to(public).as_posix(): measured[path] for path in paths}
    if not own:
        leaks = [_leaks(public, wanted.names, (), ())] if wanted.names else []
        return [*_sound_findings(sounds, wanted), *leaks]
    study = read_study(folder)
    return [
        Finding("folder", not study.problems, "; ".join(study.problems) or "all its parts can be read"),
        _hashes(study, sounds),
        *_sound_findings(sounds, _promised(study, wanted), study),
        *_list_findings(study),
        _modes(folder),
        _names(folder, study, wanted.names),
    ]


def measure(path: Path) -> Measured:
    """Format, loudness and peak of a file; what is wrong with it is a `problem`."""
    import soundfile

    try:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        content = path.read_bytes()
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        return Measured(problem=f"cannot be decoded ({error})")
    samples, channels = sound.shape
    kind = {"rate": int(rate), "channels": channels, "samples": samples, "sha256": file_sha256(path)}
    if content[:4] == b"RIFF":
        others = [name for name, *_ in wav_chunks(content) if name not in OWN_CHUNKS]
        kind["extra"] = ", ".join(name.decode("latin-1").strip() for name in others)
    if samples < 0.4 * rate:
        return Measured(**kind, problem="is shorter than 0.4 s")
    if not np.isfinite(sound).all():
        return Measured(**kind, problem="holds samples that are NaN or infinite")
    sound = np.asarray(sound, dtype=np.float32)
    lufs = integrated_loudness(sound, rate)
    return Measured(**kind, lufs=lufs if math.isfinite(lufs) else None, peak=true_peak(sound, rate))


def _promised(study: Study, wanted: Wanted) -> Wanted:
    """The level that the protocol tells of, where there is one."""
    processing = study.protocol.get("processing", {})
    lufs = processing.get("loudness", {}).get("target_lufs", wanted.lufs)
    return Wanted(lufs, processing.get("true_peak", {}).get("limit_dbtp", wanted.peak), wanted.tolerance, wanted.names)


def _hashes(study: Study, sounds: Mapping[str, Measured]) -> Finding:
    there = {Path(name).stem: one for name, one in sounds.items()}
    wrong = [id for id, row in study.manifest.items() if id in there and there[id].sha256 != row["sha256"]]
    missing, strange = sorted({*study.manifest} - {*there}), sorted({*there} - {*study.manifest})
    return _finding(
        "hashes",
        [
            *(f"{id} is not what the manifest says" for id in wrong),
            *(f"{id} is missing" for id in missing),
            *(f"{id} is not in the manifest" for id in strange),
        ],
        f"{len(study.manifest)} files are what the manifest says",
    )


def _sound_findings(sounds: Mapping[str, Measured], wanted: Wanted, study: Study | None = None) -> list[Finding]:
    good = {name: one for name, one in sounds.items() if not one.problem}
    unreadable = [f"{name} {one.problem}" for name, one in sounds.items() if one.problem]
    formats = Counter((one.rate, one.channels, one.samples) for one in good.values())
    usual = formats.most_common(1)[0][0] if formats else (0, 0, 0)
    differ = [
        f"{name}: {one.rate} Hz, {one.channels} channels, {one.samples} samples"
        for name, one in good.items()
        if (one.rate, one.channels, one.samples) != usual
    ]
    peaks = [f"{name}: {one.peak:.2f} dBTP" for name, one in good.items() if (one.peak or -99) > wanted.peak]
    extra = [f"{name}: {one.extra}" for name, one in good.items() if one.extra]
    rate, channels, samples = usual
    shown = f"{rate} Hz, {channels} channel{'s' * (channels > 1)}, {samples} samples"
    return [
        _finding("readable", unreadable, f"{len(good)} files can be decoded"),
        _finding("format", differ, f"all have {shown}"),
        _loudness(good, wanted, study),
        _finding("true peak", peaks, f"none is above {wanted.peak:g} dBTP"),
        _finding("metadata", extra, "no file holds any"),
    ]


def _loudness(sounds: Mapping[str, Measured], wanted: Wanted, study: Study | None) -> Finding:
    """All at the target; in an own folder an item may be lower as a whole, for its peaks."""
    levels = {name: one.lufs for name, one in sounds.items() if one.lufs is not None}
    silent = [name for name, one in sounds.items() if one.lufs is None]
    if not levels:
        return Finding("loudness", False, "every file is silent")
    target = float(np.median(list(levels.values()))) if wanted.lufs is None else wanted.lufs
    if study is None:
        off = [f"{name}: {lufs:.2f} LUFS" for name, lufs in levels.items() if abs(lufs - target) > wanted.tolerance]
        off += [f"{name} is silent" for name in silent]
        return _finding("loudness", off, f"all within ±{wanted.tolerance:g} LU of {target:.2f} LUFS")
    by_id = {Path(name).stem: lufs for name, lufs in levels.items()}
    off = [f"{id}: {lufs:.2f} LUFS" for id, lufs in by_id.items() if lufs > target + wanted.tolerance]
    for trial, ids in study.trials.items():
        heard = [by_id[id] for id in ids if id in by_id]
        if heard and max(heard) - min(heard) > 2 * wanted.tolerance:
            off.append(f"trial {trial}: {min(heard):.2f} to {max(heard):.2f} LUFS")
    down = study.protocol.get("processing", {}).get("true_peak", {}).get("items_lowered_db", {})
    low = [id for id, lufs in by_id.items() if lufs < target - wanted.tolerance]
    if low and not down:
        off += [f"{id}: {by_id[id]:.2f} LUFS, and the protocol lowered none" for id in low]
    meant = {row.blind_id for row in study.key if row.condition == SILENCE}
    off += [f"{id} is silent" for id in (Path(name).stem for name in silent) if study.key and id not in meant]
    lowered = f", {len(low)} lowered with their items for the peak" if low else ""
    return _finding("loudness", off, f"within ±{wanted.tolerance:g} LU of {target:g} LUFS{lowered}")


def _list_findings(study: Study) -> list[Finding]:
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
    told = f"{len(study.lists)} lists of {max(lengths, default=0)} trials, all of stimuli that are there"
    return [_finding("lists", wrong, told), _balance(study)]


def _balance(study: Study) -> Finding:
    """Each condition equally often, and where a trial shows several, equally often in each position."""
    condition = {
        row.blind_id: row.condition for row in study.key if row.role in ("test", "reference", "anchor", "control")
    }
    if not condition:
        return Finding("balance", None, "cannot be told without the key")
    counts: dict[int, Counter[str]] = {}
    for one in study.lists:
        for shown in one.trials:
            for position, id in enumerate(shown.stimuli):
                if id in condition:
                    counts.setdefault(position, Counter())[condition[id]] += 1
    names = sorted(set(condition.values()))
    heard = [name for name in names if any(name in count for count in counts.values())]
    spread = max((max(count[n] for n in heard) - min(count[n] for n in heard) for count in counts.values()), default=0)
    said = study.protocol.get("design", {}).get("imbalance", [])
    if spread == 0:
        where = f" in each of {len(counts)} positions" if len(counts) > 1 else ""
        told = f"{len(heard)} conditions are equally often heard{where}"
        return Finding("balance", True, told if len(heard) > 1 else "there is one condition")
    told = f"conditions differ by up to {spread} in how often they are in a position"
    repeats = study.request.get("order", {}).get("repeats", 0)
    if said or repeats:
        reason = "; ".join(said) or f"{repeats} trials of a list come twice"
        return Finding("balance", True, f"{told}, as the protocol says: {reason}")
    return Finding("balance", False, f"{told}, and the protocol says nothing of it")


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


def _names(folder: Path, study: Study, more: Sequence[str]) -> Finding:
    """No public byte names what the key names."""
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
