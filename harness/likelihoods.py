"""Many sound files under a model: how likely each is, and which could not be read."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, UsageError
from harness.progress import Progress
from harness.references import SOUNDS, UNREAD

if TYPE_CHECKING:
    from harness.models.jukebox.likelihood import Likelihood, Place
    from harness.models.jukebox.model import JukeboxModel
    from harness.prompts import Prompt

SUFFIXES = (*SOUNDS, *UNREAD)
"""What is taken from a folder. A file that is named is tried whatever its suffix."""

COLUMNS: tuple[str, ...] = (
    "file", "seconds", "level", "codes", "nats", "nats_per_token", "bits_per_token", "bits_per_second", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What files are scored under: labels, the place in a longer piece, and the loudness in LUFS (None: as it is)."""

    prompt: Prompt | None = None
    place: Place | None = None
    lufs: float | None = None


@dataclass(frozen=True)
class Scored:
    """A file with its likelihood, or with the reason why it has none."""

    path: Path
    likelihood: Likelihood | None = None
    error: str | None = None


def sound_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and for each folder the sound files in it at any depth, sorted; each once, in the order given.

    Raises `UsageError` for a path that does not exist and for a folder without sound files.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no {path}: sound files, or folders of them, were expected.")
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not inside:
            raise UsageError(f"the folder {path} holds no sound file: one of {', '.join(SOUNDS)} was expected in it.")
        found |= dict.fromkeys(inside)
    return list(found)


def load_scorer(name: str) -> JukeboxModel:
    """The model of that name. Raises `UsageError` for one that gives no likelihoods."""
    from harness.models.jukebox.model import JukeboxModel
    from harness.models.registry import load_model

    model = load_model(name)
    if not isinstance(model, JukeboxModel):
        raise UsageError(f"the model {name!r} gives no likelihoods: a Jukebox was expected, such as jukebox:mini.")
    return model


def score_files(
    model: JukeboxModel, files: Sequence[Path], request: Request, stop: bool, progress: Progress
) -> list[Scored]:
    """The likelihood of each file. One that cannot be read is listed with the reason, or, with `stop`, raised.

    All files are read and encoded before the first is scored, so that each prior is needed once. Raises `UsageError`
    for labels that the model does not know.
    """
    from harness.models.jukebox.likelihood import Piece, likelihoods, read_piece
    from metrics.audio import load

    if request.prompt is not None:  # a mistake in it is no file's: say it once
        model.understand(request.prompt)
    pieces: dict[Path, Piece] = {}
    errors: dict[Path, str] = {}
    with progress.stage("encoding", len(files)) as stage:
        for done, file in enumerate(files, start=1):
            try:
                audio, rate = load(file)
                pieces[file] = read_piece(model, audio, rate, request.prompt, request.place, request.lufs)
            except HarnessError as error:
                said = str(error) if str(file) in str(error) else f"{file}: {error}"
                if stop:
                    raise type(error)(said) from error
                errors[file] = said
            stage.advance(done, file.name)
    scores: dict[Path, Likelihood] = {}
    if pieces:
        with progress.stage("scoring", len(pieces)) as stage:
            found = likelihoods(
                model,
                list(pieces.values()),
                lambda done, total: stage.advance(len(pieces) * done / total, f"{done}/{total} windows"),
            )
        scores = dict(zip(pieces, found, strict=True))
    return [Scored(file, scores.get(file), errors.get(file)) for file in files]


def rows(scored: Sequence[Scored]) -> Iterator[dict[str, Any]]:
    """A row of `COLUMNS` for each level of each file, the finest first, and one for the whole of it ("all"); a single
    one for a file without a likelihood."""
    for one in scored:
        found = one.likelihood
        if found is None:
            yield {"file": str(one.path), "error": one.error}
            continue
        whole = {"file": str(one.path), "seconds": found.seconds}
        for level in found.levels:
            figures = level.as_dict()
            yield whole | {name: figures[name] for name in COLUMNS if name in figures}
        yield whole | {
            "level": "all", "codes": found.codes, "nats": found.nats, "nats_per_token": found.nats / found.codes,
            "bits_per_token": found.nats / found.codes / math.log(2), "bits_per_second": found.bits_per_second,
        }  # fmt: skip


def means(scored: Sequence[Scored], figure: str) -> dict[int | str, tuple[float, float]]:
    """By level, the mean of a figure over the files and its standard error; nothing for fewer than two files."""
    values: dict[int | str, list[float]] = {}
    for row in rows(scored):
        if "level" in row:
            values.setdefault(row["level"], []).append(row[figure])
    return {
        level: (statistics.fmean(found), statistics.stdev(found) / math.sqrt(len(found)))
        for level, found in values.items()
        if len(found) > 1
    }


def as_csv(scored: Sequence[Scored]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(scored))
    return text.getvalue()


def as_json(scored: Sequence[Scored]) -> str:
    """A list: for each file its figures, with the surprise over time and the provenance, or the reason it has none."""
    return json.dumps(
        [
            {"file": str(one.path)} | (one.likelihood.as_dict() if one.likelihood else {"error": one.error})
            for one in scored
        ],
        indent=1,
        ensure_ascii=False,
    )
