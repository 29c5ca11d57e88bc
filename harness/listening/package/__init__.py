"""A study's lists in the formats of the platforms that listeners are asked on.

Files are written for every platform that can carry the study; of the others it is said why. They hold blind ids and
what listeners read, no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from harness.core.errors import PlatformError
from harness.listening.package.jspsych import jspsych_files
from harness.listening.package.stimulus_set import StimulusSet
from harness.listening.package.tables import table_files
from harness.listening.package.webmushra import webmushra_files
from metrics.io.files import write_all

FORMATS = {"webmushra": webmushra_files, "jspsych": jspsych_files, "tables": table_files}


@dataclass(frozen=True)
class Exported:
    """The files that were written; of the platforms that were left out, by name, why."""

    files: tuple[Path, ...]
    refused: dict[str, str]


def export_all(stimuli: StimulusSet, public: Path, language: str) -> Exported:
    """Write every format that can carry the study, and a README, into `public`, in one of the languages of the kinds.

    Raises `UsageError` for a language that there is not.
    """
    made = {public / "README.md": (files("harness.listening.package") / "README.md").read_bytes()}
    refused = {}
    for name, files_of in FORMATS.items():
        try:
            made |= {public / name / file: content for file, content in files_of(stimuli, language).items()}
        except PlatformError as error:
            refused[name] = str(error)
    write_all(made)
    return Exported(tuple(made), refused)
