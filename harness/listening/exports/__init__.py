"""Lists of a listening study in the formats of the platforms that listeners are asked on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.listening.stimulus_set import StimulusSet


@dataclass(frozen=True)
class Exported:
    """The files that were written, and why a platform was left out: by its name, a sentence."""

    files: tuple[Path, ...]
    refused: dict[str, str]


def export_all(stimuli: StimulusSet, public: Path, language: str) -> Exported:
    """Write every format that can carry the study below `public`."""
    raise NotImplementedError
