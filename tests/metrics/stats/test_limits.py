import math

import numpy as np
import pytest

from metrics.api.catalogue import CATALOGUE
from metrics.api.score import EmbeddingSet
from metrics.sets.diversity import vendi
from metrics.sets.manifold import prdc
from metrics.stats.limits import limits_of, within_limits
from metrics.stats.scoring import Kind, LeftOut, mean_score


def units(n, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return EmbeddingSet(scale * rng.standard_normal((n, 4)), np.arange(n))


def test_a_share_and_its_difference_are_cut_to_their_values():
    assert within_limits((-0.1, 1.2), "share of clips", 9, difference=False) == (0, 1)
    assert within_limits((-1.3, 1.2), "share of clips", 9, difference=True) == (-1, 1)
    assert within_limits((-0.1, 12), "clips", 9, difference=False) == (1, 9)
    assert within_limits((-0.1, 12), "squared kernel distance", 9, difference=False) == (-0.1, 12)


@pytest.mark.parametrize("name", ["precision", "recall", "coverage", "density", "vendi", "diversity", "mad"])
def test_the_limits_of_what_the_catalogue_lists_are_known(name):
    assert limits_of(CATALOGUE[name].unit, 9)[0] > -math.inf


def test_an_interval_is_cut_and_the_error_stays():
    wide = units(25, 0, 1.2)
    score = prdc(wide, units(25, 1))["precision"]
    assert score.interval is not None
    assert score.value + 2 * score.stderr > 1 >= score.interval[1] > score.value
    kind = Kind("copied", "share", "lower", needs_calibration=False)
    shares = mean_score(kind, [1.0] * 9 + [0.0], range(10))
    assert shares.interval is not None
    assert shares.interval[1] == 1


def test_vendi_is_at_most_the_clips_it_was_drawn_at():
    score = vendi(units(12, 2), clips=5)
    noisy = LeftOut(4.0, [4 + np.resize([-3.0, 3.0], 12)]).of(units(12, 2))
    wide = Kind("vendi", "clips", "higher").score(noisy, units(12, 2), about={"drawn_units": 5})
    assert score.interval is not None
    assert 1 <= score.interval[0] < score.interval[1] <= 5
    assert wide.interval == (1, 5)
