"""VGGish as an embedder: the space in which the Fréchet audio distance was first measured.

Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017 (weights Apache-2.0, published
with AudioSet). The network is written here in torch; the user brings the weights as the state dictionary that
circulates for PyTorch (`vggish-10086976.pth`, read with `weights_only`) or as safetensors with the same names.

16 kHz, 64 mel bands on HTK's scale from 125 to 7500 Hz of the magnitude spectrum (25 ms every 10 ms), log(mel + 0.01),
96 frames to a window. What differs between its users is said in the provenance: the last relu is off by default, as in
the Fréchet distances of Kilgour et al. (Interspeech 2019) and fadtk, and the release's PCA and 8-bit quantisation,
which were made for storing AudioSet, are always off.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metrics.embeddings.base import Frames
from metrics.embeddings.windows import WindowEmbedder, positive, resolve_device
from metrics.errors import WeightsError
from metrics.io.weights import cache_dir, file_sha256, find_file

RATE, WINDOW, HOP, N_FFT = 16000, 400, 160, 512
BANDS, FRAMES, LOWEST, HIGHEST, OFFSET = 64, 96, 125.0, 7500.0, 0.01
VARIABLE = "VGGISH_WEIGHTS"
FILES = ("vggish.safetensors", "vggish-10086976.pth", "vggish.pth")
SOURCE = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth"

# The names of the PyTorch port: convolutions of 3 × 3 under "features", dense layers under "embeddings".
CONVOLUTIONS = {
    "features.0": 64, "features.3": 128, "features.6": 256, "features.8": 256, "features.11": 512, "features.13": 512,
}  # fmt: skip
POOLED = ("features.0", "features.3", "features.8", "features.13")
DENSE = {"embeddings.0": (12288, 4096), "embeddings.2": (4096, 4096), "embeddings.4": (4096, 128)}


class VGGish(WindowEmbedder):
    """VGGish at 16 kHz: a vector (128-d) for each 96 frames of 10 ms, one after the other by default.

    A window is 0.975 s, for the last frame is 25 ms long, and the default hop 0.96 s. `final_relu` cuts the embedding
    at zero. `weights` is a file or a folder; without it `$VGGISH_WEIGHTS` and the cache are searched. `device` is
    torch's, by default a CUDA card where there is one. Raises `WeightsError` when the file is not found or is another.
    """

    name = "vggish"
    rate = RATE
    dim = 128
    window_seconds = ((FRAMES - 1) * HOP + WINDOW) / RATE

    def __init__(
        self,
        hop_seconds: float = 0.96,
        final_relu: bool = False,
        *,
        weights: str | os.PathLike[str] | None = None,
        device: str | None = None,
    ) -> None:
        self.hop_seconds = round(positive("hop", hop_seconds) * RATE) / RATE
        self.final_relu = final_relu
        path = find_weights(weights)
        self._sha256 = file_sha256(path)
        self._device = resolve_device(device)
        self.batch = 8 if self._device.type == "cpu" else 256
        self._network = VggishNetwork(read_tensors(path), self._device)

    def provenance(self) -> dict[str, Any]:
        """Everything that changes the numbers, to be compared and kept with them."""
        return {
            "name": self.name, "layer": "embedding after relu" if self.final_relu else "embedding", "dim": self.dim,
            "weights": "VGGish (AudioSet)", "weights_sha256": self._sha256, "rate": RATE,
            "window_seconds": self.window_seconds, "hop_seconds": self.hop_seconds, "pca": False, "quantised": False,
            "front_end": "log(mel + 0.01), 64 htk bands 125 to 7500 Hz of magnitudes, 400/160, n_fft 512",
        }  # fmt: skip

    def embed_windows(self, windows: NDArray[np.float32]) -> Frames:
        """float32 (n, 15600) → float32 (n, 128)."""
        with torch.inference_mode():
            audio = torch.as_tensor(windows, dtype=torch.float32, device=self._device)
            embedding = self._network(log_mel(audio))
            return (F.relu(embedding) if self.final_relu else embedding).cpu().numpy()


def log_mel(windows: Tensor) -> Tensor:
    """Windows (n, 15600) at 16 kHz → log(mel + 0.01) of shape (n, 96, 64). Nothing is padded."""
    hann = torch.hann_window(WINDOW, device=windows.device)
    magnitude = torch.fft.rfft(windows.unfold(1, WINDOW, HOP) * hann, n=N_FFT).abs()
    return torch.log(magnitude @ torch.from_numpy(mel_bands()).to(windows.device) + OFFSET)


@functools.cache
def mel_bands() -> NDArray[np.float32]:
    """(257, 64) triangles of height 1 on HTK's mel scale; they are straight in mel, not in Hz, and spare bin 0."""

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    edges = np.linspace(mel(LOWEST), mel(HIGHEST), BANDS + 2)
    bins = mel(np.arange(N_FFT // 2 + 1) * RATE / N_FFT)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    triangles[0] = 0
    return triangles.astype(np.float32)


class VggishNetwork:
    """Six convolutions with relu, max-pooling over 2 × 2 after four of them, three dense layers."""

    def __init__(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        layers = {name: (tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in (*CONVOLUTIONS, *DENSE)}
        # Copied: the bits of a product depend on how its factors lie in memory, and a mapped file aligns to nothing.
        self._layers = {
            name: (weight.to(device, torch.float32, copy=True), bias.to(device, torch.float32, copy=True))
            for name, (weight, bias) in layers.items()
        }

    def __call__(self, mel: Tensor) -> Tensor:
        """(n, 96, 64) → (n, 128), before the last relu."""
        hidden = mel[:, None]
        for name in CONVOLUTIONS:
            hidden = F.relu(F.conv2d(hidden, *self._layers[name], padding=1))
            if name in POOLED:
                hidden = F.max_pool2d(hidden, 2)
        hidden = hidden.permute(0, 2, 3, 1).flatten(1)  # (n, 6·4·512): channels last, as in the original
        first, second, last = DENSE
        hidden = F.relu(F.linear(hidden, *self._layers[first]))
        hidden = F.relu(F.linear(hidden, *self._layers[second]))
        return F.linear(hidden, *self._layers[last])


def expected_shapes() -> dict[str, tuple[int, ...]]:
    """Name → shape of everything in a weights file."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 1
    for name, out in CONVOLUTIONS.items():
        shapes |= {f"{name}.weight": (out, channels, 3, 3), f"{name}.bias": (out,)}
        channels = out
    for name, (inputs, out) in DENSE.items():
        shapes |= {f"{name}.weight": (out, inputs), f"{name}.bias": (out,)}
    return shapes


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by name; nothing in it is run. Raises `WeightsError` for another file."""
    from pickle import UnpicklingError

    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError, SafetensorError) as error:
        # torch's advice to load with weights_only=False is not passed on.
        raise WeightsError(f"{path} could not be read as safetensors or as a PyTorch state dictionary.") from error
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if isinstance(tensor, Tensor)}
    wrong = [name for name, shape in expected_shapes().items() if found.get(name) != shape]
    if wrong:
        raise WeightsError(
            f"{path} is not VGGish: {wrong[0]} of shape {expected_shapes()[wrong[0]]} was expected, "
            f"{found.get(wrong[0], 'nothing')} was found."
        )
    return tensors


def find_weights(given: str | os.PathLike[str] | None = None) -> Path:
    """The weights on this machine. Raises `WeightsError` that says what they are and how to get them."""
    folder = cache_dir() / "weights" / "vggish"
    found = find_file(FILES, given, VARIABLE, [folder])
    if found is not None:
        return found
    raise WeightsError(
        f"VGGish's weights ({' or '.join(FILES[:2])}) were not found in "
        f"{given or os.environ.get(VARIABLE) or folder}. They were published by Google with AudioSet under Apache-2.0 "
        "and come with no registry package. Fetch their PyTorch form once:\n"
        f"  mkdir -p {folder} && curl -L -o {folder / FILES[1]} {SOURCE}\n"
        f"or point {VARIABLE} to the file or its folder."
    )
