"""What no engine can beat: reading the weights of a step once. Three passes over the same bytes, each timed alone."""

from __future__ import annotations

from collections.abc import Callable

import torch

from harness.models.jukebox.network.prior import Prior
from tests.benchmarks.jukebox_shapes import step_weights
from tests.benchmarks.timing import CLOCKS

BYTES_A_ROUND = 2e9
"""A round reads about this much: a tenth of a second on two CPU cores."""

GEMV_WIDTH = 1024


class Floor:
    """The passes of one prior and batch, over as many bytes as a step's weights have: a processor's caches help a pass
    as they help an engine."""

    def __init__(self, prior: Prior, batch: int, synchronise: Callable[[], object], clock: str = "wall") -> None:
        weights = step_weights(prior)
        self.synchronise, self.now = synchronise, CLOCKS[clock]
        self.flat = torch.cat([weight.flatten() for weight in weights.values()])
        self.bytes = self.flat.numel() * self.flat.element_size()
        self.matrix = self.flat[: self.flat.numel() // GEMV_WIDTH * GEMV_WIDTH].view(-1, GEMV_WIDTH)
        self.vector = self.flat.new_ones(GEMV_WIDTH)
        self.out = self.flat.new_empty(len(self.matrix))
        matrices = [
            weight.T if name == "prior.x_out.weight" else weight for name, weight in weights.items() if weight.ndim == 2
        ]
        self.products_of = [
            (weight.new_ones(batch, len(weight)), weight, weight.new_empty(batch, weight.shape[1]))
            for weight in matrices
        ]

    def sum(self) -> None:
        """Every weight added up: a plain read."""
        self.flat.sum()

    def gemv(self) -> None:
        """All weights as one matrix, times a vector."""
        torch.mv(self.matrix, self.vector, out=self.out)

    def products(self) -> None:
        """Every matrix of the step times the batch's rows, as the checkpoint stores it, and nothing else of the step.
        Not a floor: from a batch on it is arithmetic that bounds a step, and this says where."""
        for rows, weight, out in self.products_of:
            torch.mm(rows, weight, out=out)

    def seconds(self, name: str) -> float:
        """Mean seconds of the pass of that name, over as many as read `BYTES_A_ROUND` (at most half a second)."""
        action = getattr(self, name)
        action()
        self.synchronise()
        started, passes = self.now(), 0
        while passes < BYTES_A_ROUND / self.bytes and (passes < 3 or self.now() - started < 0.5):
            action()
            passes += 1
        self.synchronise()
        return (self.now() - started) / passes
