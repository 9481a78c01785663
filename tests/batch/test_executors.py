"""Executors: they report every job once, restart the job of a killed worker, and leave no process behind."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inr.batch import EXECUTORS, Attempt, Failure, Result
from inr.core.errors import UnavailableError
from tests.batch.works import Echo

ROOT = Path(__file__).parents[2]
HAS_RAY = importlib.util.find_spec("ray") is not None
pytestmark = pytest.mark.slow


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def files(folder: Path, *contents: bytes) -> list[Path]:
    paths = [folder / str(i) for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def data_of(found: list[Attempt]) -> list[bytes | int]:
    assert sorted(a.index for a in found) == list(range(len(found)))
    outcomes = [a.outcome for a in sorted(found, key=lambda a: a.index)]
    return [o.data if isinstance(o, Result) else o.exit_code for o in outcomes]


def test_the_job_of_a_killed_worker_is_restarted(tmp_path: Path, marks: Path) -> None:
    paths = files(tmp_path, b"a", b"die", b"bad", b"bug", b"b")
    found = list(EXECUTORS["local"](2).run(Echo(marks), paths))
    assert data_of(found) == [b"a", b"die", 3, 1, b"b"]
    assert len(list(marks.iterdir())) == 1


def test_a_job_that_always_kills_its_worker_fails_alone(tmp_path: Path, marks: Path) -> None:
    found = list(EXECUTORS["local"]().run(Echo(marks, deaths=99), files(tmp_path, b"die", b"b")))
    assert data_of(found) == [4, b"b"]
    failure = next(a.outcome for a in found if a.index == 0)
    assert isinstance(failure, Failure)
    assert failure.message == "its process was killed 2 times (SIGKILL), probably for lack of memory"


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from inr.batch import EXECUTORS\n"
        "from tests.batch.test_executors import Sleep\n"
        "if __name__ == '__main__':\n"
        "    list(EXECUTORS['local'](1).run(Sleep(Path(sys.argv[1])), [Path('x')]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
    pid_file = tmp_path / "pid"
    _wait_until(pid_file.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    pid = int(pid_file.read_text())
    _wait_until(lambda: not _is_alive(pid))
    assert not _is_alive(pid)


class Sleep:
    """Writes its process id, and sleeps without end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, path: Path) -> Result:
        (self.folder / "new").write_text(str(os.getpid()))
        (self.folder / "new").rename(self.folder / "pid")
        time.sleep(600)
        raise AssertionError


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def _wait_until(condition: object) -> None:
    assert callable(condition)
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.skipif(not HAS_RAY, reason="ray is not installed (pip install 'inr[ray]')")
def test_the_job_of_a_killed_ray_worker_is_restarted(tmp_path: Path, marks: Path) -> None:
    """A local Ray with two workers, in a separate process because of ray's warnings and threads."""
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "import ray\n"
        "from inr.batch import EXECUTORS, Result\n"
        "from tests.batch.works import Echo\n"
        "folder, marks = map(Path, sys.argv[1:])\n"
        "ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)\n"
        "paths = [folder / str(i) for i in range(6)]\n"
        "found = list(EXECUTORS['ray'](2).run(Echo(marks), paths))\n"
        "ok = {a.index: [a.outcome.data.decode(), a.outcome.summary['pid']] if isinstance(a.outcome, Result)\n"
        "      else [a.outcome.exit_code, 0] for a in found}\n"
        "print(json.dumps(ok))\n"
    )
    files(tmp_path, b"a", b"die", b"bad", b"bug", b"b", b"c")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    command = [sys.executable, "-c", code, str(tmp_path), str(marks)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [found[str(i)][0] for i in range(6)] == ["a", "die", 3, 1, "b", "c"]
    assert len(list(marks.iterdir())) == 1


@pytest.mark.skipif(HAS_RAY, reason="ray is installed")
def test_without_ray_the_error_names_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="ray"):
        list(EXECUTORS["ray"](1).run(Echo(tmp_path), [tmp_path]))
