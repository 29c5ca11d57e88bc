"""The one JSON of scores: its committed schema is that of its classes, and what commands print fits it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from harness.reporting.document import SCHEMA_FILE, document, schema_text
from harness.scoring.results import RESULT_SCHEMA, Comparison, finite
from metrics.api.score import Score
from metrics.compare.difference import Difference
from metrics.compare.family import family

SCORE = Score(
    "kad", 1.5, 0.5, (0.5, 2.5), 16, 64, "squared kernel distance", "lower", "population", False, "unbiased", 1.5,
    {"embedder": {"name": "toy"}, "df": float("inf"), "reference": {}}, why="16 clips, and it takes 24",
)  # fmt: skip
DIFFERENCE = Difference(
    "kad", 0.5, 0.2, (0.1, 0.9), 0.02, True, "unbiased", "squared kernel distance", "lower", 16,
    {"df": 15.0, "paired": True, "embedder": {}},
)  # fmt: skip


class Condition:
    """A condition with nothing but scores."""

    name, n_clips, unmeasured = "cold", 16, {"tempo": "no beat"}
    scores = {"kad": SCORE, "kad@clap": replace(SCORE, interval=None)}  # noqa: RUF012


@pytest.fixture
def found() -> dict[str, Any]:
    declared = [Comparison("kad", "cold", "hot", one) for one in family([DIFFERENCE, DIFFERENCE])]
    rest = [Comparison("kad@clap", "cold", "hot", replace(DIFFERENCE, p=None, interval=None), "exploratory")]
    return json.loads(json.dumps(document([Condition()], [*declared, *rest], ["a note"]), allow_nan=False))


def check(found: Any) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text("utf-8"))).validate(found)


def test_the_committed_schema_is_that_of_the_classes():
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


def test_a_document_has_what_the_schema_asks_for(found):
    check(found)
    assert (found["schema"], found["notes"]) == (RESULT_SCHEMA, ["a note"])
    [condition] = found["conditions"]
    assert condition["unmeasured"] == {"tempo": "no beat"}
    kad = condition["scores"]["kad"]
    assert (kad["value"], kad["n"], kad["reliable"], kad["why"]) == (1.5, 16, False, "16 clips, and it takes 24")
    assert kad["generalises_to"] == "these prompts; music like this reference"
    assert kad["provenance"]["df"] is None  # JSON knows no infinity
    assert condition["scores"]["kad@clap"]["interval"] is None


def test_an_interval_goes_with_p_and_a_family_interval_with_the_adjusted_one(found):
    declared, _, rest = found["differences"]
    assert (declared["interval"], declared["p"]) == ([0.1, 0.9], 0.02)
    assert declared["p_adjusted"] is not None
    assert (rest["interval"], rest["p"], rest["p_adjusted"], rest["family_interval"]) == (None, None, None, None)
    assert (rest["significant"], rest["label"]) == (False, "exploratory")
    for one in found["differences"]:
        assert one.keys() >= {"metric", "first", "second", "value", "stderr", "reliable"}


@pytest.mark.parametrize("lacking", ["schema", "conditions", "differences", "notes"])
def test_what_lacks_a_part_is_no_document(found, lacking):
    del found[lacking]
    with pytest.raises(jsonschema.ValidationError):
        check(found)


def test_marks_and_reasons_are_required_of_every_score(found):
    for name in ("value", "stderr", "interval", "reliable", "why", "unit", "n", "generalises_to", "provenance"):
        broken = json.loads(json.dumps(found))
        del broken["conditions"][0]["scores"]["kad"][name]
        with pytest.raises(jsonschema.ValidationError):
            check(broken)


def test_what_is_not_finite_is_null():
    assert finite({"a": (1.0, float("nan")), "b": "x"}) == {"a": [1.0, None], "b": "x"}
