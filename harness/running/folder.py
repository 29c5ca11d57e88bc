"""`harness score`: what was asked of sound files, carried out, and everything found as rows, CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.csv_table import write_table
from harness.core.errors import AudioError, UsageError
from harness.core.identity import readable_json
from harness.core.progress import Progress
from harness.scoring.clips import DEFAULT_EMBEDDER, LUFS, SoundFile, find_clips, measures_against, read_set
from harness.scoring.differences import SetDifference, differences
from harness.scoring.frames import Recipe
from harness.scoring.measuring import Measured, choose, measure_set
from harness.scoring.pairing import Pairs, pair_files
from harness.scoring.references import recipe_for
from harness.scoring.score import Measures
from metrics.api.catalogue import Metric
from metrics.embeddings import load_embedder
from metrics.stats.permutation import PERMUTATIONS

SCHEMA = 1

COLUMNS: dict[str, str] = {
    "file": "the path, as it was given or found",
    "set": "the folder or folders that it was measured with",
    "pair": "the pair it belongs to, where two folders are compared",
    "sha256": "of its content",
    "style": "the first sub-folder, or the stratum in the table of pairs",
    "seconds": "its length",
    "rate": "its sampling rate in Hz",
    "loudness": "LUFS, integrated (BS.1770); empty for silence and below 0.4 s",
    "true_peak": "dBTP; empty for digital silence",
    "clipping": "share of samples that are cut off",
    "silence": "share of 50 ms frames below −60 dBFS",
    "dc_offset": "mean sample, full scale being 1",
    "rolloff": "Hz below which 95 % of the magnitude lies",
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
"""The columns of the table of files. After them come structure figures that were asked for with --metric."""


@dataclass(frozen=True)
class Asked:
    """What `harness score` was asked to measure. `reference` is a name, a file of a set, or a folder."""

    paths: tuple[Path, ...]
    reference: str | None = None
    metrics: tuple[str, ...] = ()
    embedder: str | None = None
    excerpt_seconds: float | None = None
    pair_by: str | None = None
    together: bool = False
    stop: bool = False
    permutations: int = PERMUTATIONS
    seed: int = 0


@dataclass(frozen=True)
class Report:
    """Everything found. `failed` are the files that could not be read, of the reference too, with the reasons; `notes`
    what a reader of the figures should know."""

    settings: dict[str, Any]
    sets: tuple[Measured, ...]
    failed: dict[str, str]
    differences: tuple[SetDifference, ...] = ()
    untested: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[dict[str, Any]]:
        """One for each file, those that could not be read too."""
        for measured in self.sets:
            for file in measured.sounds.files:
                yield _row(measured, file, paired=len(self.sets) > 1)
        there = {str(file.clip.path) for measured in self.sets for file in measured.sounds.files}
        yield from ({"file": path, "error": reason} for path, reason in self.failed.items() if path not in there)

    def as_csv(self, more: dict[str, dict[str, Any]] | None = None) -> str:
        """The table of files; `more` gives further cells by path."""
        rows = [row | (more or {}).get(row["file"], {}) for row in self.rows()]
        further = dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)
        return write_table([*COLUMNS, *further], rows)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: settings, for each set its scores and files, differences, notes, and what failed."""
        paired = len(self.sets) > 1
        sets = [
            {
                "name": measured.sounds.name,
                "n": measured.clips,
                "scores": {name: score.as_dict() for name, score in measured.scores.items()},
                "unmeasured": measured.unmeasured,
                "files": [_row(measured, file, paired) for file in measured.sounds.files],
            }
            for measured in self.sets
        ]
        compared = [difference.as_dict() for difference in self.differences]
        return {
            "schema": SCHEMA, "settings": self.settings, "sets": sets, "differences": compared,
            "untested": self.untested, "notes": list(self.notes), "failed": self.failed,
        }  # fmt: skip

    def as_json(self, **more: Any) -> str:
        return readable_json(self.as_dict() | more).decode("utf-8")


