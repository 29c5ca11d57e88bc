"""A clip exists when it is whole; what is damaged is said; what is there is not made again."""

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import AudioError, StoreError
from harness.core.identity import digest
from harness.models.base import Clip
from harness.store.clips import Store, refusal, rename


def clip(seed: int = 0, seconds: float = 0.5) -> Clip:
    rng = np.random.default_rng(seed)
    audio = rng.uniform(-0.5, 0.5, round(seconds * 16000)).astype(np.float32)
    return Clip(audio, 16000, {0: rng.integers(0, 9, 7), 2: rng.integers(0, 9, (1, 3))}, {"style": "a"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_put_then_get_gives_the_clip_back(store):
    identity = {"seed": 1}
    put = store.put(identity, clip(), {"device": "cpu"})
    got = store.get(digest(identity))
    assert got.record == put.record
    assert got.record["identity"] == identity
    assert got.record["host"] == {"device": "cpu"}
    audio, rate = got.audio()
    assert rate == 16000
    np.testing.assert_allclose(audio, clip().audio, atol=1 / 32768)
    from safetensors.numpy import load_file

    codes = load_file(got.folder / "codes.safetensors")
    np.testing.assert_array_equal(codes["level_0"], clip().codes[0])
    np.testing.assert_array_equal(codes["level_2"], clip().codes[2])


def test_host_facts_are_not_part_of_the_name_and_the_first_clip_stays(store):
    first = store.put({"seed": 1}, clip(0), {"device": "cpu"})
    again = store.put({"seed": 1}, clip(1), {"device": "cuda"})
    assert again.record == first.record


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=8))
def test_missing_is_a_set_difference_in_order(tmp_path_factory, wanted):
    store = Store(tmp_path_factory.mktemp("store"))
    for seed in (1, 3):
        store.put({"seed": seed}, clip(seconds=0.01), {})
    ids = [digest({"seed": seed}) for seed in wanted]
    expected = [digest({"seed": seed}) for seed in dict.fromkeys(wanted) if seed not in (1, 3)]
    assert store.missing(ids) == expected


def test_a_missing_clip_says_how_to_make_it(store):
    with pytest.raises(StoreError, match=r"no clip abc.*Run the experiment again"):
        store.get("abc")


@pytest.mark.parametrize("name", ["audio.flac", "codes.safetensors"])
def test_a_damaged_file_is_named(store, name):
    stored = store.put({"seed": 1}, clip(), {})
    path = stored.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{stored.id}/{name} has SHA-256 .*harness store verify --quarantine"):
        store.get(stored.id)


def test_a_lost_file_is_named(store):
    stored = store.put({"seed": 1}, clip(), {})
    stored.path.unlink()
    with pytest.raises(StoreError, match=r"audio\.flac has SHA-256 nothing"):
        store.get(stored.id)


@pytest.mark.parametrize("record", ["", "{", "[]", "{}", '{"files": {}}', '{"files": 3, "identity": {}}', None])
def test_a_damaged_record_is_a_store_error(store, record):
    stored = store.put({"seed": 1}, clip(), {})
    path = stored.folder / "record.json"
    path.unlink() if record is None else path.write_text(record)
    with pytest.raises(StoreError, match=r"record .* cannot be read .*harness store verify --quarantine"):
        store.get(stored.id)


def test_a_record_of_another_clip_is_noticed(store):
    stored = store.put({"seed": 1}, clip(), {})
    path = stored.folder / "record.json"
    path.write_bytes((store.put({"seed": 2}, clip(), {}).folder / "record.json").read_bytes())
    with pytest.raises(StoreError, match="another clip"):
        store.get(stored.id)


@pytest.mark.parametrize("audio", [np.array([0.0, np.nan], np.float32), np.zeros(0, np.float32)])
def test_audio_that_is_no_audio_is_not_stored(store, audio):
    with pytest.raises(AudioError):
        store.put({"seed": 1}, Clip(audio, 16000), {})
    assert not store.has(digest({"seed": 1}))
    assert not list(store.root.glob(".partial/*"))


def test_a_disk_that_refuses_in_the_middle_loses_nothing(tmp_path):
    """A limit on the size of files stands for a full disk: the write of the second, longer clip breaks off."""
    code = textwrap.dedent("""
        import resource, sys, numpy as np
        from pathlib import Path
        from harness.core.errors import HarnessError
        from harness.models.base import Clip
        from harness.store.clips import Store
        store = Store(Path(sys.argv[1]))
        noise = np.random.default_rng(0).uniform(-.5, .5, 160_000).astype(np.float32)
        store.put({"n": 0}, Clip(noise[:1000], 16000), {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            store.put({"n": 1}, Clip(noise, 16000), {})
        except HarnessError as error:
            print(error)
    """)
    root = tmp_path / "store"
    run = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert "run" in run.stdout
    assert "again" in run.stdout
    store = Store(root)
    assert store.get(digest({"n": 0}))
    assert not store.has(digest({"n": 1}))
    assert not list(root.glob(".partial/*"))


