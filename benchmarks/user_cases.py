"""Check cases from users: python benchmarks/user_cases.py FOLDER [NAME ...] [-j 2] [--record user-cases]

FOLDER holds one folder per case, in groups: FOLDER/shapes/07-obj-concave-ngon and so on, with the input files. NAME
picks the cases whose name begins with it, or contains it. Each case is copied to a separate folder, in which its check
(`_user_cases/`) runs the commands and compares the results with the expected ones. Prints a table; exits with 1 if a
check finds a problem, or a case has no check.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import importlib
import pkgutil
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import _user_cases
from _user_cases._case import CHECKS, Case


def names_in(folder: Path) -> list[str]:
    """The cases below a folder: "group/name" of every folder that states what is expected."""
    return sorted(f"{path.parent.parent.name}/{path.parent.name}" for path in folder.glob("*/*/expect.md"))


def try_case(folder: Path, name: str) -> dict[str, Any]:
    """Run one check on a copy of the case's folder."""
    started = time.perf_counter()
    if name not in CHECKS:
        return {"case": name, "verdict": "no check", "problems": [], "seconds": 0.0}
    with tempfile.TemporaryDirectory(prefix="inr-case-", ignore_cleanup_errors=True) as place:
        private = Path(place) / Path(name).name
        shutil.copytree(folder / name, private)
        for file in private.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)
        private.chmod(0o755)
        tried = Case(name, private)
        try:
            CHECKS[name](tried)
        except Exception:  # noqa: BLE001  a check that fails in itself has found something as well
            tried.problems.append(traceback.format_exc(limit=-3))
    verdict = "fault" if tried.problems else "right"
    seconds = round(time.perf_counter() - started, 1)
    return {"case": name, "verdict": verdict, "problems": tried.problems, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description="Try what users bring.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("--record")
    arguments = parser.parse_args()
    for module in pkgutil.iter_modules(_user_cases.__path__):
        importlib.import_module(f"_user_cases.{module.name}")
    wanted = [
        name
        for name in names_in(arguments.folder)
        if not arguments.names or any(name.startswith(part) or part in name for part in arguments.names)
    ]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        rows = []
        for row in pool.map(lambda name: try_case(arguments.folder.resolve(), name), wanted):
            rows.append(row)
            print(f"{row['verdict']:9} {row['seconds']:6.1f} s  {row['case']}", flush=True)
            for problem in row["problems"]:
                print("    " + problem.strip().replace("\n", "\n    "), flush=True)
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("right", "fault", "no check")}
    print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
    if arguments.record:
        import _record

        print(_record.save(arguments.record, rows))
    sys.exit(counts["right"] != len(rows))


if __name__ == "__main__":
    main()
