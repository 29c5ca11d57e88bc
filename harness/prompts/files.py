"""Rows of prompt files as written, in YAML, CSV or JSON lines: each value with its line, not yet checked.

    prompts.yaml     a list of prompts, or a table with `description` and `prompts`; a prompt is a table, or its text
    prompts.csv      a header, then a row each; an empty cell is not given; tags are separated by semicolons
    prompts.jsonl    an object a line

A file is read as data only. What cannot be read is added to the mistakes, and reading continues with the next row where
that is possible, so that all mistakes of a file are reported at once.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from harness.core.mistakes import Mistakes
from harness.core.yaml_document import Document, Place, decoded, read_content, read_yaml

FORMATS = (".yaml", ".yml", ".csv", ".jsonl")
LIST_FIELD, SEPARATOR = "tags", ";"
PROMPT_PLACE = re.compile(r"^(prompts\.)?(\d+(\.|$))+")
"""The place of a prompt in a file; messages give its line instead."""


@dataclass(frozen=True)
class Row:
    """One prompt as written: values by field, and the line that each begins on."""

    line: int
    values: dict[str, Any]
    lines: dict[str, int]

    def line_of(self, field: str) -> int:
        return self.lines.get(field, self.line)


def read_rows(mistakes: Mistakes) -> tuple[str, list[Row]]:
    """The description, empty where the file has none, and the rows of the prompt file at `mistakes.path`.

    Raises:
        FileMistakes: for a file that cannot be read at all; what is wrong with single rows is added to `mistakes`.
    """
    kind = mistakes.path.suffix.lower()
    if kind not in FORMATS:
        ending = mistakes.path.suffix
        mistakes.refuse(None, "", f"the file ends in {ending!r}, one of {', '.join(FORMATS)} was expected.")
    text = decoded(read_content(mistakes.path, mistakes), mistakes)
    description, rows = "", []
    try:
        if kind == ".csv":
            rows = list(_csv(mistakes, text))
        elif kind == ".jsonl":
            rows = list(_json_lines(mistakes, text))
        else:
            document = read_yaml(text, mistakes)
            mistakes.found = [replace(one, field=PROMPT_PLACE.sub("", one.field)) for one in mistakes.found]
            description, rows = _yaml(mistakes, document)
    except RecursionError:
        mistakes.refuse(None, "", "it is nested too deeply: a list of prompts was expected.")
    if not rows and not mistakes.found:
        mistakes.refuse(None, "", "it holds no prompts: at least one was expected, for example  - text: calm drones")
    return description, rows


def _csv(mistakes: Mistakes, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    header: list[str] = []
    try:
        for cells in reader:
            line, begins = begins, reader.line_num + 1
            if not header:
                header = [cell.strip() for cell in cells]
                _check_header(mistakes, line, header)
            elif len(cells) != len(header) and any(cell.strip() for cell in cells):
                mistakes.add(line, "", f"the row has {len(cells)} cells, the header has {len(header)}.")
            elif row := {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()}:
                tags = [tag.strip() for tag in row.get(LIST_FIELD, "").split(SEPARATOR)]
                values = row | ({LIST_FIELD: tags} if LIST_FIELD in row else {})
                yield Row(line, values, dict.fromkeys(row, line))
    except csv.Error as error:
        mistakes.add(begins, "", f"the row is not CSV ({error}).")


def _check_header(mistakes: Mistakes, line: int, header: Sequence[str]) -> None:
    repeated = [name for n, name in enumerate(header) if name in header[:n]]
    if "" in header or repeated:
        found = f"the column {repeated[0]!r} is there twice" if repeated and repeated[0] else "a column has no name"
        mistakes.refuse(line, "", f"{found}: a header such as text,style,tags was expected.")


def _json_lines(mistakes: Mistakes, text: str) -> Iterator[Row]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if repeated := [name for n, name in enumerate(names) if name in names[:n]]:
            raise ValueError(f"the field {repeated[0]!r} is there twice")
        return dict(pairs)

    def finite(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    # Not splitlines: a line separator of Unicode inside a string is part of it.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            value = json.loads(content, object_pairs_hook=once, parse_constant=finite)
        except ValueError as error:
            mistakes.add(line, "", f"it is not JSON ({error}): an object in one line was expected.")
            continue
        if isinstance(value, dict):
            yield Row(line, value, dict.fromkeys(value, line))
        else:
            mistakes.add(line, "", f'{value!r:.60} was found: an object such as {{"text": "calm"}} was expected.')


def _yaml(mistakes: Mistakes, document: Document) -> tuple[str, list[Row]]:
    content, place, description = document.data, (), ""
    if isinstance(content, dict):
        for name in sorted(set(content) - {"description", "prompts"}):
            known = "'description' and 'prompts', or a list, was expected."
            mistakes.add(document.keys[name,], name, f"it is unknown: {known}")
        description, content, place = str(content.get("description") or ""), content.get("prompts"), ("prompts",)
    if isinstance(content, list):
        return description, [row for n in range(len(content)) if (row := _yaml_row(mistakes, document, (*place, n)))]
    if content is not None and document.readable(place):
        mistakes.add(document.line(place), "", "a list of prompts was expected, each line beginning with '- '.")
    return description, []


def _yaml_row(mistakes: Mistakes, document: Document, place: Place) -> Row | None:
    line, content = document.line(place), document.data
    for step in place:
        content = content[step]
    if not document.readable(place):
        return None
    if isinstance(content, list):
        mistakes.add(line, "", "a list was found: a prompt was expected, for example  - text: calm drones")
        return None
    if not isinstance(content, dict):
        return Row(line, {"text": content}, {"text": line})
    return Row(line, content, {name: document.line((*place, name)) for name in content})
