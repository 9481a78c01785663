"""The decoder for browsers: `python benchmarks/web.py FILE.inrz ... [--record web]`.

Each picture is decoded by `decodeInWorker` in a headless Chromium, a first time and then three times more. The fastest
of these counts, beside the processor time of all of Chromium's processes. `load` is the number of processes that want a
processor when it begins: with more than there are processors, times of the clock say little, unless the whole command
has real-time priority (`chrt -r 1 python web.py ...`). A long task blocks the page for 50 ms or more. `node_cpu_s` is
one decoding by Node, with its start. Sizes are those of the file that pages hold, and of `inr-web.js` where esbuild is
there (`assets/make_web.py`), as they are and after gzip.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _record import save

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.web.browser import Browser, browser  # noqa: E402  the folder above is not on the path of a script
from tests.web.server import serving  # noqa: E402  as above

TIMES = 3
PAGE = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>'
SCRIPT = """import * as inr from "/src/index.js";
const tasks = [];
new PerformanceObserver(list => tasks.push(...list.getEntries())).observe({ type: "longtask" });
window.measure = async path => {
  const bytes = await (await fetch(path)).arrayBuffer();
  tasks.length = 0;
  const start = performance.now(), decoded = await inr.decodeInWorker(bytes), ms = performance.now() - start;
  await new Promise(resolve => setTimeout(resolve, 300));
  return { ms, tasks: tasks.length, symbolsSha256: decoded.symbolsSha256 };
};"""


def sizes() -> list[dict[str, Any]]:
    script = runpy.run_path(str(ROOT / "assets" / "make_web.py"))
    texts = {"_viewer.js, in pages": script["TARGET"].read_bytes()}
    program = script["esbuild"]()
    if program is not None:
        with tempfile.TemporaryDirectory() as folder:
            script["write_scripts"](Path(folder), program)
            texts["inr-web.js"] = (Path(folder) / "inr-web.js").read_bytes()
    return [{"file": name, "bytes": len(t), "gzip_bytes": len(gzip.compress(t, 9))} for name, t in texts.items()]


def browser_cpu_s(page: Browser) -> float:
    """Processor time of Chromium's processes so far."""
    return float(sum(each["cpuTime"] for each in page.processes()))


def measured(page: Browser, address: str, path: Path) -> dict[str, Any]:
    import inr

    page.open(f"{address}page.html")
    page.wait_for("!!window.measure")
    load = os.getloadavg()[0]
    runs, cpu = [], []
    for _ in range(TIMES + 1):
        before = browser_cpu_s(page)
        runs.append(page.run(f"measure({json.dumps('/' + path.name)})"))
        cpu.append(browser_cpu_s(page) - before)
    decoded = inr.decompress(path)
    assert {run["symbolsSha256"] for run in runs} == {decoded.symbols_sha256.hex()}
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(
        ["node", str(ROOT / "web" / "tests" / "decode_files.js"), str(path)], check=True, stdout=subprocess.DEVNULL
    )
    return {
        "picture": path.name,
        "size": list(decoded.header.shape),
        "bytes": path.stat().st_size,
        "seconds": min(run["ms"] for run in runs[1:]) / 1000,
        "first_s": runs[0]["ms"] / 1000,
        "cpu_s": min(cpu[1:]),
        "first_cpu_s": cpu[0],
        "long_tasks": max(run["tasks"] for run in runs),
        "node_cpu_s": resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used,
        "load": load,
        "is_real_time": os.sched_getscheduler(0) != os.SCHED_OTHER,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--record")
    given = parser.parse_args()
    rows = sizes()
    pages = {"page.html": PAGE, "page.js": SCRIPT} | {path.name: path.read_bytes() for path in given.files}
    with tempfile.TemporaryDirectory() as folder, serving(pages) as address, browser() as page:
        for path in given.files:
            copy = Path(folder) / path.name
            copy.write_bytes(path.read_bytes())
            rows.append(measured(page, address, copy))
            print(json.dumps(rows[-1]))
    for row in rows[:2]:
        print(json.dumps(row))
    if given.record:
        print(save(given.record, rows))


if __name__ == "__main__":
    main()
