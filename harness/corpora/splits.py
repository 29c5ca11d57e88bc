"""Which split a track belongs to: whole tracks, by a seeded hash, with a fixed number per package.

A clip cut from a track is always in the split of its track, so that nothing the model trained on can turn up in what it
is measured against. Within a package the tracks are ordered by a hash of their name; the first `test` of them are held
out for testing, the next `valid` for validation, the rest train. The order depends on nothing but seed and names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SPLITS = ("train", "valid", "test")


def assign(package: str, paths: Sequence[str], valid: int, test: int, seed: int) -> dict[str, str]:
    """The split of every path of one package: `test` tracks held out, `valid` for validation, the others train.

    >>> assign("songs", ["a.ogg", "b.ogg", "c.ogg"], valid=1, test=1, seed=0)
    {'a.ogg': 'test', 'c.ogg': 'valid', 'b.ogg': 'train'}
    """
    ordered = sorted(paths, key=lambda path: hashlib.sha256(f"{seed}:{package}:{path}".encode()).hexdigest())
    return {
        path: "test" if rank < test else "valid" if rank < test + valid else "train"
        for rank, path in enumerate(ordered)
    }
