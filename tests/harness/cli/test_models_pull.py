"""`harness models list`, `show`, `pull` and `verify` on a tiny model in the released format."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.models.jukebox.weights import inventory
from tests.harness.models.jukebox.weights.released.conftest import make_folder, releases

__all__ = ["releases"]  # a fixture

NAME = "jukebox:tiny"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The tiny model as the only released one."""
    made = make_folder(tmp_path / "cache")
    monkeypatch.setattr(inventory, "NAMES", (NAME,))
    monkeypatch.setattr(inventory, "released", lambda name: made)
    return made


def run(*args):
    result = CliRunner().invoke(app, ["models", *args], env={"COLUMNS": "160"})
    return result.exit_code, " ".join(result.output.split())


def test_a_model_is_shown_pulled_verified_and_missed(folder, releases):
    code, output = run("show", NAME)
    assert code == 0
    assert "tiny: not pulled" in output
    assert f"harness models pull {NAME}" in output
    assert "styles" not in output

    code, output = run("pull", NAME, "--from", str(releases[True]), "--quiet")
    assert code == 0, output
    assert "under the licence noncommercial: Noncommercial Use License of a test, https://licence.example." in output
    assert "marked “created by a test”" in output
    assert "8 files fetched, 0 existing" in output

    code, output = run("show", NAME)
    assert "tiny: ready" in output
    assert "2 styles, 2 artists" in output
    assert "3 layers of 16, 16 codes (0.1 s), 8 lyric characters" in output
    assert "To fetch" not in output

    code, output = run("verify", NAME)
    assert (code, output.count("as it was fetched")) == (0, 8)

    folder.weights("prior_level_1").unlink()
    changed = folder.weights("prior_level_0")
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    code, output = run("verify", NAME)
    assert code == 1
    assert "5b/prior_level_1: missing" in output
    assert "5b/prior_level_0: has SHA-256" in output
    assert "2 of 8 files of jukebox:tiny" in output
    code, output = run("show", NAME)
    assert "partly (3 of 4 modules)" in output


def test_a_damaged_file_is_a_problem_to_verify_and_to_show(folder, releases):
    run("pull", NAME, "--from", str(releases[True]), "--quiet")
    whole = folder.weights("vqvae").read_bytes()
    folder.weights("vqvae").write_bytes(whole[:-1])
    code, output = run("verify", NAME)
    assert code == 1
    assert "is not a whole safetensors file" in output
    assert "is not a whole safetensors file" in run("show", NAME)[1]


def test_the_list_has_every_model_with_its_state():
    """The real ones; none of the released is in the empty cache."""
    code, output = run("list")
    assert code == 0
    for name, parameters in {
        "jukebox:1b_lyrics": "2,907 M",
        "jukebox:5b": "7,025 M",
        "jukebox:5b_lyrics": "7,605 M",
    }.items():
        assert f"│ {name} │ {parameters} │ needs" in output
    assert "│ jukebox:mini │ 10 M │ 19.6 MB │ ready │ CC-BY-SA-4.0 │" in output
    assert "│ toy │ – │ – │ ready │ – │" in output
    assert run()[1].split()[:2] == ["jukebox:1b_lyrics", "jukebox:5b"]


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "empty"))


def test_mistakes(folder):
    assert run("pull", "jukebox:mini")[0] == 2
    code, output = run("show", "jukebox:mni")
    assert code == 2
    assert "Did you mean 'jukebox:mini'?" in output
    code, output = run("pull", NAME, "--from", "/nowhere/at/all", "--quiet")
    assert code == 1
    assert "neither a folder nor an address" in output
    for verb in ("show", "verify"):
        assert "no weights of its own" in run(verb, "toy")[1]
        assert run(verb, "jukebox:mini")[0] == 0
