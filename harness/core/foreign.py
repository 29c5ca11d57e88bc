"""Calls into code that others wrote: a model, or what brings one. Whatever it raises is a failure with a name.

`except Exception` lets some through: `sys.exit(0)` inside a model would end the whole program as a success that made
nothing. Only what a person or the system asks for still passes: Ctrl-C, and `Stopped`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.errors import ModelError


class Stopped(SystemExit):
    """This process was told to end, by a signal."""


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Around a call of foreign code. An `Exception` passes as it is: whoever called knows what to make of it.

    Args:
        what: Whose code it is, as the message names it: "the model toy".

    Raises:
        ModelError: The code raised what is no `Exception`: `SystemExit`, `GeneratorExit`, a class of its own.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt, Stopped):
        raise
    except BaseException as error:
        raise ModelError(f"{what} {ended(error)}") from error


def ended(error: BaseException) -> str:
    """What to say of code that raised such a thing.

    >>> ended(SystemExit(0))
    'raised SystemExit(0), which ends a program, where a result or an error was expected. Tell whoever wrote it.'
    """
    return f"raised {error!r}, which ends a program, where a result or an error was expected. Tell whoever wrote it."
