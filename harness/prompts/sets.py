"""Sets of prompts: those that come with the harness or another distribution, and a person's own files.

A set is a file of rows (`harness.prompts.files`) with these fields, of which one of the first five must be there:

    text, style, artist, lyrics    as in a prompt
    audio       a sound file to go on from, as seen from the prompt file, or corpus:NAME/PACKAGE/FILE.flac@SECOND: an
                excerpt of a corpus that the user built ('harness corpus build NAME'); no music comes with the harness
    seconds     how much of the audio is the prompt
    tags        what the prompt is for, such as lang:zh or valence:high: for people and grouping, never for a model

Every mistake is a `UsageError` that names file, line and field, found before anything is sampled.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import registry as groups
from harness.core.errors import HarnessError, UsageError
from harness.prompts.files import FORMATS, LIST_FIELD, SEPARATOR, Row, Source, read_rows
from harness.prompts.prompt import Prompt
from metrics.api.registry import Registry, nearest_name, unknown_name

if TYPE_CHECKING:
    from harness.corpora.manifest import Track

FOLDER = Path(__file__).parent / "data"
WORDS = ("text", "style", "artist", "lyrics")
FIELDS = (*WORDS, "audio", "seconds", LIST_FIELD)
CORPUS = "corpus:"


@dataclass(frozen=True)
class Excerpt:
    """A place in a track of a corpus: `start` seconds into `file`, which is PACKAGE/TRACK.flac."""

    corpus: str
    file: str
    start: float

    def __str__(self) -> str:
        return f"{CORPUS}{self.corpus}/{self.file}@{self.start:g}"

    def credit(self) -> str:
        """Title, author and licence, as the corpus's manifest has them."""
        track = _track(self)
        return f"“{track.title}” by {track.author}, {track.licence}, from {track.package}"

    def cut(self, seconds: float) -> Path:
        """A sound file with the excerpt, cut from the built corpus where it is not in the cache already.

        Raises `CorpusError`, naming the command to run, when the corpus is not built.
        """
        from harness.corpora.corpus import open_corpus
        from metrics.io.audio import load, save
        from metrics.io.weights import cache_dir

        track = _track(self)
        name = f"{Path(self.file).stem}-{self.start:g}s-{seconds:g}s.flac"
        path = cache_dir() / "prompts" / track.sha256[:16] / name
        if not path.is_file():
            corpus = open_corpus(self.corpus)
            audio, rate = load(corpus.path(track))
            start = round(self.start * rate)
            save(path, audio[start : start + round(seconds * rate)], rate)
        return path


@dataclass(frozen=True)
class PromptRow:
    """A prompt of a set as it was checked: its words, what it goes on from, its tags."""

    line: int
    words: Mapping[str, Any]
    audio: Path | Excerpt | None = None
    seconds: float = Prompt.model_fields["prompt_seconds"].default
    tags: tuple[str, ...] = ()

    def prompt(self) -> Prompt:
        """The prompt itself. Raises `CorpusError` for an excerpt of a corpus that is not built."""
        if self.audio is None:
            return Prompt(**self.words)
        path = self.audio.cut(self.seconds) if isinstance(self.audio, Excerpt) else self.audio
        return Prompt(**self.words, audio=path, prompt_seconds=self.seconds)

    def as_dict(self) -> dict[str, Any]:
        """The row as it may stand in a file of JSON lines."""
        row: dict[str, Any] = dict(self.words)
        if self.audio is not None:
            row |= {"audio": str(self.audio), "seconds": self.seconds}
        return row | ({LIST_FIELD: list(self.tags)} if self.tags else {})


@dataclass(frozen=True)
class PromptSet:
    """A named list of prompts."""

    name: str
    description: str
    rows: tuple[PromptRow, ...]

    def prompts(self) -> tuple[Prompt, ...]:
        """All of them, in order. Raises `CorpusError` for excerpts of a corpus that is not built."""
        return tuple(row.prompt() for row in self.rows)


class _Shipped(Mapping[str, PromptSet]):
    """The sets that come with the harness, each read when it is asked for."""

    def __getitem__(self, name: str) -> PromptSet:
        if name not in list(self):
            raise KeyError(name)
        return _read(FOLDER / f"{name}.yaml", name)

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in FOLDER.glob("*.yaml")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _installed(name: str, found: Any) -> PromptSet:
    """The set of a plug-in, whose entry point is the path of a prompt file."""
    if not isinstance(found, str | os.PathLike):
        raise UsageError(f"it is of type {type(found).__name__}: the path of a prompt file was expected")
    return _read(Path(found), name)


PROMPT_SETS: Registry[PromptSet] = Registry(
    kind="prompt set", entry_point_group=groups.PROMPTS, rows=_Shipped, accept=_installed
)


def prompt_set_names() -> list[str]:
    """The sets that come with the harness, and those of other distributions that can be read."""
    return PROMPT_SETS.working()


def load_prompt_set(name: str) -> PromptSet:
    """The set of this name, or the one in the file of this name (YAML, CSV or JSON lines, by its ending).

    A file goes before a set that another distribution brings. Raises `UsageError`, naming file, line and field.
    """
    path = Path(name)
    if name not in _Shipped() and (path.suffix.lower() in FORMATS or path.exists()):
        return _read(path, path.stem)
    if name not in PROMPT_SETS.names():
        known = unknown_name("prompt set", name, PROMPT_SETS.names())
        raise UsageError(f"{known} Or name a file that ends in {', '.join(FORMATS)}.")
    return PROMPT_SETS.get(name)


