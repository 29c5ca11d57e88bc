from __future__ import annotations

import pytest
import torch

from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.hparams import vqvae_config


@pytest.fixture
def case(golden):
    return golden("vqvae")


@pytest.fixture
def vqvae(case):
    model = VQVAE(vqvae_config(case.hparams["vqvae"]))
    model.load_state_dict(case.state)  # strict: every key and shape of the original
    return model.eval()


@pytest.mark.parametrize("level", [0, 1, 2])
@torch.inference_mode()
def test_codes_and_audio_equal_the_original(case, vqvae, level):
    audio = case.vectors["x"].squeeze(-1)
    latents = vqvae.latents(audio, level)
    torch.testing.assert_close(latents, case.vectors[f"encoder_out_level_{level}"], atol=1e-5, rtol=0)
    codes = vqvae.encode(audio, level)
    assert torch.equal(codes.int(), case.vectors[f"codes_level_{level}"])
    decoded = vqvae.decode(codes, level)
    torch.testing.assert_close(decoded, case.vectors[f"audio_level_{level}"].squeeze(-1), atol=1e-5, rtol=0)


def test_hops_of_the_released_shape():
    assert VQVAEConfig().hops == (8, 32, 128)


def test_normed_latents_have_unit_scale():
    config = VQVAEConfig(downs=(1,), strides=(8,), bins=16, multipliers=(1,), width=8, depth=1, latent_norm=True)
    latents = VQVAE(config).latents(torch.randn(2, 64), 0)
    torch.testing.assert_close(latents.std(1, correction=0), torch.ones(2, 8), atol=0.1, rtol=0)
