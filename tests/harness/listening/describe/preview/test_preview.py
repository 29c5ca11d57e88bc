"""The researcher's two pages: whole, escaped, private where they name anything, and silent about it elsewhere."""

import re
import stat
from html import escape

import pytest

from harness.core.errors import AudioError
from harness.listening.describe.preview import write_preview
from harness.listening.kinds.catalogue import kinds
from tests.harness.listening.hand_made import CONDITIONS, PROMPT, key_of, study, write_sounds


@pytest.fixture(scope="module", params=kinds())
def made(request, tmp_path_factory):
    folder, stimuli = tmp_path_factory.mktemp("preview"), study(request.param)
    write_sounds(stimuli, folder / "public")
    path = write_preview(stimuli, key_of(stimuli), folder)
    return stimuli, path.read_text("utf-8"), (folder / "preview.html").read_text("utf-8"), path


def sounds(page: str) -> list[str]:
    return re.findall(r'<audio [^>]*src="([^"]+)"', page)


def test_both_pages_have_a_player_and_a_picture_for_every_stimulus(made):
    stimuli, private, open_page, path = made
    names = sorted(stimuli.stimuli)
    for page, base in ((private, path.parent), (open_page, path.parent.parent.parent)):
        assert sorted(re.findall(r"(\w+)\.wav", "".join(sounds(page)))) == names
        assert all((base / sound).is_file() for sound in sounds(page))
        assert page.count('src="data:image/png;base64,') == len(names)


def test_the_private_page_has_the_key_and_is_its_owners(made):
    stimuli, private, _, path = made
    for words in (*CONDITIONS, PROMPT, "a model <1>"):
        assert escape(words) in private
    assert "-23.00 LUFS" in private
    assert "none, it is silent" in private
    assert "1..2" in private
    assert "<b>创意</b>" not in private
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    for one in stimuli.lists:
        assert f'<th scope="row">{one.listener}</th>' in private


def test_the_other_page_names_nothing(made):
    stimuli, _, open_page, _ = made
    for row in key_of(stimuli):
        for words in (row.condition, row.model, row.prompt, row.file, row.source):
            assert words not in open_page
            assert escape(words) not in open_page
    assert "-23.00 LUFS" in open_page
    assert "gold" not in open_page


def test_no_page_asks_the_network_for_anything(made):
    for page in made[1:3]:
        assert not re.search(r"""(?:src|href)="(?!data:|(?:\.\./\.\./)?public/)|https?:|@import|url\(""", page)


def test_a_second_run_gives_the_same_bytes(made):
    stimuli, private, open_page, path = made
    folder = path.parent.parent.parent
    assert write_preview(stimuli, key_of(stimuli), folder).read_text("utf-8") == private
    assert (folder / "preview.html").read_text("utf-8") == open_page


def test_a_sound_that_is_not_there_is_named(tmp_path):
    stimuli = study("acr")
    with pytest.raises(AudioError, match=next(iter(stimuli.stimuli))):
        write_preview(stimuli, key_of(stimuli), tmp_path)
