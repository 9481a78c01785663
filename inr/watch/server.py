"""The server of the page: this machine only, behind a secret address, with one stream of events per tab.

A web page of somebody else, open in the same browser, can send requests to this server. It cannot read answers of
another origin, but it could give commands, or reach the server under another name (DNS rebinding). Every request
therefore needs a Host of this machine and the secret; commands and the stream need the Origin of the page itself;
commands are JSON, which a form cannot send. The client names no paths.
"""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from inr.core.errors import UnavailableError
from inr.watch.feed import Feed

ADDRESS = "127.0.0.1"
MOST_CONNECTIONS = 16
MOST_BODY_BYTES = 4096
TOKEN_BYTES = 16
IDLE_S = 10.0
"""A connection that sends nothing, or takes nothing, for so long is closed."""

POLICY = "default-src 'self'; img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PARTS = {"/page.js": "text/javascript", "/page.css": "text/css"}
_PULSE_S = 5.0
_LAYERS = "/layer/"

OnCommand = Callable[[Mapping[str, Any]], None]
"""Takes a command of the page. Raises ValueError with a sentence for one that it does not know."""


class Server:
    """Serves a feed until it is closed. It has its own threads, which end with the process.

    port: 0 for any that is free; if the one that is given is taken, the next free one after it is used.
    Raises UnavailableError if none can be had.
    """

    def __init__(self, feed: Feed, on_command: OnCommand, port: int = 0) -> None:
        self.token = secrets.token_hex(TOKEN_BYTES)
        self._http = _Http(_listening(port), feed, on_command, self.token)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True, name="watch")
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._http.socket.getsockname()
        return str(host), int(port)

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def url(self) -> str:
        """The address of the page, with the secret."""
        return f"http://{ADDRESS}:{self.port}/?token={self.token}"

    def close(self) -> None:
        self._http.feed.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _listening(port: int) -> socket.socket:
    for candidate in range(port, min(port + 64, 65536)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((ADDRESS, candidate))
            listening.listen(MOST_CONNECTIONS)
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise UnavailableError(f"no page can be served on {ADDRESS}: {error.strerror}") from error
        else:
            return listening
    raise UnavailableError(f"no port from {port} on is free on {ADDRESS}", "name another port, or none for any")


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, feed: Feed, on_command: OnCommand, token: str) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_address = listening.getsockname()
        self.feed, self.on_command, self.token = feed, on_command, token
        self.session = secrets.token_hex(TOKEN_BYTES)
        port = listening.getsockname()[1]
        self.hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost", "[::1]")}
        self.cookie = f"inr_watch_{port}"
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks off, or a request that cannot be read, ends with its thread."""


class _RefusedError(Exception):
    """The request is answered by this status."""

    def __init__(self, status: HTTPStatus, text: str = "") -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    timeout = IDLE_S
    server_version, sys_version = "inr", ""
    methods: ClassVar[tuple[str, ...]] = ("GET", "POST")

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _other(self) -> None:
        self._answer(self._refuse_method)

    do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _other  # noqa: N815  as above

    def _refuse_method(self) -> None:
        raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "GET or POST is expected")

    def _answer(self, work: Callable[[], None]) -> None:
        try:
            self._check_host()
            work()
        except _RefusedError as refused:
            more = {"Allow": ", ".join(self.methods)} if refused.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
            text = refused.text or refused.status.phrase
            self._send(refused.status, "text/plain; charset=utf-8", f"{text}\n".encode(), more)

    # -- checks

    def _check_host(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].strip().lower() not in self.server.hosts:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "the Host is not this machine")

    def _check_origin(self) -> None:
        """Of commands and of the stream: where the browser names the page that asks, it is this one."""
        origins = self.headers.get_all("Origin") or []
        if origins and origins != [f"http://{self.headers['Host'].strip()}"]:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "the Origin is another page")

    def _check_session(self) -> None:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        except CookieError:
            morsel = None
        if morsel is None or not _equal(morsel.value, self.server.session):
            raise _RefusedError(HTTPStatus.UNAUTHORIZED, "open the address that inr printed, with its token")

    # -- requests

    def _get(self) -> None:
        parts = urlsplit(self.path) if self.path.startswith("/") else urlsplit("/-")
        if parts.path == "/" and "token" in (asked := parse_qs(parts.query)):
            if not _equal(asked["token"][-1], self.server.token):
                raise _RefusedError(HTTPStatus.UNAUTHORIZED, "the token is not the one that inr printed")
            cookie = f"{self.server.cookie}={self.server.session}; Path=/; HttpOnly; SameSite=Strict"
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", _file("_page.html"), {"Set-Cookie": cookie})
            return
        self._check_session()
        if parts.path == "/":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", _file("_page.html"))
        elif parts.path == "/favicon.ico":
            self._send(HTTPStatus.NO_CONTENT, "", b"")
        elif parts.path in _PARTS:
            self._send(HTTPStatus.OK, f"{_PARTS[parts.path]}; charset=utf-8", _file(f"_{parts.path[1:]}"))
        elif parts.path == "/events":
            self._check_origin()
            self._stream()
        elif parts.path.startswith(_LAYERS):
            number, _, name = parts.path.removeprefix(_LAYERS).partition("/")
            layer = self.server.feed.layer(int(number), name) if _is_count(number) else None
            if layer is None:
                raise _RefusedError(HTTPStatus.NOT_FOUND)
            self._send(HTTPStatus.OK, layer.kind, layer.data)
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND)

    def _post(self) -> None:
        self._check_session()
        self._check_origin()
        if self.path != "/command":
            raise _RefusedError(HTTPStatus.NOT_FOUND)
        if self.headers.get_content_type() != "application/json":
            raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is expected")
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not _is_digits(length):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED)
        if not _is_count(length) or int(length) > MOST_BODY_BYTES:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BODY_BYTES} bytes are expected")
        try:
            document = json.loads(self.rfile.read(int(length)))
            if not isinstance(document, dict):
                raise ValueError("an object is expected")
            self.server.on_command(document)
        except (ValueError, RecursionError) as error:
            text = str(error) if str(error) else "the command cannot be read"
            raise _RefusedError(HTTPStatus.BAD_REQUEST, text) from error
        self._send(HTTPStatus.NO_CONTENT, "", b"")

    def _stream(self) -> None:
        """Server-sent events, from the last that the browser has seen; a comment now and then finds closed tabs."""
        seen = self.headers.get("Last-Event-ID", "")
        number = int(seen) if _is_count(seen) else 0
        feed = self.server.feed
        if number > max((message.number for message in feed.newer(0, 0)), default=0):
            number = 0  # of another run at the same port
        self.send_response(HTTPStatus.OK)
        self._headers("text/event-stream; charset=utf-8", {"X-Accel-Buffering": "no"})
        with feed.reader():
            self.wfile.write(b"retry: 1000\n\n")
            while not feed.is_closed:
                messages = feed.newer(number, _PULSE_S)
                for message in messages:
                    data = json.dumps(message.document, allow_nan=False)
                    self.wfile.write(f"id: {message.number}\nevent: {message.name}\ndata: {data}\n\n".encode())
                    number = message.number
                if not messages:
                    self.wfile.write(b": \n\n")

    # -- answers

    def _send(self, status: HTTPStatus, kind: str, data: bytes, more: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self._headers(kind, {"Content-Length": str(len(data)), **(more or {})})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _headers(self, kind: str, more: Mapping[str, str]) -> None:
        for name, value in {**_HEADERS, "Connection": "close", **more}.items():
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Of the standard library, for requests that it cannot read: without the text of the request."""
        self.requestline, self.request_version = "", "HTTP/1.0"
        self.command = self.command or ""
        self._send(HTTPStatus(code), "text/plain; charset=utf-8", f"{HTTPStatus(code).phrase}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests are not the user's concern."""


def _equal(given: str, own: str) -> bool:
    """In a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), own.encode())


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _is_count(text: str) -> bool:
    """Whether it is a number of up to 15 digits."""
    return _is_digits(text) and len(text) < 16


def _file(name: str) -> bytes:
    return Path(__file__).with_name(name).read_bytes()
