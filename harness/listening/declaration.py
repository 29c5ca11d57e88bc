"""How listeners are asked about an experiment, declared with it: what `harness stimuli NAME` takes where nobody says
otherwise, and what the protocol tells of analysis and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.core.errors import UsageError
from harness.listening.kinds.catalogue import LANGUAGES, find_kind


@dataclass(frozen=True)
class Listening:
    """`kind` is one of `harness.listening.kinds.catalogue`, `tasks` what listeners work on meanwhile, by language.
    `analysis` and `limits` are sentences that come after those of the kind. Raises `UsageError` for what makes no
    sense."""

    kind: str
    analysis: tuple[str, ...]
    limits: tuple[str, ...]
    tasks: tuple[Mapping[str, str], ...] = ()
    listeners: int = 24

    def __post_init__(self) -> None:
        kind = find_kind(self.kind)
        if bool(self.tasks) and not kind.open_answer:
            raise UsageError(f"tasks were declared for kind {self.kind!r}, which has none: leave them out.")
        for task in self.tasks:
            if set(task) != set(LANGUAGES):
                raise UsageError(f"the task {dict(task)!r:.60} has not the languages {', '.join(LANGUAGES)}.")
