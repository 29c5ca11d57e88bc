"""Balanced incomplete blocks: some of many conditions at a time, so that every pair of them is equally often together.

Exact designs are developed from a cyclic difference family (Bose, Ann. Eugen. 9, 1939): base blocks whose differences
modulo the number of conditions are equally frequent; shifting a base block by one gives the next block, and each
condition once in every position. The remainder of a number of blocks that is no multiple is made as even as possible by
a seeded exchange.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import permutations
from math import gcd
from random import Random

import numpy as np

Block = tuple[int, ...]

RESTARTS, STEPS = 40, 300
"""Enough for every family of 3 to 20 conditions, most in less than 20 ms; the slowest, (20, 10), takes 0.45 s."""

EXCHANGES = 4000
FORBIDDEN = 1e6
"""The cost of a condition that the block does not hold."""


def balanced_blocks(conditions: int, size: int, count: int, random: Random) -> list[Block]:
    """`count` blocks of `size` different conditions, in the order of presentation.

    Exact for multiples of `blocks_to_balance`; else condition × position and pairs are as even as the search found.

    Args:
        conditions: number of conditions.
        size: conditions in a block.
        count: number of blocks.
        random: random numbers.
    """
    family = difference_family(conditions, size)
    exact = [tuple((c + shift) % conditions for c in base) for base in family for shift in range(conditions)]
    copies, left = divmod(count, len(exact)) if exact else (0, count)
    even = _even_blocks(conditions, size, left, random)
    names = random.sample(range(conditions), conditions)
    return [tuple(names[condition] for condition in block) for block in exact * copies + even]


def blocks_to_balance(conditions: int, size: int) -> int | None:
    """The number of blocks whose multiples have all pairs, and each condition in every position, equally often."""
    return conditions * len(difference_family(conditions, size)) or None


@lru_cache
def difference_family(conditions: int, size: int) -> tuple[Block, ...]:
    """The fewest base blocks whose differences modulo `conditions` are equally frequent, () when the search found none.

    >>> len(difference_family(7, 3)), len(difference_family(13, 4)), len(difference_family(11, 5))
    (1, 1, 1)
    """
    if 2 * size > conditions:  # the complements of a family are one as well
        if size >= conditions - 1:
            return (tuple(range(size)),)
        small = difference_family(conditions, conditions - size)
        return tuple(tuple(c for c in range(conditions) if c not in base) for base in small)
    fewest = (conditions - 1) // gcd(conditions - 1, size * (size - 1))
    random = Random(0)
    for bases in range(fewest, 6 * fewest + 1, fewest):
        for _ in range(RESTARTS):
            family = _climb([random.sample(range(conditions), size) for _ in range(bases)], conditions, random)
            if family:
                return family
    return ()


def _climb(family: list[list[int]], conditions: int, random: Random) -> tuple[Block, ...]:
    """Change one condition at a time while the differences do not get less even; () if they are not even at the end."""
    differences = [_differences(base, conditions) for base in family]
    total = [sum(counts) for counts in zip(*differences, strict=True)]
    uneven = _uneven(total)
    for _ in range(STEPS):
        if uneven == 0:
            return tuple(map(tuple, family))
        which, place = random.randrange(len(family)), random.randrange(len(family[0]))
        new = random.randrange(conditions)
        if new in family[which]:
            continue
        base = [*family[which][:place], new, *family[which][place + 1 :]]
        counts = _differences(base, conditions)
        changed = [old - out + into for old, out, into in zip(total, differences[which], counts, strict=True)]
        if _uneven(changed) <= uneven:
            family[which], differences[which], total, uneven = base, counts, changed, _uneven(changed)
    return ()


def _differences(base: list[int], conditions: int) -> list[int]:
    """How often each of 1 … conditions − 1 is a difference of two conditions."""
    counts = Counter((first - second) % conditions for first in base for second in base if first != second)
    return [counts[difference] for difference in range(1, conditions)]


def _uneven(counts: list[int]) -> int:
    """Zero when all are equal; the sum of squares about the mean, times their number."""
    return len(counts) * sum(count * count for count in counts) - sum(counts) ** 2


def _even_blocks(conditions: int, size: int, count: int, random: Random) -> list[Block]:
    """Blocks with each condition equally often, or once more, and pairs as even as exchanges make them."""
    if count == 0:
        return []
    dealt: list[int] = []
    while len(dealt) < count * size:
        begun = dealt[len(dealt) - len(dealt) % size :]  # a block that two rounds of all conditions share
        row = random.sample(range(conditions), conditions)
        dealt += sorted(row, key=lambda condition: condition in begun)
    blocks = [dealt[start : start + size] for start in range(0, count * size, size)]
    pairs = [[0] * conditions for _ in range(conditions)]
    for block in blocks:
        for first, second in permutations(block, 2):
            pairs[first][second] += 1
    for _ in range(EXCHANGES if count > 1 else 0):
        one, other = random.sample(blocks, 2)
        x, y = random.randrange(size), random.randrange(size)
        if one[x] in other or other[y] in one:
            continue
        before = one[x], other[y]
        worse = _replace(one, x, before[1], pairs) + _replace(other, y, before[0], pairs)
        if worse > 0:
            _replace(one, x, before[0], pairs)
            _replace(other, y, before[1], pairs)
    return _placed(blocks, conditions)


def _replace(block: list[int], place: int, new: int, pairs: list[list[int]]) -> int:
    """Put `new` at a place of the block, and return by how much that makes the counts of pairs less even."""
    worse, old = 0, block[place]
    for other in block[:place] + block[place + 1 :]:
        worse += 2 * (pairs[new][other] - pairs[old][other] + 1)
        for condition, change in ((old, -1), (new, 1)):
            pairs[condition][other] += change
            pairs[other][condition] += change
    block[place] = new
    return worse


def _placed(blocks: list[list[int]], conditions: int) -> list[Block]:
    """The blocks with their conditions ordered so that each is in every position as equally often as possible.

    Position by position, one condition of every block is chosen by the cheapest assignment, where a condition costs
    more with every use beyond its share of the remaining positions.
    """
    from scipy.optimize import linear_sum_assignment

    size = len(blocks[0])
    left = [set(block) for block in blocks]
    placed: list[list[int]] = [[] for _ in blocks]
    for positions in range(size, 0, -1):
        counts = Counter(condition for there in left for condition in there)
        most = -(-max(counts.values()) // positions)
        cost = np.full((len(blocks), conditions * most), FORBIDDEN)
        for n, there in enumerate(left):
            for condition in there:
                share = counts[condition] / positions
                cost[n, condition * most : (condition + 1) * most] = np.arange(most) - share
        for n, column in zip(*linear_sum_assignment(cost), strict=True):
            placed[n].append(column // most)
            left[n].discard(column // most)
    return [tuple(map(int, block)) for block in placed]
