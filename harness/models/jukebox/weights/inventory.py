"""Which models of Jukebox are on this machine, whole or in parts, and whether their files are as they were fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.core.errors import ModelError, UsageError
from harness.models.files import Inventory, Licence, ModelFile
from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.weights.checkpoint import MINI, ModelFolder
from harness.models.jukebox.weights.pins import Pin, Pins
from harness.models.jukebox.weights.released import NAMES, released
from metrics.api.registry import unknown_name


def folder_of(name: str) -> ModelFolder:
    """Where a model's weights lie. Raises `UsageError` for a name that is no Jukebox's."""
    if name in NAMES:
        return released(name)
    if name == "jukebox:mini":
        return ModelFolder(MINI)
    raise UsageError(unknown_name("Jukebox", name, ["jukebox:mini", *NAMES]))


def pullable(name: str) -> ModelFolder:
    """The released model `name`; `UsageError` for one that needs no pull."""
    folder = folder_of(name)
    if folder.name is None:
        raise UsageError(f"{name} is not pulled: it ships in its package. These are: {', '.join(NAMES)}.")
    return folder


def licence(name: str) -> Licence | None:
    """The terms of the weights of a released model; `UsageError` for one that needs no pull."""
    return _licence(pullable(name))


def inventory(name: str) -> Inventory:
    """What is present of a model, by names and shapes; only `verify` compares checksums."""
    folder = folder_of(name)
    files, complete = _files(folder), all((folder.path / file).is_file() for file in folder.id_lists)
    names = (len(folder.cards), len(folder.artists)) if complete else (None, None)
    return Inventory(folder.path, files, _licence(folder), *names)


def verify(name: str) -> Iterator[tuple[ModelFile, str]]:
    """Every file with what was found: "as it was fetched", "fits, never pinned", or a `problem`."""
    folder = folder_of(name)
    pins = Pins(folder.path).read() if folder.name else {}
    for file in _files(folder):
        if file.problem:
            yield file, file.problem
            continue
        stored = f"{file.file}.safetensors" if file.module else file.file
        pinned, found = pins.get(stored), Pin.of(folder.path / stored)
        if pinned is None:
            yield file, "fits, never pinned"
        elif pinned == found:
            yield file, "as it was fetched"
        else:
            problem = (
                f"has SHA-256 {found.sha256} ({found.bytes:,} bytes), and {pinned.sha256} ({pinned.bytes:,} bytes) was "
                "fetched: delete it and pull again"
            )
            yield replace(file, problem=problem), problem


def _licence(folder: ModelFolder) -> Licence | None:
    return Licence(folder.licence, folder.licence_text, folder.notice) if folder.licence else None


def _files(folder: ModelFolder) -> tuple[ModelFile, ...]:
    return (
        *(_weights(folder, module) for module in folder.modules),
        *(_list(folder, file) for file in folder.id_lists),
    )


def _shape(folder: ModelFolder, module: str) -> str:
    """The shape of a module in a few words."""
    config = folder.shape(module)
    if isinstance(config, VQVAEConfig):
        return f"{config.levels} levels of {config.bins} codes, hops {', '.join(map(str, config.hops))}"
    lyrics = f", {config.n_tokens} lyric characters" if config.n_tokens else ""
    seconds = config.window_samples / config.rate
    return f"{config.depth} layers of {config.width}, {config.n_ctx} codes ({seconds:.1f} s){lyrics}"


def _weights(folder: ModelFolder, module: str) -> ModelFile:
    file, manifest = folder.file(module), folder.manifest(module)
    size = _size(folder, f"{file}.safetensors")
    try:
        folder.check(module)
        problem = None
    except ModelError as error:
        problem = "missing" if size is None else str(error)
    shape = _shape(folder, module)
    return ModelFile(file, module, shape, size, manifest.unique_bytes, manifest.parameters, problem)


def _list(folder: ModelFolder, file: str) -> ModelFile:
    size = _size(folder, file)
    return ModelFile(file, None, "label list", size, problem="missing" if size is None else None)


def _size(folder: ModelFolder, file: str) -> int | None:
    path = folder.path / file
    return path.stat().st_size if path.is_file() else None
