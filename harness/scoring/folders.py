"""Folders of sound files as sets of clips: each folder a condition, its sub-folders styles, loose files one more set.

One file is one clip: two paths to it, a folder given twice, or a copy with the same bytes count once, and the set says
so. Only where each clip has a counterpart (pairs, prompts and indices) do equal files count each for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.progress import Progress
from harness.core.sound_files import Listing, shown, sound_files
from harness.scoring.clips import ClipFile, ClipSet, hashed
from harness.scoring.pairing import pair_sets


def folder_sets(
    paths: Sequence[Path], pair_by: str | None = None, together: bool = False, progress: Progress | None = None
) -> list[ClipSet]:
    """Folders and sound files as sets: each folder a condition, loose files together one more.

    Args:
        paths: folders, whose sub-folders are styles, and sound files.
        pair_by: "name", or the path of a table, as `harness.scoring.pairing.pair_sets` takes it: only folders then.
        together: everything as one set.
        progress: told of each file that is read for its hash.

    Returns:
        The sets, in the order given. Units are paths inside the folder, or as given for a loose file.

    Raises:
        UsageError: for what is neither a folder nor a sound file, or cannot be paired as requested.
    """
    folders = list({path.resolve(): path for path in reversed(paths) if path.is_dir()}.values())[::-1]
    loose = [path for path in paths if not path.is_dir()]
    if together:
        return [_distinct(_from_listing(", ".join(map(shown, paths)), sound_files(paths), folders, False, progress))]
    sets = [
        _from_listing(name, sound_files([folder]), [folder], True, progress)
        for name, folder in zip(distinguishing(folders), folders, strict=True)
    ]
    if pair_by is not None:
        return pair_sets(sets, folders, loose, pair_by)
    sets = [_distinct(one) for one in sets]
    if loose:
        some = _distinct(_from_listing("", sound_files(loose), [], False, progress))
        count = len(some.clips) + len(some.left_out)
        sets.append(replace(some, name=shown(loose[0].name) if count == 1 else f"{count} files"))
    return sets


def distinguishing(folders: Sequence[Path]) -> list[str]:
    """For each folder the shortest end of its path that no other has.

    >>> distinguishing([Path("/runs/a/clips"), Path("/runs/b/clips"), Path("/music/jazz")])
    ['a/clips', 'b/clips', 'jazz']
    """
    parts = [folder.resolve().parts for folder in folders]
    longest = max(map(len, parts), default=0)
    names = []
    for mine in parts:
        ends = (mine[-count:] for count in range(1, longest + 1))
        end = next((end for end in ends if sum(other[-len(end) :] == end for other in parts) == 1), mine)
        names.append(shown(Path(*end)))
    return names


def _from_listing(
    name: str, listing: Listing, folders: Sequence[Path], inside: bool, progress: Progress | None
) -> ClipSet:
    """The files of a listing as a set; units are relative to the folder where they are `inside` one."""
    sha, failed = hashed(listing.files, progress)
    left_out = {shown(path): f"{shown(path)}: {reason}" for path, reason in listing.passed_over.items()} | failed
    clips = []
    for path in sha:
        within = next((path.relative_to(folder) for folder in folders if path.is_relative_to(folder)), None)
        style = within.parts[0] if within is not None and len(within.parts) > 1 else ""
        unit = within.as_posix() if within is not None and inside else path
        clips.append(ClipFile(shown(unit), path, sha[path], style=shown(style) if style else ""))
    return ClipSet(name, tuple(clips), False, left_out, {shown(path): why for path, why in listing.skipped.items()})


def _distinct(one: ClipSet) -> ClipSet:
    """The set with one clip for each content; of copies the first stays."""
    firsts: dict[str, ClipFile] = {}
    copies = {shown(clip.path): clip for clip in one.clips if firsts.setdefault(clip.sha256, clip) is not clip}
    said = {path: f"the same content as {shown(firsts[clip.sha256].path)}" for path, clip in copies.items()}
    return replace(one, clips=tuple(firsts.values()), skipped={**one.skipped, **said})
