"""Making the stimuli of a study that do not exist yet, item by item, in processes of this machine.

What was done to an item's stimuli is recorded in `PRIVATE/made/`. An item is made again unless its record is of the
same job and its files have the recorded hashes, so that a study that was interrupted resumes with what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.identity import digest, readable_json
from harness.core.process_pool import ProcessPool
from harness.core.progress import Progress
from harness.listening.choose.material import StudyMaterial
from harness.listening.make.assignment import AssignedStimulus, Assignment
from harness.listening.make.blinding import PRIVATE, Blinder, KeyRow, write_private
from harness.listening.make.processing import StimulusRecord, StimulusSpec, make_item
from harness.listening.settings import ProcessingSettings
from metrics.io.files import abandoned
from metrics.io.weights import file_sha256

STUDIO_VERSION = 1
"""Part of what a folder records of its request: raised when the same request gives other bytes."""

FEW = 48
"""Fewer stimuli are made in this process, since others take a second to start."""


@dataclass(frozen=True)
class ItemJob:
    """The stimuli of one item, whose level is set together, and where they are written."""

    id: str
    specs: tuple[StimulusSpec, ...]
    processing: ProcessingSettings
    folder: Path


def make_stimuli(
    assignment: Assignment,
    material: StudyMaterial,
    blinder: Blinder,
    folder: Path,
    pool: ProcessPool,
    progress: Progress,
) -> tuple[dict[str, StimulusRecord], int]:
    """Write the stimuli that are missing.

    Args:
        assignment: all stimuli of the study.
        material: the source files, and how they are processed.
        blinder: makes the ids of the records.
        folder: of the study.
        pool: processes that do the work.
        progress: where progress is shown.

    Returns:
        The record of every stimulus by id, and how many were made now.

    Raises:
        AudioError: for a source that cannot be read or has no loudness.
    """
    audio = folder / "public" / "audio"
    for left in abandoned(audio.glob(".*.part")):
        left.unlink(missing_ok=True)
    results: dict[str, StimulusRecord] = {}
    jobs, requests = [], {}
    for group, stimuli in assignment.groups.items():
        specs = tuple(one.spec for one in stimuli.values())
        job = ItemJob(blinder.trial("group", *group), specs, material.processing, audio)
        requests[job.id] = _request(job, material)
        existing = _recorded(folder, job, requests[job.id])
        if existing is None:
            jobs.append(job)
        else:
            results |= {one.id: one for one in existing}
    new = sum(len(job.specs) for job in jobs)
    for job, done in pool.map(_do, jobs, "making stimuli", progress, alone=new < FEW):
        record = {"request": requests[job.id], "made": [asdict(one) for one in done]}
        write_private(_record_path(folder, job), readable_json(record))
        results |= {one.id: one for one in done}
    return results, new


def key_of(
    assignment: Assignment, records: Mapping[str, StimulusRecord], material: StudyMaterial
) -> tuple[KeyRow, ...]:
    """The private key: what each stimulus is, and what was done to it.

    Args:
        assignment: all stimuli of the study.
        records: what was done to each, by id.
        material: the source files.
    """
    trials = trials_of(assignment.trials)
    return tuple(
        _key_row(stimulus, records[id], trials[id], material)
        for stimuli in assignment.groups.values()
        for id, stimulus in stimuli.items()
    )


def trials_of(trials: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The ids of the trials that each stimulus is in, or is the reference of."""
    found: dict[str, list[str]] = {}
    for id, trial in trials.items():
        for stimulus in (*trial.stimuli, *([trial.reference] if trial.reference else [])):
            found.setdefault(stimulus, []).append(id)
    return {stimulus: tuple(sorted(ids)) for stimulus, ids in found.items()}


def _do(job: ItemJob) -> list[StimulusRecord]:
    return make_item(job.specs, job.processing, job.folder)


def _record_path(folder: Path, job: ItemJob) -> Path:
    return folder / PRIVATE / "made" / f"{job.id}.json"


def _request(job: ItemJob, material: StudyMaterial) -> str:
    """A hash of everything that decides the bytes of the job's files. Sources count by content."""
    specs = [{**asdict(one), "path": material.facts[one.path].sha256 if one.path else None} for one in job.specs]
    return digest({"studio_version": STUDIO_VERSION, "parts": specs, "processing": asdict(job.processing)})


def _recorded(folder: Path, job: ItemJob, request: str) -> list[StimulusRecord] | None:
    """The records of a job whose files all have the recorded hashes; None where one is missing or differs."""
    try:
        record = json.loads(_record_path(folder, job).read_text("utf-8"))
        made = [StimulusRecord(**one) for one in record["made"]]
        same = record["request"] == request and all(
            file_sha256(job.folder / f"{one.id}{job.processing.suffix}") == one.sha256 for one in made
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if same else None


def _key_row(
    stimulus: AssignedStimulus, record: StimulusRecord, trials: tuple[str, ...], material: StudyMaterial
) -> KeyRow:
    clip = stimulus.clip
    return KeyRow(
        blind_id=record.id,
        trial=trials,
        role=stimulus.role,
        condition=stimulus.condition,
        model="" if clip is None else clip.model,
        prompt=stimulus.item.prompt,
        index=stimulus.item.index,
        seed="" if clip is None else clip.seed,
        source="" if clip is None else material.facts[clip.path].sha256,
        file="" if clip is None else clip.path.name,
        gain_db=record.gain_db,
        lufs_before=record.lufs_before,
        lufs_after=record.lufs_after,
        true_peak_dbtp=record.true_peak,
        expected=stimulus.expected,
    )
