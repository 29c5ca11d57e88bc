"""`harness doctor`: each check says what it found, and what is wrong ends with exit code 1."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.running import doctor
from harness.running.doctor import MachineFinding, examine

pytestmark = pytest.mark.whole


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """The model's weights and the arithmetic are read once by hand, not in every test."""
    monkeypatch.setattr(doctor, "_weights", lambda: iter([MachineFinding("jukebox:mini", "ok", "loads")]))
    monkeypatch.setattr(doctor, "_speed", lambda: iter([MachineFinding("speed", "ok", "fast")]))


def by_subject(results: Path) -> dict[str, MachineFinding]:
    return {finding.subject: finding for finding in examine(results)}


def test_on_a_machine_that_has_everything_nothing_is_wrong(tmp_path):
    found = by_subject(tmp_path / "results")
    assert {"Python", "torch", "results", "cache", "decoders", "MLflow", "clock"} <= found.keys()
    assert not [finding for finding in found.values() if finding.verdict == "wrong"]
    assert not (tmp_path / "results").exists()


def test_a_server_that_does_not_answer_is_wrong_and_its_password_is_not_shown(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    found = by_subject(tmp_path)["MLflow"]
    assert (found.verdict, "harness sync" in found.advice, "secret" in found.found) == ("wrong", True, False)


def test_a_cache_that_cannot_be_written_is_a_note_and_results_that_cannot_are_wrong(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    found = by_subject(tmp_path / "file" / "results")
    assert (found["cache"].verdict, "HARNESS_CACHE" in found["cache"].advice) == ("note", True)
    assert (found["results"].verdict, "--results" in found["results"].advice) == ("wrong", True)


def test_a_disk_with_little_room_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LITTLE_ROOM", 1 << 62)
    assert by_subject(tmp_path)["results"].verdict == "note"


def test_a_check_that_fails_itself_is_a_finding_and_stops_no_other(tmp_path, monkeypatch):
    def broken():
        raise ImportError("libsndfile.so.1 is missing")
        yield

    monkeypatch.setattr(doctor, "_decoders", broken)
    found = by_subject(tmp_path)
    assert found["decoders"].verdict == "wrong"
    assert "libsndfile.so.1" in found["decoders"].found
    assert found["clock"].verdict == "ok"


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("note", 0), ("wrong", 1)])
def test_the_exit_code_tells_whether_something_is_wrong(verdict, code, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "examine", lambda results: [MachineFinding("disk", verdict, "found", "do this")])
    plain = CliRunner().invoke(app, ["doctor", "--results", str(tmp_path)])
    listed = CliRunner().invoke(app, ["doctor", "--json", "--results", str(tmp_path)])
    assert plain.exit_code == listed.exit_code == code
    assert "do this" in plain.stdout
    assert json.loads(listed.stdout) == [{"subject": "disk", "verdict": verdict, "found": "found", "advice": "do this"}]
