"""Reading a folder of golden vectors: its cases, their files, and the modules that they describe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from harness.core.errors import ModelError
from harness.models.jukebox.conditioning.labels import Labeller, Labels, Version, read_ids
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.hparams import prior_config, vqvae_config

M = TypeVar("M", bound=nn.Module)


class Tensors(dict[str, Tensor]):
    """Named tensors of a file; a missing one is an error that names the file."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load

        self.path = path
        self.read: set[str] = set()
        try:
            super().__init__(load(path.read_bytes()))
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
        except (SafetensorError, ValueError) as error:
            raise ModelError(f"{path} is not a whole safetensors file ({error}).") from error

    def __getitem__(self, key: str) -> Tensor:
        self.read.add(key)
        return super().__getitem__(key)

    @property
    def unread(self) -> tuple[str, ...]:
        """Names of the tensors that were never read."""
        return tuple(sorted(self.keys() - self.read))

    def __missing__(self, key: str) -> Tensor:
        raise ModelError(f"{self.path} has no {key!r}.")


class Values(dict[str, Any]):
    """The object of a JSON file; a missing key is an error that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            super().__init__(json.loads(path.read_text("utf-8")))
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}).") from error
        except (ValueError, TypeError) as error:
            raise ModelError(f"{path} is not a JSON object ({error}).") from error

    def __missing__(self, key: str) -> Any:
        raise ModelError(f"{self.path} has no {key!r}.")


class Case:
    """One case; its files are read at their first use."""

    def __init__(self, folder: GoldenFolder, name: str) -> None:
        self.folder, self.name = folder, name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder.path / self.name

    @cached_property
    def hparams(self) -> Values:
        """`hparams.json`."""
        return Values(self.path / "hparams.json")

    @cached_property
    def values(self) -> Values:
        """`vectors.json`."""
        return Values(self.path / "vectors.json")

    @cached_property
    def vectors(self) -> Tensors:
        """`vectors.safetensors`."""
        return Tensors(self.path / "vectors.safetensors")

    def codes(self, key: str) -> Tensor:
        """Codes (B, T) as int64."""
        return self.vectors[key].long()

    @cached_property
    def vqvae(self) -> VQVAE:
        """The VQ-VAE with the case's weights."""
        return self._loaded(VQVAE(vqvae_config(self.hparams["vqvae"])))

    @cached_property
    def prior(self) -> Prior:
        """The prior with the case's weights."""
        return self._loaded(Prior(prior_config(self.hparams["prior"], self.hparams["vqvae"])))

    @cached_property
    def labeller(self) -> Labeller:
        """Of a prior's case."""
        hps, config = self.hparams["prior"], prior_config(self.hparams["prior"], self.hparams["vqvae"])
        return self.folder.labeller(
            {
                "labels_v3": hps["labels_v3"],
                "max_bow_genre_size": config.max_genres,
                "n_tokens": config.n_tokens,
                "sample_length": config.window_samples,
                "raw_to_tokens": config.hop,
            },
            self.hparams.get("ids", "ids"),
        )

    def _loaded(self, module: M) -> M:
        module.load_state_dict(Tensors(self.path / "state_dict.safetensors"))  # strict: every key, every shape
        return module.eval().requires_grad_(False)


class GoldenFolder:
    """A folder of cases, each read once however many use its weights."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cases: dict[str, Case] = {}

    def case(self, name: str) -> Case:
        """The case of that name, read once."""
        return self._cases.setdefault(name, Case(self, name))

    def labeller(self, hps: Mapping[str, Any], ids: str) -> Labeller:
        """From the original's hyper-parameters of a labeller, with the id tables of the folder `ids`. Lengths of songs
        are not limited: the vectors are far shorter than any."""
        version: Version = "v3" if hps["labels_v3"] else "v2"
        return Labeller(
            artists=read_ids(self.path / ids / f"{version}_artist_ids.txt"),
            genres=read_ids(self.path / ids / f"{version}_genre_ids.txt"),
            version=version,
            max_genres=hps["max_bow_genre_size"],
            n_tokens=hps["n_tokens"],
            window_samples=hps["sample_length"],
            raw_to_tokens=hps["raw_to_tokens"],
        )


def song_labels(labeller: Labeller, metas: list[dict[str, Any]]) -> list[Labels]:
    """Of songs as the vectors describe them: artist, genre, lyrics, total_length, offset (both in samples)."""
    return [labeller.label(**meta) for meta in metas]
