"""`harness score`: the conditions that folders or a manifest hold, measured and compared as a run's are.

A manifest that a run left (its `clips.csv`) brings the run's own metrics, embedders, references and declared contrasts,
unless others are named: the same clips then give the run's scores and differences again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.core.csv_table import write_table
from harness.core.errors import AudioError, HarnessError, UsageError
from harness.core.identity import digest, readable_json
from harness.core.option import DEFAULT_MODEL, Option
from harness.core.progress import Progress
from harness.core.settings import Paths, Texts, settings_class
from harness.core.sound_files import shown
from harness.reporting.document import document
from harness.scoring.clips import ClipSet, shared_content
from harness.scoring.differences import Compared, Family, compare
from harness.scoring.folders import folder_sets
from harness.scoring.manifests import manifest_sets
from harness.scoring.measures import DEFAULT_EMBEDDER, DEFAULT_REFERENCE, Measures, split_name
from harness.scoring.results import understood_note
from harness.scoring.score import ConditionScores, choose, default_metrics, nearest_music, score, score_rows
from metrics.api.catalogue import NEEDS, metric
from metrics.reference.sets import reference_names

COLUMNS: dict[str, str] = {
    "file": "the path, as it was given or found",
    "set": "the condition that it was measured with",
    "pair": "its id, equal for clips of other conditions that it is compared with in pairs",
    "sha256": "of its content",
    "prompt": "the prompt it answers to",
    "style": "the style requested, or the first sub-folder",
    "seconds": "its length",
    "rate": "its sampling rate in Hz",
    "loudness": "LUFS, integrated (BS.1770); empty for silence and below 0.4 s",
    "true_peak": "dBTP; empty for digital silence",
    "clipping": "share of samples that are cut off",
    "silence": "share of 50 ms frames below −60 dBFS",
    "dc_offset": "mean sample, full scale being 1",
    "rolloff": "Hz below which 95 % of the magnitude lies",
    "warnings": "what no finished music has, in words",
    "frames": "how many frames the embedder made of it",
    "padded": "1 where it is shorter than one window of the embedder",
    "own_level": "1 where it has no loudness and was embedded without a gain",
    "fad": "Fréchet distance of its frames alone to the reference, not corrected: to rank files of one length",
    "neighbour_percentile": "how near its nearest real songs are, among those of real songs: 50 is as near as theirs",
    "nearest": "that song of the reference",
    "nearest_cosine": "and the cosine",
    "nats_per_token": "with --likelihood: of all levels",
    "bits_per_second": "with --likelihood: of all levels",
    "error": "why it could not be read",
}  # fmt: skip
"""The columns of the table of files. After them come what metrics that were named say of single files."""


MEASURED, SETS, LABELS, OUTPUT = (
    "What is measured", "Which conditions", "With --likelihood: the labels of the model", "What is printed",
)  # fmt: skip
"""The headings of these options in --help."""


@settings_class
class FolderRequest:
    """What `harness score` is to measure: folders, each a condition, and sound files, together one more; or a manifest.
    Raises `UsageError` for values out of range."""

    paths: Paths = ()
    manifest: Annotated[
        Path | None,
        Option(
            "A CSV file with a column file, and any of condition, prompt, text, style, index, seed, prompt_seconds; "
            "a run's clips.csv is one.",
            panel=SETS,
        ),
    ] = None
    references: Annotated[
        Texts,
        Option(
            "Real music to measure against: a name of 'harness reference list', or a folder; one per embedder.",
            flag="reference",
            short="r",
            panel=MEASURED,
            metavar="NAME",
            default="heldout, where a metric needs one",
        ),
    ] = ()
    metrics: Annotated[
        Texts,
        Option(
            "A name of 'harness metrics'.",
            flag="metric",
            panel=MEASURED,
            default="fad16, kad, vendi, diversity, style_similarity, and adherence to prompts",
        ),
    ] = ()
    embedders: Annotated[
        Texts,
        Option(
            "What makes embeddings; repeat for more, whose scores are named kad@NAME.",
            flag="embedder",
            panel=MEASURED,
            metavar="NAME",
            default="the reference's; else musicnn",
        ),
    ] = ()
    excerpt_seconds: Annotated[
        float | None,
        Field(ge=0.4),
        Option(
            "Cut both sides into excerpts of this length.",
            panel=MEASURED,
            default="the reference's; else whole files",
        ),
    ] = None
    pair_by: Annotated[
        str | None,
        Option(
            "Compare folders in pairs: of equal names, or by a table with columns a,b[,prompt][,stratum].",
            panel=SETS,
            metavar="name|CSV",
        ),
    ] = None
    together: Annotated[bool, Option("Several folders are one condition.", panel=SETS)] = False
    model: Annotated[
        str,
        Option("The model, a Jukebox.", short="m", panel=LABELS, default=f"the run's; else {DEFAULT_MODEL}"),
    ] = ""
    rows: Annotated[
        Literal["style", "prompt"] | None,
        Option("The scores of each style, or of each prompt, as well.", panel=OUTPUT),
    ] = None
    on_error: Annotated[Literal["continue", "stop"], Option("After a file that cannot be read.", panel=OUTPUT)] = (
        "continue"
    )

    @property
    def stop(self) -> bool:
        """The first file that cannot be read ends it."""
        return self.on_error == "stop"


@dataclass(frozen=True)
class ScoreReport:
    """Everything found. `failed` are the files that could not be read, of the reference too, with the reasons; `notes`
    what a reader of the scores should know; `rows` the scores of each style or prompt, by condition."""

    settings: dict[str, Any]
    conditions: tuple[ConditionScores, ...]
    compared: Compared
    failed: dict[str, str]
    notes: tuple[str, ...] = ()
    primary: str = ""
    rows: Mapping[str, tuple[ConditionScores, ...]] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """The digest of what was measured, and of which clips."""
        clips = [[one.name, [[clip.unit, clip.sha256] for clip in one.clips.clips]] for one in self.conditions]
        return digest({"settings": self.settings, "clips": clips})

    @property
    def count(self) -> int:
        """How many files were to be measured, those that could not be read too."""
        told = {shown(clip.path) for one in self.conditions for clip in one.clips.clips}
        return sum(one.n_clips for one in self.conditions) + len(self.failed.keys() - told)

    def files(self) -> Iterator[dict[str, Any]]:
        """A row for each file, those that could not be read too."""
        told = set()
        for one in self.conditions:
            yield from _file_rows(one, self.failed)
            told |= {shown(clip.path) for clip in one.clips.clips}
        yield from ({"file": path, "error": reason} for path, reason in self.failed.items() if path not in told)

    def as_csv(self, more: Mapping[str, Mapping[str, Any]] | None = None) -> str:
        """The table of files; `more` gives further cells by path."""
        rows = [row | dict((more or {}).get(row["file"], {})) for row in self.files()]
        further = dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)
        return write_table([*COLUMNS, *further], rows)

    def as_dict(self) -> dict[str, Any]:
        """The one JSON of scores (`harness.reporting.document`), with the settings and the files."""
        found = document(self.conditions, self.compared.differences, self.notes)
        for record, one in zip(found["conditions"], self.conditions, strict=True):
            record["files"] = list(_file_rows(one, self.failed))
        rows = {name: document(parts, (), ())["conditions"] for name, parts in self.rows.items()}
        more = {"settings": self.settings, "failed": self.failed, "undefined": dict(self.compared.undefined)}
        return found | more | ({"rows": rows} if rows else {})

    def as_run(self) -> dict[str, bytes]:
        """The files of a run's folder that says the same, for MLflow."""
        found = document(self.conditions, self.compared.differences, self.notes)
        conditions = [{"name": one.name} for one in self.conditions]
        result = found | {
            "id": self.id,
            "experiment": {"name": "score", "primary": self.primary or None, "conditions": conditions},
            "settings": self.settings,
            "model": {"name": "files"},
        }
        rows = [
            {
                "condition": one.name,
                "prompt": clip.prompt,
                "index": n if clip.index is None else clip.index,
                "style": clip.style,
                **{name: value for name, value in one.values[clip.unit].items() if value is not None},
                "clip": clip.sha256,
                "path": str(clip.path.resolve()),
            }
            for one in self.conditions
            for n, clip in enumerate(one.clips.clips)
        ]
        columns = dict.fromkeys(column for row in rows for column in row)
        return {"result.json": readable_json(result), "clips.csv": write_table(list(columns), rows).encode()}

    def as_json(self, **more: Any) -> str:
        return readable_json(self.as_dict() | more).decode("utf-8")


