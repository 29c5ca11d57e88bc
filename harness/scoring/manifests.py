"""A CSV file that says of sound files what a run knows of its clips: `harness score --manifest files.csv`.

    file             the sound file, relative to the manifest (`path` is read as well)
    condition        the set it belongs to; without this column all files are one set
    prompt           label of the prompt it answers to
    text             the words requested
    style            the style requested
    index            counts the clips of one prompt
    seed             what it was sampled with
    prompt_seconds   length of the audio prompt at its start, which is not measured

Only `file` is needed; other columns are ignored. A run's `clips.csv` is such a manifest. Where every row has prompt
and index, clips of equal prompt and index are pairs. All mistakes of a manifest are reported at once.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.csv_table import as_written
from harness.core.errors import UsageError
from harness.core.progress import Progress
from harness.core.sound_files import shown, sound_files
from harness.scoring.clips import ClipFile, ClipSet, hashed, unit_id

FILE, OLD_FILE = "file", "path"
COLUMNS = (FILE, "condition", "prompt", "text", "style", "index", "seed", "prompt_seconds")
ALIKE = 0.8
"""Likeness, 0 to 1, from which an unknown column is taken for a misspelt one."""
MOST_MISTAKES = 20


@dataclass(frozen=True)
class _Row:
    """A row that makes sense; `line` is where it stands in the manifest."""

    line: int
    path: Path
    condition: str
    prompt: str
    text: str
    style: str
    index: int | None
    seed: int | None
    prompt_seconds: float


def manifest_sets(manifest: Path, progress: Progress | None = None) -> list[ClipSet]:
    """The sets that a manifest describes.

    Args:
        manifest: a CSV file with a header, in UTF-8; columns are separated by commas, semicolons or tabs.
        progress: told of each file that is read for its hash.

    Returns:
        A set for each condition, in the order in which they first appear; clips in the order of the rows. A row whose
        file cannot be read is left out, with the reason.

    Raises:
        UsageError: for a file that is no such table, with all its mistakes: line, column, and the nearest known name.
    """
    header, cells = _table(manifest)
    mistakes = _wrong_columns(header)
    rows: list[_Row] = []
    if FILE in header or OLD_FILE in header:
        for line, row in cells:
            made = _row(manifest, line, row, mistakes)
            if made is not None:
                rows.append(made)
    paired = bool(rows) and all(row.prompt and row.index is not None for row in rows)
    units = [unit_id(row.prompt, row.index or 0) if paired else _name(manifest, row.path) for row in rows]
    mistakes += _repeated(rows, units, paired)
    if mistakes:
        more = [f"… and {len(mistakes) - MOST_MISTAKES} more"] if len(mistakes) > MOST_MISTAKES else []
        listed = "\n".join(f"  {mistake}" for mistake in [*mistakes[:MOST_MISTAKES], *more])
        raise UsageError(f"{shown(manifest)} cannot be used as a manifest:\n{listed}")
    return _sets(manifest, rows, units, paired, progress)


def _sets(
    manifest: Path, rows: Sequence[_Row], units: Sequence[str], paired: bool, progress: Progress | None
) -> list[ClipSet]:
    left_out: dict[Path, str] = {}
    for path in dict.fromkeys(row.path for row in rows):
        try:
            left_out |= sound_files([path]).passed_over
        except UsageError:
            left_out[path] = "there is no such file"
        else:
            if path.is_dir():
                left_out[path] = "it is a folder, and a sound file was expected"
    readable = dict.fromkeys(row.path for row in rows if row.path not in left_out)
    sha, failed = hashed(readable, progress)
    reasons = {shown(path): f"{shown(path)}: {reason}" for path, reason in left_out.items()} | failed
    sets = []
    for condition in dict.fromkeys(row.condition for row in rows):
        mine = [(row, unit) for row, unit in zip(rows, units, strict=True) if row.condition == condition]
        clips = tuple(
            ClipFile(
                unit, row.path, sha[row.path], row.prompt, row.text, row.style, row.index, row.seed, row.prompt_seconds
            )
            for row, unit in mine
            if row.path in sha
        )
        gone = {shown(row.path): reasons[shown(row.path)] for row, _ in mine if row.path not in sha}
        sets.append(ClipSet(condition or shown(manifest.stem), clips, paired, gone))
    return sets


def _table(manifest: Path) -> tuple[list[str], list[tuple[int, Mapping[str | None, str | list[str] | None]]]]:
    """The header, and each row with its line. Names that are not UTF-8 pass through, as the system has them."""
    if not manifest.is_file():
        raise UsageError(f"there is no manifest {shown(manifest)}: a CSV file with a column 'file' was expected.")
    try:
        text = manifest.read_text(encoding="utf-8-sig", errors="surrogateescape")
        first = text.lstrip("\r\n").split("\n", 1)[0]
        delimiter = next((mark for mark in ",;\t" if mark in first), ",")
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        cells = [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error) as error:
        raise UsageError(
            f"{shown(manifest)} cannot be read as CSV ({error}): a header with a column 'file', and a row for each "
            "file, was expected."
        ) from error
    if not header or not cells:
        raise UsageError(f"{shown(manifest)} has no rows: a header with a column 'file', and a row for each file.")
    return header, cells  # type: ignore[return-value]


def _wrong_columns(header: Sequence[str]) -> list[str]:
    """What is wrong with the header: no file, a column twice, a misspelt one."""
    mistakes = [f"line 1: the column {name!r} is there twice" for name in COLUMNS if header.count(name) > 1]
    known = [name for name in COLUMNS if name not in header]
    if OLD_FILE in header:
        known.remove(FILE) if FILE in known else None
    for name in header:
        folded = name.lower().replace(" ", "_").replace("-", "_")
        near = difflib.get_close_matches(folded, known, 1, ALIKE)
        if name not in (*COLUMNS, OLD_FILE) and near:
            mistakes.append(f"line 1: the column {name!r} is not known; did you mean {near[0]!r}?")
    if FILE not in header and OLD_FILE not in header and not any("'file'?" in mistake for mistake in mistakes):
        found = ", ".join(map(repr, header))
        near = difflib.get_close_matches(FILE, [name.lower() for name in header], 1, 0.5)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        mistakes.append(f"line 1: there is no column 'file' among {found}{hint}")
    return mistakes


def _row(
    manifest: Path, line: int, row: Mapping[str | None, str | list[str] | None], mistakes: list[str]
) -> _Row | None:
    """A row as data; None, with what is wrong added to `mistakes`, for one that makes no sense."""
    before = len(mistakes)
    if None in row:
        mistakes.append(f"line {line}: more cells than columns: quote a cell that holds a separator")
    cells = {name: as_written(str(row.get(name) or "")).strip() for name in (*COLUMNS, OLD_FILE)}
    file = cells[FILE] or cells[OLD_FILE]
    if not file:
        mistakes.append(f"line {line}: no file is named in the column {FILE!r}")
    index = _integer(cells["index"], line, "index", mistakes)
    seed = _integer(cells["seed"], line, "seed", mistakes)
    if index is not None and index < 0:
        mistakes.append(f"line {line}: index was {index}: 0 or more was expected")
    seconds = _seconds(cells["prompt_seconds"], line, mistakes)
    if len(mistakes) > before:
        return None
    path = _place(manifest, file)
    return _Row(line, path, cells["condition"], cells["prompt"], cells["text"], cells["style"], index, seed, seconds)


def _place(manifest: Path, file: str) -> Path:
    """A file as the manifest names it; an apostrophe that keeps spreadsheets from reading a formula is no part."""
    path = manifest.parent / Path(file).expanduser()
    if file[:1] == "'" and file[1:2] in ("=", "+", "-", "@") and not path.exists():
        return manifest.parent / file[1:]
    return path


def _integer(text: str, line: int, column: str, mistakes: list[str]) -> int | None:
    try:
        return int(text.removesuffix(".0")) if text else None  # "3.0", as tables with gaps have it
    except ValueError:
        mistakes.append(f"line {line}: {column} was {text!r}: a whole number was expected")
        return None


def _seconds(text: str, line: int, mistakes: list[str]) -> float:
    try:
        seconds = float(text) if text else 0.0
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        mistakes.append(f"line {line}: prompt_seconds was {text!r}: a number of seconds from 0 on was expected")
    return seconds


def _repeated(rows: Sequence[_Row], units: Sequence[str], paired: bool) -> list[str]:
    """Rows of one condition that are the same clip: by prompt and index, or by file."""
    seen: dict[tuple[str, str], int] = {}
    files: dict[tuple[str, Path], int] = {}
    mistakes = []
    for row, unit in zip(rows, units, strict=True):
        of = f" of the condition {row.condition!r}" if row.condition else ""
        first = seen.setdefault((row.condition, unit), row.line)
        same = files.setdefault((row.condition, row.path.resolve()), row.line)
        if first != row.line and paired:
            same_clip = f"prompt {row.prompt!r} and index {row.index}{of}"
            mistakes.append(f"line {row.line}: {same_clip} stand in line {first} too")
        elif same != row.line:
            mistakes.append(f"line {row.line}: the file {shown(row.path.name)}{of} stands in line {same} too")
    return mistakes


def _name(manifest: Path, path: Path) -> str:
    """A file's unit: its path as seen from the manifest."""
    return shown(path.relative_to(manifest.parent) if path.is_relative_to(manifest.parent) else path)
