"""A registry in a folder: packages written byte by byte, and an `apt-get` that serves them."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.corpora.manifest import Manifest, Package, Track
from harness.corpora.splits import assign


def tone(hertz: float, seconds: float = 1.0, rate: int = 22050, level: float = 0.1) -> bytes:
    """A sine as a FLAC file's bytes, two channels."""
    samples = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    out = io.BytesIO()
    soundfile.write(out, np.stack([samples, samples], axis=1), rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip file's bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return out.getvalue()


def deb(files: dict[str, bytes], compression: str = "xz") -> bytes:
    """A binary package: an ar archive of debian-binary, control.tar and data.tar."""

    def tarred(contents: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path, content in contents.items():
                member = tarfile.TarInfo(f"./{path}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return {"xz": lzma.compress, "gz": gzip.compress, "": bytes}[compression](out.getvalue())

    control = b"Package: x\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: x\n"
    suffix = f".{compression}" if compression else ""
    members = {
        "debian-binary": b"2.0\n",
        f"control.tar{suffix}": tarred({"control": control}),
        f"data.tar{suffix}": tarred(files),
    }
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


@dataclass
class World:
    """A cache of its own, a registry of packages, and what was downloaded from it."""

    cache: Path
    registry: Path

    def publish(self, name: str, version: str, files: dict[str, bytes], compression: str = "xz") -> Path:
        """Put a package into the registry."""
        target = self.registry / f"{name}_{version.replace(':', '%3a')}_all.deb"
        target.write_bytes(deb(files, compression))
        return target

    def downloads(self) -> list[str]:
        """What was asked of apt-get, in order."""
        log = self.registry / "log"
        return log.read_text().split() if log.exists() else []


APT_GET = """#!/bin/sh
# apt-get download -qq NAME[=VERSION]
for wanted; do :; done
echo "$wanted" >> "{registry}/log"
name=${{wanted%%=*}}
version=*
case "$wanted" in *=*) version=$(echo "${{wanted#*=}}" | sed 's/:/%3a/');; esac
for found in "{registry}/${{name}}_"$version"_all.deb"; do
  [ -f "$found" ] && cp "$found" . && exit 0
done
echo "E: Unable to locate package $name" >&2
exit 100
"""

APT_CACHE = """#!/bin/sh
# apt-cache madison NAME
for wanted; do :; done
for found in "{registry}/${{wanted}}"_*_all.deb; do
  [ -f "$found" ] || continue
  version=$(basename "$found" | cut -d_ -f2 | sed 's/%3a/:/')
  echo " $wanted | $version | http://registry.example stable/main all Packages"
done
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty cache and an empty registry behind `apt-get` and `apt-cache` on the PATH."""
    cache, registry, programs = tmp_path / "cache", tmp_path / "registry", tmp_path / "bin"
    registry.mkdir()
    programs.mkdir()
    for name, script in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
        (programs / name).write_text(script.format(registry=registry))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    return World(cache, registry)


def track_of(package: str, path: str, contents: list[bytes], **changes: object) -> Track:
    """A manifest row for these source bytes."""
    title = path.split("|")[0].rsplit("/", 1)[-1].split(".")[0]
    row = Track(
        package=package,
        version="1-1",
        path=path,
        sha256="|".join(hashlib.sha256(content).hexdigest() for content in contents),
        licence="CC0-1.0",
        author="Ada",
        artist="ada",
        title=title,
        genre="",
        style="sine",
        split="train",
        seconds=1.0,
        file=f"{package}/{title}.flac",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def manifest_of(tracks: list[Track], name: str = "sines", valid: int = 0, test: int = 0, size: int = 1) -> Manifest:
    """A manifest of these tracks, their splits by the rule."""
    packages, placed = [], []
    for package in dict.fromkeys(track.package for track in tracks):
        packages.append(Package(package, "1-1", size, "https://example.org", "a test", valid, test))
        own = [track for track in tracks if track.package == package]
        splits = assign(package, [track.path for track in own], valid, test, seed=0)
        placed += [replace(track, split=splits[track.path]) for track in own]
    return Manifest(name, "Sines.", 0, True, tuple(packages), tuple(placed))


@dataclass
class Songs:
    """Three songs in a published package, one of them in a zip and one in two stems, and their manifest."""

    files: dict[str, bytes]
    manifest: Manifest


@pytest.fixture
def units(world: World) -> Songs:
    """The package `songs` in the registry, with a manifest of its three tracks."""
    stems = [tone(300, 0.8), tone(500, 1.2)]
    inside = tone(700)
    files = {
        "usr/one.flac": tone(440),
        "usr/two/song.flac": stems[0],
        "usr/two/guitar.flac": stems[1],
        "usr/data.zip": zipped({"music/three!.flac": inside, "readme": b"hello"}),
        "usr/noise.txt": b"not music",
    }
    world.publish("songs", "1-1", files)
    tracks = [
        track_of("songs", "usr/one.flac", [files["usr/one.flac"]]),
        track_of("songs", "usr/two/song.flac|usr/two/guitar.flac", stems),
        track_of("songs", "usr/data.zip!music/three!.flac", [inside], title="three", file="songs/three.flac"),
    ]
    return Songs(files, manifest_of(tracks))
