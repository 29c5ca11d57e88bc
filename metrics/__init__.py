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
    from metrics.adherence import (
        TextAudioPairs,
        label_accuracy,
        retrieval_recall,
        tag_text_pairs,
        tag_text_similarity,
        text_audio_margin,
        text_audio_similarity,
    )
    from metrics.catalogue import available, metric
    from metrics.clips import AudioSet
    from metrics.comparison import contrast, holm, paired_difference, paired_permutation_test
    from metrics.copies import CopyIndex, copied_share
    from metrics.diversity import cosine_diversity, vendi
    from metrics.embeddings import load_embedder
    from metrics.embeddings.base import embed_clip
    from metrics.equality import equality_test
    from metrics.frechet import fad, paired_fad
    from metrics.frechet_variants import fad_infinity, fad_per_song
    from metrics.gaussians import frechet_distance
    from metrics.kernel import kad, kid
    from metrics.manifold import prdc
    from metrics.mauve import mad
    from metrics.novelty import neighbour_percentile
    from metrics.reference import load_reference
    from metrics.score import EmbeddingSet, Score
    from metrics.signal import measure_signal, signal_score
    from metrics.similarity import centroid_similarity, chroma_similarity, prompt_similarity
    from metrics.structure import measure_structure, structure_score

__all__ = [
    "AudioSet",
    "CopyIndex",
    "EmbeddingSet",
    "Score",
    "TextAudioPairs",
    "available",
    "centroid_similarity",
    "chroma_similarity",
    "contrast",
    "copied_share",
    "cosine_diversity",
    "embed_clip",
    "equality_test",
    "fad",
    "fad_infinity",
    "fad_per_song",
    "frechet_distance",
    "holm",
    "kad",
    "kid",
    "label_accuracy",
    "load_embedder",
    "load_reference",
    "mad",
    "measure_signal",
    "measure_structure",
    "metric",
    "neighbour_percentile",
    "paired_difference",
    "paired_fad",
    "paired_permutation_test",
    "prdc",
    "prompt_similarity",
    "retrieval_recall",
    "signal_score",
    "structure_score",
    "tag_text_pairs",
    "tag_text_similarity",
    "text_audio_margin",
    "text_audio_similarity",
    "vendi",
]

_HOMES = {
    "AudioSet": "metrics.clips",
    "CopyIndex": "metrics.copies",
    "EmbeddingSet": "metrics.score",
    "Score": "metrics.score",
    "TextAudioPairs": "metrics.adherence",
    "available": "metrics.catalogue",
    "centroid_similarity": "metrics.similarity",
    "chroma_similarity": "metrics.similarity",
    "contrast": "metrics.comparison",
    "copied_share": "metrics.copies",
    "cosine_diversity": "metrics.diversity",
    "embed_clip": "metrics.embeddings.base",
    "equality_test": "metrics.equality",
    "fad": "metrics.frechet",
    "fad_infinity": "metrics.frechet_variants",
    "fad_per_song": "metrics.frechet_variants",
    "frechet_distance": "metrics.gaussians",
    "holm": "metrics.comparison",
    "kad": "metrics.kernel",
    "kid": "metrics.kernel",
    "label_accuracy": "metrics.adherence",
    "load_embedder": "metrics.embeddings",
    "load_reference": "metrics.reference",
    "mad": "metrics.mauve",
    "measure_signal": "metrics.signal",
    "measure_structure": "metrics.structure",
    "metric": "metrics.catalogue",
    "neighbour_percentile": "metrics.novelty",
    "paired_difference": "metrics.comparison",
    "paired_fad": "metrics.frechet",
    "paired_permutation_test": "metrics.comparison",
    "prdc": "metrics.manifold",
    "prompt_similarity": "metrics.similarity",
    "retrieval_recall": "metrics.adherence",
    "signal_score": "metrics.signal",
    "structure_score": "metrics.structure",
    "tag_text_pairs": "metrics.adherence",
    "tag_text_similarity": "metrics.adherence",
    "text_audio_margin": "metrics.adherence",
    "text_audio_similarity": "metrics.adherence",
    "vendi": "metrics.diversity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
