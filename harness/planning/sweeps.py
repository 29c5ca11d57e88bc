"""Lists of conditions over values of the sampling, fields of prompts, lengths, models: grids, rows, draws, ablations.

    grid(temperature=[0.7, 0.99], top_k=[0, 64])                    # four conditions, every combination
    zipped(temperature=[0.7, 0.99], top_p=[0.9, 0.95])              # two: the first values, the second values
    random(8, temperature=Range(0.7, 1.1), top_k=Range(1, 512, log=True))
    sobol(8, temperature=Range(0.7, 1.1), style=["metal", "ambient"])
    ablate({"top_k": 64, "top_p": 0.9}, top_k=0, style=None)        # a baseline, then one change at a time

A sweep is a function of its arguments: the same seed draws the same conditions. Values are checked when the
sweep is declared, and a wrong one raises `UsageError`.
"""

from __future__ import annotations

import itertools
import math
import numbers
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.registry import MODELS
from harness.planning.experiment import CHANGEABLE, PROMPT_LENGTHS, Condition
from harness.prompts.prompt import WORDS
from metrics.api.registry import unknown_name

MOST_CONDITIONS = 10_000
DRAWS_PER_CONDITION = 64
"""Draws over few whole numbers repeat themselves; after this many times the wanted number, there are no more."""

SAMPLING = tuple(field.name for field in fields(Sampling))
WHOLE = frozenset({"top_k", "window", "chunk", "stop_level", "replicate"})
PER_LEVEL = frozenset({"temperature", "top_k", "top_p", "hop_fraction", "window", "chunk"})
NUMBERS = frozenset({*PER_LEVEL, *WHOLE, *PROMPT_LENGTHS, "seconds", "more_seconds"})
OWN = ("seconds", "more_seconds", "replicate", "model")
FIELDS = (*SAMPLING, *CHANGEABLE, *OWN)
"""What can be varied."""
NULLABLE = frozenset({*CHANGEABLE, "hop_fraction", "window", "chunk"})
"""Fields that can be None: a part of the prompt that is removed, or a value that is left to the model."""
OFF: Mapping[str, Any] = MappingProxyType(
    {"top_k": 0, "top_p": 0.0, "upsampling": "exact", **dict.fromkeys((*WORDS, "total_seconds", "offset_seconds"))}
)
"""The value of a field that is switched off."""
BASELINE = "baseline"

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; evenly, or on a logarithmic scale."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not all(_is_number(end) and math.isfinite(end) for end in (self.low, self.high)) or self.low >= self.high:
            raise UsageError(f"the range is from {self.low!r} to {self.high!r}: two numbers, the lower first, expected")
        if self.log and self.low <= 0:
            raise UsageError(f"the range on a logarithmic scale begins at {self.low!r}: a number above 0 was expected")

    def at(self, place: float, whole: bool) -> float:
        """The number at `place`, 0 ≤ place < 1; of whole numbers each has an equal part of the scale."""
        low, high = (math.ceil(self.low), math.floor(self.high) + 1) if whole else (self.low, self.high)
        value = low * (high / low) ** place if self.log else low + (high - low) * place
        return math.floor(value) if whole else float(f"{value:.6g}")  # digits that fit into a name


def grid(**values: Iterable[Any]) -> list[Condition]:
    """Every combination of the values, the last varying fastest.

    Args:
        values: a list of values for each field to vary: `sampling` values, fields of the prompts, lengths, models.

    Returns:
        The conditions, each called by its values.

    Raises:
        UsageError: for a field that cannot vary, a value out of range, or more than 10,000 conditions.

    >>> [one.name for one in grid(temperature=[0.7, 0.99], top_k=[0, 64])][:2]
    ['temperature=0.7, top_k=0', 'temperature=0.7, top_k=64']
    """
    lists = {name: _values(name, given) for name, given in _named(values).items()}
    _check_number(math.prod(len(given) for given in lists.values()))
    return [condition(dict(zip(lists, row, strict=True))) for row in itertools.product(*lists.values())]


