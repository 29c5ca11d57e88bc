from collections import Counter
from itertools import combinations, pairwise, permutations
from random import Random

import pytest

from harness.listening.design.blocks import balanced_blocks, blocks_to_balance, difference_family
from harness.listening.design.williams import williams_square

SIZES = [(conditions, size) for conditions in range(3, 14) for size in range(2, conditions)]


@pytest.mark.parametrize("conditions", range(2, 13))
def test_a_williams_square_has_every_position_and_every_ordered_pair_equally_often(conditions: int) -> None:
    square = williams_square(conditions)
    assert len(square) == (conditions if conditions % 2 == 0 else 2 * conditions)
    for column in zip(*square, strict=True):
        assert len(set(Counter(column).values())) == 1
    pairs = Counter(pair for row in square for pair in pairwise(row))
    assert set(pairs) == set(permutations(range(conditions), 2))
    assert len(set(pairs.values())) == 1


@pytest.mark.parametrize(("conditions", "size"), SIZES)
def test_every_family_has_each_difference_equally_often(conditions: int, size: int) -> None:
    family = difference_family(conditions, size)
    differences = Counter((a - b) % conditions for base in family for a, b in permutations(base, 2))
    assert [differences[d] for d in range(1, conditions)] == [len(family) * size * (size - 1) // (conditions - 1)] * (
        conditions - 1
    )
    assert blocks_to_balance(conditions, size) == conditions * len(family)


@pytest.mark.parametrize(("conditions", "size", "blocks"), [(7, 3, 7), (11, 5, 11), (13, 4, 13), (7, 4, 7), (6, 5, 6)])
def test_the_planes_are_found(conditions: int, size: int, blocks: int) -> None:
    """Fano's plane, the biplane of 11 points and the projective plane of order 3, complements, all but one."""
    assert blocks_to_balance(conditions, size) == blocks


@pytest.mark.parametrize(("conditions", "size"), [(4, 2), (7, 3), (9, 4), (12, 5), (8, 7)])
@pytest.mark.parametrize("extra", [0, 1, 5])
def test_blocks_are_exact_in_multiples_and_near_it_otherwise(conditions: int, size: int, extra: int) -> None:
    whole = blocks_to_balance(conditions, size) or 0
    blocks = balanced_blocks(conditions, size, whole + extra, Random(1))
    assert len(blocks) == whole + extra
    assert all(len(set(block)) == size for block in blocks)
    positions = [Counter(column) for column in zip(*blocks, strict=True)]
    pairs = Counter(pair for block in blocks for pair in combinations(sorted(block), 2))
    assert all(max(count.values()) - min(count.values()) <= (extra > 0) for count in positions)
    uneven = max(pairs.values()) - min(pairs.values())
    assert uneven == 0 if extra == 0 else uneven <= 2


def test_exchanges_find_the_affine_plane_of_order_three() -> None:
    """12 blocks of 3 among 9 pair all exactly once; its 36 cyclic blocks are the exact design for positions too."""
    blocks = balanced_blocks(9, 3, 12, Random(1))
    assert set(Counter(pair for block in blocks for pair in combinations(sorted(block), 2)).values()) == {1}


def test_without_a_family_blocks_are_as_even_as_exchanges_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.listening.design.blocks.difference_family", lambda conditions, size: ())
    assert blocks_to_balance(8, 3) is None
    blocks = balanced_blocks(8, 3, 20, Random(2))
    counts = Counter(condition for block in blocks for condition in block)
    assert len(blocks) == 20
    assert max(counts.values()) - min(counts.values()) <= 1
