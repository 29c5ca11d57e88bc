"""Many sound files under a model: how likely each is, and which could not be read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.csv_table import write_table
from harness.core.errors import DegenerateInput, HarnessError
from harness.core.progress import Progress
from harness.models.likelihood import LevelLikelihood, Likelihood, LikelihoodDoor, LikelihoodRequest
from harness.models.registry import family_door
from harness.prompts.prompt import Prompt
from metrics.api.catalogue import CATALOGUE, metric
from metrics.api.score import Score
from metrics.sets.likelihood import Likelihoods
from metrics.stats.folds import FEWEST_UNITS

if TYPE_CHECKING:
    from harness.models.base import Model
    from harness.scoring.material import Material

COLUMNS: tuple[str, ...] = (
    "file", "seconds", "level", "codes", "nats", "nats_per_token", "bits_per_token", "bits_per_second", "error",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """A file with its likelihood, or with the reason why it has none."""

    path: Path
    likelihood: Likelihood | None = None
    error: str | None = None


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


def likelihoods_of(material: Material) -> Likelihoods:
    """One condition's clips under the model of its measures, each with its own style, without their audio prompts.

    Raises `DegenerateInput` where no model was named, and `UsageError` for one that gives no likelihoods.
    """
    from metrics.io.audio import load

    if not material.measures.model:
        raise DegenerateInput("no model was named under which clips would be likely: give --model.")
    model = load_scorer(material.measures.model)
    door: LikelihoodDoor = family_door(model.name, "likelihood")
    clips, encoded = material.clips.clips, []
    for clip in clips:
        audio, rate = load(clip.path)
        prompt = Prompt(style=clip.style) if clip.style in model.styles else None
        request = LikelihoodRequest(prompt, offset_seconds=clip.prompt_seconds)
        encoded.append(door.encode_clip(model, audio[round(clip.prompt_seconds * rate) :], rate, request))
    with material.progress.stage("likelihoods", len(encoded)) as stage:
        found = door.likelihoods(model, encoded, lambda done, total: stage.advance(len(encoded) * done / total))
    strata = material.strata()
    return Likelihoods(
        nats=[one.nats for one in found],
        codes=[one.codes for one in found],
        seconds=[one.seconds for one in found],
        units=[clip.unit for clip in clips],
        strata=None if strata is None else [strata[clip.unit] for clip in clips],
        provenance=_common([one.provenance for one in found]),
    )


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
            values = level.as_dict()
            yield whole | {name: values[name] for name in COLUMNS if name in values}
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
    """JSON-able: the scores of the whole set by name, and for each file its values, with the surprise over time and
    the provenance, or the reason it has none."""
    files = [
        {"file": str(one.path)} | (one.likelihood.as_dict() if one.likelihood else {"error": one.error})
        for one in scored
    ]
    return {"scores": {name: by_level["all"].as_dict() for name, by_level in scores(scored).items()}, "files": files}
