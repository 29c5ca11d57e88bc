"""What clips are measured against: one or more embedders, and for each the real music that was embedded by it.

Every embedder goes with the reference made by it, for only frames made alike are compared. A folder of sound files is
embedded by each; a named reference that was made by another embedder is embedded anew where its audio is at hand (the
corpus it is from, or the folder its manifest names), and stored as NAME@EMBEDDER. Where it is not, the embedder has no
reference, and the metrics that need one are listed with that reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import HarnessError, UsageError
from harness.core.identity import digest
from harness.core.progress import Progress, Quiet
from harness.scoring.frames import Recipe
from harness.scoring.references import MusicFolder, embed_folder, read_manifest, recipe_for
from metrics.api.score import EmbeddingSet, check_comparable
from metrics.embeddings import load_embedder
from metrics.io.audio import Preprocessing
from metrics.reference.sets import SUFFIX, load_reference, reference_names, save_reference

DEFAULT_EMBEDDER, DEFAULT_REFERENCE = "musicnn", "heldout"
LUFS = -23.0


@dataclass(frozen=True)
class Space:
    """One embedder as it was named, how clips go through it, and the real music that did.

    Where there is no reference, `lacking` says why. `audio` is the folder of the reference's sound files, if at hand,
    and `content` the SHA-256 of those files, as far as they are recorded.
    """

    name: str
    recipe: Recipe
    reference: EmbeddingSet | None = None
    reference_name: str = ""
    lacking: str = "no reference was given: name one with --reference, see 'harness reference list'"
    audio: Path | None = None
    content: frozenset[str] = frozenset()

    def described(self) -> dict[str, Any]:
        """Names and hashes, JSON-able, for the record."""
        found: dict[str, Any] = {"embedder": self.name, "embedder_hash": digest(self.recipe.provenance())}
        if self.reference is None:
            return found
        return found | {"reference": self.reference_name, "reference_hash": self.reference_hash}

    @cached_property
    def reference_hash(self) -> str:
        """SHA-256 of the reference's frames, units and provenance; empty without a reference."""
        music = self.reference
        if music is None:
            return ""
        return digest([music.provenance, music.units.tolist(), music.frames.tobytes().hex()])


@dataclass(frozen=True)
class Measures:
    """The spaces that clips are measured in, the first one's scores by their bare names.

    `model` names the model under which clips are as likely as the likelihood metrics say; empty for none. `left_out`
    are files of a reference that could not be taken, with the reasons.
    """

    spaces: tuple[Space, ...]
    model: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        embedders: str | Sequence[str] = (),
        references: str | Sequence[str] = (),
        excerpt_seconds: float | None = None,
        progress: Progress | None = None,
    ) -> Measures:
        """By name. Without embedders, that of the first reference, or else musicnn.

        A reference is a name of 'harness reference list', a .safetensors file, or a folder of sound files; a known name
        goes before a folder of that name, which is then ./name. `excerpt_seconds` cuts both sides where no reference
        fixes a length, and may only repeat one that does. Raises `UsageError` for unknown names, for two references of
        one embedder, and for a file that none of the embedders made.
        """
        found = _Sources(_listed(references), excerpt_seconds, progress or Quiet())
        names = _listed(embedders) or (found.first_embedder() or DEFAULT_EMBEDDER,)
        spaces = tuple(found.space(name) for name in dict.fromkeys(names))
        found.check_used()
        return cls(spaces, left_out=found.left_out)

    @property
    def first(self) -> Space:
        """The space whose scores have bare names."""
        return self.spaces[0]

    def score_name(self, metric: str, space: Space) -> str:
        """The name of a metric's score in a space: `kad`, or `kad@clap` in another space than the first."""
        return metric if space.name == self.first.name else f"{metric}@{space.name}"

    def described(self) -> dict[str, Any]:
        """Names and hashes of the first space, and of the others in a list; JSON-able, for the record of a run."""
        others = [space.described() for space in self.spaces[1:]]
        return self.first.described() | ({"further": others} if others else {})

    def content(self) -> frozenset[str]:
        """The SHA-256 of the references' files, as far as they are recorded."""
        return frozenset().union(*(space.content for space in self.spaces))

    def notes(self, seconds: Sequence[float]) -> tuple[str, ...]:
        """What a reader of the scores should know about clips of these lengths in seconds."""
        length = self.first.recipe.excerpt_seconds if self.first.reference is not None else None
        shorter = sum(found < length for found in seconds) if length is not None else 0
        if not shorter or length is None:
            return ()
        return (
            f"{shorter} of {len(seconds)} clips are shorter than the reference's excerpts of {length:g} s: clips of "
            f"{length:g} s, or a reference of shorter excerpts, would be fairer",
        )


