"""The files of a model on this machine: what is present, what is missing, and what a family brings to fetch and verify.

A family offers this behind the doors "files" (a module with the functions of `FilesDoor`) and "pull" (a `PullDoor`) of
`harness.models.registry`. A model whose family has no such door needs no files of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.core.progress import Progress


@dataclass(frozen=True)
class ModelFile:
    """A file of a model: the weights of a module, or a list of labels (`module` None).

    `shape` describes it in a few words. `bytes` is its size on disk, None where it is missing, and `whole_bytes` the
    size that it has when complete, 0 where that is unknown. `problem` says why it cannot be used.
    """

    file: str
    module: str | None
    shape: str
    bytes: int | None
    whole_bytes: int = 0
    parameters: int = 0
    problem: str | None = None

    @property
    def present(self) -> bool:
        """Whether the file exists, usable or not."""
        return self.bytes is not None


@dataclass(frozen=True)
class Licence:
    """The terms of a model's weights: a name, where the text is, and the notice that what it makes is marked with."""

    name: str
    text: str | None = None
    notice: str | None = None


@dataclass(frozen=True)
class Inventory:
    """The files of one model, below `path`. `styles` and `artists` count the names that it knows, None where the lists
    of them are missing."""

    path: Path
    files: tuple[ModelFile, ...]
    licence: Licence | None = None
    styles: int | None = None
    artists: int | None = None

    @property
    def missing(self) -> list[str]:
        """The files that are missing or cannot be used."""
        return [file.file for file in self.files if file.problem]

    @property
    def state(self) -> str:
        """ready, not pulled, or how much is present."""
        if not self.missing:
            return "ready"
        modules = [file for file in self.files if file.module]
        usable = sum(not file.problem for file in modules)
        if any(file.present for file in self.files):
            return f"partly ({usable} of {len(modules)} modules)"
        return "not pulled"

    @property
    def parameters(self) -> int:
        """Of all modules."""
        return sum(file.parameters for file in self.files)

    @property
    def bytes(self) -> int:
        """Of everything that is present."""
        return sum(file.bytes or 0 for file in self.files)

    @property
    def needed(self) -> int:
        """Bytes that the missing weights will take."""
        return sum(file.whole_bytes for file in self.files if file.module and file.problem)


class FilesDoor(Protocol):
    """What a family of models brings to look at the files of a model."""

    def inventory(self, name: str, /) -> Inventory:
        """What is present of the model `name`, by names and shapes; contents are not read."""
        ...

    def verify(self, name: str, /) -> Iterator[tuple[ModelFile, str]]:
        """Every file of the model, compared with the checksum it was fetched with, and what was found."""
        ...

    def licence(self, name: str, /) -> Licence | None:
        """The terms of the weights of a model that can be pulled. Raises `UsageError` for one that cannot."""
        ...


@dataclass(frozen=True)
class PullOptions:
    """Where to pull from.

    Args:
        source: an address, or a folder below which the files lie as they were published; None for where they were.
        ids: a folder with the lists of names that belong to the weights, where they are not published with them.
        trust_pickle: load checkpoints that can run any program.
    """

    source: str | None = None
    ids: Path | None = None
    trust_pickle: bool = False


@dataclass
class Pulled:
    """What a pull did, by the names of the files: `kept` were present before."""

    fetched: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


class PullDoor(Protocol):
    """What a family of models brings to fetch a model."""

    def __call__(self, name: str, options: PullOptions, progress: Progress, /) -> Pulled:
        """Fetch and convert what is missing. Raises `UsageError` for a model that is not pulled, `ModelError` for files
        that cannot be had or used."""
        ...
