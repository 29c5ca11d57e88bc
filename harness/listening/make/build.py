"""The whole folder of a study: chosen, processed, blinded, ordered, exported and described.

What is finished stays: a second run of the same command makes the same bytes, and one that goes on after an
interruption makes only what is missing or no longer what was recorded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.csv_table import write_table
from harness.core.errors import UsageError
from harness.core.identity import digest, readable_json
from harness.core.progress import Progress, Quiet
from harness.listening.choose.material import Material, gather
from harness.listening.choose.sources import read_source
from harness.listening.describe.preview import write_preview
from harness.listening.describe.protocol import Account, describe
from harness.listening.describe.readme import readme
from harness.listening.design.assignment import Cast, Member, cast
from harness.listening.design.designs import DesignSettings, make_design
from harness.listening.design.lists import write_lists
from harness.listening.kinds.catalogue import Kind, find_kind
from harness.listening.kinds.tasks import read_tasks
from harness.listening.make.blinding import PRIVATE, Blinder, KeyRow, keep_secret, read_secret, write_key, write_private
from harness.listening.make.processing import NEUTRAL_TIME, Made, Part, Processing, make_item
from harness.listening.make.workers import Workers
from harness.listening.package import Exported, export_all
from harness.listening.package.stimulus_set import Stimulus, StimulusSet
from harness.listening.settings import StudySettings
from metrics.io.files import abandoned, strict_umask, sync_all, unsynced, write_bytes
from metrics.io.weights import file_sha256

STUDIO_VERSION = 1
"""Part of what a study's folder was asked for: raised when the same request makes other bytes."""


FEW = 48
"""So few stimuli are made in this process: others take a second to start."""


@dataclass(frozen=True)
class Built:
    """A finished folder: what is in it, and how many stimuli this call made (the others were there)."""

    folder: Path
    stimuli: StimulusSet
    key: tuple[KeyRow, ...]
    protocol: dict[str, Any]
    made: int


@dataclass(frozen=True)
class Job:
    """The stimuli of one item, whose level is set together."""

    id: str
    parts: tuple[Part, ...]
    processing: Processing
    folder: Path


@strict_umask()
def build(settings: StudySettings, progress: Progress | None = None) -> Built:
    """Make the study's folder, or what is missing of it.

    Raises `UsageError` for whatever does not fit together, before anything is written.
    """
    progress, kind = progress or Quiet(), find_kind(settings.kind)
    tasks = _tasks(kind, settings)
    if tasks:
        settings = replace(settings, choice=replace(settings.choice, at_most=len(tasks)))
    source = read_source(settings.source, settings.results)
    with Workers(settings.workers) as workers:
        material = gather(source, kind, settings, workers, progress)
        design = make_design(design_settings(kind, material, settings))
        if settings.secret is not None:
            read_secret(settings.secret)
        _claim(settings.out, _request(settings, material, tasks))
        blinder = keep_secret(settings.out, settings.secret)
        made = cast(design, kind, material, blinder, settings.order.seed, tasks)
        with unsynced():  # what a power cut takes of this, the same command makes again
            results, new = _make(made, material, blinder, settings.out, workers, progress)
            stimuli = _stimulus_set(kind, made, results, material.processing, settings.name)
            key = _key(made, results, material)
            exported = _publish(stimuli, settings)
            write_key(settings.out, key)
            account = Account(settings, stimuli, material, design, exported, key, results, tasks)
            protocol = describe(account)
            write_bytes(settings.out / "protocol.json", readable_json(protocol))
            write_bytes(settings.out / "README.md", readme(account, protocol).encode())
            write_preview(stimuli, key, settings.out)
    sync_all(path for path in settings.out.rglob("*") if path.parent.name != "audio")
    return Built(settings.out, stimuli, key, protocol, new)


def _tasks(kind: Kind, settings: StudySettings) -> list[dict[str, str]]:
    """What listeners work on: the file's, or those declared, or those of the package. Raises `UsageError`."""
    declared = settings.listening.tasks if settings.listening and settings.tasks is None else ()
    tasks = [dict(task) for task in declared] or read_tasks(settings.tasks, kind)
    for number, task in enumerate(tasks, start=1):
        if settings.language not in task:
            raise UsageError(
                f"task {number} is in {' and '.join(task)} alone, and listeners read {settings.language} (--language): "
                "add its words to the file of --tasks."
            )
    return tasks


def design_settings(kind: Kind, material: Material, settings: StudySettings) -> DesignSettings:
    """What the design is asked for. Each item has a task of its own, and listeners meet it once: nobody does a task
    twice."""
    order, items = settings.order, len(material.selection.items)
    per_listener = order.per_listener
    if per_listener is None and kind.open_answer:
        per_listener = items
    return DesignSettings(
        layout=kind.layout,
        conditions=len(material.voices),
        items=items,
        listeners=order.listeners,
        seed=order.seed,
        probe=kind.probe,
        per_listener=per_listener,
        block=order.block,
        repeats=order.repeats,
        traps=order.traps if "trap" in kind.attention else 0,
        golds=order.golds if "gold" in kind.attention else 0,
        training=len(material.selection.training),
        name=order.design,
    )


