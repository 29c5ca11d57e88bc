"""musicnn's MTT tagger as an embedder: the default space in which music is compared.

Pons & Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR 2019 (code and
weights ISC). The network is written here in torch and its weights are read out of the package `musicnn==0.1.0`, which
is fetched and never installed. Against the original graph in TensorFlow 2.15 the logits differ by less than 3e-5
(tests/golden/musicnn).

Two things are done differently from the original package, both on purpose. The mel spectrogram stays float32: the
original casts it to float16, which overflows on loud music. And the two timbral convolutions, four fifths of the
work, run once over the whole clip instead of once in each of the overlapping patches: only the three frames at either
end of a patch, which see its zero padding, are computed again. The numbers are the same.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.embeddings.base import Frames
from metrics.embeddings.musicnn_weights import (
    DATA_SHA256,
    HOP,
    LAYERS,
    MODEL,
    N_FFT,
    PACKAGE,
    PATCH,
    RATE,
    VERSION,
    weight_files,
)
from metrics.embeddings.tf_checkpoint import read_tensors
from metrics.errors import UsageError


class Musicnn:
    """musicnn (MTT) at 16 kHz: one vector for each 3 s patch, one patch a second by default.

    `layer`: "penultimate" (200-d, for Fréchet distances), "max_pool" or "mean_pool" (753-d), "logits" (50 tags). The
    hop is rounded to whole mel frames of 16 ms, so that 1 s is 0.992 s; `hop_seconds` is the value in use. Audio
    shorter than a patch is padded with zeros. `device` is torch's, by default a CUDA card where there is one. Raises
    `WeightsError` when the weights cannot be fetched.
    """

    name = "musicnn"
    rate = RATE
    window_seconds = (PATCH - 1) * HOP / RATE
    context_seconds = N_FFT / 2 / RATE  # the outer mel frames of a patch are centred on its ends

    def __init__(self, layer: str = "penultimate", hop_seconds: float = 1.0, device: str | None = None) -> None:
        if layer not in LAYERS:
            raise UsageError(f"musicnn has no layer {layer!r}. Known: {', '.join(LAYERS)}.")
        if not hop_seconds > 0:
            raise UsageError(f"the hop was {hop_seconds} s: a positive number was expected.")
        self.layer, self.dim = layer, LAYERS[layer]
        self._hop_frames = max(1, round(hop_seconds * RATE / HOP))
        self.hop_seconds = self._hop_frames * HOP / RATE
        self._device = device
        weight_files()  # a run without them ends here, before the first clip
        if device is not None:
            self._torch_device()

    def provenance(self) -> dict[str, Any]:
        """Everything that changes the numbers, to be compared and kept with them."""
        return {
            "name": self.name, "layer": self.layer, "dim": self.dim, "weights": f"{PACKAGE}=={VERSION}/{MODEL}",
            "weights_sha256": DATA_SHA256, "rate": RATE, "window_seconds": self.window_seconds,
            "hop_seconds": self.hop_seconds, "front_end": "float32 log10(1 + 10000 mel), 96 slaney bands, 512/256",
        }  # fmt: skip

    def embed(self, audio: NDArray[np.float32]) -> Frames:
        """float32 (samples,) at 16 kHz → float32 (frames, dim)."""
        return self._run(audio, self.layer)

    def tags(self, audio: NDArray[np.float32]) -> Frames:
        """Probabilities of the 50 `TAGS` of MagnaTagATune for each patch: float32 (frames, 50)."""
        import torch

        return torch.sigmoid(torch.from_numpy(self._run(audio, "logits"))).numpy()

    def _torch_device(self) -> Any:
        from metrics.embeddings.windows import resolve_device

        return resolve_device(self._device)

    def _run(self, audio: NDArray[np.float32], layer: str) -> Frames:
        import torch

        from metrics.embeddings.musicnn_network import load_network, log_mel

        device = self._torch_device()
        network = load_network(str(device))
        with torch.inference_mode():
            mel = log_mel(torch.as_tensor(audio, dtype=torch.float32, device=device))
            starts = range(0, mel.shape[0] - PATCH + 1, self._hop_frames)
            return network(mel, starts)[layer].cpu().numpy()


def tag_logits(penultimate: Frames) -> Frames:
    """Frames of the layer "penultimate", float32 (n, 200) → the logits of `TAGS`, float32 (n, 50), without torch.

    The last layer is linear, so that the tags of music of which only the frames are at hand, such as a shipped
    reference, are known. A sigmoid makes them the probabilities that `Musicnn.tags` gives. Raises `UsageError` for
    another shape.
    """
    frames = np.asarray(penultimate, dtype=np.float32)
    if frames.ndim != 2 or frames.shape[1] != LAYERS["penultimate"]:
        raise UsageError(f"frames have shape {frames.shape}: (frames, {LAYERS['penultimate']}) was expected.")
    kernel, bias = _last_layer()
    return frames @ kernel + bias


@functools.cache
def _last_layer() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    tensors = read_tensors(*weight_files())
    return tensors["dense_1/kernel"].copy(), tensors["dense_1/bias"].copy()
