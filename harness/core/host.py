"""Where a clip is made: not part of its identity, but of its record. Bytes are promised equal on one platform."""

from __future__ import annotations

import platform
import socket
import sys
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from harness.core import provenance


def host_facts(model: object) -> dict[str, Any]:
    """Device, threads and versions, JSON-able.

    Args:
        model: whatever makes the clips; its attribute `device` is read, "cpu" where it has none.
    """
    # A model without a device does not use torch: it need not wait for the import, even where others did it.
    torch = sys.modules.get("torch") if hasattr(model, "device") else None
    return {
        "device": str(getattr(model, "device", "cpu")),
        "threads": torch.get_num_threads() if torch else 1,
        **_installed(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        **provenance.facts(),
    }


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    return {"torch": version("torch"), "numpy": version("numpy"), "harness": version("music-harness")}


def host_name() -> str:
    """The machine's name on its network."""
    return socket.gethostname() or "unknown"
