"""What a clip's record says is covered by its hash; a record that is not one is damage, and is named."""

import errno
import json
import os

import numpy as np
import pytest

from harness.core.errors import AudioError, DamagedClip
from harness.models.base import Clip
from harness.store.clips import RECORD_SCHEMA, Store, read_record, refusal
from harness.store.listing import listing, usage
from harness.store.upkeep import verify


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def put(store, seed):
    audio = np.random.default_rng(seed).uniform(-0.5, 0.5, 800).astype(np.float32)
    return store.put({"seed": seed}, Clip(audio, 16000, {}, {"style": "a"}), {"device": "cpu"})


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("audio", "seconds", 7.0),
        ("audio", "gain", 0.25),
        ("conditioning", "style", "b"),
        ("host", "device", "cuda"),
        (None, "schema", RECORD_SCHEMA + 1),
        (None, "schema", "2"),
        (None, "sha256", None),
    ],
)
def test_an_altered_record_is_found_and_the_others_are_not(store, part, name, value):
    altered, good = put(store, 1), put(store, 2)
    record = json.loads((altered.folder / "record.json").read_text())
    (record if part is None else record[part])[name] = value
    (altered.folder / "record.json").write_text(json.dumps(record))
    assert list(verify(store)) == [altered.id]
    assert store.get(good.id).record == good.record


def test_a_record_without_a_hash_of_schema_1_is_still_read(store):
    stored = put(store, 1)
    record = {**stored.record, "schema": 1}
    del record["sha256"]
    (stored.folder / "record.json").write_text(json.dumps(record))
    assert store.get(stored.id).record == record


@pytest.mark.parametrize("seconds", [None, "4", True, [], 0, -1.0, float("inf"), float("nan")])
def test_seconds_that_are_no_number_are_damage_also_in_an_old_record(store, seconds):
    stored, good = put(store, 1), put(store, 2)
    record = {**stored.record, "schema": 1, "audio": {**stored.record["audio"], "seconds": seconds}}
    del record["sha256"]
    (stored.folder / "record.json").write_text(json.dumps(record))
    rows = {row["identity"]: row for row in listing(store.root.parent)}
    assert "problem" in rows[stored.id]
    assert "problem" not in rows[good.id]
    assert sum(group["clips"] for group in usage(rows.values())) == 2
    assert list(verify(store)) == [stored.id]


def test_a_pipe_in_place_of_a_record_is_not_waited_for(store):
    stored = put(store, 1)
    (stored.folder / "record.json").unlink()
    os.mkfifo(stored.folder / "record.json")
    with pytest.raises(DamagedClip):
        read_record(stored.folder)


@pytest.mark.parametrize(
    "audio",
    [
        np.full(80, 0.1 + 0.1j),
        np.full((2, 80), 0.1, np.float32),
        np.full(80, 100, np.int16),
        np.full(80, True),
        [0.1] * 80,
    ],
)
def test_sound_of_another_kind_is_refused_and_nothing_is_stored(store, audio):
    with pytest.raises(AudioError):
        store.put({"seed": 1}, Clip(audio, 16000, {}, {}), {})
    assert store.ids() == []


def test_codes_that_are_no_whole_numbers_are_refused(store):
    with pytest.raises(AudioError):
        store.put({"seed": 1}, Clip(np.full(80, 0.1, np.float32), 16000, {0: np.zeros(3)}, {}), {})
    assert store.ids() == []


@pytest.mark.parametrize(("number", "word"), [(errno.EMFILE, "ulimit -n"), (errno.EFBIG, "ulimit -f")])
def test_a_limit_is_not_told_as_a_matter_of_permissions(tmp_path, number, word):
    said = refusal(tmp_path, OSError(number, "refused"))
    assert word in said
    assert "permissions" not in said
