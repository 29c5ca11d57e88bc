"""What a score would be without each fold of its units: enough to compare it with another one later, without audio.

A jackknife leaves out one fold of units (clips, prompts, tracks) at a time. Those values are kept with the score, so
that the difference of two conditions, a contrast of several, and the joint distribution of a family of differences
follow from stored scores alone (`metrics.compare.difference`). Folds derive from unit ids (`metrics.stats.folds`): two
scores of the same units have the same folds, whenever and wherever they were measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from metrics.errors import UsageError

Role = Literal["evaluated", "reference"]
Unit = int | str


@dataclass(frozen=True)
class FoldValues:
    """A statistic without each fold of one sample of units.

    Attributes:
        role: Which side of a metric the units are of: the evaluated clips, or the reference they are measured against.
        units: The ids, sorted, (n,).
        folds: The fold of every unit, 0 to G − 1, in each round of fold assignment, (rounds, n).
        values: The statistic without each fold, (rounds, G), in the statistic's unit.
        without_value: Ids of units that have no value (a silent clip has no loudness). They count neither as units nor
            in the statistic, and keep their folds, so that sets that lack different units stay paired.
        sample: Tells samples apart that have the same ids and are not paired; empty where equal ids mean the same unit.
    """

    role: Role
    units: tuple[Unit, ...]
    folds: tuple[tuple[int, ...], ...]
    values: tuple[tuple[float, ...], ...]
    without_value: tuple[Unit, ...] = ()
    sample: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal where two samples are paired: same role, units and folds, and not marked as different samples."""
        return (self.role, self.units, self.folds, self.sample)


@dataclass(frozen=True)
class Replicates:
    """A score's plug-in value, and its values without each fold of either side.

    Attributes:
        plain: The statistic of all units, not corrected for bias.
        parts: One `FoldValues` for each independent sample: the evaluated units, and the reference's where its sampling
            error counts. A difference of sets that are not paired has two evaluated parts.
        corrected: Whether the value is `plain` less the jackknife's estimate of the bias.
        seeds: The value for each seed of an algorithm that depends on one, `plain` being their mean; else empty.
    """

    plain: float
    parts: tuple[FoldValues, ...]
    corrected: bool = False
    seeds: tuple[float, ...] = ()

    def part(self, role: Role) -> FoldValues | None:
        """The first part of a role, or None."""
        return next((part for part in self.parts if part.role == role), None)

    def as_unpaired(self) -> Replicates:
        """The same with its evaluated units marked as a sample of their own, paired with no other of the same ids."""
        content = repr((self.plain, [part.values for part in self.parts if part.role == "evaluated"]))
        mark = hashlib.sha256(content.encode()).hexdigest()[:16]
        parts = [replace(part, sample=mark) if part.role == "evaluated" else part for part in self.parts]
        return replace(self, parts=tuple(parts))

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON takes it; `from_dict` gives it back exactly."""
        return {
            "plain": self.plain,
            "corrected": self.corrected,
            "seeds": list(self.seeds),
            "parts": [
                {
                    "role": part.role,
                    "units": list(part.units),
                    "folds": [list(row) for row in part.folds],
                    "values": [list(row) for row in part.values],
                    "without_value": list(part.without_value),
                    "sample": part.sample,
                }
                for part in self.parts
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Replicates:
        """What `as_dict` gave, exactly. Raises `UsageError` for another shape."""
        try:
            parts = tuple(
                FoldValues(
                    role=part["role"],
                    units=tuple(part["units"]),
                    folds=tuple(tuple(row) for row in part["folds"]),
                    values=tuple(tuple(row) for row in part["values"]),
                    without_value=tuple(part["without_value"]),
                    sample=part["sample"],
                )
                for part in stored["parts"]
            )
            return cls(stored["plain"], parts, stored["corrected"], tuple(stored["seeds"]))
        except (KeyError, TypeError) as error:
            raise UsageError(f"stored replicates are damaged ({error!r}): measure the clips again.") from error


def pack_replicates(replicates: Mapping[str, Replicates]) -> dict[str, Any]:
    """Replicates of several scores as one JSON-able table in which every assignment of folds stands once.

    Args:
        replicates: By name of the score.

    Returns:
        {"assignments": {key: {"units", "folds"}}, "scores": {name: …}}. Scores of one set of clips against one
        reference share two assignments; a score alone then takes its values only.
    """
    assignments: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    for name, one in replicates.items():
        stored = one.as_dict()
        for part in stored["parts"]:
            shared = {"units": part.pop("units"), "folds": part.pop("folds")}
            key = hashlib.sha256(json.dumps(shared, ensure_ascii=True).encode()).hexdigest()[:16]
            assignments[key] = shared
            part["assignment"] = key
        scores[name] = stored
    return {"assignments": assignments, "scores": scores}


def unpack_replicates(packed: Mapping[str, Any]) -> dict[str, Replicates]:
    """What `pack_replicates` was given, exactly. Raises `UsageError` for another shape."""
    try:
        return {
            name: Replicates.from_dict(
                {**stored, "parts": [{**part, **packed["assignments"][part["assignment"]]} for part in stored["parts"]]}
            )
            for name, stored in packed["scores"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"stored replicates are damaged ({error!r}): measure the clips again.") from error
