"""Sets of prompts: those that come with the harness or another distribution, and the user's own files.

A set is a file of rows (`harness.prompts.files`) with these fields, of which one of the first five must be there:

    text, style, artist, lyrics    as in a prompt
    audio       a sound file to continue, relative to the prompt file, or corpus:NAME/PACKAGE/FILE.flac@SECOND: an
                excerpt of a corpus that the user built ('harness corpus build NAME'); no music comes with the harness
    seconds     how much of the audio is the prompt
    tags        labels such as lang:zh or valence:high, for users and grouping; no model sees them

All mistakes of a file are reported at once, each with its line and field, before anything is sampled.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from harness.core import registry as groups
from harness.core.errors import HarnessError, UsageError
from harness.core.mistakes import Mistakes
from harness.core.settings import problem, refusing
from harness.prompts.files import FORMATS, LIST_FIELD, SEPARATOR, Row, read_rows
from harness.prompts.prompt import Prompt
from metrics.api.registry import Registry, nearest_name, unknown_name

if TYPE_CHECKING:
    from harness.corpora.manifest import Track

FOLDER = Path(__file__).parent / "data"
WORDS = ("text", "style", "artist", "lyrics")
FIELDS = (*WORDS, "audio", "seconds", LIST_FIELD)
CORPUS = "corpus:"


@dataclass(frozen=True)
class PromptExcerpt:
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
    """A prompt of a set, checked: its words, the sound that it continues, its tags."""

    line: int
    words: Mapping[str, Any]
    audio: Path | PromptExcerpt | None = None
    seconds: float = Prompt.model_fields["prompt_seconds"].default
    tags: tuple[str, ...] = ()

    def prompt(self) -> Prompt:
        """The prompt itself. Raises `CorpusError` for an excerpt of a corpus that is not built."""
        if self.audio is None:
            return Prompt(**self.words)
        path = self.audio.cut(self.seconds) if isinstance(self.audio, PromptExcerpt) else self.audio
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
    """The sets that come with the harness, each read when it is used."""

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

    A file goes before a set that another distribution brings.

    Raises:
        UsageError: for a name that is unknown.
        FileMistakes: with every mistake of the file, its line and its field.
    """
    path = Path(name)
    if name not in _Shipped() and (path.suffix.lower() in FORMATS or path.exists()):
        return _read(path, path.stem)
    if name not in PROMPT_SETS.names():
        known = unknown_name("prompt set", name, PROMPT_SETS.names())
        raise UsageError(f"{known} Or name a file that ends in {', '.join(FORMATS)}.")
    return PROMPT_SETS.get(name)


def _read(path: Path, name: str) -> PromptSet:
    mistakes = Mistakes(path)
    description, rows = read_rows(mistakes)
    seen, checked = dict[Any, int](), []
    for row in rows:
        one = _checked(mistakes, row)
        if one is None:
            continue
        key = (tuple(sorted(one.words.items())), str(one.audio), one.seconds)
        if key in seen:
            mistakes.add(row.line, "", f"the prompt repeats that of line {seen[key]}: give each once.")
        seen.setdefault(key, row.line)
        checked.append(one)
    mistakes.check()
    return PromptSet(name, description, tuple(checked))


def _checked(mistakes: Mistakes, row: Row) -> PromptRow | None:
    """A row as a prompt can be made of it; None where something is wrong with it, which is added to the mistakes."""
    given = {name: value for name, value in row.values.items() if value is not None}
    before = len(mistakes.found)
    try:
        fields = PromptFields.model_validate(given, context={"folder": mistakes.path.parent})
    except ValidationError as error:
        for one in error.errors(include_url=False):
            name = str(one["loc"][0])
            mistakes.add(row.line_of(name), name, f"{problem(one, known=FIELDS, what='field')}.")
        return None
    words = {name: value for name in WORDS if (value := getattr(fields, name)) is not None}
    seconds = PromptRow.seconds if fields.seconds is None else fields.seconds
    if fields.seconds is not None and fields.audio is None:
        why = "it is the length of an audio prompt, and there is no audio: leave it out."
        mistakes.add(row.line_of("seconds"), "seconds", why)
    elif not words and fields.audio is None:
        expected = f"one of {', '.join((*WORDS, 'audio'))} was expected."
        mistakes.add(row.line, "", f"the prompt is empty: {expected}")
    elif fields.audio is not None:
        try:
            _check_sound(fields.audio, seconds)
        except HarnessError as error:
            mistakes.add(row.line_of("audio"), "audio", str(error))
    found = PromptRow(row.line, words, fields.audio, seconds, fields.tags)
    return found if len(mistakes.found) == before else None


