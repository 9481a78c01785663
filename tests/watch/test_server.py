"""What the server answers, asked by raw sockets: who may see the page, who may give commands, and what is too much."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from inr.watch.feed import Feed, Layer
from inr.watch.server import ADDRESS, MOST_BODY_BYTES, MOST_CONNECTIONS, Server


@dataclass
class Served:
    """A running server, the commands that came, and the cookie of a browser that opened its address."""

    server: Server
    feed: Feed
    commands: list[Mapping[str, Any]]
    cookie: str = ""

    @property
    def host(self) -> str:
        return f"{ADDRESS}:{self.server.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection((ADDRESS, self.server.port), timeout=5)

    def raw(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and body of the answer."""
        with self.connect() as connection:
            connection.sendall(request)
            data = b""
            while part := connection.recv(65536):
                data += part
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(first.split()[1]), headers, body

    def ask(
        self, line: str, *headers: str, body: bytes = b"", host: str | None = None, cookie: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        given = [f"Host: {self.host if host is None else host}", *headers]
        given += [f"Cookie: {self.cookie if cookie is None else cookie}"] if cookie != "" else []
        return self.raw("\r\n".join([f"{line} HTTP/1.1", *given, "", ""]).encode() + body)

    def command(self, document: object, *headers: str, **more: str) -> int:
        data = json.dumps(document).encode()
        kind = [] if any(h.startswith("Content-Type") for h in headers) else ["Content-Type: application/json"]
        return self.ask("POST /command", *kind, f"Content-Length: {len(data)}", *headers, body=data, **more)[0]


@pytest.fixture
def served() -> Iterator[Served]:
    commands: list[Mapping[str, Any]] = []

    def on_command(document: Mapping[str, Any]) -> None:
        if document.get("command") != "pause":
            raise ValueError("the command is pause")
        commands.append(document)

    feed = Feed()
    server = Server(feed, on_command)
    found = Served(server, feed, commands)
    answer = found.ask(f"GET /?token={server.token}", cookie="")
    found.cookie = answer[1]["set-cookie"].partition(";")[0]
    yield found
    server.close()


def test_it_listens_on_the_loopback_address_alone(served: Served) -> None:
    assert served.server.address == ("127.0.0.1", served.server.port)
    assert served.server.url.startswith(f"http://127.0.0.1:{served.server.port}/?token=")
    assert len(served.server.token) == 32  # 128 bits


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_names_of_this_machine_are_taken(served: Served, name: str) -> None:
    assert served.ask("GET /", host=f"{name}:{served.server.port}")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:PORT", "localhost.evil:PORT", ""]
)
def test_other_hosts_are_refused_even_with_the_secret(served: Served, host: str) -> None:
    host = host.replace("PORT", str(served.server.port))
    assert served.ask("GET /", host=host)[0] == 403
    assert served.ask(f"GET /?token={served.server.token}", host=host, cookie="")[0] == 403
    assert served.command({"command": "pause"}, host=host) == 403
    assert served.commands == []


def test_a_request_without_a_host_or_with_two_is_refused(served: Served) -> None:
    secret = f"Cookie: {served.cookie}\r\n"
    assert served.raw(f"GET / HTTP/1.0\r\n{secret}\r\n".encode())[0] == 403
    two = f"Host: {served.host}\r\nHost: evil.example\r\n"
    assert served.raw(f"GET / HTTP/1.1\r\n{two}{secret}\r\n".encode())[0] == 403


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/events", "/layer/1/fit", "/nothing", "/?token="])
def test_without_the_token_nothing_is_shown(served: Served, path: str) -> None:
    served.feed.publish_layers({"fit": Layer("image/png", b"secret")}, "picture", {})
    status, _, body = served.ask(f"GET {path}", cookie="")
    assert (status, b"secret" in body) == (401, False)
    assert served.command({"command": "pause"}, cookie="") == 401


