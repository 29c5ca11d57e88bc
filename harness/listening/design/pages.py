"""Orders for studies with several stimuli side by side: which conditions are on a page, where, and for which item.

The pages of all listeners are taken in order from one common sequence, so that counts over all of them are as even as
their number allows.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np

from harness.listening.design.blocks import Block, balanced_blocks
from harness.listening.design.williams import williams_row


class Page(NamedTuple):
    item: int
    conditions: Block


class PageShape(NamedTuple):
    """`pages`: how many one listener sees, each with another item and `block` of the conditions."""

    conditions: int
    block: int
    items: int
    listeners: int
    pages: int


def williams_pages(shape: PageShape, random: Random) -> list[list[Page]]:
    """All conditions on every page, from top to bottom in the order of a row of a Williams square.

    Each row is used once, in random order, before any is used again (the mirrored rows of an odd number after the
    others).

    Args:
        shape: numbers of conditions, items, listeners and pages.
        random: random numbers.

    Returns:
        The pages of each listener.
    """
    names = random.sample(range(shape.conditions), shape.conditions)
    deck: list[Block] = []
    mirrored = False
    while len(deck) < shape.listeners * shape.pages:
        row = williams_row(shape.conditions)[:: -1 if mirrored else 1]
        shifts = random.sample(range(shape.conditions), shape.conditions)
        deck += [tuple(names[(c + shift) % shape.conditions] for c in row) for shift in shifts]
        mirrored = shape.conditions % 2 == 1 and not mirrored
    return _with_items(deck, shape, random)


def block_pages(shape: PageShape, random: Random) -> list[list[Page]]:
    """A block of the conditions on every page; those of a listener in random order.

    Args:
        shape: numbers of conditions, items, listeners and pages.
        random: random numbers.

    Returns:
        The pages of each listener.
    """
    deck = balanced_blocks(shape.conditions, shape.block, shape.listeners * shape.pages, random)
    for start in range(0, len(deck), shape.pages):
        deck[start : start + shape.pages] = random.sample(deck[start : start + shape.pages], shape.pages)
    return _with_items(deck, shape, random)


def random_pages(shape: PageShape, random: Random) -> list[list[Page]]:
    """All conditions on every page in random order, none in the position it had on the listener's previous page.

    Args:
        shape: numbers of conditions, items, listeners and pages.
        random: random numbers.

    Returns:
        The pages of each listener.
    """
    deck: list[Block] = []
    for n in range(shape.listeners * shape.pages):
        order = random.sample(range(shape.conditions), shape.conditions)
        while n % shape.pages and any(new == old for new, old in zip(order, deck[-1], strict=True)):
            random.shuffle(order)  # one order in e (2.7) is free of them, one in two for two conditions
        deck.append(tuple(order))
    return _with_items(deck, shape, random)


def _with_items(deck: list[Block], shape: PageShape, random: Random) -> list[list[Page]]:
    """Divide the pages among listeners, each with the items that were least often shown under its conditions so far."""
    from scipy.optimize import linear_sum_assignment

    met = np.zeros((shape.conditions, shape.items))
    chance = np.random.default_rng(random.getrandbits(64))
    lists = []
    for listener in range(shape.listeners):
        blocks = deck[listener * shape.pages : (listener + 1) * shape.pages]
        cost = np.array([met[list(block)].sum(0) for block in blocks])
        chosen = linear_sum_assignment(cost + 0.01 * chance.random(cost.shape))[1]
        for block, item in zip(blocks, chosen, strict=True):
            met[list(block), item] += 1
        lists.append([Page(int(item), block) for block, item in zip(blocks, chosen, strict=True)])
    return lists
