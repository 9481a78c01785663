"""Functions as machine code: numba's cache, and when numba is imported."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

from inr.core.cache_folder import cache_folder
from inr.core.errors import UnavailableError
from inr.core.jit import compiled


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    cache_folder.cache_clear()
    yield
    cache_folder.cache_clear()


def test_a_disabled_compiler_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(UnavailableError, match="NUMBA_DISABLE_JIT is set"):
        compiled(lambda x: x)(1)


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        (".nbc", b""),
        (".nbi", b"\x80"),
        # an index that names a module which has moved
        (".nbi", pickle.dumps(numba.__version__) + b"cinr.moved_away\nname\n."),
    ],
)
def test_machine_code_that_cannot_be_read_is_compiled_again(
    suffix: str, damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def twice(x: int) -> int:
        return 2 * x

    assert compiled(twice)(2) == 4
    [path] = tmp_path.rglob(f"*{suffix}")
    path.write_bytes(damage)
    assert compiled(twice)(3) == 6
    assert path.read_bytes() != damage


def test_machine_code_that_cannot_be_kept_runs_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def thrice(x: int) -> int:
        return 3 * x

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        assert compiled(thrice)(2) == 6
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.rglob("*.nbc"))


_CALLS = """
import sys

import numpy as np

from inr.core.jit import compiled

@compiled
def made():
    return np.zeros(3, np.int64)

@compiled
def counted():
    return len(made())

for name in sys.argv[1:]:
    assert len(made()) == 3 if name == "made" else counted() == 3
"""


def test_functions_of_several_processes_do_not_share_symbols(tmp_path: Path) -> None:
    """A function that was compiled again after its callers, as when its file was edited, runs beside them."""
    script = tmp_path / "calls.py"
    script.write_text(_CALLS)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for names in (["made", "counted"], ["counted", "made"], ["counted", "made"]):
        done = subprocess.run([sys.executable, str(script), *names], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if names[0] == "made":
            code = list((tmp_path / "cache").rglob("calls.made-*"))
            assert code
            for file in code:
                file.unlink()
