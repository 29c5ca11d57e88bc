"""Where and by what something was made: facts for the record of a clip, which do not change what it sounds like."""

from __future__ import annotations

import re
import socket
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

DISTRIBUTION = "music-harness"


def facts() -> dict[str, Any]:
    """Name of the machine, commit and state of the harness's source, and the versions of the packages it asks for.

    Read once a process. `git_commit` is missing where the harness was installed without its repository.
    """
    return {"host": socket.gethostname(), **source(), "packages": dict(packages())}


@lru_cache(maxsize=1)
def packages() -> dict[str, str]:
    """The installed version of each package that the harness depends on, options left out."""
    found = {}
    for requirement in requires(DISTRIBUTION) or ():
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def source() -> dict[str, Any]:
    """`git_commit` and `git_dirty` (whether tracked files differ from it) of the harness's own source."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return {}
    return {"git_commit": commit, "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def _git(*arguments: str) -> str:
    """What git says about the folder of this file; nothing when there is no git, or no repository."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""
