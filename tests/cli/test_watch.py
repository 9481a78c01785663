"""`inr fit --watch` and `inr watch`: options, what is printed, how long the page is served, and the exit code."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .conftest import PROGRAM, TINY, invoke

FAST = (*TINY, "--steps", "20")


@pytest.fixture
def photo(here: Path) -> Path:
    rows, columns = np.mgrid[:12, :16]
    Image.fromarray((rows * 20 + columns).astype(np.uint8)).save(here / "photo.png")
    return here / "photo.png"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--open"], "--open is given without --watch"),
        (["--linger", "3s"], "--linger is given without --watch"),
        (["--watch=0"], "--watch is '0', expected a port from 1 to 65535"),
        (["--watch=65536"], "--watch is '65536', expected a port"),
        (["--watch=web"], "--watch is 'web', expected a port"),
        (["--watch", "--linger", "soon"], "--linger is 'soon', expected a time"),
    ],
)
def test_options_that_cannot_be_met(photo: Path, options: Sequence[str], message: str) -> None:
    found = invoke("fit", photo, *FAST, *options)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr
    assert not Path("photo.safetensors").exists()


def test_a_watched_fit_writes_the_same_file_and_ends_after_it_has_lingered(photo: Path) -> None:
    assert invoke("fit", photo, *FAST, "-o", "plain.safetensors").exit_code == 0
    found = invoke("fit", photo, *FAST, "-o", "watched.safetensors", "--watch", "--linger", "0.2")
    assert found.exit_code == 0
    assert re.search(r"^page: http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{32}$", found.stderr, re.MULTILINE)
    assert "serving the page until Ctrl-C, at most 0.2 s" in found.stderr
    assert found.stdout.startswith("watched.safetensors")
    assert Path("watched.safetensors").read_bytes() == Path("plain.safetensors").read_bytes()


def test_the_exit_code_is_the_fit_s(photo: Path) -> None:
    found = invoke("fit", photo, *FAST, "--target-psnr", "90", "--watch", "--linger", "0.1")
    assert found.exit_code == 1
    assert "target not reached" in found.stderr


def test_a_port_that_is_taken_is_said(photo: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = invoke("fit", photo, *FAST, f"--watch={port}", "--linger", "0.1")
    assert found.exit_code == 0
    assert f"port {port} is in use, serving at " in found.stderr


@pytest.mark.parametrize("can_open", [True, False])
def test_open_asks_for_a_browser_with_the_address(photo: Path, can_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def remember(url: str) -> bool:
        opened.append(url)
        return can_open

    monkeypatch.setattr("webbrowser.open", remember)
    found = invoke("fit", photo, *FAST, "--watch", "--open", "--linger", "0.1")
    assert found.exit_code == 0
    assert opened == re.findall(r"^page: (http://127\.0\.0\.1:.*)$", found.stderr, re.MULTILINE)
    assert len(opened) == 1
    assert ("no browser could be opened" in found.stderr) is not can_open


def test_a_plan_has_no_page(photo: Path) -> None:
    assert "page:" not in invoke("fit", photo, *FAST, "--watch", "--dry-run").stderr


@contextmanager
def serving(*words: str | Path) -> Any:
    """A program that serves a page, and its port and token."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.match(r"page: http://127\.0\.0\.1:(\d+)/\?token=(\w+)", line):
                yield process, int(found[1]), found[2]
                break
        else:
            raise AssertionError("no page was served")
    finally:
        process.kill()
        process.communicate()


def asked(port: int, request: str, until: str) -> str:
    """What a request is answered, up to and with a text."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        data = b""
        while until.encode() not in data and (part := connection.recv(65536)):
            data += part
    return data.decode(errors="replace")


def events(port: int, token: str, until: str) -> str:
    host = f"Host: 127.0.0.1:{port}\n"
    first = asked(port, f"GET /?token={token} HTTP/1.1\n{host}\n", "\r\n\r\n")
    found = re.search("Set-Cookie: ([^;]+)", first)
    assert found is not None
    return asked(port, f"GET /events HTTP/1.1\n{host}Cookie: {found[1]}\n\n", until)


def test_ctrl_c_while_the_page_is_served_does_not_change_the_exit_code(photo: Path) -> None:
    with serving("fit", photo, *FAST, "--watch", "-q") as (process, port, token):
        assert '"state": "finished"' in events(port, token, '"state": "finished"')
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert Path("photo.safetensors").exists()


def test_a_run_of_another_process_is_shown_from_its_checkpoints(photo: Path) -> None:
    assert invoke("fit", photo, *FAST, "--save-every", "10").exit_code == 0
    with serving("watch", "photo.checkpoint") as (process, port, token):
        text = events(port, token, "event: picture")
        assert '"step": 20, "steps": 20' in text
        assert "The run is over, at step 20." in text
        assert '"target"' in text
        assert '"controls": []' in text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_what_is_no_run(photo: Path) -> None:
    Path("empty").mkdir()
    for name in ("empty", "nothing", "photo.png"):
        found = invoke("watch", name)
        assert found.exit_code == 3
        assert name in found.stderr
        assert len(found.stderr.strip().splitlines()) <= 2
    assert "is a file, expected the folder" in found.stderr


def test_an_encoding_can_be_watched_and_ends_in_the_same_bytes(photo: Path) -> None:
    words = ("compress", photo, "--effort", "1", "--no-verify", "--no-progress", "--threads", "1")
    assert invoke(*words, "-o", "plain.inrz").exit_code == 0
    found = invoke(*words, "-o", "watched.inrz", "--watch", "--linger", "0.1")
    assert found.exit_code == 0
    assert "page: http://127.0.0.1:" in found.stderr
    assert found.stdout.startswith("watched.inrz")
    assert Path("watched.inrz").read_bytes() == Path("plain.inrz").read_bytes()


def test_one_encoding_at_a_time_is_watched(photo: Path) -> None:
    found = invoke("compress", photo, photo, "--watch", "-o", ".")
    assert found.exit_code == 2
    assert "--watch shows one encoding, but 2 inputs are given" in found.stderr
