"""Settings of every test: the machine's speed is no reason to fail, and nothing a test does leaves its own folder."""

import os
import signal

import pytest
from hypothesis import settings

settings.register_profile("harness", deadline=None, print_blob=True)
settings.load_profile("harness")

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# Ray reads them when it is imported: it tells nobody of itself, and its clusters listen on loopback.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees the defaults, whatever the shell it was started from has set."""
    for name in ("HARNESS_RESULTS", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def heed_interrupts() -> None:
    """A shell's background jobs inherit an ignored SIGINT, and a test run may be one: a child that is to be interrupted
    must start with the default."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
