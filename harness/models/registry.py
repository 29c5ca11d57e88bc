"""Models by name, and what each family of models offers besides clips.

A model's name is its family, or family:size. The folder of a family is imported by the strings below alone, so that
nothing else depends on how it is built.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, cast

from harness.core import registry as groups
from harness.core.errors import UsageError
from harness.core.foreign import foreign
from harness.models.base import Model
from metrics.api.registry import Registry

METHODS = ("fingerprint", "encode", "sample")


def _loads(name: str, found: Any) -> Callable[..., Model]:
    """What a plug-in's entry point is, if a model can be had by calling it."""
    if not callable(found):
        raise UsageError(f"it is of type {type(found).__name__}: a function that loads a model was expected")
    lacking = [method for method in METHODS if not callable(getattr(found, method, None))]
    if isinstance(found, type) and lacking:
        raise UsageError(f"the class {found.__name__} has no {', '.join(lacking)}: see harness.models.base.Model")
    return cast(Callable[..., Model], found)


MODELS: Registry[Callable[..., Model]] = Registry(
    kind="model",
    entry_point_group=groups.MODELS,
    targets={
        "jukebox:mini": "harness.models.jukebox.model:load_mini",
        "jukebox:1b_lyrics": "harness.models.jukebox.model:load_1b_lyrics",
        "jukebox:5b": "harness.models.jukebox.model:load_5b",
        "jukebox:5b_lyrics": "harness.models.jukebox.model:load_5b_lyrics",
        "toy": "harness.models.toy:load",
    },
    accept=_loads,
)

DOORS: Mapping[str, Registry[Any]] = {
    "jukebox": Registry(
        kind="door of the jukebox models",
        targets={
            "check-golden": "harness.models.jukebox.golden:check_folder",
            "convert": "harness.models.jukebox.weights.convert:convert",
            "files": "harness.models.jukebox.weights.inventory",
            "likelihood": "harness.models.jukebox.likelihood",
            "pull": "harness.models.jukebox.weights.pull:pull_released",
            "train": "harness.models.jukebox.train.recipe:recipe",
        },
    ),
}
"""What each family offers besides clips, by what it is for."""


def family_of(model: str) -> str:
    """
    >>> family_of("jukebox:mini"), family_of("toy")
    ('jukebox', 'toy')
    """
    return model.partition(":")[0]


def family_door(model: str, door: str) -> Any:
    """What the family of `model` (a model's name, or a family's) offers for `door`, such as "likelihood".

    It is imported now: a function, a class, or a module of functions. Raises `UsageError` where the family offers none,
    naming the families that do.
    """
    family = family_of(model)
    if door in doors(family):
        return DOORS[family].get(door)
    others = [f"{name} ({', '.join(_names_of(name))})" for name in sorted(DOORS) if door in doors(name)]
    raise UsageError(f"{model} offers no {door}: {', '.join(others) or 'no model'} does.")


def doors(model: str) -> list[str]:
    """What the family of `model` offers besides clips, sorted."""
    family = family_of(model)
    return DOORS[family].names() if family in DOORS else []


def plugin_states() -> dict[str, str]:
    """The state ("installed" or "broken") of each model that another distribution brings.

    Installed is not ready: that its entry point loads does not say that its weights are there.
    """
    plugins = {row.name for row in MODELS.listed() if row.state in ("installed", "broken")}
    working = MODELS.working()
    return {name: "installed" if name in working else "broken" for name in sorted(plugins)}


def load_model(name: str, **options: Any) -> Model:
    """Load a model with its weights.

    Args:
        name: as `harness models list` prints it.
        options: keyword arguments of the model's loader. Jukebox takes `width` (clips sampled at a time), `dtype` and
            `device`.

    Returns:
        The model, ready to `encode` prompts and `sample` clips.

    Raises:
        UsageError: for an unknown name, or an option that the model does not take.
        BrokenPlugin: for a plug-in that does not load, or whose object is not a model.
        ModelError: for missing weights, and for a model that ends the program.

    >>> model = load_model("toy")
    >>> model.name
    'toy'
    """
    load = MODELS.get(name)
    try:
        inspect.signature(load).bind(**options)
    except TypeError:
        raise UsageError(f"{name} takes no {', '.join(options)}: leave it out, or choose another model.") from None
    except ValueError:  # a signature that cannot be read, as some compiled functions have
        pass
    with foreign(f"the model {name}"), MODELS.blamed(name):
        model = load(**options)
        if not MODELS.origin(name).built_in:
            _check(model)
    return model


def _check(model: Any) -> None:
    """Raise for an object that is no model."""
    if lacking := [method for method in METHODS if not callable(getattr(model, method, None))]:
        raise AttributeError(f"the model has no method {', '.join(lacking)}")
    if not isinstance(model.name, str) or not model.name:
        raise TypeError(f"its name is {model.name!r:.60}: a word was expected")
    for name, unit in (("rate", "Hz"), ("width", "clips")):
        value = getattr(model, name)
        if not isinstance(value, Integral) or value < 1:
            raise TypeError(f"its {name} is {value!r:.60}: a whole number of {unit} was expected")
    list(model.styles)
    if not isinstance(fingerprint := model.fingerprint(), dict):
        raise TypeError(f"its fingerprint is {fingerprint!r:.60}: a dictionary was expected")
    json.dumps(fingerprint)


def _names_of(family: str) -> list[str]:
    return [name for name in MODELS.names() if family_of(name) == family]
