"""Golden vectors: data computed by the original implementation, with tiny shapes and random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.checkpoint import ModelFolder, save_weights

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


# A whole model, tiny and with random weights: shapes, seeds and bytes, not quality.
CONFIG = """
artists = ["ada", "bob"]
[vqvae]
rate = 1000
downs = [1, 1]
strides = [4, 4]
bins = 32
emb_width = 8
width = 8
depth = 1
multipliers = [1, 1]
latent_norm = true
[priors.top]
level = 1
n_ctx = 16
width = 16
depth = 3
heads = 2
blocks = 4
max_genres = 1
merged_decoder = true
[priors.upsampler]
level = 0
n_ctx = 32
width = 16
depth = 3
heads = 2
blocks = 4
max_genres = 1
cond_stride = 4
[priors.upsampler.conditioner]
width = 8
depth = 2
[sampling]
hop_fraction = [0.5, 0.25]
width = 8
total_seconds = 20.0
"""
STYLES = '[calm]\nen = ["calm drones"]\n[loud]\nen = ["loud guitars"]\n'


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("tiny")
    (path / "config.toml").write_text(CONFIG)
    (path / "styles.toml").write_text(STYLES)
    made = ModelFolder(path)
    vqvae = VQVAE(made.vqvae)
    for level in range(2):
        torch.nn.init.normal_(vqvae.codebook(level).k)
    save_weights(vqvae, made.weights("vqvae"))
    for level in range(2):
        prior = Prior(made.priors[level])
        for parameter in prior.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        save_weights(prior, made.weights(f"prior_level_{level}"))
    return made


@pytest.fixture(scope="session")
def model(folder):
    return JukeboxModel("tiny", folder, "cpu")
