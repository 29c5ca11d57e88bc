"""The contents of the researcher's page, as plain values for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.listening.make.blinding import KeyRow
from harness.listening.study import Presentation, StimulusSet

UNJUDGED = ("training", "gold", "trap")
COLOURS = 8
"""Number of colours, used in turn; the letter of a condition identifies it as well."""


@dataclass(frozen=True)
class Card:
    """One stimulus as it is shown; `label` and `role` are empty without the key."""

    id: str
    sound: str
    picture: str
    label: str = ""
    letter: str = ""
    colour: int = 0
    role: str = ""
    expected: str = ""
    facts: Mapping[str, str] | None = None


def cards_with_key(
    stimuli: StimulusSet, key: Sequence[KeyRow], pictures: Mapping[str, str], sounds: str
) -> dict[str, list[Card]]:
    """The stimuli by item, test trials first; within an item in the order of the conditions.

    Args:
        stimuli: the blinded study.
        key: which stimulus is which.
        pictures: a spectrogram of each stimulus, as a URL.
        sounds: URL of the folder with the sounds, relative to the page.

    Returns:
        The cards by heading.
    """
    letters = letters_of(key)
    groups: dict[str, list[Card]] = {}
    for row in sorted(key, key=lambda row: (row.role in UNJUDGED, row.prompt, row.index, _place(letters, row))):
        beside = f", {row.role}" if row.role in UNJUDGED else ""
        card = Card(
            row.blind_id,
            f"{sounds}/{stimuli.stimuli[row.blind_id].file}",
            pictures[row.blind_id],
            row.condition,
            letters.get(row.condition, ""),
            _place(letters, row) % COLOURS,
            row.role,
            row.expected,
            facts_of(row),
        )
        groups.setdefault(f"{row.prompt or 'no prompt'} #{row.index}{beside}", []).append(card)
    return groups


def cards_without_key(
    stimuli: StimulusSet, key: Sequence[KeyRow], pictures: Mapping[str, str], sounds: str
) -> dict[str, list[Card]]:
    """The stimuli in the order of their ids, which reveals nothing, with their levels as listeners hear them.

    Args:
        stimuli: the blinded study.
        key: which stimulus is which.
        pictures: a spectrogram of each stimulus, as a URL.
        sounds: URL of the folder with the sounds, relative to the page.

    Returns:
        The cards by heading.
    """
    heard = ("loudness", "true peak")
    facts = {row.blind_id: {name: value for name, value in facts_of(row).items() if name in heard} for row in key}
    return {
        "All stimuli": [
            Card(one.id, f"{sounds}/{one.file}", pictures[one.id], facts=facts.get(one.id))
            for one in sorted(stimuli.stimuli.values(), key=lambda one: one.id)
        ]
    }


def letters_of(key: Sequence[KeyRow]) -> dict[str, str]:
    """A, B, … for the conditions in alphabetical order; beyond Z with a number."""
    names = dict.fromkeys(row.condition for row in sorted(key, key=lambda row: row.condition))
    return {name: chr(65 + n % 26) + (str(n // 26) if n >= 26 else "") for n, name in enumerate(names)}


def facts_of(row: KeyRow) -> dict[str, str]:
    """What was measured on a stimulus and done to it."""
    silent = "none, it is silent"
    return {
        "loudness": silent if row.lufs_after is None else f"{row.lufs_after:.2f} LUFS",
        "before": silent if row.lufs_before is None else f"{row.lufs_before:.2f} LUFS",
        "gain": "none" if row.gain_db is None else f"{row.gain_db:+.2f} dB",
        "true peak": silent if row.true_peak_dbtp is None else f"{row.true_peak_dbtp:.2f} dBTP",
        **({"model": row.model} if row.model else {}),
        **({"seed": row.seed} if row.seed else {}),
    }


def lists_of(stimuli: StimulusSet, key: Sequence[KeyRow]) -> list[dict[str, Any]]:
    """Each list: what its listener hears in order, as letters of the conditions, and its minutes of sound."""
    letters = letters_of(key)
    row_of = {row.blind_id: row for row in key}

    def cell(one: Presentation) -> dict[str, str]:
        rows = [row_of[name] for name in one.stimuli if name in row_of]
        return {
            "letters": "".join(letters[row.condition] for row in rows),
            "title": "; ".join(f"{row.condition}: {row.prompt} #{row.index}" for row in rows),
        }

    return [
        {
            "listener": one.listener,
            "practice": [cell(presentation) for presentation in one.training],
            "trials": [cell(presentation) for presentation in one.trials],
            "minutes": sum(len(p.stimuli) for p in (*one.training, *one.trials)) * stimuli.seconds / 60,
        }
        for one in stimuli.lists
    ]


def _place(letters: Mapping[str, str], row: KeyRow) -> int:
    return list(letters).index(row.condition)
