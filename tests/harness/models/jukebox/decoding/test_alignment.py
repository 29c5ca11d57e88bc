"""Attention to the lyrics: what must hold of any weights; equality with the original is in test_golden."""

from __future__ import annotations

import pytest
import torch

from harness.core.errors import UsageError
from harness.models.jukebox.decoding.alignment import HEADS, AttentionHead, align, window_attention
from harness.models.jukebox.golden import GoldenFolder
from harness.models.jukebox.golden.case import song_labels
from harness.models.jukebox.network.attention import Pattern, layer_pattern
from tests.harness.models.jukebox.conftest import GOLDEN

HOP = 7


@pytest.fixture(params=["prior_1b_lyrics", "prior_5b_lyrics"])
def case(request):
    return GoldenFolder(GOLDEN).case(request.param)


@pytest.fixture
def head(case) -> tuple[int, int]:
    hps = case.hparams["prior"]
    return hps["alignment_layer"], hps["alignment_head"]


def piece(case, total: int):
    labels = song_labels(case.labeller, case.values["metas_a"])
    codes = torch.randint(0, 64, (2, total), generator=torch.Generator().manual_seed(0))
    return labels, codes


def test_shapes_are_time_by_characters_of_each_rows_own_lyrics(case, head):
    labels, codes = piece(case, 40)
    weights = align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(*head))
    assert [w.shape for w in weights] == [(40, len(row.full_tokens)) for row in labels]
    assert len(labels[0].full_tokens) != len(labels[1].full_tokens)
    for w in weights:
        assert w.dtype == "float32"
        assert (w >= 0).all()
        assert (w <= 1).all()
        assert (w.sum(0) > 0).sum() >= case.prior.config.n_tokens


def test_a_cross_layer_gives_all_its_weight_to_the_windows_characters(case, head):
    layer, _ = head
    _, codes = piece(case, case.prior.config.n_ctx)
    sums = window_attention(case.prior, codes, case.vectors["y_a"], AttentionHead(*head)).sum(-1)
    if layer_pattern(case.prior.config.attn_order, layer) is Pattern.CROSS:
        torch.testing.assert_close(sums, torch.ones_like(sums))
    else:  # some of it goes to the music that the layer may read as well
        assert (sums < 1 - 1e-4).any()


def test_a_code_has_no_say_in_its_own_row_or_those_before(case, head):
    _, codes = piece(case, case.prior.config.n_ctx)
    changed = codes.clone()
    changed[:, 10] = (changed[:, 10] + 1) % 64
    y = case.vectors["y_a"]
    before, after = (window_attention(case.prior, z, y, AttentionHead(*head)) for z in (codes, changed))
    torch.testing.assert_close(before[:, :11], after[:, :11], atol=1e-6, rtol=0)
    assert not torch.equal(before[:, 11], after[:, 11])


def test_the_earlier_window_is_heard_where_two_overlap(case, head):
    labels, codes = piece(case, 40)
    whole = align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(*head))
    first = align(case.prior, case.labeller, labels, codes[:, : case.prior.config.n_ctx], HOP, AttentionHead(*head))
    for row, (all_of_it, beginning) in enumerate(zip(whole, first, strict=True)):
        given = case.labeller.window_characters(labels[row], 0)
        assert (all_of_it[: len(beginning), given] == beginning[:, given]).all()


def test_a_code_in_two_windows_may_have_weight_of_both(case, head):
    """As in the original: a later window stays heard for the characters that only it was given."""
    labels, codes = piece(case, 40)
    weights = align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(*head))
    assert any((w.sum(1) > 1.01).any() for w in weights)


def test_a_row_does_not_depend_on_its_neighbour(case, head):
    labels, codes = piece(case, 30)
    both = align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(*head))
    for row in (0, 1):
        [alone] = align(
            case.prior, case.labeller, labels[row : row + 1], codes[row : row + 1], HOP, AttentionHead(*head)
        )
        torch.testing.assert_close(torch.from_numpy(both[row]), torch.from_numpy(alone), atol=1e-6, rtol=0)


def test_sampling_is_left_as_it_was(case, head):
    """The hook on the layer goes away, also where a pass fails."""
    labels, codes = piece(case, 24)
    align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(*head))
    with pytest.raises(Exception, match=r"out of range|index"):
        align(case.prior, case.labeller, labels, codes + 10_000, HOP, AttentionHead(*head))
    torch.testing.assert_close(
        case.prior(case.codes("z"), case.vectors["y_a"]), case.vectors["preds_a"], atol=1e-5, rtol=0
    )


def test_layers_that_do_not_read_lyrics_are_refused(case, head):
    labels, codes = piece(case, 24)
    layer, _ = head
    with pytest.raises(UsageError, match=rf"layer 0 does not read the lyrics; those that do are .*{layer}"):
        align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(0, 0))
    with pytest.raises(UsageError, match="has heads 0 to 1"):
        align(case.prior, case.labeller, labels, codes, HOP, AttentionHead(layer, 2))


def test_a_prior_without_lyrics_is_refused():
    case = GoldenFolder(GOLDEN).case("prior_5b")
    with pytest.raises(UsageError, match="reads no lyrics"):
        window_attention(case.prior, case.codes("z"), case.vectors["y_a"], AttentionHead(0, 0))


def test_the_released_heads_read_lyrics():
    assert layer_pattern(10, HEADS["5b_lyrics"][0]) is Pattern.CROSS
    assert layer_pattern(12, HEADS["1b_lyrics"][0]) is Pattern.PRIME
