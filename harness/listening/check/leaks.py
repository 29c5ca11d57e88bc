"""Whether any public byte reveals what a listener must not know.

All file names and all bytes except the sound samples are searched: in a WAV all chunks, in a FLAC all blocks of
metadata. A name is found in any case, as UTF-8 and UTF-16, escaped as JSON, HTML and URLs escape it; one of fewer than
four characters only as a separate word. Blind ids and hashes are left out of the search, since by chance they may
contain anything.

Some names are words that every study of this kind has in its public files ("reference", "10"). They are found by
exporting the same study with other ids and no names: what is in that as well cannot be distinguished from a leak, and
is reported.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from harness.listening.kinds.catalogue import LANGUAGES
from harness.listening.study import StimulusSet

SHORT = 4
HASH = re.compile(rb"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Leaks:
    """Where each name was found that must not be public, and the names that cannot be searched for."""

    found: Mapping[str, tuple[str, ...]]
    common: tuple[str, ...]


def find_leaks(root: Path, names: Iterable[str], ids: Iterable[str] = (), ordinary: Sequence[bytes] = ()) -> Leaks:
    """Search a folder for names.

    Args:
        root: the folder, with all its sub-folders.
        names: what to search for.
        ids: blind ids, which are left out of the search.
        ordinary: public text of a study without any names.
    """
    needles = {name: _forms(name) for name in sorted({name.strip() for name in names} - {""})}
    known = re.compile(b"|".join(re.escape(id.encode()) for id in ids) or b"(?!)")
    common = tuple(name for name, forms in needles.items() if any(_is_in(forms, text) for text in ordinary))
    found: dict[str, list[str]] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        place = path.relative_to(root).as_posix()
        for text in (place.encode("utf-8", "surrogateescape"), public_bytes(path)):
            blanked = HASH.sub(b" ", known.sub(b" ", text))
            for name, forms in needles.items():
                if name not in common and _is_in(forms, blanked):
                    found.setdefault(name, []).append(place)
    return Leaks({name: tuple(dict.fromkeys(places)) for name, places in found.items()}, common)


def public_bytes(path: Path) -> bytes:
    """All bytes of a file except the samples of a WAV or FLAC."""
    content = path.read_bytes()
    if content[:4] == b"RIFF":
        kept = [content[:12]]
        for name, start, stop in wav_chunks(content):
            kept.append(content[start - 8 : start] if name == b"data" else content[start - 8 : stop])
        return b"".join(kept)
    if content[:4] == b"fLaC":
        end = 4
        while end + 4 <= len(content):
            last, size = content[end] & 0x80, int.from_bytes(content[end + 1 : end + 4])
            end += 4 + size
            if last:
                break
        return content[:end]
    return content


def wav_chunks(content: bytes) -> list[tuple[bytes, int, int]]:
    """Name, first byte and end of each chunk of a WAV."""
    chunks, place = [], 12
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        chunks.append((content[place : place + 4], place + 8, min(place + 8 + size, len(content))))
        place += 8 + size + size % 2
    return chunks


def ordinary_text(study: StimulusSet) -> list[bytes]:
    """The public text of a study in every language: names and contents of its files."""
    from harness.listening.package.exports import export_all

    found = []
    for language in LANGUAGES:
        with TemporaryDirectory() as folder:
            export_all(study, Path(folder), language)
            files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
            found += [path.relative_to(folder).as_posix().encode() for path in files]
            found += [path.read_bytes() for path in files]
    return found


def _forms(name: str) -> list[re.Pattern[bytes]]:
    """The patterns to search for in folded text: a name as it may be written, a short one as a word."""
    cases = {name, name.lower(), name.upper(), name.casefold()}
    escapes = (str, lambda text: json.dumps(text)[1:-1], html.escape, quote, lambda text: quote(text, safe=""))
    forms = {_lower(escape(text).encode("utf-8", "surrogatepass")) for text in cases for escape in escapes}
    if len(name) < SHORT:
        return [re.compile(rb"(?<![0-9a-z])" + re.escape(form) + rb"(?![0-9a-z])") for form in sorted(forms)]
    wide = {text.encode(code, "surrogatepass").lower() for text in cases for code in ("utf-16-le", "utf-16-be")}
    return [re.compile(re.escape(form)) for form in sorted(forms | wide)]


def _lower(text: bytes) -> bytes:
    """In lower case: letters of any script where it is UTF-8, and of ASCII where it is not."""
    try:
        return text.decode("utf-8").casefold().encode("utf-8")
    except UnicodeDecodeError:
        return text.lower()


def _is_in(forms: Sequence[re.Pattern[bytes]], text: bytes) -> bool:
    """Whether one of the forms is in `text`, which may also be UTF-16 that happens to be readable as UTF-8."""
    folded = {_lower(text), text.lower()}
    return any(form.search(one) for form in forms for one in folded)
