"""Every row is loaded, and says of itself what its scores say."""

import inspect
import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import metrics
from metrics import catalogue
from metrics.catalogue import CATALOGUE, Metric, available, metric
from metrics.errors import DegenerateInput, UsageError
from metrics.score import EmbeddingSet


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_every_row_is_whole_and_its_functions_are_there(row):
    assert CATALOGUE[row.name] is row
    for text in (row.title, row.unit, row.citation, row.units):
        assert text
        assert text == text.strip()
        assert "\n" not in text
    assert len(row.title) <= 100
    assert row.needs
    assert set(row.options) <= set(inspect.signature(row.load()).parameters)
    paired = row.load_paired()
    if paired is not None:
        assert [*inspect.signature(paired).parameters][:2] == ["first", "second"]
        assert set(row.options) <= set(inspect.signature(paired).parameters)
    assert json.loads(json.dumps(row.as_dict()))["needs"] == sorted(row.needs)


def styled(seed, probabilities):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(20), 48) if probabilities else rng.standard_normal((48, 20))
    return EmbeddingSet(rows, np.arange(48) // 2, {}, np.array(["a", "b", "c"])[np.arange(48) // 2 % 3])


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_a_score_and_its_row_agree(row):
    if row.needs & {"audio", "text", "likelihood"}:
        pytest.skip("takes more than sets")
    sets = [styled(seed, "probabilities" in row.needs) for seed in range(3)]
    reference = [sets[2]] if "reference" in row.needs else []
    scores = [row.load()(sets[0], *reference, **row.options)]
    if row.paired:
        scores.append(_load_paired(row)(sets[0], sets[1], *(reference or [None]), **row.options))
    for score in scores:
        assert score.name.removesuffix(" difference") == row.name
        assert (score.unit, score.direction) == (row.unit, row.direction)


def _load_paired(row):
    paired = row.load_paired()
    assert paired is not None
    return paired


@pytest.mark.parametrize("row", CATALOGUE.values(), ids=list(CATALOGUE))
def test_the_minimum_is_enough_and_one_less_is_not(row):
    if row.units != "clips" or row.needs & {"audio", "text", "likelihood"}:
        pytest.skip("takes more than sets of clips")
    options = {"components": 2} if row.name == "fad16" else row.options

    def measured(clips):
        evaluated, reference = (styled(seed, "probabilities" in row.needs) for seed in (0, 1))
        few = [data.select(data.songs < clips) for data in (evaluated, reference)]
        # KLD in pairs takes counterparts of the same clips.
        against = [few[1] if "probabilities" in row.needs else reference] if "reference" in row.needs else []
        return row.load()(few[0], *against, **options)

    assert np.isfinite(measured(row.minimum).value)
    with pytest.raises(DegenerateInput):
        measured(row.minimum - 1)


def test_names_are_listed_and_a_wrong_one_is_answered_with_the_nearest():
    assert metrics.available() == available()
    assert {"fad", "kad", "vendi", "precision"} <= set(available())
    assert metric("kad").title
    with pytest.raises(UsageError, match=r"unknown metric 'vendy'\. Did you mean 'vendi'"):
        metric("vendy")


PLUGIN = Metric("loudness", "how loud", "LUFS", "none", 1, "clips", frozenset({"audio"}), "EBU R 128", "json:loads")


def test_a_plug_in_is_found_and_a_row_of_ours_wins(monkeypatch):
    points = [
        EntryPoint(name, f"{__name__}:{target}", catalogue.ENTRY_POINTS)
        for name, target in (("loudness", "PLUGIN"), ("kad", "PLUGIN"), ("broken", "styled"))
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: points)
    monkeypatch.setattr(EntryPoint, "load", lambda point: globals()[point.attr])
    assert available()[-2:] == ["broken", "loudness"]
    assert metric("loudness") is PLUGIN
    assert metric("kad") is CATALOGUE["kad"]
    with pytest.raises(UsageError, match="is a function"):
        metric("broken")


@pytest.mark.parametrize(
    "wrong", [{"needs": frozenset({"luck"})}, {"direction": "up"}, {"minimum": 0}, {"target": "json.loads"}]
)
def test_a_row_that_is_not_declared_well_is_refused(wrong):
    with pytest.raises(UsageError, match="'loudness' is not declared well"):
        Metric(**{**vars(PLUGIN), **wrong})
