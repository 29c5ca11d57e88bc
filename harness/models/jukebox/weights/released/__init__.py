"""The models that were released with the paper, as configuration data; their weights come with `harness models pull`.

Nothing of OpenAI's is in this package: the shapes are here, the weights and the lists of artists and genres are taken
from where the user has them. Both are under a noncommercial licence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.jukebox.weights.checkpoint import ModelFolder
from metrics.io.weights import cache_dir

if TYPE_CHECKING:
    from harness.models.jukebox.model import JukeboxModel

NAMES = ("jukebox:1b_lyrics", "jukebox:5b", "jukebox:5b_lyrics")

CONFIGS = Path(__file__).parent


def released(name: str, path: Path | None = None) -> ModelFolder:
    """The released model `name` with its weights below `path`, by default the user's cache; all three share it."""
    config = CONFIGS / f"{name.removeprefix('jukebox:')}.toml"
    return ModelFolder(path or cache_dir() / "models" / "jukebox", config)


def load_1b_lyrics(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The released 1b model, whose lyrics share the music's sequence.

    Raises:
        ModelError: weights that are missing or of another shape.
    """
    return _load("jukebox:1b_lyrics", width=width, dtype=dtype, device=device)


def load_5b(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The released 5b model without lyrics.

    Raises:
        ModelError: weights that are missing or of another shape.
    """
    return _load("jukebox:5b", width=width, dtype=dtype, device=device)


def load_5b_lyrics(*, width: int | None = None, dtype: str | None = None, device: str | None = None) -> JukeboxModel:
    """The released 5b model with an encoder of the lyrics.

    Raises:
        ModelError: weights that are missing or of another shape.
    """
    return _load("jukebox:5b_lyrics", width=width, dtype=dtype, device=device)


def _load(name: str, **options: Any) -> JukeboxModel:
    from harness.models.jukebox.model import JukeboxModel

    folder = released(name)
    for module in reversed(folder.modules):  # report what is missing before reading gigabytes
        folder.check(module)
    return JukeboxModel(name, folder, **options)
