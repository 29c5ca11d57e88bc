"""What is exported arrives as it was; what was tampered with does not arrive, and nothing lands outside."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import HarnessError, StoreError, UsageError
from harness.running.archive import choose, export, import_
from harness.store.clips import Store
from harness.store.upkeep import verify
from tests.harness.stored import leave_run, put
from tests.metrics.sparse import FORMATS, write_sparse


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    clips = [put(folder, seed) for seed in range(3)]
    leave_run(folder, "temperature-1", {"temperature=0.7": clips[:1], "热": clips[1:2]})
    leave_run(folder, "other-1", {"a": clips[2:]})
    return folder


@pytest.fixture(scope="module")
def archive(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "clips.tar"
    assert export(results, *choose(results, ["temperature-1"]), path) == (2, 1)
    return path


def test_a_run_arrives_as_it_was(results: Path, archive: Path, tmp_path: Path):
    done = import_(archive, tmp_path / "there")
    assert (len(done.clips), done.runs, done.kept) == (2, ("temperature-1",), 0)
    sent, arrived = contents(results), contents(tmp_path / "there")
    assert arrived == {name: sent[name] for name in arrived}
    assert {name for name in sent if "temperature-1" in name} <= set(arrived)
    [link] = (tmp_path / "there").glob("runs/*/clips/热/*.flac")
    assert link.is_symlink()
    assert verify(Store(tmp_path / "there" / "store")) == {}
    assert not list((tmp_path / "there").glob("store/.partial/*"))


def test_what_is_there_is_kept(archive: Path, tmp_path: Path):
    import_(archive, tmp_path)
    before = contents(tmp_path)
    again = import_(archive, tmp_path)
    assert (again.clips, again.runs, again.kept) == ((), (), 3)
    assert contents(tmp_path) == before


def test_the_same_clips_give_the_same_bytes(results: Path, archive: Path, tmp_path: Path):
    import_(archive, tmp_path / "there")
    there = tmp_path / "there"
    export(there, *choose(there, []), tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


def test_names_mean_runs_and_beginnings_of_ids(results: Path):
    stored = put(results, 0)
    assert choose(results, ["other-1", "runs/temperature-1/", stored.id[:8]]) == (
        [results / "runs" / "other-1", results / "runs" / "temperature-1"],
        [stored.id],
    )
    assert len(choose(results, [])[0]) == 2
    with pytest.raises(UsageError, match="Did you mean 'temperature-1'"):
        choose(results, ["temprature-1"])
    with pytest.raises(UsageError, match="no run in"):
        choose(results / "runs", [])


def test_a_damaged_clip_is_not_handed_on(tmp_path: Path):
    stored = put(tmp_path, 0)
    stored.path.write_bytes(b"")
    with pytest.raises(StoreError, match="SHA-256"):
        export(tmp_path, [], [stored.id], tmp_path / "clips.tar")
    assert not (tmp_path / "clips.tar").exists()


def test_a_store_that_cannot_be_written_is_explained(archive: Path, tmp_path: Path):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="cannot be written"):
        import_(archive, tmp_path)


# Archives that were tampered with


Members = list[tuple[tarfile.TarInfo, bytes]]


def members(archive: Path) -> Members:
    with tarfile.open(archive) as tar:
        return [(member, file.read()) for member in tar if (file := tar.extractfile(member))]


def write(path: Path, content: Members) -> Path:
    with tarfile.open(path, "w") as tar:
        for member, data in content:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data))
    return path


def with_manifest(content: Members, change: Callable[[dict[str, Any]], None]) -> Members:
    manifest = json.loads(content[0][1])
    change(manifest)
    return [(content[0][0], json.dumps(manifest).encode()), *content[1:]]


def renamed(content: Members, name: str) -> Members:
    """The last file under another name, in the manifest too."""
    old = content[-1][0].name
    content[-1][0].name = name
    return with_manifest(
        content, lambda m: m.update(files=[{**e, "name": name if e["name"] == old else e["name"]} for e in m["files"]])
    )


def linked(content: Members, kind: bytes, target: str) -> Members:
    content[-1][0].type, content[-1][0].linkname = kind, target
    return content


def more(content: Members, name: str = "more") -> Members:
    return [*content, (tarfile.TarInfo(name), b"x")]


def flipped(content: Members, n: int) -> Members:
    member, data = content[n]
    return [*content[:n], (member, data[:-1] + bytes([data[-1] ^ 1])), *content[n + 1 :]]


TAMPERED: dict[str, Callable[[Members], Members]] = {
    "empty": lambda content: [],
    "no manifest": lambda content: content[1:],
    "manifest last": lambda content: [*content[1:], content[0]],
    "manifest no JSON": lambda content: [(content[0][0], b"{"), *content[1:]],
    "manifest a list": lambda content: [(content[0][0], b"[]"), *content[1:]],
    "another schema": lambda content: with_manifest(content, lambda m: m.update(schema=99)),
    "files a table": lambda content: with_manifest(content, lambda m: m.update(files={"a": 1})),
    "no files": lambda content: with_manifest(content, lambda m: m.update(files=[])),
    "clips unhashable": lambda content: with_manifest(content, lambda m: m.update(clips=[[]])),
    "no hash": lambda content: with_manifest(content, lambda m: m["files"][0].pop("sha256")),
    "a file missing": lambda content: content[:-1],
    "a name twice": lambda content: with_manifest(content, lambda m: m.update(files=m["files"] * 2)),
    "a file more": more,
    "an absolute file more": lambda content: more(content, "/etc/passwd-harness"),
    "order changed": lambda content: [content[0], *reversed(content[1:])],
    "audio changed": lambda content: flipped(content, 1),
    "record changed": lambda content: flipped(content, 3),
    "result changed": lambda content: flipped(content, -1),
    "symlink": lambda content: linked(content, tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": lambda content: linked(content, tarfile.LNKTYPE, "manifest.json"),
    "fifo": lambda content: linked(content, tarfile.FIFOTYPE, ""),
    "device": lambda content: linked(content, tarfile.CHRTYPE, ""),
    "climbing": lambda content: renamed(content, "../../evil"),
    "climbing from a run": lambda content: renamed(content, "runs/../evil"),
    "climbing out of a run": lambda content: renamed(content, "runs/temperature-1/../../evil"),
    "absolute": lambda content: renamed(content, "/tmp/evil"),
    "a hidden file": lambda content: renamed(content, "runs/temperature-1/.evil"),
    "a file below a run": lambda content: renamed(content, "runs/temperature-1/clips/evil.flac"),
    "a run that is not named": lambda content: renamed(content, "runs/evil/result.json"),
    "a clip that is not named": lambda content: renamed(content, f"store/00/{'0' * 64}/audio.flac"),
    "a backslash": lambda content: renamed(content, "runs\\temperature-1\\evil"),
    "NUL": lambda content: renamed(content, "runs/temperature-1/a\0b"),
}


def assert_refused(archive: Path, there: Path) -> None:
    with pytest.raises(HarnessError) as caught:
        import_(archive, there)
    assert caught.value.exit_code == 2, caught.value
    assert "Fetch it again" in str(caught.value)
    assert not (there / "runs").exists()
    assert verify(Store(there / "store")) == {}  # clips before the damage may have come, whole
    assert not list(there.glob("store/.partial/*"))
    assert {path.name for path in there.parent.iterdir()} <= {"evil.tar", "there"}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_refused(archive: Path, tmp_path: Path, name: str):
    tampered = write(tmp_path / "evil.tar", TAMPERED[name](members(archive)))
    assert_refused(tampered, tmp_path / "there")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("place", [0, 1])
def test_a_sparse_file_is_refused_before_a_byte_of_it_is_written(archive: Path, tmp_path: Path, kind: str, place: int):
    """A small archive whose manifest and headers agree on a terabyte of zeros."""
    content, size = members(archive), 1 << 40
    if place:
        content = with_manifest(content, lambda manifest: manifest["files"][0].update(bytes=size))
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for n, (member, data) in enumerate(content):
            member.size = len(data)
            if n == place:
                write_sparse(tar, member.name, size if place else 1 << 20, kind)
            else:
                tar.addfile(member, io.BytesIO(data))
    assert_refused(tmp_path / "evil.tar", tmp_path / "there")


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x.flac", "clips/../x.flac", "clips/a/.x", "audio.flac", ""])
def test_links_of_a_run_stay_inside_it(results: Path, tmp_path: Path, path: str):
    """The table of clips is data of the sender: its hash is right, its paths are not to be trusted."""
    folder = tmp_path / "from"
    stored = put(folder, 0)
    run = leave_run(folder, "temperature-1", {"a": [stored]})
    table = (run / "clips.csv").read_text("utf-8").replace("clips/a/calm-0.flac", path)
    (run / "clips.csv").write_text(table, "utf-8")
    (tmp_path / "to").mkdir()
    export(folder, [run], [], tmp_path / "to" / "evil.tar")
    assert_refused(tmp_path / "to" / "evil.tar", tmp_path / "to" / "there")


@settings(max_examples=60)
@given(st.data())
def test_no_damage_to_the_file_is_overlooked(archive: Path, tmp_path_factory: pytest.TempPathFactory, data):
    """Cut anywhere, or one byte changed anywhere: refused, or without effect (padding, a header's owner)."""
    content = bytearray(archive.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:place]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    there = tmp_path_factory.mktemp("there")
    (there / "evil.tar").write_bytes(content)
    with suppress(UsageError):
        assert len(import_(there / "evil.tar", there / "results").clips) == 2
    store = Store(there / "results" / "store")
    assert verify(store) == {}
    assert set(os.listdir(there)) <= {"evil.tar", "results"}


def test_an_archive_that_is_not_there_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match="is not there"):
        import_(tmp_path / "missing.tar", tmp_path)
