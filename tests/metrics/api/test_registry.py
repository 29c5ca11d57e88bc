import json

import pytest

from metrics.api.errors import UsageError
from metrics.api.registry import Registry

TARGETS = {"json": "json:JSONDecoder", "broken": "no_such_module:X"}
DECODERS = Registry[type]("decoder", "music_harness.no_such_group", TARGETS)


def test_names_are_sorted_and_nothing_is_imported_to_list_them():
    assert DECODERS.names() == ["broken", "json"]


def test_a_target_is_imported_when_it_is_asked_for():
    assert DECODERS.get("json") is json.JSONDecoder


def test_an_unknown_name_is_answered_with_the_nearest_known_one():
    with pytest.raises(UsageError, match=r"unknown decoder 'jason'\. Did you mean 'json'\? Known: broken, json"):
        DECODERS.get("jason")


def test_a_name_near_to_none_gets_the_list_without_a_guess():
    with pytest.raises(UsageError) as caught:
        DECODERS.get("zzzzzz")
    assert "Did you mean" not in str(caught.value)
    assert "Known: broken, json" in str(caught.value)


def test_a_plugin_is_found_by_its_entry_point_and_a_built_in_name_wins(tmp_path, monkeypatch):
    info = tmp_path / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    points = "fraction = fractions:Fraction\njson = fractions:Fraction\n"
    (info / "entry_points.txt").write_text(f"[music_harness.test_group]\n{points}")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry[type]("decoder", "music_harness.test_group", {"json": "json:JSONDecoder"})
    assert registry.names() == ["fraction", "json"]
    assert registry.get("fraction").__name__ == "Fraction"
    assert registry.get("json") is json.JSONDecoder
