import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import DegenerateInput, UsageError
from metrics.sets.adherence import (
    TextAudioPairs,
    label_accuracy,
    log_odds,
    retrieval_recall,
    tag_text_pairs,
    tag_text_similarity,
    text_audio_margin,
    text_audio_similarity,
)

DIRECTIONS: tuple[Literal["audio_to_text", "text_to_audio"], ...] = ("audio_to_text", "text_to_audio")


def pairs(pull, prompts=8, clips=5, seed=0, by: Literal["prompt", "clip"] = "prompt", dim=32):
    """Clips that lean by `pull` towards their prompt's text, in random directions otherwise."""
    rng = np.random.default_rng(seed)
    texts = rng.normal(size=(prompts, dim))
    prompt = np.repeat(np.arange(prompts), clips)
    return TextAudioPairs(pull * texts[prompt] + rng.normal(size=(len(prompt), dim)), texts[prompt], prompt, by)


def test_clips_that_are_their_texts_have_cosine_1_and_are_always_found():
    same = TextAudioPairs(np.eye(6), np.eye(6))
    score = text_audio_similarity(same)
    assert (score.value, score.provenance["shuffled"]) == (1.0, 0.0)
    assert score.provenance["margin"] == pytest.approx(1.0)
    # Of all 720 orders only the identity is as good: the number of fixed points has mean and variance 1.
    assert score.provenance["p"] == 1 / 720
    assert score.provenance["z"] == pytest.approx(5.0)
    for direction in DIRECTIONS:
        assert retrieval_recall(same, 1, direction).value == 1.0


def test_the_mean_and_its_error_are_over_prompts_or_over_clips_within_prompts():
    leaning = pairs(0.5)
    cosines, own = leaning.table()
    mine = cosines[np.arange(len(own)), own].reshape(8, 5)
    score = text_audio_similarity(leaning)
    assert score.value == pytest.approx(mine.mean())
    assert score.stderr == pytest.approx(mine.mean(axis=1).std(ddof=1) / math.sqrt(8), rel=1e-3)
    assert (score.n_units, score.n_frames) == (8, 40)
    assert text_audio_similarity(pairs(0.5, by="clip")).n_units == 40


def test_leaning_clips_stand_out_of_shuffled_pairs_and_unrelated_ones_do_not():
    assert text_audio_similarity(pairs(0.5)).provenance["z"] > 4
    unrelated = [text_audio_similarity(pairs(0.0, seed=seed)).provenance for seed in range(40)]
    assert abs(np.mean([found["z"] for found in unrelated])) < 0.5
    assert np.mean([found["p"] < 0.05 for found in unrelated]) < 0.2


def test_texts_that_lie_close_raise_matched_and_shuffled_alike():
    plain = pairs(0.5)
    offset = TextAudioPairs(plain.audio + 1, plain.text + 1, plain.prompts)
    score = text_audio_similarity(offset)
    assert score.provenance["shuffled"] > 0.8
    assert score.provenance["z"] == pytest.approx(text_audio_similarity(plain).provenance["z"], rel=0.3)


def test_the_margin_is_matched_less_shuffled_for_equal_prompts_and_leaves_out_what_all_texts_share():
    for leaning in (pairs(0.5), pairs(0.5, by="clip")):
        margin = text_audio_margin(leaning)
        assert margin.value == pytest.approx(text_audio_similarity(leaning).provenance["margin"])
        assert margin.value > 0
        assert not margin.covers(0)
    unrelated = text_audio_margin(pairs(0.0))
    assert unrelated.covers(0)
    with pytest.raises(DegenerateInput, match="at least 3"):
        text_audio_margin(pairs(1.0, prompts=2))


@pytest.mark.parametrize(("k", "by_text", "by_audio"), [(1, 1 / 4, 1 / 4), (2, 2 / 4, 1 - 15 / 28), (3, 3 / 4, 9 / 14)])
def test_vectors_all_alike_come_to_chance(k, by_text, by_audio):
    """Four prompts with two clips each: of 8 clips, C(6, k) of C(8, k) choices hold none of the two."""
    alike = TextAudioPairs(np.ones((8, 3)), np.ones((8, 3)), np.repeat(np.arange(4), 2))
    for direction, expected in zip(DIRECTIONS, (by_text, by_audio), strict=True):
        score = retrieval_recall(alike, k, direction)
        assert score.value == score.provenance["chance"] == pytest.approx(expected)
    assert text_audio_similarity(alike).provenance["z"] is None


