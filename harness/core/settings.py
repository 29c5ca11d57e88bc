"""Settings written once: a field of a settings class holds its type, default, range and help; the rest is derived.

    @settings_class
    class Kitchen:
        eggs: Annotated[int, Field(ge=1), Option("How many eggs.", short="e", counts=True)] = 2

From the field are derived the command line's option (`harness.cli.options`), the key in a study
(`harness.planning.yaml_file`), the JSON schema, the check of the value, and whether it is part of a run's identity.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from harness.core.errors import HarnessError, UsageError
from harness.core.option import Option

T = TypeVar("T")
R = TypeVar("R")


def _listed(value: Any) -> Any:
    """One value or several, as a tuple in which each stands once."""
    if isinstance(value, str | Path):
        return (value,)
    if not isinstance(value, list | tuple):
        return value
    return tuple(one for n, one in enumerate(value) if one not in value[:n])


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping) else value


Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
]
"""A name or several, each once."""
Texts = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_tuple)]


@dataclass(frozen=True)
class OptionField:
    """A field of a settings class that is an option: its name, declared type, constraints and default."""

    name: str
    option: Option
    annotation: Any
    metadata: tuple[Any, ...]
    default: Any

    @property
    def flag(self) -> str:
        """The name on the command line, without dashes in front."""
        return self.option.flag or self.name.replace("_", "-")

    @property
    def key(self) -> str:
        """The name in a study."""
        return self.option.key or self.name


@dataclass_transform(frozen_default=True)
def settings_class(kind: type[T]) -> type[T]:
    """A frozen pydantic dataclass whose values are checked strictly; wrong ones raise `UsageError`, all in one message.

    Positional arguments, `dataclasses.replace` and subclasses work as for any dataclass.
    """
    config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
    made = pydantic_dataclass(frozen=True, config=config)(kind)
    checked_init = made.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        try:
            checked_init(self, *args, **kwargs)
        except ValidationError as error:
            names = list(made.__pydantic_fields__)  # type: ignore[attr-defined]
            raise UsageError(". ".join(_explained(error, names))) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return cast(type[T], made)


@cache
def options_of(kind: type) -> dict[str, OptionField]:
    """The options of a settings class by field name, in order."""
    fields: Mapping[str, FieldInfo] = kind.__pydantic_fields__  # type: ignore[attr-defined]
    return {name: found for name, field in fields.items() if (found := _option_field(name, field))}


def _option_field(name: str, field: FieldInfo) -> OptionField | None:
    option = next((one for one in field.metadata if isinstance(one, Option)), None)
    if option is None:
        return None
    default = field.get_default(call_default_factory=True, validated_data={})
    rest = tuple(one for one in field.metadata if one is not option)
    return OptionField(name, option, field.annotation, rest, None if default is PydanticUndefined else default)


def counted(settings: Any) -> dict[str, Any]:
    """The values that are part of a run's identity, by key."""
    found = {}
    for name, field in options_of(type(settings)).items():
        value = getattr(settings, name)
        if field.option.counts and not (field.option.optional and value == field.default):
            found[field.key] = list(value) if isinstance(value, tuple) else value
    return found


def _explained(error: ValidationError, names: Sequence[str]) -> Iterator[str]:
    """Every mistake in plain words; positional arguments by the names of their fields."""
    for one in error.errors(include_url=False):
        first, *rest = one["loc"]
        parts = [names[first] if isinstance(first, int) else first, *rest]
        yield problem(one, ".".join(map(str, parts)), names)


def refusing(function: Callable[..., R]) -> Callable[..., R]:
    """A check whose `HarnessError` pydantic collects with the other mistakes, in place of letting it through."""

    @wraps(function)
    def checked(*args: Any, **kwargs: Any) -> R:
        try:
            return function(*args, **kwargs)
        except HarnessError as error:
            raise ValueError(str(error)) from None

    return checked


LIMITS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "a number above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "a number below {lt}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
}
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table of entries",
    "model": "a table of entries",
    "path": "a path",
}


def problem(error: ErrorDetails, name: str = "", known: Sequence[str] = (), what: str = "entry") -> str:
    """One mistake found by pydantic, as what was found and what was expected.

    Args:
        error: the mistake.
        name: what the value is called, where the message does not stand beside its name.
        known: names of which the nearest is suggested in place of an unknown one.
        what: what those are the names of.
    """
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        from metrics.api.registry import unknown_name

        return unknown_name(what, str(error["loc"][-1]), list(known)).rstrip(".")
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"])).rstrip(".")
    if kind == "missing":
        return f"{name or 'it'} is missing"
    if kind == "too_short" or (kind == "string_too_short" and context.get("min_length") == 1):
        return f"{name or 'it'} is empty: something was expected"
    value = reprlib.repr(error["input"])
    found = f"{name} is {value}" if name else f"{value} was found"
    expected = LIMITS.get(kind) or KINDS.get(kind.partition("_")[0])
    if expected is None:
        return f"{found}: {error['msg'][0].lower()}{error['msg'][1:]}"
    limits = {
        key: limit if isinstance(limit, str) else f"{limit:,}".removesuffix(".0") for key, limit in context.items()
    }
    quoted = " in quotes" if kind == "string_type" and not name and not isinstance(error["input"], list | dict) else ""
    return f"{found}: {expected.format(**limits)}{quoted} was expected"