def split_name(name: str) -> tuple[str, str]:
    """A score's name as metric and embedder, split at the first @; the embedder is empty for the first one.

    >>> split_name("kad@hf:facebook/wav2vec2-base@6"), split_name("kad")
    (('kad', 'hf:facebook/wav2vec2-base@6'), ('kad', ''))
    """
    metric, _, embedder = name.partition("@")
    return metric, embedder


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


class _Sources:
    """The references that were named, each to be matched with the embedder that made it."""

    def __init__(self, references: Sequence[str], excerpt_seconds: float | None, progress: Progress) -> None:
        self.excerpt_seconds, self.progress = excerpt_seconds, progress
        self.folders: dict[str, Path] = {}
        self.sets: dict[str, EmbeddingSet] = {}
        self.left_out: dict[str, str] = {}
        self._used: set[str] = set()
        self._misfits: dict[str, str] = {}
        for name in dict.fromkeys(references):
            path = Path(name).expanduser()
            if name not in reference_names() and path.is_dir():
                self.folders[name] = path
            elif len(path.parts) > 1 and path.suffix != SUFFIX:
                raise UsageError(
                    f"there is no folder {path}: a folder of sound files, or a name of 'harness reference list', was "
                    "expected."
                )
            else:
                self.sets[name] = load_reference(name)

    def first_embedder(self) -> str | None:
        """The embedder that made the first set."""
        for music in self.sets.values():
            return str(music.provenance.get("embedder", {}).get("name", DEFAULT_EMBEDDER))
        return None

    def space(self, name: str) -> Space:
        """The space of an embedder: with the reference it made, or that is made now, or the reason for having none."""
        loaded = load_embedder(name)
        fitting = {known: recipe for known, music in self.sets.items() if (recipe := self._fits(loaded, known, music))}
        if len(fitting) + len(self.folders) > 1:
            raise UsageError(
                f"{' and '.join([*fitting, *self.folders])} are references for the embedder {name!r}: one was "
                "expected. A folder is one for every embedder."
            )
        for known, recipe in fitting.items():
            self._used.add(known)
            return Space(name, recipe, self.sets[known], Path(known).stem, "", *_files_of(known))
        for known, path in self.folders.items():
            return self._of_folder(name, recipe_for(loaded, LUFS, self.excerpt_seconds), known, path)
        return self._on_demand(name, loaded)

    def check_used(self) -> None:
        """Raise `UsageError` for a file that no embedder made; a name may still be right for another embedder."""
        for known, reason in self._misfits.items():
            if known not in self._used and Path(known).suffix == SUFFIX:
                raise UsageError(reason)

    def _fits(self, embedder: Any, known: str, music: EmbeddingSet) -> Recipe | None:
        made = music.provenance.get("preprocessing", {})
        preprocessing = Preprocessing(**{key: made[key] for key in ("rate", "lufs", "seconds") if key in made})
        recipe = Recipe(embedder, preprocessing, music.provenance.get("excerpt_seconds"))
        try:
            check_comparable(recipe.provenance(), music.provenance)
        except UsageError as error:
            self._misfits[known] = (
                f"the reference {known!r} does not fit the embedder {embedder.name!r}: {error} "
                "Name another with --embedder or --reference."
            )
            return None
        if self.excerpt_seconds not in (None, recipe.excerpt_seconds):
            raise UsageError(
                f"the reference {known!r} is of {_length(recipe.excerpt_seconds)} and --excerpt-seconds was "
                f"{self.excerpt_seconds:g}: both sides go through one preprocessing. Leave the option out, or build a "
                f"reference with 'harness reference build NAME --from FOLDER --seconds {self.excerpt_seconds:g}'."
            )
        return recipe

    def _of_folder(self, name: str, recipe: Recipe, known: str, path: Path) -> Space:
        folder = MusicFolder(path)
        found, entries, left_out = embed_folder(folder, recipe, self.progress)
        self.left_out |= {str(path / file): reason for file, reason in left_out.items()}
        # Full paths: a song is not to be taken for the clip of the same name inside another folder.
        named = replace(found, units=np.array([str(path / song) for song in found.units.tolist()]))
        return Space(name, recipe, named, known, "", path, frozenset(entry.sha256 for entry in entries))

    def _on_demand(self, name: str, loaded: Any) -> Space:
        """A named reference of another embedder, made by this one from its audio."""
        whole = recipe_for(loaded, LUFS, self.excerpt_seconds)
        reasons = []
        for known, music in self.sets.items():
            seconds = music.provenance.get("excerpt_seconds", self.excerpt_seconds)
            recipe = recipe_for(loaded, LUFS, seconds)
            own = f"{Path(known).stem}@{name.replace('/', '-')}"
            with suppress(UsageError):
                if (stored := self._fits(loaded, own, load_reference(own))) is not None:
                    return Space(name, stored, load_reference(own), own, "", *_files_of(known))
            try:
                made = _made_again(known, music, recipe, name, self.progress)
            except HarnessError as error:
                maker = music.provenance.get("embedder", {}).get("name")
                reasons.append(
                    f"{known!r} was made by {maker!r}; it cannot be made by {name!r} from its audio: {error}"
                )
                whole = recipe
            else:
                save_reference(own, made)
                return Space(name, recipe, made, own, "", *_files_of(known))
        if not reasons:
            return Space(name, whole)
        return Space(name, whole, lacking=" ".join(reasons).strip())


