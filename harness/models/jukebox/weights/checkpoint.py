"""A model on disk: a configuration, and a folder with one safetensors file per module.

The embedded model is a folder of its own with `config.toml` and `styles.toml`. A released model is a configuration in
the package (see `released`), whose weights and label lists lie in the user's cache. A configuration may begin from
another one (`base`), table by table; these tables are optional:

    [files]             where a module's weights lie below the folder, without the suffix; else under its name
    [labels.VERSION]    where the id lists of artists and genres lie; else styles.toml and `artists` make them
    [dtypes]            in what type a module's matrices are published, where that is not float32
    [licence]           the terms of the weights, and the notice that what they make must carry

Weights may be stored in half precision; they run in float32 unless another type is requested for their products.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from harness.core.errors import ModelError, UsageError
from harness.models.jukebox.conditioning.labels import Labeller, Version, genre_words, id_table, normalise_name
from harness.models.jukebox.conditioning.names import find_name, known_names, read_lists
from harness.models.jukebox.network.config import ConditionerConfig, PriorConfig, TransformerConfig, VQVAEConfig
from harness.models.jukebox.network.prior import Prior
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.weights.configuration import read_config, read_shape
from harness.models.jukebox.weights.manifest import WeightManifest, differences, manifest
from harness.models.jukebox.weights.pins import Pins
from harness.models.jukebox.weights.tensors import load_module, read_header, read_tensors
from harness.prompts.prompt import read_cards
from metrics.io.weights import file_sha256

M = TypeVar("M", bound=nn.Module)

SILENT_TABLES = ("training", "name", "files", "licence")
"""What a configuration holds that changes no sound."""


MINI = Path(__file__).parents[1] / "mini"
"""The folder of the model that ships in the package."""


@dataclass(frozen=True)
class ModelFolder:
    """The files of one model: weights below `path`, its configuration there too unless it is given."""

    path: Path
    config_file: Path | None = None

    @cached_property
    def _config(self) -> dict[str, Any]:
        return read_config(self.config_file or self.path / "config.toml")

    @property
    def name(self) -> str | None:
        """The name by which a released model is pulled; None for a model that is a folder."""
        return self._config.get("name")

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules: vqvae, then the priors by level."""
        return ("vqvae", *(f"prior_level_{level}" for level in range(self.vqvae.levels)))

    @cached_property
    def vqvae(self) -> VQVAEConfig:
        """Shape of the VQ-VAE."""
        return read_shape(VQVAEConfig, self._config["vqvae"])

    @cached_property
    def priors(self) -> tuple[PriorConfig, ...]:
        """By level, the top one last."""
        common: dict[str, Any] = {"bins": self.vqvae.bins, "rate": self.vqvae.rate}
        if "labels" not in self._config:
            common |= {"labels_version": "v3", "genres": len(self.cards) + 1, "artists": len(self.artists) + 1}
        priors = []
        for table in self._config["priors"].values():
            parts = {
                name: read_shape(kind, table[name])
                for name, kind in {"conditioner": ConditionerConfig, "lyric_encoder": TransformerConfig}.items()
                if name in table
            }
            priors.append(read_shape(PriorConfig, common | table | parts | {"hop": self.vqvae.hops[table["level"]]}))
        return tuple(sorted(priors, key=lambda prior: prior.level))

    def manifest(self, module: str) -> WeightManifest:
        """What the checkpoint of a module holds."""
        return _manifest(self.shape(module), self._config.get("dtypes", {}).get(module, "float32"))

    def shape(self, module: str) -> VQVAEConfig | PriorConfig:
        """Of `vqvae` or `prior_level_N`."""
        return self.vqvae if module == "vqvae" else self.priors[int(module.removeprefix("prior_level_"))]

    def hps(self, module: str) -> dict[str, Any]:
        """Hyper-parameters, in the original's names, that tell apart modules of the same shapes."""
        prior = self.shape(module)
        if isinstance(prior, VQVAEConfig):
            return {}
        scaled = {"cond_res_scale": prior.conditioner.res_scale} if prior.conditioner else {}
        return {"level": prior.level} | scaled

    @property
    def hop_fractions(self) -> tuple[float, ...]:
        """By level: the part of a window that each window adds."""
        return tuple(self._config["sampling"]["hop_fraction"])

    @property
    def width(self) -> int:
        """Clips sampled at a time, unless another width is requested."""
        return self._config["sampling"]["width"]

    @property
    def total_seconds(self) -> float:
        """Length of the piece that a clip is taken for an excerpt of, unless it is given."""
        return self._config["sampling"]["total_seconds"]

    @property
    def training(self) -> Mapping[str, dict[str, Any]]:
        """The schedule of each part, by name."""
        return self._config["training"]

    @property
    def licence(self) -> str | None:
        """The terms of the weights in a word or two, for a record; None where the configuration gives none."""
        return self._config.get("licence", {}).get("name")

    @property
    def licence_text(self) -> str | None:
        """Their full name and where they stand."""
        table = self._config.get("licence", {})
        return f"{table['title']}, {table['url']}" if "title" in table else None

    @property
    def notice(self) -> str | None:
        """The notice that the licence requires with everything that the model makes."""
        return self._config.get("licence", {}).get("notice")

    @cached_property
    def cards(self) -> Mapping[str, tuple[str, ...]]:
        """Each style with phrases that describe it: for a released model the genres of its top prior, each its own.

        Short words, as v2 labels have them for "r&b" or "lo-fi", describe nothing alone: `style` knows them.
        """
        if "labels" not in self._config:
            return read_cards(self.path / "styles.toml")
        genres = known_names(self._ids[self.labels_version]["genres"])
        return {name: (name.replace("_", " "),) for name in genres if len(name) > 2}

    @cached_property
    def artists(self) -> tuple[str, ...]:
        """The artists that the model knows by name."""
        if "labels" not in self._config:
            return tuple(self._config["artists"])
        return tuple(known_names(self._ids[self.labels_version]["artists"]))

    @property
    def labels_version(self) -> Version:
        """Of the top prior."""
        return "v3" if self.priors[-1].labels_version == "v3" else "v2"

    @property
    def id_lists(self) -> tuple[str, ...]:
        """The files of label ids, below the folder."""
        return tuple(file for kinds in self._config.get("labels", {}).values() for file in kinds.values())

    def rows(self, id_list: str) -> int:
        """How many ids the model has room for in one of the `id_lists`."""
        for version, kinds in self._config["labels"].items():
            for kind, file in kinds.items():
                if file == id_list:
                    return next(getattr(prior, kind) for prior in self.priors if prior.labels_version == version)
        raise KeyError(id_list)

    def style(self, name: str) -> str:
        """The style `name` as this model writes it. Under v2 labels a style is a bag of words, each of them a genre.

        Raises `UsageError` naming the nearest for a name, or a word of it, that the model does not know.
        """
        if "labels" not in self._config:
            return find_name("style", name, self.cards, None)
        words = genre_words(name, self.labels_version)
        most = self.priors[-1].max_genres
        if len(words) > most:
            raise UsageError(f"the style {name!r} has {len(words)} words, and {self.name} takes at most {most}.")
        listed_in = self.path / self._config["labels"][self.labels_version]["genres"]
        genres = known_names(self._ids[self.labels_version]["genres"])
        return " ".join(find_name("style", name, genres, listed_in, word) for word in words)

    def artist(self, name: str) -> str:
        """The artist `name` as this model writes it. Raises `UsageError` naming the nearest for an unknown one."""
        if "labels" not in self._config:
            return find_name("artist", name, self.artists, None)
        listed_in = self.path / self._config["labels"][self.labels_version]["artists"]
        return find_name("artist", name, self.artists, listed_in, normalise_name(name, self.labels_version))

    def labeller(self, level: int) -> Labeller:
        """The labeller of a level's prior."""
        prior = self.priors[level]
        timed = prior.conditioner is None
        version: Version = "v3" if prior.labels_version == "v3" else "v2"
        if "labels" in self._config:
            artists, genres = self._ids[version]["artists"], self._ids[version]["genres"]
        else:
            artists, genres = id_table(self.artists), id_table(sorted(self.cards))
        return Labeller(
            artists=artists,
            genres=genres,
            version=version,
            max_genres=prior.max_genres,
            n_tokens=prior.n_tokens,
            window_samples=prior.window_samples,
            raw_to_tokens=prior.hop,
            rate=prior.rate,
            min_seconds=prior.min_seconds if timed else 0.0,
            max_seconds=prior.max_seconds if timed else float("inf"),
        )

    @cached_property
    def _ids(self) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """Version -> artists or genres -> name -> id."""
        tables = self._config["labels"]
        return {version: read_lists(self.path, files, self.name) for version, files in tables.items()}

    def weights(self, module: str) -> Path:
        """Of `vqvae` or `prior_level_N`."""
        return self.path / f"{self.file(module)}.safetensors"

    def file(self, module: str) -> str:
        """A module's path below the folder, without the suffix."""
        return self._config.get("files", {}).get(module, module)

    def load_vqvae(self) -> VQVAE:
        """The VQ-VAE with its weights. Raises `ModelError` where they are missing."""
        return load_module(lambda: VQVAE(self.vqvae), self._tensors("vqvae"))

    def load_prior(self, level: int, dtype: torch.dtype = torch.float32) -> Prior:
        """The products of the prior are made in `dtype`, its sums and norms in float32."""
        tensors = self._tensors(f"prior_level_{level}")
        return load_module(lambda: Prior(self.priors[level]), tensors, dtype, Prior.products)

    @property
    def prior_bytes(self) -> int:
        """Of all priors in float32."""
        return sum(4 * self.manifest(module).parameters for module in self.modules if module != "vqvae")

    def _tensors(self, module: str) -> Iterator[tuple[str, Tensor]]:
        self.check(module)
        path = self.weights(module)
        return read_tensors(path, read_header(path))

    def check(self, module: str) -> None:
        """Raises `ModelError` unless the weights exist, have the module's shapes and were stored as this module's:
        upsamplers of two levels have the same shapes. Values are not looked at (see `inventory.verify`)."""
        path = self.weights(module)
        again = f"harness models pull {self.name}" if self.name else "Restore the folder, or install the package again"
        try:
            header = read_header(path)
        except OSError as error:
            if self.name:
                raise ModelError(
                    f"{self.name} is not here, {path} is missing ({error.strerror}). Fetch it: {again}"
                ) from error
            raise ModelError(
                f"the model file {path} cannot be read ({error.strerror}). Install the package again, or train the "
                "model: harness train --help."
            ) from error
        if wrong := differences(header.tensors, self.manifest(module)):
            raise ModelError(f"{path} does not hold the weights that the configuration describes: {wrong}. {again}.")
        stored_as = header.metadata.get("module", self.file(module))
        if stored_as != self.file(module):
            raise ModelError(f"{path} holds {stored_as}: {self.file(module)} was expected. Delete it, then {again}.")

    @cached_property
    def sha256(self) -> str:
        """Of everything in the folder that changes the sound: the weights and the shapes, not the training schedule.

        A released model has 8 to 20 GB: its files count with the hashes that were pinned when they were fetched.
        """
        shapes = {key: value for key, value in self._config.items() if key not in SILENT_TABLES}
        digest = hashlib.sha256(json.dumps(shapes, sort_keys=True).encode())
        pins = Pins(self.path).read() if self.name else {}
        for module in self.modules:
            self.check(module)
            if self.name:
                pin = pins.get(f"{self.file(module)}.safetensors")
                digest.update((pin.sha256 if pin else file_sha256(self.weights(module))).encode())
            else:
                digest.update(self.weights(module).read_bytes())
        for file in self.id_lists:
            digest.update(file_sha256(self.path / file).encode())
        return digest.hexdigest()


@cache
def _manifest(config: VQVAEConfig | PriorConfig, matrices: str) -> WeightManifest:
    """Of the module with that shape. Building one of the large ones takes a few tenths of a second."""
    build = (lambda: VQVAE(config)) if isinstance(config, VQVAEConfig) else (lambda: Prior(config))
    return manifest(build, getattr(torch, matrices))


def save_weights(module: nn.Module, path: Path) -> None:
    """Keep a module's weights in half precision, tied tensors once, atomically."""
    from safetensors.torch import save

    from metrics.io.files import write_bytes

    state: dict[str, Tensor] = {}
    seen: set[int] = set()
    for key, tensor in module.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            state[key] = tensor.detach().half().contiguous()
    write_bytes(path, save(state))
