"""Do the metrics rank what anyone would rank: music that is spoilt more and more, and music of another kind?

On 23 tracks of the three smallest packages of free music (50 MB, fetched once into the user's cache).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from harness.core.errors import CorpusError
from harness.corpora.build import build
from harness.corpora.corpus import Corpus, corpus_folder
from harness.corpora.manifest import load_manifest
from harness.prompts.text_encoder import encode
from metrics.api.score import EmbeddingSet
from metrics.embeddings.base import embed_clip
from metrics.embeddings.musicnn import Musicnn
from metrics.embeddings.musicnn_weights import TAGS
from metrics.sets.adherence import tag_text_pairs, tag_text_similarity
from metrics.sets.frechet import fad, frechet_distance
from metrics.sets.kernel import kad
from metrics.waves.copies import CopyIndex
from tests.metrics.degradations import DEGRADATIONS, LEVELS

pytestmark = pytest.mark.long

PACKAGES = ("wizznic-data", "ardentryst", "wordwarvi-sound")
RATE, SECONDS = 16000, 6.0

# A metric is (evaluated, reference) → a figure that is lower when nearer. Add one by its name. What is ranked is of the
# reference's own tracks: plain distances, for a correction for bias takes the two for independent.
METRICS: dict[str, Callable[[EmbeddingSet, EmbeddingSet], float]] = {
    "fad": lambda evaluated, reference: frechet_distance(evaluated.frames, reference.frames),
    "fad16": lambda evaluated, reference: fad(evaluated, reference, 16).plain,
    "kad": lambda evaluated, reference: kad(evaluated, reference).value,
}


@pytest.fixture(scope="module")
def corpus():
    """Three packages of the held-out music, 9 tracks of electronica, 9 of game music and 5 of rock."""
    declared = load_manifest("heldout")
    manifest = replace(
        declared,
        name="ranking",
        packages=tuple(package for package in declared.packages if package.name in PACKAGES),
        tracks=tuple(track for track in declared.tracks if track.package in PACKAGES),
    )
    try:
        build(manifest)
    except CorpusError as error:
        pytest.skip(f"the music could not be fetched: {error}")
    return Corpus("ranking", corpus_folder("ranking"), list(manifest.tracks))


@pytest.fixture(scope="module")
def embedder():
    return Musicnn()


def excerpt(corpus, track, place):
    """Six seconds from `place`, 0 to 1, of the track."""
    path = corpus.path(track)
    start = int(place * (soundfile.info(path).frames - SECONDS * RATE))
    return np.asarray(soundfile.read(path, dtype="float32", start=start, frames=round(SECONDS * RATE))[0], np.float32)


def embedded(embedder, clips, units=None):
    units = list(range(len(clips))) if units is None else units
    return EmbeddingSet.from_clips([embed_clip(embedder, clip, RATE) for clip in clips], units, {})


def styled(corpus, style):
    return [track for track in corpus.tracks if track.style == style]


@pytest.fixture(scope="module")
def reference(corpus, embedder):
    return embedded(embedder, [excerpt(corpus, track, 0.3) for track in corpus.tracks])


@pytest.fixture(scope="module")
def degraded(corpus, embedder):
    """By name: other excerpts of the same tracks, as they are and at each level.

    It takes all 23: of 15, music in pieces of .4 s was nearer than in pieces of .7 s to the distance in 16 components.
    """
    clips = [excerpt(corpus, track, 0.6) for track in corpus.tracks]
    plain = embedded(embedder, clips)
    return {
        name: [plain, *(embedded(embedder, [degrade(clip, RATE, level) for clip in clips]) for level in LEVELS)]
        for name, degrade in DEGRADATIONS.items()
    }


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_what_is_spoilt_more_is_farther_away(degraded, reference, name, metric):
    figures = [METRICS[metric](level, reference) for level in degraded[name]]
    assert (np.diff(figures) > 0).all(), [round(figure, 2) for figure in figures]


@pytest.mark.parametrize("metric", METRICS)
def test_half_a_style_is_nearer_to_its_other_half_than_to_another_style_and_than_to_noise(corpus, embedder, metric):
    """Halves by track, four tracks each, as many excerpts on every side."""
    electronica = styled(corpus, "electronica")

    def set_of(tracks):
        clips = [(excerpt(corpus, track, place), n) for n, track in enumerate(tracks) for place in (0.2, 0.4, 0.6, 0.8)]
        return embedded(embedder, *map(list, zip(*clips, strict=True)))

    half, other_half, other_style = (
        set_of(tracks) for tracks in (electronica[0:8:2], electronica[1:8:2], styled(corpus, "game")[0:8:2])
    )
    rng = np.random.default_rng(0)
    noise = embedded(embedder, [rng.normal(0, 0.1, round(SECONDS * RATE)) for _ in range(16)], np.repeat(range(4), 4))
    figures = [METRICS[metric](side, half) for side in (other_half, other_style, noise)]
    assert figures == sorted(figures), figures


def test_the_tags_that_are_heard_go_with_the_words_for_the_style(corpus, embedder):
    phrases = {
        "electronica": "electronica with a driving techno beat",
        "game": "orchestral game soundtrack",
        "rock": "rock band with electric guitar and drums",
    }
    tags = [embedder.tags(excerpt(corpus, track, 0.4)).mean(axis=0) for track in corpus.tracks]
    pairs = tag_text_pairs(encode, TAGS, tags, [phrases[track.style] for track in corpus.tracks])
    score = tag_text_similarity(pairs)
    assert score.provenance["margin"] > 0
    assert score.provenance["p"] == pytest.approx(1 / 6)  # the best of the six orders of three phrases


def test_an_excerpt_is_found_in_its_track_and_in_no_other_package(corpus):
    tracks = {track.file: soundfile.read(corpus.path(track), dtype="float32")[0] for track in corpus.tracks}
    index = CopyIndex((name, audio, RATE) for name, audio in tracks.items())
    for track in corpus.tracks:
        own = [other.file for other in corpus.tracks if other.package == track.package]
        spoilt = DEGRADATIONS["noise"](excerpt(corpus, track, 0.5), RATE, 2)
        found = index.find(spoilt, RATE)
        assert found is not None
        assert (found.is_copy, found.track) == (True, track.file)
        unrelated = index.find(spoilt, RATE, exclude=own)
        assert unrelated is None or not unrelated.is_copy
