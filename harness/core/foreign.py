"""Calls into third-party code: a model, or the plug-in that provides it. Whatever it raises becomes a named failure.

`except Exception` lets some through: `sys.exit(0)` inside a model would end the whole program as a success that made
nothing. Only what the user or the system requests still passes: Ctrl-C, and `Stopped`.
"""

from __future__ import annotations

from harness.core.errors import ModelError
from metrics.errors import Stopped

__all__ = ["Stopped", "ended", "foreign"]


class foreign:  # noqa: N801  # it is used as a function, as those of contextlib are
    """Around a call of foreign code. An `Exception` passes unchanged: the caller handles it.

    It is no generator: one that is thrown away in the middle of a Ctrl-C would take its own end for the code's.

    Args:
        what: Whose code it is, as the message names it: "the model toy".

    Raises:
        ModelError: The code raised what is no `Exception`: `SystemExit`, `GeneratorExit`, a class of its own.
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, Exception | KeyboardInterrupt | Stopped):
            raise ModelError(f"{self.what} {ended(error)}") from error


def ended(error: BaseException) -> str:
    """What to say of code that raised such a thing.

    >>> ended(SystemExit(0))
    'raised SystemExit(0), which ends a program, where a result or an error was expected. Report it to its author.'
    """
    return f"raised {error!r}, which ends a program, where a result or an error was expected. Report it to its author."
