"""The sound files in folders: one listing for every command, which names what it leaves out and why.

Links to folders are followed, each folder once: a real folder goes before a link to it, and a link that leads back to
a folder above it is a loop. Nothing is opened but what looks like a sound file, and nothing that could block: a FIFO
is named, not read. Two kinds of what is left out are kept apart:

- *passed over*: something that may well be a clip and cannot be taken (a dangling link, a FIFO, a folder without
  permission, a pointer of git-annex or Git LFS whose content is elsewhere). A command that passes over something ends
  with exit code 1.
- *skipped*: hidden files, leftovers of other systems (`._take.wav`, `__MACOSX`), and a second path to a file or folder
  that is listed already. Said, and no failure.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import UsageError

SOUNDS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
UNREAD = (".m4a", ".mp4", ".aac", ".wma", ".ape")
"""Sound as well, but not for libsndfile: listed, so that they are reported and not silently left out."""

SUFFIXES = (*SOUNDS, *UNREAD)
"""What is taken from a folder. A file that is named is tried whatever its suffix."""

LEFTOVERS = frozenset(
    {"__macosx", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "lost+found", "system volume information"}
)
"""Folders that operating systems and file servers leave in other folders, in lower case."""

POINTERS = {b"/annex/objects/": "git-annex ('git annex get')", b"version https://git-lfs": "Git LFS ('git lfs pull')"}
"""How a file begins that only stands for content which is elsewhere."""

MOST_NAMED = 5

KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


@dataclass(frozen=True)
class Listing:
    """Sound files found, and what was left out, by path.

    `files` in the order given, those of a folder sorted, each file once under the first path it was found by;
    `passed_over` could not be taken (exit code 1) and `skipped` was not meant (exit code 0): path → reason.
    """

    files: tuple[Path, ...] = ()
    passed_over: dict[Path, str] = field(default_factory=dict)
    skipped: dict[Path, str] = field(default_factory=dict)


def sound_files(paths: Sequence[Path]) -> Listing:
    """The files named, and for each folder the sound files in it at any depth.

    Args:
        paths: files, taken whatever their suffix, and folders.

    Returns:
        Each file once, in the order given, and what was left out with the reasons.

    Raises:
        UsageError: a path does not exist, or a folder holds nothing that could be a sound file.
    """
    walk = _Walk()
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no {shown(path)}: sound files, or folders of them, were expected.")
        if path.is_dir():
            if not walk.folder(path):
                raise UsageError(
                    f"the folder {shown(path)} holds no sound file: one of {', '.join(SOUNDS)} was expected in it."
                )
        else:
            walk.file(path)
    return Listing(tuple(walk.files.values()), walk.passed_over, walk.skipped)


def every_sound_file(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The same for work that is not to be done without one of them.

    Raises:
        UsageError: as `sound_files`, and where something had to be passed over, with the reasons.
    """
    listing = sound_files(paths)
    if listing.passed_over:
        named = [f"{shown(path)}: {reason}" for path, reason in list(listing.passed_over.items())[:MOST_NAMED]]
        more = [f"and {len(listing.passed_over) - MOST_NAMED} more"] if len(listing.passed_over) > MOST_NAMED else []
        raise UsageError(
            f"{len(listing.passed_over)} sound files cannot be taken: {'; '.join([*named, *more])}. "
            "Make them readable, or remove them."
        )
    return listing.files


