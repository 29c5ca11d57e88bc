"""Where the model is what varies, each samples its own conditions, of the same prompts and seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import UsageError
from harness.models import registry
from harness.models.base import Sampling
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, Experiment
from harness.prompts.prompt import Prompt
from harness.running.by_model import fingerprint_of, shares_of, whole
from harness.running.dry_run import preview
from harness.running.experiment import evaluate
from harness.running.settings import RunSettings
from harness.store.clips import Store
from metrics.embeddings import load_embedder
from metrics.reference.sets import build_reference

EXPERIMENT = Experiment(
    "models", (Condition("a", model="toy"), Condition("b", model="toy:low"), Condition("c", Sampling(0.5))), "model"
)
WALTZ = (Prompt(text="a slow waltz"), Prompt(text="a fast one"))


class Low(ToyModel):
    """Another toy, of another width."""

    name = "toy:low"
    width = 3


loaded: list[str] = []


@pytest.fixture(autouse=True)
def _two_models(monkeypatch):
    def load(name, **options):
        loaded.append(name)
        return {"toy": ToyModel, "toy:low": Low}[name]()

    loaded.clear()
    monkeypatch.setattr(registry, "load_model", load)


def settings(results: Path, **changed) -> RunSettings:
    given = {"model": "toy", "clips": 4, "seconds": 1.0, "prompts": WALTZ, "results": results, "embedders": ("toy",)}
    return RunSettings(**{**given, **changed})


@pytest.fixture
def reference(tmp_path) -> str:
    model = ToyModel()
    sounds = model.sample([model.encode(Prompt(style=style), 1.0) for style in model.styles] * 8, range(32))
    path = tmp_path / "toy.safetensors"
    build_reference([(clip.audio, clip.rate, f"{n}", "x") for n, clip in enumerate(sounds)], load_embedder("toy")).save(
        path
    )
    return str(path)


def test_each_model_has_the_conditions_that_name_it(tmp_path):
    shares = shares_of(EXPERIMENT, settings(tmp_path))
    named = [[condition.name for condition in share.plan.experiment.conditions] for share in shares]
    assert named == [["a", "c"], ["b"]]
    plan = whole(EXPERIMENT, shares)
    assert [request.condition.name for request in plan.requests] == ["a"] * 4 + ["b"] * 4 + ["c"] * 4
    assert [request.identity["model"]["name"] for request in plan.requests[::4]] == ["toy", "toy:low", "toy"]
    seeds = np.reshape([request.seed for request in plan.requests], (3, 4))
    assert (seeds == seeds[0]).all()
    assert fingerprint_of(shares)["conditions"]["b"] == Low().fingerprint()


def test_a_condition_that_names_the_model_of_the_run_has_the_clips_of_one_that_names_none(tmp_path):
    named, unnamed = (
        Experiment("one", (Condition("x", model=model), Condition("y", Sampling(0.5))), "model")
        for model in ("toy", None)
    )
    plans = [whole(one, shares_of(one, settings(tmp_path))) for one in (named, unnamed)]
    assert [request.id for request in plans[0].requests] == [request.id for request in plans[1].requests]
    both = Experiment("both", (Condition("x", model="toy"), Condition("y")), "model")
    with pytest.raises(UsageError, match="'x' and 'y' ask for the same clip"):
        shares_of(both, settings(tmp_path))


def test_models_with_styles_of_their_own_need_prompts(tmp_path):
    with pytest.raises(UsageError, match=r"toy, toy:low are compared, .* --prompt"):
        shares_of(EXPERIMENT, settings(tmp_path, prompts=()))


def test_what_one_of_them_refuses_is_known_before_the_first_clip(tmp_path, reference):
    wrong = Experiment("wrong", (Condition("a"), Condition("b", prompt={"style": "none"}, model="toy:low")), "model")
    with pytest.raises(UsageError, match="unknown style"):
        evaluate(wrong, settings(tmp_path / "results", references=(reference,)))
    assert not (tmp_path / "results" / "store").exists()


def test_a_run_of_two_models_says_which_made_what(tmp_path, reference):
    asked = settings(tmp_path / "results", references=(reference,))
    outcome = evaluate(EXPERIMENT, asked)
    assert (outcome.sampled, outcome.failures) == (12, ())
    assert loaded == ["toy", "toy:low", "toy", "toy:low"]
    found = outcome.as_dict()
    assert found["settings"]["model"] == found["model"]["name"] == "toy, toy:low"
    assert found["model"]["conditions"] == {"a": ToyModel().fingerprint(), "b": Low().fingerprint()} | {
        "c": ToyModel().fingerprint()
    }
    store = Store(tmp_path / "results" / "store")
    for condition in found["conditions"]:
        wanted = found["model"]["conditions"][condition["name"]]
        assert all(store.get(clip).record["identity"]["model"] == wanted for clip in condition["clips"])
    assert [one.label for one in outcome.differences].count("declared") == 3
    again = evaluate(EXPERIMENT, asked)
    assert (again.sampled, again.id) == (0, outcome.id)


def test_a_plan_adds_up_the_work_of_each(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.scoring.measures.Measures.load", lambda *names: None)
    monkeypatch.setattr("harness.running.dry_run.check_measurable", lambda *names: None)
    monkeypatch.setattr("harness.sampling.rates.rates_file", lambda: tmp_path / "rates.json")
    found = preview(EXPERIMENT, settings(tmp_path))
    assert [(work.model, work.audio_seconds) for work in found.works] == [("toy", 8.0), ("toy:low", 4.0)]
    assert (found.missing, found.audio_seconds, found.tokens, found.seconds) == (12, 12.0, 96, None)
