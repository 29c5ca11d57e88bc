"""What is requested of a clip: words in any language, a named style or artist, lyrics to sing, or sound to continue.

A `Prompt` is a value: validated, comparable, and with a `content()` that names everything in it that can change the
sound, and nothing else. A model that knows styles calls `resolve_labels` to find which of them is meant. Free text is
compared with the model's own descriptions of its styles (its cards) in the space of a multilingual sentence encoder.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from harness.core.errors import AudioError, HarnessError, UsageError

SILENCE_PEAK = 1e-3
"""Audio that never leaves ±0.001 (−60 dBFS) is silence, which cannot be continued."""

SHORTEST_PROMPT, LONGEST_PROMPT = 0.1, 600.0  # seconds

WORDS = ("text", "style", "artist", "lyrics")
"""The fields of a prompt that hold words."""

NEAREST_PHRASES = 3
WEAK_SIMILARITY = 0.2
"""Below this similarity, a text hardly distinguishes the styles, and the choice among them is close to arbitrary."""


class Prompt(BaseModel):
    """A request: at least one of `text`, `style`, `artist`, `lyrics`, `audio` and `codes`; they can be combined.

    Attributes:
        text: words in any language.
        style: a name that the model knows; it takes precedence over the style that `text` suggests.
        artist: a name that the model knows.
        lyrics: words to sing.
        audio: a sound file whose first `prompt_seconds` seconds are the beginning of the clip.
        prompt_seconds: length used of `audio`, in seconds.
        codes: a file of existing codes: the beginning of a clip to continue, or levels to upsample.
        total_seconds: length of the piece that the clip is an excerpt of; the model's choice where it is not given.
        offset_seconds: where in that piece the clip begins, in seconds; likewise.
        unconditional: requests nothing in particular; excludes text, style, artist and lyrics.

    Raises:
        UsageError: for an empty prompt, and for an invalid value of a field.

    >>> Prompt(text="slow piano", total_seconds=60).total_seconds
    60.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = None
    style: str | None = None
    artist: str | None = None
    lyrics: str | None = None
    audio: Path | None = None
    prompt_seconds: float = 3.0
    codes: Path | None = None
    total_seconds: float | None = None
    offset_seconds: float | None = None
    unconditional: bool = False

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: ModelWrapValidatorHandler[Prompt]) -> Prompt:
        try:
            prompt = handler(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "prompt"
            raise UsageError(
                f"the prompt's {where} was {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}. "
                f"A prompt has {', '.join(cls.model_fields)}."
            ) from None
        words = [name for name in WORDS if getattr(prompt, name) is not None]
        if prompt.unconditional and words:
            raise UsageError(f"the prompt is unconditional and has {' and '.join(words)}: leave out one or the other.")
        if not (words or prompt.audio or prompt.codes or prompt.unconditional):
            raise UsageError(
                "the prompt is empty: a text, a style, an artist, lyrics or a sound file was expected, for example "
                "harness sample 'calm spacious drones'."
            )
        return prompt

    @field_validator("text", "style", "artist", "lyrics")
    @classmethod
    def _meaningful(cls, value: str | None, info: Any) -> str | None:
        if value is None:
            return None
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise UsageError(
                f"the prompt's {info.field_name} is not valid Unicode ({error}): give it as UTF-8."
            ) from None
        value = unicodedata.normalize("NFC", value)
        if not value.strip():
            raise UsageError(f"the prompt's {info.field_name} is empty: give it some words or leave it out.")
        if info.field_name in ("style", "artist"):
            return " ".join(value.split())
        return value if info.field_name == "lyrics" else value.strip()

    @field_validator("total_seconds", "offset_seconds")
    @classmethod
    def _in_time(cls, value: float | None, info: Any) -> float | None:
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"the prompt's {info.field_name} was {value}: a number of seconds from 0 on was expected.")
        return value

    @field_validator("prompt_seconds")
    @classmethod
    def _possible(cls, value: float) -> float:
        if not (math.isfinite(value) and SHORTEST_PROMPT <= value <= LONGEST_PROMPT):
            raise UsageError(
                f"the audio prompt's length was {value:g} s: {SHORTEST_PROMPT:g} to {LONGEST_PROMPT:g} s was expected, "
                "for example --prompt-seconds 3."
            )
        return value

    def excerpt(self, rate: int | None = None) -> tuple[NDArray[np.float32], int]:
        """The first `prompt_seconds` of the sound file: `(mono audio (samples,), rate in Hz)`, resampled when `rate`
        is given.

        Raises `UsageError` without a sound file or when it is shorter than that; `AudioError` when it cannot be read
        or holds nothing but silence.
        """
        from metrics.io.audio import resample

        if self.audio is None:
            raise UsageError("the prompt has no sound file: give one with --audio clip.wav.")
        excerpt, found = _decode(self.audio, self.prompt_seconds)
        if rate is None or rate == found:
            return excerpt, found
        return resample(excerpt, found, rate), rate

    def content(self) -> dict[str, Any]:
        """Everything in the prompt that can change the sound, JSON-able.

        The sound file counts as the SHA-256 of its decoded excerpt (its rate in ASCII decimal, a line feed, then its
        mono samples as little-endian float32): never its name or its container. `prompt_seconds` counts with it only.
        """
        content: dict[str, Any] = {
            name: value
            for name in ("text", "style", "artist", "lyrics", "total_seconds", "offset_seconds")
            if (value := getattr(self, name)) is not None
        }
        if self.unconditional:
            content["unconditional"] = True
        if self.codes is not None:
            content["codes"] = {"sha256": _codes_sha256(self.codes)}
        if self.audio is not None:
            content["audio"] = {"sha256": self._audio_sha256(), "seconds": self.prompt_seconds}
        return content

    def label(self) -> str:
        """One short line for people: "metal", "“科研创意激发”", "clip.wav (3 s) · ambient"."""
        parts = [] if self.audio is None else [f"{_shorten(self.audio.name)} ({self.prompt_seconds:g} s)"]
        parts += [] if self.codes is None else [f"codes of {_shorten(self.codes.name)}"]
        parts += [_shorten(self.style)] if self.style else []
        parts += [f"by {_shorten(self.artist)}"] if self.artist else []
        parts += [f"“{_shorten(self.text)}”"] if self.text else []
        parts += [f"lyrics “{_shorten(self.lyrics)}”"] if self.lyrics else []
        parts += ["unconditional"] if self.unconditional else []
        return " · ".join(parts)

    def _audio_sha256(self) -> str:
        assert self.audio is not None
        try:
            state = self.audio.stat()
        except OSError:
            _decode(self.audio, self.prompt_seconds)  # says why it cannot be read
            raise
        return _excerpt_sha256(self.audio.resolve(), self.prompt_seconds, state.st_mtime_ns, state.st_size)


