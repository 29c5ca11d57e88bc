"""Prompt files that are wrong, each answered with its file, its line and what was expected; and what is right is read.

The malformed ones are data: file name, content, the line and the field that must be named (None and empty where there
is none).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli import app
from harness.core.errors import UsageError
from harness.core.mistakes import FileMistakes, Mistakes
from harness.core.yaml_document import LARGEST_BYTES
from harness.prompts.files import read_rows
from harness.prompts.sets import load_prompt_set
from metrics.io.audio import save

Case = tuple[str, str | bytes, int | None, str]

SAID_BY_ALL: list[tuple[str, Any, str]] = [
    # a field, what is wrong with it, and the message
    ("text", "", "prompt is empty|field|text is empty"),
    ("text", "   ", "empty"),
    ("text", "a\x07b", "control character"),
    ("style", "\x1b[31m", "control character"),
    ("lyrics", "\x7f", "control character"),
    ("audio", "missing.wav", "no sound file"),
    ("audio", "text.txt", "cannot be decoded"),
    ("audio", "short.wav", "holds 0.50 s"),
    ("audio", "silent.wav", "silent"),
    ("audio", "truncated.flac", "cannot be decoded|holds|samples"),
    ("audio", ".", "no sound file"),
    ("audio", "corpus:mini/naev-data/ambient9.flac", "Did you mean 'naev-data/ambient"),
    ("audio", "corpus:none/x.flac", "unknown corpus 'none'"),
    ("audio", "corpus:", "unknown corpus"),
    ("audio", "corpus:mini/naev-data/ambient1.flac@x", "no number of seconds"),
    ("audio", "corpus:mini/naev-data/ambient1.flac@-1", "no number of seconds"),
    ("audio", "corpus:mini/naev-data/ambient1.flac@nan", "no number of seconds"),
    ("audio", "corpus:mini/naev-data/ambient1.flac@62", "ends 65 s into a track of 64 s"),
    ("seconds", "3", "there is no audio"),
    ("seconds", "long", "a number was expected"),
    ("seconds", "nan", "was expected"),
    ("seconds", "inf", "was expected"),
    ("seconds", "-1", "was expected"),
    ("seconds", "0", "was expected"),
    ("seconds", "601", "was expected"),
    ("txt", "calm", "unknown field 'txt'. Did you mean 'text'"),
    ("Text", "calm", "unknown field"),
    ("prompt", "calm", "unknown field"),
    ("temperature", "1", "unknown field"),
    ("codes", "x.safetensors", "unknown field"),
]


def beside(field: str) -> dict[str, str]:
    """Something right to stand with a field, so that it alone is wrong."""
    return {} if field == "text" else {"text": "calm"}


YAML_CASES: list[Case] = [
    ("a.yaml", "", None, ""),
    ("a.yaml", "# nothing\n", None, ""),
    ("a.yaml", "[]", None, ""),
    ("a.yaml", "prompts: []", None, ""),
    ("a.yaml", "description: x\n", None, ""),
    ("a.yaml", "calm", 1, ""),
    ("a.yaml", "prompts: calm", 1, ""),
    ("a.yaml", "description: x\nprompts:\n  text: calm\n", 3, ""),
    ("a.yaml", "text: calm", 1, "text"),
    ("a.yaml", "prompts: [calm]\nprompt: x\n", 2, "prompt"),
    ("a.yaml", "- calm\n- [a, b]\n", 2, ""),
    ("a.yaml", "- calm\n-\n", 2, ""),
    ("a.yaml", "- calm\n- 5\n", 2, "text"),
    ("a.yaml", "- calm\n- yes\n", 2, "text"),
    ("a.yaml", "- calm\n- 2024-01-01\n", 2, "text"),
    ("a.yaml", "- calm\n- 2024-13-45\n", 2, ""),
    ("a.yaml", "- calm\n- text: [a, b]\n", 2, "text"),
    ("a.yaml", "- calm\n- text: {a: b}\n", 2, "text"),
    ("a.yaml", "- calm\n- text:\n", 2, ""),
    ("a.yaml", "- text: a\n  text: b\n", 2, "text"),
    ("a.yaml", "- text: a\n- text: b\n- text: a\n", 3, ""),
    ("a.yaml", "- calm\n- text: ' calm '\n", 2, ""),
    ("a.yaml", "- text: a\n  tags: [[x]]\n", 2, "tags"),
    ("a.yaml", "- text: a\n  tags: [5]\n", 2, "tags"),
    ("a.yaml", "- text: a\n  tags: [x, x]\n", 2, "tags"),
    ("a.yaml", "- text: a\n  tags: ['x;y']\n", 2, "tags"),
    ("a.yaml", "- text: a\n  tags: ['']\n", 2, "tags"),
    ("a.yaml", "- text: a\n  tags: {x: y}\n", 2, "tags"),
    ("a.yaml", "- text: a\n  seconds: true\n  audio: tone.wav\n", 2, "seconds"),
    ("a.yaml", "- text: a\n  audio: 5\n", 2, "audio"),
    ("a.yaml", "- text: a\n  audio: [tone.wav]\n", 2, "audio"),
    ("a.yaml", "- text: !!python/object/apply:os.system ['true']\n", 1, "text"),
    ("a.yaml", "- text: !!python/name:os.system x\n", 1, "text"),
    ("a.yaml", "- text: !custom x\n", 1, "text"),
    ("a.yaml", "- text: !!int x\n", 1, "text"),
    ("a.yaml", "- text: !!binary '*'\n", 1, "text"),
    ("a.yaml", "- text: 'open\n", 2, ""),
    ("a.yaml", "- text: a\n\ttags: x\n", 2, ""),
    ("a.yaml", "- {text: a\n", 2, ""),
    ("a.yaml", "- text: a: b\n", 1, ""),
    ("a.yaml", "- calm\n- text: a\n - y\n", 3, ""),
    ("a.yaml", "- *unknown\n", 1, ""),
    ("a.yaml", "- calm\n---\n- loud\n", 2, ""),
    ("a.yaml", "- <<: {text: a}\n", 1, "<<"),
    ("a.yaml", "- ? [a]\n  : b\n", 1, ""),
    ("a.yaml", "- 5: calm\n", 1, "5"),
    ("a.yaml", "- &a\n  text: x\n- *a\n", 1, ""),
    ("a.yaml", "- &a [*a]\n", 1, ""),
    ("a.yaml", "- calm\n- a\x08b\n", 2, ""),
    ("a.yaml", "[" * 5000, None, ""),
    ("a.yaml", "%YAML 9.0\n---\n- a\n", 1, ""),
    ("a.yml", "- text: a\n  style: 5\n", 2, "style"),
]
CSV_CASES: list[Case] = [
    ("a.csv", "", None, ""),
    ("a.csv", "text\n", None, ""),
    ("a.csv", "text\n\n\n", None, ""),
    ("a.csv", "text,text\na,b\n", 1, ""),
    ("a.csv", "text,\na,b\n", 1, ""),
    ("a.csv", "text,style\na\n", 2, ""),
    ("a.csv", "text\na\nb,c\n", 3, ""),
    ("a.csv", 'text\na\n"b\n', 3, ""),
    ("a.csv", 'text\n"a"b\n', 2, ""),
    ("a.csv", 'text\n"a\nb"\n"c\nd\n', 4, ""),
    ("a.csv", "text,tags\na,x;x\n", 2, "tags"),
    ("a.csv", "text,tags\na,x;;y\n", 2, "tags"),
    ("a.csv", "text,tags\n,x\n", 2, ""),
    ("a.csv", "tags\nx\n", 2, ""),
    ("a.csv", "text\na\nb\na\n", 4, ""),
    ("a.csv", "text;style\na;b\n", 2, "text;style"),
    ("a.csv", "a slow waltz\n", None, ""),
    ("a.csv", "text,audio\na,tone.wav\nb,gone.wav\n", 3, "audio"),
]
JSON_CASES: list[Case] = [
    ("a.jsonl", "", None, ""),
    ("a.jsonl", "\n \n", None, ""),
    ("a.jsonl", "calm\n", 1, ""),
    ("a.jsonl", '{"text": "a"}\n{"text": "b"\n', 2, ""),
    ("a.jsonl", '{"text": "a"} {"text": "b"}\n', 1, ""),
    ("a.jsonl", '[{"text": "a"}]\n', 1, ""),
    ("a.jsonl", '"a"\n', 1, ""),
    ("a.jsonl", "null\n", 1, ""),
    ("a.jsonl", "5\n", 1, ""),
    ("a.jsonl", '{"text": "a", "text": "b"}\n', 1, ""),
    ("a.jsonl", '{"text": 5}\n', 1, "text"),
    ("a.jsonl", '{"text": null}\n', 1, ""),
    ("a.jsonl", "{}\n", 1, ""),
    ("a.jsonl", '{"text": ["a"]}\n', 1, "text"),
    ("a.jsonl", '{"text": {"a": 1}}\n', 1, "text"),
    ("a.jsonl", '{"text": true}\n', 1, "text"),
    ("a.jsonl", '{"text": "\\ud800"}\n', 1, "text"),
    ("a.jsonl", '{"text": "\\u0000"}\n', 1, "text"),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": NaN}\n', 1, ""),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": Infinity}\n', 1, ""),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": 1e999}\n', 1, "seconds"),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": ' + "9" * 400 + "}\n", 1, "seconds"),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": ' + "9" * 5000 + "}\n", 1, ""),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": [3]}\n', 1, "seconds"),
    ("a.jsonl", '{"text": "a", "audio": "tone.wav", "seconds": false}\n', 1, "seconds"),
    ("a.jsonl", '{"text": "a", "audio": {}}\n', 1, "audio"),
    ("a.jsonl", '{"text": "a", "tags": [null]}\n', 1, "tags"),
    ("a.jsonl", '{"text": "a", "tags": {"a": 1}}\n', 1, "tags"),
    ("a.jsonl", '{"text": "a", "tags": ["a\\nb"]}\n', 1, "tags"),
    ("a.jsonl", '{"text": "a", "tags": 3}\n', 1, "tags"),
    ("a.jsonl", "[" * 100_000, None, ""),
    ("a.jsonl", "{'text': 'a'}\n", 1, ""),
    ("a.jsonl", '{"text": "a",}\n', 1, ""),
]
BYTES_CASES: list[Case] = [
    (name, content, line, "")
    for name in ("a.yaml", "a.csv", "a.jsonl")
    for content, line in (
        (b"text\n\xff\xfe\n", 2),
        ("text\n科研".encode("gb18030"), 2),
        ("- 科研\n".encode("utf-16"), 1),
        (b"text\na\0b\n", 2),
        (b"#" * (LARGEST_BYTES + 1), None),
    )
]
PATH_CASES: list[Case] = [
    ("a.txt", "calm\n", None, ""),
    ("a.json", "[]", None, ""),
    ("a", "calm", None, ""),
]


def in_every_format() -> list[Case]:
    """The mistakes of `SAID_BY_ALL`, each in the three formats, in the third prompt of the file."""
    cases: list[Case] = []
    for field, value, _ in SAID_BY_ALL:
        row = {field: value} | beside(field)
        if field == "seconds" and value != "3":
            row["audio"] = "tone.wav"
        lines = [json.dumps(one) for one in ({"text": "first"}, {"style": "second"}, row)]
        cases.append(("a.jsonl", "\n".join(lines) + "\n", 3, field))
        cases.append(("a.yaml", "".join(f"- {line}\n" for line in lines), 3, field))
        if value.strip() and "\x1b" not in value:
            names = ["text", "style", *(name for name in row if name not in ("text", "style"))]
            cells = [",".join(one.get(name, "") for name in names) for one in ({"text": "first"}, {"style": "s"}, row)]
            cases.append(("a.csv", "\n".join([",".join(names), *cells]) + "\n", 4, field))
    return cases


MALFORMED = [*YAML_CASES, *CSV_CASES, *JSON_CASES, *BYTES_CASES, *PATH_CASES, *in_every_format()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound files that are right and wrong, for prompt files to name."""
    folder, rate = tmp_path_factory.mktemp("prompts"), 16_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(4 * rate) / rate)).astype(np.float32)
    save(folder / "tone.wav", tone, rate)
    save(folder / "short.wav", tone[: rate // 2], rate)
    save(folder / "silent.wav", np.zeros(4 * rate, np.float32), rate)
    save(folder / "truncated.flac", tone, rate)
    (folder / "truncated.flac").write_bytes((folder / "truncated.flac").read_bytes()[:60])
    (folder / "text.txt").write_text("no sound")
    return folder


def test_there_are_enough_malformed_files():
    assert len(MALFORMED) >= 190
    assert len({(name, content) for name, content, _, _ in MALFORMED}) == len(MALFORMED)


@pytest.mark.parametrize(("name", "content", "line", "field"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_file_is_answered_with_its_line_and_field(
    folder: Path, name: str, content: str | bytes, line: int | None, field: str
):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(FileMistakes) as caught:
        load_prompt_set(str(path))
    [mistake] = caught.value.mistakes
    assert (mistake.line, mistake.field) == (line, field)
    said = str(caught.value)
    assert said.startswith(f"{path}, line {line}" if line else f"{path}: ")
    assert caught.value.exit_code == 2
    assert len(said) < 1000


@pytest.mark.parametrize(("field", "value", "said"), SAID_BY_ALL)
def test_what_is_wrong_with_a_field_is_said(folder: Path, field: str, value: str, said: str):
    row = {field: value} | beside(field) | ({"audio": "tone.wav"} if field == "seconds" and value != "3" else {})
    (folder / "a.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(FileMistakes, match=said):
        load_prompt_set(str(folder / "a.jsonl"))


MANY = {
    "a.yaml": (
        "- calm\n- {txt: x, style: 5}\n- text: a\n  tags: [x, x]\n- [b]\n- 2024-13-45\n- audio: gone.wav\n- calm\n",
        [(2, "style"), (2, "txt"), (4, "tags"), (5, ""), (6, ""), (7, "audio"), (8, "")],
    ),
    "a.csv": (
        "text,tags,seconds\ncalm,,\na,x;x,\nb,,3\nc\ncalm,,\n\x07,,long\n",
        [(3, "tags"), (4, "seconds"), (5, ""), (6, ""), (7, "seconds"), (7, "text")],
    ),
    "a.jsonl": (
        '{"text": "calm"}\n{"text": 5, "seconds": true}\nx\n[]\n{}\n{"text": "calm"}\n',
        [(2, "seconds"), (2, "text"), (3, ""), (4, ""), (5, ""), (6, "")],
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_all_mistakes_of_a_file_are_answered_at_once(folder: Path, name: str):
    content, expected = MANY[name]
    (folder / name).write_text(content)
    with pytest.raises(FileMistakes) as caught:
        load_prompt_set(str(folder / name))
    assert sorted((one.line, one.field) for one in caught.value.mistakes) == expected
    assert f"{len(expected)} mistakes" in str(caught.value)


@pytest.mark.parametrize("n", range(0, len(MALFORMED), 12))
def test_the_command_line_says_it_in_one_message(folder: Path, n: int):
    name, content, *_ = MALFORMED[n]
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for command in (["prompts", "show", str(folder / name)], ["run", "temperature", "--prompts", str(folder / name)]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2, result.output
        assert "Error: " in result.output
        assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["gone.yaml", "gone/x.csv"])
def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path, name: str):
    with pytest.raises(UsageError, match="cannot be read"):
        load_prompt_set(str(tmp_path / name))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load_prompt_set(str(tmp_path / "folder.yaml"))


@given(st.sampled_from(["a.yaml", "a.csv", "a.jsonl"]), st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_whatever_the_file_holds_it_is_read_or_refused(tmp_path_factory, name: str, content: str | bytes):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        assert load_prompt_set(str(path)).rows
    except UsageError as error:
        assert str(error).startswith(str(path))  # noqa: PT017


pieces = st.sampled_from(
    ["- ", "text", ": ", "tags", "[", "]", "{", "}", "&a", " *a", "!!int ", "'", '"', ",", "\n", "  ", "#", "|", ">"]
)


@given(st.sampled_from(["a.yaml", "a.csv", "a.jsonl"]), st.lists(pieces, max_size=25).map("".join))
def test_whatever_is_almost_a_prompt_file_is_read_or_refused(tmp_path_factory, name: str, content: str):
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(content, "utf-8", newline="")
    try:
        assert load_prompt_set(str(path)).rows
    except UsageError as error:
        assert str(error).startswith(str(path))  # noqa: PT017


def test_the_three_formats_say_the_same(folder: Path):
    (folder / "b.yaml").write_text(
        "description: two\nprompts:\n- text: 科研创意激发\n  tags: [lang:zh, x]\n- audio: tone.wav\n  seconds: 2\n"
        "  lyrics: |\n    la\n    la\n",
        "utf-8",
    )
    (folder / "b.csv").write_text(
        'text,tags,audio,seconds,lyrics\n科研创意激发,lang:zh; x,,,\n,,tone.wav,2,"la\nla\n"\n', "utf-8-sig", newline=""
    )
    (folder / "b.jsonl").write_text(
        '{"text": "科研创意激发", "tags": ["lang:zh", "x"]}\n\n'
        '{"audio": "tone.wav", "seconds": 2, "lyrics": "la\\nla\\n", "style": null}\n',
        "utf-8",
    )
    read = [load_prompt_set(str(folder / name)) for name in ("b.yaml", "b.csv", "b.jsonl")]
    assert [[row.as_dict() for row in one.rows] for one in read] == [[row.as_dict() for row in read[0].rows]] * 3
    assert [one.prompts() for one in read] == [read[0].prompts()] * 3
    assert read[0].description == "two"
    assert [row.line for row in read[1].rows] == [2, 3]


def test_values_have_the_lines_they_are_on(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("- text: a\n  tags:\n  - x\n- b\n")
    _, rows = read_rows(Mistakes(tmp_path / "a.yaml"))
    assert (rows[0].lines, rows[1].lines) == ({"text": 1, "tags": 3}, {"text": 4})
