import json
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.listening.design.designs import listener_names
from harness.listening.package.lists import read_list, write_lists
from harness.listening.study import ListenerList, Presentation

LISTS = [
    ListenerList(name, (Presentation("t0", ("aa", "bb")),), (Presentation("t1", ("cc",)), Presentation("t1", ("cc",))))
    for name in listener_names(3)
]


def test_lists_come_back_as_they_were_written(tmp_path: Path) -> None:
    files = write_lists(LISTS, tmp_path / "lists")
    assert [file.name for file in files] == ["L01.json", "L02.json", "L03.json"]
    assert [read_list(file) for file in files] == LISTS
    assert sorted(path.name for path in (tmp_path / "lists").iterdir()) == [file.name for file in files]


def test_the_same_lists_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write_lists(LISTS, tmp_path / name)[0].read_bytes() for name in "ab")
    assert one == other


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "JSON"),
        (b"\xff", "JSON"),
        (b"[]", "expected listener, training and trials"),
        (b'{"listener": "L01"}', "expected listener, training and trials"),
        ({"listener": "L02"}, "expected the list of listener L01"),
        ({"trials": {}}, "expected trials in a list"),
        ({"trials": [1]}, "in each row"),
        ({"trials": [{"trial": "t", "stimuli": []}]}, "in each row"),
        ({"trials": [{"trial": "t", "stimuli": "aa"}]}, "in each row"),
        ({"training": [{"trial": 1, "stimuli": ["aa"]}]}, "in each row"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, content: bytes | dict, message: str) -> None:
    file = tmp_path / "L01.json"
    if isinstance(content, dict):
        content = json.dumps({"listener": "L01", "training": [], "trials": []} | content).encode()
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_list(file)
    assert str(file) in str(caught.value)
