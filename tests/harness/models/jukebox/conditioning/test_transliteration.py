"""Lyrics in any script against the spelling of the original (tests/golden/labels)."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.jukebox.conditioning.labels import VOCABULARY
from harness.models.jukebox.conditioning.transliteration import engine, transliterate, with_text_unidecode

GOLDEN = Path(__file__).parents[4] / "golden"
ROWS = json.loads((GOLDEN / "labels" / "vectors.json").read_text(encoding="utf-8"))["rows"]
SPELT = {row["id"]: row for row in ROWS if not row["meta"]["lyrics"].isascii()}


@pytest.mark.parametrize("row_id", SPELT)
def test_golden_texts_by_the_default_table(row_id: str):
    """Whether or not `unidecode` is installed here, the table that everybody has spells as the original did."""
    row = SPELT[row_id]
    known = VOCABULARY["v3" if row["labeller"].startswith("v3") else "v2"]
    spelt = with_text_unidecode(row["meta"]["lyrics"]).replace("\\", "\n")
    assert "".join(c for c in spelt if c in known) == row["clean_lyrics"]


def test_kana_in_both_scripts():
    assert with_text_unidecode("しちつっ シチツッ コーヒー") == "shichitsutsu shichitsutsu ko-hi-"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_becomes_ascii(text: str):
    assert with_text_unidecode(text).isascii()


def test_the_engine_is_named():
    assert engine().startswith(("text-unidecode 1.3 + kana", "unidecode "))
    assert transliterate("straße") == "strasse"
