"""What a methods section needs, as data: how stimuli were chosen, processed, blinded and ordered.

It is for the researcher. It names conditions and models, so it is not in the public folder.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.provenance import packages, source
from harness.listening.choose.material import StudyMaterial
from harness.listening.design.designs import Design
from harness.listening.make.anchors import STOP_DB
from harness.listening.make.assignment import MOST_BEEPS
from harness.listening.make.blinding import KeyRow
from harness.listening.make.controls import GOLD_HZ, NOISE_FROM_HZ
from harness.listening.make.processing import LUFS_TOLERANCE, StimulusRecord
from harness.listening.package.exports import ExportedFiles
from harness.listening.settings import StudySettings
from harness.listening.study import StimulusSet

PROTOCOL_SCHEMA = 1
PACKAGES = ("numpy", "pyloudnorm", "scipy", "soundfile", "soxr")
ALONE = "One condition alone is rated: nothing is compared, and the contrasts of the analysis do not apply."


@dataclass(frozen=True)
class ProtocolInput:
    """Everything that the protocol describes.

    Attributes:
        settings: what was requested.
        stimuli: the blinded study.
        material: items, clips and what was found in them.
        design: the lists, and how balanced they are.
        exported: files for platforms.
        key: which stimulus is which.
        records: what was done to each stimulus, by id.
        tasks: what listeners work on.
    """

    settings: StudySettings
    stimuli: StimulusSet
    material: StudyMaterial
    design: Design
    exported: ExportedFiles
    key: Sequence[KeyRow]
    records: Mapping[str, StimulusRecord]
    tasks: Sequence[Mapping[str, str]] = ()


def describe(study: ProtocolInput) -> dict[str, Any]:
    """The protocol, JSON-able, without dates and paths: equal studies have equal protocols."""
    settings, kind, selection = study.settings, study.stimuli.kind, study.material.selection
    roles = Counter(row.role for row in study.key)
    tasks = [dict(task) for task in study.tasks[: len(selection.items)]]
    return {
        "schema": PROTOCOL_SCHEMA,
        "name": settings.name,
        "kind": kind.name,
        "title": kind.title,
        "standard": kind.standard,
        "question": dict(kind.question),
        "scales": [asdict(scale) for scale in kind.scales],
        "language": settings.language,
        **({"tasks": tasks, "practice": dict(kind.practice)} if tasks else {}),
        "source": dict(study.material.source.origin),
        "selection": {
            "conditions": list(selection.conditions),
            "items": [str(item) for item in selection.items],
            "training": [str(item) for item in selection.training],
            "rule": selection.rule,
            "dropped": dict(selection.dropped),
            **({"reference": Path(settings.reference).name} if settings.reference else {}),
        },
        "stimuli": {"total": len(study.stimuli.stimuli), "by_role": dict(sorted(roles.items()))},
        "processing": _processing(study),
        "made": _made(study),
        "design": _design(study),
        "blinding": {
            "ids": "HMAC-SHA-256 under a secret of 32 bytes, 80 bits of it in base 32",
            "key": "PRIVATE/key.csv, mode 600",
        },
        **_method(study),
        "exports": {"written": _public_names(study), "refused": dict(study.exported.refused)},
        "models": {name: dict(terms) for name, terms in study.material.source.terms.items()},
        "versions": {
            **source(),
            "python": platform.python_version(),
            "packages": {name: packages()[name] for name in PACKAGES if name in packages()},
        },
    }


def _method(study: ProtocolInput) -> dict[str, list[str]]:
    """The analysis plan and the limits: those of the kind, then those declared by the experiment."""
    kind, declared = study.stimuli.kind, study.settings.listening
    alone = len(study.material.conditions) == 1
    return {
        "analysis": [*kind.analysis, *(declared.analysis if declared else ())],
        "limits": [*kind.limits, *([ALONE] if alone else []), *(declared.limits if declared else ())],
    }


def lowered(records: Mapping[str, StimulusRecord], key: Sequence[KeyRow]) -> dict[str, float]:
    """By how many dB items were lowered below the target loudness to keep the limit of the true peak; others are left
    out. Training and control trials have items of their own.

    Args:
        records: what was done to each stimulus, by id.
        key: which stimulus is which.
    """
    down = {row: records[row.blind_id].lowered for row in key if records[row.blind_id].lowered > 0}
    of_its_own = ("training", "gold", "trap")
    return {
        f"{row.prompt} #{row.index}" + (f", {row.role}" if row.role in of_its_own else ""): round(decibels, 2)
        for row, decibels in down.items()
    }


def _processing(study: ProtocolInput) -> dict[str, Any]:
    processing, requested = study.material.processing, study.settings.format
    facts = [study.material.facts[clip.path] for of in study.material.clips.values() for clip in of.values()]
    rates = sorted({one.rate for one in facts})
    described = {
        "order": "trim and cut, resample, anchors and controls, loudness, one peak-safe gain for each item, fades, "
        "equal length, write",
        "excerpt": {
            "start_seconds": requested.start,
            "seconds": processing.seconds,
            "samples": processing.samples,
            "silence_trimmed": requested.trim,
        },
        "resampling": "soxr HQ",
        "rate_hz": processing.rate,
        "channels": processing.channels,
        "loudness": {
            "standard": "ITU-R BS.1770-4 (pyloudnorm)",
            "target_lufs": processing.lufs,
            "tolerance_lu": LUFS_TOLERANCE,
            "measured": "on the excerpt as it is played, fades included",
        },
        "true_peak": {
            "limit_dbtp": processing.peak,
            "measured": "4 × oversampled",
            "rule": "where one stimulus of an item would exceed it, all stimuli of that item are lowered by the same "
            "number of dB; nothing is limited",
            "items_lowered_db": lowered(study.records, study.key),
        },
        "fades": f"raised cosine, {processing.fade_seconds * 1000:g} ms at both ends",
        "format": f"{processing.suffix[1:].upper()}, {processing.bits} bit, triangular dither of one step",
        "sources": {"rates_hz": rates, "files": len({one.sha256 for one in facts})},
    }
    if len(rates) > 1:
        described["sources"]["note"] = "sources differ in rate, and perhaps in bandwidth: listeners can hear that"
    return described


def _made(study: ProtocolInput) -> dict[str, str]:
    """How the stimuli were made that no model generated."""
    kind, roles = study.stimuli.kind, {row.role for row in study.key}
    described = {}
    if name := study.settings.reference:
        known = name in study.material.source.conditions
        what = f"the condition {name}" if known else f"files of the folder {Path(name).name}"
        described["reference"] = f"{what}, presented openly and, as a copy, hidden among the conditions"
    if kind.anchors:
        cutoffs = " and ".join(f"{hz:g} Hz" for hz in kind.anchors)
        described["anchors"] = (
            f"the reference, low-passed at {cutoffs} (−3 dB) by a Kaiser-windowed sinc of linear phase, {STOP_DB:g} dB "
            "down one fifth above, its delay compensated"
        )
    if "noise" in kind.controls:
        described["noise"] = f"pink from {NOISE_FROM_HZ:g} Hz on, at the loudness of the others"
        described["silence"] = "digital silence, exempt from loudness"
        described["other music"] = _other_music(study)
    if "trap" in roles:
        described["traps"] = (
            "1 to n beeps replace the middle. Instruct listeners: if you hear beeps, count them and give that "
            "answer (on a page: the band of that number, counted from the lowest; of A and B: the first or second). "
            f"At most {MOST_BEEPS} beeps."
        )
    if "gold" in roles:
        described["gold"] = f"one stimulus of the trial is low-passed at {GOLD_HZ:g} Hz and clipped at half its level"
    return described


def _other_music(study: ProtocolInput) -> str:
    if "other music" in study.material.selection.conditions:
        return "the condition of that name"
    folder = study.settings.other
    return "clips of another prompt" if folder is None else f"files of the folder {folder.name}"


def _design(study: ProtocolInput) -> dict[str, Any]:
    design, order = study.design, study.settings.order
    return {
        "name": design.name,
        "listeners": len(design.listeners),
        "seed": order.seed,
        "trials_per_listener": Counter(trial.role for trial in design.listeners[0]),  # equal for all listeners
        "promised": list(design.balance.promised),
        "kept": design.balance.kept,
        "imbalance": design.balance.sentences(),
    }


def _public_names(study: ProtocolInput) -> list[str]:
    public = study.settings.out / "public"
    return sorted(path.relative_to(public).as_posix() for path in study.exported.files)
