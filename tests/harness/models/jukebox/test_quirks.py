"""One test per entry of `quirks`, of its name."""

from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.jukebox.conditioning.labels import Labeller, genre_words, read_ids
from harness.models.jukebox.decoding.alignment import AttentionHead, align
from harness.models.jukebox.decoding.incremental import begin_window
from harness.models.jukebox.decoding.sampling import LevelBatch, sample_level, truncate, window_starts
from harness.models.jukebox.golden import GoldenFolder
from harness.models.jukebox.golden.case import Case, song_labels
from harness.models.jukebox.network.config import PriorConfig
from harness.models.jukebox.network.prior import Prior, time_bins
from harness.models.jukebox.quirks import COPIED, NOT_COPIED
from tests.harness.models.jukebox.conftest import GOLDEN

FOLDER = GoldenFolder(GOLDEN)
GREEDY = Sampling(temperature=1.0, top_k=1)
NOTHING = torch.zeros(2, 0, dtype=torch.long)


def test_every_quirk_has_a_test_of_its_name_and_none_is_left_over():
    names = [quirk.name for quirk in (*NOT_COPIED, *COPIED)]
    tests = {name.removeprefix("test_") for name in dir(sys.modules[__name__]) if name.startswith("test_")}
    assert len(set(names)) == len(names)
    assert tests - {"every_quirk_has_a_test_of_its_name_and_none_is_left_over"} == set(names)


def uniforms(total: int, seed: int = 0) -> Tensor:
    return torch.rand(2, total, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def sample(case: Case, total: int, codes: Tensor = NOTHING, sampling: Sampling = GREEDY, hop: int = 6) -> Tensor:
    """Codes (2, total) of the songs of a case; an upsampler's codes above are zeros."""
    units = song_labels(case.labeller, case.values["metas_a"])
    labels_at = lambda start: torch.from_numpy(np.stack([case.labeller.window(s, start) for s in units]))  # noqa: E731
    above = torch.zeros(2, total, dtype=torch.long) if case.prior.config.conditioner else None
    return sample_level(case.prior, LevelBatch(labels_at, above, codes, uniforms(total)), sampling, hop)


# Not copied


@pytest.mark.parametrize("name", ["upsampler_level_1", "prior_5b", "prior_1b_lyrics"])
def test_a_short_piece_with_a_prompt_has_the_length_asked_for(name: str):
    case = FOLDER.case(name)
    total = case.prior.config.n_ctx - 4
    prompt = case.codes("z")[:, :10]
    codes = sample(case, total, prompt)
    assert codes.shape == (2, total)
    assert torch.equal(codes[:, :10], prompt)


@torch.inference_mode()
def test_what_the_caller_passed_is_left_alone():
    case = FOLDER.case("upsampler_level_1")
    y, above, prompt, numbers = case.vectors["y_a"], case.codes("z_cond"), case.codes("z")[:, :5], uniforms(40)
    before = [tensor.clone() for tensor in (y, above, prompt, numbers)]
    sampling = Sampling(temperature=0.9, top_k=8)
    runs = [sample_level(case.prior, LevelBatch(lambda _: y, above, prompt, numbers), sampling, 16) for _ in range(2)]
    assert torch.equal(*runs)
    assert all(map(torch.equal, before, (y, above, prompt, numbers)))
    with pytest.raises(FrozenInstanceError):
        sampling.top_k = 1  # type: ignore[misc]


def test_top_p_works():
    case = FOLDER.case("prior_5b")
    logits = case.vectors["preds_a"].flatten(0, 1)
    for top_k in (0, 5):
        kept = truncate(logits, Sampling(temperature=1.0, top_p=0.7, top_k=top_k)).isfinite()
        mass = (logits.softmax(-1) * kept).sum(-1)
        if top_k:
            assert kept.sum(-1).max() <= top_k
        else:
            least = logits.softmax(-1).masked_fill(~kept, torch.inf).amin(-1)
            assert (mass >= 0.7 - 1e-6).all()
            assert (mass - least < 0.7 + 1e-6).all()  # without its least likely code the set falls short
    assert sample(case, 30, sampling=Sampling(temperature=1.0, top_p=0.7)).shape == (2, 30)


def test_draws_come_from_the_clips_own_numbers():
    case, warm = FOLDER.case("prior_5b"), Sampling(temperature=1.0)
    codes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        codes.append(sample(case, 30, sampling=warm))
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*codes)


