"""What a researcher asks of a study, checked before anything is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import UsageError
from harness.listening.choose.selection import Choice
from harness.listening.design.designs import PAGE_LIMIT
from harness.listening.kinds.catalogue import LANGUAGES, find_kind
from harness.planning.listening import Listening

RATES = (8000, 96000)
LUFS = (-50.0, -5.0)


def check_range(option: str, value: float | None, low: float, high: float, unit: str = "") -> None:
    """Raise `UsageError` for a value of an option that is no number from `low` to `high`; None is not asked for."""
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise UsageError(f"{option} was {value:g}{unit}: {low:g} to {high:g}{unit} was expected.")


@dataclass(frozen=True)
class Format:
    """How stimuli shall sound. `rate` in Hz and `channels`: None to keep the sources', which must agree then.
    `seconds`: None for the length of the shortest clip. `start`, in s, is where an excerpt begins; `trim` leaves out
    silence at the ends first. `keep_clipped` takes clips that are clipped."""

    rate: int | None = 48000
    channels: int | None = None
    bits: int = 16
    flac: bool = False
    lufs: float = -23.0
    peak: float = -1.0
    fade_ms: float = 10.0
    seconds: float | None = None
    start: float = 0.0
    trim: bool = False
    keep_clipped: bool = False

    def __post_init__(self) -> None:
        check_range("--rate", self.rate, *RATES, " Hz")
        check_range("--lufs", self.lufs, *LUFS, " LUFS")
        check_range("--true-peak", self.peak, -20, 0, " dBTP")
        check_range("--fade-ms", self.fade_ms, 0, 1000, " ms")
        check_range("--seconds", self.seconds, 0.5, 3600, " s")
        check_range("--start", self.start, 0, 36000, " s")
        if self.channels not in (None, 1, 2):
            raise UsageError(f"--channels was {self.channels}: 1 or 2 was expected.")
        if self.bits not in (16, 24):
            raise UsageError(f"--bits was {self.bits}: 16 or 24 was expected.")


@dataclass(frozen=True)
class Order:
    """Who hears what: see `harness.listening.design.designs.DesignSettings`. `training`: None for one item where there
    are three or more; `traps` and `golds`: None for one in ten where the kind has them."""

    listeners: int = 12
    seed: int = 0
    per_listener: int | None = None
    block: int | None = None
    repeats: int = 0
    traps: int | None = None
    golds: int | None = None
    training: int | None = None
    design: str = "auto"

    def __post_init__(self) -> None:
        if self.listeners < 2:
            raise UsageError(
                f"--listeners was {self.listeners}: one listener's answers say nothing of others', 2 or more were "
                "expected. How many an effect needs says: harness stimuli plan"
            )
        check_range("--listeners", self.listeners, 2, 10_000)
        check_range("--seed", self.seed, 0, 2**63 - 1)
        check_range("--per-listener", self.per_listener, 1, 100_000)
        check_range("--block", self.block, 2, PAGE_LIMIT)
        for option, value in (("--repeats", self.repeats), ("--traps", self.traps), ("--golds", self.golds)):
            check_range(option, value, 0, 1000)
        check_range("--training", self.training, 0, 100)


@dataclass(frozen=True)
class StudySettings:
    """A study to be made of the clips of `source` in the folder `out`. `reference` (MUSHRA) is a condition or a folder
    of originals, `other` a folder of real music for the control "other music", `tasks` a file of what listeners work
    on. `secret` is a file to take the secret from. `name` stands in public files. `listening` is what the
    source's experiment declares, for a study of the kind declared."""

    source: str
    kind: str
    out: Path
    results: Path = Path("results")
    name: str = "listening study"
    language: str = "en"
    choice: Choice = field(default_factory=Choice)
    format: Format = field(default_factory=Format)
    order: Order = field(default_factory=Order)
    reference: str | None = None
    other: Path | None = None
    tasks: str | None = None
    secret: Path | None = None
    workers: int | None = None
    listening: Listening | None = None

    def __post_init__(self) -> None:
        kind = find_kind(self.kind)
        if self.language not in LANGUAGES:
            raise UsageError(f"--language was {self.language!r}: {' or '.join(LANGUAGES)} was expected.")
        check_range("--workers", self.workers, 1, 1024)
        if not self.name.strip() or len(self.name) > 200:
            raise UsageError(f"--name was {self.name[:50]!r}: 1 to 200 characters were expected.")
        if kind.reference and self.reference is None:
            raise UsageError(
                f"kind {kind.name!r} compares with a true reference, and none was named. Give the condition that holds "
                "it, or a folder of originals, with --reference; music made from a prompt has none: use --kind multi."
            )
        if self.reference is not None and not kind.reference:
            raise UsageError(f"--reference goes with --kind mushra: kind {kind.name!r} has no reference.")
        if self.other is not None and "other music" not in kind.controls:
            raise UsageError(f"--other goes with --kind ideation: kind {kind.name!r} has no other music.")
        if self.tasks is not None and not kind.open_answer:
            raise UsageError(f"--tasks goes with --kind ideation: kind {kind.name!r} has no task.")
        if self.order.block is not None and (kind.layout != "page" or kind.reference):
            raise UsageError(f"--block goes with --kind multi: trials of kind {kind.name!r} are whole.")
        for name in ("trap", "gold"):
            if getattr(self.order, f"{name}s") and name not in kind.attention:
                raise UsageError(f"kind {kind.name!r} has no {name} items: leave out --{name}s.")
        low, high = kind.seconds
        check_range("--seconds", self.format.seconds, low, high, f" s for kind {kind.name!r}")
