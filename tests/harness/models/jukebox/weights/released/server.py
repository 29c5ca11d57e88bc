"""A web server on the loopback whose faults can be ordered."""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server:
    """Serves the files below `root`; `requests` lists (path, Range, bytes of the body sent)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[tuple[str, str | None, int]] = []
        self.told: set[str | None] = set()  # what requests had as their Authorization
        self.ranges = True  # whether parts can be asked for
        self.etags = True
        self.stop_after: int | None = None  # bytes of a body after which the connection is closed
        self.page: str | None = None  # a web page sent in place of every file
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        file = self.root / to.path.lstrip("/")
        wanted = to.headers.get("Range")
        self.told.add(to.headers.get("Authorization"))
        if self.page is not None:
            return self.send(to, 200, self.page.encode(), {"Content-Type": "text/html; charset=utf-8"})
        if not file.is_file():
            return self.send(to, 404, b"no such file", {})
        body = file.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        headers = {"Content-Type": "application/octet-stream"} | ({"ETag": etag} if self.etags else {})
        if wanted and self.ranges and to.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.send(to, 416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self.send(to, 206, body[start:], headers)
        return self.send(to, 200, body, headers)

    def send(self, to: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]) -> None:
        sent = body if self.stop_after is None else body[: self.stop_after]
        self.requests.append((to.path.lstrip("/"), to.headers.get("Range"), len(sent)))
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name, value)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        with suppress(ConnectionError):  # whoever asked has seen enough
            to.wfile.write(sent)
        to.close_connection = len(sent) < len(body)
