"""Metrics measured where the truth is known: each composed piece by itself, pairs of pieces, and sets of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.stats import rankdata

from harness.corpora import open_corpus
from harness.corpora.composed import STYLES, Piece, compose_piece, read_truth
from harness.corpora.composed.sound import midi, render, soundfont
from harness.corpora.composed.theory import PITCHES
from metrics.api.score import EmbeddingSet
from metrics.embeddings import load_embedder
from metrics.io.files import write_bytes
from metrics.reference.sets import build_reference
from metrics.sets.diversity import vendi
from metrics.sets.frechet import fad
from metrics.sets.kernel import kad
from metrics.sets.manifold import coverage
from metrics.sets.novelty import nearest_songs
from metrics.sets.similarity import chroma_match
from metrics.waves.copies import CopyIndex
from metrics.waves.structure import RATE as STRUCTURE_RATE
from metrics.waves.structure import chroma, measure_structure
from tests.known_answers.answers import (
    declared_pairs,
    key_answer,
    tempo_answer,
    true_onset_density,
    true_repetition,
)

Audio = NDArray[np.float32]
Say = Callable[[str], None]

SECONDS = 30.0
"""Of each piece, for what is measured by the piece."""

CLIP_SECONDS, LATER = 10.0, 30.0
"""Of the excerpts that are embedded and searched for, and where the second one of a piece begins."""

HALF = 11
"""Pieces in half of a style: of seeds 0 … 10 the reference, of 11 … 21 what is compared with it."""

OTHER_PROGRAM = 56  # trumpet, which no style has
NOISE_DB = -20.0


@dataclass(frozen=True)
class Heard:
    """A piece and the beginning of its sound at `rate` Hz."""

    piece: Piece
    audio: Audio
    rate: int

    @property
    def name(self) -> str:
        return f"{self.piece.truth.style}/{self.piece.truth.seed:05d}"

    def excerpt(self, start: float, seconds: float = CLIP_SECONDS) -> Audio:
        return self.audio[round(start * self.rate) : round((start + seconds) * self.rate)]


class Pieces:
    """The pieces of a built composed corpus, and what was done to the second half of each style."""

    def __init__(self, corpus: str) -> None:
        self.corpus = open_corpus(corpus)
        rows = read_truth(self.corpus.folder)
        self.all = [self._own(row) for row in rows]
        self.styles = [style for style in STYLES if any(h.piece.truth.style == style for h in self.all)]

    def _own(self, row: dict[str, str]) -> Heard:
        piece = compose_piece(row["style"], int(row["seed"]))
        audio, rate = soundfile.read(self.corpus.folder / row["file"], dtype="float32", frames=42 * 16_000)
        return Heard(piece, np.asarray(audio, np.float32), int(rate))

    def of(self, style: str, second: bool) -> list[Heard]:
        seeds = range(HALF, 2 * HALF) if second else range(HALF)
        return [h for h in self.all if h.piece.truth.style == style and h.piece.truth.seed in seeds]

    @staticmethod
    def semitones(seed: int) -> int:
        """By how much the piece of a seed is moved: each of 1 … 11 in turn."""
        return seed * 5 % 11 + 1

    def moved(self, style: str) -> list[Heard]:
        """The second half of a style in other keys."""
        return [self._again(h, self.semitones(h.piece.truth.seed)) for h in self.of(style, True)]

    def replayed(self, style: str) -> list[Heard]:
        """The second half of a style on another instrument."""
        return [self._again(h, 0, OTHER_PROGRAM) for h in self.of(style, True)]

    @staticmethod
    def _again(heard: Heard, semitones: int, program: int | None = None) -> Heard:
        truth = heard.piece.truth
        tonic = (PITCHES.index(truth.key.split()[0]) + semitones) % 12
        piece = compose_piece(truth.style, truth.seed, tonic, program)
        return Heard(piece, render(midi(piece), soundfont())[: 42 * 16_000], 16_000)


def by_piece(pieces: Pieces, kept: Path, say: Say) -> dict[str, Any]:
    """Tempo, key, onset density and repetition of every piece against its truth; what was measured lies in `kept`."""
    rows = []
    for heard in pieces.all:
        place = kept / f"{heard.name}.json"
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(place, json.dumps(_piece_row(heard)).encode())
            say(f"{heard.name} measured")
        rows.append(json.loads(place.read_bytes()))
    return {
        "pieces": len(rows),
        "tempo": _answers(rows, "tempo"),
        "key": _answers(rows, "key"),
        "onset_density": _agreement(rows, "onset_density"),
        "repetition": _agreement(rows, "repetition"),
        "rows": rows,
    }


def _piece_row(heard: Heard) -> dict[str, Any]:
    found, truth = measure_structure(heard.excerpt(0, SECONDS), heard.rate), heard.piece.truth
    return {
        "piece": heard.name,
        "style": truth.style,
        "tempo": [found.tempo, truth.tempo, tempo_answer(found.tempo, truth.tempo)],
        "key": [found.key, truth.key, key_answer(found.key, truth.key)],
        "onset_density": [found.onset_density, true_onset_density(heard.piece, SECONDS)],
        "repetition": [found.repetition, true_repetition(heard.piece, SECONDS)],
    }


def _answers(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Shares of each answer, over all pieces and by style."""

    def shares(some: Sequence[dict[str, Any]]) -> dict[str, float]:
        counts = Counter(row[name][-1] for row in some)
        return {answer: round(count / len(some), 4) for answer, count in counts.most_common()}

    styles = dict.fromkeys(row["style"] for row in rows)
    return {"all": shares(rows)} | {style: shares([r for r in rows if r["style"] == style]) for style in styles}


