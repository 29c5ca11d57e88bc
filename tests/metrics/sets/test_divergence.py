import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.divergence import (
    inception_score,
    is_softmax,
    kl_sigmoid,
    kl_softmax,
    kld_sigmoid_mean,
    kld_softmax_mean,
    kld_softmax_pooled,
)
from metrics.stats.resampling import jackknife


def probabilities(n, seed, frames=2, classes=4, first=1.0):
    """Rows of a Dirichlet distribution, in which the first class weighs `first`."""
    rows = np.random.default_rng(seed).dirichlet([first] + [1.0] * (classes - 1), n * frames)
    return EmbeddingSet(rows, np.repeat(np.arange(n), frames))


@pytest.mark.parametrize("classes", [1, 2, 7])
def test_the_inception_score_lies_between_one_and_the_number_of_classes(classes):
    assert inception_score(np.full((5, classes), 1 / classes)) == pytest.approx(1)
    assert inception_score(np.eye(classes)) == pytest.approx(classes)


@given(n=st.integers(1, 8), classes=st.integers(2, 6), seed=st.integers(0, 2**32))
def test_divergences_are_what_the_formulae_say(n, classes, seed):
    p, q = np.random.default_rng(seed).dirichlet(np.ones(classes), (2, n))
    assert kl_softmax(p, p) == pytest.approx(0, abs=1e-12)
    assert (kl_softmax(p, q) >= -1e-12).all()
    if min(p.min(), q.min()) > 1e-6:
        assert kl_softmax(p, q) == pytest.approx(np.sum(p * np.log(p / q), axis=1))
    marginal = p.mean(0)
    assert np.log(inception_score(p)) == pytest.approx(np.mean(np.sum(p * np.log(p / marginal), axis=1)), abs=1e-9)
    two = kl_softmax(np.stack([p[:, 0], 1 - p[:, 0]], 1), np.stack([q[:, 0], 1 - q[:, 0]], 1))
    assert kl_sigmoid(p[:, :1], q[:, :1]) == pytest.approx(two, abs=1e-5)


def test_a_class_thought_impossible_does_not_make_it_infinite():
    found = kl_softmax([[0.5, 0.5]], [[1.0, 0.0]])
    assert found == pytest.approx([0.5 * np.log(0.5) + 0.5 * np.log(0.5 / 1e-6)], rel=1e-4)
    assert np.isfinite(kl_sigmoid([[1.0]], [[0.0]])).all()


def test_scores_are_of_clips():
    made, real = probabilities(20, 1), probabilities(20, 2, first=3.0)
    clips, music = made.means()[1], real.means()[1]
    assert is_softmax(made).value == pytest.approx(inception_score(clips), rel=1e-6)
    for metric, rows in ((kld_softmax_mean, kl_softmax), (kld_sigmoid_mean, kl_sigmoid)):
        score, values = metric(made, real), rows(music, clips)
        assert score.value == pytest.approx(values.mean())
        assert score.stderr == pytest.approx(values.std(ddof=1) / np.sqrt(20))
        assert (score.direction, score.unit) == ("lower", "nats")
    pooled = kld_softmax_pooled(made, real)
    assert pooled.value == pytest.approx(kl_softmax([music.mean(0)], [clips.mean(0)])[0], rel=1e-5)
    assert pooled.value < kld_softmax_mean(made, real).value
    part = jackknife(lambda some: kld_softmax_pooled(some, real).plain, made)
    assert pooled.stderr > np.sqrt(part.variance)


def test_the_direction_is_from_the_reference():
    sure, even = probabilities(5, 3), probabilities(5, 3)
    sure = EmbeddingSet(np.tile([0.9, 0.1], (5, 1)), np.arange(5))
    even = EmbeddingSet(np.tile([0.5, 0.5], (5, 1)), np.arange(5))
    assert kld_softmax_mean(even, sure).value == pytest.approx(0.9 * np.log(1.8) + 0.1 * np.log(0.2), rel=1e-5)
    assert kld_softmax_mean(sure, even).value == pytest.approx(0.5 * np.log(5 / 9) + 0.5 * np.log(5), rel=1e-5)


def test_pairs_of_conditions():
    real, first, second = probabilities(15, 4), probabilities(15, 5), probabilities(15, 6, first=4.0)
    difference = paired_difference("kld_softmax_mean", first, second, real)
    assert difference.value == pytest.approx(kld_softmax_mean(second, real).value - kld_softmax_mean(first, real).value)


def test_what_are_no_probabilities_is_refused():
    with pytest.raises(UsageError, match="not logits"):
        inception_score([[3.0, -2.0]])
    with pytest.raises(UsageError, match=r"sum to 0\.6"):
        inception_score([[0.2, 0.4]])
    with pytest.raises(UsageError, match="clips, classes"):
        kl_softmax([[0.5, 0.5]], [[0.2, 0.3, 0.5]])
    with pytest.raises(UsageError, match="same units"):
        kld_softmax_mean(probabilities(5, 7), probabilities(6, 8))
    with pytest.raises(DegenerateInput, match="at least 3"):
        is_softmax(probabilities(2, 9))
