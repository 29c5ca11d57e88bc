"""Models by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from harness.core.errors import UsageError
from harness.core.foreign import foreign
from harness.models.base import Model
from metrics.api.registry import Registry

MODELS: Registry[Callable[..., Model]] = Registry(
    kind="model",
    entry_point_group="music_harness.models",
    targets={
        "jukebox:mini": "harness.models.jukebox.model:load_mini",
        "jukebox:1b_lyrics": "harness.models.jukebox.weights.released:load_1b_lyrics",
        "jukebox:5b": "harness.models.jukebox.weights.released:load_5b",
        "jukebox:5b_lyrics": "harness.models.jukebox.weights.released:load_5b_lyrics",
        "toy": "harness.models.toy:load",
    },
)


def load_model(name: str, **options: Any) -> Model:
    """The model of that name, with its weights. `options` go to it: Jukebox takes `width` (clips sampled at a time),
    `dtype` and `device`.

    Raises `UsageError` for an unknown name or an option that the model does not take, `ModelError` for missing weights.
    """
    with foreign(f"the model {name}"):
        load = MODELS.get(name)
    try:
        inspect.signature(load).bind(**options)
    except TypeError:
        raise UsageError(f"{name} takes no {', '.join(options)}: leave it out, or choose another model.") from None
    with foreign(f"the model {name}"):
        return load(**options)
