"""Pulling a tiny model in the released format from a server on the loopback and from folders, and every way to fail."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from contextlib import nullcontext

import pytest
import torch
from filelock import FileLock

from harness.core.errors import HarnessError, ModelError
from harness.models.jukebox.weights import pull as pulling
from harness.models.jukebox.weights.convert import PickleRefused
from harness.models.jukebox.weights.pins import Pins
from harness.models.jukebox.weights.pull import ReleaseSource, pull
from harness.models.jukebox.weights.released import released
from harness.models.registry import load_model
from tests.harness.models.jukebox.weights.released.conftest import IDS, save_checkpoint, state_dict
from tests.harness.models.jukebox.weights.released.server import Server
from tests.harness.models.jukebox.weights.test_convert import Bomb

MODULES = ["5b/vqvae", "5b/prior_level_0", "5b/prior_level_1", "tiny/prior_level_2"]
UPSAMPLER = "5b/prior_level_0.pth.tar"


@pytest.fixture
def release(releases, tmp_path):
    """The published files, to be spoilt."""
    return shutil.copytree(releases[False], tmp_path / "release")


@pytest.fixture
def server(release):
    served = Server(release)
    yield served
    served.close()


def names(folder, suffix=".safetensors"):
    return sorted(str(path.relative_to(folder.path)) for path in folder.path.rglob(f"*{suffix}"))


def assert_whole(folder):
    for seed, module in enumerate(folder.modules):
        loaded = folder.load_vqvae() if module == "vqvae" else folder.load_prior(int(module[-1]))
        expected = state_dict(folder, module, seed)
        assert all(torch.equal(tensor, expected[key].float()) for key, tensor in loaded.state_dict().items()), module
    assert names(folder, ".pth.tar") == names(folder, ".part") == [], "nothing is left of the downloads"


def test_a_whole_model_arrives_and_a_second_pull_asks_for_nothing(folder, server):
    pulled = pull(folder, ReleaseSource(server.url))
    assert sorted(pulled.fetched) == sorted([*MODULES, *(f"ids/{name}" for name in IDS)])
    assert_whole(folder)
    assert folder.labeller(2).genres["folk rock"] == 1
    assert folder.labeller(0).genres["folk"] == 1
    assert {f"{m}.pth.tar" for m in MODULES} | {f"{m}.safetensors" for m in MODULES} <= Pins(folder.path).read().keys()
    before = len(server.requests)
    assert pull(folder, ReleaseSource(server.url)).fetched == []
    assert len(server.requests) == before


def test_a_password_in_the_address_goes_to_its_server_and_into_no_file_or_message(folder, server):
    source = server.url.replace("http://", "http://me:s3cret@")
    server.stop_after = 100
    with pytest.raises(ModelError, match="ended after") as ended:
        pull(folder, ReleaseSource(source))
    assert server.told == {"Basic bWU6czNjcmV0"}
    assert not [path for path in folder.path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    server.close()
    with pytest.raises(ModelError, match="cannot be") as gone:
        pull(folder, ReleaseSource(source))
    assert "s3cret" not in f"{ended.value} {gone.value}"


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_a_folder_is_read_where_it_is(folder, releases, zipped):
    pull(folder, ReleaseSource(str(releases[zipped])))
    assert_whole(folder)
    assert len(list(releases[zipped].rglob("*.pth.tar"))) == 4


@pytest.mark.parametrize("etags", [True, False], ids=["etag", "length only"])
def test_an_interrupted_download_goes_on_with_the_rest(folder, server, etags):
    server.etags, server.stop_after = etags, 1000
    with pytest.raises(ModelError, match=r"ended after 1,000 of [\d,]+ bytes .* same command again"):
        pull(folder, ReleaseSource(server.url))
    assert names(folder) == []
    server.stop_after = None
    server.requests.clear()
    pull(folder, ReleaseSource(server.url))
    size = (server.root / "5b/vqvae.pth.tar").stat().st_size
    assert server.requests[0] == ("5b/vqvae.pth.tar", "bytes=1000-", size - 1000)
    assert_whole(folder)


def test_an_interrupted_download_of_a_file_that_changed_is_begun_anew(folder, server):
    server.stop_after = 1000
    with pytest.raises(ModelError, match="ended after"):
        pull(folder, ReleaseSource(server.url))
    server.stop_after = None
    file = server.root / "5b/vqvae.pth.tar"
    save_checkpoint(file, state_dict(folder, "vqvae", 9), {}, zipped=True)
    pull(folder, ReleaseSource(server.url))
    expected = state_dict(folder, "vqvae", 9)
    assert torch.equal(folder.load_vqvae().codebook(0).k, expected["bottleneck.level_blocks.0.k"])


def test_a_server_without_ranges_sends_the_whole_again(folder, server):
    server.ranges, server.stop_after = False, 1000
    with pytest.raises(ModelError, match="ended after 1,000"):
        pull(folder, ReleaseSource(server.url))
    server.stop_after = None
    server.requests.clear()
    pull(folder, ReleaseSource(server.url))
    path, asked, sent = server.requests[0]
    assert (path, asked) == ("5b/vqvae.pth.tar", "bytes=1000-")
    assert sent == (server.root / path).stat().st_size
    assert_whole(folder)


def test_a_part_longer_than_the_file_is_begun_anew(folder, server):
    server.etags, server.stop_after = False, 1000
    with pytest.raises(ModelError, match="ended after 1,000"):
        pull(folder, ReleaseSource(server.url))
    server.stop_after = None
    downloads = folder.path / "downloads/5b"
    note = json.loads((downloads / "vqvae.pth.tar.json").read_text())
    (downloads / "vqvae.pth.tar.json").write_text(json.dumps(note | {"bytes": 10**6}))
    (downloads / "vqvae.pth.tar.part").write_bytes(bytes(10**6 - 1))
    pull(folder, ReleaseSource(server.url))
    assert_whole(folder)


def test_the_part_of_another_address_is_not_gone_on_with(folder, server, releases):
    server.stop_after = 1000
    with pytest.raises(ModelError, match="ended after"):
        pull(folder, ReleaseSource(server.url))
    other = Server(releases[True])
    try:
        pull(folder, ReleaseSource(other.url))
    finally:
        other.close()
    assert other.requests[-4][:2] == ("5b/vqvae.pth.tar", None)
    assert_whole(folder)


def test_a_missing_file_is_named_with_what_to_do(folder, server):
    (server.root / UPSAMPLER).unlink()
    with pytest.raises(ModelError, match=r"prior_level_0.*404.*--from URL or DIR"):
        pull(folder, ReleaseSource(server.url))
    assert names(folder) == ["5b/vqvae.safetensors"], "what is complete is kept"
    with pytest.raises(ModelError, match=r"prior_level_0\.pth\.tar is missing: 5b/vqvae\.pth\.tar, "):
        pull(folder, ReleaseSource(str(server.root)))


def test_a_server_that_is_gone_is_named_with_what_to_do(folder, server, monkeypatch):
    with pytest.raises(ModelError, match=r"cannot be reached .* --from URL or DIR"):
        pull(folder, ReleaseSource("http://127.0.0.1:9", ids=server.root))
    (server.root / UPSAMPLER).unlink()
    monkeypatch.setattr(pulling, "PUBLISHED", server.url)
    with pytest.raises(ModelError, match=r"may be gone for good.* ~/\.cache/jukebox/models"):
        pull(folder, ReleaseSource(server.url, ids=server.root))


def test_a_web_page_is_not_a_checkpoint(folder, server):
    server.page = "<!DOCTYPE html><title>Sign in</title>"
    with pytest.raises(ModelError, match=r"is a web page.*--from"):
        pull(folder, ReleaseSource(server.url, ids=server.root))
    assert names(folder, ".part") == []


def test_a_file_too_small_for_the_weights_is_not_fetched(folder, server):
    file = server.root / UPSAMPLER
    file.write_bytes(file.read_bytes()[:5000])
    for source in (server.url, str(server.root)):
        with pytest.raises(
            ModelError, match=r"prior_level_0\.pth\.tar with 5,000 bytes: the weights alone have 18,240"
        ):
            pull(folder, ReleaseSource(source))
    assert not any(path == UPSAMPLER and sent > 5000 for path, _, sent in server.requests)


def forget(folder, module):
    (folder.path / f"{module}.safetensors").unlink()


def test_a_file_of_another_size_than_the_pinned_is_not_fetched(folder, server):
    pull(folder, ReleaseSource(server.url))
    forget(folder, "5b/prior_level_0")
    with (server.root / UPSAMPLER).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelError, match=r"the one fetched before had .* delete the entry"):
        pull(folder, ReleaseSource(server.url))


@pytest.mark.parametrize("web", [True, False])
def test_a_file_of_another_hash_than_the_pinned_is_not_kept(folder, server, web):
    source = server.url if web else str(server.root)
    pull(folder, ReleaseSource(source))
    forget(folder, "5b/prior_level_0")
    file = server.root / UPSAMPLER
    changed = bytearray(file.read_bytes())
    changed[-5] ^= 1
    file.write_bytes(changed)
    with pytest.raises(ModelError, match=r"SHA-256 \w{64} .* expected \w{64} .* delete the entry"):
        pull(folder, ReleaseSource(source))
    assert names(folder, ".pth.tar") == []
    assert "5b/prior_level_0.safetensors" not in names(folder)
    pins = json.loads(Pins(folder.path).path.read_text())
    del pins[UPSAMPLER]
    Pins(folder.path).path.write_text(json.dumps(pins))
    assert pull(folder, ReleaseSource(source)).fetched == ["5b/prior_level_0"], "as the message says"


def test_a_damaged_checkpoint_is_not_kept(folder, release, server):
    file = server.root / UPSAMPLER
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - 100])
    with pytest.raises(ModelError, match=r"prior_level_0.*damaged or cut short"):
        pull(folder, ReleaseSource(server.url))
    assert names(folder, ".pth.tar") == []
    assert UPSAMPLER not in Pins(folder.path).read()
    file.write_bytes(whole)
    pull(folder, ReleaseSource(server.url))
    assert_whole(folder)


def test_swapped_upsamplers_are_refused_when_their_hyper_parameters_tell(folder, release):
    swap(release)
    with pytest.raises(ModelError, match="says of itself that its level is 1"):
        pull(folder, ReleaseSource(str(release)))


def swap(release):
    low, high = release / "5b/prior_level_0.pth.tar", release / "5b/prior_level_1.pth.tar"
    aside = low.rename(low.with_suffix(".aside"))
    high.rename(low)
    aside.rename(high)


def test_one_upsampler_in_both_places_is_refused_by_its_hash(folder, release):
    low, high = release / "5b/prior_level_0.pth.tar", release / "5b/prior_level_1.pth.tar"
    save_checkpoint(low, state_dict(folder, "prior_level_0"), {}, False)  # hyper-parameters would tell at once
    shutil.copy(low, high)
    with pytest.raises(ModelError, match=r"has the bytes of 5b/prior_level_0\.pth\.tar"):
        pull(folder, ReleaseSource(str(release)))


def test_swapped_converted_files_are_refused_when_they_are_loaded(folder, releases):
    pull(folder, ReleaseSource(str(releases[False])))
    low, high = folder.weights("prior_level_0"), folder.weights("prior_level_1")
    aside = low.rename(low.with_suffix(".aside"))
    high.rename(low)
    aside.rename(high)
    with pytest.raises(ModelError, match=r"holds 5b/prior_level_1: 5b/prior_level_0 was expected"):
        folder.load_prior(0)


def test_a_pickle_that_runs_something_is_refused_and_can_be_trusted_without_fetching_again(folder, server, tmp_path):
    mark = tmp_path / "ran"
    save_checkpoint(server.root / UPSAMPLER, state_dict(folder, "prior_level_0", 1), {}, False, extra=Bomb(mark))
    with pytest.raises(PickleRefused, match="--trust-pickle"):
        pull(folder, ReleaseSource(server.url))
    assert not mark.exists()
    server.requests.clear()
    pull(folder, ReleaseSource(server.url, trust_pickle=True))
    assert mark.exists()
    assert UPSAMPLER not in {path for path, _, _ in server.requests}
    assert_whole(folder)


def test_label_lists_come_from_a_copy_of_the_original_repository(folder, server, tmp_path):
    shutil.move(server.root / "ids", tmp_path / "original/jukebox/data/ids")
    for source in (server.url, str(server.root)):
        with pytest.raises(ModelError, match=r"v2_artist_ids\.txt is not in .* jukebox/data/ids/.*git clone.*--ids"):
            pull(folder, ReleaseSource(source))
    assert names(folder) == [], "said before gigabytes are fetched"
    pull(folder, ReleaseSource(server.url, ids=tmp_path / "original"))
    assert_whole(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [("folk;1\nrock;200\n", "ids up to 200: .* room for 14"), ("folk\n", "line 1"), ("", "ids up to -1")],
)
def test_a_label_list_that_does_not_fit_is_refused(folder, release, server, text, message):
    (release / "ids/v2_genre_ids.txt").write_text(text)
    for source in (str(release), server.url):
        with pytest.raises(HarnessError, match=message) as caught:
            pull(folder, ReleaseSource(source))
        assert "v2_genre_ids.txt" in str(caught.value)
        assert not list(folder.path.rglob("v2_genre_ids.txt")), "a mended one will be fetched again"


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(folder, server, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**8))
    with pytest.raises(ModelError, match=r"needs 0\.0 GB in .*, and 0\.1 GB are free.* HARNESS_CACHE"):
        pull(folder, ReleaseSource(server.url))
    assert server.requests == []


def test_what_a_kill_left_behind_is_cleared_away(folder, releases):
    (folder.path / "5b").mkdir(parents=True)
    left = folder.path / "5b/.vqvae.safetensors.0123abcd.part"
    left.write_bytes(bytes(1000))
    pull(folder, ReleaseSource(str(releases[False])))
    assert not left.exists()


def test_two_pulls_at_once(folder, releases):
    folder.path.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.path / ".lock"), pytest.raises(ModelError, match=r"another pull into .* is running"):
        pull(folder, ReleaseSource(str(releases[False])))


def test_a_source_that_is_nothing(folder, tmp_path):
    with pytest.raises(ModelError, match="neither a folder nor an address"):
        pull(folder, ReleaseSource(str(tmp_path / "nowhere")))


def test_progress_is_in_megabytes(folder, server):
    seen: list[str] = []

    class Watch:
        def stage(self, title: str, total: int):
            seen.append(title)
            return nullcontext(self)

        def advance(self, done: float, detail: str = "") -> None:
            assert done < 0.1

        def note(self, message: str) -> None: ...

    pull(folder, ReleaseSource(server.url), Watch())
    assert "vqvae.pth.tar (MB)" in seen
    assert "5b/vqvae.pth.tar to safetensors (MB)" in seen


def test_an_unpulled_model_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(folder.path))
    with pytest.raises(
        ModelError, match=r"1b_lyrics/prior_level_2\.safetensors.*harness models pull jukebox:1b_lyrics"
    ):
        load_model("jukebox:1b_lyrics")
    with pytest.raises(ModelError, match=r"v2_artist_ids\.txt is missing.*harness models pull"):
        released("jukebox:1b_lyrics").style("folk rock")
