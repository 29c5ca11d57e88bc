"""The researcher's page: every stimulus as a sound and a spectrogram, with its measured levels and what it is.

It is one HTML file that loads nothing from the network; only the sounds are files of the public folder. It is written
twice:

    PRIVATE/preview/index.html     with the key
    preview.html                   without: by blind id only, to be shown to others and logged
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness.listening.describe.preview.page import (
    COLOURS,
    Card,
    cards_with_key,
    cards_without_key,
    letters_of,
    lists_of,
)
from harness.listening.describe.preview.spectrogram import as_png, spectrogram
from harness.listening.make.blinding import PRIVATE, KeyRow, write_private
from harness.listening.study import StimulusSet
from metrics.io.files import write_bytes

WITHOUT_KEY = "preview.html"


def write_preview(stimuli: StimulusSet, key: Sequence[KeyRow], folder: Path) -> Path:
    """Write both pages.

    Args:
        stimuli: the blinded study.
        key: which stimulus is which.
        folder: of the study, with its sound files.

    Returns:
        The path of the page with the key.

    Raises:
        AudioError: for a stimulus that cannot be read.
    """
    pictures = _pictures(stimuli, folder / "public")
    path = folder / PRIVATE / "preview" / "index.html"
    with_key = cards_with_key(stimuli, key, pictures, "../../public")
    write_private(path, _html(stimuli, key, with_key).encode("utf-8", "surrogateescape"))
    without = cards_without_key(stimuli, key, pictures, "public")
    write_bytes(folder / WITHOUT_KEY, _html(stimuli, (), without).encode("utf-8"))
    return path


def _html(stimuli: StimulusSet, key: Sequence[KeyRow], groups: Mapping[str, Sequence[Card]]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("harness.listening.describe", "preview")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    lists = lists_of(stimuli, key)
    return environment.get_template("page.html").render(
        name=stimuli.name,
        kind=stimuli.kind,
        facts=_facts(stimuli, lists),
        letters=letters_of(key),
        colours=COLOURS,
        groups=groups,
        lists=lists,
        most=max(len(one["practice"]) + len(one["trials"]) for one in lists),
    )


def _facts(stimuli: StimulusSet, lists: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    minutes = sorted({f"{one['minutes']:.1f}" for one in lists}, key=float)
    channels = {1: "mono", 2: "stereo"}.get(stimuli.channels, f"{stimuli.channels} channels")
    return {
        "stimuli": f"{len(stimuli.stimuli)}",
        "each": f"{stimuli.seconds:g} s, {stimuli.rate} Hz, {channels}",
        "trials": f"{len(stimuli.trials)}",
        "lists": f"{len(lists)}",
        "sound in a list": f"{' to '.join(dict.fromkeys((minutes[0], minutes[-1])))} min",
    }


def _pictures(stimuli: StimulusSet, public: Path) -> dict[str, str]:
    """A spectrogram of each stimulus, as a data URL."""
    from metrics.io.audio import load

    def picture(file: str) -> str:
        audio, rate = load(public / file)
        return f"data:image/png;base64,{base64.b64encode(as_png(spectrogram(audio, rate))).decode()}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(picture, [one.file for one in stimuli.stimuli.values()])
        return dict(zip(stimuli.stimuli, found, strict=True))
