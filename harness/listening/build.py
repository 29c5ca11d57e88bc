"""The whole folder of a study: clips chosen, processed, blinded, ordered, exported and described.

Finished files stay: a second run of the same command makes the same bytes, and one after an interruption makes only
what is missing or differs from its record.
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
from harness.core.process_pool import ProcessPool
from harness.core.progress import Progress, Quiet
from harness.listening.choose.material import StudyMaterial, gather
from harness.listening.choose.sources import read_source
from harness.listening.describe.preview import write_preview
from harness.listening.describe.protocol import ProtocolInput, describe
from harness.listening.describe.readme import readme
from harness.listening.design.designs import make_design
from harness.listening.design.settings import DesignSettings
from harness.listening.kinds.catalogue import StudyKind, find_kind
from harness.listening.kinds.tasks import read_tasks
from harness.listening.make.anchors import lowpass_taps
from harness.listening.make.assignment import Assignment, assign
from harness.listening.make.blinding import PRIVATE, KeyRow, keep_secret, read_secret, write_key, write_private
from harness.listening.make.processing import NEUTRAL_TIME, StimulusRecord
from harness.listening.make.stimuli import STUDIO_VERSION, key_of, make_stimuli, trials_of
from harness.listening.package.exports import ExportedFiles, export_all
from harness.listening.package.lists import write_lists
from harness.listening.package.sequence import study_id
from harness.listening.settings import ProcessingSettings, StudySettings
from harness.listening.study import Stimulus, StimulusSet
from metrics.io.files import strict_umask, sync_all, unsynced, write_all, write_bytes

LOGGED = ("protocol.json", "public/manifest.csv", "preview.html")
"""What of a study's folder is logged to MLflow: nothing that tells which stimulus is which."""


@dataclass(frozen=True)
class BuiltStudy:
    """A finished study.

    Attributes:
        folder: where it is.
        stimuli: the blinded study.
        key: which stimulus is which.
        protocol: what the methods section needs.
        made: how many stimuli this call made; the others existed.
    """

    folder: Path
    stimuli: StimulusSet
    key: tuple[KeyRow, ...]
    protocol: dict[str, Any]
    made: int


@strict_umask()
def build(settings: StudySettings, progress: Progress | None = None) -> BuiltStudy:
    """Make the study's folder, or what is missing of it.

    Args:
        settings: what is requested.
        progress: where progress is shown.

    Raises:
        UsageError: for settings, clips or files that do not fit together, before anything is written.
    """
    progress, kind = progress or Quiet(), find_kind(settings.kind)
    tasks = _tasks(kind, settings)
    if tasks:
        settings = replace(settings, choice=replace(settings.choice, at_most=len(tasks)))
    source = read_source(settings.source, settings.results)
    with ProcessPool(settings.workers) as pool:
        material = gather(source, kind, settings, pool, progress)
        for cutoff in kind.anchors:
            lowpass_taps(cutoff, material.processing.rate)  # raises where the rate is too low for it
        design = make_design(design_settings(kind, material, settings))
        if settings.secret is not None:
            read_secret(settings.secret)
        _claim(settings.out, _request(settings, material, tasks))
        blinder = keep_secret(settings.out, settings.secret)
        assignment = assign(design, kind, material, blinder, settings.order.seed, tasks)
        with unsynced():  # what a power cut takes of this, the same command makes again
            records, new = make_stimuli(assignment, material, blinder, settings.out, pool, progress)
            stimuli = _stimulus_set(kind, assignment, records, material.processing, settings.name)
            key = key_of(assignment, records, material)
            exported = _publish(stimuli, settings)
            write_key(settings.out, key)
            inputs = ProtocolInput(settings, stimuli, material, design, exported, key, records, tasks)
            protocol = describe(inputs)
            write_bytes(settings.out / "protocol.json", readable_json(protocol))
            write_bytes(settings.out / "README.md", readme(inputs, protocol).encode())
            write_preview(stimuli, key, settings.out)
    sync_all(path for path in settings.out.rglob("*") if path.parent.name != "audio")
    return BuiltStudy(settings.out, stimuli, key, protocol, new)


