"""Costs by hand: three clips whose codes and seconds are known."""

import numpy as np
import pytest

from metrics.errors import UsageError
from metrics.sets.likelihood import Likelihoods, likelihood_score

BITS = np.array([100.0, 300.0, 200.0])
CLIPS = Likelihoods(BITS * np.log(2), [10, 20, 40], [2.0, 2.0, 4.0], ["a", "b", "c"], provenance={"model": "toy"})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("bits_per_token", [10, 15, 5]),
        ("nats_per_token", np.log(2) * np.array([10, 15, 5])),
        ("bits_per_second", [50, 150, 50]),
    ],
)
def test_a_score_is_the_mean_of_what_clips_cost(name, values):
    score = likelihood_score(name, CLIPS)
    assert CLIPS.of_clips(name) == pytest.approx(values)
    assert score.value == pytest.approx(np.mean(values))
    assert score.stderr == pytest.approx(np.std(values, ddof=1) / np.sqrt(3))
    assert (score.direction, score.n_units, score.provenance["model"]) == ("none", 3, "toy")


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="Did you mean 'bits_per_token'"):
        likelihood_score("bits_per_tokens", CLIPS)
    with pytest.raises(UsageError, match="one of each for a clip"):
        Likelihoods([1.0, 2.0], [1], [1.0], ["a"])
