"""A model in the released format with shapes of a few kilobytes: checkpoints, label lists and where they are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.checkpoint import ModelFolder

CONFIG = """
name = "jukebox:tiny"
[files]
vqvae = "5b/vqvae"
prior_level_0 = "5b/prior_level_0"
prior_level_1 = "5b/prior_level_1"
prior_level_2 = "tiny/prior_level_2"
[labels.v2]
artists = "ids/v2_artist_ids.txt"
genres = "ids/v2_genre_ids.txt"
[labels.v3]
artists = "ids/v3_artist_ids.txt"
genres = "ids/v3_genre_ids.txt"
[licence]
name = "noncommercial"
title = "Noncommercial Use License of a test"
url = "https://licence.example"
notice = "created by a test"
[vqvae]
rate = 1000
downs = [1, 1, 1]
strides = [2, 2, 2]
bins = 16
emb_width = 4
width = 4
depth = 1
multipliers = [1, 1, 1]
[priors.level_0]
level = 0
n_ctx = 16
width = 16
depth = 2
heads = 1
blocks = 4
labels_version = "v2"
genres = 14
artists = 18
[priors.level_0.conditioner]
width = 8
depth = 2
res_scale = false
[priors.level_1]
level = 1
n_ctx = 16
width = 16
depth = 2
heads = 1
blocks = 4
labels_version = "v2"
genres = 14
artists = 18
[priors.level_1.conditioner]
width = 8
depth = 2
res_scale = true
[priors.level_2]
level = 2
n_ctx = 16
width = 16
depth = 3
heads = 2
attn_order = 12
blocks = 4
labels_version = "v3"
genres = 14
artists = 18
max_genres = 1
n_tokens = 8
n_vocab = 79
t_bins = 8
max_seconds = 60.0
single_enc_dec = true
[dtypes]
prior_level_2 = "float16"
[sampling]
hop_fraction = [0.5, 0.5, 0.125]
total_seconds = 10.0
width = 2
"""

IDS = {
    "v2_artist_ids.txt": "unknown;0\nvarious;0\n;0\nzo_kestrel;1\nthe_paper_lanterns;2\n",
    "v2_genre_ids.txt": "unknown;0\nfolk;1\nrock;2\nblues;3\nr;4\nb;5\n",
    "v3_artist_ids.txt": "unknown;0\nzoë kestrel;1\nmarrow & pine;2\n",
    "v3_genre_ids.txt": "unknown;0\nfolk rock;1\nblues;2\n",
}


def make_folder(path: Path, config: str = CONFIG) -> ModelFolder:
    """The model with its weights below `path` and its configuration beside it."""
    path.mkdir(parents=True, exist_ok=True)
    file = path.parent / f"{path.name}.toml"
    file.write_text(config)
    return ModelFolder(path, file)


def state_dict(folder: ModelFolder, module: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under the original's keys and types, tied tensors as one storage under both keys."""
    torch.manual_seed(seed)
    built = VQVAE(folder.vqvae) if module == "vqvae" else Prior(folder.priors[int(module[-1])])
    for tensor in (*built.parameters(), *built.buffers()):
        torch.nn.init.normal_(tensor, std=0.3)
    specs, state = folder.manifest(module).specs, built.state_dict()
    return {key: state[key].detach().to(specs[key].dtype) for key in specs}


def save_checkpoint(path: Path, state: dict[str, torch.Tensor], hps: dict[str, Any], zipped: bool, **more: Any) -> None:
    """As the original saves: the keys as distributed training names them, and more beside the weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"hps": hps, "model": {f"module.{key}": v for key, v in state.items()}, "opt": None, "step": 7} | more
    torch.save(content, path, _use_new_zipfile_serialization=zipped)


def write_release(folder: ModelFolder, root: Path, zipped: bool = False) -> Path:
    """Everything that is published of the model, below `root`."""
    for seed, module in enumerate(folder.modules):
        file = root / f"{folder.file(module)}.pth.tar"
        save_checkpoint(file, state_dict(folder, module, seed), {"sr": 1000, **folder.hps(module)}, zipped)
    (root / "ids").mkdir()
    for name, text in IDS.items():
        (root / "ids" / name).write_text(text)
    return root


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "cache")


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    """The published files in both containers, by whether they are zips. Not to be written to."""
    model = make_folder(tmp_path_factory.mktemp("shapes") / "cache")
    return {z: write_release(model, tmp_path_factory.mktemp(f"release-{z}"), zipped=z) for z in (False, True)}
