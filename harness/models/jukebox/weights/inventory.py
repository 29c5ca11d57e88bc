"""Which models of Jukebox are on this machine, whole or in parts, and whether their files are what they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness.core.errors import ModelError, UsageError
from harness.models.jukebox.model import MINI
from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.weights.checkpoint import ModelFolder
from harness.models.jukebox.weights.pins import Pin, Pins
from harness.models.jukebox.weights.released import NAMES, released
from harness.models.registry import MODELS


@dataclass(frozen=True)
class Part:
    """A file of a model: the weights of a module, or a list of labels. `problem` says why it cannot be used."""

    file: str
    module: str | None
    bytes: int | None
    problem: str | None = None

    @property
    def here(self) -> bool:
        return self.bytes is not None


@dataclass(frozen=True)
class Inventory:
    """What there is of one model."""

    folder: ModelFolder
    parts: tuple[Part, ...]

    @property
    def missing(self) -> list[str]:
        return [part.file for part in self.parts if part.problem]

    @property
    def state(self) -> str:
        """ready, not pulled, or how much is here."""
        if not self.missing:
            return "ready"
        modules = [part for part in self.parts if part.module]
        here = sum(not part.problem for part in modules)
        return f"partly ({here} of {len(modules)} modules)" if any(part.here for part in self.parts) else "not pulled"

    @cached_property
    def parameters(self) -> int:
        return sum(self.folder.manifest(module).parameters for module in self.folder.modules)

    @property
    def bytes(self) -> int:
        """Of everything that is here."""
        return sum(part.bytes or 0 for part in self.parts)

    @cached_property
    def needed(self) -> int:
        """Bytes that the weights which are missing will take."""
        lacking = [part.module for part in self.parts if part.module and part.problem]
        return sum(self.folder.manifest(module).unique_bytes for module in lacking)


def folder_of(name: str) -> ModelFolder | None:
    """Where a model's weights lie; None for a model that is no Jukebox. Raises `UsageError` for an unknown name."""
    if name in NAMES:
        return released(name)
    if name == "jukebox:mini":
        return ModelFolder(MINI)
    MODELS.get(name)
    return None


def pullable(name: str) -> ModelFolder:
    """The released model `name`; `UsageError` for one that needs no pull."""
    folder = folder_of(name)
    if folder is None or folder.name is None:
        raise UsageError(
            f"{name} is not pulled: it needs nothing, or ships in its package. These are: {', '.join(NAMES)}."
        )
    return folder


def take(folder: ModelFolder) -> Inventory:
    """What there is of a model, by names and shapes; hashes are looked at by `verify` only."""
    modules = [_part(folder, module) for module in folder.modules]
    lists = [Part(file, None, _size(folder, file), _absent(folder, file)) for file in folder.id_lists]
    return Inventory(folder, (*modules, *lists))


def verify(folder: ModelFolder) -> Iterator[tuple[Part, str]]:
    """Every file with what is to be said of it: "as it was fetched", "fits, never pinned", or a `problem`."""
    pins = Pins(folder.path).read() if folder.name else {}
    for part in take(folder).parts:
        if part.problem:
            yield part, part.problem
            continue
        name = f"{part.file}.safetensors" if part.module else part.file
        pinned, found = pins.get(name), Pin.of(folder.path / name)
        if pinned is None:
            yield part, "fits, never pinned"
        elif pinned == found:
            yield part, "as it was fetched"
        else:
            problem = (
                f"has SHA-256 {found.sha256} ({found.bytes:,} bytes), and {pinned.sha256} ({pinned.bytes:,} bytes) was "
                "fetched: delete it and pull again"
            )
            yield Part(part.file, part.module, part.bytes, problem), problem


def shape_of(folder: ModelFolder, module: str) -> str:
    """The shape of a module in a few words."""
    config = folder.shape(module)
    if isinstance(config, VQVAEConfig):
        return f"{config.levels} levels of {config.bins} codes, hops {', '.join(map(str, config.hops))}"
    lyrics = f", {config.n_tokens} lyric characters" if config.n_tokens else ""
    seconds = config.window_samples / config.rate
    return f"{config.depth} layers of {config.width}, {config.n_ctx} codes ({seconds:.1f} s){lyrics}"


def _part(folder: ModelFolder, module: str) -> Part:
    try:
        folder.check(module)
    except ModelError as error:
        size = _size(folder, f"{folder.file(module)}.safetensors")
        return Part(folder.file(module), module, size, "missing" if size is None else str(error))
    return Part(folder.file(module), module, folder.weights(module).stat().st_size)


def _size(folder: ModelFolder, file: str) -> int | None:
    path = folder.path / file
    return path.stat().st_size if path.is_file() else None


def _absent(folder: ModelFolder, file: str) -> str | None:
    return None if (folder.path / file).is_file() else "missing"
