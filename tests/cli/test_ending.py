"""The end of a process with torch does what Python's own end does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, concurrent.futures, sys, threading, time
from inr_cli._ending import end_at_once
atexit.register(lambda: print("function"))
concurrent.futures.ThreadPoolExecutor(1).submit(lambda: (time.sleep(0.05), print("pool")))
threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
print("no newline", end="")
CLOSE
end_at_once(7)
"""


@pytest.mark.parametrize("is_closed", [False, True])
def test_threads_functions_and_streams_are_ended_and_the_code_is_given(is_closed: bool) -> None:
    code = PROGRAM.replace("CLOSE", "sys.stderr.close(); sys.stdin = None" if is_closed else "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert done.stdout == "no newlinepool\nthread\nfunction\n"
    assert done.stderr == ""


def test_a_reader_that_has_gone_does_not_change_the_code() -> None:
    reading, writing = os.pipe()
    code = "from inr_cli._ending import end_at_once\nprint('buffered')\nend_at_once(7)"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, env=buffered)
    os.close(writing)
    os.close(reading)
    assert child.communicate()[1] == b""
    assert child.returncode == 7
