"""What a clip sounds like, as vectors: frames × dimensions. `load_embedder("musicnn")` is the default."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any, cast

from metrics.api import registry as groups
from metrics.api.registry import Registry
from metrics.embeddings.base import Embedder
from metrics.errors import UsageError

ATTRIBUTES = ("name", "rate", "dim", "window_seconds", "hop_seconds", "provenance", "embed")


def _makes(name: str, found: Any) -> Callable[..., Embedder]:
    """What a plug-in's entry point is, if an embedder can be had by calling it."""
    if not callable(found):
        raise UsageError(f"it is of type {type(found).__name__}: a class of embedders, or a function, was expected")
    if isinstance(found, type) and not callable(getattr(found, "embed", None)):
        raise UsageError(f"the class {found.__name__} has no embed: see metrics.embeddings.base.Embedder")
    return cast(Callable[..., Embedder], found)


EMBEDDERS: Registry[Callable[..., Embedder]] = Registry(
    kind="embedder",
    entry_point_group=groups.EMBEDDERS,
    targets={
        "clap": "metrics.embeddings.transformers:Clap",
        "encodec": "metrics.embeddings.transformers:EnCodec",
        "hf": "metrics.embeddings.transformers:HuggingFace",
        "musicnn": "metrics.embeddings.musicnn:Musicnn",
        "openl3": "metrics.embeddings.openl3:OpenL3",
        "soundnet": "metrics.embeddings.soundnet:SoundNet",
        "toy": "metrics.embeddings.toy:ToyEmbedder",
        "vggish": "metrics.embeddings.vggish:VGGish",
    },
    accept=_makes,
)


def load_embedder(name: str, **options: Any) -> Embedder:
    """The embedder of that name, ready to use; `options` go to it, such as `hop_seconds=0.5`.

    What follows a colon is the embedder's own first argument: "hf:facebook/wav2vec2-base@6", "musicnn:max_pool". Raises
    `UsageError` for an unknown name or option, `WeightsError` when its weights cannot be fetched, and `BrokenPlugin`
    for a plug-in that does not load or gives no embedder.
    """
    arguments: list[str] = []
    if ":" in name and name not in EMBEDDERS.names():
        name, *arguments = name.split(":", 1)
    make = EMBEDDERS.get(name)
    try:
        inspect.signature(make).bind(*arguments, **options)
    except TypeError as error:
        raise UsageError(f"the embedder {name!r} cannot be made with these options: {error}.") from error
    except ValueError:  # a signature that cannot be read, as some compiled functions have
        pass
    with EMBEDDERS.blamed(name):
        embedder = make(*arguments, **options)
        if lacking := [attribute for attribute in ATTRIBUTES if not hasattr(embedder, attribute)]:
            raise AttributeError(f"the embedder has no {', '.join(lacking)}")
        if not EMBEDDERS.origin(name).built_in:
            json.dumps(embedder.provenance())
    return embedder
