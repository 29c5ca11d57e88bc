from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from harness.models.jukebox.decoding.incremental import begin_window
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import Prior, time_bins
from harness.models.jukebox.weights.hparams import prior_config
from tests.harness.models.jukebox.conftest import GOLDEN

PRIORS = ("prior_1b_lyrics", "prior_5b", "prior_5b_lyrics", "upsampler_level_1", "upsampler_level_0")


@pytest.fixture(params=PRIORS)
def case(request, golden):
    return golden(request.param)


@pytest.fixture
def prior(case):
    model = Prior(prior_config(case.hparams["prior"], case.hparams["vqvae"]))
    model.load_state_dict(case.state)  # strict: every key and shape of the original
    return model.eval()


def inputs(case, labels):
    z_cond = case.vectors.get("z_cond")
    return case.vectors["z"].long(), case.vectors[f"y_{labels}"], None if z_cond is None else z_cond.long()


@pytest.mark.parametrize("labels", ["a", "b"])
@torch.inference_mode()
def test_conditioning_equals_the_original(case, prior, labels):
    _, y, z_cond = inputs(case, labels)
    start, x_cond = prior.conditioning(y, z_cond)
    torch.testing.assert_close(start, case.vectors[f"y_cond_{labels}"], atol=1e-5, rtol=0)
    torch.testing.assert_close(x_cond, case.vectors[f"x_cond_{labels}"], atol=1e-5, rtol=0)
    if (expected := case.vectors.get(f"encoder_kv_{labels}")) is not None:
        torch.testing.assert_close(prior.encode_lyrics(y), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("labels", ["a", "b"])
@torch.inference_mode()
def test_teacher_forced_logits_and_losses_equal_the_original(case, prior, labels):
    z, y, z_cond = inputs(case, labels)
    torch.testing.assert_close(prior(z, y, z_cond), case.vectors[f"preds_{labels}"], atol=1e-5, rtol=0)
    music, lyrics = prior.bits(z, y, z_cond)
    torch.testing.assert_close(music, case.vectors[f"gen_loss_{labels}"], atol=1e-5, rtol=0)
    torch.testing.assert_close(lyrics, case.vectors[f"prime_loss_{labels}"].float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("graph", [False, True], ids=["numbers", "tables"])
@pytest.mark.parametrize("chunk", [1, 1024])
@pytest.mark.parametrize("primed", [0, 1, 7, 20])
@torch.inference_mode()
def test_cached_decoding_equals_teacher_forcing(case, prior, primed, chunk, graph):
    z, y, z_cond = inputs(case, "a")
    expected = case.vectors["preds_a"]
    prior.graph = graph  # on a CPU nothing is captured: the step that a graph would hold runs as it is
    decoding = begin_window(prior, y, z_cond, chunk)
    tokens = prior.sequence_prompt(z, y)
    begin = tokens.shape[1] - z.shape[1] + primed
    logits = [decoding.prime(tokens[:, :begin])]
    logits += [decoding.feed(tokens[:, position]) for position in range(begin, tokens.shape[1] - 1)]
    torch.testing.assert_close(torch.stack(logits, 1), expected[:, begin:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("labels", ["a", "b"])
@torch.inference_mode()
def test_cached_logits_equal_the_originals(case, prior, labels):
    z, y, z_cond = inputs(case, labels)
    decoding = begin_window(prior, y, z_cond)
    tokens = prior.sequence_prompt(z, y)
    seen = {0: decoding.prime(tokens[:, :0])}
    seen |= {position + 1: decoding.feed(tokens[:, position]) for position in range(tokens.shape[1] - 1)}
    positions = case.vectors["cached_positions"].tolist()
    ours = torch.stack([seen[position] for position in positions], 1)
    torch.testing.assert_close(ours, case.vectors[f"cached_preds_{labels}"], atol=1e-5, rtol=0)


def test_time_bins_equal_the_originals_to_the_last_position(golden):
    vectors = golden("time_bins").vectors
    rows = json.loads((GOLDEN / "time_bins" / "vectors.json").read_text())["rows"]
    assert rows
    for row in rows:
        config = PriorConfig(
            level=2, n_ctx=row["n_time"], width=4, depth=1, heads=1, bins=8, hop=128, rate=row["sr"],
            t_bins=row["t_bins"], min_seconds=row["min_duration"], max_seconds=row["max_duration"],
        )  # fmt: skip
        lengths = torch.tensor([[row["total_length"], row["offset"], row["length"]]])
        total, absolute, relative = time_bins(lengths, config)
        assert torch.equal(total[0].short(), vectors[f"{row['id']}.total_length_bin"])
        assert torch.equal(absolute[0].short(), vectors[f"{row['id']}.absolute_bins"])
        assert torch.equal(relative[0].short(), vectors[f"{row['id']}.relative_bins"])


def stepped(prior, z, y, z_cond, primed):
    """Logits of every music code from `primed` on, one token after another."""
    decoding = begin_window(prior, y, z_cond)
    tokens = prior.sequence_prompt(z, y)
    begin = tokens.shape[1] - z.shape[1] + primed
    logits = [decoding.prime(tokens[:, :begin])]
    logits += [decoding.feed(tokens[:, position]) for position in range(begin, tokens.shape[1] - 1)]
    return torch.stack(logits, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@torch.inference_mode()
def test_a_cuda_graph_gives_the_logits_of_single_launches(case, prior):
    expected = stepped(prior, *inputs(case, "a"), 7)
    prior.cuda()
    z, y, z_cond = inputs(case, "a")
    for graph in (False, True):
        prior.graph = graph
        logits = stepped(prior, z.cuda(), y.cuda(), None if z_cond is None else z_cond.cuda(), 7)
        torch.testing.assert_close(logits.cpu(), expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_a_prior_without_labels_starts_from_its_own_token(case):
    config = prior_config(case.hparams["prior"], case.hparams["vqvae"])
    if config.n_tokens:
        pytest.skip("lyrics are labels")
    torch.manual_seed(0)
    prior = Prior(replace(config, artists=0, genres=0)).eval()
    assert not hasattr(prior, "y_emb")
    z, y, z_cond = inputs(case, "a")
    whole = prior(z, y, z_cond)
    torch.testing.assert_close(stepped(prior, z, y, z_cond, 5), whole[:, 5:], atol=1e-5, rtol=0)
    torch.testing.assert_close(prior(z, torch.zeros_like(y), z_cond), whole, atol=0, rtol=0)


WIDE = PriorConfig(
    level=0, n_ctx=64, width=512, depth=6, heads=2, bins=128, hop=8, rate=1000, blocks=8, genres=3, artists=3,
    merged_decoder=True, min_seconds=0.1,
)  # fmt: skip
"""Wide enough for its weights to be packed."""


def wide(dtype=torch.float32):
    """The same weights each time, its products in `dtype`, with codes and labels of eight rows."""
    torch.manual_seed(0)
    prior = Prior(WIDE).eval().requires_grad_(False)
    for key in prior.products():
        weight = prior.get_parameter(key)
        weight.data = weight.data.to(dtype)
    z, y = torch.randint(0, 128, (8, 64)), torch.tensor([[4000, 0, 512, 1, 1, -1, -1, -1, -1]]).expand(8, -1)
    return prior, z, y


@torch.inference_mode()
def test_products_in_bfloat16_stay_within_its_precision():
    """Eight bits: the root mean square error of a logit is below 1 % of the logits' spread (.7 % was measured)."""
    expected, logits = (stepped(*wide(dtype), None, 9) for dtype in (torch.float32, torch.bfloat16))
    assert logits.dtype is torch.float32
    assert 0 < (logits - expected).square().mean().sqrt() < 0.01 * expected.std()


@torch.inference_mode()
def test_weights_packed_for_one_width_serve_another():
    """As when a batch that does not fit into memory is tried with fewer rows."""
    prior, z, y = wide()
    together = stepped(prior, z, y, None, 9)
    torch.testing.assert_close(stepped(prior, z[:1], y[:1], None, 9), together[:1], atol=1e-5, rtol=0)
