"""A corpus as codes: what the priors learn from. Every track is encoded whole, in a few variants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from harness.corpora import Track
from harness.models.jukebox.network.config import VQVAEConfig
from harness.models.jukebox.network.vqvae import VQVAE
from harness.models.jukebox.train.codec import LevelCodec
from harness.models.jukebox.train.data import Recordings
from metrics.io.files import write_bytes

Variant = tuple[float, float]
"""(shift in top-level hops, gain in dB)"""

PLAIN: tuple[Variant, ...] = ((0.0, 0.0),)
VARIED: tuple[Variant, ...] = ((0.0, 0.0), (0.5, -3.0))
"""The same music shifted and softer falls into other codes: more to learn from where codes are few."""


CHUNK, CONTEXT = 2**19, 2**13
"""Samples encoded at a time, and on either side of them: more than the encoder sees, so that the codes are those of the
whole track, in memory that does not grow with it."""


@dataclass(frozen=True)
class CodedTrack:
    """One variant of one track. `codes` (T / hop,) uint16 by level, cut to whole top-level codes."""

    track: Track
    samples: int
    codes: dict[int, np.ndarray]


def trained_codec(config: VQVAEConfig, level: int, out: Path) -> LevelCodec:
    """The best checkpoint of one level. Raises `FileNotFoundError` where that level was not trained."""
    codec = LevelCodec(config, level)
    codec.load_state_dict(torch.load(out / f"codec-{level}.best.pt", weights_only=True)["module"])
    return codec.eval()


def assembled_vqvae(config: VQVAEConfig, levels: Iterable[int], out: Path) -> VQVAE:
    """The named levels, each trained for itself, as one VQ-VAE; the others are left as they are initialised."""
    vqvae = VQVAE(config)
    for level in levels:
        trained = trained_codec(config, level, out).vqvae
        vqvae.encoders[level], vqvae.decoders[level] = trained.encoders[level], trained.decoders[level]
        vqvae.bottleneck.level_blocks[level] = trained.bottleneck.level_blocks[level]
    return vqvae.eval()


@torch.inference_mode()
def encode_track(vqvae: VQVAE, level: int, audio: np.ndarray, shift: float = 0.0, gain_db: float = 0.0) -> np.ndarray:
    """Codes of one recording.

    Args:
        vqvae: the codec.
        level: 0 for the finest.
        audio: int16 (T,).
        shift: top-level hops that are left off the front.
        gain_db: of the audio.

    Returns:
        uint16 (T / hop,), cut to whole top-level codes.
    """
    top, hop = vqvae.config.hops[-1], vqvae.config.hops[level]
    audio = audio[round(shift * top) :]
    audio = audio[: len(audio) // top * top]
    gain = np.float32(10 ** (gain_db / 20) / 32768)
    codes = []
    for start in range(0, len(audio), CHUNK):
        first = max(0, start - CONTEXT)
        piece = torch.from_numpy(audio[first : start + CHUNK + CONTEXT].astype(np.float32) * gain).unsqueeze(0)
        before = (start - first) // hop
        codes.append(vqvae.encode(piece, level)[0, before : before + CHUNK // hop])
    return torch.cat(codes).numpy().astype(np.uint16)


def coded_tracks(
    vqvae: VQVAE, levels: tuple[int, ...], recordings: Recordings, out: Path, variants: tuple[Variant, ...]
) -> list[CodedTrack]:
    """All variants of all recordings.

    Args:
        vqvae: the codec.
        levels: to encode.
        recordings: of one split.
        out: the folder that codes are cached in.
        variants: of every recording.
    """
    coded = []
    for variant in variants:
        by_level = {level: _coded_level(vqvae, level, recordings, out, variant) for level in levels}
        for i, track in enumerate(recordings.tracks):
            codes = {level: by_level[level][i] for level in levels}
            coded.append(CodedTrack(track, len(codes[levels[0]]) * vqvae.config.hops[levels[0]], codes))
    return coded


def _coded_level(vqvae: VQVAE, level: int, recordings: Recordings, out: Path, variant: Variant) -> list[np.ndarray]:
    from safetensors.numpy import load_file, save

    hasher = hashlib.sha256(repr([(track.sha256, variant) for track in recordings.tracks]).encode())
    for module in (vqvae.encoders[level], vqvae.codebook(level)):
        for tensor in module.state_dict().values():
            hasher.update(tensor.numpy().tobytes())
    cached = out / f"codes-{level}-{hasher.hexdigest()[:16]}.safetensors"
    if not cached.exists():
        coded = [encode_track(vqvae, level, audio, *variant) for audio in recordings.audio]
        write_bytes(cached, save({f"{i:05d}": codes for i, codes in enumerate(coded)}))
    loaded = load_file(cached)
    return [loaded[key] for key in sorted(loaded)]
