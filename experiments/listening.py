"""The experiments that listeners judge. They differ in data only: each is the study NAME.yaml in this folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.planning.experiment import Declaration
from harness.planning.yaml_file import read_study


def __getattr__(name: str) -> Declaration:
    path = Path(__file__).with_name(f"{name}.yaml")
    if not path.is_file():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return replace(read_study(path), varies="prompt", source="")
