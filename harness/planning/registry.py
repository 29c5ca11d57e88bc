"""The experiments that are installed, by name. Each is found by entry point and imported only when it is used.

Those of this project are entry points as well, so that nothing here imports them.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from harness.core import registry as groups
from harness.core.errors import UsageError
from harness.planning.experiment import Condition, Declaration
from metrics.api.registry import Registry


def _declaration(name: str, found: Any) -> Declaration:
    """The declaration that a plug-in's entry point provides. Later errors of its function name the plug-in."""
    if not isinstance(found, Declaration):
        raise UsageError(f"it is of type {type(found).__name__}: a function under @experiment(…) was expected")
    _ = found.headline, found.parameters  # a signature that cannot be read is found out here

    @functools.wraps(found.function)
    def conditions(*args: Any, **kwargs: Any) -> list[Condition]:
        with EXPERIMENTS.blamed(name):
            listed = list(found.function(*args, **kwargs))
            if wrong := [one for one in listed if not isinstance(one, Condition)]:
                raise TypeError(f"its function listed {wrong[0]!r:.60}: a Condition was expected")
        return listed

    return replace(found, function=conditions)


EXPERIMENTS: Registry[Declaration] = Registry(
    kind="experiment", entry_point_group=groups.EXPERIMENTS, accept=_declaration
)


def declarations() -> dict[str, Declaration]:
    """The installed experiments by name, without those of broken plug-ins."""
    return EXPERIMENTS.things()
