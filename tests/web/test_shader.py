"""Fields evaluated by shaders of WebGL 2 in a headless Chromium, whose graphics SwiftShader simulates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inr
from tests.browser import Browser, browser
from tests.web.fields import GRIDS, WEIGHTS, file_of, picture, random_field
from tests.web.server import CODEC, serving
from tests.web.test_decoder import FIELDS

pytestmark = pytest.mark.slow

GOLDEN = {
    name: entry
    for name, entry in json.loads((CODEC / "golden" / "manifest.json").read_text("utf-8")).items()
    if entry["profile"] != "pyramid" and name != "grids-audio.inrz"
}
"""All golden files of fields but the one of cosines, which shaders do not evaluate."""
PAGE = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>'
SCRIPT = """import * as inr from "/src/index.js";
import { Evaluator } from "/src/field/evaluator.js";
const tasks = [];
new PerformanceObserver(list => tasks.push(...list.getEntries())).observe({ type: "longtask" });
const read = async path => new Uint8Array(await (await fetch(path)).arrayBuffer());
/** Distances at the centres of 5^3 cells, or the values of the first channel. */
const valuesOf = (decoded, way) => {
  if (!decoded.field) return { ...decoded, data: Array.from([decoded.data].flat()[0]) };
  const field = new Evaluator(decoded.field.ops, 125, way);
  const at = i => (i + 0.5) / 5, points = [];
  for (let i = 0; i < 125; i++) points.push(at(Math.floor(i / 25)), at(Math.floor(i / 5) % 5), at(i % 5));
  const data = Array.from(field.at(Float32Array.from(points), 125));
  return { kind: decoded.kind, symbolsSha256: decoded.symbolsSha256, evaluation: field.way, data };
};
const decodeBy = (way, path, evaluation) => read(path).then(bytes => inr[way](bytes, { evaluation }))
  .then(decoded => valuesOf(decoded, evaluation), error => ({ error: error.name, message: error.message }));
