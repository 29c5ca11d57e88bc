"""Open URLs with credentials, and send those to their own server only.

`urllib` takes no such addresses, and hands a request's `Authorization` on to wherever a server redirects it. Here what
an address says is sent to its own origin (scheme, host and port) and to no other; a page and what it links to there are
asked for alike.
"""

from __future__ import annotations

import base64
import ssl
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import unquote, urlsplit, urlunsplit

PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int | None]


@dataclass(frozen=True)
class Credentials:
    """What `Authorization` says to each origin."""

    secrets: Mapping[Origin, str] = field(default_factory=dict)

    @classmethod
    def of(cls, urls: Iterable[str]) -> Credentials:
        """Those that stand in these addresses; of two for one origin the first. Raises `ValueError` for no address."""
        secrets: dict[Origin, str] = {}
        for url in urls:
            parts = urlsplit(url)
            if parts.username is not None and parts.scheme in PORTS:
                said = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
                secrets.setdefault(_origin(url), f"Basic {base64.b64encode(said.encode()).decode()}")
        return cls(secrets)

    def authorise(self, request: urllib.request.Request) -> urllib.request.Request:
        """The request with what its own origin is to be told, and nothing that was meant for another."""
        request.remove_header("Authorization")
        secret = self.secrets.get(_origin(request.full_url))
        if secret is not None:
            request.add_unredirected_header("Authorization", secret)
        return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        request = super().redirect_request(req, fp, code, msg, headers, without_user_info(newurl))
        return None if request is None else self.credentials.authorise(request)


def open_url(
    url: str, headers: Mapping[str, str], timeout: float, credentials: Credentials, cafile: str | None = None
) -> Any:
    """The response to a GET of `url`, whose own user and password go before those of `credentials`.

    Args:
        url: An address with https, http or file.
        headers: Further headers.
        timeout: Seconds of silence after which the server is taken for gone.
        credentials: What to tell which origin, here and wherever the request is redirected.
        cafile: Certificates to trust instead of the system's.

    Raises `OSError` (`urllib.error.HTTPError` for a status of failure) or `ValueError` for what is no address.
    """
    known = Credentials({**credentials.secrets, **Credentials.of([url]).secrets})
    request = known.authorise(urllib.request.Request(without_user_info(url), headers=dict(headers)))
    opener = urllib.request.build_opener(
        _Redirects(known), urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=cafile))
    )
    return opener.open(request, timeout=timeout)


def without_user_info(url: str) -> str:
    """An address without its user and password, to be shown or requested.

    >>> without_user_info("https://me:secret@mirror.example:8443/simple")
    'https://mirror.example:8443/simple'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)
