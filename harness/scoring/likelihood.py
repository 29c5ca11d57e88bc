"""Many sound files under a model: how likely each is, and which could not be read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.csv_table import write_table
from harness.core.errors import HarnessError, UsageError
from harness.core.progress import Progress
from harness.models.likelihood import LevelLikelihood, Likelihood, LikelihoodDoor, LikelihoodRequest
from harness.models.registry import family_door
from harness.scoring.references import SOUNDS, UNREAD
from metrics.api.catalogue import CATALOGUE, metric
from metrics.api.score import Score
from metrics.sets.likelihood import Likelihoods
from metrics.stats.folds import FEWEST_UNITS

if TYPE_CHECKING:
    from harness.models.base import Model

SUFFIXES = (*SOUNDS, *UNREAD)
"""What is taken from a folder. A file that is named is tried whatever its suffix."""

COLUMNS: tuple[str, ...] = (
    "file", "seconds", "level", "codes", "nats", "nats_per_token", "bits_per_token", "bits_per_second", "error",
)  # fmt: skip


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


def load_scorer(name: str) -> Model:
    """The model of that name. Raises `UsageError` for one whose family gives no likelihoods."""
    from harness.models.registry import load_model

    family_door(name, "likelihood")
    return load_model(name)


def score_files(
    model: Model, files: Sequence[Path], request: LikelihoodRequest, stop: bool, progress: Progress
) -> list[Scored]:
    """The likelihood of each file. One that cannot be read is listed with the reason, or, with `stop`, raised.

    All files are read and encoded before the first is scored, so that each prior is needed once. Raises `UsageError`
    for labels that the model does not know.
    """
    from metrics.io.audio import load

    door: LikelihoodDoor = family_door(model.name, "likelihood")
    door.check_request(model, request)  # a mistake in it is no file's: say it once
    encoded: dict[Path, Any] = {}
    errors: dict[Path, str] = {}
    with progress.stage("encoding", len(files)) as stage:
        for done, file in enumerate(files, start=1):
            try:
                audio, rate = load(file)
                encoded[file] = door.encode_clip(model, audio, rate, request)
            except HarnessError as error:
                said = str(error) if str(file) in str(error) else f"{file}: {error}"
                if stop:
                    raise type(error)(said) from error
                errors[file] = said
            stage.advance(done, file.name)
    scores: dict[Path, Likelihood] = {}
    if encoded:
        with progress.stage("scoring", len(encoded)) as stage:
            found = door.likelihoods(
                model,
                list(encoded.values()),
                lambda done, total: stage.advance(len(encoded) * done / total, f"{done}/{total} windows"),
            )
        scores = dict(zip(encoded, found, strict=True))
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


def scores(scored: Sequence[Scored]) -> dict[str, dict[int | str, Score]]:
    """By the catalogue's names, and by level ("all" for the whole), the mean over files with its error; empty for fewer
    than 3 files, which say nothing of their spread."""
    likely = [(one.path, one.likelihood) for one in scored if one.likelihood is not None]
    if len(likely) < FEWEST_UNITS:
        return {}
    by_level: dict[int | str, list[Likelihood | LevelLikelihood]] = {"all": [found for _, found in likely]}
    for level in range(len(likely[0][1].levels)):
        by_level[level] = [found.levels[level] for _, found in likely]
    names = [name for name, row in CATALOGUE.items() if "likelihood" in row.needs]
    made = {
        level: Likelihoods(
            nats=[part.nats for part in parts],
            codes=[part.codes for part in parts],
            seconds=[part.seconds for part in parts],
            units=[str(path) for path, _ in likely],
            provenance=_common([found.provenance for _, found in likely]) | {"level": level},
        )
        for level, parts in sorted(by_level.items(), key=lambda item: str(item[0]))
    }
    return {name: {level: metric(name).load()(clips) for level, clips in made.items()} for name in names}


def _common(provenances: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is said alike of all files: the model, and the labels where they are the same."""
    first = provenances[0]
    return {key: first[key] for key in first if all(other.get(key) == first[key] for other in provenances)}


def as_csv(scored: Sequence[Scored]) -> str:
    return write_table(COLUMNS, rows(scored))


def as_json(scored: Sequence[Scored]) -> str:
    return json.dumps(as_dict(scored), indent=1, ensure_ascii=False)


def as_dict(scored: Sequence[Scored]) -> dict[str, Any]:
    """JSON-able: the scores of the whole set by name, and for each file its figures, with the surprise over time and
    the provenance, or the reason it has none."""
    files = [
        {"file": str(one.path)} | (one.likelihood.as_dict() if one.likelihood else {"error": one.error})
        for one in scored
    ]
    return {"scores": {name: by_level["all"].as_dict() for name, by_level in scores(scored).items()}, "files": files}