def test_a_wrong_token_or_cookie_is_refused(served: Served) -> None:
    name = served.cookie.partition("=")[0]
    wrong = "0" * 32
    assert served.ask(f"GET /?token={wrong}", cookie="")[0] == 401
    assert served.ask(f"GET /?token={served.server.token}0", cookie="")[0] == 401
    assert served.ask("GET /?token=%FF%00", cookie="")[0] == 401
    for cookie in (f"{name}={wrong}", f"{name}={served.server.token}", "=;=", f"other={served.cookie}"):
        assert served.ask("GET /", cookie=cookie)[0] == 401


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(served: Served) -> None:
    _, headers, body = served.ask(f"GET /?token={served.server.token}", cookie="")
    assert headers["set-cookie"].split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert served.server.token not in headers["set-cookie"]
    assert served.server.token.encode() not in body


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:PORT", "http://localhost:PORT"])
def test_pages_of_another_origin_give_no_commands_and_see_no_events(served: Served, origin: str) -> None:
    header = "Origin: " + origin.replace("PORT", str(served.server.port))
    assert served.command({"command": "pause"}, header) == 403
    assert served.ask("GET /events", header)[0] == 403
    assert served.commands == []


def test_the_page_itself_gives_commands(served: Served) -> None:
    assert served.command({"command": "pause"}, f"Origin: http://{served.host}") == 204
    assert served.command({"command": "pause"}) == 204  # programs other than browsers name no origin
    assert served.commands == [{"command": "pause"}] * 2


def test_every_answer_forbids_frames_sniffing_and_other_origins(served: Served) -> None:
    for answer in (
        served.ask("GET /"),
        served.ask("GET /nothing"),
        served.ask("GET /", host="evil"),
        served.ask("TRACE /"),
    ):
        headers = answer[1]
        assert headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' blob:")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_can_send_is_no_command(served: Served, kind: str) -> None:
    assert served.command({"command": "pause"}, f"Content-Type: {kind}") == 415
    assert served.commands == []


def test_bodies_are_limited_and_have_a_length(served: Served) -> None:
    head = ("POST /command", "Content-Type: application/json")
    large = b" " * 5000
    assert served.ask(*head, f"Content-Length: {len(large)}", body=large)[0] == 413
    assert served.ask(*head, f"Content-Length: {MOST_BODY_BYTES + 1}")[0] == 413
    assert served.ask(*head, "Content-Length: 99999999999999999999")[0] == 413
    assert served.ask(*head, "Content-Length: -1")[0] == 411
    assert served.ask(*head)[0] == 411
    assert served.ask(*head, "Transfer-Encoding: chunked", "Content-Length: 2", body=b"{}")[0] == 411


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"pause"', b"\xff\xfe", b"[" * 4000, b'{"command": "stop"}'])
def test_a_command_that_cannot_be_read_is_refused(served: Served, body: bytes) -> None:
    length = f"Content-Length: {len(body)}"
    assert served.ask("POST /command", "Content-Type: application/json", length, body=body)[0] == 400
    assert served.commands == []


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "CONNECT"])
def test_other_methods_are_refused(served: Served, method: str) -> None:
    status, headers, body = served.ask(f"{method} /", "X-Secret: echo")
    assert (status, headers["allow"], b"echo" in body) == (405, "GET, POST", False)


