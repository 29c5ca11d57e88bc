"""Plain tables: a CSV for each list, as PsychoPy and Qualtrics read them, and the addresses for Prolific.

A list's columns are names that PsychoPy accepts as variables; for Qualtrics the same rows, without the first, are
pasted into Loop & Merge, where `position` is Field 1. Paths of sound files are relative to the public folder.
"""

from __future__ import annotations

from typing import Any

from harness.core.csv_table import write_table
from harness.listening.package.sequence import steps
from harness.listening.study import ListenerList, StimulusSet

SITE = "https://example.org/jspsych/"
"""A domain reserved for examples, to be replaced by the address at which the study is served."""

PARAMETERS = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")


def table_files(stimuli: StimulusSet, language: str) -> dict[str, bytes]:
    """`trials/<listener>.csv` for each list, and `prolific.csv`, by file name.

    Args:
        stimuli: the blinded study.
        language: of what listeners read.
    """
    made = {f"trials/{one.listener}.csv": as_csv(rows(stimuli, one, language)) for one in stimuli.lists}
    addresses = [{"external_url": address(one.listener), "total_allocation": 1} for one in stimuli.lists]
    return {**made, "prolific.csv": as_csv(addresses)}


def rows(stimuli: StimulusSet, listener: ListenerList, language: str) -> list[dict[str, Any]]:
    """One row for each presentation, in order."""
    most = max(len(step.presentation.stimuli) for step in steps(stimuli, listener))
    table = []
    for step in steps(stimuli, listener):
        heard = step.presentation.stimuli
        sounds = [stimuli.stimuli[name].file for name in heard] + [""] * (most - len(heard))
        reference = stimuli.stimuli[step.trial.reference].file if step.trial.reference else ""
        table.append(
            {
                "position": step.number,
                "phase": step.phase,
                "trial": step.trial.id,
                "question": stimuli.kind.question[language],
                "task": step.trial.task.get(language, ""),
                "reference": reference,
                **{f"sound_{n}": sound for n, sound in enumerate(sounds, start=1)},
            }
        )
    return table


def address(listener: str) -> str:
    """The address of one list for a participant of Prolific, which fills in what is in braces.

    >>> address("L01")[:70]
    'https://example.org/jspsych/?list=L01&PROLIFIC_PID={{%PROLIFIC_PID%}}&'
    """
    return f"{SITE}?list={listener}&" + "&".join(f"{name}={{{{%{name}%}}}}" for name in PARAMETERS)


def as_csv(table: list[dict[str, Any]]) -> bytes:
    """CSV of rows with the same columns, in UTF-8."""
    return write_table(list(table[0]), table).encode("utf-8")
