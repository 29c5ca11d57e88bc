"""What the codec is trained to preserve: spectra as a listener hears them first, the waveform second.

A small codec judged by embedding distance did better when trained on log-mel distance than on the waveform
(round-trip FAD 50 against 62 at half the codes per second), so the log-mel terms lead here.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

RESOLUTIONS = ((2048, 512, 120), (1024, 256, 80), (512, 128, 64), (256, 64, 32))
"""(window, hop, mel bands), in samples."""

TONES = (2048, 512)
"""(window, hop) in samples at which tones are told apart: 8 Hz at 16 kHz."""


@cache
def _mel(rate: int, window: int, bands: int) -> Tensor:
    """Mel filter bank (bands, window/2 + 1), each band scaled to unit sum so that all resolutions weigh alike."""
    import librosa

    bank = torch.from_numpy(librosa.filters.mel(sr=rate, n_fft=window, n_mels=bands, norm=None))
    return bank / bank.sum(1, keepdim=True).clamp_min(1e-6)


@cache
def _hann(window: int) -> Tensor:
    return torch.hann_window(window)


def magnitude(audio: Tensor, window: int, hop: int) -> Tensor:
    """(B, T) -> (B, window/2 + 1, frames), float32."""
    return torch.stft(audio, window, hop, window=_hann(window), return_complex=True).abs()


def spectral_distance(decoded: Tensor, audio: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """Mean absolute log-mel difference, and spectral convergence, each the mean over the resolutions.

    Both waveforms are (B, T) float32. The floor in the convergence's denominator keeps silence from blowing it up.
    """
    mel_terms, convergence = [], []
    for window, hop, bands in RESOLUTIONS:
        ours, real = magnitude(decoded, window, hop), magnitude(audio, window, hop)
        bank = _mel(rate, window, bands)
        mel_terms.append(F.l1_loss((bank @ ours + 1e-3).log(), (bank @ real + 1e-3).log()))
        norm = real.square().sum((1, 2)).sqrt()
        convergence.append(((ours - real).square().sum((1, 2)).sqrt() / (norm + 0.1 * norm.mean() + 1.0)).mean())
    return torch.stack(mel_terms).mean(), torch.stack(convergence).mean()
