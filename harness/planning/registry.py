"""The experiments that are installed, by name. Each is found by entry point and imported only when it is asked for.

Those of this project are entry points as well, so that nothing here imports them.
"""

from __future__ import annotations

from typing import Any

from harness.core import registry as groups
from harness.core.errors import UsageError
from harness.planning.experiment import Declaration
from metrics.api.registry import Registry


def _declaration(name: str, found: Any) -> Declaration:
    """What a plug-in's entry point is, if it is the declaration of an experiment that can be listed."""
    if not isinstance(found, Declaration):
        raise UsageError(f"it is of type {type(found).__name__}: a function under @experiment(…) was expected")
    _ = found.headline, found.parameters  # a signature that cannot be read is found out here
    return found


EXPERIMENTS: Registry[Declaration] = Registry(
    kind="experiment", entry_point_group=groups.EXPERIMENTS, accept=_declaration
)


def declarations() -> dict[str, Declaration]:
    """The installed experiments by name, without those of broken plug-ins."""
    return EXPERIMENTS.things()
