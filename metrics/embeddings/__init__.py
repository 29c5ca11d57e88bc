"""What a clip sounds like, as vectors: frames × dimensions. `load_embedder("musicnn")` is the default."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from metrics.embeddings.base import Embedder
from metrics.errors import UsageError
from metrics.registry import Registry

EMBEDDERS: Registry[Callable[..., Embedder]] = Registry(
    kind="embedder",
    entry_point_group="music_harness.embedders",
    targets={
        "musicnn": "metrics.embeddings.musicnn:Musicnn",
        "openl3": "metrics.embeddings.openl3:OpenL3",
        "soundnet": "metrics.embeddings.soundnet:SoundNet",
        "toy": "metrics.embeddings.toy:ToyEmbedder",
        "vggish": "metrics.embeddings.vggish:VGGish",
    },
)


def load_embedder(name: str, **options: Any) -> Embedder:
    """The embedder of that name, ready to use; `options` go to it, such as `hop_seconds=0.5`.

    A name that is not known as a whole is split at its first colon: "jukebox:mini@6" is the embedder "jukebox", made
    with "mini@6". Raises `UsageError` for an unknown name or an option that the embedder does not take, and
    `WeightsError` when its weights cannot be fetched.
    """
    family, _, rest = name.partition(":")
    known = EMBEDDERS.names()
    split = name not in known and family in known
    make = EMBEDDERS.get(family if split else name)
    arguments = (rest,) if split else ()
    try:
        inspect.signature(make).bind(*arguments, **options)
    except TypeError as error:
        raise UsageError(f"the embedder {family!r} cannot be made from {name!r} and {options}: {error}.") from error
    return make(*arguments, **options)
