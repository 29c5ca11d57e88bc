"""Timelines for jsPsych: the list in its order, forms that can be answered, nothing that breaks out of its HTML."""

import json
from html.parser import HTMLParser

import pytest

from harness.listening.kinds.catalogue import kinds
from harness.listening.package.jspsych import jspsych_files, timeline
from tests.harness.listening.hand_made import TASK, study


class Form(HTMLParser):
    """The tags of a form, and whether they close in order."""

    VOID = ("br", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def named(self) -> set[str]:
        return {attrs["name"] or "" for _, attrs in self.tags if "name" in attrs}

    def sounds(self) -> list[str]:
        return [attrs["src"] or "" for tag, attrs in self.tags if tag == "audio"]


def trials_of(kind: str, language: str = "en") -> list[dict]:
    stimuli = study(kind)
    return timeline(stimuli, stimuli.lists[-1], language)["timeline"][2:-1]


@pytest.mark.parametrize("kind", kinds())
def test_a_trial_plays_its_stimuli_in_order_and_asks_for_every_scale(kind):
    declared = kinds()[kind]
    for trial in trials_of(kind):
        form, heard = Form(trial["html"]), trial["data"]["stimuli"]
        sounds = [f"../audio/{name}.wav" for name in heard]
        assert form.sounds()[-len(sounds) :] == sounds
        assert len(form.sounds()) == len(sounds) + (declared.reference or declared.probe)
        scales = set(heard) if declared.layout == "page" else {scale.name for scale in declared.scales}
        assert form.named() == scales | ({"ideas"} if declared.open_answer else set())


@pytest.mark.parametrize("kind", ["ab", "abx"])
def test_a_choice_between_two_is_answered_with_a_blind_id(kind):
    for trial in trials_of(kind):
        answers = [attrs["value"] for tag, attrs in Form(trial["html"]).tags if tag == "input"]
        assert answers == trial["data"]["stimuli"]


def test_a_slider_alone_is_no_answer():
    numbers = [attrs for _, attrs in Form(trials_of("multi")[0]["html"]).tags if attrs.get("type") == "number"]
    assert len(numbers) == 3
    assert all("required" in one and (one["min"], one["max"]) == ("0", "100") for one in numbers)


def test_the_task_is_shown_in_the_language_and_escaped():
    assert "Name &lt;three&gt; uses &amp; more" in trials_of("ideation")[0]["preamble"]
    assert TASK["zh"] in trials_of("ideation", "zh")[0]["preamble"]


def test_data_say_where_a_trial_stands():
    stimuli = study("acr")
    one = stimuli.lists[-1]
    data = [trial["data"] for trial in trials_of("acr")]
    assert [(d["phase"], d["position"]) for d in data[:3]] == [("practice", 1), ("test", 1), ("test", 2)]
    assert [d["trial"] for d in data] == [p.trial for p in (*one.training, *one.trials)]
    assert len({d["id"] for d in data}) == len(data)


def test_all_sounds_are_loaded_first_each_once():
    stimuli = study("mushra")
    preload = json.loads(jspsych_files(stimuli, "en")["L01.json"])["timeline"][0]
    assert sorted(preload["audio"]) == sorted(f"../{one.file}" for one in stimuli.stimuli.values())
