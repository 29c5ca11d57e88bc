"""Which files of several folders belong together: those of equal names, or the rows of a table.

The table is CSV with a header: columns `a`, `b`, `c`, … hold files relative to the first, second, third … folder, and,
if wanted, `prompt` (what they answer to) and `stratum` (their style). A file stands in one row only: two pairs that
share a clip are not independent.
"""

from __future__ import annotations

import csv
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness.core.errors import UsageError
from harness.core.sound_files import shown
from harness.scoring.clips import ClipFile, ClipSet, repeated

BY_NAME = "name"
MORE = ("prompt", "stratum")
MOST_MISTAKES = 20


@dataclass(frozen=True)
class _Together:
    """Files that belong together, one in each folder, by their paths inside it; `unit` names them all."""

    unit: str
    files: tuple[str, ...]
    prompt: str = ""
    stratum: str = ""


def pair_sets(sets: Sequence[ClipSet], folders: Sequence[Path], loose: Sequence[Path], by: str) -> list[ClipSet]:
    """Give clips that belong together one unit under every condition.

    Args:
        sets: one for each folder; units are paths inside it.
        folders: the folders, in the same order.
        loose: sound files that were given beside them: none can be paired.
        by: "name", for files of equal paths inside their folders, or the path of a table.

    Returns:
        The sets with the clips that are paired, in one order. What a table does not name is skipped; what has lost its
        counterpart, which could not be read, is left out.

    Raises:
        UsageError: for fewer than two folders, for files without counterpart when pairing by name, and for a table
            whose header or rows are wrong, with all its mistakes.
    """
    if loose or len(folders) < 2:
        raise UsageError(
            f"--pair-by pairs the files of folders: {len(folders)} folders and {len(loose)} files were given, and two "
            "folders or more, and nothing else, were expected."
        )
    inside = [{clip.unit: clip for clip in one.clips} for one in sets]
    rows = _by_name(sets, folders, inside) if by == BY_NAME else _by_table(Path(by).expanduser(), folders)
    whole = {row.unit for row in rows if all(file in clips for file, clips in zip(row.files, inside, strict=True))}
    return [_paired(one, n, rows, whole, by) for n, one in enumerate(sets)]


def _paired(one: ClipSet, side: int, rows: Sequence[_Together], whole: set[str], by: str) -> ClipSet:
    """A set with the clips of its rows, under the rows' units; `whole` are the units that every folder has."""
    by_file = {row.files[side]: row for row in rows}
    kept, left_out, skipped = {}, dict(one.left_out), dict(one.skipped)
    for clip in one.clips:
        row = by_file.get(clip.unit)
        if row is None:
            skipped[shown(clip.path)] = f"no row of {shown(by)} names it"
        elif row.unit not in whole:
            left_out[shown(clip.path)] = f"{shown(clip.path)}: its counterpart in another folder could not be read"
        else:
            style = row.stratum or clip.style
            kept[row.unit] = replace(clip, unit=row.unit, prompt=row.prompt, style=style)
    clips = tuple(kept[row.unit] for row in rows if row.unit in kept)
    return ClipSet(one.name, clips, True, left_out, skipped)


def _by_name(
    sets: Sequence[ClipSet], folders: Sequence[Path], inside: Sequence[Mapping[str, ClipFile]]
) -> list[_Together]:
    """Rows of equal names. A name that a folder has, but could not be read there, is no missing counterpart."""
    there = [
        {*clips, *(_inside(path, folder) for path in one.left_out)}
        for one, folder, clips in zip(sets, folders, inside, strict=True)
    ]
    names = list(dict.fromkeys(name for clips in inside for name in clips))
    alone = [name for name in names if not all(name in known for known in there)]
    if alone:
        counts = " against ".join(str(len(clips)) for clips in inside)
        raise UsageError(
            f"the folders are not paired by name: they hold {counts} clips, and {len(alone)} files are not in all of "
            f"them, such as {sorted(alone)[0]!r}. Name the pairs in a table with columns {', '.join(_letters(sets))}: "
            "--pair-by pairs.csv."
        )
    return [_Together(name, (name,) * len(sets)) for name in names]


def _inside(path: str, folder: Path) -> str:
    """A path, as it is shown, as seen from the folder."""
    shown_folder = shown(folder)
    return PurePosixPath(path).relative_to(shown_folder).as_posix() if path.startswith(shown_folder) else path


def _by_table(table: Path, folders: Sequence[Path]) -> list[_Together]:
    """The rows of a table, checked."""
    letters = _letters(folders)
    header, cells = _read(table)
    if not set(letters) <= set(header) or set(header) - {*letters, *MORE}:
        raise UsageError(
            f"{shown(table)} has columns {', '.join(header) or 'none'}: {', '.join(letters)} were expected, one for "
            f"each folder, and {' and '.join(MORE)} may be."
        )
    if not cells:
        raise UsageError(f"{shown(table)} has a header and no rows: one for each pair was expected.")
    rows, mistakes = [], []
    for line, row in cells:
        mistakes += _wrong_cells(line, row, letters, folders)
        said = {name: str(row.get(name) or "").strip() for name in (*letters, *MORE)}
        files = tuple(PurePosixPath(said[letter]).as_posix() for letter in letters)
        rows.append(_Together(files[0], files, said["prompt"], said["stratum"]))
    for n, letter in enumerate(letters):
        mistakes += [
            f"column {letter}: {file} stands in several rows, and a file belongs to one pair"
            for file in repeated(row.files[n] for row in rows)
        ]
    for name in MORE:
        lacking = [line for (line, _), row in zip(cells, rows, strict=True) if not getattr(row, name)]
        if 0 < len(lacking) < len(rows):
            mistakes.append(f"line {lacking[0]} has no {name} and others have: one for each row, or none at all")
    if mistakes:
        more = [f"… and {len(mistakes) - MOST_MISTAKES} more"] if len(mistakes) > MOST_MISTAKES else []
        listed = "\n".join(f"  {mistake}" for mistake in [*mistakes[:MOST_MISTAKES], *more])
        raise UsageError(f"{shown(table)} cannot be used to pair files:\n{listed}")
    return rows


def _wrong_cells(
    line: int, row: Mapping[str | None, object], letters: Sequence[str], folders: Sequence[Path]
) -> list[str]:
    """What is wrong with a row: too many cells, no file, a file that is not there."""
    if None in row:
        return [f"line {line}: more cells than columns"]
    mistakes = []
    for letter, folder in zip(letters, folders, strict=True):
        name = str(row.get(letter) or "").strip()
        if not name:
            mistakes.append(f"line {line}: no file in the column {letter}")
        elif not (folder / name).is_file():
            mistakes.append(f"line {line}: there is no {shown(folder / name)}; names are relative to {shown(folder)}")
    return mistakes


def _read(table: Path) -> tuple[list[str], list[tuple[int, dict[str | None, object]]]]:
    if not table.is_file():
        raise UsageError(f"no table at {shown(table)}: --pair-by takes 'name', or a CSV file with columns a,b.")
    try:
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            header = list(reader.fieldnames or ())
            return header, [(reader.line_num, dict(row)) for row in reader]
    except (OSError, csv.Error) as error:
        raise UsageError(
            f"{shown(table)} cannot be read as CSV ({error}): a header a,b and a row for each pair."
        ) from error


def _letters(folders: Sequence[object]) -> list[str]:
    """The columns of a table for so many folders."""
    if len(folders) > len(string.ascii_lowercase):
        raise UsageError(f"{len(folders)} folders were to be paired: at most {len(string.ascii_lowercase)} can be.")
    return list(string.ascii_lowercase[: len(folders)])
