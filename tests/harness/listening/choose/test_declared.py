"""Listening studies declared with an experiment."""

import re

import pytest

from harness.core.errors import UsageError
from harness.listening.choose.declared import check_declared, resolve_request
from harness.listening.kinds.catalogue import find_kind
from harness.planning.experiment import Condition, Declaration, experiment
from harness.planning.listening import Listening
from harness.planning.registry import declarations
from harness.prompts.sets import load_prompt_set

STUDIES = {"ideation": "ideation", "experiment_design": "ideation", "writing": "ideation", "emotion": "affect"}
TASK = {"en": "List uses for a brick.", "zh": "列出砖头的用途。"}


def test_the_four_studies_and_no_other_experiment_declare_it():
    found = {name: one.listening for name, one in declarations().items() if one.listening is not None}
    assert {name: one.kind for name, one in found.items()} == STUDIES
    for one in found.values():
        check_declared(one)
        assert one.analysis
        assert one.limits


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_tasks_for_each_trial_and_prompts_in_both_languages(name):
    declaration = declarations()[name]
    assert declaration.prompts() == load_prompt_set(name).prompts()
    listening, clips = declaration.listening, declaration.settings["clips"]
    assert listening is not None
    assert bool(listening.tasks) == find_kind(listening.kind).open_answer
    if listening.tasks:
        assert len(listening.tasks) == clips - 1  # one item is for training
        assert len({task["en"] for task in listening.tasks}) == len(listening.tasks)
    texts = [prompt.text or "" for prompt in declaration.prompts()[:clips]]
    assert {bool(re.search("[一-鿿]", text)) for text in texts} == {True, False}


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"kind": "affekt"}, "affect"),
        ({"kind": "acr", "tasks": (TASK,)}, "'acr', which has none"),
        ({"kind": "ideation", "tasks": ({"en": "only"},)}, "has not the languages en, zh"),
    ],
)
def test_what_makes_no_sense_is_refused(declared, said):
    with pytest.raises(UsageError, match=said):
        check_declared(Listening(**{"analysis": (), "limits": (), **declared}))


def test_an_experiment_keeps_what_it_declares():
    listening = Listening("ideation", (), (), tasks=(TASK,))

    @experiment(varies="prompt", settings={"prompts": "writing", "clips": 2}, listening=listening)
    def mine() -> list[Condition]:
        """Which?"""
        return [Condition("one")]

    assert isinstance(mine, Declaration)
    assert mine.listening is listening
    assert mine.prompts() == load_prompt_set("writing").prompts()


def test_a_run_of_a_study_is_asked_as_it_was_declared_and_another_kind_is_asked_as_that():
    for source in ("ideation", "ideation-0f3a91", "results/runs/ideation-0f3a91"):
        request = resolve_request(source, None)
        assert (request.source, request.kind) == (source, "ideation")
        assert request.listening is declarations()["ideation"].listening
    request = resolve_request("ideation", "acr")
    assert (request.kind, request.listening) == ("acr", None)
    assert resolve_request("some/folder", "acr").experiment is None


@pytest.mark.parametrize("source", ["temperature", "some/folder"])
def test_what_declares_nothing_needs_a_kind(source):
    with pytest.raises(UsageError, match=r"--kind.*multi"):
        resolve_request(source, None)