/** As `decodeBy`, in a worker whose script is changed before it decodes. */
const inOwnWorker = (change, path, evaluation) => new Promise((resolve, reject) => {
  const worker = new Worker("/own.js?" + change, { type: "module" });
  worker.onerror = reject;
  worker.onmessage = ({ data }) => (worker.terminate(), resolve(data));
  worker.postMessage({ path, evaluation });
});
Object.assign(window, { inr, read, tasks, decodeBy, inOwnWorker });"""
OWN = """import { decode } from "/src/index.js";
const changes = {
  none() {},
  refused() { OffscreenCanvas.prototype.getContext = () => null; },
  /** A graphics processor, and a clock by which each block takes 20 ms, so that larger ones are faster. */
  hardware() {
    const plain = WebGL2RenderingContext.prototype.getParameter;
    WebGL2RenderingContext.prototype.getParameter = function (name) {
      return name === 37446 ? "a graphics processor" : plain.call(this, name);  // UNMASKED_RENDERER_WEBGL
    };
    let clock = 0;
    performance.now = () => (clock += 20);
  },
  wrong() {
    changes.hardware();
    const plain = WebGL2RenderingContext.prototype.readPixels;
    WebGL2RenderingContext.prototype.readPixels = function (...given) {
      plain.apply(this, given);
      self.spoilt = (self.spoilt ?? 0) + 1;
      given[6][40] += 0.01;
    };
  },
  lost() {
    changes.hardware();
    const plain = WebGL2RenderingContext.prototype.readPixels;
    let n = 0;
    WebGL2RenderingContext.prototype.readPixels = function (...given) {
      if (++n === 3) this.getExtension("WEBGL_lose_context").loseContext();
      plain.apply(this, given);
    };
  },
};
changes[location.search.slice(1)]();
self.onmessage = async ({ data: { path, evaluation } }) => {
  const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer());
  const found = await decode(bytes, { evaluation }).catch(({ name, message }) => ({ error: name, message }));
  self.postMessage({ ...found, spoilt: self.spoilt, data: Array.from(found.data ?? []) });
};"""
LARGE = (
    ("siren", ("width=48", "depth=4"), picture(110, 80), WEIGHTS),
    ("hash_grid", (), picture(240, 160), GRIDS),
)
"""Fields of so many blocks that a shader is worth its compilation, by the clock of `hardware`."""


def _files() -> dict[str, bytes]:
    cases = {f"{i}.inrz": case for i, case in enumerate(FIELDS)} | {f"large-{case[0]}.inrz": case for case in LARGE}
    return {
        name: file_of(random_field(family, settings, header), header, profile)
        for name, (family, settings, header, profile) in cases.items()
    }


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return _files()


@pytest.fixture(scope="module")
def page(files: dict[str, bytes]) -> Iterator[Browser]:
    with serving({"page.html": PAGE, "page.js": SCRIPT, "own.js": OWN, **files}) as address, browser() as found:
        found.open(address + "page.html")
        found.wait("!!window.inr")
        yield found


def _is_alike(path: Path, found: dict[str, Any]) -> None:
    """Values of a shader are Python's: pixels within 1 of 255 and 99.9 % of them equal, others within a thousandth of
    their range, distances within 1e-5 of the box."""
    here = inr.decompress(path)
    assert found.get("evaluation") == "shader", found
    assert found["symbolsSha256"] == here.symbols_sha256.hex()
    there = np.array(found["data"])
    assert len(there)
    if found["kind"] in ("image", "video"):
        expected = np.rint(np.clip(here.values(), 0, 1) * 255).ravel()
        assert np.abs(there - expected).max() <= 1
        assert (there == expected).mean() >= 0.999
    elif found["kind"] in ("audio", "array"):
        values = here.values()
        expected = values[:, 0] if found["kind"] == "audio" else values.ravel()
        assert np.abs(there - expected).max() <= 1e-3 * np.abs(values).max()
    else:
        centres = (torch.cartesian_prod(*[torch.arange(5)] * 3) + 0.5) / 5
        with torch.no_grad():
            expected = here.fit()(centres).numpy()[:, 0] / here.header.scale[0]
        assert np.abs(there - expected).max() <= 1e-5


def test_golden_files_have_the_values_of_python_by_shader_in_a_worker(page: Browser) -> None:
    assert len(GOLDEN) >= 8
    for name in GOLDEN:
        _is_alike(CODEC / "golden" / name, page.value(f"decodeBy('decodeInWorker', '/golden/{name}', 'shader')"))


def test_fields_have_the_values_of_python_by_shader_on_the_page(
    page: Browser, files: dict[str, bytes], tmp_path: Path
) -> None:
    """Every encoding, activation and head, hashed and dense levels, one to three coordinates, one to four channels."""
    for i, (family, *_) in enumerate(FIELDS):
        found = page.value(f"decodeBy('decode', '/{i}.inrz', 'shader')")
        if family == "local_cosine":
            assert (found["error"], found["message"]) == ("UnsupportedError", "a shader has no op cosines")
            assert page.value(f"decodeBy('decode', '/{i}.inrz', 'auto')")["evaluation"] == "cpu"
            continue
        path = tmp_path / f"{i}.inrz"
        path.write_bytes(files[path.name])
        _is_alike(path, found)


@pytest.mark.parametrize("family", [case[0] for case in LARGE])
def test_the_processor_takes_over_where_a_shader_cannot_work(family: str, page: Browser) -> None:
    """WebGL refused, or simulated by a program that says so; a wrong value at one point; a context that is lost later.
    Where nothing is wrong, the shader takes over."""
    path = f"/large-{family}.inrz"

    def in_worker(change: str, evaluation: str) -> dict[str, Any]:
        found: dict[str, Any] = page.value(f"inOwnWorker({change!r}, {path!r}, {evaluation!r})")
        return found

    wanted = in_worker("none", "cpu")["data"]
    assert np.ptp(wanted) > 10
    for change in ("none", "refused", "wrong", "lost"):
        found = in_worker(change, "auto")
        assert (found["evaluation"], found["data"] == wanted) == ("cpu", True), change
        assert found.get("spoilt") == (1 if change == "wrong" else None)
    found = in_worker("hardware", "auto")
    assert found["evaluation"] == "shader"
    assert (np.array(found["data"]) == wanted).mean() >= 0.999
    for change, reason in (
        ("refused", "there is no WebGL 2 here"),
        ("wrong", "the shader's values differ by"),
        ("lost", "the graphics processor gave no values"),
    ):
        found = in_worker(change, "shader")
        assert found["error"] == "UnsupportedError"
        assert found["message"].startswith(reason)


def test_a_page_waits_for_no_task_of_50_ms_while_a_shader_draws_in_a_worker(page: Browser) -> None:
    """The best of several trials, since a busy machine makes any task long."""
    script = """(async () => {
        const bytes = await read("/large-siren.inrz"), later = ms => new Promise(r => setTimeout(r, ms));
        await later(1000);
        tasks.length = 0;
        const since = performance.now(), decoded = await inr.decodeInWorker(bytes, { evaluation: "shader" });
        const ms = performance.now() - since;
        await later(300);
        return { evaluation: decoded.evaluation, ms, longest: Math.max(0, ...tasks.map(task => task.duration)) };
    })()"""
    trials = []
    for _ in range(5):
        trials.append(page.value(script))
        assert trials[-1]["evaluation"] == "shader"
        assert trials[-1]["ms"] > 100
        if trials[-1]["longest"] < 50:
            break
    assert trials[-1]["longest"] < 50, trials
