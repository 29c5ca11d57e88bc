"""Real music to measure against, as embeddings: a named set needs no audio and no download.

Sets that ship lie in `metrics/reference/data/<name>.safetensors`, the user's own in `<cache>/reference/`, where
`save_reference` puts them; a path to such a file is taken as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from metrics.api.registry import unknown_name
from metrics.api.score import EmbeddingSet
from metrics.embeddings.base import Embedder, embed_clip, embedding_provenance, is_padded
from metrics.errors import UsageError
from metrics.io.audio import Preprocessing
from metrics.io.weights import cache_dir
from metrics.sets.frechet import HEADLINE_COMPONENTS

SUFFIX = ".safetensors"


def shipped_folder() -> Path:
    """Where the sets lie that come with the package."""
    return Path(__file__).parent / "data"


def user_folder() -> Path:
    """Where the user's own sets lie."""
    return cache_dir() / "reference"


def reference_names() -> list[str]:
    """Every reference set that can be named, sorted."""
    return sorted({path.stem for folder in (shipped_folder(), user_folder()) for path in folder.glob(f"*{SUFFIX}")})


def load_reference(name: str | os.PathLike[str]) -> EmbeddingSet:
    """The reference set of that name, or in that file.

    A shipped set wins over one of the user's of the same name, so that a name means the same everywhere.

    Args:
        name: Of a shipped or stored set, or the path of a .safetensors file.

    Returns:
        The set.

    Raises:
        UsageError: An unknown name, with the nearest known one, or no such file.

    >>> load_reference("heldout").provenance["embedder"]["name"]
    'musicnn'
    """
    path = Path(name)
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise UsageError(f"no reference set at {path}. Check the path, or use a name: {_known()}.")
        return EmbeddingSet.load(path)
    for folder in (shipped_folder(), user_folder()):
        if (folder / f"{name}{SUFFIX}").is_file():
            return EmbeddingSet.load(folder / f"{name}{SUFFIX}")
    raise UsageError(unknown_name("reference set", str(name), reference_names()))


def save_reference(name: str, reference: EmbeddingSet) -> Path:
    """Keep a set under a name of the user's. Raises `UsageError` when the name is that of a shipped set."""
    if Path(name).name != name or not name:
        raise UsageError(f"{name!r} cannot name a reference set: a plain name without folders was expected.")
    if (shipped_folder() / f"{name}{SUFFIX}").is_file():
        raise UsageError(f"{name!r} is a reference set that comes with the package: choose another name.")
    path = user_folder() / f"{name}{SUFFIX}"
    reference.save(path)
    return path


def build_reference(
    clips: Iterable[tuple[ArrayLike, int, str, str]],
    embedder: Embedder,
    preprocessing: Preprocessing | None = None,
    about: dict[str, Any] | None = None,
    components: int = HEADLINE_COMPONENTS,
) -> EmbeddingSet:
    """Embed real music: `clips` gives (audio (samples,), rate in Hz, unit, style) one after another.

    Excerpts of one track share their unit, the sampling unit. The clips go through the preprocessing that the evaluated
    side will go through; equal length on both sides is the caller's to see to. `about` (where the music is from, its
    licences) is added to the provenance, and in how many `components` the headline distance to it is taken. Raises
    `UsageError` when there are no clips and `AudioError` for a silent one.
    """
    preprocessing = preprocessing or Preprocessing(rate=embedder.rate)
    frames, units, styles, padded = [], [], [], set()
    for audio, rate, song, style in clips:
        frames.append(embed_clip(embedder, audio, rate, preprocessing))
        if is_padded(embedder, min(len(np.asarray(audio)) / rate, preprocessing.seconds or np.inf)):
            padded.add(song)
        units.append(song)
        styles.append(style)
    provenance = embedding_provenance(embedder, preprocessing) | (about or {})
    provenance["components"] = components
    if padded:
        provenance["padded"] = sorted(padded)
    return EmbeddingSet.from_clips(frames, units, provenance, styles)


def _known() -> str:
    return ", ".join(reference_names()) or "none yet"
