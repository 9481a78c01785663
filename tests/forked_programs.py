"""`inr` for tests of many calls: a server that has imported torch, and forks a process for every call.

`python forked_programs.py SOCKET` is the server. `Programs` starts one, and has a folder with an `inr` for PATH. To
import torch takes most of a short call. Tests of the start of the program itself do not use this.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"x"], [0, 1, 2])
    server.sendall(json.dumps([os.getcwd(), sys.argv[1:], dict(os.environ)]).encode())
    server.shutdown(socket.SHUT_WR)
    code = server.recv(16)
sys.exit(int(code))
"""


class Programs:
    """folder: what PATH has to begin with while the block of `with` runs."""

    def __enter__(self) -> Programs:
        self._place = tempfile.TemporaryDirectory(prefix="inr")
        self.folder = Path(self._place.name)
        address = str(self.folder / "socket")
        self._server = subprocess.Popen([sys.executable, "-P", __file__, address])
        (self.folder / "inr").write_text(CLIENT.format(python=sys.executable, address=address))
        (self.folder / "inr").chmod(0o755)
        while not Path(address).exists():
            if self._server.poll() is not None:
                raise RuntimeError(f"the server ended with exit code {self._server.returncode}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait()
        self._place.cleanup()


def serve(address: str) -> None:
    """Returns in a process that is to run `inr` with sys.argv. The server ends with the process that started it."""
    import inr.fields  # noqa: F401  with torch

    parent = os.getppid()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen()
    listener.settimeout(1.0)
    os.rename(f"{address}.new", address)
    while True:
        try:
            call, _ = listener.accept()
        except TimeoutError:
            if os.getppid() != parent:
                os._exit(1)
            continue
        if os.fork() == 0:
            listener.close()
            if os.fork() == 0:
                _begin(call)
                return
            _, status = os.wait()
            call.sendall(str(os.waitstatus_to_exitcode(status) % 256).encode())
            os._exit(0)
        call.close()
        with contextlib.suppress(ChildProcessError):  # none is left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _begin(call: socket.socket) -> None:
    _, streams, _, _ = socket.recv_fds(call, 1, 3)
    folder, arguments, environment = json.loads(b"".join(iter(lambda: call.recv(1 << 16), b"")))
    call.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["inr", *arguments]


if __name__ == "__main__":
    serve(sys.argv[1])
    from inr_cli.main import run

    run()
