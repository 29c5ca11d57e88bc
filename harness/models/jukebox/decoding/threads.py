"""How many threads a model of a given width is worth.

A small model gains next to nothing from a second thread, and loses much where another program wants the same core. In a
wide one every thread reads its own share of the weights. One thread also makes codes independent of how many torch was
given, for sums over threads round differently. The measurements are in results/benchmarks/engine.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache

import torch
from threadpoolctl import ThreadpoolController

WIDE = 1024
"""From this width on a model uses all of torch's threads."""


def threads_for(width: int) -> AbstractContextManager[None]:
    """One thread for a model narrower than 1024, as many as torch was given for a wider one."""
    return threads(1 if width < WIDE else torch.get_num_threads())


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads for torch and for numpy."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with _controller().limit(limits=count, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
