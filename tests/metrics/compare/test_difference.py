import json
from dataclasses import replace

import numpy as np
import pytest

from metrics.api.catalogue import CATALOGUE, metric
from metrics.api.replicates import Replicates, pack_replicates, unpack_replicates
from metrics.api.score import EmbeddingSet
from metrics.compare.checks import TAKEN_AS_SETS, check_scores
from metrics.compare.difference import difference_of, paired_difference, paired_fad
from metrics.compare.family import family
from metrics.errors import UsageError
from metrics.sets.diversity import vendi
from metrics.sets.frechet import fad
from metrics.sets.frechet_variants import fad_infinity
from metrics.sets.kernel import kad
from metrics.stats.scoring import Kind, mean_score
from tests.metrics.compare.conditions import FIRST, MADE, REFERENCE, SECOND, mean, p_of, units

ROWS = [
    row
    for row in CATALOGUE.values()
    if row.gives == "score" and not row.compare_by and row.needs <= TAKEN_AS_SETS and "predictions" not in row.needs
]


def sets_for(row, seed, shift=0.3):
    """Two conditions of 15 units in three styles, and a reference of the same ids, for metrics of any kind."""
    rng = np.random.default_rng(seed)
    ids, styles = (
        np.repeat([f"p{n:02d}#000" for n in range(15)], 3),
        np.repeat(np.array(list("abc"))[np.arange(15) % 3], 3),
    )
    between = rng.standard_normal((15, 20)).repeat(3, axis=0)
    found = []
    for number in range(3):
        rows = 1 + between + rng.standard_normal((45, 20)) + (shift * number if number < 2 else 0)
        if "probabilities" in row.needs:
            rows = np.exp(rows) / np.exp(rows).sum(1, keepdims=True)
        found.append(EmbeddingSet(rows, ids, MADE, styles))
    return found


def excludes_zero(interval):
    return interval[0] > 0 or interval[1] < 0


