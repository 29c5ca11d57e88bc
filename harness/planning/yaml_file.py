"""A study: an experiment as plain YAML, for those who would rather not write Python.

    name: cold-and-narrow             # without it the file's name
    question: Do cold clips gain from truncation?
    varies:                           # one of grid, zip, list, random, sobol
      grid:
        temperature: [0.7, 0.99]
        top_k: [0, 64]
    primary: fad16                    # what decides, declared before the first clip
    contrast: against the first       # or: every pair
    family: all contrasts             # or: each alone
    unit: clip
    prompts: [a slow waltz, {style: metal}, {audio: clip.wav, prompt_seconds: 2}]
    clips: 16                         # and seconds, model, seed, reference, embedder, independent_seeds

`zip` takes lists of one length, `list` a list of conditions ({name: cold, temperature: 0.7}), `random` and `sobol`
a `count`, perhaps a `seed`, and for each value a list or a range {from: 0.7, to: 1.1, log: false}. Sound files are
found beside the study. Every mistake is answered with its line.
"""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from harness.core.errors import UsageError
from harness.planning import sweeps
from harness.planning.claims import Claims, Contrast, Family, Unit, check_primary
from harness.planning.experiment import Condition, Declaration, Experiment, check_choice
from harness.planning.plan import check_counts
from harness.prompts.prompt import Prompt

DECLARED = {"unit": get_args(Unit), "contrast": get_args(Contrast), "family": get_args(Family)}
SETTINGS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "clips": (int, "a whole number"),
    "seconds": ((int, float), "a number"),
    "seed": (int, "a whole number"),
    "model": (str, "a name"),
    "reference": (str, "a name or a file"),
    "embedder": (str, "a name"),
    "independent_seeds": (bool, "true or false"),
}
KEYS = ("name", "question", "varies", "primary", *DECLARED, "prompts", *SETTINGS)
WAYS = ("grid", "zip", "list", "random", "sobol")

T = TypeVar("T")


def read_study(path: Path) -> Declaration:
    """The experiment that a YAML file declares, checked. Raises `UsageError` with file and line."""
    try:
        content = path.read_bytes()
        root = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UsageError(f"the study {path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"the study {path} is not UTF-8 ({error.reason} at byte {error.start}).") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{_place(path, error)}: {_reason(error)}. A study is YAML.") from None
    except RecursionError:
        raise UsageError(f"the study {path} is nested too deeply.") from None
    if root is None:
        raise UsageError(f"the study {path} is empty: {', '.join(KEYS)} were expected.")
    return _Study(path, hashlib.sha256(content).hexdigest()).declaration(root)


