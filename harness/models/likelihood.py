"""How likely audio is under a model: the request, the result, and what a family of models brings to compute it.

A family offers this behind the door "likelihood" of `harness.models.registry`: a module with the functions of
`LikelihoodDoor`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.core.errors import UsageError
from harness.prompts.prompt import Prompt

LUFS = -23.0
"""The loudness that audio is brought to before it is encoded: that of the music the embedded model was trained on."""


@dataclass(frozen=True)
class LikelihoodRequest:
    """What audio is scored under.

    Args:
        prompt: the labels, or a text to take them from; None for no labels.
        offset_seconds: where in a longer piece the audio begins.
        total_seconds: length of that piece; None for what the model takes a clip for an excerpt of when it samples, or
            the audio's own length where that is more.
        lufs: the loudness that the audio is brought to; None leaves it as it is.

    Raises:
        UsageError: an offset below 0, or a length of the piece that is not positive.
    """

    prompt: Prompt | None = None
    offset_seconds: float = 0.0
    total_seconds: float | None = None
    lufs: float | None = LUFS

    def __post_init__(self) -> None:
        if not (math.isfinite(self.offset_seconds) and self.offset_seconds >= 0):
            raise UsageError(f"the offset was {self.offset_seconds} s: 0 or more was expected.")
        if self.total_seconds is not None and not (math.isfinite(self.total_seconds) and self.total_seconds > 0):
            raise UsageError(
                f"the length of the whole piece was {self.total_seconds} s: a positive number was expected."
            )


@dataclass(frozen=True, eq=False)
class LevelLikelihood:
    """One level. `nats_by_code` float32 (codes,) is −ln p of each code, `code_seconds` the length of one."""

    level: int
    nats_by_code: NDArray[np.float32]
    code_seconds: float

    @property
    def codes(self) -> int:
        """Number of codes."""
        return len(self.nats_by_code)

    @property
    def nats(self) -> float:
        """−ln p of all codes."""
        return float(self.nats_by_code.sum(dtype=np.float64))

    @property
    def seconds(self) -> float:
        """Of audio that the codes stand for."""
        return self.codes * self.code_seconds

    @property
    def nats_per_token(self) -> float:
        """Mean over the codes."""
        return self.nats / self.codes

    @property
    def bits_per_token(self) -> float:
        """Mean over the codes."""
        return self.nats_per_token / math.log(2)

    @property
    def bits_per_second(self) -> float:
        """Bits per second of audio."""
        return self.bits_per_token / self.code_seconds

    def by_second(self) -> NDArray[np.float64]:
        """Bits per token of the codes that begin in each second, (seconds,): the surprise over time."""
        second = np.floor(np.arange(self.codes) * self.code_seconds + 1e-9).astype(np.int64)
        bits = np.bincount(second, self.nats_by_code.astype(np.float64)) / math.log(2)
        return bits / np.bincount(second)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; of the codes their means by second."""
        return {
            "level": self.level, "codes": self.codes, "nats": self.nats, "nats_per_token": self.nats_per_token,
            "bits_per_token": self.bits_per_token, "bits_per_second": self.bits_per_second,
            "bits_per_token_by_second": self.by_second().tolist(),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Likelihood:
    """All levels, the finest first; `seconds` of audio were scored. `provenance` names the model, the labels and
    whatever else changes the values."""

    levels: tuple[LevelLikelihood, ...]
    seconds: float
    provenance: dict[str, Any]

    @property
    def codes(self) -> int:
        """Number of codes of all levels."""
        return sum(level.codes for level in self.levels)

    @property
    def nats(self) -> float:
        """−ln p of the codes of all levels, each level given the one above."""
        return sum(level.nats for level in self.levels)

    @property
    def bits_per_second(self) -> float:
        """Of audio, all levels together."""
        return self.nats / math.log(2) / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it; of the codes their means by second."""
        return {
            "seconds": self.seconds, "codes": self.codes, "nats": self.nats, "bits_per_second": self.bits_per_second,
            "levels": [level.as_dict() for level in self.levels], "provenance": self.provenance,
        }  # fmt: skip


class LikelihoodDoor(Protocol):
    """What a family of models brings to score audio: reading each clip first, then all of them level by level."""

    def check_request(self, model: Any, request: LikelihoodRequest, /) -> None:
        """Raise `UsageError` for labels that the model does not know, before any audio is read."""
        ...

    def encode_clip(self, model: Any, audio: ArrayLike, rate: int, request: LikelihoodRequest | None = None, /) -> Any:
        """Mono audio (samples,) at `rate` Hz as the model reads it.

        Raises `AudioError` for audio that cannot be scored, `UsageError` for labels or a place that the model does not
        know.
        """
        ...

    def likelihoods(
        self, model: Any, clips: Sequence[Any], progress: Callable[[int, int], None] = lambda done, total: None, /
    ) -> list[Likelihood]:
        """The likelihood of each encoded clip. `progress(done, total)` counts windows."""
        ...
