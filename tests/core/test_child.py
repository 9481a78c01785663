"""Child processes: they import the parent's modules, end with the parent, and may be killed without loss."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import inr
from inr.core import workers as _workers
from inr.core.child import Child, module_path
from inr.core.errors import UsageError
from inr.core.workers import Death
from tests.core import child_works
from tests.core.child_works import NAMES, work

ROOT = Path(__file__).parent.parent.parent
TRAP = (
    "import pathlib; pathlib.Path(__file__).with_name('RUN').touch(); raise RuntimeError('code of the folder was run')"
)


def printed(report: Path, seconds: float = 0.0) -> dict[str, Any]:
    """What a child reports; it then keeps running for a while."""
    with Child("tests.core.child_works", [str(report), str(seconds)]) as child:
        wait_for(report, child)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def wait_for(report: Path, child: Child) -> None:
    for _ in range(2400):
        if report.exists():
            return
        assert child.process.poll() in (None, 0)
        time.sleep(0.025)
    raise TimeoutError(report)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def ends(pid: int) -> bool:
    """Whether a process ends by itself within a minute."""
    for _ in range(2400):
        if not is_alive(pid):
            return True
        time.sleep(0.025)
    return False


@pytest.mark.parametrize("entry", ["", None], ids=["as of an interactive session", "as of a program"])
def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str | None
) -> None:
    for name in (*NAMES, "inr", "runpy", "threading", "encodings"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    if entry is not None:
        monkeypatch.setattr(sys, "path", [entry, *sys.path])
    found = printed(tmp_path / "out" / "report")
    assert not (tmp_path / "RUN").exists()
    assert all(str(tmp_path) not in str(place) for place in found.values())
    assert found["inr"] == inr.__file__


def test_a_deleted_current_folder_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert printed(tmp_path / "report")["inr"] == inr.__file__


def test_a_child_imports_the_same_inr_as_its_parent(tmp_path: Path) -> None:
    """A copy of the package that is only on the parent's `sys.path`."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "inr").symlink_to(ROOT / "inr")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.path.append(sys.argv[2])\n"
        "from inr.core.child import Child\n"
        "with Child('tests.core.child_works', [sys.argv[3], '0']) as child: child.process.wait()\n"
    )
    report = tmp_path / "report"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lib"), str(ROOT), str(report)], check=True)
    assert json.loads(report.read_text())["inr"] == str(tmp_path / "lib" / "inr" / "__init__.py")


def test_the_folder_of_this_inr_comes_first_where_the_path_does_not_lead_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["", "/nowhere"])
    assert module_path() == [str(ROOT), "/nowhere"]
    monkeypatch.setattr(sys, "path", ["/nowhere", str(ROOT), ""])
    assert module_path() == ["/nowhere", str(ROOT)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from inr.core.child import Child\n"
        "Child('tests.core.child_works', [sys.argv[2], '600']).process.wait()\n"
    )
    report = tmp_path / "report"
    parent = subprocess.Popen([sys.executable, "-c", code, str(ROOT), str(report)])
    while not report.exists():
        assert parent.poll() is None
        time.sleep(0.025)
    parent.send_signal(number)
    assert parent.wait() == -number
    assert ends(json.loads(report.read_text())["pid"])


def test_an_interrupt_is_for_the_parent(tmp_path: Path) -> None:
    report = tmp_path / "report"
    with Child("tests.core.child_works", [str(report), "600"]) as child:
        wait_for(report, child)
        child.process.send_signal(signal.SIGINT)
        child.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert child.process.poll() is None
    assert child.process.returncode == -signal.SIGKILL


def test_an_interrupt_at_the_start_of_a_child_is_delayed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Before its first line runs, Python prints a traceback at SIGINT."""
    with Child("tests.core.child_works", [str(tmp_path / "report"), "0"]) as child:
        child.process.send_signal(signal.SIGINT)
        assert child.process.wait() == 0
    assert capfd.readouterr().err == ""


def test_a_job_whose_process_is_killed_is_done_once_more_and_the_others_are_not(tmp_path: Path) -> None:
    tasks = [("a", tmp_path, 0), ("b", tmp_path, 1), ("c", tmp_path, 0), ("d", tmp_path, 99)]
    assert dict(_workers.run(work, tasks, 2)) == {0: "A", 1: "B", 2: "C", 3: Death("SIGKILL")}
    assert [(tmp_path / name).read_text() for name in ("b", "d")] == ["1", "2"]


def test_the_error_states_how_a_process_ended() -> None:
    killed, crashed = Death("SIGKILL"), Death("SIGSEGV")
    assert (killed.exit_code, crashed.exit_code) == (4, 1)
    assert "memory" in killed.message
    assert crashed.message == "its process died 2 times (SIGSEGV)"


def test_errors_of_the_work_are_raised_by_the_caller(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="oops"):
        list(_workers.run(work, [("bug", tmp_path, 0)], 1))


def test_work_of_main_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(child_works.work, "__module__", "__main__")
    with pytest.raises(UsageError, match="__main__"):
        list(_workers.run(work, [("a", tmp_path, 0)], 1))


def test_no_process_is_left_when_the_rest_is_not_awaited(tmp_path: Path) -> None:
    results = _workers.run(os.path.basename, ["x/a", "x/b", "x/c"], 2)
    assert next(results)[1] in ("a", "b")
    children = {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    assert children
    results.close()
    assert not {pid for pid in children if is_alive(pid)}
