"""The models that were released with the paper, as configuration data; their weights come with `harness models pull`.

Nothing of OpenAI's is in this package: the shapes are here, the weights and the lists of artists and genres are taken
from where the user has them. Both are under a noncommercial licence.
"""

from __future__ import annotations

from pathlib import Path

from harness.models.jukebox.weights.checkpoint import ModelFolder
from metrics.io.weights import cache_dir

NAMES = ("jukebox:1b_lyrics", "jukebox:5b", "jukebox:5b_lyrics")

CONFIGS = Path(__file__).parent


def released(name: str, path: Path | None = None) -> ModelFolder:
    """The released model `name` with its weights below `path`, by default the user's cache; all three share it."""
    config = CONFIGS / f"{name.removeprefix('jukebox:')}.toml"
    return ModelFolder(path or cache_dir() / "models" / "jukebox", config)
