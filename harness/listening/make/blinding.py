"""Blind ids, and the private key that tells which is which.

An id is a keyed hash (HMAC-SHA-256) of what a stimulus is, so that the same study has the same ids when it is made
again, and nobody without the secret can compute or test them. Ids begin with a letter and consist of a–z and 2–7: no
spreadsheet or YAML reader takes one for a number, and all are safe in a file name, an HTML id and an un-encoded form.

    PRIVATE/           mode 700, its files 600
      secret           64 hex digits
      key.csv          a row for each stimulus: `KeyRow`
"""

from __future__ import annotations

import base64
import csv
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import get_args

from harness.core.csv_table import read_table, write_table
from harness.core.errors import HarnessError, UsageError
from harness.core.identity import canonical_json
from harness.listening.study import StimulusRole
from metrics.io.files import write_bytes

PRIVATE = "PRIVATE"
ID_BYTES = 10  # 80 bits: two of a million stimuli share an id with a chance below 1e-12
ID = re.compile("[st][a-z2-7]{16}")

NUMBERS = ("gain_db", "lufs_before", "lufs_after", "true_peak_dbtp")


@dataclass(frozen=True)
class KeyRow:
    """What one stimulus is.

    Attributes:
        blind_id: its id.
        trial: ids of the trials it is in.
        role, condition: what it is for, and the name of its condition.
        model, seed: what its clip was sampled with, where that is known.
        prompt, index: those of its item, whatever it was made of: they match it with the item's other stimuli.
        source, file: SHA-256 and name of the file it was made from.
        gain_db: gain in dB; like the levels None for digital silence.
        lufs_before, lufs_after: loudness in LUFS before and after the gain.
        true_peak_dbtp: true peak in dBTP.
        expected: the answer that a control trial or an ABX trial expects.
    """

    blind_id: str
    trial: tuple[str, ...]
    role: StimulusRole
    condition: str
    model: str
    prompt: str
    index: int
    seed: str
    source: str
    file: str
    gain_db: float | None
    lufs_before: float | None
    lufs_after: float | None
    true_peak_dbtp: float | None
    expected: str = ""


@dataclass(frozen=True)
class Blinder:
    """Makes ids with a secret.

    >>> Blinder(bytes(32)).stimulus("piano", 0, "temperature=0.7")
    'sr2dktb3svpkfjud2'
    """

    secret: bytes

    def stimulus(self, *what: str | int) -> str:
        """The id of a stimulus."""
        return self._id("s", what)

    def trial(self, *what: str | int) -> str:
        """The id of a trial."""
        return self._id("t", what)

    def _id(self, letter: str, what: tuple[str | int, ...]) -> str:
        mac = hmac.digest(self.secret, canonical_json([letter, *what]).encode("utf-8", "surrogatepass"), "sha256")
        return letter + base64.b32encode(mac[:ID_BYTES]).decode().lower()


def keep_secret(folder: Path, given: Path | None = None) -> Blinder:
    """The secret of a study, stored in its folder.

    Args:
        folder: of the study.
        given: a file with the secret for a new study; None for a random one.

    Raises:
        UsageError: for a file without a secret, or with another than the study's.
    """
    path = folder / PRIVATE / "secret"
    requested = None if given is None else read_secret(given)
    if path.exists():
        found = read_secret(path)
        if requested not in (None, found):
            raise UsageError(f"{given} is not the secret of {folder}: leave out --secret, or give the study's.")
        return Blinder(found)
    secret = requested or os.urandom(32)
    write_private(path, f"{secret.hex()}\n".encode())
    return Blinder(secret)


def read_secret(path: Path) -> bytes:
    """The secret in a file. Raises `UsageError` for a file without one."""
    try:
        secret = bytes.fromhex(path.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the secret {path} cannot be read ({error}): 64 hex digits were expected.") from error
    if len(secret) != 32:
        raise UsageError(f"the secret {path} has {len(secret)} bytes: 64 hex digits, 32 bytes, were expected.")
    return secret


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in a folder that only its owner can enter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    before = os.umask(0o077)  # so that others cannot read it at any moment
    try:
        write_bytes(path, content)
    finally:
        os.umask(before)
    path.chmod(0o600)


def write_key(folder: Path, rows: Iterable[KeyRow]) -> Path:
    """Write `PRIVATE/key.csv` in the order of the ids; returns its path."""
    cells = []
    for row in sorted(rows, key=lambda row: row.blind_id):
        numbers = {name: None if (value := getattr(row, name)) is None else Decimal(f"{value:.4f}") for name in NUMBERS}
        cells.append({**asdict(row), **numbers, "trial": " ".join(row.trial)})
    path, table = folder / PRIVATE / "key.csv", write_table([field.name for field in fields(KeyRow)], cells)
    write_private(path, table.encode("utf-8", "surrogateescape"))
    return path


def read_key(folder: Path) -> list[KeyRow]:
    """The key of a study. Raises `HarnessError` for one that is missing or cannot be read."""
    path = folder / PRIVATE / "key.csv"
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            _, rows = read_table(file)
        return [_row(row) for row in rows]
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        reason = f"no column {error}" if isinstance(error, KeyError) else error
        raise HarnessError(
            f"the key {path} cannot be read ({reason}). Make the stimuli again with the same command: the secret next "
            "to it gives the same ids."
        ) from error


def _row(cells: dict[str, str]) -> KeyRow:
    if None in cells or None in cells.values():
        raise ValueError("a row has another number of cells than the header")
    if cells["role"] not in get_args(StimulusRole):
        raise ValueError(f"the role {cells['role']!r} is none of {', '.join(get_args(StimulusRole))}")
    numbers = {name: float(cells[name]) if cells[name] else None for name in NUMBERS}
    texts = {field.name: cells[field.name] for field in fields(KeyRow)}
    return KeyRow(**{**texts, **numbers, "trial": tuple(cells["trial"].split()), "index": int(cells["index"])})  # type: ignore[arg-type]
