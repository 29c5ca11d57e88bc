"""The one JSON of scores and differences: what `harness run --json`, `harness score --json` and result.json have.

    {schema, conditions: [{name, n_clips, scores: {NAME: …}, unmeasured: {NAME: why}}], differences: [{metric, first,
    second, value, …}], notes: []}

Each command adds keys of its own at the top and in its conditions; those below are always there and mean the same. The
JSON Schema is `schema/scores.schema.json`, generated from these classes (`python -m harness.reporting.document`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from harness.scoring.results import RESULT_SCHEMA, Comparison, condition_record, difference_record
from metrics.api.score import Score

SCHEMA_FILE = Path(__file__).parent / "schema" / "scores.schema.json"

Interval = tuple[float, float]


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow")


class ScoreRecord(_Record):
    """One metric of one condition. `why` is empty for a reliable score."""

    value: float
    stderr: float = Field(ge=0)
    interval: Interval | None = Field(description="95 %; null where none would cover what it claims to")
    reliable: bool
    why: str
    unit: str
    n: int = Field(ge=0, description="the sampling units: clips, or prompts")
    generalises_to: str
    direction: Literal["lower", "higher", "none"] = Field(description="which way is better")
    provenance: dict[str, Any]


class ConditionRecord(_Record):
    """A condition: its scores by name (`kad`, or `kad@clap` in a further embedder's space)."""

    name: str
    n_clips: int = Field(ge=0)
    scores: dict[str, ScoreRecord]
    unmeasured: dict[str, str] = Field(description="why a metric has no value")


class DifferenceRecord(_Record):
    """`second` − `first`. `interval` goes with `p`, of one test; `family_interval` with `p_adjusted`, of the family."""

    metric: str
    first: str
    second: str
    value: float
    stderr: float = Field(ge=0)
    interval: Interval | None
    p: float | None = Field(ge=0, le=1)
    family_interval: Interval | None
    p_adjusted: float | None = Field(ge=0, le=1)
    reliable: bool
    significant: bool = Field(description="at 5 % over the declared family; false of what is exploratory")


class ScoresDocument(_Record):
    """Scores of some conditions, and the differences between them."""

    version: int = Field(alias="schema", ge=RESULT_SCHEMA)
    conditions: list[ConditionRecord]
    differences: list[DifferenceRecord]
    notes: list[str]


class Measured(Protocol):
    """A condition's scores, from a run or a folder."""

    @property
    def name(self) -> str: ...
    @property
    def n_clips(self) -> int: ...
    @property
    def scores(self) -> dict[str, Score]: ...
    @property
    def unmeasured(self) -> dict[str, str]: ...


def document(
    conditions: Sequence[Measured], differences: Sequence[Comparison], notes: Sequence[str], **more: Any
) -> dict[str, Any]:
    """The JSON-able document; `more` adds keys at the top."""
    return {
        "schema": RESULT_SCHEMA,
        "conditions": [condition_record(one.name, one.n_clips, one.scores, one.unmeasured) for one in conditions],
        "differences": [difference_record(one) for one in differences],
        "notes": list(notes),
        **more,
    }


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ScoresDocument.model_json_schema()


def check_document(found: Mapping[str, Any]) -> ScoresDocument:
    """Raise pydantic's `ValidationError` unless this is a document."""
    return ScoresDocument.model_validate(found)


def schema_text() -> str:
    """The content of the schema's file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
