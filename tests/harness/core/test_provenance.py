"""Facts about code and machine, there or left out, never guessed."""

import json
import subprocess
from pathlib import Path

import pytest

from harness.core import provenance


def test_facts_name_the_machine_and_the_packages():
    facts = provenance.facts()
    assert facts["host"]
    assert {"torch", "numpy", "soundfile", "mlflow"} <= set(facts["packages"])
    assert "pytest" not in facts["packages"]  # an option's
    assert json.loads(json.dumps(facts)) == facts


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A repository in which the module's own file seems to lie."""
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        (tmp_path / "provenance.py").touch()
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    provenance.source.cache_clear()
    yield tmp_path
    provenance.source.cache_clear()


def test_a_commit_is_clean_until_a_tracked_file_changes(repository: Path):
    (repository / "untracked").touch()
    clean = provenance.source()
    assert len(clean["git_commit"]) == 40
    assert clean["git_dirty"] is False
    (repository / "provenance.py").write_text("changed")
    assert provenance.source() == clean  # once a process
    provenance.source.cache_clear()
    assert provenance.source() == {**clean, "git_dirty": True}


def test_without_a_repository_or_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    for path in (None, ""):
        if path is not None:
            monkeypatch.setenv("PATH", path)
        provenance.source.cache_clear()
        assert provenance.source() == {}
    provenance.source.cache_clear()
