"""The YAML for webMUSHRA: its structure and limits, our order, and a validator that finds what is wrong."""

import copy

import pytest
import yaml

from harness.core.errors import PlatformError
from harness.listening.package.webmushra import as_yaml, configuration, webmushra_files
from harness.listening.package.webmushra_rules import validate_webmushra
from tests.harness.listening.hand_made import study

PAGE_OF = {"mushra": "mushra", "multi": "likert_multi_stimulus", "acr": "likert_single_stimulus"}


def config_of(kind: str, language: str = "en", **numbers: int) -> dict:
    stimuli = study(kind, **numbers)
    return configuration(stimuli, stimuli.lists[-1], language)


@pytest.mark.parametrize("kind", [*PAGE_OF, "affect"])
def test_the_yaml_passes_the_validator_and_reads_back_as_it_was_written(kind):
    stimuli = study(kind, conditions=12)
    for content, one in zip(webmushra_files(stimuli, "zh").values(), stimuli.lists, strict=True):
        config = yaml.safe_load(content)
        assert config == configuration(stimuli, one, "zh")
        assert validate_webmushra(config, stimuli.seconds) == []


@pytest.mark.parametrize(("kind", "page"), PAGE_OF.items())
def test_pages_are_the_list_in_its_order_practice_first(kind, page):
    stimuli = study(kind)
    one = stimuli.lists[-1]
    pages = configuration(stimuli, one, "en")["pages"][1:-1]
    assert [tuple(one["stimuli"]) for one in pages] == [p.stimuli for p in (*one.training, *one.trials)]
    assert {one["type"] for one in pages} == {page}
    assert pages[0]["id"].startswith("p001-")
    assert len({one["id"] for one in pages}) == len(pages)  # a trial that comes again is told apart


def test_affect_asks_each_scale_on_a_page_of_its_own():
    valence, arousal, *_ = config_of("affect")["pages"][1:-1]
    assert valence["stimuli"] == arousal["stimuli"]
    assert [point["label"] for point in valence["response"]][::8] == ["1 unpleasant", "9 pleasant"]
    assert [point["label"] for point in arousal["response"]][::8] == ["1 calm", "9 excited"]


def test_a_continuous_scale_has_a_point_in_the_middle_of_each_band():
    page = config_of("multi")["pages"][1]
    assert [point["value"] for point in page["response"]] == [10, 30, 50, 70, 90]


def test_mushra_has_its_reference_and_nothing_made_or_shuffled_by_the_browser():
    page = config_of("mushra")["pages"][1]
    assert page["reference"].startswith("configs/stimuli/audio/s")
    assert page["reference"] not in page["stimuli"].values()
    assert not any(page[key] for key in ("createAnchor35", "createAnchor70", "randomize", "showConditionNames"))


def test_texts_are_quoted_so_that_no_reader_takes_one_for_something_else():
    text = as_yaml({"testId": "1e3", "on": True, "pages": [{"id": "no"}]})
    assert text == '"testId": "1e3"\n"on": true\n"pages":\n  - "id": "no"\n'


@pytest.mark.parametrize("kind", ["ab", "abx", "ideation"])
def test_what_it_cannot_ask_is_refused_with_what_to_use(kind):
    with pytest.raises(PlatformError, match=f"{kind}: .*jsPsych"):
        webmushra_files(study(kind), "en")


@pytest.mark.parametrize("kind", ["multi", "mushra"])
def test_thirteen_conditions_are_refused(kind):
    with pytest.raises(PlatformError, match="13 conditions"):
        webmushra_files(study(kind, conditions=13), "en")


def test_longer_than_twelve_seconds_side_by_side_is_found():
    assert "last 12.5 s" in validate_webmushra(config_of("multi"), 12.5)[0]
    assert validate_webmushra(config_of("acr"), 12.5) == []


WRONG = {
    "no bufferSize": lambda config: config.pop("bufferSize"),
    "bufferSize is 1000": lambda config: config.update(bufferSize=1000),
    "'true'": lambda config: config.update(stopOnErrors="true"),
    "'colour' is no option": lambda config: config.update(colour="red"),
    "testId is 'a&b'": lambda config: config.update(testId="a&b"),
    "the last page": lambda config: config["pages"].pop(),
    "and no other": lambda config: config["pages"].insert(0, config["pages"][-1]),
    "of type 'preference'": lambda config: config["pages"][1].update(type="preference"),
    "shuffled by the browser": lambda config: config["pages"].insert(1, ["random", config["pages"][1]]),
    "has no reference": lambda config: config["pages"][1].pop("reference"),
    "createAnchor35 is on": lambda config: config["pages"][1].update(createAnchor35=True),
    "randomize is on": lambda config: config["pages"][1].update(randomize=True),
    "stimuli is empty": lambda config: config["pages"][1].update(stimuli={}),
    "the key is 'a+b'": lambda config: config["pages"][1]["stimuli"].update({"a+b": "x.wav"}),
    "the key '12' is a number": lambda config: config["pages"][1]["stimuli"].update({"12": "x.wav"}),
    "several formats": lambda config: config["pages"][1]["stimuli"].update({"a": "x.flac"}),
    "is there 2 times": lambda config: config["pages"].insert(1, config["pages"][1]),
}


@pytest.mark.parametrize(("said", "spoil"), WRONG.items(), ids=WRONG)
def test_the_validator_finds_each_mistake(said, spoil):
    config = copy.deepcopy(config_of("mushra"))
    assert validate_webmushra(config) == []
    spoil(config)
    assert [problem for problem in validate_webmushra(config) if said in problem]


def test_points_and_playing_are_checked_too():
    config = config_of("acr")
    config["pages"][1]["response"][0] = {"value": 1}
    config["pages"][2]["mustPlayback"] = "always"
    config["pages"][3]["stimuli"]["another"] = "x.wav"
    problems = " ".join(validate_webmushra(config))
    for said in (
        "a map with value and label",
        "mustPlayback is 'always'",
        "2 stimuli, which the browser would shuffle",
    ):
        assert said in problems
