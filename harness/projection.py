"""A run's folder, for people: what was found as data, a table and a picture, and the clips under names one can read.

The folder `<results>/runs/<experiment>-<id>/` is a projection of the store, made again from it byte for byte:

    result.json                     everything below as data
    clips.csv                       one row per clip: condition, prompt, seed, hash, path
    clips/<condition>/<clip>.flac   links into the store, with names a person can read
    scores.png                      the scores along what varies
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from pathlib import Path

from harness.figures import scores_figure, write_png
from harness.identity import readable_json
from harness.results import Outcome
from metrics.files import write_bytes


def project(outcome: Outcome) -> None:
    """Write the run's folder, replacing what an earlier run of the same request left."""
    result, figure_path = readable_json(outcome.as_dict()), outcome.folder / "scores.png"
    same = figure_path.is_file() and _content(outcome.folder / "result.json") == result
    write_bytes(outcome.folder / "result.json", result)
    rows = [row for result in outcome.conditions for row in outcome.clip_rows(result)]
    table = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)  # a condition may lack a value that others have
    writer = csv.DictWriter(table, fieldnames=list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(outcome.folder / "clips.csv", table.getvalue().encode())
    for condition in outcome.conditions:
        folder = outcome.clips_folder(condition.condition)
        for clip in condition.clips:
            link_clip(clip.stored.path, folder / f"{clip.title}.flac")
    if same:  # drawing takes longer than everything else here, and shows what it showed
        return
    figure = scores_figure(outcome)
    if figure is not None:
        write_png(figure, figure_path)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def link_clip(target: Path, link: Path, seen_from: Path | None = None) -> None:
    """A relative link, so that the folder of results can be moved; a copy where the file system has no links.

    `seen_from` is where the link is going to be, for one that is moved after it was made.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(target, (seen_from or link).parent)
    if link.is_symlink() and os.readlink(link) == relative:
        return
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(relative)
    except OSError:
        shutil.copyfile(target, link)