def zipped(**values: Iterable[Any]) -> list[Condition]:
    """The first value of each field, the second value of each, and so on.

    Args:
        values: lists of one length, one for each field to vary.

    Raises:
        UsageError: as `grid`, and for lists of different lengths.

    >>> [one.name for one in zipped(temperature=[0.7, 0.99], top_p=[0.9, 0.95])]
    ['temperature=0.7, top_p=0.9', 'temperature=0.99, top_p=0.95']
    """
    lists = {name: _values(name, given) for name, given in _named(values).items()}
    lengths = {name: len(given) for name, given in lists.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise UsageError(f"values that go together must be equally many; there are {counts}")
    _check_number(next(iter(lengths.values())))
    return [condition(dict(zip(lists, row, strict=True))) for row in zip(*lists.values(), strict=True)]


def random(count: int, seed: int = 0, **ranges: Range | Iterable[Any]) -> list[Condition]:
    """`count` different conditions, each value drawn uniformly and independently from its range or list.

    Args:
        count: how many conditions.
        seed: of the draws; the same seed draws the same conditions.
        ranges: a `Range` or a list of values for each field to vary.

    Raises:
        UsageError: as `grid`, and when the ranges do not hold that many different conditions.
    """
    generator = np.random.default_rng(_check_seed(seed))
    return _drawn(count, ranges, lambda draws, dimensions: generator.random((draws, dimensions)))


def sobol(count: int, seed: int = 0, **ranges: Range | Iterable[Any]) -> list[Condition]:
    """`count` different conditions that fill the space of the ranges evenly: the beginning of a scrambled Sobol
    sequence (Owen, J. Complexity 14, 1998). Counts that are powers of two are the most even.

    Arguments and errors are those of `random`.
    """
    from scipy.stats import qmc

    def points(draws: int, dimensions: int) -> NDArray[np.float64]:
        sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
        return sequence.random_base2(math.ceil(math.log2(draws)))

    _check_seed(seed)
    return _drawn(count, ranges, points)


def ablate(baseline: Mapping[str, Any] | None = None, /, **changes: Any) -> list[Condition]:
    """The baseline, and for each change one condition that differs from it in that value alone.

    Compare them with `contrast="against the first"`.

    >>> [one.name for one in ablate({"top_k": 64, "top_p": 0.9}, top_k=0, style=None)]
    ['baseline', 'top_k=0', 'no style']

    Args:
        baseline: values of the first condition; without it, everything is as the model and the prompts have it.
        changes: a value for each field to change, None to remove a part of the prompt (`off` gives the value of a
            field that is switched off).

    Raises:
        UsageError: without changes, for values out of range, and for a change that leaves the baseline as it is.
    """
    return ablations(baseline or {}, tuple(_named(changes).items()))


def ablations(baseline: Mapping[str, Any], changes: Sequence[tuple[str, Any]]) -> list[Condition]:
    """As `ablate`, with changes as pairs of field and value, so that a field can have several."""
    _check_number(len(changes) + 1)
    first = replace(condition(baseline), name=BASELINE, value=None)
    found = [first]
    for name, value in changes:
        changed = replace(condition({**baseline, name: value}), name=said(name, value), value=None)
        if changed.content() == first.content():
            raise UsageError(
                f"{changed.name} changes nothing: the baseline has it already. Give the baseline another value: "
                f"baseline: {{{name}: …}} in a study, --baseline {name}=… of the experiment 'ablation'"
            )
        found.append(changed)
    return found


def off(name: str) -> Any:
    """The value of a field that is switched off. Raises `UsageError` for a field that cannot be."""
    if name not in FIELDS:
        raise UsageError(unknown_name("value to vary", name, list(FIELDS)))
    if name not in OFF:
        raise UsageError(f"{name} cannot be off: a value to have in place of the baseline's was expected")
    return OFF[name]


def read_change(text: str) -> tuple[str, Any]:
    """A field and its value from text such as `top_k=64`, `top_k=8,64` (one for each level) or `style=off`.

    >>> read_change("top_k=64"), read_change("temperature=0.9,1"), read_change("style=off")
    (('top_k', 64), ('temperature', (0.9, 1)), ('style', None))
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise UsageError(f"{text!r} was found: a field and its value were expected, for example top_k=0 or style=off")
    if value == "off":
        return name, off(name)
    if name not in NUMBERS:
        return name, value
    first, *rest = (_number(part) for part in value.split(","))
    return name, (first, *rest) if rest else first


def named_condition(values: Mapping[str, Any], name: str | None = None) -> Condition:
    """A condition of these values, called by `name`, or else by them."""
    made = condition(values)
    return replace(made, name=name or made.name or "as it is")


def condition(values: Mapping[str, Any]) -> Condition:
    """One condition of named values, called by them; its place on the axis is the one number that varies."""
    for name, value in values.items():
        check_value(name, value)
    own = {name: value for name, value in values.items() if name in OWN}
    prompt = {name: value for name, value in values.items() if name in CHANGEABLE}
    drawing: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in SAMPLING
    }
    only = next(iter(values.values())) if len(values) == 1 else None
    place = float(only) if _is_number(only) else None
    return Condition(", ".join(map(said, values, values.values())), Sampling(**drawing), place, prompt, **own)


def check_value(name: str, value: Any) -> None:
    """Raise `UsageError` unless `name` can be varied and can have that value."""
    if name not in FIELDS:
        raise UsageError(unknown_name("value to vary", str(name), list(FIELDS)))
    parts: list[Any] = list(value) if isinstance(value, list | tuple) and name in PER_LEVEL else [value]
    for part in [part for part in parts if not (name in NULLABLE and part is None)]:
        if name in NUMBERS and not _is_number(part):
            raise UsageError(f"{name} is {reprlib.repr(part)}; a number was expected")
        if name in WHOLE and not (math.isfinite(part) and part == int(part) and abs(part) < 2**53):
            raise UsageError(f"{name} is {reprlib.repr(part)}; a whole number was expected")
        if name not in NUMBERS and not isinstance(part, str):
            raise UsageError(f"{name} is {reprlib.repr(part)}; a text was expected")
    if not parts:
        raise UsageError(f"{name} is {reprlib.repr(value)}; a number, or one for each level, was expected")
    wanted: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value}
    if name in SAMPLING:
        Sampling(**wanted)
    elif name in CHANGEABLE:
        Condition("", prompt=wanted)
    elif name == "model":
        if value not in MODELS.names():
            raise UsageError(unknown_name("model", str(value), MODELS.names()))
    else:
        Condition("", **wanted)


def said(name: str, value: Any) -> str:
    """
    >>> said("temperature", 0.7), said("top_k", (8, 64)), said("style", None)
    ('temperature=0.7', 'top_k=8,64', 'no style')
    """
    if value is None:
        return f"no {name}" if name in CHANGEABLE else f"{name}=default"
    parts = value if isinstance(value, list | tuple) else [value]
    return f"{name}={','.join(f'{part:.12g}' if _is_number(part) else str(part) for part in parts)}"


def _number(text: str) -> Any:
    """A number as it was written; what is none stays text, which `check_value` refuses."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _named(values: Mapping[str, T]) -> Mapping[str, T]:
    if not values:
        raise UsageError(f"nothing varies: values of at least one of {', '.join(FIELDS)} were expected")
    return values


def _values(name: str, given: Iterable[Any]) -> list[Any]:
    if isinstance(given, str | bytes | Mapping | Range) or not isinstance(given, Iterable):
        raise UsageError(f"{name} is {reprlib.repr(given)}; a list of values was expected")
    values = list(itertools.islice(given, MOST_CONDITIONS + 1))
    if not values:
        raise UsageError(f"{name} has no values: at least one was expected")
    for value in values:
        check_value(name, value)
    return values


def _drawn(count: int, ranges: Mapping[str, Any], points: Callable[[int, int], NDArray[np.float64]]) -> list[Condition]:
    """The first `count` different conditions at points (draws, dimensions) in the unit cube."""
    spaces = {name: _space(name, given) for name, given in _named(ranges).items()}
    if not (_is_number(count) and count == int(count)):
        raise UsageError(f"the number of conditions is {count!r}; a whole number was expected")
    _check_number(int(count))
    found: dict[str, Condition] = {}
    draws = int(count)
    while len(found) < count:
        if draws > DRAWS_PER_CONDITION * count:
            raise UsageError(f"{count} different conditions were wanted, and these ranges give only {len(found)}")
        for point in points(draws, len(spaces)):
            one = condition({name: spaces[name](float(place)) for name, place in zip(spaces, point, strict=True)})
            found.setdefault(one.name, one)
        draws *= 2
    return list(found.values())[: int(count)]


def _space(name: str, given: Any) -> Callable[[float], Any]:
    """From a place in [0, 1) to a value."""
    if isinstance(given, Range):
        if name in FIELDS and name not in NUMBERS:
            raise UsageError(f"{name} has a range, and is a text: a list of texts was expected")
        whole = name in WHOLE
        if whole and math.ceil(given.low) > math.floor(given.high):
            raise UsageError(f"{name} has no whole number from {given.low} to {given.high}")
        for end in (0.0, 1.0 - 1e-12):
            check_value(name, given.at(end, whole))
        return lambda place: given.at(place, whole)
    values = _values(name, given)
    return lambda place: values[int(place * len(values))]


def _check_number(count: int) -> None:
    if not 1 <= count <= MOST_CONDITIONS:
        raise UsageError(f"there would be {count} conditions: 1 to {MOST_CONDITIONS:,} were expected")


def _check_seed(seed: Any) -> int:
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UsageError(f"the sweep's seed is {seed!r}; a whole number from 0 on was expected")
    return seed


def _is_number(value: Any) -> TypeGuard[float]:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True
