from dataclasses import replace

import numpy as np
import pytest
from scipy.special import stdtr

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import difference_of, paired_difference
from metrics.compare.family import HOLM, MAX_T, family, family_p_values, holm
from metrics.sets.kernel import kad
from metrics.stats.scoring import Kind, mean_score
from tests.metrics.compare.conditions import FIRST, REFERENCE, SECOND, mean, p_of

UNITS = np.arange(20)


def conditions(count, seed=0, shift=0.0, common=1.0):
    """Conditions of 20 units of one number each, the first lower by `shift` units of the noise."""
    rng = np.random.default_rng(seed)
    shared = common * rng.standard_normal((20, 1))
    return [EmbeddingSet(shared + rng.standard_normal((20, 1)) + shift * (n > 0), UNITS) for n in range(count)]


def test_a_family_of_one_is_not_adjusted():
    [only] = family([paired_difference("kad", FIRST, SECOND, REFERENCE)])
    assert (only.p_adjusted, only.family_interval) == (only.p, only.interval)
    assert only.provenance["family"]["tested"] == 1


def test_adjusted_p_lie_between_raw_and_bonferroni():
    sets = conditions(4, shift=0.6)
    found = [paired_difference(mean, sets[0], other) for other in sets[1:]]
    for raw, one in zip(found, family(found), strict=True):
        assert (one.value, one.p, one.interval) == (raw.value, raw.p, raw.interval)
        assert one.p_adjusted is not None
        assert p_of(raw) < one.p_adjusted <= 3 * p_of(raw)
        assert one.interval is not None
        assert one.family_interval is not None
        assert one.family_interval[0] < one.interval[0] < one.interval[1] < one.family_interval[1]
        assert one.provenance["family"] == {"tested": 3, "method": MAX_T, "seed": 0, "draws": 20_000}
    assert family(found) == family(found)
    assert family_p_values(found) == [one.p_adjusted for one in family(found)]


def test_the_same_difference_twice_costs_nothing():
    found = paired_difference(mean, *conditions(2, seed=1, shift=0.3))
    for one in family([found, found, found]):
        assert one.p_adjusted == pytest.approx(found.p, abs=0.006)


def test_independent_differences_cost_what_sidak_s_formula_says():
    found = [paired_difference(mean, *conditions(2, seed=seed, shift=0.35)) for seed in range(5)]
    for number, one in enumerate(found):
        # Units of other ids are other units: their samples are independent.
        first, second = (EmbeddingSet(data.frames, UNITS + 100 * number) for data in conditions(2, number, 0.35))
        found[number] = replace(paired_difference(mean, first, second), provenance=one.provenance)
    for one in family(found):
        # Exact for independent normal statistics; t statistics share a scale, which matters little at 19 degrees.
        assert one.p_adjusted == pytest.approx(1 - (1 - p_of(one)) ** 5, abs=0.03)


def test_the_joint_law_is_that_of_correlated_t_statistics():
    """Three conditions against a common one with no shared clip effect: correlations of one half (Dunnett, 1955)."""
    sets = conditions(4, seed=7, common=0.0)
    found = family([paired_difference(mean, sets[0], other) for other in sets[1:]], draws=200_000)
    rng, draws = np.random.default_rng(5), 100_000
    errors = np.stack([data.frames[:, 0].astype(float) for data in sets])
    contrasts = errors[1:] - errors[0]
    correlation = np.corrcoef(contrasts)
    root = np.linalg.cholesky(correlation).T
    # Variances are estimated from 19 more vectors of the same law.
    variances = np.mean((rng.standard_normal((draws, 19, 3)) @ root) ** 2, axis=1)
    t = np.abs(rng.standard_normal((draws, 3)) @ root / np.sqrt(variances)).max(1)
    for one in found:
        assert one.p_adjusted == pytest.approx(float(np.mean(t >= abs(one.value / one.stderr))), abs=0.01)


def test_about_five_percent_of_null_families_have_a_significant_member():
    """Three conditions against one, all of one law. Without adjustment it would be 13 %; 1500 families gave 6.0 %."""
    kind, false, raw = Kind("loudness", "LUFS", "none", needs_calibration=False), 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        common = rng.standard_normal(20)
        scores = [mean_score(kind, common + rng.standard_normal(20), range(20)) for _ in range(4)]
        found = family([difference_of(scores[0], other) for other in scores[1:]], draws=2000)
        false += any(one.significant for one in found)
        raw += any(p_of(one) < 0.05 for one in found)
    assert 2 <= false <= 20 < raw


def test_what_is_identical_or_has_no_interval_is_left_as_it_is():
    same = paired_difference("kad", FIRST, FIRST, REFERENCE)
    other = paired_difference("kad", FIRST, SECOND, REFERENCE)
    bare = replace(other, interval=None, p=None)
    done = family([same, other, bare])
    assert (done[0].p_adjusted, done[0].family_interval) == (1, (0, 0))
    assert done[1].p_adjusted == other.p
    assert done[2] == bare


def test_holm_is_for_what_has_no_joint_replicates_and_says_so():
    scores = [replace(kad(data, REFERENCE), replicates=None) for data in (FIRST, SECOND)]
    found = [difference_of(*scores), paired_difference("kad", FIRST, SECOND, REFERENCE)]
    done = family(found)
    assert [one.p_adjusted for one in done] == pytest.approx(holm([p_of(one) for one in found]))
    assert all(one.family_interval is None and one.provenance["family"]["method"] == HOLM for one in done)
    assert all("the interval is of one test" in one.note for one in done)


def test_holm_s_published_steps():
    assert holm([]) == []
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_very_small_p_are_adjusted_by_bonferroni():
    sets = conditions(3, seed=11, shift=6.0)
    for one in family([paired_difference(mean, sets[0], other) for other in sets[1:]]):
        assert p_of(one) < 1e-6
        assert one.p_adjusted == pytest.approx(2 * p_of(one))
        df = one.provenance["df"]
        assert one.p == pytest.approx(2 * stdtr(df, -abs(one.value / one.stderr)))
