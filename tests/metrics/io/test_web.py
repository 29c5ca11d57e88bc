"""Two servers on the loopback, of which one wants a password and the other must never hear it."""

from __future__ import annotations

import base64
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from metrics.errors import WeightsError
from metrics.io import weights
from metrics.io.web import Credentials, open_url
from tests.metrics.io.test_sdist import CONTENT, SHA256, make_sdist

TOLD = "Basic " + base64.b64encode(b"me:s/cret@1").decode()
LOGIN = "me:s%2Fcret%401"


class Server:
    """Answers with `pages` and `redirects` by path; `heard` lists (path, Authorization)."""

    def __init__(self, private: bool) -> None:
        self.pages: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.heard: list[tuple[str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = self.headers.get("Authorization")
                server.heard.append((self.path, told))
                if private and told != TOLD:
                    self.send_response(401)
                elif self.path in server.redirects:
                    self.send_response(302)
                    self.send_header("Location", server.redirects[self.path])
                else:
                    self.send_response(200 if self.path in server.pages else 404)
                self.end_headers()
                self.wfile.write(server.pages.get(self.path, b""))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture
def private():
    server = Server(private=True)
    yield server
    server.close()


@pytest.fixture
def other():
    server = Server(private=False)
    yield server
    server.close()


@pytest.fixture
def index(private, tmp_path, monkeypatch):
    """pip's index is the private server; its archive of tiny-weights 1.0."""
    make_sdist(tmp_path / "archive", tmp_path / "mark")
    for name, value in {
        "HARNESS_CACHE": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": f"http://{LOGIN}@{private.host}/simple",
        "PIP_EXTRA_INDEX_URL": "",
    }.items():
        monkeypatch.setenv(name, value)
    return (tmp_path / "archive").read_bytes()


def fetched():
    return weights.fetch("tiny-weights", "1.0", "*/tiny/net.data", SHA256, sdist=True).read_bytes()


LINK = b'<a href="%s/files/tiny_weights-1.0.tar.gz">tiny_weights-1.0.tar.gz</a>'


def test_a_private_indexs_archive_is_asked_for_as_its_page_is(index, private):
    private.pages = {"/simple/tiny-weights/": LINK % b"", "/files/tiny_weights-1.0.tar.gz": index}
    assert fetched() == CONTENT
    assert [told for _, told in private.heard] == [TOLD, TOLD]


def test_a_redirect_on_the_same_host_keeps_the_password(index, private):
    private.redirects = {"/simple/tiny-weights/": "/real/"}
    private.pages = {"/real/": LINK % b"", "/files/tiny_weights-1.0.tar.gz": index}
    assert fetched() == CONTENT


@pytest.mark.parametrize("where", ["page", "archive", "link"])
def test_another_host_never_hears_the_password(index, private, other, where):
    page, archive = "/simple/tiny-weights/", "/files/tiny_weights-1.0.tar.gz"
    other.pages = {page: LINK % b"", archive: index}
    private.pages = {page: LINK % (f"http://{other.host}".encode() if where == "link" else b"")}
    if where != "link":
        private.redirects[page if where == "page" else archive] = (
            f"http://{other.host}{page if where == 'page' else archive}"
        )
    assert fetched() == CONTENT
    assert other.heard
    assert {told for _, told in other.heard} == {None}


def test_a_redirect_back_tells_the_first_host_again(private, other):
    private.redirects = {"/a": f"http://{other.host}/b"}
    other.redirects = {"/b": f"http://{private.host}/c"}
    private.pages = {"/c": b"there"}
    with open_url(f"http://{LOGIN}@{private.host}/a", {}, 10, Credentials()) as response:
        assert response.read() == b"there"
    assert other.heard == [("/b", None)]


def test_a_user_and_password_that_a_redirect_names_are_not_ours_to_send(private, other):
    other.redirects = {"/a": f"http://{LOGIN}@{private.host}/c"}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        open_url(f"http://{other.host}/a", {"Authorization": "Basic eA=="}, 10, Credentials())
    assert private.heard == [("/c", None)]


def test_a_refused_password_is_not_in_the_message(index, private, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:wrong-secret@{private.host}/simple")
    with pytest.raises(WeightsError, match="401") as caught:
        fetched()
    assert "wrong-secret" not in str(caught.value)
