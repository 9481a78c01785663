"""The file of machine code: whose it is, whether it is current and whole, and what is looked up in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from inr.core import machine_code
from inr.core.cache_folder import cache_folder
from inr.core.object_code import kind_of_type

pytestmark = pytest.mark.skipif(machine_code.key() is None, reason="there are such files for x86-64 Linux only")

CODE = b"\x90" * 100


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file, whose source is `source.py` beside it."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    cache_folder.cache_clear()
    source = tmp_path / "source.py"
    source.write_text("x = 1")
    key = machine_code.key()
    assert key is not None
    machine_code.write(
        {"key": key, "sources": {str(source): machine_code.digest(source.read_bytes())}, "refused": [], "units": {}},
        CODE,
    )
    path = machine_code.path()
    assert path is not None
    yield path
    cache_folder.cache_clear()


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "value",
    [
        True, 3, -(2**63), 2.5, np.float32(1), np.int16(2), np.bool_(False), np.zeros(3), np.zeros((2, 3), np.uint8),
        np.zeros((2, 3), order="F"), np.zeros((4, 4), np.int32)[::2, ::2], _read_only(np.zeros(3)), np.zeros((1, 5)).T,
        np.zeros((0, 3), bool), np.array(1.0), None, (1, 2), (np.float32(1), 2, True), (np.zeros(2), 1), (),
    ],
)  # fmt: skip
def test_kinds_are_those_of_numba(value: Any) -> None:
    assert machine_code.kind_of(value) == kind_of_type(numba.typeof(value))


@pytest.mark.parametrize("value", [2**63, "text", (1, (2, 3)), (None,), [1], np.ma.masked_array([1])])
def test_other_arguments_have_no_kind(value: Any) -> None:
    assert machine_code.kind_of(value) is None


def test_a_file_is_read_as_it_was_written(written: Path) -> None:
    found = machine_code.read()
    assert found is not None
    assert bytes(found[1]) == CODE
    assert written.stat().st_mode & 0o777 == 0o600
    assert written.parent.stat().st_mode & 0o077 == 0
    assert os.listdir(written.parent) == [written.name]


def test_a_changed_source_makes_a_file_stale(written: Path) -> None:
    source = written.parent.parent / "source.py"
    source.write_text("x = 2")
    assert machine_code.read() is None
    source.unlink()
    assert machine_code.read() is None


@pytest.mark.parametrize("at", [0, 30, 70, -1])
def test_a_damaged_file_counts_as_absent(written: Path, at: int) -> None:
    data = bytearray(written.read_bytes())
    data[at] ^= 1
    written.write_bytes(data)
    assert machine_code.read() is None
    written.write_bytes(data[:40])
    assert machine_code.read() is None


def test_a_file_that_others_may_write_counts_as_absent(written: Path) -> None:
    for mode in (0o620, 0o602):
        written.chmod(mode)
        assert machine_code.read() is None
    written.chmod(0o600)
    assert machine_code.read() is not None
    target = written.with_name("target")
    written.rename(target)
    written.symlink_to(target)
    assert machine_code.read() is None


def test_a_file_of_another_user_counts_as_absent(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: written.stat().st_uid + 1)
    assert machine_code.read() is None


def test_settings_of_numba_have_their_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine_code.key()
    keys = set()
    for name in ("NUMBA_CPU_NAME", "NUMBA_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
        machine_code.key.cache_clear()
        keys.add((name, machine_code.key() == before))
        monkeypatch.delenv(name)
    machine_code.key.cache_clear()
    assert keys == {("NUMBA_CPU_NAME", False), ("NUMBA_NUM_THREADS", True)}


def test_without_the_packages_there_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "version_of", lambda package: None)
    machine_code.key.cache_clear()
    assert machine_code.key() is None
    monkeypatch.undo()
    machine_code.key.cache_clear()
