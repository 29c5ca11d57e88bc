"""The configurations of the released models; the golden vectors hold their manifests (see test_golden)."""

from __future__ import annotations

import pytest
import torch

from harness.models.jukebox.conditioning.labels import VOCABULARY
from harness.models.jukebox.weights.released import NAMES, released


@pytest.mark.parametrize("name", NAMES)
def test_configurations_agree_with_each_other_and_with_the_paper(name, tmp_path):
    folder = released(name, tmp_path)
    assert folder.name == name
    assert folder.vqvae.hops == (8, 32, 128)
    assert [prior.level for prior in folder.priors] == [0, 1, 2]
    assert [prior.labels_version for prior in folder.priors[:2]] == ["v2", "v2"], "upsamplers know v2 labels only"
    assert [prior.conditioner and prior.conditioner.res_scale for prior in folder.priors] == [False, True, None]
    assert len(folder.hop_fractions) == 3
    top = folder.priors[-1]
    assert top.n_vocab in (0, len(VOCABULARY[folder.labels_version]) + 1)
    assert top.min_seconds <= folder.total_seconds < top.max_seconds
    assert top.n_ctx * top.hop / top.rate <= top.min_seconds + 0.01, "a piece is no shorter than a window"
    assert all(prior.total_ctx % prior.blocks == 0 for prior in folder.priors)
    assert (folder.licence, folder.notice) == ("noncommercial", "created using OpenAI's Jukebox")


def test_shared_modules_share_their_files(tmp_path):
    files = {name: [released(name, tmp_path).file(module) for module in ("vqvae", "prior_level_0")] for name in NAMES}
    assert len({tuple(value) for value in files.values()}) == 1
    assert len({released(name, tmp_path).weights("prior_level_2") for name in NAMES}) == 3


def test_attention_of_the_1b_prior_reads_past_the_lyrics(tmp_path):
    transformer = released("jukebox:1b_lyrics", tmp_path).priors[-1].transformer
    assert (transformer.prime_len, transformer.block_ctx) == (448, 102)
    assert (
        released("jukebox:5b", tmp_path)
        .manifest("prior_level_2")
        .specs["prior.transformer._attn_mods.0.mlp.c_fc.w"]
        .dtype
        == torch.float16
    )
