"""The clips of a condition, wherever their sound lies: in the store, in a folder, or named by a manifest.

A `ClipSet` is one condition. Everything after it (frames, scores, differences) knows no more of a clip than is here,
so that the same clips give the same scores whichever command asks.

- From the store: `clip_set`, one for each condition of a plan.
- From folders: `harness.scoring.folders.folder_sets`.
- From a manifest: `harness.scoring.manifests.manifest_sets`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.progress import Progress, Quiet
from harness.core.sound_files import shown
from harness.planning.plan import ClipRequest
from harness.prompts.prompt import Prompt
from harness.store.clips import StoredClip
from metrics.io.weights import file_sha256


@dataclass(frozen=True)
class ClipFile:
    """One clip to measure.

    Attributes:
        unit: its id within the condition; for clips that are paired, the same under every condition.
        path: the sound file.
        sha256: of the file's bytes, in hex.
        prompt: label of the prompt, unique per prompt within an experiment; it groups the clips of one prompt.
        text: the words requested; "" for none.
        style: the style requested, or that the text was understood as; "" for none.
        index: counts the clips of one prompt.
        seed: what the clip was sampled with.
        prompt_seconds: length of the audio prompt at the clip's start, which is never measured, in seconds.
    """

    unit: str
    path: Path
    sha256: str
    prompt: str = ""
    text: str = ""
    style: str = ""
    index: int | None = None
    seed: int | None = None
    prompt_seconds: float = 0.0

    @property
    def stratum(self) -> str:
        """What groups clips: the style, else the prompt; "" without either."""
        return self.style or self.prompt


ALIKE = ("the same content as another", "the same file as another", "the same folder as another")
"""Reasons, without the name of the other."""


@dataclass(frozen=True)
class ClipSet:
    """The clips of one condition, in order.

    Attributes:
        name: of the condition.
        clips: at most one per `unit`.
        paired: whether unit ids mean the same in other sets (prompt and index, `--pair-by`, or a run).
        left_out: what could not be taken, path → reason, which names the path. A command that leaves out something
            ends with exit code 1.
        skipped: what was not meant, or counts already, path → reason.
    """

    name: str
    clips: tuple[ClipFile, ...]
    paired: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)

    def strata(self) -> list[str] | None:
        """The stratum of each clip: its style, else its prompt. None where no clip has one."""
        found = [clip.stratum for clip in self.clips]
        return found if any(found) else None

    def notes(self) -> tuple[str, ...]:
        """What was skipped, one line for each reason."""
        by_reason: dict[str, list[str]] = {}
        for path, reason in self.skipped.items():
            kind = next((kind for kind in ALIKE if reason.startswith(kind.removesuffix("another"))), reason)
            by_reason.setdefault(kind, []).append(path)
        return tuple(
            f"{self.name}: skipped {len(paths)} {'path' if len(paths) == 1 else 'paths'} ({reason}): "
            + ", ".join(paths[:3])
            + (", …" if len(paths) > 3 else "")
            for reason, paths in by_reason.items()
        )

    def only(self, units: Collection[str]) -> ClipSet:
        """The set with those clips only."""
        return replace(self, clips=tuple(clip for clip in self.clips if clip.unit in units))


def unit_id(prompt: str, index: int) -> str:
    """The unit of a clip that answers to a prompt: the same in a run, in its `clips.csv` and in any manifest.

    >>> unit_id("metal", 3)
    'metal#003'
    """
    return f"{prompt}#{index:03d}"


def prompt_labels(prompts: Sequence[Prompt]) -> list[str]:
    """A label for each prompt, in order; prompts of equal labels get a number behind theirs: "jazz", "jazz (2)"."""
    labels: list[str] = []
    for prompt in prompts:
        label, number = prompt.label(), 1
        while label in labels:
            number += 1
            label = f"{prompt.label()} ({number})"
        labels.append(label)
    return labels


def clip_set(
    name: str,
    requests: Sequence[ClipRequest],
    stored: Sequence[StoredClip],
    labels: Sequence[str],
    understood: Mapping[str, str] | None = None,
) -> ClipSet:
    """A condition of a plan, from the store.

    Args:
        name: of the condition.
        requests: its clips that are stored.
        stored: the same clips in the store, in the same order.
        labels: `prompt_labels` of the plan's prompts, so that a prompt has one label under every condition.
        understood: style by `ClipRequest.unit`, for clips whose condition takes style and text away: what they are
            compared with is still that of their counterparts.

    Returns:
        The set; its units are those of the `clips.csv` that the run leaves.
    """
    clips = []
    for request, clip in zip(requests, stored, strict=True):
        label, conditioning = labels[request.prompt_index], clip.record["conditioning"]
        style = conditioning.get("style") or request.listed.style or (understood or {}).get(request.unit) or ""
        clips.append(
            ClipFile(
                unit=unit_id(label, request.index),
                path=clip.path,
                sha256=clip.record["files"][clip.path.name]["sha256"],
                prompt=label,
                text=request.listed.text or "",
                style=style,
                index=request.index,
                seed=request.seed,
                prompt_seconds=float(conditioning.get("prompt_seconds") or 0.0),
            )
        )
    return ClipSet(name, tuple(clips), paired=True)


def hashed(files: Iterable[Path], progress: Progress | None = None) -> tuple[dict[Path, str], dict[str, str]]:
    """SHA-256 of each file's bytes in hex, by path, and why others could not be read, by path as text."""
    files, found, failed = list(files), {}, {}
    with (progress or Quiet()).stage("reading the files", len(files)) as stage:
        for done, file in enumerate(files, start=1):
            try:
                found[file] = file_sha256(file)
            except OSError as error:
                failed[shown(file)] = f"{shown(file)} cannot be read ({error.strerror or error})"
            stage.advance(done, shown(file.name))
    return found, failed


def shared_content(sets: Sequence[ClipSet], reference: Collection[str]) -> dict[str, int]:
    """How many clips of each set have the content of a file of the reference; sets that share none are not listed.

    Args:
        sets: what is measured.
        reference: SHA-256 of the reference's files, in hex.
    """
    there = frozenset(reference)
    counts = {one.name: sum(clip.sha256 in there for clip in one.clips) for one in sets}
    return {name: count for name, count in counts.items() if count}


def repeated(units: Iterable[str]) -> list[str]:
    """Units that occur more than once."""
    return [unit for unit, count in Counter(units).items() if count > 1]
