"""Models by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.models.base import Model
from metrics.registry import Registry

MODELS: Registry[Callable[[], Model]] = Registry(
    kind="model",
    entry_point_group="music_harness.models",
    targets={"jukebox:mini": "harness.models.jukebox.model:load_mini", "toy": "harness.models.toy:load"},
)


def load_model(name: str) -> Model:
    """The model of that name, with its weights.

    Raises `UsageError` for an unknown name, `ModelError` for missing weights.
    """
    return MODELS.get(name)()
