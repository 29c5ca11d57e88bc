import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from harness.cli import app


@pytest.fixture
def music(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "folk"
    folder.mkdir()
    for n in range(4):
        noise = 0.1 * np.random.default_rng(n).standard_normal(2 * 16000)
        soundfile.write(folder / f"{n}.wav", noise, 16000)
    (folder / "broken.wav").write_bytes(b"no sound")
    (folder / "._0.wav").write_bytes(b"left by another system")
    return folder


def harness(*arguments):
    return CliRunner().invoke(app, ["reference", *map(str, arguments)], env={"COLUMNS": "200"})


def test_build_list_and_show(music):
    built = harness("build", "mine", "--from", music, "--embedder", "toy", "--licence", "CC0-1.0", "--quiet")
    assert built.exit_code == 1  # one was left out
    assert "mine: 12 frames of 4 files; use it with --reference mine" in built.stdout
    assert "left out broken.wav" in built.stderr
    assert "skipped ._0.wav" in built.stderr
    listed = harness("list")
    assert listed.exit_code == 0
    [line] = [line for line in listed.output.splitlines() if "mine" in line]
    assert all(part in line for part in ("toy", "4", "12", "folk", "yours"))
    assert "shipped" in listed.output
    shown = harness("show", "mine", "--files")
    assert shown.exit_code == 0
    for part in ("12 frames of 16 dimensions, 4 songs", "lufs -23", "CC0-1.0  0.wav", "of the variance", str(music)):
        assert part in shown.output


def test_a_shipped_set_is_shown_as_well():
    shown = harness("show", "heldout")
    assert shown.exit_code == 0
    assert "musicnn" in shown.output


def test_mistakes_are_answered_in_one_message(music):
    harness("build", "mine", "--from", music, "--embedder", "toy", "--quiet")
    for arguments, message in [
        (("build", "mine", "--from", music, "--embedder", "toy"), "--replace"),
        (("build", "new", "--from", music, "--from", "corpus:folk"), "one folder, or styles of a corpus"),
        (("build", "new", "--from", music / "absent", "--embedder", "toy"), "no folder"),
        (("build", "new", "--from", music, "--embedder", "toyy"), "Did you mean 'toy'"),
        (("show", "mime"), "Did you mean 'mine'"),
    ]:
        result = harness(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert "Traceback" not in result.output
    again = harness("build", "mine", "--from", music, "--embedder", "toy", "--replace", "--quiet")
    assert again.exit_code == 1
