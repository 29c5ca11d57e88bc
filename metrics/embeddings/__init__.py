"""What a clip sounds like, as vectors: frames × dimensions. `load_embedder("musicnn")` is the default."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from metrics.api.errors import UsageError
from metrics.api.registry import Registry
from metrics.embeddings.base import Embedder

EMBEDDERS: Registry[Callable[..., Embedder]] = Registry(
    kind="embedder",
    entry_point_group="music_harness.embedders",
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
)


def load_embedder(name: str, **options: Any) -> Embedder:
    """The embedder of that name, ready to use; `options` go to it, such as `hop_seconds=0.5`.

    What follows a colon is the embedder's own first argument: "hf:facebook/wav2vec2-base@6", "musicnn:max_pool". Raises
    `UsageError` for an unknown name or option and `WeightsError` when its weights cannot be fetched.
    """
    arguments: list[str] = []
    if ":" in name and name not in EMBEDDERS.names():
        name, *arguments = name.split(":", 1)
    embedder = EMBEDDERS.get(name)
    try:
        inspect.signature(embedder).bind(*arguments, **options)
    except TypeError as error:
        raise UsageError(f"the embedder {name!r} cannot be made with these options: {error}.") from error
    return embedder(*arguments, **options)
