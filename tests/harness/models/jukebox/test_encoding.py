from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.core.errors import AudioError
from harness.models.jukebox.encoding import encode, prepare, reach
from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.network.vqvae import VQVAE
from tests.harness.models.jukebox.tiny import tiny_model

CONFIG = VQVAEConfig(
    rate=1000, downs=(2, 1), strides=(2, 4), bins=32, emb_width=8, width=8, depth=2, multipliers=(2, 1),
    dilation_growth=3, latent_norm=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def vqvae():
    torch.manual_seed(0)
    made = VQVAE(CONFIG)
    for tensor in made.state_dict().values():  # wide enough that the codes are not all the same
        torch.nn.init.normal_(tensor, std=0.3)
    return made.eval()


@pytest.mark.parametrize("level", [0, 1])
def test_the_reach_is_what_the_encoder_sees_and_not_much_more(vqvae, level):
    hop, length = CONFIG.hops[level], 2048
    audio = torch.randn(1, length, requires_grad=True)
    middle = length // hop // 2
    vqvae.latents(audio, level)[0, 0, middle].backward()
    assert audio.grad is not None
    seen = audio.grad[0].nonzero()[:, 0]
    furthest = max(middle * hop - int(seen[0]), int(seen[-1]) - middle * hop)
    assert furthest <= reach(CONFIG, level) <= 1.5 * furthest


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("chunk", [16, 100, 4096])
def test_codes_in_chunks_are_those_of_the_whole(vqvae, level, chunk):
    audio = np.random.default_rng(0).standard_normal(1600).astype(np.float32)
    with torch.inference_mode():
        whole = vqvae.encode(torch.from_numpy(audio).unsqueeze(0), level)[0].numpy()
    assert len(np.unique(whole)) > 5
    assert np.array_equal(encode(vqvae, audio, level, chunk), whole)


def test_audio_is_brought_to_the_models_rate_and_whole_codes(model):
    audio = 0.1 * np.random.default_rng(0).standard_normal(8 * 1010).astype(np.float32)
    prepared = prepare(audio, 8000, model, None)
    assert prepared.shape == (1010 // 32 * 32,)
    louder = prepare(audio, 8000, model, -10.0)
    assert np.allclose(louder / prepared, louder[0] / prepared[0], rtol=1e-4)


def test_audio_without_a_code_or_without_sound_is_refused(model):
    with pytest.raises(AudioError, match=r"at least one code of its top level, 0\.0320 s"):
        prepare(np.ones(31, np.float32), 1000, model, None)
    with pytest.raises(AudioError, match="silent"):
        prepare(np.zeros(2000, np.float32), 1000, model, -23.0)
    assert not prepare(np.zeros(2000, np.float32), 1000, model, None).any()
