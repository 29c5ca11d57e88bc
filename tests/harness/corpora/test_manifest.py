"""Every shipped manifest holds together; one that does not is refused with the row and the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import CorpusError, UsageError
from harness.corpora.attribution import LICENCE_PAGES, attribution
from harness.corpora.manifest import (
    LICENCES,
    SHIPPABLE,
    check,
    load_manifest,
    manifest_names,
    read_tracks,
    write_tracks,
)
from harness.corpora.splits import SPLITS, assign
from metrics.reference.sets import load_reference

from .conftest import manifest_of, track_of


@pytest.mark.parametrize("name", manifest_names())
def test_shipped_manifests_hold_together(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.description
    assert len({track.file for track in manifest.tracks}) == len(manifest.tracks)
    assert len({(track.package, track.path) for track in manifest.tracks}) == len(manifest.tracks)
    assert all(track.author.strip() and track.licence in LICENCES for track in manifest.tracks)
    assert all(package.evidence and package.source and package.size > 0 for package in manifest.packages)
    assert {track.package for track in manifest.tracks} == {package.name for package in manifest.packages}


def test_mini_can_be_trained_on_for_weights_that_are_given_away() -> None:
    manifest = load_manifest("mini")
    assert manifest.shippable
    assert {track.licence for track in manifest.tracks} <= set(SHIPPABLE)
    seconds: dict[str, float] = dict.fromkeys(SPLITS, 0.0)
    tracks = Counter((track.style, track.split) for track in manifest.tracks)
    for track in manifest.tracks:
        seconds[track.split] += track.seconds
    assert seconds["train"] >= 4.5 * 3600
    for style in {track.style for track in manifest.tracks}:
        assert tracks[style, "test"] >= 6
        assert tracks[style, "valid"] >= 3
        assert tracks[style, "train"] >= 5


def test_mini_keeps_whole_packages_aside() -> None:
    manifest = load_manifest("mini")
    for package in manifest.packages:
        if package.test is None:
            assert {track.split for track in manifest.of_package(package.name)} == {"test"}
    trained = {track.artist for track in manifest.tracks if track.split == "train"}
    aside = {track.artist for track in manifest.tracks if manifest.package(track.package).test is None}
    assert not trained & aside


def test_heldout_holds_minis_test_tracks_and_nothing_it_was_trained_on() -> None:
    mini, heldout = load_manifest("mini"), load_manifest("heldout")
    test = {track.sha256 for track in mini.tracks if track.split == "test"}
    held = {track.sha256 for track in heldout.tracks}
    assert test < held
    assert not held & {track.sha256 for track in mini.tracks if track.split != "test"}
    assert {track.split for track in heldout.tracks} == {"test"}


@pytest.mark.parametrize("name", ["heldout", "others"])
def test_the_reference_sets_that_ship_are_of_the_tracks_declared(name: str) -> None:
    reference = load_reference(name)
    assert reference.strata is not None
    styles = set(reference.strata.tolist())
    tracks = [track for track in load_manifest("heldout").tracks if track.style in styles]
    held = set(zip(reference.units.tolist(), reference.strata.tolist(), strict=True))
    assert held <= {(track.file, track.style) for track in tracks}
    assert reference.n_units == len(tracks) - (name == "others")  # one of romantic's 31 tracks is left over by 30 clips
    versions = {track.package: track.version for track in tracks}
    assert reference.provenance["packages"] == versions
    assert set(reference.provenance["licences"]) == {track.licence for track in tracks}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"licence": "CC-BY-NC-4.0"}, "licence 'CC-BY-NC-4.0' is none of"),
        ({"licence": "GPL-2.0-or-later"}, "licence 'GPL-2.0-or-later' is none of"),
        ({"author": " "}, "a label is empty"),
        ({"split": "training"}, "split 'training'"),
        ({"split": "valid"}, "its split is valid, the rule gives train"),
        ({"sha256": "ab"}, "not a SHA-256"),
        ({"path": "a|b"}, "one hash per stem"),
        ({"file": "../../a.flac"}, "not the place of a FLAC"),
        ({"file": "/a.flac"}, "not the place of a FLAC"),
        ({"package": "unknown"}, "its package is none of"),
        ({"version": "2"}, "version 2 is not the package's"),
        ({"seconds": 0.0}, "duration"),
    ],
)
def test_a_row_that_is_off_is_refused(change: dict[str, object], problem: str) -> None:
    good = manifest_of([track_of("songs", "a.ogg", [b"a"])])
    check(good)
    bad = replace(good, tracks=(replace(good.tracks[0], **change),))  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match=problem):
        check(bad)


@pytest.mark.parametrize("column", ["file", "sha256"])
def test_one_track_cannot_be_there_twice(column: str) -> None:
    first, second = track_of("songs", "a.ogg", [b"a"]), track_of("songs", "b.ogg", [b"b"])
    second = replace(second, **{column: getattr(first, column)})
    with pytest.raises(CorpusError, match=f"two tracks with the same {column}"):
        check(manifest_of([first, second]))


@pytest.mark.parametrize("splits", [["train"], ["test", "train"]])
def test_a_users_manifest_can_include_another(tmp_path: Path, splits: list[str]) -> None:
    (tmp_path / "own.toml").write_text(
        'name = "own"\ndescription = "Mine."\nseed = 1\nshippable = true\n'
        f'include = [{{ manifest = "mini", splits = {splits} }}]\n'
        '[[packages]]\nname = "songs"\nversion = "1-1"\nsize = 1\nsource = "x"\nevidence = "x"\ntest = "all"\n'
    )
    (tmp_path / "own.csv").write_text(write_tracks([track_of("songs", "a.ogg", [b"a"], split="test")]))
    manifest = load_manifest(str(tmp_path / "own.toml"))
    assert {track.split for track in manifest.tracks} == {*splits, "test"}
    assert manifest.tracks[-1].package == "songs"


def test_unknown_and_broken_manifests_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'mini'"):
        load_manifest("minni")
    with pytest.raises(UsageError, match="no manifest at"):
        load_manifest(str(tmp_path / "none.toml"))
    (tmp_path / "own.toml").write_text("name = ")
    with pytest.raises(CorpusError, match="cannot be read"):
        load_manifest(str(tmp_path / "own.toml"))
    (tmp_path / "own.toml").write_text('name = "own"\npackages = []\n')
    (tmp_path / "own.csv").write_text("package,version\n")
    with pytest.raises(CorpusError, match="no column path"):
        load_manifest(str(tmp_path / "own.toml"))


text = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1)


@given(title=text, author=text, seconds=st.floats(0.1, 1e4))
def test_rows_survive_being_written_and_read(title: str, author: str, seconds: float) -> None:
    track = track_of("songs", "a.ogg", [b"a"], title=title, author=author, seconds=seconds)
    assert read_tracks(write_tracks([track]), "rows") == [track]


@given(
    paths=st.lists(st.text(max_size=8), unique=True, max_size=30),
    valid=st.integers(0, 8),
    test=st.integers(0, 8),
    seed=st.integers(0, 5),
)
def test_splits_are_counted_and_do_not_depend_on_the_order(paths: list[str], valid: int, test: int, seed: int) -> None:
    splits = assign("songs", paths, valid, test, seed)
    assert splits == assign("songs", paths[::-1], valid, test, seed)
    counts = Counter(splits.values())
    assert counts["test"] == min(test, len(paths))
    assert counts["valid"] == min(valid, max(0, len(paths) - test))
    assert sum(counts.values()) == len(paths)


def test_attribution_names_every_author_licence_and_title() -> None:
    manifest = load_manifest("mini")
    text = attribution(manifest, ["train", "valid"])
    for track in manifest.tracks:
        if track.split != "test":
            assert track.author in text
            assert track.title in text
            assert LICENCE_PAGES[track.licence] in text
    assert "muldjord" not in text
    assert set(LICENCES) == set(LICENCE_PAGES)
