"""The network of `metrics.embeddings.musicnn`, in torch: log-mel frames in, the layers of each patch out.

Apart from the embedder, so that frames which are cached are read without importing torch.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metrics.embeddings.musicnn_weights import HOP, LAYERS, MELS, N_FFT, PATCH, RATE, weight_files
from metrics.embeddings.tf_checkpoint import read_tensors

MARGIN = 3  # frames at either end of a patch that a timbral kernel of 7 frames sees as padding
PATCHES_AT_ONCE = 2  # more is slower: the intermediates of two (8 MB) stay in the cache


def log_mel(audio: Tensor) -> Tensor:
    """float32 (samples,) at 16 kHz → log10(1 + 10000·mel) of shape (frames, 96), at least one patch of frames.

    As `librosa.feature.melspectrogram(y, sr=16000, n_fft=512, hop_length=256, n_mels=96)`: periodic Hann, zeros beyond
    the ends, power, slaney bands.
    """
    audio = F.pad(audio, (N_FFT // 2, N_FFT // 2 + max(0, (PATCH - 1) * HOP - audio.numel())))
    window = torch.hann_window(N_FFT, device=audio.device)
    spectrum = torch.fft.rfft(audio.unfold(0, N_FFT, HOP) * window)
    power = spectrum.real.square() + spectrum.imag.square()
    return torch.log10(1 + 10000 * (power @ torch.from_numpy(mel_bands()).to(audio.device)))


@functools.cache
def mel_bands() -> NDArray[np.float32]:
    """(257, 96) triangular bands of unit area on Slaney's mel scale."""
    # Linear to 1 kHz, which is 15 mel; from there 27 steps to a factor of 6.4.
    step = np.log(6.4) / 27
    top = 15 + np.log(RATE / 2 / 1000) / step
    mels = np.linspace(0, top, MELS + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    bins = np.arange(N_FFT // 2 + 1)[:, None] * RATE / N_FFT
    low, middle, high = hertz[:-2], hertz[1:-1], hertz[2:]
    triangles = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return (triangles * 2 / (high - low)).astype(np.float32)


@functools.cache
def load_network(device: str = "cpu") -> MusicnnNetwork:
    """The network with its published weights, fetched when they are not in the cache, checked by hash."""
    return MusicnnNetwork(read_tensors(*weight_files()), device)


class MusicnnNetwork:
    """The convolutions, from log-mel frames to tags. Variables are numbered as TensorFlow numbered them.

    Every normalisation follows its convolution's relu and is folded into a scale and a shift (epsilon 1e-3).
    """

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], device: str = "cpu") -> None:
        self._tensors, self._device = tensors, device
        self.normal = [self._affine(i) for i in range(11)]
        # (out, time, mel) for the 2-d kernels; (out, in, time) for the others.
        self.timbral = [self._kernel(i).permute(3, 2, 0, 1)[:, 0] for i in (0, 1)]
        self.tempo = [self._kernel(i).permute(3, 2, 0, 1)[..., 0] for i in (2, 3, 4)]
        self.middle = [self._kernel(i).permute(3, 2, 0, 1)[:, 0].transpose(1, 2).contiguous() for i in (5, 6, 7)]
        self.bias = [self._get("conv2d", i, "bias") for i in range(8)]
        self.dense = [(self._get("dense", i, "kernel"), self._get("dense", i, "bias")) for i in (0, 1)]

    def _get(self, kind: str, number: int, part: str) -> Tensor:
        name = f"{kind}_{number}/{part}" if number else f"{kind}/{part}"
        return torch.from_numpy(self._tensors[name].copy()).to(self._device)

    def _kernel(self, number: int) -> Tensor:
        return self._get("conv2d", number, "kernel")

    def _affine(self, number: int) -> tuple[Tensor, Tensor]:
        gamma, beta, mean, variance = (
            self._get("batch_normalization", number, part)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / torch.sqrt(variance + 1e-3)
        return scale, beta - mean * scale

    def __call__(self, mel: Tensor, starts: range) -> dict[str, Tensor]:
        """Log-mel frames (frames, 96) and the first frame of each patch → {layer: (patches, dim)}."""
        scale, shift = self.normal[0]
        frames = mel * scale + shift
        whole = [self._timbral(i, F.pad(frames, (0, 0, MARGIN, MARGIN))[None])[0] for i in (0, 1)]
        parts = [
            self._patches(frames, whole, torch.tensor(starts[i : i + PATCHES_AT_ONCE]))
            for i in range(0, len(starts), PATCHES_AT_ONCE)
        ]
        return {layer: torch.cat([part[layer] for part in parts]) for layer in LAYERS}

    def _patches(self, frames: Tensor, whole: list[Tensor], starts: Tensor) -> dict[str, Tensor]:
        index = starts[:, None] + torch.arange(PATCH)
        patches = frames[index]  # (patches, 187, 96)
        front = []
        for i, timbral in enumerate(whole):
            feature = timbral[index]  # (patches, 187, 204)
            head = F.pad(patches[:, : 2 * MARGIN], (0, 0, MARGIN, 0))
            tail = F.pad(patches[:, -2 * MARGIN :], (0, 0, 0, MARGIN))
            feature[:, :MARGIN] = self._timbral(i, head)
            feature[:, -MARGIN:] = self._timbral(i, tail)
            front.append(feature)
        front += [self._tempo(i, patches) for i in (2, 3, 4)]
        features = self._middle(torch.cat(front, dim=2))  # (patches, 187, 753)
        return self._back(features)

    def _timbral(self, number: int, padded: Tensor) -> Tensor:
        """A kernel of 7 frames × 38 or 67 bands, maximum over places: (B, T+6, 96) → (B, T, 204)."""
        channels, taps, width = self.timbral[number].shape
        matrix = (self._signs(number) * self.timbral[number].reshape(channels, -1).T).contiguous()
        views = padded.unfold(1, taps, 1).unfold(2, width, 1)  # (B, T, places, taps, width)
        batch, time, places = views.shape[:3]
        # As a product of matrices, 32 frames at a time, it takes two thirds of the time of a convolution.
        best = torch.cat(
            [
                (rows.reshape(-1, taps * width) @ matrix).view(-1, places, channels).amax(1)
                for rows in views.flatten(0, 1).split(32)
            ]
        )
        return self._after_maximum(number, best.view(batch, time, channels))

    def _tempo(self, number: int, patches: Tensor) -> Tensor:
        """A kernel of 128, 64 or 32 frames × 1 band, maximum over the bands: (B, 187, 96) → (B, 187, 51).

        TensorFlow's SAME padding of an even kernel puts the odd zero at the end.
        """
        kernel = self.tempo[number - 2] * self._signs(number)[:, None, None]
        batch, time, bands = patches.shape
        channels, _, taps = kernel.shape
        rows = F.pad(patches.transpose(1, 2).reshape(batch * bands, 1, time), ((taps - 1) // 2, taps // 2))
        best = F.conv1d(rows, kernel).view(batch, bands, channels, time).amax(1)
        return self._after_maximum(number, best.transpose(1, 2))

    # relu and the normalisation are monotonous in each channel, so that the maximum over the mel axis may be taken
    # before them, where one number a frame and channel is left; a channel with a negative scale is turned over for
    # it.
    def _signs(self, number: int) -> Tensor:
        return torch.where(self.normal[number + 1][0] < 0, -1.0, 1.0)

    def _after_maximum(self, number: int, best: Tensor) -> Tensor:
        scale, shift = self.normal[number + 1]
        return scale * F.relu(self._signs(number) * best + self.bias[number]) + shift

    def _middle(self, front: Tensor) -> Tensor:
        """Three residual convolutions over time, all outputs side by side: (B, T, 561) → (B, T, 753)."""
        outputs = [front.transpose(1, 2)]
        for i, kernel in enumerate(self.middle):
            scale, shift = self.normal[i + 6]
            hidden = F.relu(F.conv1d(outputs[-1], kernel, self.bias[i + 5], padding=3))
            hidden = hidden * scale[:, None] + shift[:, None]
            outputs.append(hidden if i == 0 else hidden + outputs[-1])
        return torch.cat(outputs, dim=1).transpose(1, 2)

    def _back(self, features: Tensor) -> dict[str, Tensor]:
        """Pooling over the patch and two dense layers. Maximum and mean alternate channel by channel."""
        max_pool, mean_pool = features.amax(1), features.mean(1)
        scale, shift = self.normal[9]
        pooled = torch.stack([max_pool, mean_pool], dim=2).flatten(1) * scale + shift
        (first, first_bias), (second, second_bias) = self.dense
        scale, shift = self.normal[10]
        penultimate = F.relu(pooled @ first + first_bias) * scale + shift
        logits = penultimate @ second + second_bias
        return {"penultimate": penultimate, "max_pool": max_pool, "mean_pool": mean_pool, "logits": logits}
