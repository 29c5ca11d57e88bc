"""Damage is found and set aside; only what nothing needs is removed."""

import errno
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import StoreError
from harness.core.identity import readable_json
from harness.store import upkeep as store_upkeep
from harness.store.clips import Store, StoredClip, record_hash
from harness.store.upkeep import collect, quarantine, remove, verify
from metrics.io.audio import save
from metrics.io.weights import file_sha256
from tests.harness.stored import leave_plan, leave_run, put


@pytest.fixture
def results(tmp_path: Path) -> Path:
    clips = [put(tmp_path, seed) for seed in range(4)]
    leave_run(tmp_path, "run-1", {"a": clips[:2]})
    return tmp_path


def truncate(stored: StoredClip) -> None:
    stored.path.write_bytes(stored.path.read_bytes()[:-100])


def corrupt_record(stored: StoredClip) -> None:
    (stored.folder / "record.json").write_bytes((stored.folder / "record.json").read_bytes()[:50])


def lose_audio(stored: StoredClip) -> None:
    stored.path.unlink()


def shorten_with_its_hash(stored: StoredClip) -> None:
    """A whole, shorter file whose hash was recorded, beside the number of samples of another."""
    save(stored.path, np.full(10, 0.1, np.float32), 16_000)
    rehash(stored)


def no_audio_with_its_hash(stored: StoredClip) -> None:
    stored.path.write_bytes(b"no sound")
    rehash(stored)


def rehash(stored: StoredClip) -> None:
    stored.record["files"]["audio.flac"]["sha256"] = file_sha256(stored.path)
    stored.record["sha256"] = record_hash(stored.record)
    (stored.folder / "record.json").write_bytes(readable_json(stored.record))


DAMAGES = [
    (truncate, "audio.flac has SHA-256"),
    (corrupt_record, "record of clip .* cannot be read"),
    (lose_audio, "nothing, recorded was"),
    (shorten_with_its_hash, "holds 10 samples"),
    (no_audio_with_its_hash, "cannot be decoded"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damage_is_found_set_aside_and_made_good(results: Path, damage, message: str):
    store = Store(results / "store")
    assert verify(store) == {}
    stored = put(results, 1)
    damage(stored)
    damaged = verify(store)
    assert list(damaged) == [stored.id]
    assert re.search(message, damaged[stored.id])
    aside = quarantine(store, list(damaged))
    assert (aside / stored.id).is_dir()
    assert verify(store) == {}
    assert store.missing([stored.id]) == [stored.id]
    put(results, 1)
    assert verify(store) == {}


def entries(garbage) -> dict[str, str]:
    return {leftover.path.name: leftover.why for leftover in garbage.leftovers}


def test_only_what_nothing_needs_can_go(results: Path):
    store, spare = Store(results / "store"), [put(results, seed).id for seed in (2, 3)]
    stored = put(results, 0).id
    partial = store.root / ".partial" / "left"
    partial.mkdir(parents=True)
    (store.root / ".unfinished").mkdir()
    for name in (f"{stored}.safetensors", f"{'0' * 64}.safetensors", f".{'0' * 64}.safetensors.1a.part"):
        (store.root / ".unfinished" / name).write_bytes(b"codes")
    young = collect(results)
    assert entries(young) == {f"{stored}.safetensors": "unfinished"}
    assert young.young == 2
    every = collect(results, older_than=0)
    assert entries(every) == {
        **dict.fromkeys(spare, "no run refers to it"),
        "left": "temporary",
        f".{'0' * 64}.safetensors.1a.part": "temporary",
        f"{stored}.safetensors": "unfinished",
        f"{'0' * 64}.safetensors": "unfinished",
    }
    assert len(store.ids()) == 4  # so far nothing was removed
    remove(store, every)
    assert set(store.ids()) == {put(results, 0).id, put(results, 1).id}
    assert verify(store) == {}
    assert collect(results, older_than=0).leftovers == ()
    assert not list(store.root.glob(".partial/*"))


def test_old_means_older_than_was_said(results: Path):
    stored = put(results, 2)
    os.utime(stored.folder, (1, 1))
    assert entries(collect(results)) == {stored.id: "no run refers to it"}


def test_what_an_interrupted_run_needs_stays_however_old_it_is(results: Path):
    store, stored, unfinished = Store(results / "store"), put(results, 2), put(results, 3)
    plan = leave_plan(results, "begun-2", {"a": [stored, unfinished]})
    store.unfinished(unfinished.id).parent.mkdir()
    store.unfinished(unfinished.id).write_bytes(b"codes so far")
    shutil.rmtree(unfinished.folder)
    garbage = collect(results, older_than=0)
    assert (garbage.leftovers, garbage.begun) == ((), ("begun-2",))
    plan.unlink()
    assert set(entries(collect(results, older_than=0))) == {stored.id, f"{unfinished.id}.safetensors"}


def test_without_readable_tables_of_clips_nothing_is_called_garbage(results: Path):
    (results / "runs" / "run-1" / "clips.csv").write_text("clip\nx\n")
    with pytest.raises(StoreError, match="cannot be read"):
        collect(results, older_than=0)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_store_that_cannot_be_written_is_explained(results: Path, monkeypatch, number: int):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store_upkeep, "rename", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    store = Store(results / "store")
    before = store.ids()
    with pytest.raises(StoreError, match=r"no space left|cannot be written"):
        quarantine(store, before[:1])
    with pytest.raises(StoreError, match=r"no space left|cannot be written"):
        remove(store, collect(results, older_than=0))
    assert store.ids() == before
