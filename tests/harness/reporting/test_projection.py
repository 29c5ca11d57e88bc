"""What a run leaves in its folder, while it is under way and when several write it at once."""

import os
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.models.toy import ToyModel
from harness.reporting.projection import link_clip, planned
from harness.sampling.loop import sample_missing
from harness.store.clips import Store
from harness.store.listing import begun_runs, references
from tests.harness.sampling.executors.faults import toy_plan


def test_a_run_refers_to_its_clips_from_its_beginning_until_its_table_does(tmp_path: Path):
    plan, store, folder = toy_plan(), Store(tmp_path / "store"), tmp_path / "runs" / "t-1"
    sample_missing(plan, ToyModel(), store, Quiet())
    with pytest.raises(KeyboardInterrupt), planned(folder, plan.requests, store):
        raise KeyboardInterrupt
    assert begun_runs(tmp_path) == ["t-1"]
    assert set(references(tmp_path)) == {request.id for request in plan.requests}
    with planned(folder, plan.requests, store):
        pass
    assert begun_runs(tmp_path) == []


def test_a_run_that_ends_before_its_first_clip_leaves_nothing(tmp_path: Path):
    folder = tmp_path / "runs" / "t-1"
    with planned(folder, toy_plan().requests, Store(tmp_path / "store")):
        assert len(references(tmp_path)) == 16
    with pytest.raises(UsageError), planned(folder, toy_plan().requests, Store(tmp_path / "store")):
        raise UsageError("a prompt that the model refuses")
    assert begun_runs(tmp_path) == []


def test_a_link_that_another_run_makes_meanwhile_is_no_fault(tmp_path: Path, monkeypatch):
    target, link = tmp_path / "audio.flac", tmp_path / "clips" / "calm-0.flac"
    target.write_bytes(b"sound")
    really = Path.symlink_to

    def later(self: Path, to: str) -> None:
        os.symlink(to, link)  # the other run is faster
        really(self, to)

    monkeypatch.setattr(Path, "symlink_to", later)
    link_clip(target, link)
    assert os.readlink(link) == "../audio.flac"
    assert os.listdir(link.parent) == [link.name]