def _read(path: Path, name: str) -> PromptSet:
    description, rows = read_rows(path)
    source, seen, checked = Source(path), dict[Any, int](), []
    for row in rows:
        one = _check(source, row)
        key = (tuple(sorted(one.words.items())), str(one.audio), one.seconds)
        if key in seen:
            source.refuse(row.line, "", f"the prompt repeats that of line {seen[key]}: give each once.")
        seen[key] = row.line
        checked.append(one)
    return PromptSet(name, description, tuple(checked))


def _check(source: Source, row: Row) -> PromptRow:
    """A row as a prompt can be made of it."""

    def refuse(name: str, problem: str) -> None:
        source.refuse(row.lines.get(name, row.line), name, problem)

    given = {name: value for name, value in row.values.items() if value is not None}
    for name in given:
        if name not in FIELDS:
            refuse(name, unknown_name("field", name, list(FIELDS)))
    words: dict[str, Any] = {}
    for name in WORDS:
        if name in given:
            words[name] = _words(source, row, name)
    audio = _audio(source, row) if "audio" in given else None
    seconds = PromptRow.seconds
    if "seconds" in given:
        seconds = _seconds(source, row)
        if audio is None:
            refuse("seconds", "it is the length of an audio prompt, and there is no audio: leave it out.")
    if not words and audio is None:
        refuse("", f"the prompt is empty: one of {', '.join((*WORDS, 'audio'))} was expected.")
    if audio is not None:
        _check_sound(source, row, audio, seconds)
    return PromptRow(row.line, words, audio, seconds, _tags(source, row) if LIST_FIELD in given else ())


def _words(source: Source, row: Row, name: str) -> str:
    value, line = row.values[name], row.lines[name]
    if not isinstance(value, str):
        source.refuse(line, name, f"{value!r:.60} was found: words were expected. Put them in quotes.")
    if odd := [c for c in value if unicodedata.category(c) == "Cc" and c not in "\n\r\t"]:
        source.refuse(line, name, f"it holds the control character {odd[0]!r}: words were expected.")
    try:
        return getattr(Prompt.model_validate({name: value}), name)
    except UsageError as error:
        source.refuse(line, name, str(error))


def _audio(source: Source, row: Row) -> Path | Excerpt:
    value, line = row.values["audio"], row.lines["audio"]
    if not isinstance(value, str) or not value.strip():
        source.refuse(line, "audio", f"{value!r:.60} was found: the path of a sound file was expected.")
    if not value.startswith(CORPUS):
        return source.path.parent / value.strip()
    corpus, _, rest = value.removeprefix(CORPUS).strip().partition("/")
    file, _, place = rest.partition("@")
    try:
        start = float(place or 0)
        if not (math.isfinite(start) and start >= 0):
            raise ValueError
    except ValueError:
        source.refuse(line, "audio", f"the place {place!r} in the track is no number of seconds from 0 on.")
    excerpt = Excerpt(corpus, file, start)
    try:
        _track(excerpt)
    except HarnessError as error:
        source.refuse(line, "audio", str(error))
    return excerpt


def _seconds(source: Source, row: Row) -> float:
    value, line = row.values["seconds"], row.lines["seconds"]
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        seconds = float(value)
    except (ValueError, OverflowError):
        source.refuse(line, "seconds", f"{value!r:.60} was found: a number of seconds was expected.")
    try:
        return Prompt(text="-", prompt_seconds=seconds).prompt_seconds
    except UsageError as error:
        source.refuse(line, "seconds", str(error))


def _check_sound(source: Source, row: Row, audio: Path | Excerpt, seconds: float) -> None:
    """The sound must be there, be long enough and not silent; an excerpt must lie inside its track."""
    try:
        if isinstance(audio, Path):
            Prompt(audio=audio, prompt_seconds=seconds).content()
        elif (end := audio.start + seconds) > _track(audio).seconds:
            raise UsageError(f"the excerpt ends {end:g} s into a track of {_track(audio).seconds:g} s.")
    except HarnessError as error:
        source.refuse(row.lines["audio"], "audio", str(error))


def _tags(source: Source, row: Row) -> tuple[str, ...]:
    value, line = row.values[LIST_FIELD], row.lines[LIST_FIELD]
    tags = value if isinstance(value, list) else [value]
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip() or not tag.isprintable() or SEPARATOR in tag:
            source.refuse(line, LIST_FIELD, f"{tag!r:.60} was found: a list of short words was expected.")
    if repeated := [tag for n, tag in enumerate(tags) if tag in tags[:n]]:
        source.refuse(line, LIST_FIELD, f"the tag {repeated[0]!r} is there twice.")
    return tuple(tag.strip() for tag in tags)


def _track(excerpt: Excerpt) -> Track:
    files = _tracks(excerpt.corpus)
    if excerpt.file not in files:
        nearest = nearest_name(excerpt.file, list(files))
        hint = f"Did you mean {nearest!r}?" if nearest else f"'harness corpus show {excerpt.corpus}' tells what it has."
        raise UsageError(f"the corpus {excerpt.corpus} has no track {excerpt.file!r}. {hint}")
    return files[excerpt.file]


@lru_cache(maxsize=8)
def _tracks(corpus: str) -> dict[str, Track]:
    """The tracks of a corpus by file, as declared: whether it is built is not asked."""
    from harness.corpora.manifest import load_manifest

    return {track.file: track for track in load_manifest(corpus).tracks}
