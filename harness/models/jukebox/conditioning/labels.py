"""What a Jukebox prior is given beside the codes: the song's length, the window's position, artist, genre and lyrics.

A label vector `y` is int64 of shape (4 + max_genres + n_tokens,):

    [total length, offset, window length, artist id, genre ids padded with -1, lyric tokens]

with the three lengths in raw audio samples. Two versions exist, and a checkpoint understands only its own:

- v2 (5b, 5b_lyrics and every upsampler): a name is lower-cased and reduced to a-z, 0-9 and single underscores;
  a genre is a bag of words;
- v3 (1b_lyrics): a name is only lower-cased; a genre is one name; the lyric vocabulary has no "+".

An unknown name has id 0 in both. Each window of sampling gets its own `y`: the offset moves with it, and the lyric
tokens are those around the window's middle, as if the words were sung at one constant speed (Dhariwal et al. 2020,
arXiv:2005.00341).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.models.jukebox.conditioning.transliteration import engine, transliterate
from metrics.errors import HarnessError, UsageError

Version = Literal["v2", "v3"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
VOCABULARY: dict[Version, str] = {
    "v2": _LETTERS + ".,:;!?-+'\"()[] \t\n",
    "v3": _LETTERS + ".,:;!?-'\"()[] \t\n",
}
"""The characters of lyrics. Token 0 is padding; the first character is token 1: n_vocab is 80 for v2 and 79 for v3."""

UNKNOWN = 0
PADDING = -1


def normalise_name(name: str, version: Version) -> str:
    """The form in which an artist or a genre stands in the id table of `version`.

    >>> normalise_name("  Zo Kestrel!! ", "v2"), normalise_name("Pepper & the Jack", "v3")
    ('zo_kestrel', 'pepper & the jack')
    """
    if version == "v3":
        return name.lower()
    return re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")


def genre_words(genre: str, version: Version) -> list[str]:
    """The names of one genre that are looked up: its words for v2, itself for v3. An empty genre is one empty name."""
    name = normalise_name(genre, version)
    return name.split("_") if version == "v2" else [name]


def clean_lyrics(lyrics: str, version: Version) -> str:
    """Lyrics in the vocabulary of `version`: transliterated, a backslash made a line break, the rest dropped."""
    known = VOCABULARY[version]
    return "".join(c for c in transliterate(lyrics).replace("\\", "\n") if c in known)


def tokenise(clean: str, version: Version) -> NDArray[np.int64]:
    """Lyric tokens, one per character, (characters,), of lyrics that `clean_lyrics` gave."""
    token = {c: i for i, c in enumerate(VOCABULARY[version], start=1)}
    return np.array([token[c] for c in clean], dtype=np.int64)


def lyric_window(
    n_full: int,
    n_tokens: int,
    total_length: int,
    offset: int,
    duration: int,
    float_type: type[np.floating] = np.float64,
) -> NDArray[np.int64]:
    """Which of `n_full` lyric tokens a window of audio sees: indices of shape (n_tokens,), -1 for padding.

    The window of tokens is centred at n_full · (offset + duration / 2) / total_length, clamped to the lyrics; lyrics
    shorter than `n_tokens` are padded on the left. Lengths in samples. `float_type` is the precision of the centre: the
    original makes a song's first label in float64 and those of its windows in float32, which moves the centre by a
    character now and then.
    """
    if n_full < n_tokens:
        return np.concatenate([np.full(n_tokens - n_full, PADDING), np.arange(n_full)]).astype(np.int64)
    if n_tokens == 0:
        return np.empty(0, dtype=np.int64)
    f = float_type
    middle = int(f(n_full) * (f(offset) + f(duration) / f(2)) / f(total_length))
    start = min(max(middle - n_tokens // 2, 0), n_full - n_tokens)
    return np.arange(start, start + n_tokens, dtype=np.int64)


def read_ids(path: str | os.PathLike[str]) -> dict[str, int]:
    """An id table from a file of `name;id` lines (UTF-8).

    The empty name is legal, several names may share an id, and where a name comes twice the last one counts.
    """
    table: dict[str, int] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(
            f"the id table {path} cannot be read ({error}): UTF-8 lines of `name;id` were expected."
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, separator, identifier = line.strip().rpartition(";")
        if not separator or not identifier.strip().isdecimal():
            raise HarnessError(f"{path}, line {number} is {line!r}: `name;id` with a whole number was expected.")
        table[name.lower()] = int(identifier)
    return table


def id_table(names: Iterable[str], version: Version = "v3") -> dict[str, int]:
    """An id table for a small model: 0 for anything unknown, then 1, 2, … in the order of `names`.

    >>> id_table(["Ambient", "Metal"])
    {'unknown': 0, 'ambient': 1, 'metal': 2}
    """
    table = {"unknown": UNKNOWN}
    for name in names:
        key = normalise_name(name, version)
        if key in table:
            raise HarnessError(f"{name!r} stands in the id table as {key!r}, which is taken: names must differ there.")
        table[key] = len(table)
    return table


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of one song. `y` is the vector at its start; `full_tokens` (characters,) is all of its lyrics."""

    y: NDArray[np.int64]
    full_tokens: NDArray[np.int64]
    record: dict[str, Any]
    """What was understood of the request, JSON-able: names, ids, whether known, the lyrics as sung, their spelling."""


