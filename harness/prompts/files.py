"""Rows of prompt files, as written: YAML, CSV or JSON lines, each value with its line; what they mean is not asked.

    prompts.yaml     a list of prompts, or a table with `description` and `prompts`; a prompt is a table, or its text
    prompts.csv      a header, then a row each; an empty cell is not given; tags are separated by semicolons
    prompts.jsonl    an object a line

Whatever cannot be read is a `UsageError` that begins with file, line and, where it is about one, field. A file is read
as data only: tags of YAML that would make objects are refused, and aliases cannot make a small file large, because a
value is a scalar or a list of scalars and nothing deeper is ever built.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from yaml.nodes import Node

FORMATS = (".yaml", ".yml", ".csv", ".jsonl")
LARGEST_BYTES = 10_000_000
LIST_FIELD, SEPARATOR = "tags", ";"


@dataclass(frozen=True)
class Row:
    """One prompt as written: values by field, and the line that each begins on."""

    line: int
    values: dict[str, Any]
    lines: dict[str, int]


@dataclass(frozen=True)
class Source:
    """A file being read, for messages."""

    path: Path

    def refuse(self, line: int | None, field: str, problem: str) -> NoReturn:
        """Raise the `UsageError` that says where the problem is."""
        place = [str(self.path), f"line {line}" if line else "", field]
        raise UsageError(f"{', '.join(part for part in place if part)}: {problem}")


def read_rows(path: Path) -> tuple[str, list[Row]]:
    """The description, empty where the file has none, and the rows of a prompt file. Raises `UsageError`."""
    source, kind = Source(path), path.suffix.lower()
    if kind not in FORMATS:
        source.refuse(None, "", f"the file ends in {path.suffix!r}, one of {', '.join(FORMATS)} was expected.")
    text = _text(source)
    try:
        if kind == ".csv":
            description, rows = "", list(_csv(source, text))
        elif kind == ".jsonl":
            description, rows = "", list(_json_lines(source, text))
        else:
            description, rows = _yaml(source, text)
    except RecursionError:
        source.refuse(None, "", "it is nested too deep: a list of prompts was expected.")
    if not rows:
        source.refuse(None, "", "it holds no prompts: at least one was expected, for example  - text: calm drones")
    return description, rows


def _text(source: Source) -> str:
    try:
        with source.path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        source.refuse(None, "", f"it cannot be read ({error.strerror}). Check the path.")
    if len(content) > LARGEST_BYTES:
        source.refuse(None, "", f"it holds more than {LARGEST_BYTES / 1e6:g} MB: a list of prompts was expected.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        source.refuse(line, "", f"it is not UTF-8 ({error.reason}). Save the file as UTF-8.")
    if "\0" in text:
        source.refuse(text[: text.index("\0")].count("\n") + 1, "", "it holds a zero byte: text was expected.")
    return text


def _csv(source: Source, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begins = 1
    header: list[str] = []
    try:
        for cells in reader:
            line, begins = begins, reader.line_num + 1
            if not header:
                header = [cell.strip() for cell in cells]
                _check_header(source, line, header)
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                source.refuse(line, "", f"the row has {len(cells)} cells, the header has {len(header)}.")
            row = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
            if LIST_FIELD in row:
                tags = [tag.strip() for tag in row[LIST_FIELD].split(SEPARATOR)]
                yield Row(line, row | {LIST_FIELD: tags}, dict.fromkeys(row, line))
            else:
                yield Row(line, dict(row), dict.fromkeys(row, line))
    except csv.Error as error:
        source.refuse(begins, "", f"the row is not CSV ({error}).")


def _check_header(source: Source, line: int, header: Sequence[str]) -> None:
    repeated = [name for n, name in enumerate(header) if name in header[:n]]
    if "" in header or repeated:
        problem = f"the column {repeated[0]!r} is there twice" if repeated and repeated[0] else "a column has no name"
        source.refuse(line, "", f"{problem}: a header such as text,style,tags was expected.")


def _json_lines(source: Source, text: str) -> Iterator[Row]:
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
            source.refuse(line, "", f"it is not JSON ({error}): an object in one line was expected.")
        if not isinstance(value, dict):
            source.refuse(line, "", f'{_shown(value)} was found: an object such as {{"text": "calm"}} was expected.')
        yield Row(line, value, dict.fromkeys(value, line))


def _yaml(source: Source, text: str) -> tuple[str, list[Row]]:
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        source.refuse(mark.line + 1 if mark else None, "", f"it is not YAML ({error.problem or error.context}).")
    except yaml.YAMLError as error:
        place = getattr(error, "position", 0)
        source.refuse(text[:place].count("\n") + 1, "", f"it is not YAML ({str(error).splitlines()[0]}).")
    description = ""
    if isinstance(root, yaml.MappingNode):
        fields = _fields(source, root)
        if unknown := sorted(set(fields) - {"description", "prompts"}):
            line = fields[unknown[0]].start_mark.line + 1
            source.refuse(line, unknown[0], "it is unknown: 'description' and 'prompts', or a list, was expected.")
        description = str(_value(source, fields["description"], "description") if "description" in fields else "")
        root = fields.get("prompts")
    if root is None:
        return description, []
    if not isinstance(root, yaml.SequenceNode):
        source.refuse(root.start_mark.line + 1, "", "a list of prompts was expected, each line beginning with '- '.")
    return description, [_yaml_row(source, node) for node in root.value]


def _yaml_row(source: Source, node: Node) -> Row:
    from yaml.nodes import MappingNode, ScalarNode

    line = node.start_mark.line + 1
    if isinstance(node, ScalarNode):
        return Row(line, {"text": _value(source, node, "text")}, {"text": line})
    if not isinstance(node, MappingNode):
        source.refuse(line, "", "a list was found: a prompt was expected, for example  - text: calm drones")
    fields = _fields(source, node)
    values = {name: _value(source, value, name) for name, value in fields.items()}
    return Row(line, values, {name: value.start_mark.line + 1 for name, value in fields.items()})


def _fields(source: Source, node: Node) -> dict[str, Node]:
    """The nodes of a table by name."""
    from yaml.nodes import ScalarNode

    fields: dict[str, Node] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            source.refuse(line, "", "the name of a field was expected before the colon.")
        if key.value in fields:
            source.refuse(line, str(key.value), "the field is there twice.")
        fields[key.value] = value
    return fields


def _value(source: Source, node: Node, field: str) -> Any:
    """A scalar, or a list of scalars."""
    import yaml

    line = node.start_mark.line + 1
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    values = []
    for item in nodes:
        if not isinstance(item, yaml.ScalarNode):
            source.refuse(item.start_mark.line + 1, field, "a single value, or for tags a list of them, was expected.")
        try:
            values.append(yaml.SafeLoader("").construct_object(item))
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            reason = getattr(error, "problem", None) or error
            source.refuse(line, field, f"{item.value!r} cannot be read ({reason}). Put it in quotes.")
    return values if isinstance(node, yaml.SequenceNode) else values[0]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
