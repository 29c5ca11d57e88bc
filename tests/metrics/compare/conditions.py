"""Two conditions of the same sixteen units in two styles, and a reference."""

import numpy as np

from metrics.api.score import EmbeddingSet

MADE = {"embedder": {"name": "toy"}, "preprocessing": {"rate": 16000}}


def units(n, seed, shift=0.0, scale=1.0, frames=2, provenance=MADE):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 1, 4)) + 0.4 * rng.standard_normal((n, frames, 4))
    styles = np.repeat(np.char.add("s", (np.arange(n) % 2).astype(str)), frames)
    return EmbeddingSet((scale * rows + shift).reshape(-1, 4), np.repeat(np.arange(n), frames), provenance, styles)


def p_of(difference):
    """Its p, which it must have."""
    assert difference.p is not None
    return difference.p


def mean(data, reference=None):
    return float(data.frames.mean(dtype=np.float64))


REFERENCE = units(24, 1)
FIRST = units(16, 2)
SECOND = EmbeddingSet(
    FIRST.frames + 0.2 + 0.2 * units(16, 3).frames, FIRST.units, FIRST.provenance, FIRST.strata
)  # fmt: skip