@pytest.mark.parametrize(
    ("name", "cuts"), [("prior_5b", range(1, 40, 3)), ("prior_5b_lyrics", (11, 24, 27)), ("prior_1b_lyrics", (24, 30))]
)
def test_a_level_goes_on_from_any_code(name: str, cuts):
    case = FOLDER.case(name)
    whole = sample(case, 40)
    for cut in cuts:  # windows of 24 by 6 end at 24, 30, 36 and 40
        assert torch.equal(sample(case, 40, whole[:, :cut]), whole), cut


def test_lengths_out_of_range_are_told_in_seconds():
    labeller = Labeller({}, {}, "v3", 1, 384, 786_432, 128, min_seconds=17.84, max_seconds=600.0)
    with pytest.raises(UsageError, match=r"expected \[17\.84, 600\) seconds .*pass 10,584,000 samples"):
        labeller.label("", "", "", total_length=240)


def test_an_unknown_name_is_told():
    record = FOLDER.case("prior_5b").labeller.label("Nobody Known", "Folk Tango", "", 4000).record
    assert record["artist"] == {"name": "nobody_known", "id": 0, "known": False}
    assert record["genre"][1] == {"name": "tango", "id": 0, "known": False}


# Copied


@torch.inference_mode()
def test_a_lyric_pick_becomes_code_0():
    case = FOLDER.case("orchestration_1b_lyrics")
    prior, n_vocab = FOLDER.case("prior_1b_lyrics").prior, 79
    assert prior.music_code(torch.tensor([0, n_vocab - 1, n_vocab, n_vocab + 7])).tolist() == [0, 0, 0, 7]
    picks, codes = case.codes("ancestral.level_2_raw_picks"), case.codes("ancestral.codes_level_2")
    lyric = picks < n_vocab
    assert lyric.any()
    assert (codes[lyric] == 0).all()

    # Fed back as it is or as code 0: the two are far apart, so that equal codes (test_golden) tell which is meant.
    y = case.vectors["ancestral.window_y_level_2"][0]
    after = []
    for token in (int(picks[lyric][0]), n_vocab):
        decoding = begin_window(prior, y)
        decoding.prime(prior.sequence_prompt(NOTHING, y))
        after.append(decoding.feed(torch.full((2,), token)).clone())
    assert (after[0] - after[1]).abs().max() > 0.1


def test_prime_layers_read_some_music():
    released = PriorConfig(
        level=2, n_ctx=6144, width=2048, depth=72, heads=2, bins=2048, hop=128, rate=44_100, attn_order=12, blocks=64,
        n_tokens=384, n_vocab=79, single_enc_dec=True,
    )  # fmt: skip
    assert released.transformer.prime_len == 448


