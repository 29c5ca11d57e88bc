"""Audio or arrays in, a `Score` out: how near to real music, how varied, how close to what was asked, and how sure.

>>> import numpy as np
>>> from metrics import EmbeddingSet, fad
>>> rng = np.random.default_rng(0)
>>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
>>> fad(made, real).n_songs
40

Nothing is imported before it is used: torch only by an embedder that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.diversity import cosine_diversity, vendi
    from metrics.embeddings import load_embedder
    from metrics.embeddings.base import embed_clip
    from metrics.frechet import fad, frechet_distance
    from metrics.reference import load_reference
    from metrics.score import EmbeddingSet, Score
    from metrics.similarity import centroid_similarity, prompt_similarity

__all__ = [
    "EmbeddingSet",
    "Score",
    "centroid_similarity",
    "cosine_diversity",
    "embed_clip",
    "fad",
    "frechet_distance",
    "load_embedder",
    "load_reference",
    "prompt_similarity",
    "vendi",
]

_HOMES = {
    "EmbeddingSet": "metrics.score",
    "Score": "metrics.score",
    "centroid_similarity": "metrics.similarity",
    "cosine_diversity": "metrics.diversity",
    "embed_clip": "metrics.embeddings.base",
    "fad": "metrics.frechet",
    "frechet_distance": "metrics.frechet",
    "load_embedder": "metrics.embeddings",
    "load_reference": "metrics.reference",
    "prompt_similarity": "metrics.similarity",
    "vendi": "metrics.diversity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