@dataclass(frozen=True)
class Labeller:
    """Makes label vectors for one prior.

    `window_samples` is the audio that a window of the prior spans and `raw_to_tokens` the samples a code stands for. A
    prior with a time signal knows only songs of [min_seconds, max_seconds); `rate` (Hz) is the prior's sampling rate.
    """

    artists: Mapping[str, int]
    genres: Mapping[str, int]
    version: Version
    max_genres: int
    n_tokens: int
    window_samples: int
    raw_to_tokens: int
    rate: int = 44_100
    min_seconds: float = 0.0
    max_seconds: float = float("inf")

    @property
    def shape(self) -> tuple[int]:
        """Shape of a label vector."""
        return (4 + self.max_genres + self.n_tokens,)

    def label(self, artist: str, genre: str, lyrics: str, total_length: int, offset: int = 0) -> Labels:
        """The labels of a song of `total_length` samples of which `offset` samples were cut from the front.

        Raises:
            UsageError: a song outside [min_seconds, max_seconds), a negative offset, an offset behind the end of a song
                whose lyrics need a position, or more genre words than the prior takes.
        """
        self._check_lengths(total_length, offset)
        artist_name = normalise_name(artist, self.version)
        artist_id = self.artists.get(artist_name, UNKNOWN)
        words = genre_words(genre, self.version)
        if len(words) > self.max_genres:
            raise UsageError(
                f"the genre {genre!r} has {len(words)} words ({', '.join(words)}): this prior takes at most "
                f"{self.max_genres}. Leave some out."
            )
        genre_ids = [self.genres.get(word, UNKNOWN) for word in words]
        sung = clean_lyrics(lyrics, self.version)
        full_tokens = tokenise(sung, self.version)

        y = np.full(self.shape, PADDING, dtype=np.int64)
        y[:4] = total_length, offset, self.window_samples, artist_id
        y[4 : 4 + len(genre_ids)] = genre_ids
        self._set_lyrics(y, full_tokens, np.float64)
        record = {
            "label_version": self.version,
            "artist": {"name": artist_name, "id": artist_id, "known": artist_id != UNKNOWN},
            "genre": [{"name": w, "id": i, "known": i != UNKNOWN} for w, i in zip(words, genre_ids, strict=True)],
            "total_seconds": total_length / self.rate,
            "offset_seconds": offset / self.rate,
        }
        if lyrics:
            record |= {"lyrics": sung, "transliteration": engine()}
        return Labels(y, full_tokens, record)

    def window(self, labels: Labels, start_tokens: int) -> NDArray[np.int64]:
        """`y` for the window that starts `start_tokens` codes of this prior's level into the song."""
        y = labels.y.copy()
        y[1] += start_tokens * self.raw_to_tokens
        y[2] = self.window_samples
        self._set_lyrics(y, labels.full_tokens, np.float32)
        return y

    def window_characters(self, labels: Labels, start_tokens: int) -> NDArray[np.int64]:
        """Which of the song's lyric characters that window is given: indices of shape (n_tokens,), -1 for padding."""
        total_length, offset = (int(v) for v in labels.y[:2])
        offset += start_tokens * self.raw_to_tokens
        full = len(labels.full_tokens)
        return lyric_window(full, self.n_tokens, total_length, offset, self.window_samples, np.float32)

    def _set_lyrics(self, y: NDArray[np.int64], full_tokens: NDArray[np.int64], float_type: type[np.floating]) -> None:
        if self.n_tokens == 0:
            return
        total_length, offset, duration = (int(v) for v in y[:3])
        if len(full_tokens) >= self.n_tokens and not 0 <= offset < total_length:
            raise UsageError(
                f"got an offset of {self._seconds(offset)} into a song of {self._seconds(total_length)}: "
                "lyrics have a position only before its end. Give a smaller offset or a longer song."
            )
        indices = lyric_window(len(full_tokens), self.n_tokens, total_length, offset, duration, float_type)
        y[-self.n_tokens :] = 0
        y[-self.n_tokens :][indices >= 0] = full_tokens[indices[indices >= 0]]

    def _check_lengths(self, total_length: int, offset: int) -> None:
        low, high = self.min_seconds * self.rate, self.max_seconds * self.rate
        if total_length <= 0 or not low <= total_length < high:
            # The most frequent mistake with the original: its lengths are samples, and users pass seconds.
            meant = max(self.min_seconds, 1.0) <= total_length < min(self.max_seconds, 3600.0)
            raise UsageError(
                f"got a song of {self._seconds(total_length)}, expected [{self.min_seconds:g}, {self.max_seconds:g}) "
                f"seconds at {self.rate:,} Hz."
                + (
                    f" If {total_length:,} seconds were meant, pass {total_length * self.rate:,} samples."
                    if meant
                    else ""
                )
            )
        if offset < 0:
            raise UsageError(f"got an offset of {self._seconds(offset)}: 0 or more was expected.")

    def _seconds(self, samples: int) -> str:
        return f"{samples / self.rate:.6g} s ({samples:,} samples)"
