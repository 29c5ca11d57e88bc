"""The one tree of errors. Every message says what was found, what was expected and what to do next.

The command line turns a `HarnessError` into its message and `exit_code`; anything else is a defect of this package.
"""


class HarnessError(Exception):
    """An error that the user can correct: a missing file, no network, a set of clips too small for an estimate."""

    exit_code = 1


class UsageError(HarnessError):
    """An invalid request: an unknown name, a value out of range, two things that cannot be compared."""

    exit_code = 2


class BrokenPlugin(UsageError):
    """A plug-in of another distribution that does not load, or whose object is not of the expected kind.

    `name` is the requested name, `distribution` and `version` those that provide it, `reason` what is wrong.
    """

    def __init__(
        self, message: str, *, name: str = "", distribution: str = "", version: str = "", reason: str = ""
    ) -> None:
        super().__init__(message)
        self.name, self.distribution, self.version, self.reason = name, distribution, version, reason


class AudioError(HarnessError):
    """Audio that cannot be read, written or measured: damaged, empty, silent, not finite."""

    exit_code = 2


class WeightsError(HarnessError):
    """Pretrained weights that could not be fetched, or that are not the ones expected."""


class DegenerateInput(HarnessError):
    """Input for which a metric is undefined: a single clip, no spread where one is needed, no clips at all."""


class Stopped(SystemExit):
    """A signal requested this process to end: not a failure of the code that it interrupts."""
