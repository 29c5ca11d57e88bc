"""Any script to ASCII, as the lyrics of the original were prepared.

The original used `unidecode`, which is GPL and so no dependency of ours. `text-unidecode` (taken under its Artistic
licence) carries an older table. Measured against unidecode 1.4.0: over hiragana and katakana it differs in し, ち, つ,
っ and the long-vowel mark, which `_KANA` mends, and in signs that no lyric vocabulary holds; over the 20,992 Chinese
characters of the basic block in 350 readings. A user who has installed `unidecode` gets it, and `engine()` says which
of the two spoke, because the tokens of a lyric depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module, metadata, util

_KANA = str.maketrans(
    {
        "し": "shi", "シ": "shi", "ち": "chi", "チ": "chi",
        "つ": "tsu", "ツ": "tsu", "っ": "tsu", "ッ": "tsu",
        "ー": "-",
    }
)  # fmt: skip


def transliterate(text: str) -> str:
    """`text` in ASCII: 科研 becomes "Ke Yan ", straße "strasse"; what has no reading (emoji) becomes nothing.

    >>> transliterate("æon café, こんにちは")
    'aeon cafe, konnichiha'
    """
    _, spell = _speller()
    return spell(text)


def engine() -> str:
    """Which table `transliterate` uses, for the record: "text-unidecode 1.3 + kana" or "unidecode 1.4.0"."""
    name, _ = _speller()
    return name


def with_text_unidecode(text: str) -> str:
    """`transliterate` by the table that is always installed, whatever else is."""
    from text_unidecode import unidecode

    return unidecode(text.translate(_KANA))


@lru_cache(maxsize=1)
def _speller() -> tuple[str, Callable[[str], str]]:
    if util.find_spec("unidecode") is not None:
        return f"unidecode {metadata.version('unidecode')}", import_module("unidecode").unidecode
    return f"text-unidecode {metadata.version('text-unidecode')} + kana", with_text_unidecode
