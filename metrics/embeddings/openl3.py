"""OpenL3 as an embedder: the space of many published Fréchet distances of music.

Cramer, Wu, Salamon & Bello, "Look, Listen and Learn More: Design Choices for Deep Audio Embeddings", ICASSP 2019. The
network is written here in torch and reads the official Keras files (`.h5`, CC BY 4.0), which the user brings: the
package `openl3` downloads them while it is installed, wants TensorFlow and does not install on Python from 3.12.

48 kHz, windows of 1 s, each a spectrogram in dB under its own maximum, 80 dB deep. **Which spectrogram is part of the
name**: the package's releases and its ports disagree. `front_end="kapre"` is the default of openl3 0.4: mel bands on
Slaney's scale, frames from the first sample on, zeros after the last. `front_end="librosa"` is its other way, whose
frames are centred. Releases up to 0.3.1 and torchopenl3 have HTK's scale, and are not offered. With `linear` both ways
are one. The front end is in the provenance, so that no two are compared.

A window costs 0.2 s on one core, so the hop is 1 s here where the package's is 0.1 s. Windows start with the audio;
the package by default moves them half a second ahead, over zeros.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
from dataclasses import KW_ONLY, InitVar, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metrics.embeddings.base import Frames
from metrics.embeddings.windows import WindowEmbedder, positive, resolve_device
from metrics.errors import UsageError, WeightsError
from metrics.io.weights import cache_dir, file_sha256, find_file

RATE, HOP = 48000, 242
VARIABLE = "OPENL3_WEIGHTS"
SOURCE = "https://github.com/marl/openl3/raw/models"

# representation: n_fft, bands, and the last max-pooling (bands, frames) of each embedding size.
REPRESENTATIONS: dict[str, tuple[int, int, dict[int, tuple[int, int]]]] = {
    "linear": (512, 257, {6144: (8, 8), 512: (32, 24)}),
    "mel128": (2048, 128, {6144: (4, 8), 512: (16, 24)}),
    "mel256": (2048, 256, {6144: (8, 8), 512: (32, 24)}),
}
CONTENTS = ("music", "env")
FRONT_ENDS = ("kapre", "librosa")
CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)
POOLED = (1, 3, 5)  # convolutions that are followed by max-pooling over 2 × 2
EPSILON = 1e-3


@dataclass(eq=False)
class OpenL3(WindowEmbedder):
    """OpenL3 at 48 kHz: one vector for each second by default.

    `representation` "mel256", "mel128" or "linear"; `content`, what it was trained on, "music" or "env"; `size` 512 or
    6144; `front_end` "kapre" or "librosa" (see the module). `weights` is the official file or its folder; without it
    `$OPENL3_WEIGHTS`, the cache and an installed `openl3` are searched. `device` is torch's, by default a CUDA card
    where there is one. Raises `WeightsError` when the file is not found or is another.
    """

    name = "openl3"
    rate = RATE
    window_seconds = 1.0

    representation: str = "mel256"
    content: str = "music"
    size: int = 512
    _: KW_ONLY
    front_end: str = "kapre"
    hop_seconds: float = 1.0
    weights: InitVar[str | os.PathLike[str] | None] = None
    device: InitVar[str | None] = None

    def __post_init__(self, weights: str | os.PathLike[str] | None, device: str | None) -> None:
        for what, value, known in (
            ("representation", self.representation, REPRESENTATIONS), ("content", self.content, CONTENTS),
            ("front end", self.front_end, FRONT_ENDS), ("size", self.size, (512, 6144)),
        ):  # fmt: skip
            if value not in known:
                raise UsageError(f"openl3 has no {what} {value!r}. Known: {', '.join(map(str, known))}.")
        self.dim = self.size
        self.front_end = "either" if self.representation == "linear" else self.front_end
        self.hop_seconds = round(positive("hop", self.hop_seconds) * RATE) / RATE
        path = find_weights(self.representation, self.content, weights)
        self._sha256 = file_sha256(path)
        self._device = resolve_device(device)
        # A window's first activations are 13 MB: on a processor few at once are no slower.
        self.batch = 2 if self._device.type == "cpu" else 64
        self._network = OpenL3Network(read_layers(path), self._device)

    def provenance(self) -> dict[str, Any]:
        """Everything that changes the numbers, to be compared and kept with them."""
        return {
            "name": self.name, "representation": self.representation, "content": self.content, "dim": self.dim,
            "weights": file_name(self.representation, self.content), "weights_sha256": self._sha256, "rate": RATE,
            "window_seconds": self.window_seconds, "hop_seconds": self.hop_seconds,
            "front_end": f"{self.front_end}, {_described(self.representation)}, dB under the window's maximum",
        }  # fmt: skip

    def embed_windows(self, windows: NDArray[np.float32]) -> Frames:
        """float32 (n, 48000) → float32 (n, dim)."""
        pooling = REPRESENTATIONS[self.representation][2][self.dim]
        with torch.inference_mode():
            audio = torch.as_tensor(windows, dtype=torch.float32, device=self._device)
            features = self._network(spectrogram(audio, self.representation, self.front_end))
            pooled = F.max_pool2d(features, pooling)
            # Keras flattens with the channels last.
            return pooled.permute(0, 2, 3, 1).flatten(1).cpu().numpy()


def spectrogram(windows: Tensor, representation: str, front_end: str) -> Tensor:
    """Windows (n, 48000) → dB under each window's maximum, −80 to 0, as (n, bands, frames).

    10·log10 of magnitudes, not of powers, as the network was trained. A silent window is 0 dB throughout.
    """
    n_fft, _, _ = REPRESENTATIONS[representation]
    if representation != "linear" and front_end == "librosa":
        windows = F.pad(windows, (n_fft // 2, n_fft // 2))
    elif representation != "linear":
        frames = math.ceil(windows.shape[1] / HOP)
        windows = F.pad(windows, (0, (frames - 1) * HOP + n_fft - windows.shape[1]))
    hann = torch.hann_window(n_fft, device=windows.device)
    magnitude = torch.fft.rfft(windows.unfold(1, n_fft, HOP) * hann).abs()  # (n, frames, bins)
    if representation != "linear":
        magnitude = magnitude @ torch.from_numpy(mel_bands(representation)).to(windows.device)
    decibels = 10 * torch.log10(magnitude.clamp(min=1e-10))
    return (decibels - decibels.amax((1, 2), keepdim=True)).clamp(min=-80).transpose(1, 2)


@functools.cache
def mel_bands(representation: str) -> NDArray[np.float32]:
    """(bins, bands): triangles of unit area on Slaney's mel scale up to 24 kHz."""
    import librosa

    n_fft, bands, _ = REPRESENTATIONS[representation]
    return np.ascontiguousarray(librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=bands).T, dtype=np.float32)


