"""A study in YAML declares what a Python file would; every mistake in one is answered with its line."""

import hashlib
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core import yaml_document
from harness.core.errors import UsageError
from harness.core.mistakes import FileMistakes
from harness.models.base import Sampling, scalar
from harness.planning.study import KEYS, WAYS
from harness.planning.sweeps import FIELDS
from harness.planning.yaml_file import read_study
from harness.prompts.prompt import Prompt
from harness.prompts.sets import load_prompt_set
from tests.harness.planning.malformed_studies import MALFORMED, study

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


def test_a_study_varies_the_model(tmp_path):
    declaration = read_study(written(tmp_path, study("grid: {model: [jukebox:mini, toy], temperature: [0.7, 0.99]}")))
    conditions = declaration().conditions
    assert [one.name for one in conditions[:2]] == [
        "model=jukebox:mini, temperature=0.7", "model=jukebox:mini, temperature=0.99"
    ]  # fmt: skip
    assert [one.model for one in conditions] == ["jukebox:mini", "jukebox:mini", "toy", "toy"]
    for wrong, said in (("[jukebox:mni]", "Did you mean 'jukebox:mini'"), ("[3]", "a text was expected")):
        with pytest.raises(UsageError, match=f"line 3, varies.grid.model.0: .*{said}"):
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
        "clips": 4, "seconds": 2.0, "model": "toy", "seed": 3, "independent_seeds": True,
        "references": ("mine.safetensors",), "embedders": ("toy",),
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


def test_prompts_are_a_set_by_its_name_or_a_file_beside_the_study(tmp_path):
    text = study("grid: {temperature: [0.7, 1]}")
    declaration = read_study(written(tmp_path, text + "prompts: emotion\n"))
    assert declaration.prompts() == load_prompt_set("emotion").prompts()
    (tmp_path / "mine.csv").write_text("text\na slow waltz\n")
    declaration = read_study(written(tmp_path, text + "prompts: mine.csv\n"))
    assert declaration.prompts() == (Prompt(text="a slow waltz"),)
    (tmp_path / "mine.csv").write_text("txt\na slow waltz\n")
    with pytest.raises(FileMistakes, match="Did you mean 'text'") as caught:
        read_study(written(tmp_path, text + "prompts: mine.csv\n"))
    assert [(one.line, one.field) for one in caught.value.mistakes] == [(4, "prompts")]


def test_an_ablation_is_compared_with_its_baseline(tmp_path):
    text = study("ablate: {baseline: {top_k: 64, top_p: 0.9}, top_p: off, style: off, temperature: 1.1}")
    declaration = read_study(written(tmp_path, text))
    experiment = declaration()
    assert [one.name for one in experiment.conditions] == ["baseline", "top_p=0", "no style", "temperature=1.1"]
    assert experiment.varies == "top_k, top_p, style, temperature"
    assert experiment.contrast == "against the first"
    assert [first.name for first, _ in experiment.contrasts()] == ["baseline"] * 3
    every = read_study(written(tmp_path, text + "contrast: every pair\n"))()
    assert len(every.contrasts()) == 6


@pytest.mark.parametrize("case", MALFORMED)
def test_a_mistake_is_answered_with_its_line_and_its_entry(case, tmp_path):
    text, line, field, *near = MALFORMED[case]
    with pytest.raises(FileMistakes) as caught:
        read_study(written(tmp_path, text))
    [mistake] = caught.value.mistakes
    assert (mistake.line, mistake.field) == (line, field)
    assert mistake.problem
    assert all(name in mistake.problem for name in near)
    assert str(caught.value).startswith(str(tmp_path / "study.yaml"))
    assert len(str(caught.value)) < 1000


def test_all_mistakes_of_a_study_are_answered_at_once(tmp_path):
    text = (
        "question: ''\nvaries:\n  grid:\n    temperature: [0.7, hot, -1]\n    topk: [1]\nprimary: fid\n"
        "clips: 0\nclip: 3\nseed: yes\nseed: 3\n"
        "metrics: [kad, cad]\nprompts:\n- {style: 3, genre: x}\n- ''\nlistening: {kind: affect}\n"
        "reference: 2024-13-41\n"
    )
    with pytest.raises(FileMistakes) as caught:
        read_study(written(tmp_path, text))
    assert [(one.line, one.field) for one in caught.value.mistakes] == [
        (1, "question"),
        (4, "varies.grid.temperature.1"),
        (4, "varies.grid.temperature.2"),
        (5, "varies.grid.topk"),
        (6, "primary"),
        (7, "clips"),
        (8, "clip"),
        (10, "seed"),
        (11, "metrics"),
        (13, "prompts.0.style"),
        (13, "prompts.0.genre"),
        (14, "prompts.1"),
        (15, "listening.analysis"),
        (15, "listening.limits"),
        (16, "reference"),
    ]
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'study.yaml'}: 15 mistakes\n")
    assert len(said.splitlines()) == 16


@pytest.mark.parametrize("bomb", ["[*a, *a, *a, *a, *a, *a, *a, *a]", "{x: *a, y: *a, z: *a}"])
def test_aliases_do_not_make_a_small_study_large(bomb, tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_document, "MOST_VALUES", 1000)
    levels = "".join(
        f"  {name}: &{name} {bomb.replace('*a', f'*{last}')}\n" for last, name in zip("abcdef", "bcdefg", strict=True)
    )
    with pytest.raises(FileMistakes, match="more than 1,000 values"):
        read_study(written(tmp_path, f"question: what?\nvaries:\n  a: &a [1, 2]\n{levels}"))


def test_a_study_that_is_not_there_is_answered(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(FileMistakes, match="cannot be read"):
            read_study(path)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([0.7, 1, 64])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, "count"]), inner, max_size=2),
    max_leaves=5,
)
VARIES = st.dictionaries(
    st.sampled_from(list(WAYS)),
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
