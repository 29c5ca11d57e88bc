"""How fast a model samples on this machine, as measured by the last run: what a plan's time is estimated from.

    <cache>/rates.json      digest of the model's fingerprint and the device → rate

The unit is codes per second where a model counts its codes, else seconds of audio per second. A rate belongs to the
machine, so it lies in the user's cache and not among results, which are the same wherever they were made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.identity import digest, readable_json
from harness.models.base import CountsTokens, Model
from harness.planning.plan import ClipRequest, Plan
from harness.store.clips import Store

SHORTEST_SECONDS = 0.2
"""What took less says more about the clock than about the model."""


@dataclass(frozen=True)
class Rate:
    """`per_second` in `unit`: "tokens", or "seconds" of audio."""

    model: str
    unit: str
    per_second: float


def rates_file() -> Path:
    from metrics.io.weights import cache_dir

    return cache_dir() / "rates.json"


def tokens(plan: Plan, model: Model, requests: Sequence[ClipRequest]) -> int | None:
    """Codes to be drawn for `requests`; None for a model that does not count them."""
    if not isinstance(model, CountsTokens):
        return None
    conditionings = plan.encode(model)
    return sum(model.tokens(conditionings[request.asked], request.condition.sampling) for request in requests)


def known_rate(model: Model) -> Rate | None:
    """The rate that the last run measured with this model on this device; None when there was none."""
    try:
        return Rate(**json.loads(rates_file().read_text("utf-8"))[_key(model)])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def measured_rate(plan: Plan, model: Model, store: Store) -> Iterator[None]:
    """Remember how fast the clips of `plan` were sampled in this block, also when it is left by an error."""
    before, started = store.missing(request.id for request in plan.requests), time.monotonic()
    try:
        yield
    finally:
        elapsed = time.monotonic() - started
        if before and elapsed >= SHORTEST_SECONDS:
            made = set(before) - set(store.missing(before))
            _remember(plan, model, [request for request in plan.requests if request.id in made], elapsed)


def _remember(plan: Plan, model: Model, requests: Sequence[ClipRequest], elapsed: float) -> None:
    count = tokens(plan, model, requests) if requests else None
    work = sum(request.seconds for request in requests) if count is None else count
    if not work:
        return
    from metrics.io.files import write_bytes

    known: dict[str, object] = {}
    with suppress(OSError, ValueError):
        kept = json.loads(rates_file().read_text("utf-8"))
        known = kept if isinstance(kept, dict) else {}
    rate = Rate(model.name, "seconds" if count is None else "tokens", work / elapsed)
    with suppress(OSError):  # no cache, no estimate: nothing that a run should stop for
        write_bytes(rates_file(), readable_json({**known, _key(model): asdict(rate)}))


def _key(model: Model) -> str:
    return digest({"model": model.fingerprint(), "device": str(getattr(model, "device", "cpu"))})
