"""Prompts as they are given on a command line."""

from __future__ import annotations

from typing import Annotated, Any

from harness.core.errors import UsageError
from harness.core.option import Option
from harness.core.settings import Paths, Texts, settings_class
from harness.prompts.prompt import Prompt

PROMPTS = "What is requested"


@settings_class
class PromptOptions:
    """Prompts by their words, styles, sound files, and prompt sets."""

    prompt: Annotated[
        Texts,
        Option("A text prompt in any language.", panel=PROMPTS, default="a prompt per style"),
    ] = ()
    style: Annotated[Texts, Option("A style as a prompt.", panel=PROMPTS)] = ()
    audio: Annotated[Paths, Option("A sound file to continue.", panel=PROMPTS)] = ()
    prompt_seconds: Annotated[
        float | None, Option("Length used of each --audio, in seconds.", panel=PROMPTS, default="3")
    ] = None
    prompts: Annotated[
        Texts,
        Option("A prompt set ('harness prompts list') or file: .yaml, .csv, .jsonl.", panel=PROMPTS),
    ] = ()

    def __post_init__(self) -> None:
        if self.prompt_seconds is not None and not self.audio:
            raise UsageError("--prompt-seconds was given without --audio: name the sound file to continue.")

    def listed(self) -> tuple[Prompt, ...]:
        """The prompts themselves. Raises `UsageError` for one that cannot be, and for files that cannot be read."""
        from harness.prompts.sets import load_prompt_set

        length: dict[str, Any] = {} if self.prompt_seconds is None else {"prompt_seconds": self.prompt_seconds}
        return (
            *(Prompt(text=text) for text in self.prompt),
            *(Prompt(style=name) for name in self.style),
            *(Prompt(audio=path, **length) for path in self.audio),
            *(one for name in self.prompts for one in load_prompt_set(name).prompts()),
        )
