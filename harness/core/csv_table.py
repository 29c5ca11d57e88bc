"""Tables as CSV that a spreadsheet shows and does not run.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a line break is a formula to a spreadsheet, and prompts and names
of files are anybody's words: a text of that kind gets an apostrophe before it, which spreadsheets take for "this is
text". Numbers are numbers, negative ones too. `read_table` takes the apostrophe away again, and a text that had one of
its own keeps it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
ESCAPED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")


def write_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A header and the rows; a column that a row lacks is empty in it.

    Raises `ValueError` for a row with a column that is none of `columns`.
    """
    lines: list[str] = []
    # With this end of lines a carriage return inside a cell is quoted too: bare, it would begin another row.
    writer = csv.DictWriter(_Lines(lines), list(columns), restval="", lineterminator="\r\n")
    writer.writerow({column: safe(column) for column in columns})
    writer.writerows({column: safe(value) for column, value in row.items()} for row in rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


class _Lines:
    """A file of which each write is one row."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def read_table(lines: Iterable[str]) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and the rows of a table that `write_table` wrote, from an open file or its lines.

    A row with more or fewer cells than the header has a key or a value None, as `csv.DictReader` has it. Raises
    `csv.Error` for what is not CSV.
    """
    reader = csv.DictReader(lines, strict=True)
    columns = [as_written(column) for column in reader.fieldnames or ()]
    reader.fieldnames = columns
    rows = [
        {column: as_written(cell) if isinstance(cell, str) else cell for column, cell in row.items()} for row in reader
    ]
    return columns, rows


def safe(value: Any) -> Any:
    """
    >>> safe("=1+1"), safe("'=1"), safe("calm - slow"), safe(-1.5), safe(None)
    ("'=1+1", "''=1", 'calm - slow', -1.5, None)
    """
    if value is None or isinstance(value, Number):
        return value
    text = str(value)
    return f"'{text}" if FORMULA.match(text) else text


def as_written(cell: str) -> str:
    """What `safe` was given.

    >>> as_written("'=1+1"), as_written("''=1"), as_written("'tis")
    ('=1+1', "'=1", "'tis")
    """
    return cell[1:] if ESCAPED.match(cell) else cell
