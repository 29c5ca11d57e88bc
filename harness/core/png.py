"""Plots as files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from metrics.io.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_png(figure: Figure, path: Path) -> None:
    """Save a plot whole or not at all; equal plots are equal bytes, for no date or version is written into them.

    Args:
        figure: a matplotlib figure.
        path: the PNG file to write or replace.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
