"""What makes a clip that clip: the SHA-256 of everything that changes its sound.

A clip's identity covers the model's fingerprint (name, engine version, weights, dtype, batch width), the prompt's
content, the resolved sampling values, the seed, the clip's index and its duration. It leaves out, because they do not
change the sound: names of conditions and experiments, paths and names of files, the folder of results, the number of
workers, what is measured afterwards, the date, the user and the machine. Device, thread count and library versions
are left out too: bytes are promised equal on one platform, and the stored record says which platform that was.

The seed of a clip comes from the experiment's seed, the prompt and the index, never from the condition: the
conditions of an experiment share their random numbers, and so can be compared in pairs. The prompt counts as the
experiment lists it: a condition that changes it (a longer excerpt, no style) leaves the seed as it is.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from harness.core.errors import UsageError

IDENTITY_VERSION = 1
"""Raised whenever the same request would be hashed differently, so that old results are never mistaken for new ones."""

SEED_BITS = 63
"""Seeds fit a signed 64-bit integer, which every generator and every database takes."""


def canonical(value: Any) -> Any:
    """`value` in the one form in which equal things are written equally.

    Keys are sorted later, by `canonical_json`; here tuples become lists and floats without a fraction become
    integers, so that a temperature of 1 is a temperature of 1.0. Anything that JSON cannot hold exactly (NaN, a path,
    bytes) raises `UsageError`.
    """
    if value is None or type(value) in (str, int, bool):  # nearly all there is: a plan has millions of them
        return value
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UsageError(f"{value} cannot be part of an identity: a finite number was expected.")
        return int(value) if value.is_integer() and abs(value) < 2**53 else float(value)
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise UsageError(f"the key {wrong[0]!r} cannot be part of an identity: a string was expected.")
        return {key: canonical(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [canonical(item) for item in value]
    raise UsageError(
        f"{value!r} of type {type(value).__name__} cannot be part of an identity: JSON values were expected."
    )


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, shortest floats, characters as they are.

    >>> canonical_json({"b": 1.0, "a": (True, "é")})
    '{"a":[true,"é"],"b":1}'
    """
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def readable_json(value: Any) -> bytes:
    """Readable, comparable JSON for a file: sorted keys, two spaces, characters as they are, no NaN."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    # A lone surrogate (a badly decoded command line) has no UTF-8 form, yet two different ones must not collide.
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def clip_seed(experiment_seed: int, prompt: Mapping[str, Any], index: int) -> int:
    """The seed of clip `index` of a prompt (its `content()`), 0 ≤ seed < 2⁶³: the same under every condition."""
    whole = digest({"seed_version": 1, "experiment_seed": experiment_seed, "prompt": prompt, "index": index})
    return int(whole[:16], 16) >> (64 - SEED_BITS)


def derived_seed(experiment_seed: int, purpose: Any) -> int:
    """Another experiment's seed, 0 ≤ seed < 2⁶³, for a purpose: a replicate, a confirmation, a condition by itself."""
    whole = digest({"seed_version": 1, "experiment_seed": experiment_seed, "purpose": purpose})
    return int(whole[:16], 16) >> (64 - SEED_BITS)


class HasContent(Protocol):
    """Settings that know which of their values belong to an identity."""

    def content(self) -> dict[str, Any]:
        """Those values, JSON-able."""
        ...


def clip_identity(
    fingerprint: Mapping[str, Any],
    prompt: Mapping[str, Any],
    sampling: HasContent,
    seed: int,
    index: int,
    seconds: float,
) -> dict[str, Any]:
    """Everything that changes a clip's sound, as JSON-able data; `digest` of it is the clip's id.

    Args:
        fingerprint: the model's `fingerprint()`.
        prompt: the prompt's `content()`.
        sampling: how codes are drawn; its `content()` is taken.
        seed: of the clip.
        index: of the clip among those of one prompt and condition.
        seconds: length of the clip.

    Returns:
        The identity under fixed keys, in canonical form.

    Raises:
        UsageError: a value that JSON cannot hold exactly, such as NaN or a path.
    """
    return {
        "identity_version": IDENTITY_VERSION,
        "model": canonical(fingerprint),
        "prompt": canonical(prompt),
        "sampling": canonical(sampling.content()),
        "seed": seed,
        "index": index,
        "seconds": canonical(seconds),
    }