@dataclass(frozen=True)
class LabelChoice:
    """The labels chosen for a prompt, and how they were chosen.

    `similarity` is that of the text to the chosen style, None where no text was compared; 0 means no closer to it than
    to the average of all styles. `candidates` holds every style with its similarity, the best first.
    """

    style: str | None
    artist: str | None = None
    similarity: float | None = None
    candidates: tuple[tuple[str, float], ...] = ()
    chosen_by: Literal["name", "text", "nothing"] = "text"

    @property
    def weak(self) -> bool:
        """Whether the text is so unspecific that another style would have fitted as well."""
        return self.similarity is not None and self.similarity < WEAK_SIMILARITY

    def record(self) -> dict[str, Any]:
        """JSON-able, for the record of a clip."""
        return {
            "style": self.style,
            "artist": self.artist,
            "chosen_by": self.chosen_by,
            "similarity": self.similarity,
            "weak": self.weak,
            "candidates": [list(candidate) for candidate in self.candidates],
        }


def read_cards(path: Path) -> dict[str, tuple[str, ...]]:
    """Style cards from a TOML file: a table for each style, in it a list of phrases for each language."""
    try:
        tables = TypeAdapter(dict[str, dict[str, list[str]]]).validate_python(tomllib.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise HarnessError(
            f"the style cards {path} cannot be read ({error}): a table for each style was expected, with a list of "
            "phrases for each language."
        ) from error
    return {style: tuple(itertools.chain(*languages.values())) for style, languages in tables.items()}


def choose_labels(text: str, cards: Mapping[str, Sequence[str]]) -> LabelChoice:
    """The style whose card is nearest to `text`, in whatever of the encoder's sixteen languages either is written.

    `cards` describes each style by a few phrases. "Music in general" (the mean over styles of the mean of their
    phrases) is taken off every phrase and off the text; the similarity of a style is the mean cosine of its three
    nearest phrases. Against plain cosines that keeps the choices and widens the gap between the best and the second
    by a third. With a single card nothing would be left to compare, so nothing is taken off.

    Deterministic: the order of the cards plays no part, similarities are rounded to four decimals, and a tie goes to
    the first name in alphabetical order.
    """
    from harness.prompts.text_encoder import encode

    phrases = _encode_cards(tuple(sorted((name, tuple(card)) for name, card in cards.items())))
    general = np.mean([card.mean(axis=0) for card in phrases.values()], axis=0) if len(phrases) > 1 else np.float32(0)
    asked = _unit(encode([text])[0] - general)
    similarity = {}
    for name, card in phrases.items():
        nearest = np.sort(_unit(card - general) @ asked)[-NEAREST_PHRASES:]
        similarity[name] = round(float(nearest.mean()), 4)
    candidates = tuple(sorted(similarity.items(), key=lambda pair: (-pair[1], pair[0])))
    return LabelChoice(style=candidates[0][0], similarity=candidates[0][1], candidates=candidates)


def resolve_labels(
    prompt: Prompt, cards: Mapping[str, Sequence[str]], style: Callable[[str], str], artist: Callable[[str], str]
) -> LabelChoice:
    """The labels that `prompt` asks a model for: named ones as the model writes them, else by its text.

    `style` and `artist` give a model's own spelling of a name, and raise `UsageError` with the nearest for one that it
    does not know. The style is None when the prompt neither names nor describes one.
    """
    named = None if prompt.artist is None else artist(prompt.artist)
    if prompt.style is not None:
        return LabelChoice(style(prompt.style), named, chosen_by="name")
    if prompt.text is None:
        return LabelChoice(None, named, chosen_by="nothing")
    return replace(choose_labels(prompt.text, cards), artist=named)


def labels_fingerprint(cards: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What turns text into labels, for a model's fingerprint: other cards or another encoder may choose otherwise."""
    from harness.prompts.text_encoder import provenance

    ordered = repr(sorted((name, tuple(card)) for name, card in cards.items()))
    return {"cards_sha256": hashlib.sha256(ordered.encode()).hexdigest(), "text_encoder": provenance()}


@lru_cache(maxsize=8)
def _encode_cards(cards: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, NDArray[np.float32]]:
    from harness.prompts.text_encoder import encode

    if not cards or not all(phrases for _, phrases in cards):
        raise HarnessError(
            f"the model's style cards are {dict(cards)}: at least one phrase for each style was expected."
        )
    return {name: encode(phrases) for name, phrases in cards}


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _decode(path: Path, seconds: float) -> tuple[NDArray[np.float32], int]:
    from metrics.io.audio import load

    audio, rate = load(path)
    wanted = round(seconds * rate)
    if len(audio) < wanted:
        whole = math.floor(len(audio) / rate * 100) / 100
        raise UsageError(
            f"{path} holds {len(audio) / rate:.2f} s, and its first {seconds:g} s were requested. "
            + (f"Run again with --prompt-seconds {whole:g}." if whole >= SHORTEST_PROMPT else "Give a longer file.")
        )
    excerpt = audio[:wanted]
    peak = float(np.abs(excerpt).max())
    if peak < SILENCE_PEAK:
        raise AudioError(
            f"the first {seconds:g} s of {path} are silent (peak {peak:.1e}): sound to continue was expected. "
            "Cut the silence off, or give another file."
        )
    return excerpt, rate


@lru_cache(maxsize=256)
def _excerpt_sha256(path: Path, seconds: float, _modified: int, _size: int) -> str:
    excerpt, rate = _decode(path, seconds)
    return hashlib.sha256(f"{rate}\n".encode() + excerpt.astype("<f4").tobytes()).hexdigest()


def _codes_sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"the codes {path} cannot be read ({error.strerror}).") from error


def _shorten(text: str, width: int = 40) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"
