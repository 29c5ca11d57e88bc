"""The researcher's page: every stimulus to hear and see, with what was measured and, in private, which is which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.listening.stimulus_set import StimulusSet

if TYPE_CHECKING:
    from harness.listening.blinding import KeyRow  # type: ignore[import-not-found]


def write_preview(stimuli: StimulusSet, key: Sequence[KeyRow] | None, folder: Path) -> Path:
    """Write `PRIVATE/preview/index.html` in `folder`; without a key, `preview-without-key.html` beside it."""
    raise NotImplementedError
