"""Disks that are full, or cannot be written, and stores that were damaged: one message each, and nothing lost.

The disks are real, small ones in memory. Where none may be mounted (a container without the right to) the tests say so
and are skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.store.clips import Store
from harness.store.upkeep import verify

SPARE_BYTES = 16_000
"""Left free beside a ballast: enough for the plan of a run, not for what it makes."""


def arguments(results: Path, reference: Path, *more: str) -> list[str]:
    varied = ["--temperature", "0.6", "--temperature", "1"]
    common = ["--model", "toy", "--embedder", "toy", "--seconds", "1", "--clips", "24", "--quiet"]
    return ["run", "temperature", *varied, *common, "--reference", str(reference), "--results", str(results), *more]


def run(results: Path, reference: Path, *more: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments(results, reference, *more))
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, toy_reference) -> Path:
    results = tmp_path_factory.mktemp("whole") / "results"
    run(results, toy_reference, "--no-mlflow")
    return results


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts with these options of `mount -o`, again to change them; all are gone after the test."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options: str) -> Path:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no disk may be mounted here: {done.stderr.strip()}")
        return folder

    yield mounted
    while folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def left_over(results: Path) -> list[Path]:
    return [
        path for path in results.rglob("*") if path.name.endswith(".part") or path.parent.name in (".partial", ".locks")
    ]


def test_a_disk_that_fills_up_while_clips_are_sampled_loses_nothing(whole, mount, toy_reference):
    disk = mount("size=300k")
    said = run(disk / "results", toy_reference, "--no-mlflow", code=1)
    assert f"no space left for {disk / 'results' / 'store'} (0." in said
    assert "MB are free). Free some space" in said
    assert "\nTo resume: harness" in said
    store = Store(disk / "results" / "store")
    kept = {path: path.stat().st_mtime_ns for path in store.root.glob("??/*/record.json")}
    assert 0 < len(kept) < 48
    assert verify(store) == {}
    assert left_over(disk) == []
    mount("remount,size=20m")
    assert f"({48 - len(kept)} sampled now)" in run(disk / "results", toy_reference, "--no-mlflow")
    assert contents(disk / "results") == contents(whole)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_disk_that_is_full_when_clips_are_shown_loses_nothing(whole, mount, toy_reference):
    disk = mount("size=20m")
    shutil.copytree(whole / "store", disk / "results" / "store")
    fill(disk)
    assert f"no space left for {disk / 'results' / 'runs'}" in run(
        disk / "results", toy_reference, "--no-mlflow", code=1
    )
    assert left_over(disk) == []
    (disk / "ballast").unlink()
    assert "none sampled" in run(disk / "results", toy_reference, "--no-mlflow")
    assert contents(disk / "results") == contents(whole)


def test_a_disk_that_is_full_when_mlflow_is_written_is_synced_later(whole, mount, toy_reference):
    disk = mount("size=20m")
    shutil.copytree(whole, disk / "results", symlinks=True)
    fill(disk)
    assert "not synced: run `harness sync`" in run(disk / "results", toy_reference)
    (disk / "ballast").unlink()
    result = CliRunner().invoke(app, ["sync", "--results", str(disk / "results"), "--quiet"])
    assert "1 runs logged" in result.output


def test_a_store_that_is_read_only_is_measured_and_a_run_that_needs_more_is_told(whole, mount, toy_reference):
    disk = mount("size=20m")
    shutil.copytree(whole, disk / "results", symlinks=True)
    mount("remount,ro")
    assert "none sampled" in run(disk / "results", toy_reference, "--no-mlflow")
    assert "not synced: run `harness sync`" in run(disk / "results", toy_reference)
    said = run(disk / "results", toy_reference, "--no-mlflow", "--temperature", "2", code=1)
    assert "cannot be written (Read-only file system). Choose a folder you can write to with --results" in said
    assert contents(disk / "results") == contents(whole)


@pytest.mark.parametrize("damaged", ["audio.flac", "record.json"])
def test_a_clip_that_was_truncated_is_set_aside_and_made_anew_by_the_commands_that_are_named(
    damaged, whole, tmp_path, toy_reference
):
    shutil.copytree(whole, tmp_path / "results", symlinks=True)
    [clip, *_] = Store(tmp_path / "results" / "store").ids()
    path = Store(tmp_path / "results" / "store").folder(clip) / damaged
    path.write_bytes(path.read_bytes()[:-100])
    said = run(tmp_path / "results", toy_reference, "--no-mlflow", code=1)
    [command] = re.findall("'harness (store verify .*?)'", said)
    assert CliRunner().invoke(app, command.split()).exit_code == 1
    assert "(1 sampled now)" in run(tmp_path / "results", toy_reference, "--no-mlflow")
    shutil.rmtree(tmp_path / "results" / "store" / ".damaged")
    assert contents(tmp_path / "results") == contents(whole)


def fill(disk: Path) -> None:
    """Leave hardly anything free."""
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(disk).free - SPARE_BYTES)))