class OpenL3Network:
    """Eight convolutions of 3 × 3; the first seven are followed by their normalisation and relu."""

    def __init__(self, layers: list[NDArray[np.float32]], device: torch.device) -> None:
        """`layers`: the arrays of the Keras file in its order, normalisation and convolution in turn."""
        self._input = _affine(layers[:4])
        self._convolutions = []
        for n in range(len(CHANNELS)):
            kernel, bias = (array.astype(np.float64) for array in layers[4 + 6 * n : 6 + 6 * n])
            if n < len(CHANNELS) - 1:
                scale, shift = _affine(layers[6 + 6 * n : 10 + 6 * n])
                kernel, bias = kernel * scale, bias * scale + shift
            weight = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1), dtype=np.float32)
            # Channels last: 1.3 times as fast on one core.
            kernels = torch.from_numpy(weight).to(device, memory_format=torch.channels_last)
            self._convolutions.append((kernels, torch.from_numpy(bias.astype(np.float32)).to(device)))

    def __call__(self, decibels: Tensor) -> Tensor:
        """(n, bands, frames) → (n, 512, bands/8, frames/8)."""
        scale, shift = self._input
        hidden = (decibels * float(scale[0]) + float(shift[0]))[:, None]
        for n, (weight, bias) in enumerate(self._convolutions):
            hidden = F.conv2d(hidden, weight, bias, padding=1)
            if n < len(CHANNELS) - 1:
                hidden = F.relu(hidden)
            if n in POOLED:
                hidden = F.max_pool2d(hidden, 2)
        return hidden


def _affine(normalisation: list[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    gamma, beta, mean, variance = (array.astype(np.float64) for array in normalisation)
    scale = gamma / np.sqrt(variance + EPSILON)
    return scale, beta - mean * scale


def expected_shapes() -> list[tuple[int, ...]]:
    """The shapes of the arrays in an official file, in order."""
    shapes: list[tuple[int, ...]] = [(1,)] * 4
    channels = 1
    for n, out in enumerate(CHANNELS):
        shapes += [(3, 3, channels, out), (out,)]
        shapes += [(out,)] * 4 if n < len(CHANNELS) - 1 else []
        channels = out
    return shapes


def read_layers(path: Path) -> list[NDArray[np.float32]]:
    """The arrays of an official `.h5`, in the order of its layers. Raises `WeightsError` for another file."""
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise WeightsError(
            "OpenL3's weights are HDF5 files, and h5py is not installed: pip install 'music-harness[openl3]'."
        ) from error
    try:
        with h5py.File(path) as file:
            root: Any = file.get("model_weights", file)
            arrays = [
                np.asarray(root[layer][name], dtype=np.float32)
                for layer in map(_text, root.attrs["layer_names"])
                for name in map(_text, root[layer].attrs["weight_names"])
            ]
    except (OSError, KeyError) as error:
        raise WeightsError(
            f"{path} is not a Keras weights file ({error}): an official OpenL3 .h5 was expected."
        ) from error
    found, expected = [array.shape for array in arrays], expected_shapes()
    if found != expected:
        raise WeightsError(
            f"{path} holds {len(found)} arrays, not the {len(expected)} of OpenL3's audio network: "
            "an official openl3_audio_….h5 was expected."
        )
    return arrays


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def file_name(representation: str, content: str) -> str:
    """The official name of the weights, as the package unpacks them."""
    return f"openl3_audio_{representation}_{content}.h5"


def find_weights(representation: str, content: str, given: str | os.PathLike[str] | None = None) -> Path:
    """The official file on this machine. Raises `WeightsError` that says what it is and how to get it."""
    name = file_name(representation, content)
    folder = cache_dir() / "weights" / "openl3"
    installed = importlib.util.find_spec("openl3")  # found, not imported
    places = [folder, *map(Path, installed.submodule_search_locations or ())] if installed else [folder]
    found = find_file([name], given, VARIABLE, places)
    if found is not None:
        return found
    stem = name.removesuffix(".h5")
    raise WeightsError(
        f"OpenL3's weights {name} were not found in {given or os.environ.get(VARIABLE) or folder}. They are published "
        f"with the package openl3 under CC BY 4.0 and come with no registry package. Fetch them once:\n"
        f"  mkdir -p {folder} && curl -L {SOURCE}/{stem}-v0_4_0.h5.gz | gunzip > {folder / name}\n"
        f"or point {VARIABLE} to the file or its folder."
    )


def _described(representation: str) -> str:
    n_fft, bands, _ = REPRESENTATIONS[representation]
    return f"{n_fft}/{HOP}, " + (f"{bands} bins" if representation == "linear" else f"{bands} slaney bands")
