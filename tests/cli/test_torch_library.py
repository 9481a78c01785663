"""The library that is loaded ahead is the one that torch uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

LOAD = """
import sys, threading
sys.modules.pop("torch", None)
from inr_cli._torch_library import load_ahead
load_ahead()
load_ahead()
others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
for thread in others: thread.join()
def libraries():
    return sorted({line.split()[-1] for line in open("/proc/self/maps") if "libtorch_cpu" in line})
print(len(others), "torch" in sys.modules)
print(libraries())
import torch
print(libraries(), float(torch.ones(3).sum()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is loaded ahead on Linux only")
def test_torch_uses_the_library_that_was_loaded_ahead() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    path = str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")
    assert done.stdout.splitlines() == ["1 False", f"['{path}']", f"['{path}'] 3.0"]


def test_nothing_is_loaded_once_torch_is_there() -> None:
    code = "import torch, threading\nfrom inr_cli._torch_library import load_ahead\nload_ahead()\n"
    code += "print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
