"""Conditions stated in every record."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent / "records"


def conditions() -> dict[str, Any]:
    """Commit, command, versions and hardware. File names given on the command line lose their folders."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=RECORDS)
        return done.stdout.strip()

    import torch

    cpu = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    flags = next((line.split(":")[1].split() for line in _lines("/proc/cpuinfo") if line.startswith("flags")), [])
    return {
        "date": date.today().isoformat(),
        "commit": git("rev-parse", "--short", "HEAD"),
        "is_clean": not git("status", "--porcelain", "--untracked-files=no"),
        "command": " ".join(["python", *(Path(word).name if "/" in word else word for word in sys.argv)]),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "numpy", "numba", "scikit-image", "libigl")},
        "cpu": cpu[0] if cpu else platform.processor(),
        "cpu_features": [flag for flag in flags if flag.startswith(("avx", "amx", "fma", "f16c"))],
        "threads": torch.get_num_threads(),
        "seed": 0,
    }


def save(name: str, rows: list[dict[str, Any]]) -> Path:
    """Write `records/<date>-<name>.json`."""
    record = {**conditions(), "rows": rows}
    RECORDS.mkdir(exist_ok=True)
    path = RECORDS / f"{record['date']}-{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def newest_rows(name: str) -> list[dict[str, Any]]:
    """The rows of the newest record of a name, empty if there is none."""
    paths = sorted(RECORDS.glob(f"????-??-??-{name}.json"))
    return json.loads(paths[-1].read_text())["rows"] if paths else []
