"""A released checkpoint (a file of `torch.save`) becomes a safetensors file of the same weights.

A checkpoint is a pickle around the numbers, and a pickle can run anything. It is read by torch's own restricted reader,
which knows tensors and plain containers and refuses the rest; only with the user's explicit word is it read as Python
would. Two containers exist:

- zip (torch ≥ 1.6): mapped into memory, so that a tensor is read from the disk when it is written out;
- legacy: the numbers follow the pickle without a table, and the file is read whole. Every tensor is released once it is
  written: at the peak the memory holds the file once.

Keys, shapes and what the checkpoint says of itself are compared with the configuration before anything is written.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from harness.core.errors import ModelError
from harness.core.progress import NO_STAGE, Stage
from harness.models.jukebox.weights.manifest import WeightManifest, differences
from harness.models.jukebox.weights.pins import Pin
from harness.models.jukebox.weights.tensors import Spec, layout, write_tensors

ZIP_MAGIC, PICKLE_MAGIC = b"PK\x03\x04", b"\x80"


class PickleRefused(ModelError):
    """A checkpoint with more in its pickle than numbers. Nothing of it was run."""


@dataclass(frozen=True)
class ExpectedCheckpoint:
    """What a checkpoint is expected to be: its name among the released files, the layout of its module, and
    hyper-parameters that must be these where the checkpoint has them."""

    file: str
    manifest: WeightManifest
    hps: Mapping[str, Any]


def convert(
    source: Path, target: Path, wanted: ExpectedCheckpoint, trust_pickle: bool = False, stage: Stage | None = None
) -> Pin:
    """Convert a checkpoint to safetensors: every tensor in its own type, tied ones once.

    Args:
        source: the checkpoint.
        target: the file to write, whole or not at all.
        wanted: what the checkpoint is expected to be.
        trust_pickle: load files that can run any program.
        stage: advances by megabytes written.

    Returns:
        The checksum of what was written.

    Raises:
        ModelError: a file that is damaged or holds another module; nothing is written.
        PickleRefused: a file that holds Python objects.
    """
    hps, state = _read(source, trust_pickle)
    _check_hps(source, hps, wanted)
    specs = {key: Spec(tuple(tensor.shape), tensor.dtype) for key, tensor in state.items()}
    if wrong := differences(specs, wanted.manifest):
        raise ModelError(
            f"{source} is not the checkpoint {wanted.file}: {wrong}. Nothing was written. Put the file {wanted.file} "
            "of the released model in its place and pull again."
        )
    for first, *others in wanted.manifest.tied:
        held = [key for key in (first, *others) if key in state]
        if not all(torch.equal(state[held[0]], state[key]) for key in held[1:]):
            raise ModelError(f"{source} is not the checkpoint {wanted.file}: {' and '.join(held)} differ in it.")
        tensor = state[held[0]]
        for key in held:
            del state[key]
        state[first] = tensor
    order = layout({key: Spec(tuple(state[key].shape), state[key].dtype) for key in wanted.manifest.unique})
    sha256 = write_tensors(target, order, _drain(state, order, stage or NO_STAGE), {"module": wanted.file})
    return Pin(sha256, target.stat().st_size)


def _drain(state: dict[str, Tensor], order: Mapping[str, Spec], stage: Stage) -> Iterator[Tensor]:
    """The tensors in order; the dictionary loses each as it goes."""
    done = 0
    for key, spec in order.items():
        yield state.pop(key)
        done += spec.bytes
        stage.advance(done / 1e6)


def _read(source: Path, trust_pickle: bool) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """The hyper-parameters and the state dict of a checkpoint."""
    content = _load(source, trust_pickle)
    state = content.get("model") if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        held = f"{', '.join(map(str, list(content)[:5]))}" if isinstance(content, Mapping) else type(content).__name__
        raise ModelError(
            f"{source} holds {held}: a checkpoint of OpenAI's Jukebox was expected, which stores its weights under "
            "'model'. Conversions for other programs name their tensors differently and cannot be read."
        )
    hps = content.get("hps")
    return hps if isinstance(hps, Mapping) else {}, {key.removeprefix("module."): v for key, v in state.items()}


def _load(source: Path, trust_pickle: bool) -> Any:
    with source.open("rb") as file:
        head = file.read(256)
    if not head.startswith((ZIP_MAGIC, PICKLE_MAGIC)):
        page = head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
        found = "is a web page" if page else f"begins with {head[:8]!r}"
        raise ModelError(f"{source} {found}: a checkpoint of torch.save was expected. Nothing was read of it.")
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, meant for the author of the file
            return torch.load(
                source, map_location="cpu", weights_only=not trust_pickle, mmap=head.startswith(ZIP_MAGIC) or None
            )
    except UnpicklingError as error:
        named = re.search(r"GLOBAL ([A-Za-z_][\w.]*)", str(error))
        what = f"its pickle names {named[1]}" if named else "its pickle is not a plain one of torch.save"
        raise PickleRefused(
            f"{source} holds more than numbers: {what}, and loading that can run any program. It was not loaded. Fetch "
            "the file from a source you trust; if you trust this one with everything on this machine, pull again with "
            "--trust-pickle."
        ) from error
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"{source} could not be unpickled ({error}). What its pickle names must be installed for that."
        ) from error
    except Exception as error:  # a reader that runs into random bytes can fail in any way
        raise _damaged(source, error) from error


def _damaged(source: Path, error: Exception) -> ModelError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0].rstrip(".")
    return ModelError(f"{source} is damaged or cut short ({reason}). Fetch it again.")


def _check_hps(source: Path, hps: Mapping[str, Any], wanted: ExpectedCheckpoint) -> None:
    for name, expected in wanted.hps.items():
        if name in hps and hps[name] != expected:
            raise ModelError(
                f"{source} says of itself that its {name} is {hps[name]!r}: {expected!r} was expected of "
                f"{wanted.file}. Both upsamplers have the same shapes, and one loaded as the other would make noise. "
                "Put each file where it belongs and pull again."
            )