# Fields.


def _words(value: str, info: ValidationInfo) -> str:
    if odd := [c for c in value if unicodedata.category(c) == "Cc" and c not in "\n\r\t"]:
        raise ValueError(f"it holds the control character {odd[0]!r}: words were expected")
    name = str(info.field_name)
    return getattr(Prompt.model_validate({name: value}), name)


def _sound(value: Any, info: ValidationInfo) -> Path | PromptExcerpt:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r:.60} was found: the path of a sound file was expected")
    if not value.startswith(CORPUS):
        return (info.context or {}).get("folder", Path()) / value.strip()
    corpus, _, rest = value.removeprefix(CORPUS).strip().partition("/")
    file, _, place = rest.partition("@")
    try:
        start = float(place or 0)
    except ValueError:
        start = math.nan
    if not (math.isfinite(start) and start >= 0):
        raise ValueError(f"the place {place!r} in the track is no number of seconds from 0 on")
    excerpt = PromptExcerpt(corpus, file, start)
    _track(excerpt)
    return excerpt


def _number(value: Any) -> Any:
    """A number that a table holds as text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _length(value: float) -> float:
    return Prompt(text="-", prompt_seconds=value).prompt_seconds


def _tag(value: str) -> str:
    if not value.strip() or not value.isprintable() or SEPARATOR in value:
        raise ValueError(f"{value!r:.60} was found: a list of short words was expected")
    return value.strip()


def _once(tags: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := [tag for n, tag in enumerate(tags) if tag in tags[:n]]:
        raise ValueError(f"the tag {repeated[0]!r} is there twice")
    return tags


Words = Annotated[str, AfterValidator(refusing(_words))]
Sound = Annotated[Path | PromptExcerpt, BeforeValidator(refusing(_sound))]
TagList = Annotated[
    tuple[Annotated[str, AfterValidator(_tag)], ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else (value,)),
    AfterValidator(_once),
]


class PromptFields(BaseModel):
    """The fields of a row of a prompt file, checked by themselves."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    text: Words | None = None
    style: Words | None = None
    artist: Words | None = None
    lyrics: Words | None = None
    audio: Sound | None = None
    seconds: Annotated[float, BeforeValidator(_number), AfterValidator(refusing(_length))] | None = None
    tags: TagList = ()


def _check_sound(audio: Path | PromptExcerpt, seconds: float) -> None:
    """Raise `HarnessError` unless the sound is there, long enough and not silent; an excerpt must lie in its track."""
    if isinstance(audio, Path):
        Prompt(audio=audio, prompt_seconds=seconds).content()
    elif (end := audio.start + seconds) > _track(audio).seconds:
        raise UsageError(f"the excerpt ends {end:g} s into a track of {_track(audio).seconds:g} s.")


def _track(excerpt: PromptExcerpt) -> Track:
    files = _tracks(excerpt.corpus)
    if excerpt.file not in files:
        nearest = nearest_name(excerpt.file, list(files))
        hint = f"Did you mean {nearest!r}?" if nearest else f"'harness corpus show {excerpt.corpus}' tells what it has."
        raise UsageError(f"the corpus {excerpt.corpus} has no track {excerpt.file!r}. {hint}")
    return files[excerpt.file]


@lru_cache(maxsize=8)
def _tracks(corpus: str) -> dict[str, Track]:
    """The tracks of a corpus by file, as declared, whether or not it is built."""
    from harness.corpora.manifest import load_manifest

    return {track.file: track for track in load_manifest(corpus).tracks}
