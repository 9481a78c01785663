"""The processor's instructions, from the system where it tells them, so that numba need not be imported for it."""

from __future__ import annotations

import platform
import sys
from functools import cache

_SHOWN = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


@cache
def processor() -> tuple[str, ...] | None:
    """What the system says about the first processor of an x86-64 Linux machine, in lines; None on other systems."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            first = "".join(iter(file.readline, "\n"))  # of many: each takes the system time
    except OSError:
        return None
    lines = tuple(line for line in first.splitlines() if line.partition(":")[0].strip() in _SHOWN)
    return lines if any(line.startswith("flags") for line in lines) else None


def has_avx512() -> bool:
    """Whether the processor and the system have AVX-512's basic instructions."""
    lines = processor()
    if lines is None:
        import llvmlite.binding

        return bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
    return any(line.startswith("flags") and "avx512f" in line.split() for line in lines)
