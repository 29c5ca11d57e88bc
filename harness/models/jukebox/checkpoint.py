"""A model on disk: a folder with `config.toml`, `styles.toml` and one safetensors file per module.

Weights may be stored in half precision; they run in float32.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from harness.errors import ModelError
from harness.models.jukebox.config import ConditionerConfig, PriorConfig, VQVAEConfig
from harness.models.jukebox.labels import Labeller, id_table
from harness.models.jukebox.prior import Prior
from harness.models.jukebox.vqvae import VQVAE
from harness.prompts import read_cards

M = TypeVar("M", bound=nn.Module)
C = TypeVar("C")


@dataclass(frozen=True)
class ModelFolder:
    """The files of one model."""

    path: Path

    @cached_property
    def _config(self) -> dict[str, Any]:
        return tomllib.loads((self.path / "config.toml").read_text("utf-8"))

    @cached_property
    def cards(self) -> Mapping[str, tuple[str, ...]]:
        """Each style with phrases that describe it."""
        return read_cards(self.path / "styles.toml")

    @property
    def artists(self) -> tuple[str, ...]:
        return tuple(self._config["artists"])

    @property
    def hop_fractions(self) -> tuple[float, ...]:
        """By level: the part of a window that each window adds."""
        return tuple(self._config["sampling"]["hop_fraction"])

    @property
    def width(self) -> int:
        return self._config["sampling"]["width"]

    @property
    def total_seconds(self) -> float:
        return self._config["sampling"]["total_seconds"]

    @cached_property
    def vqvae(self) -> VQVAEConfig:
        return _shape(VQVAEConfig, self._config["vqvae"])

    @cached_property
    def priors(self) -> tuple[PriorConfig, ...]:
        """By level, the top one last."""
        common = {
            "bins": self.vqvae.bins,
            "rate": self.vqvae.rate,
            "labels_version": "v3",
            "genres": len(self.cards) + 1,
            "artists": len(self.artists) + 1,
        }
        priors = []
        for table in self._config["priors"].values():
            conditioner = _shape(ConditionerConfig, table["conditioner"]) if "conditioner" in table else None
            hop = self.vqvae.hops[table["level"]]
            priors.append(_shape(PriorConfig, common | table | {"conditioner": conditioner, "hop": hop}))
        return tuple(sorted(priors, key=lambda prior: prior.level))

    @property
    def training(self) -> Mapping[str, dict[str, Any]]:
        """The schedule of each part, by name."""
        return self._config["training"]

    def labeller(self, level: int) -> Labeller:
        prior = self.priors[level]
        timed = prior.conditioner is None
        return Labeller(
            artists=id_table(self.artists),
            genres=id_table(sorted(self.cards)),
            version="v3",
            max_genres=prior.max_genres,
            n_tokens=prior.n_tokens,
            window_samples=prior.window_samples,
            raw_to_tokens=prior.hop,
            rate=prior.rate,
            min_seconds=prior.min_seconds if timed else 0.0,
            max_seconds=prior.max_seconds if timed else float("inf"),
        )

    def weights(self, module: str) -> Path:
        """Of `vqvae` or `prior_level_N`."""
        return self.path / f"{module}.safetensors"

    def load_vqvae(self) -> VQVAE:
        return _load(VQVAE(self.vqvae), self.weights("vqvae"))

    def load_prior(self, level: int, dtype: torch.dtype = torch.float32) -> Prior:
        return _load(Prior(self.priors[level]), self.weights(f"prior_level_{level}")).cast(dtype)

    @property
    def prior_bytes(self) -> int:
        """Of the files of all priors."""
        return sum(self.weights(f"prior_level_{level}").stat().st_size for level in range(self.vqvae.levels))

    @cached_property
    def sha256(self) -> str:
        """Of everything in the folder that changes the sound: the weights and the shapes, not the training schedule."""
        shapes = {key: value for key, value in self._config.items() if key != "training"}
        digest = hashlib.sha256(json.dumps(shapes, sort_keys=True).encode())
        for module in ("vqvae", *(f"prior_level_{level}" for level in range(self.vqvae.levels))):
            digest.update(_read(self.weights(module)))
        return digest.hexdigest()


def save_weights(module: nn.Module, path: Path) -> None:
    """Keep a module's weights in half precision, tied tensors once, atomically."""
    from safetensors.torch import save

    from metrics.files import write_bytes

    state: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, tensor in module.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            state[key] = tensor.detach().half().contiguous()
    write_bytes(path, save(state))


def _load(module: M, path: Path) -> M:
    from safetensors.torch import load

    state = {key: tensor.float() for key, tensor in load(_read(path)).items()}
    missing, unexpected = module.load_state_dict(state, strict=False)
    tied = {"prior.x_out.weight"}
    if set(missing) - tied or unexpected:
        raise ModelError(
            f"{path} does not hold the weights that config.toml describes: missing {sorted(set(missing) - tied)[:3]}, "
            f"unexpected {sorted(unexpected)[:3]}. Restore the folder, or install the package again."
        )
    return module.eval().requires_grad_(False)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the model file {path} cannot be read ({error.strerror}). Install the package again, or train the model: "
            "harness train --help."
        ) from error


def _shape(kind: type[C], table: Mapping[str, Any]) -> C:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(table) - known:
        raise ModelError(f"config.toml gives {kind.__name__} {sorted(unknown)}; it takes {sorted(known)}.")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})
