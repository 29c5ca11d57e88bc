"""Names for things that are imported only when asked for.

A registry maps a name to a lazy target `"module:Object"`. Other distributions add names through an entry-point group;
a built-in name wins over a plug-in of the same name, so that installing a package cannot change what a name means.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from metrics.api.errors import UsageError

T = TypeVar("T")


class Registry(Generic[T]):
    """Lazy names of one kind.

    >>> codecs = Registry[type](kind="codec", entry_point_group="harness.codecs", targets={"json": "json:JSONDecoder"})
    >>> codecs.get("json").__name__
    'JSONDecoder'
    >>> codecs.get("jsn")
    Traceback (most recent call last):
    ...
    metrics.api.errors.UsageError: unknown codec 'jsn'. Did you mean 'json'? Known: json.
    """

    def __init__(self, kind: str, entry_point_group: str, targets: Mapping[str, str]) -> None:
        self.kind = kind
        self.entry_point_group = entry_point_group
        self._targets = dict(targets)

    def names(self) -> list[str]:
        """Every known name, sorted: built-in ones and those of installed plug-ins."""
        return sorted({*self._targets, *self._plugins()})

    def get(self, name: str) -> T:
        """The object behind a name, imported now. An unknown name raises `UsageError` with the nearest known one."""
        target = self._targets.get(name)
        if target is not None:
            module, _, attribute = target.partition(":")
            return cast(T, getattr(importlib.import_module(module), attribute))
        plugin = self._plugins().get(name)
        if plugin is None:
            raise UsageError(unknown_name(self.kind, name, self.names()))
        return cast(T, plugin.load())

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.entry_point_group)}


def unknown_name(kind: str, name: str, known: list[str]) -> str:
    """The message for a name that is not known, with the nearest known one when there is one that is near."""
    nearest = nearest_name(name, known)
    hint = f" Did you mean {nearest!r}?" if nearest else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}."


def nearest_name(name: str, known: list[str]) -> str | None:
    """The known name that is nearest, when one is near."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return nearest[0] if nearest else None
