"""A study in YAML declares what a Python file would; every mistake in one is answered with its line."""

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.models.base import Sampling, scalar
from harness.planning.sweeps import FIELDS
from harness.planning.yaml_file import KEYS, WAYS, read_study
from harness.prompts.prompt import Prompt

WHOLE = """\
name: cold-and-narrow
question: |
  Do cold clips gain from truncation?

  A second paragraph.
varies:
  grid:
    temperature: [0.7, 0.99]
    top_k: [0, [8, 64]]
primary: vendi
contrast: against the first
family: each alone
unit: clip
prompts:
  - a slow waltz
  - {style: metal}
  - {audio: clip.wav, prompt_seconds: 2}
clips: 4
seconds: 2
model: toy
seed: 3
reference: mine.safetensors
embedder: toy
independent_seeds: true
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "study.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


def study(varies: str) -> str:
    return f"question: what?\nvaries:\n  {varies}\n"


def test_a_study_varies_the_model(tmp_path):
    declaration = read_study(written(tmp_path, study("grid: {model: [jukebox:mini, toy], temperature: [0.7, 0.99]}")))
    conditions = declaration().conditions
    assert [one.name for one in conditions[:2]] == [
        "model=jukebox:mini, temperature=0.7", "model=jukebox:mini, temperature=0.99"
    ]  # fmt: skip
    assert [one.model for one in conditions] == ["jukebox:mini", "jukebox:mini", "toy", "toy"]
    for wrong, said in (("[jukebox:mni]", "Did you mean 'jukebox:mini'"), ("[3]", "a text was expected")):
        with pytest.raises(UsageError, match=f"line 3: .*{said}"):
            read_study(written(tmp_path, study(f"grid: {{model: {wrong}}}")))


def test_a_study_declares_everything_that_a_file_would(tmp_path):
    path = written(tmp_path, WHOLE)
    declaration = read_study(path)
    experiment = declaration()
    assert (experiment.name, experiment.varies) == ("cold-and-narrow", "temperature, top_k")
    assert declaration.headline == "Do cold clips gain from truncation?"
    assert (experiment.primary, experiment.contrast, experiment.family) == ("vendi", "against the first", "each alone")
    assert [one.sampling for one in experiment.conditions] == [
        Sampling(0.7), Sampling(0.7, (8, 64)), Sampling(0.99), Sampling(0.99, (8, 64))
    ]  # fmt: skip
    assert declaration.settings == {
        "clips": 4, "seconds": 2.0, "model": "toy", "seed": 3, "references": ("mine.safetensors",), "embedders": ("toy",),
        "independent_seeds": True,
        "prompts": (
            Prompt(text="a slow waltz"),
            Prompt(style="metal"),
            Prompt(audio=tmp_path / "clip.wav", prompt_seconds=2),
        ),
    }  # fmt: skip
    assert experiment.source == hashlib.sha256(path.read_bytes()).hexdigest()
    assert declaration.parameters == {}


def test_a_study_is_named_by_its_file_and_declares_the_usual(tmp_path):
    experiment = read_study(written(tmp_path, study("zip: {temperature: [0.7, 0.9], top_p: [0.1, 0.2]}")))()
    assert (experiment.name, experiment.primary, experiment.contrast) == ("study", "fad16", "every pair")
    assert [one.sampling for one in experiment.conditions] == [Sampling(0.7, top_p=0.1), Sampling(0.9, top_p=0.2)]


def test_a_list_has_conditions_of_any_values_with_names_or_without(tmp_path):
    text = study("list: [{name: cold, temperature: 0.5}, {style: metal, seconds: 3}, {name: plain}]")
    cold, metal, plain = read_study(written(tmp_path, text))().conditions
    assert (cold.name, cold.sampling, cold.value) == ("cold", Sampling(0.5), 0.5)
    assert (metal.name, metal.prompt, metal.seconds) == ("style=metal, seconds=3", {"style": "metal"}, 3)
    assert (plain.name, plain.sampling) == ("plain", Sampling())


@pytest.mark.parametrize("way", ["random", "sobol"])
def test_ranges_are_drawn_from(tmp_path, way):
    text = study(
        f"{way}: {{count: 5, seed: 1, temperature: {{from: 0.7, to: 1.1}}, top_k: {{from: 1, to: 99, log: true}}}}"
    )
    conditions = read_study(written(tmp_path, text))().conditions
    assert len(conditions) == 5
    assert all(
        0.7 <= scalar(one.sampling.temperature) <= 1.1 and 1 <= scalar(one.sampling.top_k) <= 99 for one in conditions
    )


# What is wrong, the line where, and what is said of it.
GRID = "varies: {grid: {temperature: [0.7, 0.9]}}\n"
HEAD = "question: what?\n"
MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a list": ("- question\n", "line 1: the study is a list"),
    "a text": ("question\n", "line 1: the study is 'question'"),
    "a number": ("42\n", "line 1: the study is '42'"),
    "not UTF-8": (b"question: \xff\xfe\xfa\n", "not UTF-8"),
    "a null byte": (b"question: \x00\n", "not allowed"),
    "two documents": (f"{HEAD}{GRID}---\na: 1\n", "line 3: but found another document"),
    "a tab": (f"{HEAD}varies:\n\tgrid: 1\n", "line 3: found character '\\t'"),
    "a bracket left open": (f"{HEAD}varies: [1, 2\n", "line 3"),
    "a quote left open": ("question: 'what\n", "line 2"),
    "a colon too many": ("question: what: now\n", "line 1: mapping values are not allowed here"),
    "an unknown alias": (f"{HEAD}varies: *gone\n", "line 2: found undefined alias"),
    "nested deeply": ("[" * 5000, "nested too deeply"),
    "a Python object": (f"{HEAD}varies: {{grid: {{temperature: [!!python/name:os.system ]}}}}\n", "line 2: could not"),
    "no question": (GRID, "line 1: the study has no question"),
    "no varies": (HEAD, "line 1: the study has no varies"),
    "an unknown key": (f"{HEAD}{GRID}clip: 3\n", "line 3: unknown entry of the study 'clip'. Did you mean 'clips'"),
    "a key that is a number": (f"{HEAD}{GRID}3: 3\n", "line 3: unknown entry of the study '3'"),
    "a key that is a list": (f"{HEAD}{GRID}[a]: 3\n", "line 3: unknown entry"),
    "a key twice": (f"{HEAD}{GRID}{HEAD}", "line 3: the study has question twice"),
    "an empty question": (f"question: ''\n{GRID}", "line 1: question is ''"),
    "no text for a question": (f"question: 3\n{GRID}", "line 1: question is 3"),
    "a question that is nothing": (f"question:\n{GRID}", "line 1: question is None"),
    "a question that is yes": (f"question: yes\n{GRID}", "line 1: question is True"),
    "a name with a slash": (f"name: a/b\n{HEAD}{GRID}", "line 1: name is 'a/b'"),
    "a name of dots": (f"name: ..\n{HEAD}{GRID}", "line 1: name is '..'"),
    "a name that is a number": (f"name: 1\n{HEAD}{GRID}", "line 1: name is 1"),
    "a long name": (f"name: {'a' * 61}\n{HEAD}{GRID}", "line 1: name is"),
    "varies nothing": (f"{HEAD}varies:\n", "line 2: varies is ''"),
    "varies a list": (f"{HEAD}varies: [temperature]\n", "line 2: varies is a list"),
    "varies a text": (f"{HEAD}varies: temperature\n", "line 2: varies is 'temperature'"),
    "varies empty": (f"{HEAD}varies: {{}}\n", "line 2: varies has 0 entries"),
    "varies in two ways": (study("grid: {top_k: [1]}\n  zip: {top_k: [1]}"), "line 3: varies has 2 entries"),
    "varies in an unknown way": (study("gird: {top_k: [1]}"), "line 3: unknown entry of varies 'gird'"),
    "a grid of nothing": (study("grid: {}"), "line 3: nothing varies"),
    "a grid that is a list": (study("grid: [0.7]"), "line 3: grid is a list"),
    "a grid that is a number": (study("grid: 0.7"), "line 3: grid is '0.7'"),
    "an unknown value": (study("grid:\n    temprature: [0.7]"), "line 4: unknown entry of grid 'temprature'"),
    "a value for a list": (study("grid:\n    temperature: 0.7"), "line 4: temperature is '0.7'; a list"),
    "a table for a list": (study("grid:\n    temperature: {a: 1}"), "line 4: temperature is a table; a list"),
    "an empty list": (study("grid:\n    temperature: []"), "line 4: temperature is an empty list"),
    "a temperature that is a word": (study("grid:\n    temperature: [0.7,\n      hot]"), "line 5: temperature is 'hot"),
    "a number written as a text": (study("grid: {temperature: ['0.7']}"), "line 3: temperature is '0.7'; a number"),
    "an exponent without a point": (study("grid: {temperature: [1e-1]}"), "line 3: temperature is '1e-1'; a number"),
    "a temperature of yes": (study("grid: {temperature: [yes]}"), "line 3: temperature is True"),
    "a temperature of nothing": (study("grid: {temperature: [~]}"), "line 3: temperature is None"),
    "a temperature of a day": (study("grid: {temperature: [2024-01-01]}"), "line 3: temperature is datetime.date"),
    "a day that is none": (study("grid: {temperature: [2024-13-41]}"), "line 3: month must be in 1..12"),
    "a temperature of 0": (study("grid: {temperature: [0]}"), "line 3: temperature is 0; expected 0 < temperature"),
    "a negative temperature": (study("grid: {temperature: [-1]}"), "line 3: temperature is -1"),
    "a temperature without end": (study("grid: {temperature: [.inf]}"), "line 3: temperature is inf"),
    "a temperature that is no number": (study("grid: {temperature: [.nan]}"), "line 3: temperature is nan"),
    "a huge temperature": (study(f"grid: {{temperature: [{'9' * 400}]}}"), "line 3: temperature is 999"),
    "more digits than can be read": (study(f"grid: {{temperature: [{'9' * 5000}]}}"), "line 3: "),
    "temperatures in a table": (study("grid: {temperature: [{a: 1}]}"), "line 3: temperature is {'a': 1}"),
    "temperatures of no levels": (study("grid: {temperature: [[]]}"), "line 3: temperature is []"),
    "temperatures of a level": (study("grid: {temperature: [[0.7, x]]}"), "line 3: temperature is 'x'"),
    "a list in itself": (study("grid: {temperature: [&a [*a]]}"), "line 3: found unconstructable recursive node"),
    "half a code": (study("grid: {top_k: [0.5]}"), "line 3: top_k is 0.5; a whole number"),
    "fewer than no codes": (study("grid: {top_k: [-1]}"), "line 3: top_k is -1"),
    "all the mass": (study("grid: {top_p: [1]}"), "line 3: top_p is 1"),
    "a hop of nothing": (study("grid: {hop_fraction: [0]}"), "line 3: hop_fraction is 0"),
    "a hop of two windows": (study("grid: {hop_fraction: [2]}"), "line 3: hop_fraction is 2"),
    "a window of no codes": (study("grid: {window: [0]}"), "line 3: window is 0"),
    "half a chunk": (study("grid: {chunk: [1.5]}"), "line 3: chunk is 1.5"),
    "a level below": (study("grid: {stop_level: [-1]}"), "line 3: stop_level is -1"),
    "half a level": (study("grid: {stop_level: [0.5]}"), "line 3: stop_level is 0.5"),
    "one slice": (study("grid: {upsampling: ['parallel:1']}"), "line 3: upsampling is 'parallel:1'"),
    "an unknown upsampling": (study("grid: {upsampling: [quick]}"), "line 3: upsampling is 'quick'"),
    "an upsampling of 2": (study("grid: {upsampling: [2]}"), "line 3: upsampling is 2; a text"),
    "a style of 3": (study("grid: {style: [3]}"), "line 3: style is 3; a text"),
    "an empty style": (study("grid: {style: ['']}"), "line 3: the prompt's style is empty"),
    "a sound as a value": (study("grid: {audio: [clip.wav]}"), "line 3: unknown entry of grid 'audio'"),
    "a prompt of no seconds": (study("grid: {prompt_seconds: [0]}"), "line 3: the audio prompt's length was 0 s"),
    "no seconds": (study("grid: {seconds: [0]}"), "line 3: seconds is 0"),
    "half a replicate": (study("grid: {replicate: [0.5]}"), "line 3: replicate is 0.5"),
    "the same twice": (study("grid: {temperature: [0.7, 0.7]}"), "line 3: experiment 'study' has the same name twice"),
    "the same in two ways": (study("grid: {temperature: [0.7, 0.70]}"), "has the same name twice"),
    "too many conditions": (
        study(f"grid: {{temperature: &a {[n / 100 for n in range(1, 101)]}, top_k: {[*range(101)]}}}"),
        "line 3: there would be 10100 conditions",
    ),
    "values of two lengths": (study("zip: {temperature: [1, 2], top_k: [1]}"), "line 3: values that go together"),
    "a range in a grid": (study("grid: {temperature: {from: 1, to: 2}}"), "line 3: temperature is a table"),
    "a list that is a table": (study("list: {temperature: 1}"), "line 3: list is a table; a list was expected"),
    "a list of nothing": (study("list: []"), "line 3: list is an empty list"),
    "a list of numbers": (study("list: [0.7]"), "line 3: a condition is '0.7'"),
    "a list of lists": (study("list: [[0.7]]"), "line 3: a condition is a list"),
    "a condition with a list": (study("list:\n    - {top_k: 1}\n    - {top_k: [x]}"), "line 5: top_k is 'x'"),
    "a condition with an unknown value": (study("list: [{tmp: 1}]"), "line 3: unknown entry of a condition 'tmp'"),
    "a condition without a name": (study("list: [{name: '', top_k: 1}]"), "line 3: name is ''"),
    "two conditions of a name": (study("list: [{name: a, top_k: 1}, {name: a, top_k: 2}]"), "same name twice: a"),
    "two conditions alike": (study("list: [{name: a}, {name: b}]"), "same sampling twice: a, b"),
    "random without a count": (study("random: {temperature: [1]}"), "line 3: random has no count"),
    "a count of none": (study("random: {count: 0, temperature: [1]}"), "line 3: there would be 0 conditions"),
    "a count below none": (study("sobol: {count: -3, temperature: [1]}"), "line 3: there would be -3 conditions"),
    "half a count": (study("random: {count: 1.5, temperature: [1]}"), "line 3: count is 1.5"),
    "a count of yes": (study("random: {count: yes, temperature: [1]}"), "line 3: count is True"),
    "a count too large": (study("sobol: {count: 1000000000, temperature: [1]}"), "line 3: there would be 1000000000"),
    "a count beyond what there is": (study("random: {count: 3, temperature: [1, 2]}"), "line 3: 3 different condition"),
    "random of nothing": (study("random: {count: 3}"), "line 3: nothing varies"),
    "a sweep's seed below 0": (study("random: {count: 1, seed: -1, temperature: [1]}"), "line 3: the sweep's seed is "),
    "a range from nowhere": (study("sobol: {count: 1, temperature: {to: 1}}"), "line 3: the range of temperature"),
    "a range to nowhere": (study("sobol: {count: 1, temperature: {from: 1}}"), "line 3: the range of temperature"),
    "a range with more": (study("sobol: {count: 1, temperature: {from: 1, to: 2, by: 1}}"), "line 3: unknown entry of"),
    "a range backwards": (study("sobol: {count: 1, temperature: {from: 2, to: 1}}"), "line 3: the range is from 2 to "),
    "a range of words": (study("sobol: {count: 1, temperature: {from: a, to: b}}"), "line 3: the range is from 'a'"),
    "a range without end": (study("sobol: {count: 1, temperature: {from: 1, to: .inf}}"), "line 3: the range is from "),
    "a logarithmic range from 0": (study("sobol: {count: 1, top_k: {from: 0, to: 9, log: true}}"), "line 3: the range"),
    "a logarithm of 3": (study("sobol: {count: 1, top_k: {from: 1, to: 9, log: 3}}"), "line 3: the range of top_k"),
    "a range of styles": (study("sobol: {count: 1, style: {from: 1, to: 2}}"), "line 3: style has a range"),
    "an unknown primary": (f"{HEAD}{GRID}primary: fid\n", "line 3: unknown metric 'fid'. Did you mean 'kid'"),
    "a primary that is a list": (f"{HEAD}{GRID}primary: [fad16]\n", "line 3: primary is ['fad16']"),
    "a primary without differences": (f"{HEAD}{GRID}primary: fad_infinity\n", "line 3: 'fad_infinity' cannot be"),
    "a primary of single songs": (f"{HEAD}{GRID}primary: fad_per_song\n", "line 3: 'fad_per_song' cannot be"),
    "an unknown contrast": (f"{HEAD}{GRID}contrast: all\n", "line 3: contrast is 'all'; expected 'every pair' or"),
    "an unknown unit": (f"{HEAD}{GRID}unit: song\n", "line 3: unit is 'song'; expected 'clip'"),
    "an unknown family": (f"{HEAD}{GRID}family: smith\n", "line 3: family is 'smith'"),
    "no clips": (f"{HEAD}{GRID}clips: 0\n", "line 3: the number of clips per condition was 0"),
    "half a clip": (f"{HEAD}{GRID}clips: 1.5\n", "line 3: clips is 1.5; a whole number"),
    "clips a word": (f"{HEAD}{GRID}clips: many\n", "line 3: clips is 'many'"),
    "clips yes": (f"{HEAD}{GRID}clips: yes\n", "line 3: clips is True"),
    "clips without number": (f"{HEAD}{GRID}clips: {'9' * 400}\n", "line 3: clips is 999"),
    "too many clips": (f"{HEAD}{GRID}clips: 1000000000\n", "at most 1,000,000"),
    "no length": (f"{HEAD}{GRID}seconds: 0\n", "line 3: the duration was 0 s"),
    "a length without end": (f"{HEAD}{GRID}seconds: .inf\n", "line 3: the duration was inf s"),
    "a length of a list": (f"{HEAD}{GRID}seconds: [6]\n", "line 3: seconds is [6]"),
    "a seed below 0": (f"{HEAD}{GRID}seed: -1\n", "line 3: the seed was -1"),
    "a seed too large": (f"{HEAD}{GRID}seed: {2**63}\n", "line 3: the seed was 9223372036854775808"),
    "a seed of a word": (f"{HEAD}{GRID}seed: lucky\n", "line 3: seed is 'lucky'"),
    "a model of 5": (f"{HEAD}{GRID}model: 5\n", "line 3: model is 5; a name"),
    "two models": (f"{HEAD}{GRID}model: [toy, jukebox:mini]\n", "line 3: model is ['toy', 'jukebox:mini']"),
    "a reference of nothing": (f"{HEAD}{GRID}reference:\n", "line 3: reference is None"),
    "independent perhaps": (f"{HEAD}{GRID}independent_seeds: perhaps\n", "line 3: independent_seeds is 'perhaps'"),
    "prompts a text": (f"{HEAD}{GRID}prompts: waltz\n", "line 3: prompts is 'waltz'; a list"),
    "no prompts": (f"{HEAD}{GRID}prompts: []\n", "line 3: prompts is an empty list"),
    "an empty prompt": (f"{HEAD}{GRID}prompts:\n  - ''\n", "line 4: the prompt is ''"),
    "a prompt of a number": (f"{HEAD}{GRID}prompts:\n  - 3\n", "line 4: the prompt is 3"),
    "a prompt of a list": (f"{HEAD}{GRID}prompts:\n  - [a]\n", "line 4: a prompt is a list"),
    "a prompt of nothing": (f"{HEAD}{GRID}prompts:\n  - {{}}\n", "line 4: the prompt is empty"),
    "a prompt of an unknown field": (f"{HEAD}{GRID}prompts:\n  - {{genre: a}}\n", "line 4: unknown entry of a prompt "),
    "a prompt with a style of 3": (f"{HEAD}{GRID}prompts:\n  - {{style: 3}}\n", "line 4: the prompt's style was 3"),
    "a prompt with a short sound": (
        f"{HEAD}{GRID}prompts:\n  - {{audio: a.wav, prompt_seconds: 0}}\n",
        "line 4: the audio prompt's length was 0 s",
    ),
    "a prompt with a sound of 3": (f"{HEAD}{GRID}prompts:\n  - {{audio: 3}}\n", "line 4: the prompt's audio was 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_mistake_is_answered_with_its_line(case, tmp_path):
    text, message = MALFORMED[case]
    with pytest.raises(UsageError) as caught:
        read_study(written(tmp_path, text))
    assert "study.yaml" in str(caught.value)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_study_that_is_not_there_is_answered(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_study(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        read_study(tmp_path)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([0.7, 1, 64])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "count"]), inner, max_size=2),
    max_leaves=5,
)
VARIES = st.dictionaries(
    st.sampled_from(WAYS),
    st.dictionaries(st.sampled_from([*FIELDS, "count", "seed"]), ANYTHING | st.lists(SCALARS, min_size=1), max_size=3),
    max_size=1,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    st.fixed_dictionaries(
        {"question": st.just("what?"), "varies": VARIES | ANYTHING},
        optional=dict.fromkeys(sorted({*KEYS} - {"question", "varies"}), ANYTHING),
    )
)
def test_whatever_is_written_is_a_study_or_a_message(tmp_path, content):
    with suppress(UsageError):
        assert read_study(written(tmp_path, yaml.safe_dump(content)))().conditions


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_bytes_are_there_are_a_study_or_a_message(tmp_path, content):
    with suppress(UsageError):
        read_study(written(tmp_path, content))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_a_study_with_a_piece_missing_or_changed_is_a_study_or_a_message(tmp_path, data):
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, min(len(WHOLE), start + 12)))
    changed = WHOLE[:start] + data.draw(st.text(alphabet=":-[]{}&*!|>'\"% \n\tab1.", max_size=5)) + WHOLE[end:]
    with suppress(UsageError):
        assert read_study(written(tmp_path, changed))().conditions
