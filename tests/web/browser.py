"""A headless Chromium, driven through its pipe for developers' tools: pages, scripts, keys and screenshots."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from tests.exporters.runtimes import CHROMIUM_FLAGS, chromium

PATIENCE = 90.0
"""Seconds that a command may take on a busy machine."""


class Browser:
    """One page of a running Chromium. `console`: what the page wrote there, and errors of its scripts."""

    def __init__(self, into: int, out_of: int) -> None:
        self._into, self._out_of, self._left, self._n = into, out_of, b"", 0
        self._session: str | None = None
        self.console: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def resize(self, width: int, height: int, *, is_dark: bool = False) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        self._call("Emulation.setEmulatedMedia", {"features": features})

    def open(self, address: str) -> None:
        """Go to a page and wait until it has loaded."""
        self._call("Page.navigate", {"url": "about:blank"})
        self._call("Page.navigate", {"url": address})
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, expression: str) -> Any:
        """The value of an expression in the page, a promise's when it is resolved. AssertionError if it throws."""
        given = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        found = self._call("Runtime.evaluate", given)
        assert "exceptionDetails" not in found, json.dumps(found["exceptionDetails"])[:2000]
        return found["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + PATIENCE
        while not (found := self.run(expression)):
            assert time.monotonic() < end, f"{expression} is not true after {PATIENCE:.0f} s; {self.console}"
            time.sleep(0.05)
        return found

    def press(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", {"type": kind, "key": key, "text": text if kind == "keyDown" else ""})

    def wheel(self, x: float, y: float, by: float) -> None:
        self._call("Input.dispatchMouseEvent", {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            given = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
            self._call("Input.dispatchMouseEvent", given)

    def screenshot(self) -> bytes:
        return base64.b64decode(self._call("Page.captureScreenshot", {"format": "png"})["data"])

    def processes(self) -> list[dict[str, Any]]:
        """Type, id and processor time in seconds (`cpuTime`) of Chromium's processes."""
        found: list[dict[str, Any]] = self._call("SystemInfo.getProcessInfo", session=False)["processInfo"]
        return found

    def _call(self, method: str, parameters: dict[str, Any] | None = None, *, session: bool = True) -> dict[str, Any]:
        self._n += 1
        message: dict[str, Any] = {"id": self._n, "method": method, "params": parameters or {}}
        if session and self._session is not None:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._n:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.console.append(str(given["exceptionDetails"].get("exception", {}).get("description")))
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.console.append(" ".join(str(a.get("value", a.get("description"))) for a in given["args"]))
        elif event.get("method") == "Log.entryAdded":
            self.console.append(given["entry"]["text"])

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._out_of], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._out_of, 2**20)
            assert part, "Chromium has ended"
            self._left += part
        first, self._left = self._left.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(first)
        return answer


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A running Chromium, or a skip with the reason."""
    program = chromium()
    theirs_in, into = os.pipe()
    out_of, theirs_out = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]

    def place() -> None:  # the numbers that Chromium expects its pipe at
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *CHROMIUM_FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(3, 4), preexec_fn=place
        )
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        try:
            yield Browser(into, out_of)
        finally:
            process.terminate()
            process.wait(30)
            os.close(into)
            os.close(out_of)
