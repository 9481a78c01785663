"""The decoder for browsers: `python benchmarks/web.py FILE.inrz ... [--record web]`.

Each picture is decoded by `decodeInWorker` in a headless Chromium, a first time and then three times more. The fastest
of these counts, beside the processor time of all of Chromium's processes. `load` is the number of processes that want a
processor when it begins: with more than there are processors, times of the clock say little, unless the whole command
has real-time priority (`chrt -r 1 python web.py ...`). A long task blocks the page for 50 ms or more. `node_cpu_s` is
one decoding by Node, with its start. Sizes are those of the files that pages hold, and of the files for servers where
esbuild is there (`assets/make_web.py`), as they are and after gzip. `loops` compares the evaluation of a network of
sines (4 layers of 48, at 768 x 512 points) by WebAssembly with the one in JavaScript alone, in turns in one process.
Rows of a `field` of random parameters compare its decoding on the processor with that by a shader, in turns in one
Chromium; its graphics are simulated on the processor (SwiftShader), so they say nothing of a graphics processor.
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

from tests.browser import Browser, browser  # noqa: E402  the folder above is not on the path of a script
from tests.web.fields import WEIGHTS, file_of, picture, random_field  # noqa: E402  as above
from tests.web.server import serving  # noqa: E402  as above

TIMES = 3
PAGE = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>'
SCRIPT = """import * as inr from "/src/index.js";
const tasks = [];
new PerformanceObserver(list => tasks.push(...list.getEntries())).observe({ type: "longtask" });
window.measure = async (path, evaluation) => {
  const bytes = await (await fetch(path)).arrayBuffer();
  tasks.length = 0;
  const start = performance.now(), decoded = await inr.decodeInWorker(bytes, { evaluation });
  const ms = performance.now() - start;
  await new Promise(resolve => setTimeout(resolve, 300));
  return { ms, tasks: tasks.length, symbolsSha256: decoded.symbolsSha256, evaluation: decoded.evaluation };
};"""


def sizes() -> list[dict[str, Any]]:
    script = runpy.run_path(str(ROOT / "assets" / "make_web.py"))
    texts = {f"{path.name}, in pages": path.read_bytes() for path in script["TARGETS"].values()}
    program = script["esbuild"]()
    if program is not None:
        with tempfile.TemporaryDirectory() as folder:
            script["write_scripts"](Path(folder), program)
            texts |= {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.js"))}
    return [{"file": name, "bytes": len(t), "gzip_bytes": len(gzip.compress(t, 9))} for name, t in texts.items()]


LOOPS = """import { evaluate } from "./src/field/evaluate.js";
import { vectors } from "./src/field/vectors.js";
const random = n => Float32Array.from({ length: n }, () => Math.random() - 0.5);
const ops = [{ op: "input", width: 2, inputs: [] }];
const push = op => ops.push({ inputs: [ops.length - 1], ...op });
for (const [k, width] of [[2, 48], [48, 48], [48, 48], [48, 48]]) {
  push({ op: "dense", width, weight: random(k * width), bias: random(width) });
  push({ op: "affine", width, scale: new Float32Array(width).fill(30), shift: new Float32Array(width) });
  push({ op: "map", function: "sin", width });
}
push({ op: "dense", width: 3, weight: random(144), bias: random(3) });
const n = 256, points = random(2 * n), took = [[], []];
for (let turn = 0; turn < 7; turn++) {
  [null, vectors()].forEach((own, which) => {
    const before = process.cpuUsage();
    for (let at = 0; at < 768 * 512; at += n) evaluate(ops, points, n, own);
    took[which].push(process.cpuUsage(before).user / 1e6);
  });
}
console.log(JSON.stringify({ loops: took.map(each => Math.min(...each.slice(1))) }));"""


def loops() -> dict[str, Any]:
    done = subprocess.run(
        ["node", "--input-type=module", "-e", LOOPS], cwd=ROOT / "web", capture_output=True, text=True, check=True
    )
    plain, fast = json.loads(done.stdout)["loops"]
    return {"loops": "sines, 4 x 48, 768 x 512", "plain_cpu_s": plain, "cpu_s": fast, "ratio": plain / fast}


def browser_cpu_s(page: Browser) -> float:
    """Processor time of Chromium's processes so far."""
    return float(sum(each["cpuTime"] for each in page.processes()))


FIELDS = {
    "siren, 4 x 48, 192 x 128": ("siren", ("width=48", "depth=4")),
    "hash_grid, 192 x 128": ("hash_grid", ()),
}


def field_files() -> dict[str, bytes]:
    header = picture(192, 128)
    made = [random_field(family, settings, header) for family, settings in FIELDS.values()]
    return {f"field-{i}.inrz": file_of(field, header, WEIGHTS) for i, field in enumerate(made)}


def shaders(page: Browser, address: str) -> list[dict[str, Any]]:
    page.open(f"{address}page.html")
    page.wait("!!window.measure")
    rows = []
    for i, name in enumerate(FIELDS):
        took: dict[str, list[float]] = {"cpu": [], "shader": []}
        for _ in range(TIMES + 1):
            for way, times in took.items():
                before = browser_cpu_s(page)
                assert page.value(f"measure('/field-{i}.inrz', {way!r})")["evaluation"] == way
                times.append(browser_cpu_s(page) - before)
        best = {way: min(times[1:]) for way, times in took.items()}
        ratio = best["shader"] / best["cpu"]
        rows.append({"field": name, "cpu_s": best["cpu"], "shader_cpu_s": best["shader"], "ratio": ratio})
    return rows


def measured(page: Browser, address: str, path: Path) -> dict[str, Any]:
    import inr

    page.open(f"{address}page.html")
    page.wait("!!window.measure")
    load = os.getloadavg()[0]
    runs, cpu = [], []
    for _ in range(TIMES + 1):
        before = browser_cpu_s(page)
        runs.append(page.value(f"measure({json.dumps('/' + path.name)})"))
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
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--record")
    given = parser.parse_args()
    rows = [*sizes(), loops()]
    for row in rows:
        print(json.dumps(row))
    pages = (
        {"page.html": PAGE, "page.js": SCRIPT} | {path.name: path.read_bytes() for path in given.files} | field_files()
    )
    with tempfile.TemporaryDirectory() as folder, serving(pages) as address, browser() as page:
        for path in given.files:
            copy = Path(folder) / path.name
            copy.write_bytes(path.read_bytes())
            rows.append(measured(page, address, copy))
            print(json.dumps(rows[-1]))
        for row in shaders(page, address):
            rows.append(row)
            print(json.dumps(row))
    if given.record:
        print(save(given.record, rows))


if __name__ == "__main__":
    main()
