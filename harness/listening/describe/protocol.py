"""What a methods section needs, as data: how stimuli were chosen, made, blinded and ordered.

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
from harness.listening.choose.material import Material
from harness.listening.design.assignment import MOST_BEEPS
from harness.listening.design.designs import Design
from harness.listening.make.anchors import STOP_DB
from harness.listening.make.blinding import KeyRow
from harness.listening.make.controls import GOLD_HZ, NOISE_FROM_HZ
from harness.listening.make.processing import LUFS_TOLERANCE, Made
from harness.listening.package import Exported
from harness.listening.package.stimulus_set import StimulusSet
from harness.listening.settings import StudySettings

PROTOCOL_SCHEMA = 1
PACKAGES = ("numpy", "pyloudnorm", "scipy", "soundfile", "soxr")
ALONE = "One condition alone is rated: nothing is compared, and the contrasts of the analysis do not apply."


@dataclass(frozen=True)
class Account:
    """Everything that the protocol tells of."""

    settings: StudySettings
    stimuli: StimulusSet
    material: Material
    design: Design
    exported: Exported
    key: Sequence[KeyRow]
    made: Mapping[str, Made]
    tasks: Sequence[Mapping[str, str]] = ()


def describe(account: Account) -> dict[str, Any]:
    """The protocol, JSON-able, without dates and places: the same study says the same."""
    settings, kind, selection = account.settings, account.stimuli.kind, account.material.selection
    roles = Counter(row.role for row in account.key)
    tasks = [dict(task) for task in account.tasks[: len(selection.items)]]
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
        "source": dict(account.material.source.origin),
        "selection": {
            "conditions": list(selection.conditions),
            "items": [str(item) for item in selection.items],
            "training": [str(item) for item in selection.training],
            "rule": selection.rule,
            "dropped": dict(selection.dropped),
            **({"reference": Path(settings.reference).name} if settings.reference else {}),
        },
        "stimuli": {"total": len(account.stimuli.stimuli), "by_role": dict(sorted(roles.items()))},
        "processing": _processing(account),
        "made": _made(account),
        "design": _design(account),
        "blinding": {
            "ids": "HMAC-SHA-256 under a secret of 32 bytes, 80 bits of it in base 32",
            "key": "PRIVATE/key.csv, mode 600",
        },
        **_method(account),
        "exports": {"written": _public_names(account), "refused": dict(account.exported.refused)},
        "models": {name: dict(terms) for name, terms in account.material.source.terms.items()},
        "versions": {
            **source(),
            "python": platform.python_version(),
            "packages": {name: packages()[name] for name in PACKAGES if name in packages()},
        },
    }


def _method(account: Account) -> dict[str, list[str]]:
    """The analysis plan and the limits: those of the kind, then those that the experiment declares."""
    kind, declared = account.stimuli.kind, account.settings.listening
    alone = len(account.material.voices) == 1
    return {
        "analysis": [*kind.analysis, *(declared.analysis if declared else ())],
        "limits": [*kind.limits, *([ALONE] if alone else []), *(declared.limits if declared else ())],
    }


def lowered(made: Mapping[str, Made], key: Sequence[KeyRow]) -> dict[str, float]:
    """By how many dB items were lowered below the target, so that their true peaks fit; those that were not are left
    out. A trap or a gold item is an item of its own."""
    down = {row: made[row.blind_id].lowered for row in key if made[row.blind_id].lowered > 0}
    of_its_own = ("training", "gold", "trap")
    return {
        f"{row.prompt} #{row.index}" + (f", {row.role}" if row.role in of_its_own else ""): round(decibels, 2)
        for row, decibels in down.items()
    }


def _processing(account: Account) -> dict[str, Any]:
    processing, asked = account.material.processing, account.settings.format
    facts = [account.material.facts[clip.path] for of in account.material.clips.values() for clip in of.values()]
    rates = sorted({one.rate for one in facts})
    told = {
        "order": "trim and cut, resample, anchors and controls, loudness, one peak-safe gain for each item, fades, "
        "equal length, write",
        "excerpt": {
            "start_seconds": asked.start,
            "seconds": processing.seconds,
            "samples": processing.samples,
            "silence_trimmed": asked.trim,
        },
        "resampling": "soxr HQ",
        "rate_hz": processing.rate,
        "channels": processing.channels,
        "loudness": {
            "standard": "ITU-R BS.1770-4 (pyloudnorm)",
            "target_lufs": processing.lufs,
            "tolerance_lu": LUFS_TOLERANCE,
            "measured": "of the excerpt as it is played, fades included",
        },
        "true_peak": {
            "limit_dbtp": processing.peak,
            "measured": "4 × oversampled",
            "rule": "where one stimulus of an item would pass it, all stimuli of that item are lowered by the same "
            "number of dB; nothing is limited",
            "items_lowered_db": lowered(account.made, account.key),
        },
        "fades": f"raised cosine, {processing.fade_seconds * 1000:g} ms at both ends",
        "format": f"{processing.suffix[1:].upper()}, {processing.bits} bit, triangular dither of one step",
        "sources": {"rates_hz": rates, "files": len({one.sha256 for one in facts})},
    }
    if len(rates) > 1:
        told["sources"]["note"] = "sources differ in rate, and so may in bandwidth: listeners can hear that"
    return told


def _made(account: Account) -> dict[str, str]:
    """How the stimuli were made that no model made."""
    kind, roles = account.stimuli.kind, {row.role for row in account.key}
    told = {}
    if name := account.settings.reference:
        known = name in account.material.source.conditions
        what = f"the condition {name}" if known else f"files of the folder {Path(name).name}"
        told["reference"] = f"{what}, open and, as a copy, hidden among the conditions"
    if kind.anchors:
        cutoffs = " and ".join(f"{hz:g} Hz" for hz in kind.anchors)
        told["anchors"] = (
            f"the reference, low-passed at {cutoffs} (−3 dB) by a Kaiser-windowed sinc of linear phase, {STOP_DB:g} dB "
            "down one fifth above, its delay compensated"
        )
    if "noise" in kind.controls:
        told["noise"] = f"pink from {NOISE_FROM_HZ:g} Hz on, at the loudness of the others"
        told["silence"] = "digital silence, exempt from loudness"
        told["other music"] = _other_music(account)
    if "trap" in roles:
        told["traps"] = (
            "1 to n beeps stand in place of the middle. Tell listeners: if you hear beeps, count them and give that "
            "answer (on a page: the band of that number, counted from the lowest; of A and B: the first or second). "
            f"At most {MOST_BEEPS} beeps."
        )
    if "gold" in roles:
        told["gold"] = f"one stimulus of the trial is low-passed at {GOLD_HZ:g} Hz and clipped at half its level"
    return told


def _other_music(account: Account) -> str:
    if "other music" in account.material.selection.conditions:
        return "the condition of that name"
    folder = account.settings.other
    return "clips of another prompt" if folder is None else f"files of the folder {folder.name}"


def _design(account: Account) -> dict[str, Any]:
    design, order = account.design, account.settings.order
    return {
        "name": design.name,
        "listeners": len(design.listeners),
        "seed": order.seed,
        "trials_per_listener": Counter(slot.role for slot in design.listeners[0]),  # those of all others, too
        "promised": list(design.balance.promised),
        "kept": design.balance.kept,
        "imbalance": design.balance.sentences(),
    }


def _public_names(account: Account) -> list[str]:
    public = account.settings.out / "public"
    return sorted(path.relative_to(public).as_posix() for path in account.exported.files)
