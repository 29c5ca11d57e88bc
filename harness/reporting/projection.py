"""A run's folder, for people: what was found as data, a table and a picture, and the clips under names one can read.

The folder `<results>/runs/<experiment>-<id>/` is a projection of the store, made again from it byte for byte:

    result.json                     everything below as data
    replicates.json                 every score without each fold of its units, for later comparisons; result.json has
                                    its hash
    scores.csv                      one row per score, with its error and whether it is reliable
    clips.csv                       one row per clip: condition, prompt, what the model understood of it, seed, values,
                                    hash, path; a manifest for 'harness score --manifest'
    clips/<condition>/<clip>.flac   links into the store, with readable names
    scores.png                      the scores along what varies
    NAME.yaml, NAME.py              the file that declares the experiment, where one does
    failures.json                   why clips are missing, a row each; only where some are
    system.json                     what the machine did when the clips were sampled; only where requested

    <results>/planned/<experiment>-<id>.csv     a row per clip that the run needs, while it is under way or interrupted
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.core.csv_table import write_table
from harness.core.errors import StoreError
from harness.core.identity import readable_json
from harness.core.png import write_png
from harness.planning.plan import ClipRequest
from harness.reporting.plots import scores_figure
from harness.reporting.system import Look
from harness.scoring.results import REPLICATES, Outcome, file_name
from harness.store.clips import Store, explained
from harness.store.listing import TABLE, plan_file, read_rows
from metrics.io.files import temporary_mark, write_bytes


@contextmanager
def planned(folder: Path, requests: Sequence[ClipRequest], store: Store) -> Iterator[None]:
    """Say which clips the run of `folder` needs while it is under way, and after that if it was interrupted.

    `harness store gc` reads it to keep these clips. Where the table of an earlier run of the same request lists
    them all nothing is written, and nothing stays of a run that ended before its first clip.
    """
    path, needed, listed = plan_file(folder), {request.id for request in requests}, set()
    with suppress(StoreError):
        listed = {row["clip"] for row in read_rows(folder)}
    if not needed <= listed:
        with explained(path):
            write_bytes(path, _table([_row(request) for request in requests]))
    done = False
    try:
        yield
        done = True
    finally:
        # Asked first: where nothing may be written, not even what is not there is removed.
        if path.exists() and (done or not any(store.has(clip_id) for clip_id in needed)):
            with explained(path):
                path.unlink(missing_ok=True)


def _row(request: ClipRequest) -> dict[str, Any]:
    return {
        "condition": request.condition.name,
        "prompt": request.prompt.label(),
        "index": request.index,
        "clip": request.id,
    }


def project(outcome: Outcome, looks: Sequence[Look] = ()) -> None:
    """Write the run's folder, replacing what an earlier run of the same request left; what is the same is not touched.

    `looks` at the machine are kept of a run that sampled. Raises `StoreError` when the disk refuses.
    """
    with explained(outcome.folder):
        _project(outcome)
        if looks and outcome.sampled:
            write_bytes(outcome.folder / "system.json", readable_json(looks))


def _project(outcome: Outcome) -> None:
    result, path = readable_json(outcome.as_dict()), outcome.folder / "result.json"
    figure_path = outcome.folder / "scores.png"
    rows = [row for result in outcome.conditions for row in outcome.clip_rows(result)]
    _renew(outcome.folder / TABLE, _table(rows))
    _renew(outcome.folder / "scores.csv", _table(outcome.score_rows()))
    if study := outcome.experiment.study:
        name = Path(study.name)
        _renew(outcome.folder / f"{file_name(name.stem)}{name.suffix}", study.content)
    for condition in outcome.conditions:
        folder = outcome.clips_folder(condition.condition)
        for clip in condition.clips:
            link_clip(clip.stored.path, folder / f"{clip.title}.flac")
    same, failures = _holds(path, result), outcome.folder / "failures.json"
    if outcome.failures:
        _renew(failures, readable_json([failure.as_dict() for failure in outcome.failures]))
    elif not same:  # the clips are there now; a run that samples nothing has no failures of its own
        failures.unlink(missing_ok=True)
    # Drawing takes longer than everything else here, and what it shows is in the result: that comes last.
    if not (same and figure_path.is_file()):
        figure = scores_figure(outcome)
        if figure is not None:
            write_png(figure, figure_path)
    _renew(outcome.folder / REPLICATES, outcome.replicates)
    if not same:
        write_bytes(path, result)


def _renew(path: Path, content: bytes) -> None:
    if not _holds(path, content):
        write_bytes(path, content)


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return write_table(list(dict.fromkeys(column for row in rows for column in row)), rows).encode()


def link_clip(target: Path, link: Path, seen_from: Path | None = None) -> None:
    """A relative link, so that the folder of results can be moved; a copy where the file system has no links.

    `seen_from` is where the link is going to be, for one that is moved after it was made.
    """
    link.parent.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(target, (seen_from or link).parent)
    if link.is_symlink() and os.readlink(link) == relative:
        return
    temporary = link.parent / f".{link.name}.{temporary_mark()}.part"  # another run may make the same link
    try:
        try:
            temporary.symlink_to(relative)
        except OSError:
            shutil.copyfile(target, temporary)
        temporary.replace(link)
    finally:
        temporary.unlink(missing_ok=True)
