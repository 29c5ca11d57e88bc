import numpy as np
import pytest

from metrics.api.catalogue import CATALOGUE
from metrics.api.score import EmbeddingSet
from metrics.compare.comparison import contrast, contrast_weights, paired_permutation_test
from metrics.compare.difference import paired_difference
from metrics.errors import UsageError
from metrics.sets.kernel import kad
from tests.metrics.compare.conditions import FIRST, REFERENCE, SECOND, mean, p_of


def test_a_contrast_is_that_of_the_values_with_the_jackknife_s_error():
    """Of a mean over songs the contrast is a mean over songs: its error is known."""
    rng = np.random.default_rng(4)
    levels, noise = [0.7, 0.8, 1.0, 1.3], 0.1 * rng.standard_normal((4, 20, 1))
    common = 10 * rng.standard_normal((20, 1))
    sets = [EmbeddingSet(common + 2 * x + eps, np.arange(20)) for x, eps in zip(levels, noise, strict=True)]
    weights = contrast_weights(levels)
    by_song = np.tensordot(weights, np.stack([data.frames[:, 0].astype(np.float64) for data in sets]), 1)
    slope = contrast(mean, sets, levels)
    assert slope.value == pytest.approx(by_song.mean(), rel=1e-4)
    assert slope.stderr == pytest.approx(by_song.std(ddof=1) / np.sqrt(20), rel=1e-3)
    assert slope.value == pytest.approx(2, abs=5 * slope.stderr)
    assert slope.name == "mean linear contrast"
    bend = contrast(mean, sets, levels, shape="quadratic")
    assert abs(bend.value) < 4 * bend.stderr
    assert bend.unit.endswith("per level²")


def test_a_contrast_of_a_distance():
    sets = [
        EmbeddingSet(FIRST.frames + shift, FIRST.units, FIRST.provenance, FIRST.strata) for shift in (-0.9, 0.0, 0.9)
    ]
    values = [kad(data, REFERENCE).value for data in sets]
    slope = contrast("kad", sets, [0, 1, 2], REFERENCE)
    bend = contrast("kad", sets, [0, 1, 2], REFERENCE, shape="quadratic")
    assert slope.value == pytest.approx((values[2] - values[0]) / 2)
    assert bend.value == pytest.approx((values[0] - 2 * values[1] + values[2]) / 2)
    assert p_of(bend) < 0.01 < p_of(slope)
    two = contrast("kad", sets[:2], [0, 1], REFERENCE)
    pair = paired_difference("kad", sets[0], sets[1], REFERENCE)
    assert (two.value, two.stderr, two.p) == pytest.approx((pair.value, pair.stderr, pair.p))


@pytest.mark.parametrize(("shape", "degree"), [("linear", 1), ("quadratic", 2)])
def test_weights_are_those_of_least_squares(shape, degree):
    levels, values = np.array([0.7, 0.85, 0.99, 1.4]), np.array([3.0, 1.0, 4.0, 1.5])
    weights = contrast_weights(levels, shape)
    assert weights.sum() == pytest.approx(0, abs=1e-12)
    assert weights @ values == pytest.approx(np.polyfit(levels, values, degree)[0])


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="at least 3 different"):
        contrast_weights([0, 1], "quadratic")
    with pytest.raises(UsageError, match="at least 2 different"):
        contrast_weights([1, 1])
    with pytest.raises(UsageError, match="linear or quadratic"):
        contrast_weights([0, 1, 2], "cubic")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="2 conditions came with 3 levels"):
        contrast(mean, [FIRST, SECOND], [0, 1, 2])


def test_swapping_conditions_tests_any_metric():
    assert paired_permutation_test("vendi", FIRST, FIRST, permutations=9).p == 1
    found = paired_permutation_test(mean, FIRST, SECOND, permutations=199)
    assert found.p <= 0.05
    small = [data.select(data.units < 6) for data in (FIRST, SECOND)]
    found = paired_permutation_test("kad", small[0], small[1], REFERENCE, bandwidth=2.0)
    assert found.permutations == 64
    assert found.statistic == pytest.approx(
        paired_difference("kad", small[0], small[1], REFERENCE, bandwidth=2.0).value, abs=1e-6
    )


COMPARED = [row for row in CATALOGUE.values() if row.needs <= {"embedding", "reference"} and not row.compare_by]


@pytest.mark.parametrize("row", COMPARED, ids=[row.name for row in COMPARED])
def test_the_error_and_the_test_are_of_one_difference(row):
    """The centre that cosines are seen from is the reference's in both where there is one, and the origin in both."""
    options = {"components": 3} if row.name == "fad16" else {}
    for reference in (REFERENCE, None):
        if reference is None and "reference" in row.needs:
            with pytest.raises(UsageError, match="give a reference"):
                paired_permutation_test(row.name, FIRST, SECOND, permutations=1)
            continue
        difference = paired_difference(row.name, FIRST, SECOND, reference, **options)
        test = paired_permutation_test(row.name, FIRST, SECOND, reference, permutations=1, **options)
        assert test.statistic == pytest.approx(difference.plain, rel=1e-4, abs=1e-5)


def test_what_has_no_difference_is_not_tested_either():
    with pytest.raises(UsageError, match="compare conditions by 'fad'"):
        paired_permutation_test("fad_infinity", FIRST, SECOND, REFERENCE)
    with pytest.raises(UsageError, match="loudness takes audio besides"):
        paired_permutation_test("loudness", FIRST, SECOND)
