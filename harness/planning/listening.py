"""How listeners are to judge an experiment's clips, declared with it.

`harness stimuli NAME` takes the kind of study, the tasks and the number of listeners from here, and the protocol the
sentences on analysis and limits. Which kinds there are is known to `harness.listening`, which checks the declaration
when a study is requested.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.core.settings import settings_class

Sentences = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)]


@settings_class
class Listening:
    """What an experiment declares of its listening study. Raises `UsageError` for values of a wrong type.

    Attributes:
        kind: name of a kind of study ('harness stimuli --help' lists them).
        analysis: sentences on how the answers are analysed, which follow those of the kind.
        limits: sentences on what the study cannot show, which follow those of the kind.
        tasks: what listeners work on while they listen, each by language; only for kinds with an open answer.
        listeners: how many listeners are planned.
    """

    kind: str
    analysis: Sentences
    limits: Sentences
    tasks: Annotated[tuple[dict[str, str], ...], Field(strict=False)] = ()
    listeners: Annotated[int, Field(ge=2)] = 24