def score_folders(request: FolderRequest, progress: Progress) -> ScoreReport:
    """Measure the conditions of folders or of a manifest, and compare every two of them.

    Raises `UsageError` for what does not make sense, before anything is embedded, and `AudioError` when no file could
    be read, or with `stop` for the first that could not.
    """
    declared = _declared_by_run(request.manifest)
    request = _completed(request, declared)
    check_names(request)
    sets = _sets(request, progress)
    names = request.metrics or default_metrics(sets)
    measures = measures_for(request, names, progress)
    chosen = choose(names, measures)
    failed = dict(measures.left_out) | {path: why for one in sets for path, why in one.left_out.items()}
    if request.stop and failed:
        raise AudioError(next(iter(failed.values())))
    conditions = tuple(score(one, chosen, measures, progress=progress) for one in sets)
    for one in conditions:
        failed |= _unread(one)
    if request.stop and failed:
        raise AudioError(next(iter(failed.values())))
    family = declared.family if declared else Family.of_every_pair([one.name for one in sets])
    compared = compare(conditions, family, progress)
    return ScoreReport(
        _settings(request, chosen, measures),
        conditions,
        compared,
        failed,
        (*_notes(conditions, measures), *compared.notes),
        family.primary,
        {one.name: tuple(score_rows(one, request.rows)) for one in conditions} if request.rows else {},
    )


