"""Compiled kernels: machine code is cached, and every part of the work runs once."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

pytest.importorskip("numba", exc_type=ImportError)

from inr.kernels.threads import in_parts, n_threads, one_thread, torch_on_one_thread

MODULE = """
from inr.core.stopwatch import compilation, preparation
from inr.kernels.threads import compiled

@compiled
def double(x):
    return 2 * x

assert double(3) == 6
assert (compilation.seconds > 0) == (len(double.stats.cache_misses) > 0)
assert preparation.seconds > compilation.seconds
before = preparation.seconds
assert double(4) == 8
assert preparation.seconds == before
print(sum(double.stats.cache_hits.values()), len(double.stats.cache_misses))
"""


def _run(file: Path, cache: Path) -> str:
    environment = {"XDG_CACHE_HOME": str(cache), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, str(file)], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_machine_code_is_kept_for_the_next_process_and_making_it_is_timed(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_text(MODULE)
    assert [_run(file, tmp_path / "cache"), _run(file, tmp_path / "cache")] == ["0 1", "1 0"]
    assert list(tmp_path.glob("cache/inr/**/*.nbi"))
    assert not list(tmp_path.glob("__pycache__/*.nbi"))


def test_without_a_writable_cache_kernels_run_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_text(MODULE)
    assert _run(file, file) == "0 1"


@pytest.mark.parametrize(("size", "least", "expected"), [(10, 1, 3), (10, 5, 2), (0, 1, 1), (2, 1, 2)])
def test_every_part_runs_once(size: int, least: int, expected: int) -> None:
    torch.set_num_threads(3)
    seen: list[tuple[int, int]] = []
    in_parts(lambda part, parts: seen.append((part, parts)), size, least)
    assert sorted(seen) == [(part, expected) for part in range(expected)]


def test_an_error_in_a_part_reaches_the_caller() -> None:
    torch.set_num_threads(2)

    def work(part: int, parts: int) -> None:
        if part == parts - 1:
            raise ValueError("in the last part")

    with pytest.raises(ValueError, match="in the last part"):
        in_parts(work, 8)


def test_one_thread_holds_for_its_own_thread_only() -> None:
    torch.set_num_threads(3)
    with one_thread():
        others: list[int] = []
        other = threading.Thread(target=lambda: others.append(n_threads()))
        other.start()
        other.join()
        assert (n_threads(), others) == (1, [3])
    assert n_threads() == 3


def test_torch_can_keep_to_one_thread_while_kernels_are_spread() -> None:
    def counts() -> tuple[int, int]:
        return torch.get_num_threads(), n_threads()

    torch.set_num_threads(3)
    with torch_on_one_thread():
        assert counts() == (1, 3)
        with one_thread():
            assert counts() == (1, 1)
        assert counts() == (1, 3)
    assert counts() == (3, 3)


def test_threads_are_set_without_torch() -> None:
    code = (
        "import sys; from inr.kernels.threads import n_threads, use_threads; use_threads(5); "
        "print(n_threads(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "False"]
