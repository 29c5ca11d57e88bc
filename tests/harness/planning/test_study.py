"""The JSON schema of a study accepts what is read, and the installed studies are what it says."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

import experiments.listening
from harness.cli import app
from harness.core.settings import options_of
from harness.planning.claims import Claims
from harness.planning.settings import ExperimentSettings
from harness.planning.study import KEYS, TABLES, WAYS, Study, study_schema
from harness.planning.sweeps import FIELDS
from harness.planning.yaml_file import read_study

SHIPPED = sorted(Path(experiments.listening.__file__).parent.glob("*.yaml"))
VARIES = {
    "grid": "{temperature: [0.7, [0.9, 1]], top_k: [0]}",
    "zip": "{temperature: [0.7, 1], style: [metal, ~]}",
    "list": "[{name: a, temperature: 0.7}, {text: ~}]",
    "random": "{count: 2, temperature: {from: 0.7, to: 1, log: true}}",
    "sobol": "{count: 2, seed: 3, temperature: {from: 0.7, to: 1}, style: [metal, jazz]}",
    "ablate": "{baseline: {top_k: 64}, top_k: off, temperature: 1, style: off}",
}
SCHEMA = study_schema()


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_and_is_read(path):
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), SCHEMA)
    assert read_study(path)().name == path.stem


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_vary_is_valid_and_is_read(way, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"question: what?\nvaries: {{{way}: {VARIES[way]}}}\nembedder: [a, b]\nmetrics: kad\nmargin: 0.5\n")
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)
    declaration = read_study(path)
    assert len(declaration().conditions) >= 2
    assert declaration.settings == {"embedders": ("a", "b"), "metrics": ("kad",)}
    assert declaration.claims.margin == 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips": 0},
        {"clips": 1.5},
        {"clip": 3},
        {"seconds": 0},
        {"contrast": "all"},
        {"prompts": [3]},
        {"varies": {}},
        {"varies": {"grid": {"temperature": ["hot"]}}},
        {"varies": {"grid": {"temperature": [1]}, "zip": {"temperature": [1]}}},
        {"listening": {"kind": "affect"}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_is_not_read(wrong):
    study = {"question": "what?", "varies": {"grid": {"temperature": [0.7, 1]}}, **wrong}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study, SCHEMA)


def test_a_study_has_every_option_that_can_be_declared_and_no_other():
    declarable = {
        field.key
        for kind in (Claims, ExperimentSettings)
        for field in options_of(kind).values()
        if field.option.declarable
    }
    assert set(KEYS) == declarable | {"name", "question", "varies", "prompts", "listening"}


def test_the_names_that_are_suggested_are_those_that_are_known():
    tables = SCHEMA["$defs"] | {"Study": SCHEMA}
    shown = {"": "Study", "varies": "Varies", "list": "Condition", "random": "Draw", "sobol": "Draw"}
    shown |= {"ablate": "Ablate", "a range": "RangeEntries", "a prompt": "Prompt", "listening": "Listening"}
    assert {step: set(tables[title]["properties"]) for step, title in shown.items()} == {
        step: set(names) for step, names in TABLES.items()
    }
    assert set(tables["Grid"]["properties"]) == set(FIELDS)


def test_the_command_line_prints_the_schema():
    result = CliRunner().invoke(app, ["run", "--schema"])
    assert result.exit_code == 0
    assert json.loads(result.output) == json.loads(json.dumps(SCHEMA))


def test_defaults_are_those_of_the_settings():
    properties = SCHEMA["properties"]
    for kind in (Claims, ExperimentSettings):
        for field in options_of(kind).values():
            default = list(field.default) if isinstance(field.default, tuple) else field.default
            assert properties[field.key].get("default") == default
            assert properties[field.key]["description"] == field.option.help
    assert Study.model_fields["question"].is_required()
