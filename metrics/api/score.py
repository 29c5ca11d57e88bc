"""What every metric takes and returns: a set of embedded clips, and a score that says how certain it is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics.api.replicates import Replicates
from metrics.errors import DegenerateInput, HarnessError, UsageError
from metrics.io.files import write_bytes

Direction = Literal["lower", "higher", "none"]
Estimand = Literal["fixed reference", "population", "population at this n"]

# The parts of a provenance that must agree before two sets, or two scores, are compared.
COMPARED = ("embedder", "preprocessing")

REFUSED = "refused"
"""The policy under which a set holds no silent clip, as the shipped references do not."""


@dataclass(frozen=True)
class Score:
    """One metric of one set of clips, with everything needed to trust it.

    Attributes:
        name: The metric's name in the catalogue.
        value: The estimate, corrected for its bias where the metric has a correction (`note` says so).
        stderr: The standard error of `value`.
        interval: The 95 % confidence interval of `value`; None where none would cover what it claims to.
        n_units: The number of sampling units (clips, prompts, tracks) of the evaluated set.
        n_frames: The number of its embedded frames.
        unit: The unit of measure of `value`.
        direction: Which way is better, if either is.
        estimand: What is estimated: the distance to this very reference, or to the population it is a sample of.
        reliable: False where the sample is too small for the estimator, or fails another of its conditions.
        note: How the value was computed, in one line.
        plain: The plug-in value, not corrected for bias.
        provenance: How clips and reference were embedded, and the settings of the metric.
        replicates: The value without each fold of units, by which scores are compared later; None without a jackknife.
        why: Why the score is not reliable and what it would take, reasons separated by "; "; empty when it is.
    """

    name: str
    value: float
    stderr: float
    interval: tuple[float, float] | None
    n_units: int
    n_frames: int
    unit: str
    direction: Direction
    estimand: Estimand
    reliable: bool
    note: str
    plain: float
    provenance: dict[str, Any] = field(default_factory=dict)
    replicates: Replicates | None = field(default=None, repr=False)
    why: str = ""

    @property
    def generalises_to(self) -> str:
        """What the interval speaks about; see `generalises_to`."""
        return generalises_to(self.estimand, self.provenance)

    def covers(self, truth: float) -> bool:
        """Whether the interval holds `truth`; False without an interval."""
        return self.interval is not None and self.interval[0] <= truth <= self.interval[1]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the replicates, as JSON takes it; `replicates.as_dict()` gives those."""
        found = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "replicates"}
        interval = None if self.interval is None else list(self.interval)
        return found | {"interval": interval, "generalises_to": self.generalises_to}

    def __str__(self) -> str:
        mark = "" if self.reliable else " (unreliable)"
        return f"{self.name} {self.value:.4g} ± {self.stderr:.2g}{mark}"


