"""The published tagger of musicnn as its package has it: shapes, tags, and the checkpoint's files."""

from __future__ import annotations

from pathlib import Path

from metrics.io import weights

PACKAGE, VERSION, MODEL = "musicnn", "0.1.0", "MTT_musicnn"
INDEX_SHA256 = "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57"
DATA_SHA256 = "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab"

RATE, N_FFT, HOP, MELS = 16000, 512, 256, 96
PATCH = 187  # mel frames: the 3 s that the network was trained on

LAYERS = {"penultimate": 200, "max_pool": 753, "mean_pool": 753, "logits": 50}
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient",
    "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals",
    "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man",
    "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice",
    "weird", "country", "metal", "female voice", "choral",
)  # fmt: skip


def weight_files() -> tuple[Path, Path]:
    """The checkpoint's index and data, fetched when they are not in the cache, checked by hash."""
    return (
        weights.fetch(PACKAGE, VERSION, f"musicnn/{MODEL}/.index", INDEX_SHA256),
        weights.fetch(PACKAGE, VERSION, f"musicnn/{MODEL}/.data-00000-of-00001", DATA_SHA256),
    )
