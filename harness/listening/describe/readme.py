"""The README of a study's folder: what is where, what may be served, and a draft of the methods section.

Like the protocol it is written from, it is for the researcher and not in the public folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.listening.describe.protocol import ProtocolInput

EXPECTED = (
    "Expected answers of gold and trap trials and of ABX are in the key: `low..high` is a range of ratings, `= id` "
    "the stimulus that X is, `lowest`, `chosen` and `not chosen` concern one stimulus among those of its trial."
)


def readme(study: ProtocolInput, protocol: Mapping[str, Any]) -> str:
    """The README of a study's folder, written from its protocol.

    Args:
        study: everything that the protocol describes.
        protocol: from `harness.listening.describe.protocol.describe`.
    """
    kind, stimuli = study.stimuli.kind, study.stimuli
    processing, selection, design = protocol["processing"], protocol["selection"], protocol["design"]
    loud, peak = processing["loudness"], processing["true_peak"]
    down = peak["items_lowered_db"]
    fitted = (
        f"{_counted(len(down), 'item')} lowered as a whole, by up to {max(down.values()):.2f} dB, to keep it"
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
        "| `PRIVATE/` | which is which: the key, the secret, a page with all stimuli. Never serve it |",
        "| `preview.html` | all stimuli by their ids, as sounds and spectrograms, to be shown to others |",
        "| `protocol.json` | the methods below as data. Like this file it names conditions and models: serve neither |",
        "",
        "`harness stimuli check DIR` verifies the folder. The same command with the same `PRIVATE/secret` makes it",
        "again, byte for byte.",
        "",
        "## Methods",
        "",
        f"Standard: {kind.standard}. Question: “{kind.question[protocol['language']]}”",
        "",
        f"Stimuli: {len(stimuli.stimuli)} of {stimuli.seconds:g} s ({roles}), made from the {made_of}: "
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
        f"{trials_in_words(design)}.",
        "",
        *_tasks(protocol),
        *([EXPECTED, ""] if any(row.expected for row in study.key) else []),
        "Analysis, planned before data collection:",
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


def trials_in_words(design: Mapping[str, Any]) -> str:
    """The number of trials in a list, from the protocol's design.

    >>> trials_in_words({"trials_per_listener": {"training": 1, "test": 17, "trap": 1, "gold": 1}})
    '19 trials (17 test, 1 trap, 1 gold) after 1 for training'
    """
    count = {role: n for role, n in design["trials_per_listener"].items() if role != "training"}
    training = design["trials_per_listener"].get("training")
    roles = f" ({', '.join(f'{n} {role}' for role, n in count.items())})" if len(count) > 1 else ""
    return f"{_counted(sum(count.values()), 'trial')}{roles}" + (f" after {training} for training" if training else "")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}[count]


def _tasks(protocol: Mapping[str, Any]) -> list[str]:
    """What listeners work on, if there are tasks."""
    if "tasks" not in protocol:
        return []
    language = protocol["language"]
    numbered = [f"{n}. {task[language]}" for n, task in enumerate(protocol["tasks"], start=1)]
    return [f"Tasks, one for each item; in training: {protocol['practice'][language]}", "", *numbered, ""]


def _terms(models: Mapping[str, Mapping[str, str]]) -> list[str]:
    lines = []
    for name, terms in models.items():
        licence = f"the weights are under {terms['licence']}" if "licence" in terms else "its licence is not recorded"
        notice = f"; its output is to be marked “{terms['notice']}”" if "notice" in terms else ""
        lines += [f"Model: {name}; {licence}{notice}.", ""]
    return lines


def _refused(refused: Mapping[str, str]) -> list[str]:
    return [line for name, reason in refused.items() for line in (f"Not exported for {name}: {reason}", "")]