def shown(path: str | os.PathLike[str]) -> str:
    """A path as text that any encoding of Unicode can hold: bytes of its name that are not UTF-8 become \\xNN.

    >>> shown("clip-\\udcff.wav")
    'clip-\\\\xff.wav'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class _Walk:
    """One listing as it grows. Files and folders are known by what they are on the disk, not by their paths."""

    def __init__(self) -> None:
        self.files: dict[tuple[int, int], Path] = {}
        self.passed_over: dict[Path, str] = {}
        self.skipped: dict[Path, str] = {}
        self._folders: dict[tuple[int, int], Path] = {}

    def folder(self, root: Path) -> bool:
        """All of a folder: what really lies in it first, then what links in it lead to. Whether it held anything."""
        before = {**self.passed_over}, {**self.skipped}
        if _key(root.stat()) in self._folders:  # given twice, or inside another that was given
            return True
        found: dict[tuple[int, int], Path] = {}
        links: list[Path] = []
        self._enter(root, found, links)
        while links:
            link = links.pop(0)
            if _is_above(link):
                self.skipped[link] = f"a link back to {shown(link.resolve())}, which it lies in"
            else:
                self._enter(link, found, links)
        for key, path in sorted(found.items(), key=lambda item: os.fsencode(item[1])):
            self._add(key, path)
        return bool(found) or before != (self.passed_over, self.skipped)

    def file(self, path: Path) -> None:
        """One file that is named or found."""
        if (key := self._check(path)) is not None:
            self._add(key, path)

    def _add(self, key: tuple[int, int], path: Path) -> None:
        first = self.files.setdefault(key, path)
        if first != path:
            self.skipped[path] = f"the same file as {shown(first)}"

    def _enter(self, folder: Path, found: dict[tuple[int, int], Path], links: list[Path]) -> None:
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            try:
                key = _key(here.stat())
                if key in self._folders:
                    self.skipped[here] = f"the same folder as {shown(self._folders[key])}"
                    continue
                self._folders[key] = here
                entries = sorted(os.scandir(here), key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                self.passed_over[here] = f"the folder cannot be read ({error.strerror or error})"
                continue
            for entry in entries:
                path = here / entry.name
                if _is_leftover(entry.name):
                    if _holds_sound(path):
                        self.skipped[path] = "hidden, or left by another system"
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_symlink() and path.is_dir():
                    links.append(path)
                elif (_is_sound(path) or _dangles(path)) and (key := self._check(path)) is not None:
                    self._note(key, path, found)

    def _note(self, key: tuple[int, int], path: Path, found: dict[tuple[int, int], Path]) -> None:
        """A file found twice keeps the path under which it really lies."""
        other = found.setdefault(key, path)
        if other is path:
            return
        if other.is_symlink() and not path.is_symlink():
            found[key], path = path, other
        self.skipped[path] = f"the same file as {shown(found[key])}"

    def _check(self, path: Path) -> tuple[int, int] | None:
        """What tells the file from others; None, with the reason noted, for what is no file to be read."""
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                self.passed_over[path] = f"it is {KINDS.get(stat.S_IFMT(found.st_mode), 'something')}, not a file"
            elif (holder := _pointer(path, found.st_size)) is not None:
                self.passed_over[path] = f"its content is not here: it is kept by {holder}"
            else:
                return _key(found)
        except OSError as error:
            self.passed_over[path] = _why_not(path, error)
        return None


def _why_not(path: Path, error: OSError) -> str:
    if not path.is_symlink():
        return f"it cannot be read ({error.strerror or error})"
    target = os.readlink(path)
    held = ": its content is kept by git-annex ('git annex get')" if "annex/objects" in target else ""
    return f"a link to {shown(target)}, which cannot be reached ({error.strerror or error}){held}"


def _pointer(path: Path, size: int) -> str | None:
    """Who keeps the content that a small file stands for; None for a file that is its own content."""
    if size > 1024:
        return None
    with path.open("rb") as file:
        start = file.read(64)
    return next((holder for begins, holder in POINTERS.items() if start.startswith(begins)), None)


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _is_leftover(name: str) -> bool:
    return name.startswith(".") or name.lower() in LEFTOVERS


def _dangles(path: Path) -> bool:
    """A link to nothing: what it was to be is not known, unless its suffix says that it was no sound."""
    return path.is_symlink() and not path.exists() and path.suffix.lower() in ("", *SUFFIXES)


def _is_above(link: Path) -> bool:
    """Whether a link leads to a folder that it lies in itself."""
    target = link.resolve()
    here = link.parent.resolve()
    return target == here or target in here.parents


def _holds_sound(path: Path) -> bool:
    """Whether a hidden entry is a sound file, or a folder with one somewhere in it."""
    if path.is_symlink() or not path.is_dir():
        return _is_sound(path)
    return any(_is_sound(Path(name)) for name in _names_below(path))


def _names_below(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names


def _key(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
