"""No password of an address is shown, whichever way it is printed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli import app
from harness.core.errors import TrackingError
from harness.core.identity import digest
from harness.core.redaction import redacted, redacting
from harness.reporting.mlflow import log_run
from tests.harness.stored import leave_run, put

WORDS = st.text(alphabet="abcXYZ089.:@/?#%&=!$-_~", min_size=1)


@given(WORDS.map(lambda word: f"pw{word}wp"), st.sampled_from(["http", "postgresql", "mysql+pymysql", "git+ssh"]))
def test_no_password_is_left_whatever_it_holds(password, scheme):
    """Also with signs that a URL would have to escape: databases take them as they are."""
    shown = redacted(f"at '{scheme}://me:{password}@host.example/db': refused")
    assert "pw" not in shown
    assert "wp" not in shown
    assert shown.endswith("host.example/db': refused")


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:5000", "http://host:5000/x@y", "me@host.example", "sqlite:////a/b@c.db", "file:///a@b", "a=b@c"],
)
def test_what_holds_no_password_stays(text):
    assert redacted(text) == text


def test_of_a_known_address_all_goes_even_what_no_address_may_hold():
    address = 'postgresql://me:two wo"rds@host/db'
    assert redacted(address, address) == "postgresql://***@host/db"
    assert redacted("http://admin:admin@host/admin", "http://admin:admin@host/admin") == "http://***@host/admin"
    assert redacted("'wo\"rds' is not understood", address) == "'***' is not understood"


def test_a_token_alone_and_secrets_of_a_query_go():
    assert redacted("https://token@host/x?a=1&access_token=t0k&b=2") == "https://***@host/x?a=1&access_token=***&b=2"


def test_whatever_prints_in_the_block_is_redacted(capsys):
    with redacting():
        print("http://me:secret@one")
        typer.echo("http://me:secret@two", err=True)
        json.dump({"uri": "http://me:secret@three"}, sys.stdout)
        sys.stderr.writelines(["http://me:secret@four"])
    out, err = capsys.readouterr()
    assert "secret" not in out + err
    assert [name for name in ("one", "two", "three", "four") if f"***@{name}" in out + err] == [
        "one", "two", "three", "four",
    ]  # fmt: skip


@pytest.fixture(
    params=[
        "http://me:s3cret@127.0.0.1:9",
        "postgresql://me:s3cret@127.0.0.1:9/x",
        "odd://me:s3cret@x",
        "http://me:s3cret/more@x",
    ]
)
def tracked(request, monkeypatch, tmp_path):
    """Results with a run, and an MLflow that cannot be reached."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", request.param)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return tmp_path


@pytest.mark.parametrize("further", [[], ["--json"]])
def test_sync_shows_no_password(tracked, further):
    run = leave_run(tracked, "heat-1", {"a": [put(tracked, 0)]})
    result = {"id": digest("heat-1"), "experiment": {"name": "heat", "conditions": []}, "settings": {}, "model": {}}
    (run / "result.json").write_text(json.dumps(result | {"conditions": [], "differences": []}))
    done = CliRunner().invoke(app, ["sync", "--results", str(tracked), *further])
    assert done.exit_code == 1
    assert "s3cret" not in done.output
    assert "***@" in done.output
    with pytest.raises(TrackingError) as caught:
        log_run(run, tracked)
    assert "s3cret" not in str(caught.value)


def test_ui_gives_its_server_no_password_that_others_can_read(tracked, monkeypatch):
    started = []

    class Popen:
        pid = 0
        stdout = ("no such address: http://me:s3cret@x\n",)

        def __init__(self, command, env, **options):
            started.append((command, env))

        def __enter__(self):
            return self

        def __exit__(self, *reason):
            pass

        def wait(self):
            return 0

    monkeypatch.setattr(subprocess, "Popen", Popen)
    done = CliRunner().invoke(app, ["ui", "--results", str(tracked)])
    assert "s3cret" not in done.output
    [(command, env)] = started
    assert "s3cret" not in " ".join(command)
    assert "s3cret" in env["MLFLOW_BACKEND_STORE_URI"]
