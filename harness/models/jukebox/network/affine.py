"""Affine maps, y = x @ w + b, and the ways to compute them for a few rows at a time.

Sampling multiplies every weight with a handful of rows, over and over: it is bound by how fast weights are read, and
BLAS libraries differ there by a factor of four. In float32 one row, and any few rows of a small matrix, go to numpy; a
few rows of a large one to oneDNN, which wants its weights packed. Lower precision always goes to oneDNN. On a GPU,
torch's own product is the fast one. The measurements are in results/benchmarks/engine.md.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

SMALL = 384 * 384
"""Entries of a matrix up to which numpy wins for any few rows."""


class Conv1D(nn.Module):
    """An affine map (…, n_in) -> (…, n_out), its weights stored as (n_in, n_out) as in the checkpoints. The product is
    computed in the weights' dtype."""

    def __init__(self, n_in: int, n_out: int, std: float = 0.02) -> None:
        super().__init__()
        self.n_in, self.n_out = n_in, n_out
        self.w: nn.Parameter | None = nn.Parameter(torch.randn(n_in, n_out) * std)
        self.b = nn.Parameter(torch.zeros(n_out))
        self.packed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, -2).to(self.b.dtype)  # (rows, n_in)
        if self.packed is not None:
            return packed_product(rows, self.packed, self.b).unflatten(0, x.shape[:-1])
        assert self.w is not None
        return torch.addmm(self.b, rows, self.w).unflatten(0, x.shape[:-1])

    def pack(self, rows: int) -> Tensor:
        """Replace the weights by a copy in the order that oneDNN reads for `rows` rows, which is returned.

        Other numbers of rows work too. In place, because two copies of a large model would not fit.
        """
        if self.packed is None:
            assert self.w is not None
            self.packed, self.w = pack(self.w.T, rows), None
        return self.packed


def pack(weight: Tensor, rows: int) -> Tensor:
    """Weights (n_out, n_in) in the order that oneDNN reads for `rows` rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), rows)


def packed_product(x: Tensor, packed: Tensor, b: Tensor | None) -> Tensor:
    """x (rows, n_in) -> (rows, n_out), with weights from `pack` and a bias (n_out,)."""
    return torch.ops.mkldnn._linear_pointwise(x, packed, b, "none", [], "")


class Affine(Protocol):
    """One affine map for a fixed number of rows. `out` (rows, n_out) is allocated once and written by every call."""

    out: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """float32 (rows, n_in) -> `out`."""
        ...


def affine(module: Conv1D | nn.Linear, rows: int) -> Affine:
    """The fastest way on this device to apply a map to a few rows again and again.

    Args:
        module: the map; its weights may be packed in place.
        rows: of every call.
    """
    linear = isinstance(module, nn.Linear)
    sample = module.weight if linear else module.b
    size = sample.numel() if linear else module.n_in * module.n_out
    packed_already = not linear and module.packed is not None  # for another number of rows, which works here too
    few = rows == 1 or size <= SMALL
    if sample.device.type == "cpu" and sample.dtype is torch.float32 and few and not packed_already:
        return NumpyAffine(*_matrix(module), rows)
    if sample.device.type == "cpu" and torch.backends.mkldnn.is_available():
        packed = pack(module.weight, rows) if linear else module.pack(rows)
        return PackedAffine(packed, None if linear else module.b, sample.dtype, rows)
    return TorchAffine(*_matrix(module), rows)


def _matrix(module: Conv1D | nn.Linear) -> tuple[Tensor, Tensor | None]:
    """Weights (n_in, n_out) and bias (n_out,)."""
    if isinstance(module, nn.Linear):
        return module.weight.detach().T, None
    assert module.w is not None
    return module.w.detach(), module.b.detach()


class NumpyAffine:
    """numpy's product, in float32."""

    def __init__(self, w: Tensor, b: Tensor | None, rows: int) -> None:
        self.w, self.b = w.numpy(), b
        self.out = w.new_empty(rows, w.shape[1])
        self._out = self.out.numpy()

    def __call__(self, x: Tensor) -> Tensor:
        np.matmul(x.numpy(), self.w, out=self._out)
        return self.out if self.b is None else self.out.add_(self.b)


class TorchAffine:
    """torch's product, in the weights' dtype."""

    def __init__(self, w: Tensor, b: Tensor | None, rows: int) -> None:
        self.w, self.b = w, b
        self.out = w.new_empty(rows, w.shape[1])

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.w.dtype)
        if self.b is None:
            return torch.mm(x, self.w, out=self.out)
        return torch.addmm(self.b, x, self.w, out=self.out)


class PackedAffine:
    """oneDNN's product in the weights' dtype, stored in float32."""

    def __init__(self, packed: Tensor, b: Tensor | None, dtype: torch.dtype, rows: int) -> None:
        self.packed, self.b, self.dtype = packed, b, dtype
        self.out = torch.empty(rows, packed.shape[0])

    def __call__(self, x: Tensor) -> Tensor:
        return self.out.copy_(packed_product(x.to(self.dtype), self.packed, self.b))
