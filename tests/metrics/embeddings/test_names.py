"""Embedders that other distributions bring, by family: `family:rest`."""

import pytest

from metrics.api.errors import UsageError
from metrics.embeddings import load_embedder
from metrics.embeddings.toy import ToyEmbedder
from tests.distributions import install

GROUP = "music_harness.embedders"


class Made(ToyEmbedder):
    """Remembers what it was made with."""

    def __init__(self, rest: str = "", pool: str = "second") -> None:
        self.name, self.pool = rest, pool


@pytest.fixture(autouse=True)
def _plugins(tmp_path, monkeypatch):
    install(tmp_path, "families", {GROUP: dict.fromkeys(("family", "whole:name"), f"{__name__}:Made")})
    monkeypatch.syspath_prepend(tmp_path)


def made(name: str, **options: str) -> Made:
    embedder = load_embedder(name, **options)
    assert isinstance(embedder, Made)
    return embedder


def test_the_rest_of_a_name_goes_to_its_family():
    assert made("family:mini@6").name == "mini@6"
    assert made("family:a:b", pool="clip").name == "a:b"
    assert made("family:a", pool="clip").pool == "clip"
    assert made("family").name == ""


def test_a_name_that_is_known_as_a_whole_is_not_split():
    assert made("whole:name").name == ""


def test_an_unknown_family_is_answered_with_what_is_known():
    with pytest.raises(UsageError, match=r"unknown embedder 'famly'.*'family'.*whole:name"):
        load_embedder("famly:x")


def test_what_an_embedder_does_not_take_is_said():
    with pytest.raises(UsageError, match="'toy' cannot be made with these options"):
        load_embedder("toy:x")
    with pytest.raises(UsageError, match="'family' cannot be made with these options"):
        load_embedder("family:x", hop=1)


def test_the_families_of_this_project_are_declared():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"][GROUP]["jukebox"] == "harness.models.jukebox.embedder:load"
