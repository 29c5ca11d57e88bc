import json
import os
import pickle
from fractions import Fraction

import pytest

from metrics.api.registry import Registry, nearest_name, unknown_name
from metrics.errors import BrokenPlugin, UsageError
from tests.distributions import install

GROUP = "music_harness.test_group"
TARGETS = {"json": "json:JSONDecoder", "broken": "no_such_module:X"}
DECODERS = Registry[type]("decoder", "music_harness.no_such_group", TARGETS)


def only_classes(name: str, found: object) -> type:
    if not isinstance(found, type):
        raise UsageError(f"{name} is a {type(found).__name__}: a class was expected")
    return found


def registry() -> Registry[type]:
    return Registry[type]("decoder", GROUP, {"json": "json:JSONDecoder"}, lambda: {"row": int}, only_classes)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_names_are_sorted_and_nothing_is_imported_to_list_them():
    assert DECODERS.names() == ["broken", "json"]


def test_a_target_is_imported_when_it_is_asked_for():
    assert DECODERS.get("json") is json.JSONDecoder


def test_a_target_may_be_a_module():
    assert Registry("module", targets={"json": "json"}).get("json") is json


def test_a_row_needs_no_import():
    assert registry().get("row") is int
    assert registry().names() == ["json", "row"]


def test_an_unknown_name_is_answered_with_the_nearest_known_one():
    with pytest.raises(UsageError) as caught:
        DECODERS.get("jason")
    assert str(caught.value) == unknown_name("decoder", "jason", ["broken", "json"])
    assert "'json'" in str(caught.value)
    assert DECODERS.find("jason") is None


def test_swapped_letters_are_nearer_than_a_wrong_one():
    assert nearest_name("kda", ["kad", "kid", "mad"]) == "kad"
    assert nearest_name("kd", ["kad", "kid"]) in ("kad", "kid")
    assert nearest_name("vendy", ["vendi", "vendi2"]) == "vendi"


def test_a_name_near_to_none_gets_the_list_without_a_guess():
    with pytest.raises(UsageError) as caught:
        DECODERS.get("zzzzzz")
    assert "Did you mean" not in str(caught.value)
    assert "Known: broken, json" in str(caught.value)


def test_a_plugin_is_found_by_its_entry_point_and_a_built_in_name_wins(site):
    install(site, "plug", {GROUP: dict.fromkeys(("fraction", "json", "row"), "fractions:Fraction")})
    decoders = registry()
    assert decoders.names() == ["fraction", "json", "row"]
    assert decoders.get("fraction") is Fraction
    assert decoders.get("json") is json.JSONDecoder
    assert decoders.get("row") is int
    assert {row.name: row.state for row in decoders.listed() if row.distribution == "plug"} == {
        "fraction": "installed",
        "json": "hidden",
        "row": "hidden",
    }


def test_an_origin_says_who_brings_a_name(site):
    install(site, "plug", {GROUP: {"fraction": "fractions:Fraction", "absent": "no_such_module:X"}}, version="2.5")
    decoders = registry()
    origin = decoders.origin("absent")
    assert (origin.distribution, origin.version, origin.target) == ("plug", "2.5", "no_such_module:X")
    assert not origin.built_in
    assert decoders.origin("json").built_in
    assert decoders.origin("json").distribution == "music-harness"
    with pytest.raises(UsageError):
        decoders.origin("fractoin")


def test_a_broken_plug_in_is_listed_and_stops_only_what_asks_for_it(site):
    points = {"absent": "no_such_module:X", "wrong": "math:pi", "fraction": "fractions:Fraction"}
    install(site, "plug", {GROUP: points}, version="2.5")
    decoders = registry()
    assert decoders.working() == ["fraction", "json", "row"]
    assert decoders.names() == ["absent", "fraction", "json", "row", "wrong"]
    broken = {row.name: row for row in decoders.listed() if row.state == "broken"}
    assert set(broken) == {"absent", "wrong"}
    assert broken["absent"].reason == "ModuleNotFoundError: No module named 'no_such_module'"
    assert broken["wrong"].reason == "wrong is a float: a class was expected"
    for name, row in broken.items():
        assert decoders.find(name) is None
        with pytest.raises(BrokenPlugin) as caught:
            decoders.get(name)
        error = caught.value
        assert (error.name, error.distribution, error.version, error.reason) == (name, "plug", "2.5", row.reason)
        assert error.exit_code == 2
        assert row.reason in str(error)
        assert "plug 2.5" in str(error)


def test_each_is_loaded_once_and_only_when_it_is_asked_for(site, monkeypatch):
    modules = {f"loaded_{n}.py": f"import os\nos.environ['LOADED'] += '{n}'\nX = dict\n" for n in "ab"}
    install(site, "plug", {GROUP: {"a": "loaded_a:X", "b": "loaded_b:X"}}, modules)
    monkeypatch.setenv("LOADED", "")
    decoders = registry()
    asked = [decoders.names(), decoders.origin("a"), decoders.find("json")]
    assert all(asked)
    assert os.environ["LOADED"] == ""
    assert decoders.get("b") is decoders.get("b") is dict
    assert os.environ["LOADED"] == "b"


def test_of_two_plug_ins_of_one_name_the_first_that_loads_has_it(site):
    install(site, "a", {GROUP: {"x": "no_such_module:X"}})
    install(site, "c", {GROUP: {"x": "builtins:str"}})
    install(site, "b", {GROUP: {"x": "fractions:Fraction"}})
    decoders = registry()
    assert decoders.get("x") is Fraction
    assert decoders.origin("x").distribution == "b"
    assert "x" in decoders.working()
    assert [(row.distribution, row.state) for row in decoders.listed() if row.name == "x"] == [
        ("a", "broken"),
        ("b", "installed"),
        ("c", "hidden"),
    ]


def test_nobody_takes_a_name_of_this_project_even_if_its_own_is_broken(site):
    install(site, "music-harness", {GROUP: {"x": "no_such_module:X"}})
    install(site, "plug", {GROUP: {"x": "fractions:Fraction"}})
    decoders = registry()
    assert decoders.origin("x").built_in
    with pytest.raises(BrokenPlugin):
        decoders.get("x")
    assert decoders.failed("x", "why") is None


def test_what_fails_when_it_is_used_is_told_with_who_brings_it(site):
    install(site, "plug", {GROUP: {"x": "fractions:Fraction"}}, version="3")
    failed = registry().failed("x", ZeroDivisionError("by nothing"))
    assert failed is not None
    assert (failed.distribution, failed.version, failed.reason) == ("plug", "3", "ZeroDivisionError: by nothing")
    assert registry().failed("json", "why") is None


def test_the_error_survives_a_way_to_another_process():
    error = pickle.loads(pickle.dumps(BrokenPlugin("said", name="x", distribution="plug", version="1", reason="why")))
    assert (str(error), error.name, error.reason) == ("said", "x", "why")
