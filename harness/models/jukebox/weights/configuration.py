"""Configurations of models: TOML files read into shapes, one on top of another where models have parts in common."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import ModelError

C = TypeVar("C")


def read_config(path: Path) -> dict[str, Any]:
    """A configuration, on top of the one beside it that it names as its `base`."""
    table = tomllib.loads(path.read_text("utf-8"))
    base = table.pop("base", None)
    return table if base is None else merged(read_config(path.parent / base), table)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two tables as one: where both hold a table these are merged, else the upper one counts.

    >>> merged({"a": 1, "t": {"x": 1, "y": 1}}, {"t": {"y": 2}, "b": 3})
    {'a': 1, 't': {'x': 1, 'y': 2}, 'b': 3}
    """
    both = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            both[key] = merged(below[key], above[key])
    return both


def read_shape(kind: type[C], table: Mapping[str, Any]) -> C:
    """A table as one of the dataclasses of `config`."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(table) - known:
        raise ModelError(f"the configuration gives {kind.__name__} {sorted(unknown)}; it takes {sorted(known)}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
