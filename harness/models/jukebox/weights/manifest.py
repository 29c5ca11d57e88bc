"""What a module's checkpoint holds: keys, shapes and types in the original's order, without any weights."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from harness.models.jukebox.weights.tensors import Spec, tied_names, without_memory

FAMILIES = (
    "encoders", "decoders", "bottleneck",
    "conditioner_blocks", "y_emb", "prime_prior", "prime_state_proj", "prime_state_ln", "prime_x_out", "prior",
)  # fmt: skip
"""The order in which the original's modules store their parts; within a part ours have its order."""


@dataclass(frozen=True)
class WeightManifest:
    """The state dict of a module. `tied` groups the keys that name one tensor; a codebook is a buffer."""

    specs: Mapping[str, Spec]
    tied: tuple[tuple[str, ...], ...]
    buffers: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Of the state dict, in which a tied tensor counts under each of its names."""
        return sum(spec.bytes for spec in self.specs.values())

    @cached_property
    def unique(self) -> dict[str, Spec]:
        """What has to be stored: of tied keys the first only."""
        repeated = {key for group in self.tied for key in group[1:]}
        return {key: spec for key, spec in self.specs.items() if key not in repeated}

    @property
    def unique_bytes(self) -> int:
        """Bytes of the tensors, those stored twice counted once."""
        return sum(spec.bytes for spec in self.unique.values())

    @property
    def parameters(self) -> int:
        """Numbers that were trained: tied ones once, codebooks not."""
        return sum(math.prod(spec.shape) for key, spec in self.unique.items() if key not in self.buffers)

    @property
    def sha1(self) -> str:
        """Of the JSON list of [key, shape]: a short name for a layout."""
        listed = [[key, list(spec.shape)] for key, spec in self.specs.items()]
        return hashlib.sha1(json.dumps(listed).encode()).hexdigest()


def manifest(build: Callable[[], nn.Module], matrices: torch.dtype = torch.float32) -> WeightManifest:
    """The manifest of the module that `build` makes; nothing is allocated. `matrices` is the type of the affine maps'
    `.w`, everything else is float32."""
    with without_memory():
        module = build()
    state = module.state_dict()
    keys = sorted(state, key=lambda key: FAMILIES.index(key.split(".")[0]))
    specs = {key: Spec(tuple(state[key].shape), matrices if key.endswith(".w") else torch.float32) for key in keys}
    names = tied_names(module)
    tied = dict.fromkeys(tuple(sorted(names[key], key=keys.index)) for key in keys if len(names[key]) > 1)
    return WeightManifest(specs, tuple(tied), tuple(name for name, _ in module.named_buffers() if name in state))


def differences(found: Mapping[str, Spec], expected: WeightManifest) -> str | None:
    """How found keys and shapes differ from a manifest, in a few words; None where they agree. Of tied keys one is
    enough, and any type of floating-point number will do."""
    missing = [key for key in expected.unique if key not in found]
    missing = [key for key in missing if not any(key in group and found.keys() & set(group) for group in expected.tied)]
    unexpected = [key for key in found if key not in expected.specs]
    shapes = [
        f"{key} is {list(spec.shape)}, not {list(expected.specs[key].shape)}"
        for key, spec in found.items()
        if key in expected.specs and spec.shape != expected.specs[key].shape
    ]
    types = [f"{key} is {spec.dtype}" for key, spec in found.items() if not spec.dtype.is_floating_point]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": shapes, "not floating-point": types}
    parts = [f"{len(keys)} {what} ({_some(keys)})" for what, keys in problems.items() if keys]
    return "; ".join(parts) or None


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")