@given(st.integers(0, 1000), st.integers(1, 6))
def test_recall_grows_with_k(seed, k):
    leaning = pairs(0.2, seed=seed, clips=2)
    for direction in DIRECTIONS:
        less, more = (retrieval_recall(leaning, n, direction).value for n in (k, k + 1))
        assert 0 <= less <= more <= 1


def test_few_prompts_are_said_to_be_few():
    score = text_audio_similarity(pairs(1.0, prompts=3))
    assert not score.reliable
    assert "take 5 or more" in score.why
    assert text_audio_similarity(pairs(1.0, prompts=5)).reliable


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(UsageError, match=r"\(2, 3\) came with text \(3, 3\)"):
        TextAudioPairs(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(UsageError, match="different texts"):
        TextAudioPairs(np.eye(3), np.eye(3), np.array([0, 0, 1]))
    with pytest.raises(UsageError, match="2 candidates"):
        retrieval_recall(pairs(1.0, prompts=2), 2)
    with pytest.raises(DegenerateInput, match="one prompt"):
        TextAudioPairs(np.eye(3), np.ones((3, 3)))
    with pytest.raises(DegenerateInput, match="NaN"):
        TextAudioPairs(np.full((2, 2), np.nan), np.eye(2))
    with pytest.raises(DegenerateInput, match="point nowhere"):
        TextAudioPairs(np.zeros((2, 2)), np.eye(2))
    with pytest.raises(DegenerateInput, match='by="clip"'):
        text_audio_similarity(pairs(1.0, prompts=2))
    assert text_audio_similarity(pairs(1.0, prompts=2, by="clip")).n_units == 10


def test_accuracy_is_given_with_chance_and_each_label():
    asked = ["a"] * 4 + ["b"] * 4
    score = label_accuracy(["a", "a", "a", "b", "b", "b", "b", "b"], asked)
    assert score.value == pytest.approx(7 / 8)
    assert score.provenance["recall"] == {"a": 0.75, "b": 1.0}
    assert score.provenance["chance"] == pytest.approx(0.5)
    assert label_accuracy(["a"] * 8, asked).value == label_accuracy(["a"] * 8, asked).provenance["chance"] == 0.5
    with pytest.raises(UsageError, match="one each"):
        label_accuracy(["a"], asked)


TAGS = ("drums", "flute", "piano", "choir")


def encode(texts):
    """Each of four words in a direction of its own, on a common offset; a text is the sum of its words."""
    return np.array([[10.0 + (tag in text.split()) for tag in TAGS] for text in texts])


def heard(*tags):
    return [0.6 if tag in tags else 0.05 for tag in TAGS]


def test_tags_that_are_heard_are_compared_with_the_words_of_the_prompt():
    probabilities = [heard(tag) for tag in TAGS for _ in range(2)]
    texts = [f"a piece for {tag}" for tag in TAGS for _ in range(2)]
    score = tag_text_similarity(tag_text_pairs(encode, TAGS, probabilities, texts))
    assert score.name == "tag_text_similarity"
    assert score.value > 0.95
    assert score.provenance["shuffled"] < 0
    wrong = tag_text_similarity(tag_text_pairs(encode, TAGS, probabilities, texts[2:] + texts[:2]))
    assert wrong.value < 0


def test_a_tag_that_is_always_heard_says_nothing():
    """Against a background in which the piano is everywhere, a clip with a piano and a flute is one for flute."""
    always = [heard("piano", tag) for tag in ("flute", "drums", "choir")]
    background = log_odds([heard("piano")])[0]
    texts = ["flute", "drums", "choir"]
    assert tag_text_similarity(tag_text_pairs(encode, TAGS, always, texts, background)).value > 0.95


def test_tags_and_probabilities_are_checked():
    with pytest.raises(UsageError, match=r"\(2, 3\) for 2 texts and 4 tags"):
        tag_text_pairs(encode, TAGS, np.full((2, 3), 0.5), ["drums", "flute"])
    with pytest.raises(UsageError, match="outside 0 … 1"):
        log_odds([0.5, np.nan])
    with pytest.raises(DegenerateInput, match="point nowhere"):
        tag_text_pairs(encode, TAGS, np.full((2, 4), 0.5), ["drums", "flute"])
    assert np.isfinite(log_odds([0.0, 1.0])).all()