PATHS = (
    "/..%2f..%2fetc/passwd", "/../server.py", "//etc/passwd", "/_page.js", "/layer/../page.js", "/layer/1/../fit",
    "/layer//fit", "/layer/-1/fit", "/layer/" + "9" * 40, "/layer/\u00b2/fit", "http://evil/",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_nowhere(served: Served, path: str) -> None:
    assert served.ask(f"GET {path}")[0] == 404


def test_requests_that_cannot_be_read_are_answered_without_their_text(served: Served) -> None:
    for request in (
        b"<script>\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G" * 70000 + b"\r\n\r\n",
    ):
        status, _, body = served.raw(request)
        assert 400 <= status <= 505
        assert b"script" not in body
        assert b"BREW" not in body
    assert served.ask("GET /")[0] == 200


def test_there_are_at_most_16_connections(served: Served) -> None:
    idle = [served.connect() for _ in range(MOST_CONNECTIONS)]
    time.sleep(0.2)
    with served.connect() as more:
        more.sendall(f"GET / HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionResetError):
            assert more.recv(100) == b""
    for connection in idle:
        connection.close()
    time.sleep(0.2)
    assert served.ask("GET /")[0] == 200


def events(served: Served, *headers: str, until: bytes) -> str:
    with served.connect() as connection:
        lines = [f"GET /events HTTP/1.1\r\nHost: {served.host}\r\nCookie: {served.cookie}", *headers]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        data = b""
        while until not in data:
            data += connection.recv(65536)
        assert served.feed.has_readers
    return data.partition(b"\r\n\r\n")[2].decode()


def test_the_stream_replays_the_newest_of_each_name_and_goes_on_where_it_broke_off(served: Served) -> None:
    for step in range(3):
        served.feed.publish("progress", {"step": step})
    served.feed.publish("state", {"state": "running"})
    text = events(served, until=b"running")
    assert text.count("event: progress") == 1
    assert 'id: 3\nevent: progress\ndata: {"step": 2}' in text
    later = events(served, "Last-Event-ID: 3", until=b"running")
    assert "progress" not in later
    assert "progress" in events(served, "Last-Event-ID: 99999", until=b"running")  # of an earlier run at this port


def test_layers_are_those_that_their_message_has_announced(served: Served) -> None:
    """A page that asks late gets the older ones, or none, but never others than the message describes."""
    numbers = []
    for data in (b"first", b"second", b"third"):
        served.feed.publish_layers({"fit": Layer("image/png", data)}, "picture", {})
        numbers.append(next(m.document["number"] for m in served.feed.newer(0, 0) if m.name == "picture"))
    answers = [served.ask(f"GET /layer/{number}/fit") for number in numbers]
    assert [(status, body) for status, _, body in answers[1:]] == [(200, b"second"), (200, b"third")]
    assert answers[0][0] == 404
    assert served.ask(f"GET /layer/{numbers[-1]}/error")[0] == 404


def test_numbers_that_json_has_not_become_null(served: Served) -> None:
    served.feed.publish("curve", {"loss": (1.0, math.nan), "of": {"top": math.inf, "step": 3}})
    text = events(served, until=b"step")
    assert 'data: {"loss": [1.0, null], "of": {"top": null, "step": 3}}' in text


def wait_for_readers(feed: Feed, *, there_are: bool) -> None:
    end = time.monotonic() + 30
    while feed.has_readers != there_are:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_clients_that_are_slow_are_left_and_hold_up_nobody(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sends nothing, one half a command, one takes nothing of what it is sent."""
    monkeypatch.setattr("inr.watch.server._Handler.timeout", 0.5)
    silent, half, deaf = (served.connect() for _ in range(3))
    head = f"Host: {served.host}\r\nCookie: {served.cookie}\r\n"
    kind = "Content-Type: application/json\r\nContent-Length: 20\r\n"
    half.sendall(f"POST /command HTTP/1.1\r\n{head}{kind}\r\n{{".encode())
    deaf.sendall(f"GET /events HTTP/1.1\r\n{head}\r\n".encode())
    wait_for_readers(served.feed, there_are=True)
    for step in range(40):
        served.feed.publish(f"{step}", {"text": "x" * 200_000})
    assert served.ask("GET /page.css")[0] == 200
    for connection in (silent, half):
        with connection, contextlib.suppress(ConnectionResetError):
            assert connection.recv(1000) == b""
    wait_for_readers(served.feed, there_are=False)
    deaf.close()
    assert served.commands == []


def test_a_closed_tab_is_found_out(served: Served) -> None:
    """Then nobody looks, so that nothing is painted for it."""
    served.feed.publish("state", {"state": "running"})
    events(served, until=b"running")
    end = time.monotonic() + 30
    while served.feed.has_readers:
        served.feed.publish("state", {"state": "running"})
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_port_that_is_taken_is_left_for_the_next(served: Served) -> None:
    other = Server(Feed(), lambda document: None, served.server.port)
    assert served.server.port < other.port < served.server.port + 64
    other.close()
