"""Reference sets from a corpus: equal excerpts, embedded, small enough to ship instead of the music."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import UsageError
from harness.corpora.corpus import open_corpus
from harness.corpora.excerpts import excerpts
from metrics.api.score import EmbeddingSet
from metrics.embeddings import load_embedder
from metrics.io.audio import Preprocessing
from metrics.reference.sets import build_reference


def embed_corpus(
    corpus: str, styles: Sequence[str], per_style: int, seconds: float, embedder: str = "musicnn"
) -> EmbeddingSet:
    """Embed `per_style` excerpts, `seconds` long, of the test tracks of each style (all styles where none is named).

    The unit is the track. The provenance says where the music is from and under which licences. Raises `CorpusError`
    where the corpus is not built or too short, `UsageError` for an unknown style.
    """
    built = open_corpus(corpus)
    if per_style < 1 or seconds <= 0:
        raise UsageError(
            f"{per_style} excerpts of {seconds:g} s were requested: at least one, longer than 0 s, was expected."
        )
    tracks = [track for style in styles or built.styles for track in built.select("test", style)]
    found = excerpts(built, tracks, per_style, seconds)
    used = {excerpt.track.package: excerpt.track for excerpt in found}
    about = {
        "corpus": corpus,
        "split": "test",
        "excerpt_seconds": seconds,
        "packages": {name: track.version for name, track in sorted(used.items())},
        "licences": sorted({excerpt.track.licence for excerpt in found}),
    }
    loaded = load_embedder(embedder)
    clips = ((excerpt.audio, excerpt.rate, excerpt.song, excerpt.track.style) for excerpt in found)
    return build_reference(clips, loaded, Preprocessing(rate=loaded.rate), about)
