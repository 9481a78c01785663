"""A local server for pages of tests: the decoder's sources, files of the codec's tests, and pages given as text."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.web.runner import WEB

CODEC = WEB.parent / "tests" / "codec"
FOLDERS = {"src": WEB / "src", "golden": CODEC / "golden", "corpus": CODEC / "corpus"}
TYPES = {".js": "text/javascript", ".html": "text/html", ".json": "application/json"}


@contextlib.contextmanager
def serving(pages: Mapping[str, str | bytes], policy: str = "") -> Iterator[str]:
    """Serve pages by name, HTML with a Content-Security-Policy. Gives the address, which ends in a slash."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/").partition("?")[0]
            given = pages.get(name, b"" if name == "favicon.ico" else None)
            folder, _, file = name.partition("/")
            if given is None and folder in FOLDERS and ".." not in file and (FOLDERS[folder] / file).is_file():
                given = (FOLDERS[folder] / file).read_bytes()
            body = given.encode() if isinstance(given, str) else given or b""
            self.send_response(200 if given is not None else 404)
            kind = TYPES.get(Path(name).suffix, "application/octet-stream")
            self.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)
            self.send_header("Content-Length", str(len(body)))
            if policy and kind == "text/html":
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a browser may stop a request
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
