"""YAML is read as plain data with the line of every value; what is no data is refused and the rest is still read."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.core.mistakes import FileMistakes, Mistakes
from harness.core.yaml_document import Document, decoded, read_yaml

TEXT = """\
a: 1
b:
  - x
  - {c: 2.5,
     d: ~}
e: &there
  f: yes
g: *there
"""


def read(text: str) -> tuple[Document, Mistakes]:
    mistakes = Mistakes(Path("a.yaml"))
    return read_yaml(text, mistakes), mistakes


def test_values_and_keys_know_their_lines():
    document, mistakes = read(TEXT)
    assert document.data == yaml.safe_load(TEXT)
    assert [document.line(place) for place in (("a",), ("b",), ("b", 0), ("b", 1, "d"), ("e", "f"))] == [1, 3, 3, 5, 7]
    assert document.keys["b",] == 2
    assert document.line(("b", 1, "nothing")) == 4
    assert document.known(("b", "a tag", 1, "c")) == ("b", 1, "c")
    assert not mistakes.found


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("a: !!python/object/apply:os.system ['true']\nb: 2\n", 1, "a"),
        ("b: 2\na: !!python/name:os.system\n", 2, "a"),
        ("b: 2\na: !custom {x: 1}\n", 2, "a"),
        ("b: 2\na: 2024-13-41\n", 2, "a"),
        ("b: 2\na: &x [*x]\n", 2, "a.0"),
        ("b: 2\n? [a]\n: c\n", 2, ""),
        ("b: 2\na: 1\nb: 3\n", 3, "b"),
    ],
)
def test_what_is_no_data_is_a_mistake_and_the_rest_is_read(text, line, field):
    document, mistakes = read(text)
    [mistake] = mistakes.found
    assert (mistake.line, mistake.field) == (line, field)
    assert document.data["b"] == 2
    with pytest.raises(FileMistakes):
        mistakes.check()


def test_many_mistakes_are_counted_and_the_first_are_shown():
    mistakes = Mistakes(Path("a.yaml"))
    for line in range(50, 0, -1):
        mistakes.add(line, "x", "wrong")
    with pytest.raises(FileMistakes) as caught:
        mistakes.check()
    shown = str(caught.value).splitlines()
    assert (shown[0], shown[1], shown[-1]) == ("a.yaml: 50 mistakes", "  line 1, x: wrong", "  … and 30 more")


@given(st.binary(max_size=80) | st.text(alphabet="ab:-[]{}&*!'\" \n0", max_size=40).map(str.encode))
def test_whatever_is_written_is_read_as_safe_yaml_reads_it_or_refused(content):
    mistakes = Mistakes(Path("a.yaml"))
    try:
        text = decoded(content, mistakes)
        document = read_yaml(text, mistakes)
    except FileMistakes:
        return
    if mistakes.found:
        return
    expected = yaml.safe_load(text)
    if not isinstance(expected, dict):  # keys are text here, whatever they look like
        assert repr(document.data) == repr(expected) or isinstance(expected, list | set)
