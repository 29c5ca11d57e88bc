"""All formats together: what is written for which kind, and that nothing else than blind ids gets out."""

import re

import pytest

from harness.core.errors import UsageError
from harness.listening.kinds.catalogue import LANGUAGES, kinds
from harness.listening.package.exports import export_all
from tests.harness.listening.hand_made import study

WITHOUT_WEBMUSHRA = {"ab", "abx", "ideation"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", kinds())
def test_every_kind_is_written_in_every_format_that_can_carry_it(kind, language, tmp_path):
    exported = export_all(study(kind), tmp_path, language)
    written = {str(path.relative_to(tmp_path)) for path in exported.files}
    webmushra = set() if kind in WITHOUT_WEBMUSHRA else {"webmushra/L01.yaml", "webmushra/L02.yaml"}
    assert written == {
        "README.md", "jspsych/L01.json", "jspsych/L02.json", "jspsych/index.html",
        "tables/trials/L01.csv", "tables/trials/L02.csv", "tables/prolific.csv", *webmushra,
    }  # fmt: skip
    assert written == {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(exported.refused) == ({"webmushra"} if kind in WITHOUT_WEBMUSHRA else set())


@pytest.mark.parametrize("kind", kinds())
def test_a_second_run_gives_the_same_bytes(kind, tmp_path):
    first, second = (export_all(study(kind), tmp_path / name, "en").files for name in ("first", "second"))
    for one, again in zip(first, second, strict=True):
        assert one.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("kind", kinds())
def test_every_sound_that_a_format_names_is_one_of_the_set(kind, tmp_path):
    stimuli = study(kind)
    files = {one.file for one in stimuli.stimuli.values()}
    for path in export_all(stimuli, tmp_path, "zh").files:
        if path.suffix in (".yaml", ".json", ".csv") and path.stem != "prolific":
            assert set(re.findall(r"audio/\w+\.wav", path.read_text("utf-8"))) == files


@pytest.mark.parametrize("kind", kinds())
def test_listeners_are_told_of_traps_where_there_may_be_any(kind, tmp_path):
    export_all(study(kind), tmp_path, "en")
    explained = [
        "beeps" in path.read_text("utf-8") for path in tmp_path.rglob("L01.*") if path.suffix in (".yaml", ".json")
    ]
    assert set(explained) == {"trap" in kinds()[kind].attention}


def test_thirteen_conditions_leave_out_webmushra_and_nothing_else(tmp_path):
    exported = export_all(study("multi", conditions=13), tmp_path, "en")
    assert "13 conditions, and at most 12" in exported.refused["webmushra"]
    assert not (tmp_path / "webmushra").exists()
    assert (tmp_path / "jspsych" / "L01.json").is_file()


def test_a_language_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'fr': en or zh"):
        export_all(study("acr"), tmp_path, "fr")
