"""Files behind a compiled function, and machine code that is older than one of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SOURCES = {
    "__init__": "",
    "constants": "THREE = 3",
    "callee": "from inr.core.jit import compiled\n\n@compiled\ndef twice(x):\n    return 2 * x",
    "module": "from inr.core.jit import compiled\n\n@compiled\ndef one():\n    return 1",
    "factory": "from inr.core.jit import compiled\n\n@compiled\ndef zero():\n    return 0\n\n"
    "def made():\n    inner = zero\n    @compiled\n    def nothing():\n        return inner()\n    return nothing",
    "caller": "from inr.core.jit import compiled\nfrom behind import module\nfrom behind.callee import twice\n"
    "from behind.constants import THREE\nfrom behind.factory import made\n\nnothing = made()\n\n"
    "@compiled\ndef total(x):\n    return twice(x) + THREE + module.one() + nothing()",
    "unrelated": "from behind.caller import total",
}

_RUN = """
from pathlib import Path
from behind import unrelated
from inr.core.compiled_sources import sources_behind
print(unrelated.total(2))
print(sum(unrelated.total.stats.cache_misses.values()))
print(*sorted(Path(path).stem for path in sources_behind(unrelated.total.__wrapped__)))
"""


def test_machine_code_follows_every_file_behind_it(tmp_path: Path) -> None:
    """A value changes with a callee, a constant, and functions of a module or a closure; else nothing is compiled."""
    package = tmp_path / "behind"
    package.mkdir()
    for name, text in _SOURCES.items():
        (package / f"{name}.py").write_text(text)
    environment = {
        **os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip

    def run() -> list[str]:
        command = [sys.executable, "-c", _RUN]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    files = "__init__ callee caller constants factory module"
    assert run() == ["8", "1", files]
    assert run() == ["8", "0", files]
    for name, before, after, value in (
        ("callee", "2 * x", "4 * x", "12"),
        ("constants", "THREE = 3", "THREE = 13", "22"),
        ("module", "return 1", "return 101", "122"),
        ("factory", "return 0", "return 1000", "1122"),
    ):
        path = package / f"{name}.py"
        path.write_text(path.read_text().replace(before, after))
        assert run() == [value, "1", files]
    (package / "unrelated.py").write_text("from behind.caller import total  # nothing of it is compiled")
    assert run() == ["1122", "0", files]
