"""What all exports share: a listener's presentations in order, and the texts around them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from harness.core.errors import UsageError
from harness.core.identity import digest
from harness.listening.kinds.catalogue import LANGUAGES, Scale, StudyKind
from harness.listening.study import ListenerList, Presentation, StimulusSet, Trial


@dataclass(frozen=True)
class Step:
    """One presentation of a listener's list.

    Attributes:
        id: unique in the list, also for a repeated trial; answers are reported under it.
        number: counted from 1 within practice or test.
        total: number of presentations in practice or test.
        practice: it is for training.
        presentation, trial: what is presented.
    """

    id: str
    number: int
    total: int
    practice: bool
    presentation: Presentation
    trial: Trial

    @property
    def phase(self) -> str:
        """ "practice" or "test"."""
        return "practice" if self.practice else "test"

    def title(self, words: Mapping[str, str]) -> str:
        """The heading that a listener reads."""
        part = words["trial"].format(n=self.number, of=self.total)
        return f"{words['practice']}: {part}" if self.practice else part


def steps(stimuli: StimulusSet, listener: ListenerList) -> Iterator[Step]:
    """All presentations of a listener, practice first."""
    for practice, presentations in ((True, listener.training), (False, listener.trials)):
        for number, one in enumerate(presentations, start=1):
            name = f"{'p' if practice else 't'}{number:03d}-{one.trial}"
            yield Step(name, number, len(presentations), practice, one, stimuli.trials[one.trial])


def study_id(stimuli: StimulusSet) -> str:
    """The study's id in the platforms' files, of characters that all of them accept."""
    return f"study-{digest(sorted(stimuli.stimuli))[:8]}"


def words_of(language: str) -> dict[str, str]:
    """What listeners read besides the question. Raises `UsageError` for an unknown language."""
    if language not in LANGUAGES:
        raise UsageError(f"the language was {language!r}: {' or '.join(LANGUAGES)} was expected.")
    return _words()[language]


def welcome(kind: StudyKind, language: str) -> list[str]:
    """The instructions, in paragraphs: how to listen, and how to answer traps where the kind has them."""
    words = words_of(language)
    return [words["welcome"], *([words["attention"]] if "trap" in kind.attention else [])]


def points(scale: Scale, language: str) -> dict[int, str]:
    """The points of a scale that is a choice among few, with their labels; those between two ends have their number.

    >>> points(Scale("valence", 1, 3, ends={"en": ["sad", "glad"]}), "en")
    {1: '1 sad', 2: '2', 3: '3 glad'}
    """
    values = range(scale.low, scale.high + 1)
    if scale.bands is not None:
        return dict(zip(values, scale.bands[language], strict=True))
    low, high = (scale.ends or {language: ["", ""]})[language]
    words = {scale.low: f" {low}", scale.high: f" {high}"}
    return {value: f"{value}{words.get(value, '')}".strip() for value in values}


def is_choice(scale: Scale) -> bool:
    """Whether a scale is answered by choosing a point; any other is continuous."""
    return scale.bands is None or len(scale.bands["en"]) == scale.high - scale.low + 1


def band_middles(scale: Scale, language: str) -> dict[int, str]:
    """The labels of a continuous scale's bands, each at the middle of its band: for platforms that have points only.

    >>> band_middles(Scale("quality", 0, 100, bands={"en": ["bad", "good"]}), "en")
    {25: 'bad', 75: 'good'}
    """
    bands = (scale.bands or {})[language]
    width = (scale.high - scale.low) / len(bands)
    return {round(scale.low + (n + 0.5) * width): band for n, band in enumerate(bands)}


@lru_cache(1)
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("harness.listening.package") / "words.toml").read_text("utf-8"))
