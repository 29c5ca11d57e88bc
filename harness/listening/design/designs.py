"""Which listener meets what, in which order: the designs of a listening study, seeded and balanced.

A design knows conditions and items (a prompt and an index) by number alone. Whether what it promises holds for this
number of listeners is counted from the lists that were made (`harness.listening.design.balance`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from harness.core.errors import UsageError
from harness.listening.design.balance import Balance, measure
from harness.listening.design.blocks import blocks_to_balance
from harness.listening.design.control_trials import with_extras
from harness.listening.design.pages import PageShape, block_pages, random_pages, williams_pages
from harness.listening.design.pairs import PairShape, listeners_to_balance, pair_lists, rounds_to_balance
from harness.listening.design.positions import DesignSettings, Layout, Role, Slot
from harness.listening.design.sequences import Shape, random_sequences, williams_sequences

__all__ = ["DESIGNS", "Design", "DesignSettings", "Layout", "Role", "Slot", "make_design"]

PAGE_LIMIT = 12
"""Conditions on a page at most (ITU-R BS.1534-3)."""

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
    """Lists of all listeners, each with its training first."""

    name: str
    listeners: tuple[tuple[Slot, ...], ...]
    balance: Balance


def make_design(settings: DesignSettings) -> Design:
    """The lists of a study; the same settings make the same lists.

    Raises `UsageError` for settings that no design fits, saying which would.
    """
    name = design_name(settings)
    tests = _tests(settings, name, Random(f"{settings.seed} order"))
    lists = tuple(
        tuple(with_extras(slots, settings, listener, Random(f"{settings.seed} extras {listener}")))
        for listener, slots in enumerate(tests)
    )
    shown = "random order" if settings.conditions == 1 else DESIGNS[name]
    return Design(shown, lists, measure(lists, settings, promises(settings, name)))


def design_name(settings: DesignSettings) -> str:
    """The key in `DESIGNS` of the design that is asked for, or that fits. Raises `UsageError`."""
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
    """What of the balance matters, with the number of listeners that a design promises it for; None: for none."""
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


def _tests(settings: DesignSettings, name: str, random: Random) -> Sequence[Sequence[Slot]]:
    size, items, listeners, trials = settings.conditions, settings.items, settings.listeners, settings.trials
    if settings.layout == "single":
        sequences = {"williams": williams_sequences, "random": random_sequences}[name]
        lists = sequences(Shape(size, items, listeners, trials), random)
        return [[Slot(cell.item, (cell.condition,)) for cell in one] for one in lists]
    if settings.layout == "pair":
        pairs = pair_lists(PairShape(size, items, listeners, trials, settings.probe), random)
        return [[Slot(trial.item, trial.conditions, "test", trial.probe) for trial in one] for one in pairs]
    pages = {"williams": williams_pages, "blocks": block_pages, "random": random_pages}[name]
    shape = PageShape(size, settings.width, items, listeners, trials)
    return [[Slot(page.item, page.conditions) for page in one] for one in pages(shape, random)]


def _check(settings: DesignSettings) -> None:
    """Raises `UsageError` for numbers that make no study."""
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
            f"{trials} trials per listener were asked for; {conditions} conditions and {settings.items} items make 1 "
            f"to {settings.all_trials}."
        )
    if settings.block is not None and settings.layout != "page":
        raise UsageError(f"a block of {settings.block} conditions was asked for; only a page shows several at once.")
    if not 1 <= settings.width <= conditions or (settings.layout == "page" and settings.width < 2):
        raise UsageError(f"{settings.block} conditions on a page were asked for; expected 2 to {conditions}.")
    if settings.width > PAGE_LIMIT:
        raise UsageError(
            f"{settings.width} conditions do not fit on a page: ITU-R BS.1534 allows {PAGE_LIMIT}. Show some of them "
            f"on each page: block={-(-conditions // 2) if conditions <= 2 * PAGE_LIMIT else PAGE_LIMIT} (--block)."
        )
    if settings.repeats > trials // 2:
        raise UsageError(
            f"{settings.repeats} repeats were asked for; lists of {trials} trials have room for {trials // 2}."
        )
