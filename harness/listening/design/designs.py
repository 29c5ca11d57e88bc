"""Which listener has which trials, in which order: the designs of a listening study, seeded and balanced.

A design knows conditions and items (a prompt and an index) by number alone. Whether its promises hold for a given
number of listeners is counted from the finished lists (`harness.listening.design.balance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from harness.core.errors import UsageError
from harness.listening.design.balance import Balance, measure
from harness.listening.design.blocks import blocks_to_balance
from harness.listening.design.control_trials import with_control_trials
from harness.listening.design.pages import PageShape, block_pages, random_pages, williams_pages
from harness.listening.design.pairs import PairShape, listeners_to_balance, pair_lists, rounds_to_balance
from harness.listening.design.sequences import SequenceShape, random_sequences, williams_sequences
from harness.listening.design.settings import PAGE_LIMIT, DesignSettings, DesignTrial
from harness.listening.kinds.catalogue import Layout

DESIGNS = {
    "williams": "Williams square",
    "blocks": "balanced incomplete blocks",
    "random": "constrained random",
    "pairs": "all pairs",
}
FITTING: dict[Layout, tuple[str, ...]] = {
    "single": ("williams", "random"),
    "page": ("williams", "random"),
    "pair": ("pairs",),
}


@dataclass(frozen=True)
class Design:
    """The lists of all listeners, each with its training first, and how balanced they are."""

    name: str
    listeners: tuple[tuple[DesignTrial, ...], ...]
    balance: Balance

    @property
    def listener_names(self) -> list[str]:
        """The name of each list, L01, L02, …"""
        return listener_names(len(self.listeners))


def listener_names(count: int) -> list[str]:
    """Names of equal length.

    >>> listener_names(2), listener_names(100)[-1]
    (['L01', 'L02'], 'L100')
    """
    width = max(2, len(str(count)))
    return [f"L{number:0{width}d}" for number in range(1, count + 1)]


def make_design(settings: DesignSettings) -> Design:
    """The lists of a study; equal settings give equal lists.

    Args:
        settings: numbers of conditions, items, listeners and trials.

    Raises:
        UsageError: for settings that no design fits, saying which would.
    """
    name = design_name(settings)
    # These texts seed the lists of every study that exists: they stay as they are.
    tests = _tests(settings, name, Random(f"{settings.seed} order"))
    lists = tuple(
        tuple(with_control_trials(trials, settings, listener, Random(f"{settings.seed} extras {listener}")))
        for listener, trials in enumerate(tests)
    )
    shown = "random order" if settings.conditions == 1 else DESIGNS[name]
    return Design(shown, lists, measure(lists, settings, promises(settings, name)))


def design_name(settings: DesignSettings) -> str:
    """The key in `DESIGNS` of the requested design, or of one that fits. Raises `UsageError`."""
    from metrics.api.registry import unknown_name

    _check(settings)
    in_blocks = settings.layout == "page" and settings.width < settings.conditions
    fitting = ("random",) if settings.conditions == 1 else ("blocks",) if in_blocks else FITTING[settings.layout]
    if settings.name == "auto":
        return fitting[0]
    if settings.name not in DESIGNS:
        raise UsageError(unknown_name("design", settings.name, ["auto", *DESIGNS]))
    if settings.name not in fitting:
        shown = {"single": "one stimulus at a time", "pair": "pairs", "page": "all conditions on a page"}
        what = "some of the conditions on a page" if in_blocks else shown[settings.layout]
        what = "one condition alone" if settings.conditions == 1 else what
        needed = (
            "; blocks need block= (--block), fewer than all conditions on a page" if settings.name == "blocks" else ""
        )
        raise UsageError(f"{DESIGNS[settings.name]} do not fit {what}; expected {' or '.join(fitting)}{needed}.")
    return settings.name


def promises(settings: DesignSettings, name: str) -> dict[str, int | None]:
    """The counts that matter, each with the number of listeners for which the design makes it equal, or None.

    Args:
        settings: what the design is made from.
        name: a key of `DESIGNS`.

    Returns:
        Number of listeners by key of `harness.listening.design.balance.COUNT_NAMES`.
    """
    size, trials = settings.conditions, settings.trials
    if size == 1:
        return {"items": listeners_to_balance(settings.items, trials)}
    if settings.layout == "single":
        rounds, left = divmod(trials, size)
        square = size if size % 2 == 0 or rounds % 2 == 0 else 2 * size
        williams = name == "williams"
        return {
            "positions": size if williams else None,
            "neighbours": square if williams and not left else None,
            "items": size,
        } | ({} if rounds else {"together": None})
    if settings.layout == "pair":
        pairs = size * (size - 1) // 2
        both = listeners_to_balance(pairs * rounds_to_balance(probe=False), trials)
        found: dict[str, int | None] = {
            "together": listeners_to_balance(pairs, trials),
            "orders": both,
            "positions": both,
        }
        if settings.probe:
            found["probes"] = listeners_to_balance(pairs * rounds_to_balance(probe=True), trials)
        return found | {"items": listeners_to_balance(pairs * settings.items, trials)}
    if name == "blocks":
        blocks = blocks_to_balance(size, settings.width)
        whole = blocks and listeners_to_balance(blocks, trials)
        return {"positions": whole, "together": whole, "items": None}
    square = size if size % 2 == 0 else 2 * size
    williams = name == "williams"
    return {
        "positions": listeners_to_balance(size, trials) if williams else None,
        "neighbours": listeners_to_balance(square, trials) if williams else None,
        "items": 1,
    }


def _tests(settings: DesignSettings, name: str, random: Random) -> Sequence[Sequence[DesignTrial]]:
    size, items, listeners, trials = settings.conditions, settings.items, settings.listeners, settings.trials
    if settings.layout == "single":
        sequences = {"williams": williams_sequences, "random": random_sequences}[name]
        lists = sequences(SequenceShape(size, items, listeners, trials), random)
        return [[DesignTrial(cell.item, (cell.condition,)) for cell in one] for one in lists]
    if settings.layout == "pair":
        pairs = pair_lists(PairShape(size, items, listeners, trials, settings.probe), random)
        return [[DesignTrial(trial.item, trial.conditions, "test", trial.probe) for trial in one] for one in pairs]
    pages = {"williams": williams_pages, "blocks": block_pages, "random": random_pages}[name]
    shape = PageShape(size, settings.width, items, listeners, trials)
    return [[DesignTrial(page.item, page.conditions) for page in one] for one in pages(shape, random)]


def _check(settings: DesignSettings) -> None:
    """Raise `UsageError` for numbers of which no study can be made."""
    conditions, trials = settings.conditions, settings.trials
    if conditions < 1 or (conditions == 1 and settings.layout != "single"):
        raise UsageError(
            f"conditions was {conditions}; expected 2 or more to compare, or 1 to be rated alone: --kind acr or affect."
        )
    for name, least in {"items": 1, "listeners": 1, "repeats": 0, "traps": 0, "golds": 0, "training": 0}.items():
        number = getattr(settings, name)
        if number is not None and number < least:
            raise UsageError(f"{name} was {number}; expected {least} or more.")
    if settings.probe and settings.layout != "pair":
        raise UsageError(f"a probe (ABX) needs two stimuli in a trial; this study shows a {settings.layout}.")
    if not 1 <= trials <= settings.all_trials:
        raise UsageError(
            f"{trials} trials per listener were requested; {conditions} conditions and {settings.items} items make 1 "
            f"to {settings.all_trials}."
        )
    if settings.block is not None and settings.layout != "page":
        raise UsageError(f"a block of {settings.block} conditions was requested; only a page shows several at once.")
    if not 1 <= settings.width <= conditions or (settings.layout == "page" and settings.width < 2):
        raise UsageError(f"{settings.block} conditions on a page were requested; expected 2 to {conditions}.")
    if settings.width > PAGE_LIMIT:
        raise UsageError(
            f"{settings.width} conditions do not fit on a page: ITU-R BS.1534 allows {PAGE_LIMIT}. Show some of them "
            f"on each page: block={-(-conditions // 2) if conditions <= 2 * PAGE_LIMIT else PAGE_LIMIT} (--block)."
        )
    if settings.repeats > trials // 2:
        raise UsageError(
            f"{settings.repeats} repeats were requested; lists of {trials} trials have room for {trials // 2}."
        )
