"""Williams' Latin squares (Aust. J. Sci. Res. A 2, 1949): every condition equally often in every position, and every
ordered pair of conditions equally often next to each other."""

from __future__ import annotations


def williams_row(conditions: int) -> list[int]:
    """The row that a square is developed from: its steps are all different, when `conditions` is even.

    >>> williams_row(6)
    [0, 1, 5, 2, 4, 3]
    """
    return [(step + 1) // 2 if step % 2 else -(step // 2) % conditions for step in range(conditions)]


def williams_square(conditions: int) -> list[list[int]]:
    """`conditions` rows, or twice as many for an odd number: the second half is the first one mirrored.

    >>> williams_square(3)
    [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1], [1, 0, 2]]
    """
    row = williams_row(conditions)
    rows = [[(condition + shift) % conditions for condition in row] for shift in range(conditions)]
    return rows + [line[::-1] for line in rows] if conditions % 2 else rows
