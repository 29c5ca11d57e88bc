"""Packages are found, fetched and read, with dpkg and without; every way it can fail says what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import CorpusError
from harness.corpora import packages
from tests.metrics.sparse import sparse_tar

from .conftest import World, deb, zipped


@pytest.fixture(params=["with dpkg-deb", "without dpkg-deb"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of reading a package."""
    if request.param == "without dpkg-deb":
        monkeypatch.setenv("PATH", os.devnull)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_members_of_a_package_and_of_a_zip_inside_are_read(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "p_1_all.deb"
    content = {"usr/a b.ogg": b"aaa", "usr/c.ogg": b"c" * 5, "usr/d.zip": zipped({"m/e!.ogg": b"ee", "m/f": b"f"})}
    path.write_bytes(deb(content, compression))
    wanted = ["usr/a b.ogg", "usr/d.zip!m/e!.ogg", "usr/missing.ogg", "usr/d.zip!m/missing"]
    assert dict(packages.read(path, wanted)) == {"usr/a b.ogg": b"aaa", "usr/d.zip!m/e!.ogg": b"ee"}


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("damage", ["cut", "not a package", "zip"])
def test_a_damaged_package_is_named_with_what_to_do(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "p_1_all.deb"
    whole = deb({"usr/a": os.urandom(200_000), "usr/d.zip": b"no zip"})
    path.write_bytes({"cut": whole[:100_000], "not a package": b"<html>", "zip": whole}[damage])
    with pytest.raises(CorpusError, match=r"p_1_all\.deb is damaged .*Delete it"):
        list(packages.read(path, ["usr/a", "usr/d.zip!x"]))


def test_a_package_is_downloaded_once(world: World) -> None:
    world.publish("songs", "1:1-1", {"a": b"a"})
    store = world.cache / "packages"
    first = packages.fetch("songs", "1:1-1", store)
    assert packages.fetch("songs", "1:1-1", store) == first
    assert dict(packages.read(first, ["a"])) == {"a": b"a"}
    assert world.downloads() == ["songs=1:1-1"]
    assert [path.name for path in store.iterdir()] == [first.name]


def test_another_version_is_named_and_taken_only_when_allowed(world: World) -> None:
    world.publish("songs", "2-1", {"a": b"a"})
    store = world.cache / "packages"
    with pytest.raises(CorpusError, match=r"version 1-1 was expected, the registry has 2-1\. .*--allow-version"):
        packages.fetch("songs", "1-1", store)
    assert packages.version_of(packages.fetch("songs", "1-1", store, allow_version=True)) == "2-1"


def test_an_unknown_package_says_how_to_go_on(world: World) -> None:
    with pytest.raises(CorpusError, match=r"no package nothing .*Unable to locate.*apt-get update.*--packages"):
        packages.fetch("nothing", "1-1", world.cache / "packages")


def test_a_failed_download_of_a_known_version_points_at_the_network(world: World) -> None:
    # The registry's index has it, the file cannot be copied: a folder stands in its place.
    (world.registry / "songs_1-1_all.deb").symlink_to(world.registry / "songs_target")
    (world.registry / "songs_target").mkdir()
    script = world.registry.parent / "bin" / "apt-cache"
    script.write_text("#!/bin/sh\necho ' songs | 1-1 | http://registry.example stable/main all Packages'\n")
    with pytest.raises(CorpusError, match=r"songs 1-1 could not be downloaded .*Check the network"):
        packages.fetch("songs", "1-1", world.cache / "packages")


def test_without_apt_get_the_user_can_bring_the_packages(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = world.publish("songs", "1-1", {"a": b"a"})
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(CorpusError, match=r"has no apt-get.*--packages"):
        packages.fetch("songs", "1-1", world.cache / "packages")
    assert packages.fetch("songs", "1-1", world.cache / "packages", world.registry) == brought
    with pytest.raises(CorpusError, match=r"holds no other_1-1_\*\.deb"):
        packages.fetch("other", "1-1", world.cache / "packages", world.registry)
    with pytest.raises(CorpusError, match=r"version 9 was expected, .* holds 1-1"):
        packages.fetch("songs", "9", world.cache / "packages", world.registry)
    assert packages.fetch("songs", "9", world.cache / "packages", world.registry, allow_version=True) == brought


def test_a_sparse_file_in_a_package_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path, control = tmp_path / "p_1_all.deb", deb({}, "")
    data = sparse_tar("./usr/a.ogg", 1 << 40, "pax 1.0")
    start = control.index(b"data.tar")
    header = f"{'data.tar':<16}{'0':<12}{'0':<6}{'0':<6}{'100644':<8}{len(data):<10}`\n".encode()
    path.write_bytes(control[:start] + header + data)
    with pytest.raises(CorpusError, match="sparse"):
        list(packages.read(path, ["usr/a.ogg"]))
