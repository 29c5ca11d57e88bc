import numpy as np
import pytest

from metrics.api.catalogue import CATALOGUE
from metrics.api.errors import UsageError
from metrics.api.score import EmbeddingSet
from metrics.compare.comparison import (
    check_scores,
    contrast,
    contrast_weights,
    family_p_values,
    holm,
    independent_difference,
    paired_difference,
    paired_permutation_test,
)
from metrics.sets.diversity import paired_diversity, vendi
from metrics.sets.frechet import fad, paired_fad
from metrics.sets.kernel import kad, paired_kad
from metrics.sets.similarity import centroid_similarities, paired_similarity
from metrics.stats.resampling import p_value

MADE = {"embedder": {"name": "toy"}, "preprocessing": {"rate": 16000}}


def units(n, seed, shift=0.0, scale=1.0, frames=2, provenance=MADE):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 1, 4)) + 0.4 * rng.standard_normal((n, frames, 4))
    styles = np.repeat(np.char.add("s", (np.arange(n) % 2).astype(str)), frames)
    return EmbeddingSet((scale * rows + shift).reshape(-1, 4), np.repeat(np.arange(n), frames), provenance, styles)


def mean(data, reference=None):
    return float(data.frames.mean(dtype=np.float64))


REFERENCE = units(24, 1)
FIRST = units(16, 2)
SECOND = EmbeddingSet(
    FIRST.frames + 0.2 + 0.2 * units(16, 3).frames, FIRST.units, FIRST.provenance, FIRST.strata
)  # fmt: skip


def test_a_name_is_the_metric_s_own_paired_difference():
    assert paired_difference("fad", FIRST, SECOND, REFERENCE) == paired_fad(FIRST, SECOND, REFERENCE)
    assert paired_difference("kad", FIRST, SECOND, REFERENCE) == paired_kad(FIRST, SECOND, REFERENCE)
    assert paired_difference("kad", FIRST, SECOND, REFERENCE, bandwidth=1.0).provenance["bandwidth"] == 1.0
    assert paired_difference(kad, FIRST, SECOND, REFERENCE) == paired_kad(FIRST, SECOND, REFERENCE)
    assert paired_difference("vendi", FIRST, SECOND) == paired_diversity("vendi", FIRST, SECOND)
    similar = [centroid_similarities(data, REFERENCE) for data in (FIRST, SECOND)]
    expected = paired_similarity("style_similarity", similar[0], similar[1], FIRST)
    assert paired_difference("style_similarity", FIRST, SECOND, REFERENCE) == expected


def test_a_function_is_computed_again_without_groups_of_songs():
    values = SECOND.means()[1].mean(1) - FIRST.means()[1].mean(1)
    score = paired_difference(mean, FIRST, SECOND)
    assert score.name == "mean difference"
    assert score.value == pytest.approx(values.mean(), rel=1e-5)
    # Two styles are strata: what lies between them is not counted.
    within = np.mean([values[style::2].var(ddof=1) for style in (0, 1)])
    assert score.stderr == pytest.approx(np.sqrt(within / 16), rel=0.3)
    measured = paired_difference(lambda data, reference: mean(data) - mean(reference), FIRST, SECOND, REFERENCE)
    assert measured.value == pytest.approx(score.value, rel=1e-6)
    assert measured.stderr == pytest.approx(score.stderr, rel=1e-6)  # the reference cancels


def test_a_function_that_gives_a_score_is_taken_at_its_plain_value():
    score = paired_difference(lambda data, reference: fad(data, reference), FIRST, SECOND, REFERENCE)
    own = paired_fad(FIRST, SECOND, REFERENCE)
    assert score.plain == pytest.approx(own.plain)
    assert score.value == pytest.approx(own.value, rel=1e-6)
    assert score.stderr == pytest.approx(own.stderr, rel=1e-6)


def test_what_differs_is_named():
    other = units(16, 2, provenance=MADE | {"embedder": {"name": "other"}})
    with pytest.raises(UsageError, match=r"embedder\.name is 'other' against 'toy'"):
        paired_difference("kad", FIRST, other, REFERENCE)
    other = units(16, 2, provenance=MADE | {"preprocessing": {"rate": 44100}})
    with pytest.raises(UsageError, match=r"preprocessing\.rate is 44100 against 16000"):
        paired_difference("vendi", FIRST, other)
    with pytest.raises(UsageError, match="number of clips is 16 against 12"):
        paired_difference("kad", FIRST, units(12, 2), REFERENCE)
    moved = EmbeddingSet(FIRST.frames, FIRST.units + 1, FIRST.provenance)
    with pytest.raises(UsageError, match="same songs"):
        paired_difference("vendi", FIRST, moved)
    with pytest.raises(UsageError, match="give a reference"):
        paired_difference("kad", FIRST, SECOND)
    with pytest.raises(UsageError, match="Did you mean 'kad'"):
        paired_difference("kadd", FIRST, SECOND)
    with pytest.raises(UsageError, match="takes prompt audio besides"):
        paired_difference("prompt_similarity", FIRST, SECOND)


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
    assert p_value(bend) < 0.01 < p_value(slope)
    two = contrast("kad", sets[:2], [0, 1], REFERENCE)
    assert two.stderr == pytest.approx(paired_kad(sets[0], sets[1], REFERENCE).stderr)


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
    assert found.relabellings == 64
    assert found.statistic == pytest.approx(paired_kad(small[0], small[1], REFERENCE, bandwidth=2.0).value, abs=1e-6)


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


def test_holm_s_published_steps():
    assert holm([]) == []
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    score = paired_difference(mean, FIRST, SECOND)
    assert family_p_values([score, score]) == pytest.approx([2 * p_value(score)] * 2)


def test_independent_scores_add_their_errors_and_refuse_what_differs():
    scores = [kad(data, REFERENCE) for data in (FIRST, SECOND)]
    difference = independent_difference(*scores)
    assert difference.value == scores[1].value - scores[0].value
    assert difference.stderr == pytest.approx(np.hypot(scores[0].stderr, scores[1].stderr))
    assert p_value(difference) > p_value(paired_kad(FIRST, SECOND, REFERENCE))
    with pytest.raises(UsageError, match="metric is 'kad' against 'fad'"):
        check_scores(scores[0], fad(FIRST, REFERENCE))
    with pytest.raises(UsageError, match="reference_units is 24 against 20"):
        check_scores(scores[0], kad(FIRST, units(20, 1), bandwidth=scores[0].provenance["bandwidth"]))
    with pytest.raises(UsageError, match="estimand"):
        check_scores(scores[0], kad(FIRST, REFERENCE, estimand="fixed reference"))
    with pytest.raises(UsageError, match="number of clips is 16 against 12"):
        check_scores(vendi(FIRST), vendi(units(12, 5)))
    check_scores(vendi(FIRST, clips=12), vendi(units(12, 5)))
    check_scores(kad(FIRST, REFERENCE), kad(units(12, 5), REFERENCE))