def check_names(request: FolderRequest) -> None:
    """Raise `UsageError` for an unknown metric, with the nearest, and for paths beside a manifest."""
    for name in request.metrics:
        metric(split_name(name)[0])
    if request.manifest is not None and (request.paths or request.pair_by):
        raise UsageError("a manifest names the files and their pairs: leave out the paths and --pair-by.")
    if request.manifest is None and not request.paths:
        raise UsageError("nothing to measure was named: folders or sound files, or --manifest, were expected.")


def measures_for(request: FolderRequest, names: Sequence[str], progress: Progress) -> Measures:
    """The embedders and references of a request: the held-out music where none was named and a metric takes frames."""
    references = request.references
    if not references and any(metric(split_name(name)[0]).needs & TAKES_REFERENCE for name in names):
        references = (DEFAULT_REFERENCE,)
    embedders = request.embedders or (() if references else (DEFAULT_EMBEDDER,))
    found = Measures.load(embedders, references, request.excerpt_seconds, progress)
    return replace(found, model=request.model or DEFAULT_MODEL)


TAKES_REFERENCE = frozenset({"embedding", "reference", "known", "predictions"})
"""Needs of metrics that a reference is given to: cosines, too, are seen from its centre."""
assert NEEDS.keys() >= TAKES_REFERENCE


@dataclass(frozen=True)
class _Declared:
    """What the run beside a manifest declared."""

    family: Family
    metrics: tuple[str, ...]
    embedders: tuple[str, ...]
    references: tuple[str, ...]
    model: str


