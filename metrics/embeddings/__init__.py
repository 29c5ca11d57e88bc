"""What a clip sounds like, as vectors: frames × dimensions. `load_embedder("musicnn")` is the default."""

from __future__ import annotations

from typing import Any

from metrics.embeddings.base import Embedder
from metrics.registry import Registry

EMBEDDERS: Registry[type[Embedder]] = Registry(
    kind="embedder",
    entry_point_group="music_harness.embedders",
    targets={"musicnn": "metrics.embeddings.musicnn:Musicnn", "toy": "metrics.embeddings.toy:ToyEmbedder"},
)


def load_embedder(name: str, **options: Any) -> Embedder:
    """The embedder of that name, ready to use; `options` go to it, such as `hop_seconds=0.5`.

    Raises `UsageError` for an unknown name and `WeightsError` when its weights cannot be fetched.
    """
    return EMBEDDERS.get(name)(**options)
