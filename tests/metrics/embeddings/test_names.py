"""Embedders that other distributions bring, by family: `family:rest`."""

import pytest

from metrics.embeddings import load_embedder
from metrics.embeddings.toy import ToyEmbedder
from metrics.errors import BrokenPlugin, UsageError
from tests.distributions import install

GROUP = "music_harness.embedders"


class Made(ToyEmbedder):
    """Remembers what it was made with."""

    def __init__(self, rest: str = "", pool: str = "second") -> None:
        self.name, self.pool = rest, pool


class Mute:
    """An embedder that cannot embed."""


class Unsaid(ToyEmbedder):
    """An embedder that does not say what made its numbers."""

    def provenance(self) -> dict[str, object]:
        return {"weights": object()}


def mute() -> Mute:
    return Mute()


def exit_when_made() -> None:
    raise SystemExit(0)


@pytest.fixture(autouse=True)
def _plugins(tmp_path, monkeypatch):
    points = {
        "family": "Made",
        "whole:name": "Made",
        "class": "Mute",
        "made": "mute",
        "exits": "exit_when_made",
        "unsaid": "Unsaid",
    }
    targets = {name: f"{__name__}:{target}" for name, target in points.items()}
    install(tmp_path, "families", {GROUP: {**targets, "toy": f"{__name__}:Made"}})
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


@pytest.mark.parametrize("name", ["class", "made", "exits", "unsaid"])
def test_a_plug_in_that_gives_no_embedder_is_broken(name):
    with pytest.raises(BrokenPlugin) as caught:
        load_embedder(name)
    assert (caught.value.name, caught.value.distribution) == (name, "families")


def test_a_name_of_ours_is_not_taken():
    assert not isinstance(load_embedder("toy"), Made)


def test_the_families_of_this_project_are_declared():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"][GROUP]["jukebox"] == "harness.models.jukebox.embedder:load"
