"""What a study in YAML may hold: its entries, their types, and what is made of each.

The entries come from `Claims` and `ExperimentSettings`, so that they are written once; this file adds what varies, the
prompts and the listening study. A value is checked where it stands, and everything that is wrong is found at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    create_model,
    model_validator,
)

from harness.core.settings import options_of, refusing
from harness.planning import sweeps
from harness.planning.claims import Claims, check_metrics, check_primary
from harness.planning.experiment import Condition, Experiment
from harness.planning.listening import Listening
from harness.planning.settings import ExperimentSettings
from harness.prompts.prompt import Prompt

STRICT = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)


def _given(entries: BaseModel) -> dict[str, Any]:
    """The entries that were written down, by name."""
    return {name: value for name, value in entries if name in entries.model_fields_set}


def _made(make: Callable[..., Any]) -> WrapValidator:
    """From a table of entries, in the order in which they were written, what `make` makes of them."""

    def wrap(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        entries = handler(value)
        return refusing(make)({name: getattr(entries, name) for name in value})

    return WrapValidator(wrap)


# Values of what varies.


def _value(name: str, *, may_be_off: bool = False) -> Any:
    """The type of one value of a field that can be varied."""

    def check(value: Any) -> Any:
        if may_be_off and (value is False or value == "off"):
            return sweeps.off(name)
        sweeps.check_value(name, value)
        return value

    number = {"type": "integer" if name in sweeps.WHOLE else "number"}
    kinds = [number if name in sweeps.NUMBERS else {"type": "string"}]
    kinds += [{"type": "array", "items": number}] if name in sweeps.PER_LEVEL else []
    kinds += [{"type": "null"}] if name in sweeps.NULLABLE else []
    kinds += [{"enum": ["off", False]}] if may_be_off and name in sweeps.OFF else []
    return Annotated[Any, AfterValidator(refusing(check)), WithJsonSchema({"anyOf": kinds} if kinds[1:] else kinds[0])]


def _several(name: str) -> Any:
    return Annotated[list[_value(name)], Field(min_length=1)]


class RangeEntries(BaseModel):
    """A range to draw from: {from: 0.7, to: 1.1, log: false}."""

    model_config = STRICT
    low: Annotated[float, Field(alias="from")]
    high: Annotated[float, Field(alias="to")]
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> RangeEntries:
        refusing(self.range)()
        return self

    def range(self) -> sweeps.Range:
        return sweeps.Range(self.low, self.high, self.log)


def _drawn_from(name: str) -> Any:
    """A list of values, or a range."""
    made = Annotated[RangeEntries, AfterValidator(RangeEntries.range), Tag("a range")]
    kind = Discriminator(lambda value: "a range" if isinstance(value, dict) else "a list")
    return Annotated[made | Annotated[_several(name), Tag("a list")], kind]


def _entries(title: str, value: Callable[[str], Any], **more: Any) -> Any:
    """A table of the fields that can be varied, each with the type that `value` gives it."""
    return _table(title, {**{field: (value(field), None) for field in sweeps.FIELDS}, **more})


def _table(title: str, fields: dict[str, Any], base: type[BaseModel] | None = None) -> Any:
    """A model of these fields, each with its type and its default, which is ... for one that is required."""
    how: dict[str, Any] = {"__base__": base, "__doc__": base.__doc__} if base else {"__config__": STRICT}
    return create_model(title, **how, **fields)


NAME = Annotated[str, Field(min_length=1)]
GridEntries = _entries("Grid", _several)
ZipEntries = _entries("Zip", _several)
ConditionEntries = _entries("Condition", _value, name=(NAME, None))
DrawEntries = _entries("Draw", _drawn_from, count=(int, ...), seed=(int, 0))
Baseline = Annotated[_entries("Baseline", _value), _made(dict)]
AblateEntries = _entries("Ablate", partial(_value, may_be_off=True), baseline=(Baseline, None))


def _drawn(draw: Callable[..., list[Condition]], values: dict[str, Any]) -> list[Condition]:
    return draw(values.pop("count"), values.pop("seed", 0), **values)


def _ablated(values: dict[str, Any]) -> list[Condition]:
    return sweeps.ablate(values.pop("baseline", {}), **values)


def _one(values: dict[str, Any]) -> Condition:
    return sweeps.named_condition(values, values.pop("name", None))


def _way(kind: Any, make: Callable[..., Any], description: str) -> Any:
    return Annotated[kind, _made(make), Field(description=description)]


ONE = Annotated[ConditionEntries, _made(_one)]
WAYS = {
    "grid": _way(GridEntries, lambda values: sweeps.grid(**values), "Every combination of the values."),
    "zip": _way(
        ZipEntries,
        lambda values: sweeps.zipped(**values),
        "The first value of each, the second of each, …",
    ),
    "list": Annotated[list[ONE], Field(min_length=1, description="A list of conditions.")],
    "random": _way(DrawEntries, partial(_drawn, sweeps.random), "Independent draws from lists and ranges."),
    "sobol": _way(DrawEntries, partial(_drawn, sweeps.sobol), "Draws that fill the ranges evenly."),
    "ablate": _way(AblateEntries, _ablated, "A baseline, and each of these changes to it alone."),
}


class _Ways(BaseModel):
    """What varies between the conditions, in one of these ways."""

    model_config = {**STRICT, "json_schema_extra": {"minProperties": 1, "maxProperties": 1}}

    @model_validator(mode="after")
    def _one_way(self, info: ValidationInfo) -> _Ways:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"{len(self.model_fields_set)} entries were found: one of {', '.join(WAYS)} was expected")
        refusing(Experiment)((info.context or {}).get("name", "study"), tuple(self.conditions), "what varies")
        return self

    @property
    def way(self) -> str:
        """The name of the way."""
        [way] = self.model_fields_set
        return way

    @property
    def conditions(self) -> list[Condition]:
        """The conditions, in order."""
        return getattr(self, self.way)


Varies = _table("Varies", {way: (kind, None) for way, kind in WAYS.items()}, _Ways)


# Prompts.


def _prompt_field(name: str) -> Any:
    """A field of a prompt, checked by itself."""

    def check(value: Any, info: ValidationInfo) -> Any:
        if name in ("audio", "codes") and isinstance(value, str):
            return (info.context or {}).get("folder", Path()) / value
        needed = {"unconditional": True} if name.endswith("_seconds") else {}
        Prompt(**{**needed, name: value})
        return value

    schema = Prompt.model_json_schema()["properties"][name]
    return Annotated[Any, AfterValidator(refusing(check)), WithJsonSchema(schema)]


PromptEntries = _table("Prompt", {name: (_prompt_field(name), None) for name in Prompt.model_fields})


def _prompt(entries: Any) -> Prompt:
    return Prompt(**_given(entries))


def _prompt_text(text: str) -> Prompt:
    return Prompt(text=text)


def _set_name(name: str, info: ValidationInfo) -> str:
    """The name of a prompt set; a file is found beside the study."""
    from harness.prompts.sets import load_prompt_set

    beside = (info.context or {}).get("folder", Path()) / name
    found = str(beside) if beside.suffix and beside.is_file() else name
    load_prompt_set(found)
    return found


PromptLine = Annotated[
    Annotated[NAME, AfterValidator(refusing(_prompt_text)), Tag("a text")]
    | Annotated[PromptEntries, AfterValidator(refusing(_prompt)), Tag("a prompt")],
    Discriminator(lambda value: "a prompt" if isinstance(value, dict) else "a text"),
]
Prompts = Annotated[
    Annotated[NAME, AfterValidator(refusing(_set_name)), Tag("a prompt set")]
    | Annotated[list[PromptLine], Field(min_length=1), Tag("a list")],
    Discriminator(lambda value: "a prompt set" if isinstance(value, str) else "a list"),
]


# The study.

ListeningEntries = _table(
    "Listening",
    {
        name: (Annotated[(field.annotation, *field.metadata, Field())], ... if field.is_required() else field.default)
        for name, field in Listening.__pydantic_fields__.items()  # type: ignore[attr-defined]
    },
)


def _listening(entries: Any) -> Listening:
    return Listening(**_given(entries))


def _name(value: str) -> str:
    if not value.replace("-", "").replace("_", "").isalnum() or len(value) > 60:
        raise ValueError(f"{value!r:.80} was found: letters, digits, - and _ were expected, at most 60")
    return value


def _question(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty: the question that the study answers was expected")
    return value


def _each(check: Callable[[Iterable[str]], None], names: tuple[str, ...]) -> tuple[str, ...]:
    check(names)
    return names


CHECKS = {
    "primary": AfterValidator(refusing(lambda name: check_primary(name) or name)),
    "metrics": AfterValidator(refusing(partial(_each, check_metrics))),
}
OPTIONS = {field.key: field for kind in (Claims, ExperimentSettings) for field in options_of(kind).values()}
"""The options that a study may set, by key."""


def _option_entry(key: str) -> tuple[Any, Any]:
    field = OPTIONS[key]
    checks = (CHECKS[key],) if key in CHECKS else ()
    described = Field(description=field.option.help)
    return Annotated[(field.annotation, *field.metadata, *checks, described)], field.default


class _Study(BaseModel):
    """A study: an experiment as plain YAML. Run it with: harness run study.yaml"""

    model_config = STRICT


def _about(kind: Any, description: str) -> Any:
    return Annotated[kind, Field(description=description)]


Study = _table(
    "Study",
    {
        "name": (_about(Annotated[str, AfterValidator(_name)], "Without it, the name of the file."), None),
        "question": (_about(Annotated[str, AfterValidator(_question)], "What the study asks."), ...),
        "varies": (Varies, ...),
        **{key: _option_entry(key) for key, field in OPTIONS.items() if field.option.declarable},
        "prompts": (_about(Prompts, "A list of prompts, or the name or file of a prompt set."), None),
        "listening": (
            _about(Annotated[ListeningEntries, AfterValidator(refusing(_listening))], "How listeners judge the clips."),
            None,
        ),
    },
    _Study,
)
KEYS = tuple(Study.model_fields)
TABLES: dict[str, tuple[str, ...]] = {
    "": KEYS,
    "varies": tuple(WAYS),
    "list": ("name", *sweeps.FIELDS),
    "random": ("count", "seed", *sweeps.FIELDS),
    "sobol": ("count", "seed", *sweeps.FIELDS),
    "ablate": ("baseline", *sweeps.FIELDS),
    "a range": ("from", "to", "log"),
    "a prompt": tuple(Prompt.model_fields),
    "listening": tuple(ListeningEntries.model_fields),
}
"""The entries of each table, by the step that leads to it; those that are not named here have the fields to vary."""


def known_entries(place: Sequence[Any]) -> tuple[str, ...]:
    """The entries that the table at this place of pydantic's may have."""
    steps = [step for step in place if isinstance(step, str)]
    return TABLES.get(steps[-1] if steps else "", sweeps.FIELDS)


def study_schema() -> dict[str, Any]:
    """The JSON schema of a study: entries, types, ranges, defaults and descriptions."""
    schema = Study.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_noise(schema)}


def _without_noise(schema: Any) -> Any:
    """The schema without titles that repeat the names, and without the defaults of entries that have none."""
    if isinstance(schema, list):
        return [_without_noise(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    noise = {"title"} if isinstance(schema.get("title"), str) else set()
    noise |= {"default"} if "default" in schema and schema["default"] is None else set()
    return {key: _without_noise(value) for key, value in schema.items() if key not in noise}
