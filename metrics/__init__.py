"""Audio or arrays in, a `Score` out: how near to real music, how varied, how close to what was asked, and how sure.

>>> import numpy as np
>>> from metrics import EmbeddingSet, fad
>>> rng = np.random.default_rng(0)
>>> real, made = (EmbeddingSet(rng.normal(size=(80, 4)), np.arange(80) // 2) for _ in range(2))
>>> fad(made, real).n_units
40

Nothing is imported before it is used: torch only by an embedder that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metrics.api.catalogue import available, metric
    from metrics.api.replicates import Replicates
    from metrics.api.score import EmbeddingSet, Score
    from metrics.compare.comparison import contrast, paired_permutation_test
    from metrics.compare.difference import Difference, difference_of, paired_difference, paired_fad
    from metrics.compare.equality import equality_test
    from metrics.compare.family import family, holm
    from metrics.embeddings import load_embedder
    from metrics.embeddings.base import embed_clip
    from metrics.reference.sets import load_reference
    from metrics.sets.adherence import (
        TextAudioPairs,
        label_accuracy,
        retrieval_recall,
        tag_text_pairs,
        tag_text_similarity,
        text_audio_margin,
        text_audio_similarity,
    )
    from metrics.sets.diversity import cosine_diversity, vendi
    from metrics.sets.frechet import fad
    from metrics.sets.frechet_variants import fad_infinity, fad_per_song
    from metrics.sets.gaussians import frechet_distance
    from metrics.sets.kernel import kad, kid
    from metrics.sets.manifold import prdc
    from metrics.sets.mauve import mad
    from metrics.sets.novelty import neighbour_percentile
    from metrics.sets.similarity import centroid_similarity, chroma_similarity, prompt_similarity
    from metrics.waves.clips import AudioSet
    from metrics.waves.copies import CopyIndex, copied_share
    from metrics.waves.signal import measure_signal, signal_score
    from metrics.waves.structure import measure_structure, structure_score

__all__ = [
    "AudioSet",
    "CopyIndex",
    "Difference",
    "EmbeddingSet",
    "Replicates",
    "Score",
    "TextAudioPairs",
    "available",
    "centroid_similarity",
    "chroma_similarity",
    "contrast",
    "copied_share",
    "cosine_diversity",
    "difference_of",
    "embed_clip",
    "equality_test",
    "fad",
    "fad_infinity",
    "fad_per_song",
    "family",
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
    "AudioSet": "metrics.waves.clips",
    "CopyIndex": "metrics.waves.copies",
    "Difference": "metrics.compare.difference",
    "EmbeddingSet": "metrics.api.score",
    "Replicates": "metrics.api.replicates",
    "Score": "metrics.api.score",
    "TextAudioPairs": "metrics.sets.adherence",
    "available": "metrics.api.catalogue",
    "centroid_similarity": "metrics.sets.similarity",
    "chroma_similarity": "metrics.sets.similarity",
    "contrast": "metrics.compare.comparison",
    "copied_share": "metrics.waves.copies",
    "cosine_diversity": "metrics.sets.diversity",
    "difference_of": "metrics.compare.difference",
    "embed_clip": "metrics.embeddings.base",
    "equality_test": "metrics.compare.equality",
    "fad": "metrics.sets.frechet",
    "fad_infinity": "metrics.sets.frechet_variants",
    "fad_per_song": "metrics.sets.frechet_variants",
    "family": "metrics.compare.family",
    "frechet_distance": "metrics.sets.gaussians",
    "holm": "metrics.compare.family",
    "kad": "metrics.sets.kernel",
    "kid": "metrics.sets.kernel",
    "label_accuracy": "metrics.sets.adherence",
    "load_embedder": "metrics.embeddings",
    "load_reference": "metrics.reference.sets",
    "mad": "metrics.sets.mauve",
    "measure_signal": "metrics.waves.signal",
    "measure_structure": "metrics.waves.structure",
    "metric": "metrics.api.catalogue",
    "neighbour_percentile": "metrics.sets.novelty",
    "paired_difference": "metrics.compare.difference",
    "paired_fad": "metrics.compare.difference",
    "paired_permutation_test": "metrics.compare.comparison",
    "prdc": "metrics.sets.manifold",
    "prompt_similarity": "metrics.sets.similarity",
    "retrieval_recall": "metrics.sets.adherence",
    "signal_score": "metrics.waves.signal",
    "structure_score": "metrics.waves.structure",
    "tag_text_pairs": "metrics.sets.adherence",
    "tag_text_similarity": "metrics.sets.adherence",
    "text_audio_margin": "metrics.sets.adherence",
    "text_audio_similarity": "metrics.sets.adherence",
    "vendi": "metrics.sets.diversity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
