"""What the README shows is what the commands print."""

import pytest

from tools import readme

TABLE = "│ cold │ 17.2 ± 2.2 │\n│      │ [13.2, 22.2] │\np = 0.03, significant"


def test_a_block_is_found_with_its_commands_and_what_of_the_output_it_shows(tmp_path):
    block = '```console\n$ true\n$ printf "one\\ntwo\\nthree\\nfour"\nold\n```'
    text = f'Before\n<!-- shown from="two" to="four" -->\n{block}\nAfter\n'
    [block] = readme.blocks(text)
    assert block.commands == ("true", 'printf "one\\ntwo\\nthree\\nfour"')
    assert block.output == "old"
    renewed = readme.renewed(text, tmp_path)
    assert renewed == text.replace("\nold\n", "\ntwo\nthree\n")
    assert readme.renewed(renewed, tmp_path) == renewed


def test_a_command_that_fails_is_named(tmp_path):
    with pytest.raises(SystemExit, match="exit code 3"):
        readme.run("exit 3", tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("printed", "wrong"),
    [
        (TABLE, 0),
        (TABLE.replace("17.2", "18.0"), 0),  # within the error beside it
        (TABLE.replace("22.2", "23.1"), 0),  # and in the line below
        (TABLE.replace("17.2", "27.2"), 1),
        (TABLE.replace("cold", "warm"), 1),
        (TABLE.replace(" significant", " not significant"), 1),
        (TABLE + "\nmore", 1),
    ],
)
def test_numbers_may_differ_by_their_error_and_words_may_not(printed, wrong):
    assert len(readme.differences(TABLE, printed)) == wrong


@pytest.mark.slow
def test_the_readme_shows_what_the_commands_print(tmp_path):
    shown = readme.README.read_text("utf-8")
    printed = readme.renewed(shown, tmp_path)
    for ours, theirs in zip(readme.blocks(shown), readme.blocks(printed), strict=True):
        assert readme.differences(ours.output, theirs.output) == []
