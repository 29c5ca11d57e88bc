"""Comparing a value with the one expected, and keeping what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
import torch

from harness.core.errors import HarnessError

FLOAT = 1e-5
"""Largest difference of a float value of one module."""
AUDIO = 1e-4
"""Largest difference of audio decoded from codes, in units of full scale."""


@dataclass(frozen=True)
class Check:
    """One comparison: `difference` is the largest absolute one (float values) or the number of unequal entries."""

    case: str
    name: str
    passed: bool
    difference: float
    tolerance: float  # 0 where values must be equal
    reason: str = ""  # of a failure, beyond the number

    def __str__(self) -> str:
        """
        >>> print(Check("prior", "preds_a", False, 0.25, 1e-5, "at [0]: 1.25, expected 1"))
        FAIL  preds_a: 2.5e-01 of 1e-05 (at [0]: 1.25, expected 1)
        >>> print(Check("prior", "codes", True, 0, 0.0))
        PASS  codes: 0 unequal
        """
        found = f"{self.difference:.1e} of {self.tolerance:.0e}" if self.tolerance else f"{self.difference:.0f} unequal"
        if isnan(self.difference):
            return f"FAIL  {self.name}: {self.reason or 'not a number'}"
        return f"{'PASS' if self.passed else 'FAIL'}  {self.name}: {found}{f' ({self.reason})' if self.reason else ''}"


class GoldenReport:
    """Collects the checks of a case."""

    def __init__(self, case: str) -> None:
        self.case = case
        self.checks: list[Check] = []

    def close(self, name: str, ours: Any, expected: Any, tolerance: float = FLOAT) -> None:
        """Float values of the same shape, none further from its counterpart than `tolerance`."""
        a, b = _array(ours).astype(np.float64), _array(expected).astype(np.float64)
        if a.shape != b.shape:
            return self.fail(name, f"shape {a.shape} where {b.shape} was expected", tolerance)
        difference = float(np.abs(a - b).max(initial=0.0))
        passed = difference <= tolerance  # false for NaN
        self._add(name, passed, difference, tolerance, "" if passed else _worst(a, b))

    def equal(self, name: str, ours: Any, expected: Any) -> None:
        """Whole numbers, names or booleans: the same shape and the same in every entry."""
        a, b = _array(ours), _array(expected)
        if a.shape != b.shape:
            return self.fail(name, f"shape {a.shape} where {b.shape} was expected")
        unequal = a != b
        count = int(unequal.sum())
        self._add(name, count == 0, count, 0.0, _first(unequal, a, b) if count else "")

    def same(self, name: str, ours: Any, expected: Any) -> None:
        """JSON values, equal as a whole or entry by entry where they are lists."""
        if isinstance(ours, list) and isinstance(expected, list) and len(ours) == len(expected):
            wrong = [place for place, pair in enumerate(zip(ours, expected, strict=True)) if pair[0] != pair[1]]
            where = f"entry {wrong[0]} is {ours[wrong[0]]}, expected {expected[wrong[0]]}" if wrong else ""
        else:
            wrong = [] if ours == expected else [0]
            where = f"is {_short(ours)}, expected {_short(expected)}" if wrong else ""
        self._add(name, not wrong, len(wrong), 0.0, where)

    def fail(self, name: str, reason: str, tolerance: float = 0.0) -> None:
        """Add a failed check."""
        self._add(name, False, float("nan"), tolerance, reason)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Whatever goes wrong inside becomes a failed check of this name: a set of vectors is judged to its end."""
        try:
            yield
        except HarnessError as error:
            self.fail(name, str(error))
        except Exception as error:  # any defect of the vectors or of the engine is a result here
            self.fail(name, f"{type(error).__name__}: {error}".strip().split("\n")[0])

    def _add(self, name: str, passed: bool, difference: float, tolerance: float, reason: str) -> None:
        self.checks.append(Check(self.case, name, passed, difference, tolerance, reason))


def _array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _worst(a: np.ndarray, b: np.ndarray) -> str:
    place = np.unravel_index(int(np.abs(a - b).argmax()), a.shape)
    return f"at {list(map(int, place))}: {a[place]:.6g}, expected {b[place]:.6g}"


def _first(unequal: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    place = tuple(int(axis[0]) for axis in np.nonzero(unequal))
    return f"first at {list(place)}: {a[place]}, expected {b[place]}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"
