"""Memory that was freed is used again."""

from __future__ import annotations

import subprocess
import sys

import pytest

PAGES = """
import resource
import numpy as np
from inr.core.memory import keep_freed_memory
{first}
def take():
    return [np.ones(2**21) for _ in range(8)]
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="sets an option of the C library of GNU")
def test_freed_memory_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 MB, eight at a time: new pages are taken only where freed memory was given back."""
    monkeypatch.setenv("NUMPY_MADVISE_HUGEPAGE", "0")  # a huge page counts as one
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", PAGES.format(first=first)], check=True, capture_output=True).stdout)
        for first in ("keep_freed_memory()", "")
    )
    assert kept < 100
    assert given_back > 200  # 640 huge pages, where the system gives those without being asked
