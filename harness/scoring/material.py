"""What metrics take, obtained from one condition's clips when it is first needed, and once.

A metric names its needs (`metrics.api.catalogue.NEEDS`). Here is where each comes from: frames from the cache or the
embedder, texts and styles from the clips' records, tags from musicnn's last layer, the sound before a continuation from
the clip itself. What these clips do not have raises `DegenerateInput` with the reason, for the metric that asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import AudioError, DegenerateInput, HarnessError
from harness.core.progress import Progress
from harness.core.sound_files import sound_files
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile, ClipSet
from harness.scoring.frames import Embeddings, Recipe, embed_clips
from harness.scoring.measures import DEFAULT_EMBEDDER, DEFAULT_REFERENCE, LUFS, Measures, Space
from harness.scoring.references import recipe_for
from harness.scoring.signals import signal_of, structure_of
from metrics.api.score import EmbeddingSet
from metrics.embeddings import load_embedder
from metrics.io.audio import load, resample
from metrics.reference.sets import load_reference
from metrics.sets.adherence import TextAudioPairs, log_odds, tag_text_pairs
from metrics.sets.diversity import centred_means, unit_rows
from metrics.waves.clips import AudioSet
from metrics.waves.copies import RATE as COPY_RATE
from metrics.waves.copies import CopyIndex
from metrics.waves.structure import RATE as CHROMA_RATE

T = TypeVar("T")


class Material:
    """One condition's clips as metrics take them. `only` is the same of some of its clips."""

    def __init__(self, clips: ClipSet, measures: Measures, cache: ContentCache, progress: Progress) -> None:
        self.clips, self.measures, self.cache, self.progress = clips, measures, cache, progress
        self._whole: Material | None = None
        self._found: dict[tuple[Any, ...], Any] = {}

    def only(self, units: Collection[str]) -> Material:
        """The material of those clips whose unit is among `units`: nothing is read again."""
        part = Material(self.clips.only(set(units)), self.measures, self.cache, self.progress)
        part._whole = self._whole or self
        return part

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives, or raises, the first time."""
        if key not in self._found:
            try:
                self._found[key] = make()
            except HarnessError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, HarnessError):
            raise found
        return found

    # ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def embeddings(self, recipe: Recipe) -> Embeddings:
        """The frames of each clip that could be embedded, by unit, and why the others could not."""
        if self._whole is not None:
            return self._whole.embeddings(recipe)
        return self.once(_key(recipe), lambda: embed_clips(self.clips.clips, recipe, self.cache, self.progress))

    def frames_if_any(self, space: Space) -> Mapping[str, Any]:
        """The frames of each clip by unit, where they were needed; else empty."""
        whole = self._whole or self
        found = whole._found.get(_key(space.recipe))
        return {} if found is None or isinstance(found, HarnessError) else found.embedded

    def silent(self) -> set[str]:
        """The units of silent clips, as their frames know it or, where none were needed, their loudness."""
        if frames := self.frames_if_any(self.measures.first):
            return {unit for unit, found in frames.items() if found.silent}
        measured = zip(self.clips.clips, self.signals("signal"), strict=True)
        return {clip.unit for clip, found in measured if found is not None and found.loudness is None}

    def unread(self) -> dict[str, str]:
        """Why clips could not be read, by unit, as far as they were needed."""
        found: dict[str, str] = {}
        for key, made in (self._whole or self)._found.items():
            if key[0] == "frames" and not isinstance(made, HarnessError):
                found |= made.failed
        return found

    def embedded_clips(self, recipe: Recipe) -> list[ClipFile]:
        """The clips that have frames. Raises `DegenerateInput` when there are none."""
        frames = self.embeddings(recipe).embedded
        found = [clip for clip in self.clips.clips if clip.unit in frames]
        if not found:
            raise DegenerateInput(f"no clip of {self.clips.name} could be read and embedded.")
        return found

    def evaluated(self, space: Space) -> EmbeddingSet:
        """All clips, with their styles, or else their prompts, as strata."""
        return self.once(
            ("evaluated", space.name),
            lambda: self._set(self.embedded_clips(space.recipe), space.recipe, self.strata()),
        )

    def strata(self) -> dict[str, str] | None:
        """The stratum of each unit; None where the clips have none."""
        strata = self.clips.strata()
        return None if strata is None else dict(zip((clip.unit for clip in self.clips.clips), strata, strict=True))

    def styled(self, space: Space) -> EmbeddingSet:
        """The clips with a requested style, with their styles as strata."""
        clips = [clip for clip in self.embedded_clips(space.recipe) if clip.style]
        if not clips:
            raise DegenerateInput(
                "no style is known of any clip: none was requested, and no text was understood as one."
            )
        return self._set(clips, space.recipe, {clip.unit: clip.style for clip in clips})

    def continued(self, space: Space) -> tuple[EmbeddingSet, EmbeddingSet]:
        """The clips that continue an audio prompt, and these prompts, under the clips' units."""
        frames = self.embeddings(space.recipe).embedded
        clips = [clip for clip in self.embedded_clips(space.recipe) if frames[clip.unit].prompt is not None]
        if not clips:
            raise DegenerateInput("no clip continues an audio prompt.")
        strata = self.strata()
        prompts = EmbeddingSet.from_clips(
            [frames[clip.unit].prompt for clip in clips],  # pyright: ignore[reportArgumentType]
            [clip.unit for clip in clips],
            space.recipe.provenance(),
        )
        return self._set(clips, space.recipe, strata), prompts

    def _set(self, clips: Sequence[ClipFile], recipe: Recipe, strata: Mapping[str, str] | None) -> EmbeddingSet:
        frames = self.embeddings(recipe).embedded
        provenance: dict[str, Any] = recipe.provenance()
        for flag in ("padded", "own_level"):
            if flagged := [clip.unit for clip in clips if getattr(frames[clip.unit], flag)]:
                provenance[flag] = flagged
        return EmbeddingSet.from_clips(
            [frames[clip.unit].frames for clip in clips],
            [clip.unit for clip in clips],
            provenance,
            None if strata is None else [strata[clip.unit] for clip in clips],
        )

    def reference(self, space: Space) -> EmbeddingSet:
        """The real music of a space. Raises `DegenerateInput` with the reason where there is none."""
        if space.reference is None:
            raise DegenerateInput(space.lacking)
        return space.reference

    def prompts(self) -> dict[str, str]:
        """The prompt of each unit. Raises `DegenerateInput` where prompts are not known."""
        found = {clip.unit: clip.prompt for clip in self.clips.clips if clip.prompt}
        if len(found) < len(self.clips.clips):
            raise DegenerateInput(
                "which prompt each clip answers to is not known: give a column prompt in --manifest or --pair-by."
            )
        return found

    def predictions(self, space: Space) -> tuple[list[str], list[str], list[str]]:
        """(the style nearest to each clip, the requested style, its unit), for the clips with a style.

        The nearest style is the one whose mean song has the largest cosine with the clip, seen from the reference's
        centre. Raises `DegenerateInput` where the reference has fewer than two styles, or lacks a requested one.
        """
        data, music = self.styled(space), self.reference(space)
        known = [] if music.strata is None else sorted(set(music.strata.tolist()))
        missing = sorted(set(data.unit_strata().tolist()) - set(known))  # pyright: ignore[reportOptionalMemberAccess]
        if len(known) < 2 or missing:
            raise DegenerateInput(
                f"the reference has no music of style {', '.join(map(repr, missing))}: it has {', '.join(known)}."
                if missing
                else "the reference has fewer than two styles: at least two are needed to classify a clip."
            )
        clips, songs = centred_means(data, music), centred_means(music, music)
        centres = unit_rows(np.stack([songs.frames[songs.strata == style].mean(0, dtype=float) for style in known]))
        nearest = (unit_rows(clips.frames) @ centres.T).argmax(axis=1)
        return [known[n] for n in nearest], np.asarray(clips.strata).tolist(), clips.units.tolist()

    # ── Texts and tags ──────────────────────────────────────────────────────────────────────────────────────────────

    def texts(self) -> list[ClipFile]:
        """The clips with a text prompt. Raises `DegenerateInput` when there are none."""
        found = [clip for clip in self.clips.clips if clip.text]
        if not found:
            raise DegenerateInput("no clip has a text prompt.")
        return found

    def spoken(self, space: Space) -> list[ClipFile]:
        """The clips with a text prompt and frames."""
        frames = self.embeddings(space.recipe).embedded
        return [clip for clip in self.texts() if clip.unit in frames]

    def text_pairs(self, space: Space) -> TextAudioPairs:
        """Clips and texts in the joint space of an embedder that has one, such as CLAP's."""
        clips, frames = self.spoken(space), self.embeddings(space.recipe).embedded
        texts = sorted({clip.text for clip in clips})
        embedder: Any = space.recipe.embedder
        vectors = dict(zip(texts, embedder.embed_text(texts), strict=True))
        return TextAudioPairs(
            audio=np.stack([frames[clip.unit].frames.mean(axis=0) for clip in clips]),
            text=np.stack([vectors[clip.text] for clip in clips]),
            prompts=np.array([clip.text for clip in clips]),
            provenance=space.recipe.provenance(),
        )

    def tag_pairs(self) -> TextAudioPairs:
        """Clips as the words of musicnn's tags, paired with their text prompts.

        What is usual in music is taken off, the same for all conditions: each tag's mean log-odds in the reference.
        """
        from harness.prompts.text_encoder import encode, provenance
        from metrics.embeddings.musicnn_weights import TAGS

        clips = self.spoken(self.tagger())
        ids, means = self.tags("sigmoid").means()
        rows = dict(zip(ids.tolist(), means, strict=True))
        usual = log_odds(self.reference_tags("sigmoid").means()[1]).mean(axis=0)
        pairs = tag_text_pairs(
            encode, TAGS, np.stack([rows[clip.unit] for clip in clips]), [clip.text for clip in clips], usual
        )
        about = {"text_encoder": provenance(), "background": "the reference's tags"}
        return replace(pairs, provenance={**self.tagger().recipe.provenance(), **pairs.provenance, **about})

    def tagger(self) -> Space:
        """musicnn's space: the one among the measures, or its own."""
        for space in self.measures.spaces:
            made = space.recipe.provenance()["embedder"]
            if made.get("name") == DEFAULT_EMBEDDER and made.get("layer") == "penultimate":
                return space
        return _tagger()

    def tags(self, kind: str) -> EmbeddingSet:
        """The probabilities of musicnn's tags in each frame, "softmax" or "sigmoid", in place of embeddings."""
        space = self.tagger()
        data = self._set(self.embedded_clips(space.recipe), space.recipe, self.strata())
        return _as_tags(data, kind)

    def reference_tags(self, kind: str) -> EmbeddingSet:
        """The same of the real music: of the tagger's reference, or else of the one that comes with the package."""
        return _as_tags(self.tagger().reference or load_reference(DEFAULT_REFERENCE), kind)

    # ── Waveforms ───────────────────────────────────────────────────────────────────────────────────────────────────

    def signals(self, group: str) -> list[Any]:
        """The signal or the structure of each clip, in order, without its audio prompt; None for one not readable."""
        if self._whole is not None:
            found = dict(zip((clip.unit for clip in self._whole.clips.clips), self._whole.signals(group), strict=True))
            return [found[clip.unit] for clip in self.clips.clips]
        return self.once(("signals", group), lambda: self._signals(group))

    def _signals(self, group: str) -> list[Any]:
        measure = structure_of if group == "structure" else signal_of
        found: list[Any] = []
        with self.progress.stage(f"measuring the {group}", len(self.clips.clips)) as stage:
            for done, clip in enumerate(self.clips.clips, start=1):
                try:
                    found.append(measure(clip, self.cache))
                except (AudioError, OSError):
                    found.append(None)
                stage.advance(done)
        return found

    def waveforms(self, rate: int | None = None) -> AudioSet:
        """The clips' sound without their audio prompts, all at one rate: the first one's unless it is given."""
        return self._audio(self.clips.clips, rate, lambda clip, audio, found: audio[_cut(clip, found) :])

    def chroma_pairs(self) -> tuple[AudioSet, AudioSet]:
        """(audio prompts, continuations) as sound, of the clips that continue one."""
        clips = self._continuing()
        prompts = self._audio(clips, CHROMA_RATE, lambda clip, audio, found: audio[: _cut(clip, found)])
        return prompts, self._audio(clips, CHROMA_RATE, lambda clip, audio, found: audio[_cut(clip, found) :])

    def known_sound(self) -> CopyIndex:
        """Landmarks of the known music: the reference's files where they are at hand, and the clips' audio prompts."""
        return self.once(("known sound",), self._known_sound)

    def _known_sound(self) -> CopyIndex:
        folder = next((space.audio for space in self.measures.spaces if space.audio is not None), None)
        tracks = [] if folder is None else list(sound_files([folder]).files)
        prompts = {clip.prompt or clip.unit: clip for clip in self.clips.clips if clip.prompt_seconds}
        if not tracks and not prompts:
            raise DegenerateInput(
                "the sound of no known music is at hand: clips that continue an audio prompt, or a --reference that is "
                "a folder, were expected."
            )
        return CopyIndex(
            [
                *((path.relative_to(folder).as_posix(), *load(path)) for path in tracks if folder is not None),
                *((f"prompt {name}", *_prompt_sound(clip)) for name, clip in prompts.items()),
            ]
        )

    def copies(self) -> tuple[AudioSet, CopyIndex]:
        """The clips as sound, and the known music that passages of theirs may be from."""
        index = self.known_sound()
        return self.waveforms(COPY_RATE), index

    def _continuing(self) -> list[ClipFile]:
        found = [clip for clip in self.clips.clips if clip.prompt_seconds]
        if not found:
            raise DegenerateInput("no clip continues an audio prompt.")
        return found

    def _audio(
        self, clips: Sequence[ClipFile], rate: int | None, part: Callable[[ClipFile, NDArray[Any], int], NDArray[Any]]
    ) -> AudioSet:
        sounds, units = [], []
        for clip in clips:
            try:
                audio, found = load(clip.path)
            except (AudioError, OSError):
                continue
            rate = rate or found
            sounds.append(resample(part(clip, audio, found), found, rate))
            units.append(clip.unit)
        if rate is None or not sounds:
            raise DegenerateInput(f"no clip of {self.clips.name} could be read.")
        strata = self.strata()
        return AudioSet(sounds, rate, units, None if strata is None else [strata[unit] for unit in units])


def _key(recipe: Recipe) -> tuple[str, str]:
    return ("frames", repr(sorted(recipe.provenance().items())))


def _cut(clip: ClipFile, rate: int) -> int:
    return round(clip.prompt_seconds * rate)


def _prompt_sound(clip: ClipFile) -> tuple[NDArray[Any], int]:
    audio, rate = load(clip.path)
    return audio[: _cut(clip, rate)], rate


@cache
def _tagger() -> Space:
    return Space("musicnn tags", recipe_for(load_embedder(DEFAULT_EMBEDDER), LUFS, None))


def _as_tags(data: EmbeddingSet, kind: str) -> EmbeddingSet:
    from metrics.embeddings.musicnn import tag_logits

    logits = tag_logits(data.frames).astype(np.float64)
    if kind == "softmax":
        rows = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows /= rows.sum(axis=1, keepdims=True)
    else:
        rows = 1 / (1 + np.exp(-logits))
    return replace(data, frames=rows.astype(np.float32), provenance={**data.provenance, "classes": f"MTT tags, {kind}"})
