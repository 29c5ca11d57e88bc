"""What a methods section needs, as data and in words: how stimuli were chosen, made, blinded and ordered.

Both are for the researcher. They name conditions and models, so they are not in the public folder.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.listening.anchors import STOP_DB
from harness.listening.blinding import KeyRow
from harness.listening.casting import MOST_BEEPS
from harness.listening.controls import GOLD_HZ, NOISE_FROM_HZ
from harness.listening.designs import Design
from harness.listening.exports import Exported
from harness.listening.material import Material
from harness.listening.processing import LUFS_TOLERANCE, Made
from harness.listening.settings import StudySettings
from harness.listening.stimulus_set import StimulusSet
from harness.provenance import packages, source

PROTOCOL_SCHEMA = 1
PACKAGES = ("numpy", "pyloudnorm", "scipy", "soundfile", "soxr")
ALONE = "One condition alone is rated: nothing is compared, and the contrasts of the analysis do not apply."

EXPECTED = (
    "Expected answers of gold and trap items and of ABX stand in the key: `low..high` is a range of ratings, `= id` "
    "the stimulus that X is, `lowest`, `chosen` and `not chosen` are of one stimulus among those of its trial."
)


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


def said_trials(design: Mapping[str, Any]) -> str:
    """How long a list is, of the protocol's design.

    >>> said_trials({"trials_per_listener": {"training": 1, "test": 17, "trap": 1, "gold": 1}})
    '19 trials (17 test, 1 trap, 1 gold) after 1 to train on'
    """
    count = {role: n for role, n in design["trials_per_listener"].items() if role != "training"}
    training = design["trials_per_listener"].get("training")
    roles = f" ({', '.join(f'{n} {role}' for role, n in count.items())})" if len(count) > 1 else ""
    return f"{_counted(sum(count.values()), 'trial')}{roles}" + (f" after {training} to train on" if training else "")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _public_names(account: Account) -> list[str]:
    public = account.settings.out / "public"
    return sorted(path.relative_to(public).as_posix() for path in account.exported.files)


def readme(account: Account, protocol: Mapping[str, Any]) -> str:
    """The folder's README: what is where, what may be served, and a draft of the methods."""
    kind, stimuli = account.stimuli.kind, account.stimuli
    processing, selection, design = protocol["processing"], protocol["selection"], protocol["design"]
    loud, peak = processing["loudness"], processing["true_peak"]
    down = peak["items_lowered_db"]
    fitted = (
        f"{len(down)} of the items were lowered as a whole, by up to {max(down.values()):.2f} dB, to keep it"
        if down
        else "no item had to be lowered for it"
    )
    origin = protocol["source"]
    made_of = f"run {origin['run']}" if "run" in origin else f"folder {origin['folder']}"
    roles = ", ".join(f"{count} {role}" for role, count in protocol["stimuli"]["by_role"].items())
    dropped = (
        f" {_counted(len(selection['dropped']), 'item')} dropped under all conditions." if selection["dropped"] else ""
    )
    uneven = "; ".join(design["imbalance"]) or "balanced throughout"
    lines = [
        f"# {protocol['name']}: {kind.title}",
        "",
        "| | |",
        "|---|---|",
        "| `public/` | may be served or handed to a platform: sounds, manifest, lists, exports; blind ids only |",
        "| `PRIVATE/` | which is which: the key, the secret, a page to hear and see all stimuli. Never serve it |",
        "| `preview.html` | all stimuli to hear and see by their ids, for others to look at |",
        "| `protocol.json` | all of the below as data. Like this file it names conditions and models: serve neither |",
        "",
        "`harness stimuli check DIR` verifies it. The same command makes it again, byte for byte, with the same",
        "`PRIVATE/secret`.",
        "",
        "## Methods",
        "",
        f"Standard: {kind.standard}. Question: “{kind.question['en']}”",
        "",
        f"Stimuli: {len(stimuli.stimuli)} of {stimuli.seconds:g} s ({roles}), made of the {made_of}: "
        f"{_counted(len(selection['conditions']), 'condition')} ({', '.join(selection['conditions'])}) and "
        f"{_counted(len(selection['items']), 'item')}, each a prompt and an index that "
        f"all conditions share; items: {selection['rule']}.{dropped}",
        "",
        f"Processing, in this order: {processing['order']}. Resampled to {stimuli.rate} Hz "
        f"({processing['resampling']}), {_channels(stimuli.channels)}; {loud['target_lufs']:g} LUFS by "
        f"{loud['standard']}; true peak at most {peak['limit_dbtp']:g} dBTP, {peak['measured']}: {fitted}. "
        f"Fades: {processing['fades']}. {processing['format']}.",
        "",
        *(f"{name.capitalize()}: {words.rstrip('.')}.\n" for name, words in protocol["made"].items()),
        f"Design: {design['name']} for {design['listeners']} listeners, seed {design['seed']}; {uneven}. A list has "
        f"{said_trials(design)}.",
        "",
        *_tasks(protocol),
        *([EXPECTED, ""] if any(row.expected for row in account.key) else []),
        "Analysis, planned before anyone has listened:",
        "",
        *(f"- {sentence}" for sentence in protocol["analysis"]),
        "",
        "Limits:",
        "",
        *(f"- {sentence}" for sentence in protocol["limits"]),
        "",
        *_terms(protocol["models"]),
        *_refused(protocol["exports"]["refused"]),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}[count]


def _tasks(protocol: Mapping[str, Any]) -> list[str]:
    """What listeners work on, if they do."""
    if "tasks" not in protocol:
        return []
    language = protocol["language"]
    numbered = [f"{n}. {task[language]}" for n, task in enumerate(protocol["tasks"], start=1)]
    return [f"Tasks, one for each item; in training: {protocol['practice'][language]}", "", *numbered, ""]


def _terms(models: Mapping[str, Mapping[str, str]]) -> list[str]:
    lines = []
    for name, terms in models.items():
        licence = f"the weights are under {terms['licence']}" if "licence" in terms else "its licence is not recorded"
        notice = f"; what it makes is to be marked “{terms['notice']}”" if "notice" in terms else ""
        lines += [f"Model: {name}; {licence}{notice}.", ""]
    return lines


def _refused(refused: Mapping[str, str]) -> list[str]:
    return [line for name, reason in refused.items() for line in (f"Not exported for {name}: {reason}", "")]
