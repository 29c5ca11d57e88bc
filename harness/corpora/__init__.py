"""Real music by package name: manifests, the builder, and the corpora it leaves on disk."""

from harness.corpora.corpus import Corpus, open_corpus
from harness.corpora.manifest import Track

__all__ = ["Corpus", "Track", "open_corpus"]
