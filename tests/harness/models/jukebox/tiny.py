"""A Jukebox of three levels with random weights, made in a moment: for what reads audio with a whole model."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.models.jukebox.model import JukeboxModel
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.checkpoint import ModelFolder, save_weights

CONFIG = """
artists = ["ada", "bob"]
[vqvae]
rate = 1000
downs = [1, 1, 1]
strides = [4, 2, 4]
bins = 32
emb_width = 8
width = 8
depth = 1
multipliers = [1, 1, 1]
latent_norm = true
[priors.top]
level = 2
n_ctx = 16
width = 16
depth = 4
heads = 2
blocks = 4
max_genres = 1
max_seconds = 60.0
merged_decoder = true
[priors.middle]
level = 1
n_ctx = 32
width = 16
depth = 3
heads = 2
blocks = 4
max_genres = 1
cond_stride = 4
[priors.middle.conditioner]
width = 8
depth = 2
[priors.bottom]
level = 0
n_ctx = 32
width = 16
depth = 3
heads = 2
blocks = 4
max_genres = 1
cond_stride = 2
[priors.bottom.conditioner]
width = 8
depth = 2
[sampling]
hop_fraction = [0.25, 0.5, 0.5]
width = 4
total_seconds = 20.0
"""


def tiny_model(path: Path) -> JukeboxModel:
    """The model, with its folder at `path`."""
    (path / "config.toml").write_text(CONFIG)
    (path / "styles.toml").write_text('[calm]\nen = ["calm drones"]\n[loud]\nen = ["loud guitars"]\n')
    folder = ModelFolder(path)
    generator = torch.Generator().manual_seed(0)
    vqvae = VQVAE(folder.vqvae)
    for tensor in vqvae.state_dict().values():
        torch.nn.init.normal_(tensor, std=0.5, generator=generator)
    save_weights(vqvae, folder.weights("vqvae"))
    for level in range(folder.vqvae.levels):
        prior = Prior(folder.priors[level])
        for parameter in prior.parameters():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
        save_weights(prior, folder.weights(f"prior_level_{level}"))
    return JukeboxModel("jukebox:tiny", folder, "cpu")
