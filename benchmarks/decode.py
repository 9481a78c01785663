"""Time to decode pictures: whole processes by the clock, start included, and in a process that has decoded before.

    [chrt -f 1] python benchmarks/decode.py FILE.inrz ... [--runs 10] [--threads 1,2] [--beside FOLDER] [--save NAME]

Each command runs once uncounted, so that machine code and byte code are in their caches. Figures are medians; seconds
of the processor are those of all threads. `inspect` and `help` are the starts of commands that decode nothing.
`loaded` is `decompress` and `save` as PNG. With `chrt` (`is_real_time` in the record) other programs do not take the
processor, so that the clock tells what two idle cores would; they still share its caches and the disk. FOLDER holds
another version: its folders `inr` and `inr_cli`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _record import save

_LOADED = """
import json, sys, time
from inr.codec import decompress
file, out, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
times = []
for _ in range(runs + 1):
    start = time.perf_counter()
    decoded = decompress(file)
    between = time.perf_counter()
    decoded.save(out)
    times.append((between - start, time.perf_counter() - start))
print(json.dumps(times[1:]))
"""


def measured(words: Sequence[object], environment: dict[str, str], folder: str, runs: int) -> dict[str, float]:
    """Medians over runs of a command of the program, started in a folder without modules. SystemExit if it fails."""
    command = [sys.executable, "-m", "inr_cli", *map(str, words)]
    seconds, processor = [], []
    for run in range(runs + 1):
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if run:
            seconds.append(time.perf_counter() - start)
            processor.append(usage.ru_utime + usage.ru_stime)
        if status != 0:
            raise SystemExit(f"inr {' '.join(map(str, words))} failed")
    return {"seconds": statistics.median(seconds), "cpu_seconds": statistics.median(processor)}


def loaded(file: Path, out: Path, environment: dict[str, str], runs: int) -> dict[str, float]:
    """Medians of the time to symbols, and to the written picture, in one process."""
    command = [sys.executable, "-c", _LOADED, str(file), str(out), str(runs)]
    done = subprocess.run(command, env=environment, cwd=out.parent, check=True, capture_output=True, text=True)
    symbols, whole = zip(*json.loads(done.stdout), strict=True)
    return {"symbols_seconds": statistics.median(symbols), "seconds": statistics.median(whole)}


def rows(files: Sequence[Path], threads: Sequence[int], runs: int, beside: Path | None) -> list[dict[str, Any]]:
    found = []
    for version, path in [("this", None), *([("other", beside)] if beside else [])]:
        plain = {**os.environ, **({"PYTHONPATH": str(path.resolve())} if path else {})}
        plain.pop("PYTHONDONTWRITEBYTECODE", None)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "picture.png"
            for file in map(Path.resolve, files):
                for count in threads:
                    environment = {**plain, "OMP_NUM_THREADS": str(count)}
                    command = ("decompress", file, "-o", out, "--force", "--quiet")
                    found.append(
                        {
                            "version": version,
                            "file": file.name,
                            "bytes": file.stat().st_size,
                            "threads": count,
                            "process": measured(command, environment, folder, runs),
                            "loaded": loaded(file, out, environment, runs),
                        }
                    )
                    print(found[-1], flush=True)
            found.append(
                {
                    "version": version,
                    "help": measured(["--help"], plain, folder, runs),
                    "decompress_help": measured(["decompress", "--help"], plain, folder, runs),
                    "inspect": measured(["inspect", files[0].resolve()], plain, folder, runs),
                }
            )
            print(found[-1], flush=True)
    is_real_time = os.sched_getscheduler(0) == os.SCHED_FIFO
    return [{**row, "runs": runs, "is_real_time": is_real_time, "load_average": os.getloadavg()[0]} for row in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--threads", default="1,2", help="with commas")
    parser.add_argument("--beside", type=Path, help="a folder with another version")
    parser.add_argument("--save", metavar="NAME", help="write a record")
    args = parser.parse_args()
    found = rows(args.files, [int(n) for n in args.threads.split(",")], args.runs, args.beside)
    if args.save:
        print(save(args.save, found))


if __name__ == "__main__":
    main()
