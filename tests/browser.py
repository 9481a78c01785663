"""A headless Chromium that tests drive: over a pipe, by its own debugging protocol, with no package in between."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--disable-background-networking", "--disable-quic", "--hide-scrollbars",
)  # fmt: skip
TIMEOUT_S = 90.0
"""That a command may take on a busy machine."""


def chromium() -> str:
    """The browser, or a skip with the reason."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("needs a Chromium (Debian's package chromium)")
    return found


class Browser:
    """One tab. send, receive: descriptors of the browser's pipe; messages end with a zero byte.

    problems: what the page wrote to its console, errors of its scripts, and requests that failed.
    """

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._number, self._data = 0, b""
        self._session: str | None = None
        self.problems: list[str] = []
        page = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """A command's result, of the tab as soon as there is one. Raises AssertionError for an error."""
        return self._called(method, values, self._session)

    def _called(self, method: str, values: dict[str, Any], session: str | None) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        message |= {} if session is None else {"sessionId": session}
        os.write(self._send, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + TIMEOUT_S
        while True:
            found = self._message(end)
            if found.get("id") == self._number:
                assert "error" not in found, (method, found["error"])
                result: dict[str, Any] = found["result"]
                return result

    def _message(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._data:
            ready, _, _ = select.select([self._receive], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            part = os.read(self._receive, 1 << 20)
            assert part, "the browser has ended"
            self._data += part
        text, _, self._data = self._data.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        values = found.get("params", {})
        if found.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(values["exceptionDetails"].get("exception", values)))
        if found.get("method") == "Runtime.consoleAPICalled":
            self.problems.append(" ".join(str(part.get("value", part.get("description"))) for part in values["args"]))
        if found.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.problems.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")
        return found

    def resize(self, width: int, height: int, **features: str) -> None:
        """features: prefers_color_scheme="dark" and other media features."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=media)

    def open(self, url: str, *, width: int = 1200, height: int = 800, **features: str) -> None:
        """Go to a page and wait until it has loaded. features: as for `resize`."""
        self.resize(width, height, **features)
        self.call("Page.navigate", url="about:blank")  # an address that differs in its fragment would not be loaded
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def value(self, expression: str) -> Any:
        """A JavaScript value, as JSON holds it; of a promise, what it becomes."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = TIMEOUT_S) -> Any:
        """The value, once it is true; while the page loads it cannot be had."""
        end = time.monotonic() + seconds
        safe = f"(() => {{ try {{ return {expression} }} catch (error) {{ return null }} }})()"
        while not (found := self.value(safe)):
            assert time.monotonic() < end, f"{expression} stays {found!r}; problems: {self.problems}"
            time.sleep(0.05)
        return found

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """A key on the keyboard, as a user presses it."""
        values = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", type="keyDown", **values)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def wheel(self, x: float, y: float, by: float) -> None:
        """by: pixels, downwards."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=by)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """With the left button, in pixels of the window."""
        points = [("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)]
        for kind, (x, y) in points:
            more = {"clickCount": 1} if kind != "mouseMoved" else {"buttons": 1}
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", **more)

    def processes(self) -> list[dict[str, Any]]:
        """Type, id and processor time in seconds (`cpuTime`) of the browser's processes."""
        found: list[dict[str, Any]] = self._called("SystemInfo.getProcessInfo", {}, None)["processInfo"]
        return found

    def screenshot(self) -> bytes:
        """PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a profile of its own, ended after the block. Skips where there is none."""
    program = chromium()
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads descriptor 3 and writes descriptor 4.
        command = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        words = ["bash", "-c", command, "-", str(theirs_in), str(theirs_out), program, *FLAGS]
        words += ["--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            words, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_out, ours_in)
        finally:
            process.kill()
            process.wait()
            os.close(ours_out)
            os.close(ours_in)