def measure_files(asked: Asked, progress: Progress) -> Report:
    """Measure a set of files, or two folders in pairs.

    Raises `UsageError` for what does not make sense, before anything is embedded, and `AudioError` when no file could
    be read, or with `stop` for the first that could not.
    """
    check_paths(asked)
    pairs = None if asked.pair_by is None else pair_files(asked.paths[0], asked.paths[1], asked.pair_by)
    prompts = None if pairs is None else pairs.prompts()
    chosen = choose(asked.metrics, asked.reference is not None, prompts is not None)
    if pairs is None:
        names, clips = [", ".join(map(str, asked.paths))], [find_clips(asked.paths)]
    else:
        names, clips = [str(path) for path in asked.paths], [pairs.clips(0), pairs.clips(1)]
    measures, failed = None, {}
    if asked.reference is not None:
        measures, failed = measures_against(asked.reference, asked.embedder, asked.excerpt_seconds, progress)
        if asked.stop and failed:
            raise AudioError(next(iter(failed.values())))
    recipe = _recipe(asked, chosen, measures)
    structure = any(row.group == "structure" for row in chosen)
    sounds = [
        read_set(name, some, recipe, progress, structure=structure, stop=asked.stop)
        for name, some in zip(names, clips, strict=True)
    ]
    failed = failed | {str(file.clip.path): file.error or "" for one in sounds for file in one.failed}
    if not any(one.whole for one in sounds):
        reason = next(file.error for one in sounds for file in one.failed)
        raise AudioError(f"none of {sum(map(len, clips))} files could be read. The first: {reason}")
    notes = _notes(pairs, measures, [file.signal.seconds for one in sounds for file in one.whole if file.signal])
    if pairs is None:
        sets = [measure_set(sounds[0], chosen, measures)]
        return Report(_settings(asked, sets[0], chosen), tuple(sets), failed, notes=notes)
    broken = {file.clip.id for one in sounds for file in one.failed}
    whole = [one.without(broken) for one in sounds]
    if broken:
        notes += (f"{len(broken)} pairs are left out, for a file of theirs could not be read",)
    sets = [measure_set(one, chosen, measures, prompts) for one in whole]
    found, untested = differences(
        chosen, sets[0], sets[1], measures and measures.reference, progress,
        prompts=prompts, permutations=asked.permutations, seed=asked.seed,
    )  # fmt: skip
    return Report(_settings(asked, sets[0], chosen), tuple(sets), failed, tuple(found), untested, notes)


def check_paths(asked: Asked) -> None:
    """Raise `UsageError` unless it is clear whether the paths are one set or two that are compared."""
    folders = [path for path in asked.paths if path.is_dir()]
    if asked.pair_by is not None:
        if len(asked.paths) != 2 or asked.together:
            raise UsageError(
                f"--pair-by was given with {len(asked.paths)} paths: two folders, and no --together, were expected."
            )
    elif len(folders) > 1 and not asked.together:
        raise UsageError(
            f"{len(folders)} folders were given, and they could be one set or several. Compare two in pairs with "
            "--pair-by name or --pair-by pairs.csv (columns a,b); measure all as one set with --together."
        )


def _recipe(asked: Asked, chosen: Sequence[Metric], measures: Measures | None) -> Recipe | None:
    if measures is not None:
        return measures.recipe
    if any("embedding" in row.needs for row in chosen):
        return recipe_for(load_embedder(asked.embedder or DEFAULT_EMBEDDER), LUFS, asked.excerpt_seconds)
    return None


def _settings(asked: Asked, measured: Measured, chosen: Sequence[Metric]) -> dict[str, Any]:
    settings = measured.settings | {"metrics": [row.name for row in chosen], "seed": asked.seed}
    if asked.pair_by is not None:
        settings |= {"pair_by": asked.pair_by, "permutations": asked.permutations}
    return settings


def _notes(pairs: Pairs | None, measures: Measures | None, seconds: Sequence[float]) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    length = None if measures is None else measures.recipe.excerpt_seconds
    shorter = sum(found < length for found in seconds) if length is not None else 0
    if shorter:
        notes += (
            f"{shorter} of {len(seconds)} files are shorter than the reference's excerpts of {length:g} s: the same "
            "length on both sides is fairer",
        )
    if pairs is not None and any(pairs.unpaired):
        notes += (f"{pairs.unpaired[0]} and {pairs.unpaired[1]} files of the folders are in no pair and are left out",)
    return notes


def _row(measured: Measured, file: SoundFile, paired: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"file": str(file.clip.path), "set": measured.sounds.name}
    if paired:
        row["pair"] = file.clip.id
    if file.error is not None:
        return row | {"error": file.error}
    signal = file.signal.as_dict() if file.signal else {}
    row |= {"sha256": file.sha256, "style": file.clip.style}
    row |= {name: signal[name] for name in COLUMNS if name in signal}
    if file.frames is not None:
        row |= {"frames": len(file.frames), "padded": int(file.padded), "own_level": int(file.own_level)}
    return row | measured.values.get(file.clip.id, {})