def copy_to_run(built: BuiltStudy, results: Path) -> Path | None:
    """Copy what MLflow shows of a study into the folder of its clips' run, where `harness sync` finds it.

    Args:
        built: a finished study.
        results: folder of all results.

    Returns:
        The run's folder; None for a study that is not of a run among the results.
    """
    run = results / "runs" / str(built.protocol["source"].get("run", ""))
    if not (run / "result.json").is_file():
        return None
    folder = run / "stimuli" / study_id(built.stimuli)
    write_all({folder / Path(file).name: (built.folder / file).read_bytes() for file in LOGGED})
    return run


def design_settings(kind: StudyKind, material: StudyMaterial, settings: StudySettings) -> DesignSettings:
    """What the design is made from. With tasks, each item has its own, and no listener has an item twice.

    Args:
        kind: the kind of study.
        material: conditions and items.
        settings: what is requested.
    """
    order, items = settings.order, len(material.selection.items)
    per_listener = order.per_listener
    if per_listener is None and kind.open_answer:
        per_listener = items
    return DesignSettings.for_kind(
        kind,
        conditions=len(material.conditions),
        items=items,
        listeners=order.listeners,
        seed=order.seed,
        per_listener=per_listener,
        block=order.block,
        repeats=order.repeats,
        traps=order.traps,
        golds=order.golds,
        training=len(material.selection.training),
        name=order.design,
    )


def _tasks(kind: StudyKind, settings: StudySettings) -> list[dict[str, str]]:
    """What listeners work on: from the file, as declared, or those of the package. Raises `UsageError`."""
    declared = settings.listening.tasks if settings.listening and settings.tasks is None else ()
    tasks = [dict(task) for task in declared] or read_tasks(settings.tasks, kind)
    for number, task in enumerate(tasks, start=1):
        if settings.language not in task:
            raise UsageError(
                f"task {number} is in {' and '.join(task)} only, and listeners read {settings.language} (--language): "
                "add its words to the file of --tasks."
            )
    return tasks


def _request(settings: StudySettings, material: StudyMaterial, tasks: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Everything that decides the bytes of the folder except the secret. Sources count by content, not by path."""
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
    """Make `folder` this study's. Raises `UsageError` when it has anything else."""
    path = folder / PRIVATE / "request.json"
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: a folder to write to was expected with --out.")
    if folder.is_dir() and not path.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no study: choose a new folder with --out.")
    if path.exists():
        try:
            found = json.loads(path.read_text("utf-8"))
            differ = sorted(key for key in {*found, *request} if digest(found.get(key)) != digest(request.get(key)))
        except (OSError, ValueError, AttributeError, UsageError) as error:
            raise UsageError(f"{path} cannot be read ({error}): choose another folder with --out.") from error
        if differ:
            raise UsageError(
                f"{folder} holds another study: it differs in {', '.join(differ)}. Listeners may have heard it, so it "
                "is not changed: choose another folder with --out, or remove it first."
            )
        return
    write_private(path, readable_json(request))


def _stimulus_set(
    kind: StudyKind,
    assignment: Assignment,
    records: Mapping[str, StimulusRecord],
    processing: ProcessingSettings,
    name: str,
) -> StimulusSet:
    return StimulusSet(
        name=name,
        kind=kind,
        stimuli={id: Stimulus(id, processing.seconds, records[id].sha256, processing.suffix) for id in sorted(records)},
        trials=assignment.trials,
        lists=tuple(assignment.lists),
        rate=processing.rate,
        channels=processing.channels,
        seconds=processing.seconds,
    )


def _publish(stimuli: StimulusSet, settings: StudySettings) -> ExportedFiles:
    """Write the public files besides the sounds: the manifest, the lists, the exports; all with a neutral date."""
    public, trials = settings.out / "public", trials_of(stimuli.trials)
    rows = [
        {"blind_id": id, "trial": " ".join(trials[id]), "seconds": one.seconds, "sha256": one.sha256}
        for id, one in stimuli.stimuli.items()
    ]
    write_bytes(public / "manifest.csv", write_table(("blind_id", "trial", "seconds", "sha256"), rows).encode())
    write_lists(stimuli.lists, public / "lists")
    exported = export_all(stimuli, public, settings.language)
    for path in (*public.rglob("*"), public):
        os.utime(path, (NEUTRAL_TIME, NEUTRAL_TIME))
    return exported
