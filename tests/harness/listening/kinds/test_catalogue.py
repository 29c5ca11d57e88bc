"""The declared kinds: each loads, and has words in every language for all that listeners read."""

import pytest

from harness.core.errors import UsageError
from harness.listening.kinds.catalogue import LANGUAGES, StudyKind, find_kind, kinds


def test_there_are_the_seven_kinds():
    assert list(kinds()) == ["multi", "acr", "ab", "abx", "mushra", "affect", "ideation"]


@pytest.mark.parametrize("kind", kinds().values(), ids=kinds())
def test_a_kind_is_whole_and_speaks_every_language(kind: StudyKind):
    assert kind.layout in ("single", "pair", "page")
    assert 0 < kind.seconds[0] < kind.seconds[1]
    assert set(kind.question) == set(LANGUAGES)
    assert kind.scales
    for scale in kind.scales:
        assert scale.low < scale.high
        words = scale.bands or scale.ends
        assert words is not None
        assert set(words) == set(LANGUAGES)
        assert len({len(words[language]) for language in LANGUAGES}) == 1
        assert scale.ends is None or len(scale.ends["en"]) == 2
    assert bool(kind.anchors) == kind.reference
    assert kind.analysis
    assert kind.limits


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="mushra"):
        find_kind("musra")
