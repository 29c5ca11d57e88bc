"""Every row is loaded, and says of itself what its scores say."""

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest

import metrics
from metrics.api.catalogue import CATALOGUE, METRICS, NEEDS, Metric, available, metric
from metrics.api.score import EmbeddingSet
from metrics.compare.difference import difference_of, paired_difference
from metrics.errors import BrokenPlugin, DegenerateInput, UsageError
from metrics.sets.adherence import TextAudioPairs
from metrics.sets.likelihood import Likelihoods
from metrics.waves.clips import AudioSet
from metrics.waves.copies import CopyIndex
from tests.distributions import install
from tests.metrics import synthetic


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_row_is_whole_and_its_functions_are_there(row):
    assert CATALOGUE[row.name] is row
    for text in (row.title, row.unit, row.citation, row.units):
        assert text
        assert text == text.strip()
        assert "\n" not in text
    assert len(row.title) <= 100
    assert row.needs
    assert row.needs <= NEEDS.keys()
    assert set(row.options) <= set(inspect.signature(row.load()).parameters)
    assert not row.compare_by or not metric(row.compare_by).compare_by
    told = json.loads(json.dumps(row.as_dict()))
    assert (told["needs"], told["leading"]) == (sorted(row.needs), list(row.leading))


def styled(seed, probabilities):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(20), 48) if probabilities else rng.standard_normal((48, 20))
    return EmbeddingSet(rows, np.arange(48) // 2, {}, np.array(["a", "b", "c"])[np.arange(48) // 2 % 3])


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_a_score_and_its_row_agree(row):
    sets = [styled(seed, "probabilities" in row.needs) for seed in range(3)]
    reference = [sets[2]] if row.needs & {"reference", "known"} else []
    found = row.load()(*(others(row) or [sets[0], *reference]), **row.options)
    if row.gives != "score":
        values = [found] if row.gives == "number" else list(found.values())
        assert all(isinstance(value, float) for value in values)
        return
    assert found.name == row.name
    assert (found.unit, found.direction) == (row.unit, row.direction)
    difference = difference_of(found, found)
    assert (difference.value, difference.unit, difference.direction) == (0, row.unit, row.direction)


def others(row):
    """What is measured where that is not a set of embeddings or probabilities."""
    if "text" in row.needs:
        rng = np.random.default_rng(0)
        return [TextAudioPairs(rng.standard_normal((7, 4)), rng.standard_normal((7, 4)))]
    if "labels" in row.needs and "predictions" in row.needs:
        return [["folk", "jazz", "folk"]] * 2
    if "likelihood" in row.needs:
        return [Likelihoods([30.0, 40.0, 50.0], [10, 10, 20], [1.0, 2.0, 2.0], [0, 1, 2])]
    if "prompt audio" in row.needs and "embedding" in row.needs:
        return [styled(0, False), styled(1, False)]
    if "audio" not in row.needs:
        return None
    clips = AudioSet([synthetic.random_notes(seed, 7.0) for seed in range(3)], synthetic.RATE, range(3))
    known = CopyIndex([("other", synthetic.random_notes(9, 7.0), synthetic.RATE)])
    return [clips, known] if "known audio" in row.needs else [clips] * (2 if "prompt audio" in row.needs else 1)


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_the_minimum_is_enough_and_one_less_is_not(row):
    if row.units != "clips" or not row.needs & {"embedding", "probabilities"} or row.needs & {"prompt audio", "text"}:
        pytest.skip("takes more than sets of clips")
    options = {"components": 2} if row.name == "fad16" else row.options

    def measured(clips):
        evaluated, reference = (styled(seed, "probabilities" in row.needs) for seed in (0, 1))
        few = [data.select(data.units < clips) for data in (evaluated, reference)]
        # KLD in pairs takes counterparts of the same clips.
        given = row.needs & {"reference", "known"}
        against = [few[1] if "probabilities" in row.needs else reference] if given else []
        return row.load()(few[0], *against, **options)

    found = measured(row.minimum)
    values = list(found.values()) if isinstance(found, dict) else [getattr(found, "value", found)]
    assert np.isfinite(values).all()
    if row.minimum > 1:
        with pytest.raises(DegenerateInput):
            measured(row.minimum - 1)


def test_names_are_listed_and_a_wrong_one_is_answered_with_the_nearest():
    assert metrics.available() == available()
    assert {"fad", "kad", "vendi", "precision"} <= set(available())
    assert metric("kad").title
    with pytest.raises(UsageError, match=r"unknown metric 'vendy'\. Did you mean 'vendi'"):
        metric("vendy")


def test_what_has_no_difference_says_what_to_compare_by():
    sets = [styled(seed, False) for seed in range(3)]
    for row in CATALOGUE.values():
        if row.compare_by:
            with pytest.raises(UsageError, match=rf"{row.name} is not compared in pairs: .* by 'fad'"):
                paired_difference(row.name, sets[0], sets[1], sets[2])


PLUGIN = Metric("heard", "how loud", "LUFS", "none", 1, "clips", frozenset({"audio"}), "EBU R 128", "json:loads")


UNWRITABLE = replace(PLUGIN, name="unwritable", options={"by": object()})
ELSEWHERE = replace(PLUGIN, name="elsewhere", target="no_such_module:f")


def test_plug_ins_are_found_one_by_one_and_a_row_of_ours_wins(tmp_path, monkeypatch):
    points = {
        **{name: f"{__name__}:PLUGIN" for name in ("heard", "kad", "renamed")},
        **{"broken": f"{__name__}:styled", "unwritable": f"{__name__}:UNWRITABLE", "absent": "no_such_module:X"},
        "elsewhere": f"{__name__}:ELSEWHERE",
    }
    install(tmp_path, "plug", {METRICS.entry_point_group or "": points}, version="2")
    monkeypatch.syspath_prepend(tmp_path)
    assert available() == [*CATALOGUE, "elsewhere", "heard"]
    assert metric("heard") is PLUGIN
    assert metric("heard").load() is json.loads
    assert metric("kad") is CATALOGUE["kad"]
    for name in ("broken", "renamed", "unwritable", "absent"):
        with pytest.raises(BrokenPlugin) as caught:
            metric(name)
        assert (caught.value.name, caught.value.distribution) == (name, "plug")
    with pytest.raises(BrokenPlugin) as caught:
        metric("elsewhere").load()
    assert caught.value.version == "2"


def test_a_row_of_ones_own_whose_function_is_not_there_is_a_mistake():
    with pytest.raises(UsageError):
        ELSEWHERE.load()


@pytest.mark.parametrize(
    "wrong",
    [{"needs": frozenset({"luck"})}, {"direction": "up"}, {"minimum": 0}, {"target": "json.loads"}, {"gives": "hope"}],
)
def test_a_row_that_is_not_declared_well_is_refused(wrong):
    with pytest.raises(UsageError, match="'heard' is not declared well"):
        Metric(**{**vars(PLUGIN), **wrong})
