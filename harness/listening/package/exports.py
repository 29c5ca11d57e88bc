"""A study's lists in the formats of the platforms that run it: webMUSHRA, jsPsych, PsychoPy, Qualtrics, Prolific.

Files are written for every platform that can run the study; for the others the reason is returned. They hold blind ids
and what listeners read, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from harness.core.errors import PlatformError
from harness.listening.package.jspsych import jspsych_files
from harness.listening.package.tables import table_files
from harness.listening.package.webmushra import webmushra_files
from harness.listening.study import StimulusSet
from metrics.io.files import write_all

FORMATS = {"webmushra": webmushra_files, "jspsych": jspsych_files, "tables": table_files}


@dataclass(frozen=True)
class ExportedFiles:
    """The files that were written, and for each platform that was left out, the reason."""

    files: tuple[Path, ...]
    refused: dict[str, str]


def export_all(stimuli: StimulusSet, public: Path, language: str) -> ExportedFiles:
    """Write every format that can run the study, and a README.

    Args:
        stimuli: the blinded study.
        public: the folder to write to.
        language: of what listeners read.

    Raises:
        UsageError: for an unknown language.
    """
    written = {public / "README.md": (files("harness.listening.package") / "README.md").read_bytes()}
    refused = {}
    for name, files_of in FORMATS.items():
        try:
            written |= {public / name / file: content for file, content in files_of(stimuli, language).items()}
        except PlatformError as error:
            refused[name] = str(error)
    write_all(written)
    return ExportedFiles(tuple(written), refused)
