"""YAML read as plain data whose every value knows its line.

Only data is built: tags that would make objects are refused, and aliases can neither nest without end nor make a small
file large, because the number of values is limited after they are expanded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.mistakes import Mistakes

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node, SequenceNode

LARGEST_BYTES, MOST_VALUES = 10_000_000, 1_000_000

Place = tuple[str | int, ...]
"""Where a value is: the keys and the numbers of list entries that lead to it."""


@dataclass(frozen=True)
class Document:
    """A file's content as plain data, the lines of its values and of their keys by place, and the unreadable places."""

    data: Any
    lines: dict[Place, int]
    keys: dict[Place, int]
    unreadable: set[Place]

    def readable(self, place: Place) -> bool:
        """Whether nothing at, around or within this place was unreadable."""
        return not any(place[: len(one)] == one[: len(place)] for one in self.unreadable)

    def line(self, place: Sequence[Any]) -> int:
        """The line of a value, or of the nearest one around it."""
        wanted = tuple(place)
        while wanted and wanted not in self.lines:
            wanted = wanted[:-1]
        return self.lines.get(wanted, 1)

    def known(self, place: Sequence[Any]) -> Place:
        """The steps of `place` that lead somewhere in this document."""
        found: Place = ()
        for step in place:
            if (*found, step) in self.lines:
                found = (*found, step)
        return found


def read_content(path: Path, mistakes: Mistakes) -> bytes:
    """A file's bytes. Raises `FileMistakes` when it cannot be read or is larger than 10 MB."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        mistakes.refuse(None, "", f"it cannot be read ({error.strerror}). Check the path.")
    if len(content) > LARGEST_BYTES:
        mistakes.refuse(None, "", f"it holds more than {LARGEST_BYTES / 1e6:g} MB, which no file of its kind does.")
    return content


def decoded(content: bytes, mistakes: Mistakes) -> str:
    """The text of a file's bytes. Raises `FileMistakes` when they are not UTF-8 or hold a zero byte."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        mistakes.refuse(line, "", f"it is not UTF-8 ({error.reason}). Save the file as UTF-8.")
    if "\0" in text:
        mistakes.refuse(text[: text.index("\0")].count("\n") + 1, "", "it holds a zero byte: text was expected.")
    return text


def read_yaml(text: str, mistakes: Mistakes) -> Document:
    """The document in `text`. Values that cannot be read are added to `mistakes` and are None.

    Raises `FileMistakes` where the text is no YAML, or holds more values than `MOST_VALUES`.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return Document(None, {(): 1}, {}, set())
        builder = _Builder(mistakes)
        return Document(builder.build(root, ()), builder.lines, builder.keys, builder.unreadable)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.refuse(mark.line + 1 if mark else None, "", f"it is not YAML ({error.problem or error.context}).")
    except yaml.YAMLError as error:
        place = getattr(error, "position", 0)
        mistakes.refuse(text[:place].count("\n") + 1, "", f"it is not YAML ({str(error).splitlines()[0]}).")
    except RecursionError:
        mistakes.refuse(None, "", "it is nested too deeply.")


@dataclass
class _Builder:
    mistakes: Mistakes
    lines: dict[Place, int] = field(default_factory=dict)
    keys: dict[Place, int] = field(default_factory=dict)
    unreadable: set[Place] = field(default_factory=set)
    open: set[int] = field(default_factory=set)

    def build(self, node: Node, place: Place) -> Any:
        from yaml.nodes import MappingNode, SequenceNode

        self.lines.setdefault(place, node.start_mark.line + 1)
        if len(self.lines) > MOST_VALUES:
            self.mistakes.refuse(None, "", f"it holds more than {MOST_VALUES:,} values with its aliases expanded.")
        if not isinstance(node, MappingNode | SequenceNode):
            return self._scalar(node, place)
        if id(node) in self.open:
            return self._wrong(node, place, "it contains itself")
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            return self._wrong(node, place, f"it has the tag {node.tag}, and plain values were expected")
        self.open.add(id(node))
        built = self._table(node, place) if isinstance(node, MappingNode) else self._list(node, place)
        self.open.discard(id(node))
        return built

    def _list(self, node: SequenceNode, place: Place) -> list[Any]:
        return [self.build(one, (*place, n)) for n, one in enumerate(node.value)]

    def _table(self, node: MappingNode, place: Place) -> dict[str, Any]:
        from yaml.nodes import ScalarNode

        table: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._wrong(key, place, "the name of an entry was expected before the colon")
            elif key.value in table:
                self._wrong(key, (*place, key.value), "the entry is there twice")
            else:
                self.keys[*place, key.value] = key.start_mark.line + 1
                table[key.value] = self.build(value, (*place, key.value))
        return table

    def _scalar(self, node: Node, place: Place) -> Any:
        import yaml

        try:
            return yaml.SafeLoader("").construct_object(node)
        except Exception as error:  # whatever a constructor raises for a text that does not fit its tag
            reason = getattr(error, "problem", None) or error
            return self._wrong(node, place, f"{node.value!r:.60} cannot be read ({reason!s:.100}). Put it in quotes")

    def _wrong(self, node: Node, place: Place, problem: str) -> None:
        self.unreadable.add(place)
        self.mistakes.add(node.start_mark.line + 1, ".".join(map(str, place)), f"{problem}.")