@torch.inference_mode()
def test_the_previous_row_is_read_without_a_mask():
    """With the attention of the layers before it silenced, the third layer (function 3) alone carries what a token says
    to other positions: from everywhere in a row to everywhere in the next."""
    torch.manual_seed(0)
    config = PriorConfig(level=0, n_ctx=12, width=8, depth=3, heads=2, bins=5, hop=1, rate=1, blocks=3, artists=1,
                         genres=1, max_genres=1, t_bins=2, max_seconds=100.0, merged_decoder=True)  # fmt: skip
    prior = Prior(config).eval()
    for parameter in prior.parameters():
        parameter.normal_(std=0.5)
    for layer in (0, 1):
        prior.prior.transformer._attn_mods[layer].attn.c_proj.w.zero_()  # type: ignore[union-attr]
    y = torch.tensor([[50, 0, 12, 0, 0]])
    z = torch.zeros(1, 12, dtype=torch.long)
    plain = prior(z, y)
    for place in range(11):
        changed = z.clone()
        changed[0, place] = 1
        reached = ((prior(changed, y) - plain).abs().amax(-1)[0] > 1e-5).nonzero().flatten().tolist()
        read_at = place + 1  # the token is the input of the next position
        next_row = range(4 * (read_at // 4 + 1), min(4 * (read_at // 4 + 2), 12))
        assert reached == [read_at, *next_row]


def test_windows_round_in_float32():
    case = FOLDER.case("labels")
    row = next(row for row in case.values["rows"] if row["kind"].startswith("float32 rounding"))
    labeller = FOLDER.labeller(case.hparams["labellers"][row["labeller"]], "ids")
    start = row["window_starts"][0]
    window = labeller.window(labeller.label(**row["meta"]), start)
    moved = row["meta"] | {"offset": row["meta"]["offset"] + start * labeller.raw_to_tokens}
    first = labeller.label(**moved).y
    assert (window[:4] == first[:4]).all()
    assert (window != first).any()


def test_the_time_signal_is_clamped_at_the_end_of_the_song_only():
    config = PriorConfig(
        level=0, n_ctx=4, width=1, depth=1, heads=1, bins=1, hop=1, rate=1, t_bins=8, max_seconds=200.0
    )
    _, absolute, relative = time_bins(torch.tensor([[100, 50, 100]]), config)
    assert relative.tolist() == [[4, 5, 6, 7]]  # of 0.5 … 1 of the song, the end left out
    assert absolute.tolist() == [[2, 3, 4, 5]]  # 50, 75, 100, 125 of 200 s


def test_the_window_length_of_a_label_is_that_of_a_full_window():
    labeller = FOLDER.case("prior_5b").labeller
    labels = labeller.label("", "", "", total_length=500)
    assert labeller.window_samples > 500
    assert labels.y[2] == labeller.window(labels, 1)[2] == labeller.window_samples


def test_the_last_window_moves_back():
    assert window_starts(total=32, n_ctx=24, hop=3) == [0, 3, 6, 8]


def test_short_lyrics_hide_an_offset_past_the_end():
    labeller = FOLDER.case("prior_5b_lyrics").labeller
    assert labeller.label("", "", "hm", total_length=500, offset=600).y[1] == 600
    with pytest.raises(UsageError, match="lyrics have a position only before its end"):
        labeller.label("", "", "hm " * 20, total_length=500, offset=600)


def test_an_empty_genre_is_one_empty_word():
    assert genre_words("", "v2") == genre_words("", "v3") == [""]
    assert genre_words("?!", "v2") == [""]


def test_the_last_of_two_equal_names_counts(tmp_path: Path):
    (tmp_path / "ids.txt").write_text("jazz;1\nfolk;2\njazz;3\n;4\n")
    assert read_ids(tmp_path / "ids.txt") == {"jazz": 3, "folk": 2, "": 4}


def test_upsamplers_read_v2_labels_under_a_v3_prior():
    case = FOLDER.case("orchestration_1b_lyrics")
    versions = [FOLDER.case(case.hparams["modules"][f"level_{level}"]).labeller.version for level in range(3)]
    assert versions == ["v2", "v2", "v3"]
    genres = [case.vectors[f"label_y_level_{level}"][0, 4:9].tolist() for level in (0, 2)]
    assert genres[0] != genres[1]


def test_alignment_of_overlapping_windows_may_exceed_1():
    case = FOLDER.case("orchestration_5b_lyrics")
    top = FOLDER.case(case.hparams["modules"]["level_2"])
    units = song_labels(top.labeller, case.values["metas"])
    weights = align(top.prior, top.labeller, units, case.codes("ancestral.codes_level_2"), 3, AttentionHead(18, 1))
    expected = [case.vectors[f"ancestral.alignment_{row}"] for row in (0, 1)]
    for ours, theirs in zip(weights, expected, strict=True):
        assert ours.sum(1).max() == pytest.approx(theirs.sum(1).max().item(), abs=1e-4)
    assert max(w.sum(1).max() for w in weights) > 1.1


@torch.inference_mode()
def test_decoded_audio_is_not_clipped():
    case = GoldenFolder(GOLDEN).case("vqvae")  # read anew: it is changed
    codes = case.codes("codes_level_2")
    plain = case.vqvae.decode(codes, 2)
    case.vqvae.decoders[2].out.bias.add_(3.0)  # type: ignore[union-attr]
    torch.testing.assert_close(case.vqvae.decode(codes, 2), plain + 3.0)
