"""The artists and styles that a model knows by name, and how users may spell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.core.errors import ModelError, UsageError
from harness.models.jukebox.conditioning.labels import UNKNOWN, read_ids
from metrics.api.registry import nearest_name


def read_lists(folder: Path, files: Mapping[str, str], model: str | None) -> dict[str, dict[str, int]]:
    """Id tables by kind (artists, genres) from the `files` below `folder`."""
    for file in files.values():
        if not (folder / file).is_file():
            raise ModelError(
                f"the label list {folder / file} is missing, without which {model} knows no names. "
                f"Fetch it: harness models pull {model}"
            )
    return {kind: read_ids(folder / file) for kind, file in files.items()}


def known_names(table: Mapping[str, int]) -> list[str]:
    """The names of an id table that mean something: id 0 is that of every unknown name."""
    return [name for name, identifier in table.items() if name and identifier != UNKNOWN]


def find_name(kind: str, wanted: str, known: Iterable[str], listed_in: Path | None, key: str | None = None) -> str:
    """The known name that was requested; capitals do not matter.

    Args:
        kind: what is named, for the message: artist, style.
        wanted: the request.
        known: the names to choose from.
        listed_in: the file that lists all of them; None lists them in the message.
        key: the part of the request to find, by default all of it.

    Returns:
        The name as the model spells it.

    Raises:
        UsageError: an unknown name, with the nearest known one.
    """
    folded = (wanted if key is None else key).casefold()
    names = list(known)
    for name in names:
        if name.casefold() == folded:
            return name
    part = f", of which {key!r} is not known" if key is not None and key != wanted.casefold() else ""
    near = nearest_name(folded, names)
    hint = f" Did you mean {near!r}?" if near else ""
    everything = f"All names stand in {listed_in}." if listed_in else f"Known: {', '.join(sorted(names))}."
    raise UsageError(f"unknown {kind} {wanted!r}{part}.{hint} {everything}")
