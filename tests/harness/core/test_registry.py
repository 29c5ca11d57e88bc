"""Every group of plug-ins: a good one is used like what is built in, a broken one is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pytest

from harness.core import registry as groups
from harness.core.errors import BrokenPlugin
from harness.core.registry import REGISTRIES
from harness.listening.kinds.catalogue import Scale, StudyKind, find_kind, kinds
from harness.models.registry import load_model
from harness.models.toy import ToyModel
from harness.planning.experiment import Condition, experiment
from harness.planning.registry import declarations
from harness.prompts.sets import load_prompt_set, prompt_set_names
from harness.sampling.executors import Way, make_executor
from harness.sampling.executors.local import Local
from harness.sampling.loop import Execution
from harness.sampling.worker import Worker
from metrics.api.catalogue import Metric, available, metric
from metrics.embeddings import load_embedder
from metrics.embeddings.toy import ToyEmbedder
from tests.distributions import BROKEN, BROKEN_MODULES, install

LOUD = Metric("mine", "how loud", "LUFS", "none", 1, "clips", frozenset({"audio"}), "EBU R 128", "json:loads")
PAIRS = StudyKind(
    "mine", "one clip", "none", "single", {"en": "Good?", "zh": "好吗？"}, (Scale("quality", 1, 5),), (2.0, 30.0)
)
PROMPTS = Path("set by the test.yaml")


@experiment(varies="width")
def mine(width: Annotated[Sequence[float], "one each"] = (1.0,)) -> list[Condition]:
    """Is it mine?"""
    return [Condition(f"width={w:g}", value=w) for w in width]


def run_locally(worker: Worker, way: Way) -> Local:
    return Local(worker, float(way.argument or 1))


GOOD = {
    groups.MODELS: f"{ToyModel.__module__}:ToyModel",
    groups.EMBEDDERS: f"{ToyEmbedder.__module__}:ToyEmbedder",
    groups.METRICS: f"{__name__}:LOUD",
    groups.EXPERIMENTS: f"{__name__}:mine",
    groups.KINDS: f"{__name__}:PAIRS",
    groups.PROMPTS: f"{__name__}:PROMPTS",
    groups.EXECUTORS: f"{__name__}:run_locally",
}


@pytest.mark.parametrize("group", REGISTRIES.names())
def test_every_registry_is_that_of_its_group(group):
    assert REGISTRIES.get(group).entry_point_group == group


def test_a_plug_in_of_every_group_is_used_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PROMPTS", tmp_path / "some.yaml")
    (tmp_path / "some.yaml").write_text("prompts:\n  - text: calm drones\n")
    install(tmp_path, "good-parts", {group: {"mine": target} for group, target in GOOD.items()}, version="3.1")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(GOOD) == set(REGISTRIES.names())
    for group in REGISTRIES.names():
        origin = REGISTRIES.get(group).origin("mine")
        assert (origin.distribution, origin.version, origin.built_in) == ("good-parts", "3.1", False)
    assert load_model("mine").name == "toy"
    assert load_embedder("mine").name == "toy"
    assert metric("mine").title == "how loud"
    assert available()[-1] == "mine"
    assert declarations()["mine"].headline == "Is it mine?"
    assert find_kind("mine").title == "one clip"
    assert list(kinds())[-1] == "mine"
    assert [row.words["text"] for row in load_prompt_set("mine").rows] == ["calm drones"]
    assert "mine" in prompt_set_names()
    assert Execution("mine:7").executor == "mine:7"
    executor = make_executor("mine:7", Worker(ToyModel, tmp_path))
    assert isinstance(executor, Local)
    assert executor.timeout == 7


@pytest.mark.parametrize("group", REGISTRIES.names())
def test_broken_plug_ins_of_every_group_are_told_and_harm_nothing(group, tmp_path, monkeypatch, capfd):
    before = REGISTRIES.get(group).working()
    install(tmp_path, "bad-parts", {group: BROKEN}, BROKEN_MODULES, version="6.6")
    monkeypatch.syspath_prepend(tmp_path)
    registry = REGISTRIES.get(group)
    assert registry.working() == before
    for name in BROKEN:
        with pytest.raises(BrokenPlugin) as caught:
            registry.get(name)
        assert (caught.value.distribution, caught.value.version) == ("bad-parts", "6.6")
        assert caught.value.reason
    assert capfd.readouterr().out == ""


def test_a_file_goes_before_a_prompt_set_of_a_plug_in(tmp_path, monkeypatch):
    install(tmp_path, "bad-parts", {groups.PROMPTS: {"mine.yaml": "no_such_module:X"}})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("prompts:\n  - text: calm drones\n")
    assert len(load_prompt_set("mine.yaml").rows) == 1