@dataclass(frozen=True)
class _Study:
    """Reads the nodes of one file, each of which knows its line."""

    path: Path
    sha256: str

    def declaration(self, root: Node) -> Declaration:
        entries = self.mapping(root, "the study", KEYS)
        for key in ("question", "varies"):
            if key not in entries:
                self.fail(root, f"the study has no {key}")
        name = self.name(entries["name"]) if "name" in entries else self.path.stem
        question = self.text(entries["question"], "question")
        conditions = self.conditions(entries["varies"])
        declared: dict[str, Any] = {}
        for key, choices in DECLARED.items():
            if key in entries:
                declared[key] = self.value(entries[key])
                self.located(entries[key], check_choice, key, declared[key], choices)
        if "primary" in entries:
            declared["primary"] = self.primary(entries["primary"])
        varies = ", ".join(self.varied(entries["varies"]))
        self.located(entries["varies"], Experiment, name, tuple(conditions), varies)

        def listed() -> Sequence[Condition]:
            return conditions

        listed.__name__, listed.__doc__ = name, question
        return Declaration(listed, varies, Claims(**declared), source=self.sha256, settings=self.settings(entries))

    def name(self, node: Node) -> str:
        name = self.text(node, "name")
        if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 60:
            self.fail(node, f"name is {reprlib.repr(name)}; letters, digits, - and _ were expected, at most 60")
        return name

    def primary(self, node: Node) -> str:
        name = self.text(node, "primary")
        self.located(node, check_primary, name)
        return name

    def settings(self, entries: Mapping[str, Node]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, (kind, expected) in SETTINGS.items():
            if key not in entries:
                continue
            value = self.value(entries[key])
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                self.fail(entries[key], f"{key} is {reprlib.repr(value)}; {expected} was expected")
            if key in ("clips", "seconds", "seed"):
                self.located(entries[key], _check_count, key, value)
            found[key] = float(value) if key == "seconds" else value
        if "prompts" in entries:
            nodes = self.sequence(entries["prompts"], "prompts")
            found["prompts"] = tuple(self.prompt(node) for node in nodes)
        return found

    def prompt(self, node: Node) -> Prompt:
        if isinstance(node, ScalarNode):
            return self.located(node, Prompt, text=self.text(node, "the prompt"))
        fields = {
            key: self.value(value) for key, value in self.mapping(node, "a prompt", tuple(Prompt.model_fields)).items()
        }
        for key in ("audio", "codes"):
            if isinstance(fields.get(key), str):
                fields[key] = self.path.parent / fields[key]
        return self.located(node, Prompt, **fields)

    def conditions(self, node: Node) -> list[Condition]:
        way, body = self.way(node)
        if way == "list":
            return [self.condition(entry) for entry in self.sequence(body, "list")]
        extra = ("count", "seed") if way in ("random", "sobol") else ()
        entries = self.mapping(body, way, (*extra, *sweeps.FIELDS))
        values = {name: self.values(name, entry, bool(extra)) for name, entry in entries.items() if name not in extra}
        if not extra:
            return self.located(body, sweeps.grid if way == "grid" else sweeps.zipped, **values)
        if "count" not in entries:
            self.fail(body, f"{way} has no count: the number of conditions was expected")
        numbers = {key: self.whole(entries[key], key) for key in extra if key in entries}
        return self.located(body, sweeps.random if way == "random" else sweeps.sobol, **numbers, **values)

    def varied(self, node: Node) -> list[str]:
        """The names of what varies, in order."""
        way, body = self.way(node)
        bodies = body.value if way == "list" else [body]
        names = dict.fromkeys(key.value for one in bodies for key, _ in one.value)
        return [name for name in names if name in sweeps.FIELDS]

    def way(self, node: Node) -> tuple[str, Node]:
        entries = self.mapping(node, "varies", WAYS)
        if len(entries) != 1:
            self.fail(node, f"varies has {len(entries)} entries; one of {', '.join(WAYS)} was expected")
        return next(iter(entries.items()))

    def condition(self, node: Node) -> Condition:
        entries = self.mapping(node, "a condition", ("name", *sweeps.FIELDS))
        values = {name: self.checked(name, entry) for name, entry in entries.items() if name != "name"}
        made = self.located(node, sweeps.condition, values)
        name = self.text(entries["name"], "name") if "name" in entries else made.name or "as it is"
        return replace(made, name=name)

    def values(self, name: str, node: Node, may_be_range: bool) -> list[Any] | sweeps.Range:
        if may_be_range and isinstance(node, MappingNode):
            ends = {key: self.value(entry) for key, entry in self.mapping(node, name, ("from", "to", "log")).items()}
            if "from" not in ends or "to" not in ends or not isinstance(ends.get("log", False), bool):
                self.fail(node, f"the range of {name} is {ends}; from, to and perhaps log: true were expected")
            return self.located(node, sweeps.Range, ends["from"], ends["to"], ends.get("log", False))
        return [self.checked(name, entry) for entry in self.sequence(node, name)]

    def checked(self, name: str, node: Node) -> Any:
        value = self.value(node)
        self.located(node, sweeps.check_value, name, value)
        return value

    # What every node is asked.

    def mapping(self, node: Node, what: str, keys: Sequence[str]) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            self.fail(node, f"{what} is {_kind(node)}; entries were expected: {', '.join(keys)}")
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if not isinstance(key, ScalarNode) or name not in keys:
                from metrics.api.registry import unknown_name

                self.fail(key, unknown_name(f"entry of {what}", reprlib.repr(name).strip("'"), list(keys)))
            if name in found:
                self.fail(key, f"{what} has {name} twice")
            found[name] = value
        return found

    def sequence(self, node: Node, what: str) -> list[Node]:
        if not isinstance(node, SequenceNode):
            self.fail(node, f"{what} is {_kind(node)}; a list was expected")
        if not node.value:
            self.fail(node, f"{what} is an empty list: at least one entry was expected")
        return node.value

    def text(self, node: Node, what: str) -> str:
        value = self.value(node)
        if not isinstance(value, str) or not value.strip():
            self.fail(node, f"{what} is {reprlib.repr(value)}; a text was expected")
        return value

    def whole(self, node: Node, what: str) -> int:
        value = self.value(node)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(node, f"{what} is {reprlib.repr(value)}; a whole number was expected")
        return value

    def value(self, node: Node) -> Any:
        """The node as plain Python."""
        try:
            return yaml.SafeLoader("").construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
            self.fail(node, _reason(error) or "nested too deeply")

    def located(self, node: Node, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function; whatever it refuses is said with the line of `node`."""
        try:
            return function(*args, **kwargs)
        except UsageError as error:
            self.fail(node, str(error))

    def fail(self, node: Node, message: str) -> NoReturn:
        raise UsageError(f"{self.path}, line {node.start_mark.line + 1}: {message}") from None


def _check_count(key: str, value: Any) -> None:
    try:
        float(value)
    except OverflowError:
        raise UsageError(f"{key} is {reprlib.repr(value)}: that is too large") from None
    check_counts(**{"clips": 1, "seconds": 1.0, "seed": 0, key: value})


def _kind(node: Node) -> str:
    if isinstance(node, ScalarNode):
        return reprlib.repr(node.value)
    return "a list" if isinstance(node, SequenceNode) else "a table"


def _place(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"{path}, line {mark.line + 1}" if mark else f"the study {path}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split("\n")[0].rstrip(".")