def generalises_to(estimand: Estimand, provenance: Mapping[str, Any]) -> str:
    """What a score's interval speaks about: which prompts, and which real music.

    Where the sampling unit is the clip the prompts are these ones; where it is the prompt (provenance "sampling_unit")
    they are a sample of prompts like them. The reference counts as a sample of its kind of music only where its own
    sampling error is in the interval.

    Args:
        estimand: The score's.
        provenance: The score's.

    Returns:
        Such as "these prompts; music like this reference"; the second part only where there is a reference.

    >>> generalises_to("population", {"reference": {}}), generalises_to("population", {"sampling_unit": "prompt"})
    ('these prompts; music like this reference', 'prompts like these')
    """
    prompts = "prompts like these" if provenance.get("sampling_unit") == "prompt" else "these prompts"
    measured_against = {"reference", "known"} & provenance.keys()
    if not measured_against and "centre" not in provenance:
        return prompts
    fixed = estimand == "fixed reference" or not measured_against
    return f"{prompts}; {'this reference' if fixed else 'music like this reference'}"


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Embedded frames of some clips, and which unit each frame is of.

    `frames` (N, D), kept as float32; `units` (N,) integer or string ids of the sampling unit (a clip for generated
    music, a track for real music, of which several excerpts share the id); `strata` (N,) the style of each frame's
    unit, or None; `provenance` says how the frames were made, under "embedder" and "preprocessing" what a comparison
    checks, and under "padded" the units whose clip was shorter than one window. Raises `UsageError` for shapes that
    do not fit and `DegenerateInput` for frames that are not finite.
    """

    frames: NDArray[np.floating[Any]]
    units: NDArray[Any]
    provenance: dict[str, Any] = field(default_factory=dict)
    strata: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        frames, units = np.asarray(self.frames, dtype=np.float32), np.asarray(self.units)
        strata = None if self.strata is None else np.asarray(self.strata, dtype=np.str_)
        if frames.ndim != 2:
            raise UsageError(f"frames have shape {frames.shape}: (frames, dimensions) was expected.")
        if units.shape != frames.shape[:1] or (strata is not None and strata.shape != units.shape):
            found = f"{units.shape} units" + ("" if strata is None else f" and {strata.shape} strata")
            raise UsageError(f"{frames.shape[0]} frames came with {found}: one of each for a frame was expected.")
        if units.dtype.kind not in "iuU":
            raise UsageError(f"unit ids have type {units.dtype}: integers or strings were expected.")
        if not np.isfinite(frames).all():
            raise DegenerateInput("some frames are NaN or infinite: finite ones were expected. Leave their clips out.")
        if strata is not None and len(set(zip(units.tolist(), strata.tolist(), strict=True))) != len(np.unique(units)):
            raise UsageError("a unit has frames in two strata: each unit belongs to one.")
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "units", units)
        object.__setattr__(self, "strata", strata)

    @classmethod
    def from_clips(
        cls,
        clips: Sequence[ArrayLike],
        units: Sequence[int] | Sequence[str],
        provenance: Mapping[str, Any],
        strata: Sequence[str] | None = None,
    ) -> EmbeddingSet:
        """From the frames (n_i, D) of each clip, its unit's id and, if given, its style."""
        if not clips or len(clips) != len(units) or (strata is not None and len(strata) != len(clips)):
            raise UsageError(
                f"{len(clips)} clips came with {len(units)} units: at least one, and one each, was expected."
            )
        arrays = [np.asarray(clip, dtype=np.float32) for clip in clips]
        counts = [array.shape[0] for array in arrays]
        return cls(
            frames=np.concatenate(arrays),
            units=np.repeat(np.asarray(units), counts),
            provenance=dict(provenance),
            strata=None if strata is None else np.repeat(np.asarray(strata, dtype=np.str_), counts),
        )

    @property
    def n_units(self) -> int:
        return len(np.unique(self.units))

    def means(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The mean frame of each unit: (ids (n,), float64 (n, D)), in the order of the sorted ids."""
        ids, inverse = np.unique(self.units, return_inverse=True)
        sums = np.zeros((len(ids), self.frames.shape[1]))
        np.add.at(sums, inverse, self.frames)
        return ids, sums / np.bincount(inverse)[:, None]

    def unit_strata(self) -> NDArray[np.str_] | None:
        """The style of each unit, in the order of the sorted ids; None without strata."""
        if self.strata is None:
            return None
        return self.strata[np.unique(self.units, return_index=True)[1]]

    def select(self, mask: ArrayLike) -> EmbeddingSet:
        """The frames for which `mask` (N,) is true."""
        mask = np.asarray(mask, dtype=bool)
        strata = None if self.strata is None else self.strata[mask]
        return replace(self, frames=self.frames[mask], units=self.units[mask], strata=strata)

    def concat(self, other: EmbeddingSet) -> EmbeddingSet:
        """Both sets as one, with strata when both have them. Raises `UsageError` when they were made differently."""
        check_comparable(self.provenance, other.provenance)
        padded = [*self.provenance.get("padded", []), *other.provenance.get("padded", [])]
        strata = None if self.strata is None or other.strata is None else np.concatenate([self.strata, other.strata])
        return EmbeddingSet(
            frames=np.concatenate([self.frames, other.frames]),
            units=np.concatenate([self.units, other.units]),
            provenance=self.provenance | ({"padded": padded} if padded else {}),
            strata=strata,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file; the same set gives the same bytes. It appears whole or not at all."""
        from safetensors.numpy import save

        ids, inverse = np.unique(self.units, return_inverse=True)
        strata = self.unit_strata()
        # One metadata entry: with several, their order in the file would vary from run to run.
        header = {
            "songs": ids.tolist(), "strata": None if strata is None else strata.tolist(), "provenance": self.provenance,
        }  # fmt: skip
        content = save(
            {"frames": np.ascontiguousarray(self.frames), "song": inverse.astype(np.int32)},
            metadata={"embedding_set": json.dumps(header, sort_keys=True, ensure_ascii=False)},
        )
        write_bytes(Path(path), content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EmbeddingSet:
        """Read what `save` wrote. Raises `HarnessError` for another file."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {})["embedding_set"])
                frames, song = file.get_tensor("frames"), file.get_tensor("song")
        except (OSError, SafetensorError, KeyError) as error:
            raise HarnessError(f"{path} is not a saved embedding set ({error}). Make it again.") from error
        strata = header["strata"]
        return cls(
            frames=frames,
            units=np.asarray(header["songs"])[song],
            provenance=header["provenance"],
            strata=None if strata is None else np.asarray(strata, dtype=np.str_)[song],
        )


def check_comparable(left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    """Raise `UsageError` unless two provenances agree on embedder and preprocessing; the message names what differs."""
    differences = [line for part in COMPARED for line in _differences(part, left.get(part), right.get(part))]
    policies = [_silence(left), _silence(right)]
    if REFUSED not in policies and policies[0] != policies[1]:
        differences.append(f"silent clips were {policies[0]!r} against {policies[1]!r}")
    if differences:
        raise UsageError(
            f"these two were made differently and are not compared: {'; '.join(differences)}. "
            "Embed both with one embedder and one preprocessing."
        )


def _silence(provenance: Mapping[str, Any]) -> str:
    """What was done with clips without a loudness. Where they were refused the set holds none, whatever the policy."""
    made = provenance.get("preprocessing")
    if isinstance(made, Mapping) and "silence" in made:
        return str(made["silence"])
    # References built from a folder by versions that recorded no policy, and left silent excerpts out.
    return "left out" if "files_sha256" in provenance else REFUSED


def _differences(name: str, left: Any, right: Any) -> list[str]:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys = sorted({*left, *right} - {"silence"})
        return [line for key in keys for line in _differences(f"{name}.{key}", left.get(key), right.get(key))]
    return [] if left == right else [f"{name} is {left!r} against {right!r}"]
