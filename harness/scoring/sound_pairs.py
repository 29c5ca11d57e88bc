"""Which file of one folder goes with which of another: by equal names, or by a table.

The table is CSV with a header: columns `a` and `b`, files relative to the first and the second folder, and, if wanted,
`prompt` (what both answer to) and `stratum` (their style, within which songs are left out together). A file stands in
one row only: two pairs that share a clip are not independent.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.sound_files import sound_files
from harness.scoring.sound_sets import Clip

BY_NAME = "name"
COLUMNS = ("a", "b", "prompt", "stratum")


@dataclass(frozen=True)
class Pair:
    """Two files that belong together; `id` names both, as the sampling unit of the comparison."""

    id: str
    first: Path
    second: Path
    prompt: str = ""
    stratum: str = ""


@dataclass(frozen=True)
class Pairs:
    """All pairs, in order, and how many files of either folder are in none."""

    pairs: tuple[Pair, ...]
    unpaired: tuple[int, int]

    def clips(self, side: int) -> list[Clip]:
        """The clips of the first (0) or second (1) folder, under the ids of their pairs."""
        return [Clip(pair.id, (pair.first, pair.second)[side], pair.stratum) for pair in self.pairs]

    def prompts(self) -> dict[str, str] | None:
        """Pair id → prompt; None without a column of prompts."""
        return {pair.id: pair.prompt for pair in self.pairs} if any(pair.prompt for pair in self.pairs) else None


def pair_files(first: Path, second: Path, by: str) -> Pairs:
    """Pair the sound files of two folders; `by` is "name" or the path of a table.

    Raises `UsageError` for what is no folder, for a file without a partner when pairing by name, and for a table whose
    header or rows are wrong: the message names row and reason.
    """
    for folder in (first, second):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder: two folders are compared in pairs. Check the path.")
    inside = [
        {file.relative_to(folder).as_posix(): file for file in sound_files([folder]).files}
        for folder in (first, second)
    ]
    pairs = _by_name(inside[0], inside[1]) if by == BY_NAME else _by_table(Path(by), first, second)
    paired = [{pair.first for pair in pairs}, {pair.second for pair in pairs}]
    unpaired = [len(set(files.values()) - used) for files, used in zip(inside, paired, strict=True)]
    return Pairs(tuple(pairs), (unpaired[0], unpaired[1]))


def _by_name(first: dict[str, Path], second: dict[str, Path]) -> list[Pair]:
    alone = sorted(first.keys() ^ second.keys())
    if alone:
        raise UsageError(
            f"the two folders are not paired by name: the number of clips is {len(first)} against {len(second)}, and "
            f"{len(alone)} files are in one only, such as {alone[0]!r}. Name the pairs in a table with columns a,b: "
            "--pair-by pairs.csv."
        )
    return [Pair(name, first[name], second[name]) for name in first]


def _by_table(table: Path, first: Path, second: Path) -> list[Pair]:
    if not table.is_file():
        raise UsageError(f"no table at {table}: --pair-by takes 'name', or a CSV file with columns a,b.")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{table} cannot be read as CSV ({error}): a header a,b and a row for each pair.") from error
    if not {"a", "b"} <= set(header) or set(header) - set(COLUMNS):
        raise UsageError(
            f"{table} has columns {', '.join(header) or 'none'}: a and b were expected, and prompt and stratum may be."
        )
    if not rows:
        raise UsageError(f"{table} has a header and no rows: one for each pair was expected.")
    pairs = []
    for number, row in enumerate(rows, start=2):  # the header is line 1
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if None in row or not cells["a"] or not cells["b"]:
            raise UsageError(f"{table}, row {number}: a file in a and one in b were expected, and {row} was found.")
        paths = [folder / cells[side] for folder, side in ((first, "a"), (second, "b"))]
        for path, folder in zip(paths, (first, second), strict=True):
            if not path.is_file():
                raise UsageError(f"{table}, row {number}: there is no {path}. Names are relative to {folder}.")
        pairs.append(Pair(cells["a"], paths[0], paths[1], cells["prompt"], cells["stratum"]))
    for side, files in (("a", [pair.first for pair in pairs]), ("b", [pair.second for pair in pairs])):
        twice = [file for file, count in Counter(file.resolve() for file in files).items() if count > 1]
        if twice:
            raise UsageError(f"{table} names {twice[0]} more than once in column {side}: a file belongs to one pair.")
    for name, said in (("prompt", [p.prompt for p in pairs]), ("stratum", [p.stratum for p in pairs])):
        if any(said) and not all(said):
            row = said.index("") + 2
            raise UsageError(f"{table}, row {row} has no {name} and others have: one for each pair, or none at all.")
    return pairs