def _request(settings: StudySettings, material: Material, tasks: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Everything that decides the bytes of the folder, but for the secret. Sources count by content, not by place."""
    return {
        "studio_version": STUDIO_VERSION,
        "source": material.source.name,
        "kind": settings.kind,
        "name": settings.name,
        "language": settings.language,
        "format": asdict(settings.format),
        "order": asdict(settings.order),
        "tasks": [dict(task) for task in tasks],
        "clips": sorted(
            [name, *clip.item, clip.condition, material.facts[clip.path].sha256]
            for key in material.clips
            for name, clip in material.clips[key].items()
        ),
        "items": [item.key for item in material.selection.items],
        "training": [item.key for item in material.selection.training],
    }


def _claim(folder: Path, request: Mapping[str, Any]) -> None:
    """Make `folder` this study's. Raises `UsageError` when it holds anything else."""
    place = folder / PRIVATE / "request.json"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: a folder to write to was expected with --out.")
    if folder.is_dir() and not place.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no study: choose a new folder with --out.")
    if place.exists():
        try:
            found = json.loads(place.read_text("utf-8"))
            differ = sorted(key for key in {*found, *request} if digest(found.get(key)) != digest(request.get(key)))
        except (OSError, ValueError, AttributeError, UsageError) as error:
            raise UsageError(f"{place} cannot be read ({error}): choose another folder with --out.") from error
        if differ:
            raise UsageError(
                f"{folder} holds another study: it differs in {', '.join(differ)}. Listeners may have heard it, so it "
                "is left as it is: choose another folder with --out, or remove it first."
            )
        return
    write_private(place, readable_json(request))


def _make(
    made: Cast, material: Material, blinder: Blinder, folder: Path, workers: Workers, progress: Progress
) -> tuple[dict[str, Made], int]:
    """Write the stimuli that are not there yet. What was done to each, by id, and how many were made now."""
    audio = folder / "public" / "audio"
    for left in abandoned(audio.glob(".*.part")):
        left.unlink(missing_ok=True)
    results: dict[str, Made] = {}
    jobs, requests = [], {}
    for group, members in made.groups.items():
        job = Job(blinder.trial("group", *group), tuple(m.part for m in members.values()), material.processing, audio)
        requests[job.id] = _job_request(job, material)
        there = _recorded(folder, job, requests[job.id])
        if there is None:
            jobs.append(job)
        else:
            results |= {one.id: one for one in there}
    new = sum(len(job.parts) for job in jobs)
    for job, done in workers.map(_do, jobs, "making stimuli", progress, alone=new < FEW):
        record = {"request": requests[job.id], "made": [asdict(one) for one in done]}
        write_private(_record(folder, job), readable_json(record))
        results |= {one.id: one for one in done}
    return results, new


def _do(job: Job) -> list[Made]:
    return make_item(job.parts, job.processing, job.folder)


def _record(folder: Path, job: Job) -> Path:
    return folder / PRIVATE / "made" / f"{job.id}.json"


def _job_request(job: Job, material: Material) -> str:
    parts = [{**asdict(part), "path": material.facts[part.path].sha256 if part.path else None} for part in job.parts]
    return digest({"studio_version": STUDIO_VERSION, "parts": parts, "processing": asdict(job.processing)})


def _recorded(folder: Path, job: Job, request: str) -> list[Made] | None:
    """What was recorded of a job whose files are all there, with the recorded hashes; None where they are not."""
    try:
        record = json.loads(_record(folder, job).read_text("utf-8"))
        made = [Made(**one) for one in record["made"]]
        same = record["request"] == request and all(
            file_sha256(job.folder / f"{one.id}{job.processing.suffix}") == one.sha256 for one in made
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if same else None


def _stimulus_set(
    kind: Kind, made: Cast, results: Mapping[str, Made], processing: Processing, name: str
) -> StimulusSet:
    stimuli = {id: Stimulus(id, processing.seconds, results[id].sha256, processing.suffix) for id in sorted(results)}
    lists = tuple(made.lists)
    return StimulusSet(
        name, kind, stimuli, made.trials, lists, processing.rate, processing.channels, processing.seconds
    )


def _key(made: Cast, results: Mapping[str, Made], material: Material) -> tuple[KeyRow, ...]:
    of_stimulus = trials_of(made.trials)
    return tuple(
        _key_row(member, results[id], of_stimulus[id], material)
        for members in made.groups.values()
        for id, member in members.items()
    )


def trials_of(trials: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The trials that each stimulus is in, or is the reference of."""
    found: dict[str, list[str]] = {}
    for id, trial in trials.items():
        for stimulus in (*trial.stimuli, *([trial.reference] if trial.reference else [])):
            found.setdefault(stimulus, []).append(id)
    return {stimulus: tuple(sorted(ids)) for stimulus, ids in found.items()}


def _key_row(member: Member, made: Made, trials: tuple[str, ...], material: Material) -> KeyRow:
    clip = member.clip
    return KeyRow(
        blind_id=made.id,
        trial=trials,
        role=member.role,
        condition=member.condition,
        model="" if clip is None else clip.model,
        prompt=member.item.prompt,
        index=member.item.index,
        seed="" if clip is None else clip.seed,
        source="" if clip is None else material.facts[clip.path].sha256,
        file="" if clip is None else clip.path.name,
        gain_db=made.gain_db,
        lufs_before=made.lufs_before,
        lufs_after=made.lufs_after,
        true_peak_dbtp=made.true_peak,
        expected=member.expected,
    )


def _publish(stimuli: StimulusSet, settings: StudySettings) -> Exported:
    """Write what may be served besides the sounds: the manifest, the lists, the exports; all with a neutral date."""
    public, of_stimulus = settings.out / "public", trials_of(stimuli.trials)
    rows = [
        {"blind_id": id, "trial": " ".join(of_stimulus[id]), "seconds": one.seconds, "sha256": one.sha256}
        for id, one in stimuli.stimuli.items()
    ]
    write_bytes(public / "manifest.csv", write_table(("blind_id", "trial", "seconds", "sha256"), rows).encode())
    write_lists(stimuli.lists, public / "lists")
    exported = export_all(stimuli, public, settings.language)
    for path in (*public.rglob("*"), public):
        os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    return exported