def _made_again(known: str, music: EmbeddingSet, recipe: Recipe, embedder: str, progress: Progress) -> EmbeddingSet:
    """A reference embedded anew from its own audio. Raises `HarnessError` where that is not at hand."""
    folder = _folder_of(known)
    if folder is not None:
        return embed_folder(MusicFolder(folder), recipe, progress)[0]
    corpus, seconds = music.provenance.get("corpus"), music.provenance.get("excerpt_seconds")
    if corpus is None or seconds is None or music.strata is None:
        raise UsageError("where its audio lies is not recorded.")
    from harness.corpora.reference import embed_corpus

    made = music.provenance["embedder"]
    frames_each = 1 + max(0, int((seconds - made["window_seconds"]) / made["hop_seconds"] + 1e-9))
    styles, counts = np.unique(music.strata, return_counts=True)
    return embed_corpus(corpus, styles.tolist(), int(counts.min()) // frames_each, seconds, embedder)


def _folder_of(known: str) -> Path | None:
    """The folder that a user's reference was built from, where it still is."""
    return _files_of(known)[0]


def _files_of(known: str) -> tuple[Path | None, frozenset[str]]:
    """The folder that a user's reference was built from, where it still is, and the SHA-256 of its files."""
    with suppress(HarnessError):
        manifest = read_manifest(known)
        if manifest is not None:
            folder = manifest.source.get("folder")
            there = Path(folder) if folder and Path(folder).is_dir() else None
            return there, frozenset(entry.sha256 for entry in manifest.files)
    return None, frozenset()


def _length(seconds: float | None) -> str:
    return "whole files" if seconds is None else f"excerpts of {seconds:g} s"