def _agreement(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """Rank correlation of found and true, over all pieces and in the mean within styles, and the ratio of medians."""
    values = [(row["style"], *row[name]) for row in rows if row[name][0] is not None]
    found, true = (np.array([v[i] for v in values]) for i in (1, 2))
    within = []
    for style in dict.fromkeys(v[0] for v in values):
        own = np.array([v[0] == style for v in values])
        if np.ptp(true[own]) > 0:
            within.append(_rank_correlation(found[own], true[own]))
    ratio = np.median(found[true > 0] / true[true > 0])
    return {
        "rank_correlation": _rank_correlation(found, true),
        "rank_correlation_within_styles": float(np.mean(within)),
        "median_ratio": float(ratio),
        "pieces": len(values),
    }


def _rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Spearman's, ties at their mean rank."""
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def transpositions(pieces: Pieces) -> dict[str, Any]:
    """Whether chroma finds by how much a piece was moved, and knows its notes on another instrument."""
    right, same, cosine, unrelated, before = 0, 0, [], [], None
    for style in pieces.styles:
        for own, moved, other in zip(*_variants(pieces, style), strict=True):
            rows = [_chroma(h) for h in (own, moved, other)]
            up = pieces.semitones(own.piece.truth.seed)
            right += (chroma_match(rows[1], rows[0]).semitones - up) % 12 == 0
            match = chroma_match(rows[0], rows[2])
            same += match.semitones == 0
            cosine.append(match.cosine)
            if before is not None:
                unrelated.append(chroma_match(before, rows[0]).cosine)
            before = rows[0]
    pairs = len(cosine)
    return {
        "pairs": pairs,
        "shift_found": right / pairs,
        "other_instrument_unshifted": same / pairs,
        "other_instrument_cosine": float(np.median(cosine)),
        "unrelated_cosine": float(np.median(unrelated)),
    }


def _variants(pieces: Pieces, style: str) -> tuple[list[Heard], list[Heard], list[Heard]]:
    """The second half of a style: as it is, in other keys, on another instrument."""
    return pieces.of(style, True), pieces.moved(style), pieces.replayed(style)


def _chroma(heard: Heard) -> NDArray[Any]:
    from metrics.io.audio import resample

    return chroma(resample(heard.excerpt(0, SECONDS), heard.rate, STRUCTURE_RATE)).sum(axis=1)


def copies(pieces: Pieces) -> dict[str, Any]:
    """Error rates of copy detection: quotations that are found, and pieces of their own that are taken for copies."""
    index = CopyIndex((h.name, h.excerpt(0, 42.0), h.rate) for h in pieces.all)
    rng = np.random.default_rng(0)
    found, false, covers, moved = [], [], [], []
    for style in pieces.styles:
        for own, shifted, other in zip(*_variants(pieces, style), strict=True):
            quoted = 0.25 * own.excerpt(7.3)
            level = float(np.sqrt(np.square(quoted).mean())) * 10 ** (NOISE_DB / 20)
            quoted = quoted + level * rng.standard_normal(len(quoted)).astype(np.float32)
            match = index.find(quoted, own.rate)
            found.append(match is not None and match.is_copy and match.track == own.name)
            for answers, heard in ((false, own), (moved, shifted), (covers, other)):
                match = index.find(heard.excerpt(7.3), heard.rate, exclude=[own.name] if heard is own else [])
                answers.append(match is not None and match.is_copy)
    names = {"quotation found": found, "false alarm": false, "other keys": moved, "other instrument": covers}
    return {name: float(np.mean(answers)) for name, answers in names.items()} | {"queries": len(found)}


def sets(pieces: Pieces, kept: Path, say: Say) -> dict[str, Any]:
    """Distances in their declared order, diversity, the nearest piece, and a classifier of styles; the embeddings lie
    in `kept`."""
    embedder = load_embedder("musicnn")

    def embed(name: str, heard: Callable[[], Sequence[Heard]], start: float = 0.0) -> EmbeddingSet:
        place = kept / f"{name}.safetensors"
        if not place.is_file():
            clips = ((h.excerpt(start), h.rate, h.name, h.piece.truth.style) for h in heard())
            build_reference(clips, embedder).save(place)
            say(f"{name} embedded")
        return EmbeddingSet.load(place)

    held: dict[tuple[str, str], EmbeddingSet] = {}
    for style in pieces.styles:
        made: dict[str, Callable[[], Sequence[Heard]]] = {
            "reference": partial(pieces.of, style, False),
            "own": partial(pieces.of, style, True),
            "other keys": partial(pieces.moved, style),
            "other instrument": partial(pieces.replayed, style),
        }
        for change, heard in made.items():
            held[style, change] = embed(f"{style} {change}", heard)
    measures: dict[str, Callable[[EmbeddingSet, EmbeddingSet], float]] = {
        "fad16": lambda made, music: fad(made, music, 16).value,
        "kad": lambda made, music: kad(made, music).value,
        "coverage": lambda made, music: -coverage(made, music).value,
    }
    table = {
        name: {
            style: {" ".join(key): round(measure(held[key], held[style, "reference"]), 5)
                    for key in held if key[1] == "own" or (key[0] == style and key[1] != "reference")}
            for style in pieces.styles
        }
        for name, measure in measures.items()
    }  # fmt: skip
    pairs = list(declared_pairs(pieces.styles))
    order: dict[str, Any] = {}
    for name, of in table.items():
        judged = [(pair, of[pair.style][" ".join(pair.near)] < of[pair.style][" ".join(pair.far)]) for pair in pairs]
        reasons = dict.fromkeys(pair.why for pair in pairs)
        order[name] = {"all": float(np.mean([ok for _, ok in judged]))} | {
            why: float(np.mean([ok for pair, ok in judged if pair.why == why])) for why in reasons
        }
        order[name]["broken"] = [f"{p.style}: {p.why} ({p.far[0]})" for p, ok in judged if not ok]
    return {
        "declared_pairs": len(pairs),
        "order": order,
        "distances": table,
        "diversity": _diversity(pieces, held),
        "nearest": _nearest(pieces, held, embed),
        "style": _style(pieces, held),
    }


def _diversity(pieces: Pieces, held: dict[tuple[str, str], EmbeddingSet]) -> dict[str, float]:
    """Share of pairs of styles whose mixture has a higher Vendi score than either style alone, at equal numbers."""
    alone = {s: vendi(held[s, "reference"].concat(held[s, "own"])).value for s in pieces.styles}
    mixed = [
        vendi(held[a, "reference"].concat(held[b, "own"])).value > max(alone[a], alone[b])
        for a in pieces.styles
        for b in pieces.styles
        if a < b
    ]
    return {"mixture_is_more_diverse": float(np.mean(mixed)), "pairs": len(mixed)}


def _nearest(
    pieces: Pieces, held: dict[tuple[str, str], EmbeddingSet], embed: Callable[..., EmbeddingSet]
) -> dict[str, float]:
    """Whether the piece nearest to a later excerpt of a piece is that piece, or one of its style."""
    known, later = None, None
    for style in pieces.styles:
        both = held[style, "reference"].concat(held[style, "own"])
        heard = [h for h in pieces.of(style, False) + pieces.of(style, True) if len(h.audio) >= 40 * h.rate]
        after = embed(f"{style} later", lambda heard=heard: heard, LATER)
        known = both if known is None else known.concat(both)
        later = after if later is None else later.concat(after)
    assert known is not None
    assert later is not None
    # Under names of their own: a clip whose id is in the known set is compared with the other songs only.
    named = EmbeddingSet(later.frames, np.array([f"later {s}" for s in later.units]), later.provenance, later.strata)
    answers = {clip.removeprefix("later "): near for clip, (near, _) in nearest_songs(named, known).items()}
    return {
        "right_piece": float(np.mean([clip == near for clip, near in answers.items()])),
        "right_style": float(np.mean([clip.split("/")[0] == near.split("/")[0] for clip, near in answers.items()])),
        "excerpts": len(answers),
    }


def _style(pieces: Pieces, held: dict[tuple[str, str], EmbeddingSet]) -> dict[str, float]:
    """Accuracy of a linear classifier of styles, trained on the reference halves."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def rows(change: str) -> tuple[NDArray[Any], NDArray[Any]]:
        means = [held[style, change].means()[1] for style in pieces.styles]
        return np.concatenate(means), np.repeat(pieces.styles, [len(m) for m in means])

    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=5000)).fit(*rows("reference"))
    changes = ("own", "other keys", "other instrument")
    return {change: float(classifier.score(*rows(change))) for change in changes}
