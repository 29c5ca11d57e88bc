"""A corpus is built once, whole, from the bytes the manifest names; what fails is listed and the rest is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.core.errors import CorpusError
from harness.core.progress import Quiet, Stage
from harness.corpora.build import BuildOptions, build
from harness.corpora.corpus import corpus_folder
from harness.corpora.manifest import read_tracks

from .conftest import Songs, World, manifest_of, tone, track_of


def stamps(folder: Path) -> dict[str, int]:
    """Every file with the time it was written."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_corpus_is_built_and_the_second_build_does_nothing(world: World, units: Songs) -> None:
    built = build(units.manifest)
    assert (built.converted, built.kept) == (3, 0)
    rows = read_tracks((built.folder / "manifest.csv").read_text(), "rows")
    assert [row.title for row in rows] == [track.title for track in units.manifest.tracks]
    for row in rows:
        audio, rate = soundfile.read(built.folder / row.file)
        assert (rate, audio.ndim, len(audio)) == (16000, 1, round(row.seconds * 16000))
        assert soundfile.info(built.folder / row.file).subtype == "PCM_16"
    before = stamps(built.folder)
    again = build(units.manifest)
    assert (again.converted, again.kept) == (0, 3)
    assert stamps(built.folder) == before
    assert world.downloads() == ["songs=1-1"]


def test_stems_are_summed_and_the_shorter_one_padded(units: Songs) -> None:
    folder = build(units.manifest).folder
    audio, rate = soundfile.read(folder / "songs/song.flac")
    assert len(audio) == round(1.2 * rate)
    both, one = (np.abs(np.fft.rfft(part)) for part in (audio[1600:11200], audio[13600:18400]))
    bin_of = [round(hertz * 9600 / rate) for hertz in (300, 500)]
    assert both[bin_of[0]] == pytest.approx(both[bin_of[1]], rel=0.01)
    assert one[round(300 * 4800 / rate)] < 0.01 * one[round(500 * 4800 / rate)]


class StopAfter(Quiet):
    """Progress that interrupts the build, as Ctrl-C does, once so many tracks are done."""

    def __init__(self, tracks: int) -> None:
        self.tracks = tracks

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Stage]:
        yield self

    def advance(self, done: float, detail: str = "") -> None:
        if done >= self.tracks:
            raise KeyboardInterrupt


def test_an_interrupted_build_goes_on_where_it_stopped(units: Songs) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(units.manifest, BuildOptions(jobs=1), StopAfter(1))
    folder = corpus_folder("sines")
    assert not (folder / "manifest.csv").exists()
    done = stamps(folder)
    flacs = [path for path in done if path.endswith(".flac")]
    assert 1 <= len(flacs) < 3
    built = build(units.manifest)
    assert built.kept >= 1
    assert built.kept + built.converted == 3
    assert {path: stamps(folder)[path] for path in flacs} == {path: done[path] for path in flacs}
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]


def test_everything_that_is_wrong_is_listed_and_the_rest_is_kept(world: World, units: Songs) -> None:
    bad = tone(900)
    world.publish("more", "1-1", {"bad.flac": b"RIFFnonsense", "changed.flac": tone(800), "good.flac": bad})
    tracks = [
        *units.manifest.tracks,
        track_of("absent", "gone.ogg", [b"gone"]),
        track_of("more", "bad.flac", [b"RIFFnonsense"]),
        track_of("more", "changed.flac", [tone(801)]),
        track_of("more", "nowhere.flac", [b"nowhere"]),
        track_of("more", "good.flac", [bad]),
    ]
    with pytest.raises(CorpusError) as caught:
        build(manifest_of(tracks))
    message = str(caught.value)
    assert "4 things" in message
    assert "no package absent" in message
    assert "more: bad cannot be decoded" in message
    assert hashlib.sha256(tone(800)).hexdigest()[:16] in message
    assert hashlib.sha256(tone(801)).hexdigest()[:16] in message
    assert "the package holds no nowhere.flac" in message
    assert "4 of 8 tracks are built" in message
    folder = corpus_folder("sines")
    assert len(list(folder.rglob("*.flac"))) == 4
    assert not (folder / "manifest.csv").exists()
    world.publish("absent", "1-1", {"gone.ogg": b"gone"})
    with pytest.raises(CorpusError, match="absent: gone cannot be decoded"):
        build(manifest_of(tracks))


def test_a_new_package_version_builds_when_its_files_are_the_same(world: World, units: Songs) -> None:
    (world.registry / "songs_1-1_all.deb").unlink()
    world.publish("songs", "2-1", units.files)
    with pytest.raises(CorpusError, match="version 1-1 was expected, the registry has 2-1"):
        build(units.manifest)
    assert build(units.manifest, BuildOptions(allow_version=True)).converted == 3


def test_a_changed_split_rewrites_the_rows_only(units: Songs) -> None:
    folder = build(units.manifest).folder
    flacs = {path: stamp for path, stamp in stamps(folder).items() if not path.endswith("manifest.csv")}
    moved = manifest_of(list(units.manifest.tracks), test=1)
    assert build(moved).converted == 0
    rows = read_tracks((folder / "manifest.csv").read_text(), "rows")
    assert sorted(row.split for row in rows) == ["test", "train", "train"]
    assert {path: stamp for path, stamp in stamps(folder).items() if not path.endswith("manifest.csv")} == flacs


def test_a_missing_or_damaged_track_is_built_again(units: Songs) -> None:
    folder = build(units.manifest).folder
    whole = (folder / "songs/one.flac").read_bytes()
    (folder / "songs/one.flac").unlink()
    assert build(units.manifest).converted == 1
    (folder / "songs/one.flac").write_bytes(b"damaged")
    assert build(units.manifest).converted == 0
    assert build(units.manifest, BuildOptions(verify=True)).converted == 1
    assert (folder / "songs/one.flac").read_bytes() == whole


def test_a_track_that_another_corpus_holds_is_not_built_twice(world: World, units: Songs) -> None:
    build(units.manifest)
    other = replace(units.manifest, name="others")
    built = build(other)
    assert (built.converted, built.kept) == (0, 3)
    assert (built.folder / "songs/one.flac").read_bytes() == (corpus_folder("sines") / "songs/one.flac").read_bytes()


def test_too_little_room_is_said_before_anything_is_fetched(world: World, units: Songs) -> None:
    vast = manifest_of(list(units.manifest.tracks), size=10**18)
    with pytest.raises(CorpusError, match=r"GB free, about 1000000000\.0 GB are needed .*HARNESS_CACHE"):
        build(vast)
    assert world.downloads() == []


def test_two_builds_of_one_corpus_do_not_meet(units: Songs) -> None:
    class Again(Quiet):
        @contextmanager
        def stage(self, title: str, total: int) -> Iterator[Stage]:
            with pytest.raises(CorpusError, match="another build of sines is running"):
                build(units.manifest)
            with super().stage(title, total) as stage:
                yield stage

    assert build(units.manifest, progress=Again()).converted == 3
