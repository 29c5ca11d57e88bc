"""A PostgreSQL server on loopback, new and empty, where its programs are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

DEBIAN = "/usr/lib/postgresql"


def programs() -> Path:
    """The folder of initdb and postgres, of the newest version; the test is skipped where there is none."""
    places = sorted(Path(DEBIAN).glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    found = shutil.which("initdb", path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).parent


@contextmanager
def postgres(port: int) -> Iterator[str]:
    """A server; the URI of its database, for SQLAlchemy. It ends with the block, and its data with it."""
    bin = programs()
    with TemporaryDirectory(prefix="postgres-") as folder, open(os.devnull, "wb") as nowhere:
        data = f"{folder}/data"
        # PostgreSQL refuses root: Debian makes a user for it.
        user: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            user |= {"user": "postgres", "group": "postgres"}
            shutil.chown(folder, "postgres", "postgres")
        make = [bin / "initdb", "-D", data, "-U", "harness", "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, **user)
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        control = [bin / "pg_ctl", "-D", data, "-w"]
        user |= {"stdout": nowhere, "stderr": nowhere}  # a pipe would stay open as long as the server
        subprocess.run([*control, "start", "-l", f"{folder}/log", "-o", options], check=True, **user)
        try:
            yield f"postgresql+pg8000://harness@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "stop", "-m", "immediate"], check=True, **user)
