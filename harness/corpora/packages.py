"""Packages: fetched by name with the system's own client, read without being installed.

`apt-get download` fetches a `.deb` and checks it against the registry's signed index; a mirror is configured in apt,
not here. Where there is no apt-get, the user brings the files (`--packages DIR`). A `.deb` is an ar archive with a tar
inside: it is read as a stream, and nothing of it is run.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.core.errors import CorpusError

ZIP = ".zip!"
"""Between a zip's path inside the package and a file's path inside that zip."""


def fetch(name: str, version: str, cache: Path, brought: Path | None = None, allow_version: bool = False) -> Path:
    """The package's `.deb`: a cached one, one the user brought, or downloaded into `cache`.

    `allow_version` accepts another version when the wanted one is not to be had (its files are still checked, one by
    one). Raises `CorpusError` naming the version expected and the ones found.
    """
    for folder in (cache, brought):
        held = _held(name, folder)
        if version in held:
            return held[version]
        if folder is brought and brought is not None:
            if held and allow_version:
                return held[max(held)]
            if held:
                raise CorpusError(_other_version(name, version, list(held), f"{brought} holds"))
            raise CorpusError(
                f"{brought} holds no {name}_{version}_*.deb. Put it there, or leave out --packages to download it."
            )
    if shutil.which("apt-get") is None:
        raise CorpusError(
            f"{name} {version} cannot be downloaded: this system has no apt-get. Fetch the .deb files from a Debian "
            "mirror or packages.debian.org into a folder, and run the command again with --packages FOLDER."
        )
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=f".{name}-") as scratch:
        result = _apt("apt-get", "download", "-qq", f"{name}={version}", cwd=scratch)
        if result.returncode and allow_version:
            result = _apt("apt-get", "download", "-qq", name, cwd=scratch)
        arrived = sorted(Path(scratch).glob("*.deb"))
        if result.returncode or not arrived:
            raise CorpusError(_why(name, version, result.stderr))
        return arrived[0].replace(cache / arrived[0].name)


def version_of(deb: Path) -> str:
    """The version in a package's file name, which apt writes with its colon escaped.

    >>> version_of(Path("wesnoth-1.16-music_1%3a1.16.9-1_all.deb"))
    '1:1.16.9-1'
    """
    return deb.stem.split("_")[1].replace("%3a", ":").replace("%3A", ":")


def read(deb: Path, wanted: Collection[str], scratch: Path | None = None) -> Iterator[tuple[str, bytes]]:
    """`(path, content)` of the wanted members, in the package's own order; members of a zip as `archive.zip!path`.

    A member that is not there is left out. A zip passes through a temporary file in `scratch`. Raises `CorpusError`
    when the package is damaged.
    """
    plain = {path for path in wanted if ZIP not in path}
    zipped: dict[str, list[str]] = {}
    for path in wanted:
        if ZIP in path:
            archive, inside = path.split(ZIP, 1)
            zipped.setdefault(f"{archive}.zip", []).append(inside)
    left = len(plain) + len(zipped)
    try:
        with _data(deb) as data, tarfile.open(fileobj=data, mode="r|") as tar:
            for member in tar:
                path = member.name.removeprefix("./")
                if not left:
                    return
                if path not in plain and path not in zipped:
                    continue
                if member.issparse():
                    raise ValueError(f"{path} is a sparse file: one with all of its bytes was expected")
                content = tar.extractfile(member)
                if content is None:
                    continue
                left -= 1
                if path in plain:
                    yield path, content.read()
                else:
                    yield from _from_zip(content, path, zipped[path], scratch)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zipfile.BadZipFile, ValueError) as error:
        raise CorpusError(
            f"{deb} is damaged ({error}). Delete it and run the command again to download it afresh."
        ) from error


def _from_zip(content: IO[bytes], archive: str, inside: list[str], scratch: Path | None) -> Iterator[tuple[str, bytes]]:
    # A zip is read from its end, a tar stream from its start: the zip goes to the disk for a moment.
    with tempfile.TemporaryFile(dir=scratch) as spooled:
        shutil.copyfileobj(content, spooled, 1 << 20)
        with zipfile.ZipFile(spooled) as opened:
            names = set(opened.namelist())
            for path in inside:
                if path in names:
                    yield f"{archive}!{path}", opened.read(path)


def _held(name: str, folder: Path | None) -> dict[str, Path]:
    if folder is None:
        return {}
    if not folder.is_dir():
        return {}
    return {version_of(path): path for path in sorted(folder.glob(f"{name}_*.deb"))}


def _apt(*command: str, cwd: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False
    )


def _why(name: str, version: str, complaint: str) -> str:
    known = subprocess.run(["apt-cache", "madison", name], capture_output=True, text=True, check=False).stdout
    versions = sorted({line.split("|")[1].strip() for line in known.splitlines() if line.count("|") >= 2})
    reason = " ".join(line for line in complaint.splitlines() if line.startswith("E:")) or complaint.strip()
    if not versions:
        return (
            f"no package {name} is known to apt ({reason}). Run 'apt-get update' and then this command again, or bring "
            f"{name}_{version}_all.deb in a folder with --packages FOLDER."
        )
    if version not in versions:
        return _other_version(name, version, versions, "the registry has")
    return (
        f"{name} {version} could not be downloaded ({reason}). Check the network and run the command again: what is "
        "built is kept."
    )


def _other_version(name: str, version: str, found: list[str], where: str) -> str:
    return (
        f"{name}: version {version} was expected, {where} {', '.join(found)}. Run the command again with "
        "--allow-version to use that: every track is still checked, and those whose files did not change are built."
    )


class _Part(io.RawIOBase):
    """`size` bytes of an open file from where it stands, as a file of their own."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self.file.read(min(len(buffer), self.left))
        if not chunk and self.left:
            raise EOFError("the file ends early")
        buffer[: len(chunk)] = chunk
        self.left -= len(chunk)
        return len(chunk)


@contextmanager
def _data(deb: Path) -> Iterator[IO[bytes]]:
    """The package's data.tar, decompressed, as a stream. Raises `ValueError` when this is no package."""
    with deb.open("rb") as file:
        compression, size = _find_data(file)
        if shutil.which("dpkg-deb"):
            # It decompresses on several cores: 1.8 times as fast as the way below on two, for a package of 1.4 GB.
            with subprocess.Popen(
                ["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as process:
                assert process.stdout is not None
                try:
                    yield process.stdout
                finally:
                    process.kill()
            return
        if compression not in OPENERS:
            raise ValueError(f"its compression {compression} cannot be read here: install dpkg")
        with OPENERS[compression](io.BufferedReader(_Part(file, size), 1 << 20)) as stream:
            yield stream


OPENERS: dict[str, Any] = {"": lambda raw: raw, ".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


def _find_data(file: IO[bytes]) -> tuple[str, int]:
    """Move to the data of an ar archive's data.tar; its compression (".xz") and size in bytes."""
    if file.read(8) != b"!<arch>\n":
        raise ValueError("it is not an ar archive")
    while header := file.read(60):
        if len(header) < 60 or header[58:] != b"`\n":
            raise ValueError("an ar header is broken")
        name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return name.removeprefix("data.tar"), size
        file.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError("it has no data.tar")
