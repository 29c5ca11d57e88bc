"""Large files over HTTP, resumed where the last try stopped.

What has arrived lies in `NAME.part`, and beside it in `NAME.json` where it comes from and how the server named that
version (ETag, Last-Modified, length). The next try requests the rest of that very version (`Range` with `If-Range`).
A server that has another one by now, or knows no ranges, sends the whole and the file is begun anew. The file gets its
name when it has the announced length.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from harness.core.errors import ModelError
from harness.core.progress import Progress
from metrics.io.files import owned, write_bytes
from metrics.io.web import Credentials, open_url, without_user_info

BLOCK = 1 << 20  # bytes
SILENCE_SECONDS = 60.0
"""A server that sends nothing for so long is taken for gone."""


class NotServed(ModelError):
    """The address cannot be reached or has no such file."""


@dataclass(frozen=True)
class Version:
    """What a `.part` is the beginning of."""

    url: str
    etag: str | None = None
    modified: str | None = None
    bytes: int | None = None

    @property
    def validator(self) -> str | None:
        """What `If-Range` may hold: a weak ETag does not promise the same bytes."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.modified


def download(url: str, target: Path, check_size: Callable[[int], None], progress: Progress) -> Path:
    """Fetch a file, resuming where the last try stopped.

    Args:
        url: the address.
        target: where the file goes; it may exist already from that address.
        check_size: called with the announced length in bytes before anything is fetched; raises where that is wrong.
        progress: shows the bytes that arrive.

    Returns:
        `target`.

    Raises:
        NotServed: the server has no such file.
        ModelError: the connection ends early (what has arrived stays), or a web page comes instead of a file.
    """
    shown = without_user_info(url)
    part, note = target.with_name(target.name + ".part"), target.with_name(target.name + ".json")
    target.parent.mkdir(parents=True, exist_ok=True)
    begun = _read_note(note)
    if begun is None or begun.url != shown:
        discard(target)
        begun = None
    elif target.exists():
        return target
    have = part.stat().st_size if part.exists() else 0
    if begun is None or begun.bytes is None or have != begun.bytes:
        with _open(url, begun, have) as response:
            if "html" in response.headers.get_content_type():
                raise ModelError(
                    f"{shown} is a web page, perhaps one to sign in or of an error: a checkpoint was expected. Open it "
                    "in a browser to see what it says, and give the address of the files themselves with --from."
                )
            if begun is None or response.status != 206:
                begun, have = _version(shown, response), 0
                part.unlink(missing_ok=True)
            if begun.bytes is not None:
                check_size(begun.bytes)
            write_bytes(note, json.dumps(asdict(begun)).encode())
            _receive(response, part, have, begun, progress)
    return part.replace(target)


def discard(target: Path) -> None:
    """Remove a download and whatever there is of it."""
    for suffix in ("", ".part", ".json"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _open(url: str, begun: Version | None, have: int) -> Any:
    """The response with what comes after the first `have` bytes of `begun` (status 206), or with the whole file."""
    shown = without_user_info(url)
    headers = {"User-Agent": "music-harness", "Accept-Encoding": "identity"}
    if begun is not None and have and begun.bytes is not None:
        headers["Range"] = f"bytes={have}-"
        if begun.validator:
            headers["If-Range"] = begun.validator
    try:
        response = open_url(url, headers, SILENCE_SECONDS, Credentials())
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and "Range" in headers:  # the server's file ends before what we have
            return _open(url, None, 0)
        raise NotServed(f"{shown} is not available: the server answers {error.code} ({error.reason}).") from error
    except (OSError, HTTPException, ValueError) as error:
        raise NotServed(f"{shown} cannot be reached ({getattr(error, 'reason', None) or error}).") from error
    if response.status == 206 and not _continues(response.headers.get("Content-Range", ""), begun, have):
        response.close()
        return _open(url, None, 0)
    return response


def _continues(content_range: str, begun: Version | None, have: int) -> bool:
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", content_range)
    return begun is not None and span is not None and (int(span[1]), int(span[2])) == (have, begun.bytes)


def _version(url: str, response: Any) -> Version:
    length = response.headers.get("Content-Length", "")
    named = response.headers.get("ETag"), response.headers.get("Last-Modified")
    return Version(url, *named, int(length) if length.isdecimal() else None)


def _receive(response: Any, part: Path, have: int, version: Version, progress: Progress) -> None:
    """Append the response to `part`, of which there are `have` bytes."""
    total, done = version.bytes, have
    title = f"{part.name.removesuffix('.part')} (MB)"
    with open(part, "ab", opener=owned) as file, progress.stage(title, round((total or 0) / 1e6)) as stage:
        try:
            while True:
                try:
                    block = response.read(BLOCK)
                except (OSError, HTTPException) as error:
                    raise _ended(version.url, done, total, str(error) or type(error).__name__) from error
                if not block:
                    break
                file.write(block)
                done += len(block)
                stage.advance(done / 1e6)
            if total is not None and done != total:
                raise _ended(version.url, done, total, "the server closed it")
        finally:
            file.flush()
            os.fsync(file.fileno())


def _ended(url: str, done: int, total: int | None, reason: str) -> ModelError:
    of = f"{done:,} of {total:,}" if total is not None else f"{done:,}"
    return ModelError(
        f"the connection to {url} ended after {of} bytes ({reason}). What has arrived is stored: give the same command "
        "again to resume."
    )


def _read_note(note: Path) -> Version | None:
    try:
        return Version(**json.loads(note.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