def test_a_full_disk_is_called_full():
    message = refusal(Path("results/store"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert re.match(r"no space left for results/store \([\d.]+ MB are free\)", message)
    assert "not sampled again" in message


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    blocked = tmp_path / "store"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot be written .*--results"):
        Store(blocked).put({"seed": 1}, clip(), {})


def test_old_leftovers_are_swept_and_young_ones_left(store):
    store.put({"seed": 1}, clip(), {})
    for name, age in (("old", 48 * 3600), ("young", 60)):
        folder = store.root / ".partial" / name
        folder.mkdir()
        os.utime(folder, (time.time() - age, time.time() - age))
    store.sweep()
    assert [path.name for path in store.root.glob(".partial/*")] == ["young"]


def test_killed_at_any_moment_no_half_clip_is_visible(tmp_path):
    """A process that stores clips as fast as it can is killed at several moments; whatever it left is whole."""
    code = textwrap.dedent("""
        import sys, numpy as np
        from pathlib import Path
        from harness.models.base import Clip
        from harness.store.clips import Store
        store = Store(Path(sys.argv[1]))
        audio = np.random.default_rng(0).uniform(-.5, .5, 160_000).astype(np.float32)
        for n in range(10_000):
            store.put({"n": n}, Clip(audio, 16000, {0: np.arange(1000)}), {})
            print(n, flush=True)
    """)
    total = 0
    for attempt in range(4):
        root = tmp_path / str(attempt)
        with subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            reported = [int(process.stdout.readline()) for _ in range(2 + attempt)]
            process.send_signal(signal.SIGKILL)
            reported += [int(line) for line in process.stdout.read().split()]
        store = Store(root)
        visible = [path.name for path in root.glob("??/*")]
        for clip_id in visible:
            store.get(clip_id)
        assert {digest({"n": n}) for n in reported} <= set(visible)
        assert len(visible) - len(reported) in (0, 1)  # at most the one renamed but not yet reported
        total += len(visible)
    assert total >= 14


def test_two_writers_of_one_clip_agree(tmp_path):
    """The second rename finds the folder taken and keeps the first."""
    root = tmp_path / "store"
    first = Store(root).put({"seed": 1}, clip(), {"process": 1})
    other = root / ".partial" / "other"
    other.mkdir()
    (other / "record.json").write_text("{}")
    rename(other, first.folder)
    assert Store(root).get(first.id).record["host"] == {"process": 1}


def test_a_claimed_clip_is_busy_for_others_until_it_is_let_go(store):
    store.put({"seed": 1}, clip(), {})
    stored, missing, other = (digest({"seed": seed}) for seed in (1, 2, 3))
    with store.claim([stored, missing]) as first:
        assert (first.mine, first.busy) == ((missing,), ())
        with Store(store.root).claim([stored, missing, other]) as second:
            assert (second.mine, second.busy) == ((other,), (missing,))
    with store.claim([missing]) as third:
        assert third.mine == (missing,)
    assert not list(store.root.glob(".locks/*"))


def test_clips_are_stored_together_without_the_one_that_is_no_audio(store):
    broken = Clip(np.array([np.nan], np.float32), 16000)
    first, second, third = store.put_all([({"n": 1}, clip(1)), ({"n": 2}, broken), ({"n": 3}, clip(3))], {})
    assert isinstance(second, AudioError)
    assert store.get(digest({"n": 1})).record == first.record
    assert store.get(digest({"n": 3})).record == third.record
    assert not store.has(digest({"n": 2}))
    assert not list(store.root.glob(".partial/*"))


def test_a_clip_that_comes_out_otherwise_takes_the_place_of_the_stored_one_only_when_asked(store):
    identity = {"seed": 1}
    first = store.put(identity, clip(0), {"device": "cpu"})
    for replace, other, changed in ((False, clip(1), False), (True, clip(0), False), (True, clip(1), True)):
        [kept] = store.put_all([(identity, other)], {"device": "cuda"}, replace)
        assert kept.changed is changed
        assert (store.get(first.id).record == first.record) is not changed
    assert store.get(first.id).record["host"] == {"device": "cuda"}
    assert not list(store.root.glob(".partial/*"))


def test_locks_and_codes_that_nobody_needs_are_swept(store):
    stored = store.put({"seed": 1}, clip(), {})
    (store.root / ".locks").mkdir()
    (store.root / ".unfinished").mkdir()
    for clip_id in (stored.id, digest({"seed": 2})):
        (store.root / ".locks" / f"{clip_id}.lock").touch()
        store.unfinished(clip_id).touch()
    with Store(store.root).claim([digest({"seed": 3})]):
        store.sweep()
        assert [path.stem for path in store.root.glob(".locks/*")] == [digest({"seed": 3})]
    assert [path.stem for path in store.root.glob(".unfinished/*")] == [digest({"seed": 2})]
