"""Passwords in addresses, kept out of all that is shown.

A tracking server's or an index's address may hold a user and a password. Whatever a command prints goes through
`redacting`, whichever way it is printed; what is kept or handed on (an error's text, where a run was logged) goes
through `redacted` where it is made.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO
from urllib.parse import unquote

SHOWN = "***"

_BEGINS = r"(?<=://)(?=[^\s/?#]*@|[^\s:/?#@]*:(?!\d+(?:[/?#\s\"',;)]|$)))"
"""Where a user stands: before an @ of the host, or before a colon that no port follows, as with passwords that hold
/, ? or # as they are, which databases take."""

_USER = re.compile(_BEGINS + r"[^\s\"<>]*@")
_USER_OF_ALL = re.compile(_BEGINS + r"(.*)@", re.DOTALL)
_SECRET = re.compile(
    r"([?&;](?:password|passwd|pwd|token|access_token|auth|api_?key|secret|sig|signature)=)[^&;\s\"'<>]+", re.IGNORECASE
)


def redacted(text: str, address: str = "") -> str:
    """The text with neither users nor passwords in its addresses.

    Where the text is about one `address` (an error raised while opening it), the parts of its password go alone too:
    an address that cannot be parsed is reported in pieces.

    >>> redacted("MLflow at https://me:pa@ss@tracking.example/x and postgresql://host/db?user=me&password=abc")
    'MLflow at https://***@tracking.example/x and postgresql://host/db?user=me&password=***'
    >>> redacted("http://127.0.0.1:5000/a@b, sqlite:////home/a@b.db")
    'http://127.0.0.1:5000/a@b, sqlite:////home/a@b.db'
    >>> redacted("no port: 'pa'", "http://me:pa/ss@host")
    "no port: '***'"
    """
    known = _USER_OF_ALL.search(address)
    if known and text != address:
        password = known[1].partition(":")[2]
        parts = {known[0], password, unquote(password), *re.split(r"[/?#@\s]", password)}
        for part in sorted((part for part in parts if len(part) > 1), key=len, reverse=True):
            text = text.replace(part, f"{SHOWN}@" if part == known[0] else SHOWN)
    elif known:
        text = text.replace(known[0], f"{SHOWN}@")
    if "://" not in text:
        return text
    return _SECRET.sub(rf"\1{SHOWN}", _USER.sub(f"{SHOWN}@", text))


@contextmanager
def redacting() -> Iterator[None]:
    """What the block prints to standard output and standard error shows no password."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Redacting(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Redacting:
    """A text stream that writes what `redacted` leaves; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)
