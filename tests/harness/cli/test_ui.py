"""A port that is taken is said, with exit code 1."""

import socket

import pytest

from harness.cli.ui import ui
from harness.core.errors import HarnessError, UsageError


def test_a_taken_port_is_an_error_and_no_server_is_started(tmp_path):
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HarnessError) as caught:
            ui(tmp_path, taken.getsockname()[1])
    assert not isinstance(caught.value, UsageError)