def _declared_by_run(manifest: Path | None) -> _Declared | None:
    """Of the run whose table a manifest is; None for another, or one that cannot be read."""
    if manifest is None:
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, HarnessError):
        result = json.loads((manifest.parent / "result.json").read_text("utf-8"))
        experiment, settings = result["experiment"], result["settings"]
        names = [condition["name"] for condition in experiment["conditions"]]
        family = Family.of_every_pair(names)
        if experiment["contrast"] == "against the first":
            family = replace(family, contrasts=tuple((names[0], other) for other in names[1:]))
        family = replace(
            family,
            primary=experiment["primary"],
            adjusted=experiment.get("family", "all contrasts") == "all contrasts",
            stage=experiment.get("stage", "declared"),
        )
        spaces = [settings, *settings.get("further", ())]
        known = [space["reference"].partition("@")[0] for space in spaces if "reference" in space]
        return _Declared(
            family,
            tuple(result["metrics"]),
            tuple(space["embedder"] for space in spaces),
            tuple(name for name in dict.fromkeys(known) if name in reference_names()),
            settings["model"],
        )
    return None


def _completed(request: FolderRequest, declared: _Declared | None) -> FolderRequest:
    if declared is None:
        return request
    return replace(
        request,
        metrics=request.metrics or declared.metrics,
        embedders=request.embedders or declared.embedders,
        references=request.references or declared.references,
        model=request.model or declared.model,
    )


def _sets(request: FolderRequest, progress: Progress) -> list[ClipSet]:
    if request.manifest is not None:
        sets = manifest_sets(request.manifest, progress)
    else:
        sets = folder_sets(request.paths, request.pair_by, request.together, progress)
    if not any(one.clips for one in sets):
        reasons = [why for one in sets for why in one.left_out.values()]
        raise AudioError(f"none of {len(reasons)} files could be read. The first: {reasons[0] if reasons else 'none'}")
    return [one for one in sets if one.clips]


def _unread(one: ConditionScores) -> dict[str, str]:
    """The files of a condition that turned out not to be readable, with the reasons."""
    paths = {clip.unit: clip.path for clip in one.clips.clips}
    return {shown(paths[unit]): reason for unit, reason in one.material.unread().items()}


def _settings(request: FolderRequest, chosen: Sequence[str], measures: Measures) -> dict[str, Any]:
    settings = measures.described() | measures.first.recipe.provenance() | {"metrics": list(chosen), "seed": 0}
    if request.pair_by is not None:
        settings["pair_by"] = "name" if request.pair_by == "name" else "table"
    return settings


def _notes(conditions: Sequence[ConditionScores], measures: Measures) -> tuple[str, ...]:
    clips = [clip for one in conditions for clip in one.clips.clips]
    seconds = [found.seconds for one in conditions for found in one.material.signals("signal") if found is not None]
    same = shared_content([one.clips for one in conditions], measures.content())
    return (
        *(note for one in conditions for note in one.clips.notes()),
        *dict.fromkeys(one.material.cache.note for one in conditions if one.material.cache.note),
        *measures.notes(seconds),
        *(f"{count} clips of {name} are also in the reference: its distances are too small" for name, count in
          same.items()),
        *understood_note(clips),
    )  # fmt: skip


def _file_rows(one: ConditionScores, failed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    material, space = one.material, one.material.measures.first
    nearest = nearest_music(material, space)
    frames = material.frames_if_any(space)
    signals = dict(zip((clip.unit for clip in one.clips.clips), material.signals("signal"), strict=True))
    for clip in one.clips.clips:
        row: dict[str, Any] = {"file": shown(clip.path), "set": one.name, "pair": clip.unit if one.clips.paired else ""}
        if row["file"] in failed:
            yield row | {"error": failed[row["file"]]}
            continue
        signal = signals[clip.unit].as_dict() if signals[clip.unit] is not None else {}
        row |= {"sha256": clip.sha256, "prompt": clip.prompt, "style": clip.style}
        row |= {name: signal[name] for name in COLUMNS if name in signal and name != "warnings"}
        row["warnings"] = "; ".join(signal.get("warnings", ()))
        if clip.unit in frames:
            found = frames[clip.unit]
            row |= {"frames": len(found.frames), "padded": int(found.padded)}
            row |= {"own_level": int(found.silent or signal.get("loudness") is None)}
        row |= {name: value for name, value in one.values[clip.unit].items() if name not in COLUMNS}
        yield row | nearest[clip.unit]