def measured(row, data, reference):
    options = {"components": 3} if row.name == "fad16" else {}
    return row.load()(data, **{**row.arguments(reference), **options})


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_stored_scores_give_the_difference_that_the_sets_give(row):
    for seed, shift in ((0, 0.0), (1, 0.3), (2, 1.0)):
        first, second, reference = sets_for(row, seed, shift)
        scores = [measured(row, data, reference) for data in (first, second)]
        stored = json.loads(json.dumps(pack_replicates({str(n): score.replicates for n, score in enumerate(scores)})))
        back = unpack_replicates(stored)
        assert back == {str(n): score.replicates for n, score in enumerate(scores)}
        options = {"components": 3} if row.name == "fad16" else {}
        expected = paired_difference(row.name, first, second, reference, **options)
        found = difference_of(*(replace(score, replicates=back[str(n)]) for n, score in enumerate(scores)))
        assert found == expected
        assert found.paired
        assert found.value == pytest.approx(scores[1].value - scores[0].value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_zero_lies_outside_an_interval_exactly_when_the_p_beside_it_is_below_5_percent(row):
    outside = []
    for seed, shift in enumerate((0.0, 0.0, 0.1, 0.2, 0.3, 0.5, 1.0)):
        first, second, reference = sets_for(row, seed, shift)
        scores = [measured(row, data, reference) for data in (first, second)]
        found = [difference_of(*scores), difference_of(*scores, paired=False)]
        for one in [*found, *family(found)]:
            if one.interval is None:
                assert one.p is one.p_adjusted is one.family_interval is None
                continue
            assert excludes_zero(one.interval) == (p_of(one) < 0.05)
            outside.append(p_of(one) < 0.05)
            if one.family_interval is not None and one.p_adjusted is not None:
                assert excludes_zero(one.family_interval) == (one.p_adjusted < 0.05) == one.significant
    if row.name in ("kad", "vendi", "diversity"):
        assert len(set(outside)) == 2


def test_a_name_and_its_function_are_one_metric():
    assert paired_difference("fad", FIRST, SECOND, REFERENCE) == paired_fad(FIRST, SECOND, REFERENCE)
    assert paired_difference(kad, FIRST, SECOND, REFERENCE) == paired_difference("kad", FIRST, SECOND, REFERENCE)
    assert paired_difference("kad", FIRST, SECOND, REFERENCE, bandwidth=1.0).provenance["bandwidth"] == 1.0


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


def test_conditions_that_are_the_same_are_called_identical():
    again = EmbeddingSet(SECOND.frames.copy(), SECOND.units, SECOND.provenance, SECOND.strata)
    for name in ("kad", "vendi", "mad", "style_similarity"):
        found = paired_difference(name, SECOND, again, REFERENCE)
        assert (found.value, found.stderr, found.interval, found.p, found.note) == (0, 0, (0, 0), 1, "identical")
        assert not found.significant


def test_conditions_of_other_units_are_independent_but_for_their_reference():
    moved = EmbeddingSet(SECOND.frames, SECOND.units + 100, SECOND.provenance, SECOND.strata)
    scores = [kad(data, REFERENCE) for data in (FIRST, moved)]
    found = difference_of(*scores)
    assert not found.paired
    assert "independent sets" in found.note
    assert found.value == pytest.approx(scores[1].value - scores[0].value)
    own = [kad(data, REFERENCE, estimand="fixed reference").stderr for data in (FIRST, moved)]
    assert np.hypot(own[0], own[1]) < found.stderr < np.hypot(scores[0].stderr, scores[1].stderr)
    assert p_of(found) > p_of(paired_difference("kad", FIRST, SECOND, REFERENCE))
    with pytest.raises(UsageError, match="the same units in the same strata"):
        difference_of(*scores, paired=True)


def test_equal_ids_are_not_a_pair_where_the_caller_says_so():
    scores = [vendi(data) for data in (FIRST, SECOND)]
    found = difference_of(*scores, paired=False)
    assert not found.paired
    assert found.stderr == pytest.approx(np.hypot(scores[0].stderr, scores[1].stderr))


def test_scores_without_replicates_add_their_errors():
    scores = [replace(kad(data, REFERENCE), replicates=None) for data in (FIRST, SECOND)]
    found = difference_of(*scores)
    assert found.replicates is None
    assert found.stderr == pytest.approx(np.hypot(scores[0].stderr, scores[1].stderr))
    with pytest.raises(UsageError, match="without replicates"):
        difference_of(*scores, paired=True)
    without_interval = difference_of(*(fad_infinity(data, REFERENCE, 2) for data in (FIRST, SECOND)))
    assert without_interval.interval is without_interval.p is None


def test_units_that_lack_a_value_stay_in_pairs():
    kind = Kind("loudness", "LUFS", "none", needs_calibration=False)
    values = np.random.default_rng(3).standard_normal(24)
    first, second = list(values), list(values + 0.5)
    first[3], second[8] = None, None
    found = difference_of(*(mean_score(kind, column, range(24)) for column in (first, second)))
    assert found.paired
    left, right = (np.mean([value for value in column if value is not None]) for column in (first, second))
    assert found.value == pytest.approx(right - left)
    assert found.stderr < 0.5 * values.std() / np.sqrt(24) * np.sqrt(2)
    whole = difference_of(*(mean_score(kind, column, range(24)) for column in (values, values + 0.5)))
    assert whole.stderr == pytest.approx(0, abs=1e-12)


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
    with pytest.raises(UsageError, match="same units"):
        paired_difference("vendi", FIRST, moved)
    with pytest.raises(UsageError, match="give a reference"):
        paired_difference("kad", FIRST, SECOND)
    with pytest.raises(UsageError, match="Did you mean 'kad'"):
        paired_difference("kadd", FIRST, SECOND)
    with pytest.raises(UsageError, match="takes prompt audio besides"):
        paired_difference("prompt_similarity", FIRST, SECOND)
    bare = EmbeddingSet(SECOND.frames, SECOND.units, SECOND.provenance)
    with pytest.raises(UsageError, match="strata of their units differ"):
        paired_difference("vendi", FIRST, bare)


def test_scores_that_were_measured_differently_are_refused():
    score = kad(FIRST, REFERENCE)
    with pytest.raises(UsageError, match="metric is 'kad' against 'fad'"):
        check_scores(score, fad(FIRST, REFERENCE))
    with pytest.raises(UsageError, match="reference_units is 24 against 20"):
        check_scores(score, kad(FIRST, units(20, 1), bandwidth=score.provenance["bandwidth"]))
    with pytest.raises(UsageError, match="estimand"):
        check_scores(score, kad(FIRST, REFERENCE, estimand="fixed reference"))
    with pytest.raises(UsageError, match="number of clips is 16 against 12"):
        check_scores(vendi(FIRST), vendi(units(12, 5)))
    prompts = EmbeddingSet(FIRST.frames, FIRST.units, MADE | {"sampling_unit": "prompt"}, FIRST.strata)
    with pytest.raises(UsageError, match="sampling_unit is None against 'prompt'"):
        difference_of(score, kad(prompts, REFERENCE))
    check_scores(vendi(FIRST, clips=12), vendi(units(12, 5)))
    check_scores(score, kad(units(12, 5), REFERENCE))


def test_a_difference_takes_more_units_than_a_score_where_simulation_said_so():
    one, pair = fad(FIRST, REFERENCE, 2), paired_fad(FIRST, SECOND, REFERENCE, 2)
    assert not pair.reliable
    assert "24 reference tracks, and it takes" in pair.why
    assert one.why
    plug_in = paired_difference(mean, FIRST, SECOND)
    assert (plug_in.reliable, plug_in.why) == (True, "")


def test_what_it_generalises_to_follows_from_unit_and_estimand():
    assert kad(FIRST, REFERENCE).generalises_to == "these prompts; music like this reference"
    assert kad(FIRST, REFERENCE, estimand="fixed reference").generalises_to == "these prompts; this reference"
    assert vendi(FIRST, REFERENCE).generalises_to == "these prompts; this reference"
    assert vendi(FIRST).generalises_to == "these prompts"
    effect = metric("prompt_effect").load()(FIRST, prompts={unit: f"p{unit % 4}" for unit in range(16)})
    assert effect.generalises_to == "prompts like these"
    told = json.loads(json.dumps(paired_difference("kad", FIRST, SECOND, REFERENCE).as_dict()))
    assert told["generalises_to"] == "these prompts; music like this reference"
    assert told.keys() >= {"value", "stderr", "interval", "p", "family_interval", "p_adjusted", "why", "significant"}


def test_replicates_of_another_shape_are_refused():
    found = kad(FIRST, REFERENCE).replicates
    assert found is not None
    assert Replicates.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    with pytest.raises(UsageError, match="measure the clips again"):
        Replicates.from_dict({"plain": 1.0})
    with pytest.raises(UsageError, match="measure the clips again"):
        unpack_replicates({"scores": {"kad": {}}})
