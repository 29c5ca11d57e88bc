"""The one tree of errors. Every message says what was found, what was expected and what to do next.

The command line turns a `HarnessError` into its message and `exit_code`; anything else is a defect of ours.
"""


class HarnessError(Exception):
    """Something a person can put right: a missing file, no network, a set of clips too small for an estimate."""

    exit_code = 1


class UsageError(HarnessError):
    """What was asked for does not make sense: an unknown name, a value out of range, two things that do not compare."""

    exit_code = 2


class BrokenPlugin(UsageError):
    """What was asked for is brought by another distribution, and does not load or is not what it should be.

    `name` is what was asked for, `distribution` and `version` say who brings it, `reason` what is wrong with it.
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
    """Input for which a metric has no value: a single clip, no spread where one is needed, no clips at all."""


class Stopped(SystemExit):
    """This process was told to end, by a signal: no failure of the code that it came in the way of."""
