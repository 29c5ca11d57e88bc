import importlib
import json
import os
import signal
import sys

import pytest

from metrics.api.plugins import LONGEST_REASON, Plugin, PluginFailure, find_plugins, reason_of, run_foreign
from metrics.errors import UsageError
from tests.distributions import BROKEN, BROKEN_MODULES, install

GROUP = "music_harness.test_group"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path for distributions."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "broken_parts"]:
        del sys.modules[name]


def test_entry_points_are_found_with_who_brings_them_and_nothing_is_imported(site):
    install(site, "plug", {GROUP: {"one": "no_such_module:X", "two": "json:dumps [fast]"}, "others": {"no": "a:b"}})
    one, two = find_plugins(GROUP)
    assert (one.name, one.target, one.distribution, one.version) == ("one", "no_such_module:X", "plug", "1.0")
    assert two.load() is json.dumps
    assert not one.built_in


def test_a_distribution_that_is_found_twice_counts_where_it_is_found_first(site, tmp_path, monkeypatch):
    install(site, "plug-in", {GROUP: {"old": "json:dumps"}})
    first = tmp_path / "first"
    install(first, "Plug.in", {GROUP: {"new": "json:dumps"}}, version="2.0")
    monkeypatch.syspath_prepend(first)
    assert [(one.name, one.version) for one in find_plugins(GROUP)] == [("new", "2.0")]


def test_the_own_distribution_comes_first(site):
    for name in ("aaa", "zzz", "music-harness"):
        install(site, name, {GROUP: {"x": "json:dumps"}})
    assert [one.distribution for one in find_plugins(GROUP)] == ["music-harness", "aaa", "zzz"]


@pytest.mark.parametrize("damage", ["no METADATA", "a METADATA of noise", "entry points of noise"])
def test_metadata_that_cannot_be_read_harm_nothing(site, damage):
    install(site, "good", {GROUP: {"good": "json:dumps"}})
    install(site, "odd", {GROUP: {"odd": "json:loads"}})
    info = site / "odd-1.0.dist-info"
    if damage == "no METADATA":
        (info / "METADATA").unlink()
    elif damage == "a METADATA of noise":
        (info / "METADATA").write_bytes(b"\xff\xfe\x00" * 50)
    else:
        (info / "entry_points.txt").write_bytes(f"[{GROUP}]\nodd = json:loads\n".encode() + b"\xff = \xff\n")
    found = {one.name: one for one in find_plugins(GROUP)}
    assert found["good"].load() is json.dumps
    assert found["odd"].load() is json.loads
    assert found["odd"].distribution


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_load_is_a_failure_with_a_reason(site, name, capfd):
    install(site, "bad", {GROUP: BROKEN}, BROKEN_MODULES)
    importlib.invalidate_caches()
    [plugin] = [one for one in find_plugins(GROUP) if one.name == name]
    if name == "wrong":
        assert plugin.load() == 5
    else:
        with pytest.raises(PluginFailure) as caught:
            plugin.load()
        assert str(caught.value).isprintable()
        assert str(caught.value)
    assert "LOUD" not in capfd.readouterr().out


def test_a_name_that_cannot_be_printed_is_escaped_and_does_not_load(site):
    install(site, "bad", {GROUP: {"a\x1b[31m": "json:dumps"}})
    [plugin] = find_plugins(GROUP)
    assert plugin.name.isprintable()
    with pytest.raises(PluginFailure):
        plugin.load()


def test_what_is_printed_goes_to_standard_error(capfd):
    def loud() -> int:
        print("by Python")
        os.write(1, b"by a library")
        return 3

    assert run_foreign(loud) == 3
    print("afterwards")
    out, err = capfd.readouterr()
    assert out == "afterwards\n"
    assert "by Python" in err
    assert "by a library" in err


def test_a_persons_interrupt_is_no_failure():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_foreign(lambda: os.kill(os.getpid(), signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_reason_is_one_line_that_is_not_too_long():
    assert reason_of(ValueError("a\nb\x00")) == "ValueError: a b\\x00"
    assert len(reason_of(ValueError("x" * 5000))) == LONGEST_REASON
    assert reason_of(KeyError()) == "KeyError"
    assert reason_of(UsageError("it is wrong")) == "it is wrong"


def test_a_plug_in_of_this_project_is_built_in():
    assert Plugin(GROUP, "x", "json:dumps", "music-harness", "1").built_in
