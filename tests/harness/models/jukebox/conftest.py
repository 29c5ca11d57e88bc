"""Golden vectors: data computed by the original implementation, with tiny shapes and random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor

GOLDEN = Path(__file__).parents[3] / "golden"


@dataclass(frozen=True)
class Case:
    hparams: dict[str, Any]
    state: dict[str, Tensor]
    vectors: dict[str, Tensor]


@pytest.fixture
def golden():
    def read(name: str) -> Case:
        folder = GOLDEN / name
        state = folder / "state_dict.safetensors"
        return Case(
            json.loads((folder / "hparams.json").read_text()),
            load_file(state) if state.exists() else {},
            load_file(folder / "vectors.safetensors"),
        )

    return read
