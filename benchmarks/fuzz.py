"""Fuzz all readers of files: python benchmarks/fuzz.py --runs 1000000 --record [--targets png glb] [--jobs 2]

Targets (`_fuzz/`): .inrz files, model files, checkpoints, manifests of batches, settings, tiny-cuda-nn's JSON, and the
reader of every format of pictures, sounds, meshes, point clouds and arrays. Each makes small valid files and changes
their structure (JSON values, chunks, lengths, checksums, numbers) and single bytes. Readers in Python are guided by
coverage (atheris; pip install atheris), the others by new kinds of refusal.

A case may succeed or raise the errors that its target names. Faults are: any other exception, a crash, more CPU time or
memory than the limits of a case, a message of several lines, and lines that a library writes to stderr. Every target
runs in a separate process; if it crashes or hangs, the parent keeps the input and starts the next one. Inputs of faults
are in --folder, where --continue continues a run. Prints a table; exits with 1 if there are faults.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from _fuzz._child import State, load_targets, run  # noqa: E402
from _fuzz._target import TARGETS, shares  # noqa: E402

HANG_S = 120.0
START_S = 900.0
"""Imports, seeds, and kernels that are compiled for them."""
MOST_PROCESSES = 30
CPU_BUDGET_S = 4500.0
"""What a run of a million cases may take: 40 minutes of two cores, less the starts of processes."""


def fuzz(name: str, runs: int, seed: int, folder: Path, *, is_guided: bool) -> dict[str, Any]:
    """All cases of one target, in as many processes as needed. Returns the result of the last one."""
    result_file = folder / f"{name}.json"
    while True:
        words = ["--child", name, "--runs", str(runs), "--seed", str(seed), "--folder", str(folder)]
        words += [] if is_guided else ["--plain"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        child = subprocess.Popen([sys.executable, __file__, *words], env=environment, stderr=subprocess.DEVNULL)
        is_hung = not _watched(child, State(folder / f"{name}.state"))
        found: dict[str, Any] = (
            json.loads(result_file.read_text("utf-8")) if result_file.exists() else {"target": name, "faults": []}
        )
        if child.returncode == 0 and not is_hung:
            return found
        n, data = State(folder / f"{name}.state").read()
        what = "hang" if is_hung else f"process ended with {child.returncode}"
        place = f"{name}-crash-{n}"
        (folder / place).write_bytes(data)
        trace = folder / f"{name}.trace"
        if trace.exists():
            trace.replace(folder / f"{place}.txt")
        print(f"FAULT {name}: {what} at case {n} ({place})", flush=True)
        found["faults"].append({"key": what, "what": what, "input": place, "times": "1"})
        found["cases"] = max(int(found.get("cases", 0)), n)
        found["processes"] = int(found.get("processes", 0)) + 1
        result_file.write_text(json.dumps(found), "utf-8")
        if found["processes"] >= MOST_PROCESSES or found["cases"] >= runs:
            return found


def _watched(child: subprocess.Popen[bytes], state: State) -> bool:
    """Wait for a process; False if one case took too long and the process was ended.

    Too long is HANG_S of CPU time, as the machine may be busy with other work, or START_S by the clock.
    """
    first, at, since, cpu_since = state.read()[0], -1, time.monotonic(), 0.0
    while child.poll() is None:
        time.sleep(0.5)
        n, _ = state.read()
        if n != at:
            at, since, cpu_since = n, time.monotonic(), _cpu_s(child.pid)
        elif time.monotonic() - since > START_S or (n > first and _cpu_s(child.pid) - cpu_since > HANG_S):
            child.send_signal(signal.SIGUSR1)  # it reports its case
            time.sleep(2)
            child.send_signal(signal.SIGKILL)
            child.wait()
            return False
    return True


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, with those of the system for it; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def table(rows: list[dict[str, Any]]) -> str:
    """One line per target."""
    columns = ("target", "cases", "accepted", "refusals", "longest", "memory", "CPU", "faults")
    keys = ("cases", "accepted", "kinds_of_refusal", "longest_case_s", "rss_growth_mb", "cpu_s")
    lines = ["".join(f"{name:>12}" for name in columns)]
    for row in rows:
        cells = [row["target"], *(f"{row.get(key, 0):,}" for key in keys), str(len(row["faults"]))]
        lines += ["".join(f"{cell:>12}" for cell in cells)]
    total = sum(row.get("cases", 0) for row in rows)
    lines.append(f"{total:,} cases, {sum(len(row['faults']) for row in rows)} faults")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz whatever reads a file.")
    parser.add_argument("--runs", type=int, default=100_000, help="cases in all")
    parser.add_argument("--targets", nargs="*", metavar="NAME", help="some targets alone; --list names them")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/inr-fuzz"))
    parser.add_argument("--continue", action="store_true", dest="goes_on", help="go on with what is in the folder")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--record", action="store_true", help="write benchmarks/records/DATE-fuzz.json")
    parser.add_argument("--case", type=Path, metavar="FILE", help="try one input of one target, and show what comes")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    load_targets()
    if arguments.child:
        run(arguments.child, arguments.runs, arguments.seed, arguments.folder, is_guided=not arguments.plain)
    if arguments.list:
        print("\n".join(TARGETS))
        return
    unknown = [name for name in arguments.targets or () if name not in TARGETS]
    if unknown:
        parser.error(f"unknown targets {', '.join(unknown)}, expected some of {', '.join(TARGETS)}")
    if arguments.case is not None:
        if len(arguments.targets or ()) != 1:
            parser.error("--case needs one --targets")
        TARGETS[arguments.targets[0]].call(arguments.case.read_bytes())
        print("accepted")
        return
    chosen = [TARGETS[name] for name in arguments.targets or TARGETS]
    if not arguments.goes_on:
        shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    runs = shares(chosen, arguments.runs, CPU_BUDGET_S * arguments.runs / 1e6)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:

        def one(name: str) -> dict[str, Any]:
            return fuzz(name, runs[name], arguments.seed, arguments.folder, is_guided=not arguments.plain)

        dear_first = sorted(chosen, key=lambda t: -t.cost_ms * runs[t.name])
        rows = list(pool.map(one, [target.name for target in dear_first]))
    print(table(rows))
    print(f"{time.monotonic() - started:.0f} s")
    if arguments.record:
        import _record

        short = [row | {"refusals": dict(list(row.get("refusals", {}).items())[:20])} for row in rows]
        print(_record.save("fuzz", short))
    sys.exit(any(row["faults"] for row in rows))


if __name__ == "__main__":
    main()
