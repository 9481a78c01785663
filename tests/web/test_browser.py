"""The decoder in a headless Chromium: files, workers, the element, `img` elements, and a strict policy of the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inr
from tests.browser import Browser, browser
from tests.web.extreme_pictures import random_picture
from tests.web.fields import WEIGHTS, file_of, picture, random_field, shape
from tests.web.server import CODEC, serving
from tests.web.test_bundle import SCRIPT, program

MANIFEST = json.loads((CODEC / "golden" / "manifest.json").read_text("utf-8"))
PICTURE = "pyramid-image.inrz"
MOST_BYTES = 2**28
"""Of memory for a harmful file."""
HEIGHT, WIDTH, _ = MANIFEST[PICTURE]["array_shape"]
STRICT = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob:; style-src 'self'"
pytestmark = pytest.mark.slow

ELEMENT = """<!doctype html><title>page</title><script type="module" src="/element.js"></script>
<inr-image id="good" src="/golden/pyramid-image.inrz" alt="a test picture"></inr-image>
<inr-image id="damaged" src="/golden/../corpus/pyramid-image-data-ff.inrz" alt="what is missing"></inr-image>
<inr-image id="sound" src="/golden/grids-audio.inrz" alt="a sound"></inr-image>
<inr-image id="gone" src="/golden/none.inrz" alt="nothing there"></inr-image>
<div id="tall"></div>
<inr-image id="far" loading="lazy" src="/golden/pyramid-plain.inrz" alt="far away"></inr-image>"""
ELEMENT_SCRIPT = """import { defineElement } from "/src/index.js";
window.seen = {};
document.getElementById("tall").style.height = "9000px";
for (const kind of ["load", "error"]) {
  document.addEventListener(kind, e => { if (e.target.id) seen[e.target.id] = kind; }, true);
}
defineElement();"""
IMAGES = """<!doctype html><title>page</title><script type="module" src="/src/auto.js"></script>
<img id="first" src="/golden/pyramid-image.inrz" alt="a test picture" style="border: 1px solid">"""
FILES = """<!doctype html><title>page</title><script type="module" src="/files.js"></script>"""
FILES_SCRIPT = """import * as inr from "/src/index.js";
import * as fields from "/src/fields.js";
const read = async path => new Uint8Array(await (await fetch(path)).arrayBuffer());
Object.assign(window, { inr, fields, read });"""
SOUND = """<!doctype html><title>page</title><script type="module" src="/sound.js"></script>
<inr-sound id="good" src="/golden/grids-audio.inrz">a tone</inr-sound>
<inr-sound id="damaged" src="/corpus/grids-audio-data-ff.inrz">what is missing</inr-sound>
<inr-sound id="picture" src="/golden/pyramid-image.inrz">a picture</inr-sound>"""
SOUND_SCRIPT = """import { defineElement } from "/src/index.js";
window.seen = [];
for (const kind of ["load", "error"]) {
  document.addEventListener(kind, e => { if (e.target.id) seen.push(e.target.id); }, true);
}
defineElement();"""
SHAPE = """<!doctype html><title>page</title><script type="module" src="/shape.js"></script>
<inr-shape id="good" src="/golden/weights-shape.inrz" alt="a solid" width="200" height="200" detail="96"></inr-shape>
<inr-shape id="damaged" src="/corpus/grids-audio-data-ff.inrz" alt="what is missing"></inr-shape>
<inr-shape id="picture" src="/golden/pyramid-image.inrz" alt="a picture"></inr-shape>"""
SHAPE_SCRIPT = """import { defineShapeElement } from "SOURCE";
window.seen = [];
for (const kind of ["load", "error"]) {
  document.addEventListener(kind, e => { if (e.target.id) seen.push(e.target.id); }, true);
}
defineShapeElement();"""
BUNDLED_SCRIPT = """import * as inr from "/inr-web.js";
const read = async path => new Uint8Array(await (await fetch(path)).arrayBuffer());
Object.assign(window, { inr, read });"""
PAGES = {
    "element.html": ELEMENT, "element.js": ELEMENT_SCRIPT, "images.html": IMAGES, "files.html": FILES,
    "files.js": FILES_SCRIPT, "sound.html": SOUND, "sound.js": SOUND_SCRIPT, "shape.html": SHAPE,
    "shape.js": SHAPE_SCRIPT.replace("SOURCE", "/src/shape_element.js"),
}  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[tuple[Browser, str]]:
    with serving(PAGES) as address, browser() as found:
        yield found, address


@pytest.fixture(scope="module")
def files(page: tuple[Browser, str]) -> Browser:
    page[0].open(page[1] + "files.html")
    page[0].wait("!!window.inr")
    return page[0]


@pytest.mark.parametrize("way", ["decode", "decodeInWorker"])
def test_golden_files_have_the_symbols_and_values_of_python(way: str, files: Browser) -> None:
    for name, entry in MANIFEST.items():
        found = files.value(f"""read('/golden/{name}').then(inr.{way}).then(d => {{
            const values = d.field ? fields.distances(d, [...d.low, 0, 0, 0]) : [d.data].flat()[0];
            return {{ kind: d.kind, digest: d.symbolsSha256, data: Array.from(values) }};
        }})""")
        assert found["digest"] == entry["symbols_sha256"]
        here = inr.decompress(CODEC / "golden" / name)
        if found["kind"] == "shape":
            assert np.isfinite(found["data"]).all()
        elif found["kind"] in ("image", "video"):
            expected = np.rint(np.clip(here.values(), 0, 1) * 255).astype(int).ravel()
            assert np.abs(np.array(found["data"]) - expected).max() <= 1
            assert (np.array(found["data"]) == expected).mean() >= 0.999
        else:
            assert np.abs(np.array(found["data"]) - here.values().ravel()).max() <= 1e-3 * np.abs(here.values()).max()


def test_a_sound_becomes_an_audio_buffer(files: Browser) -> None:
    found = files.value("""read('/golden/grids-audio.inrz').then(inr.decode).then(sound => {
        const buffer = fields.toAudioBuffer(sound, new OfflineAudioContext(1, 8, 44100));
        const own = buffer.getChannelData(0);
        return [buffer.sampleRate, buffer.length, buffer.numberOfChannels, own.every((v, i) => v === sound.data[0][i])];
    })""")
    assert found == [8000, 800, 1, True]


def test_the_corpus_of_harmful_files_gives_the_one_error_in_time(files: Browser) -> None:
    names = sorted(path.name for path in (CODEC / "corpus").glob("*.inrz"))
    script = """(async () => {
        const found = {};
        for (const name of %s) {
            const bytes = await read("/corpus/" + name), start = performance.now();
            const kind = await inr.decode(bytes).then(() => "decoded", error => error.name);
            found[name] = [kind, performance.now() - start];
        }
        return found;
    })()"""
    before = peak_bytes(files)
    assert before > 0 or not Path("/proc/self/status").exists()
    found: dict[str, list[Any]] = files.value(script % json.dumps(names))
    assert peak_bytes(files) - before < MOST_BYTES
    assert {kind for name, (kind, _) in found.items() if "-ARCH-" not in name} == {"FormatError"}
    assert {kind for kind, _ in found.values()} <= {"FormatError", "UnsupportedError"}
    assert max(ms for _, ms in found.values()) < 2000


def peak_bytes(page: Browser) -> int:
    """Of memory that the processes of pages have held, each at its worst moment; 0 where Linux's /proc is not there."""
    folders = [Path(f"/proc/{each['id']}") for each in page.processes() if each["type"] == "renderer"]
    texts = [(folder / "status").read_text() for folder in folders if folder.exists()]
    return sum(1024 * int(kb) for text in texts for kb in re.findall(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE))


def test_an_abort_ends_a_worker_at_once(files: Browser) -> None:
    script = """(async () => {
        const bytes = await read("/golden/pyramid-image.inrz"), controller = new AbortController();
        const decoding = inr.decodeInWorker(bytes, { signal: controller.signal });
        controller.abort(new Error("enough"));
        return decoding.then(() => "decoded", error => error.message);
    })()"""
    assert files.value(script) == "enough"
    script = (
        "read('/corpus/pyramid-image-data-ff.inrz').then(inr.decodeInWorker).catch(e => e instanceof inr.FormatError)"
    )
    assert files.value(script) is True


@pytest.mark.parametrize("policy", ["", STRICT, f"{STRICT}; worker-src blob:"])
def test_the_element_shows_pictures_and_says_what_it_cannot_show(policy: str, page: tuple[Browser, str]) -> None:
    """Also where the page's policy forbids workers from blobs: then it decodes on the page."""
    found, _ = page
    with serving(PAGES, policy) as address:
        found.open(address + "element.html")
        found.wait("Object.keys(window.seen ?? {}).length === 4")
        assert found.value("seen") == {"good": "load", "damaged": "error", "gone": "error", "sound": "error"}
        state = found.value("""Object.fromEntries([...document.querySelectorAll("inr-image")].map(e => [e.id, {
            size: [e.naturalWidth, e.naturalHeight, e.offsetWidth, e.offsetHeight],
            text: e.text.hidden ? "" : e.text.textContent,
            label: e.canvas.getAttribute("aria-label"), error: e.error?.name ?? null, isComplete: e.complete }]))""")
        assert state["good"] == {
            "size": [WIDTH, HEIGHT, WIDTH, HEIGHT], "text": "", "label": "a test picture", "error": None,
            "isComplete": True,
        }  # fmt: skip
        assert (state["damaged"]["text"], state["damaged"]["error"]) == ("what is missing", "FormatError")
        assert (state["sound"]["text"], state["sound"]["error"]) == ("a sound", "UnsupportedError")
        assert (state["gone"]["text"], state["gone"]["error"]) == ("nothing there", "Error")
        assert state["far"]["isComplete"] is False
        found.value("scrollTo(0, document.body.scrollHeight)")
        found.wait("seen.far === 'load'")


def test_images_of_a_page_are_replaced_now_and_later(page: tuple[Browser, str]) -> None:
    found, address = page
    found.open(address + "images.html")
    size = f"{WIDTH} && document.images[0].src.startsWith('blob:')"
    found.wait(f"document.images[0].complete && document.images[0].naturalWidth === {size}")
    found.value("document.body.append(Object.assign(new Image(), {src: '/golden/pyramid-plain.inrz', alt: 'second'}))")
    found.wait(f"document.images[1].naturalWidth === {WIDTH}")
    found.value("document.images[1].src = '/golden/weights-image.inrz'")
    found.wait("document.images[1].naturalWidth === 24")
    found.value("document.images[1].src = '/golden/weights-image.inrz'")  # again, in place of the picture made of it
    found.wait("document.images[1].src.startsWith('blob:') && document.images[1].naturalWidth === 24")
    found.value("""window.failed = [];
        document.images[1].addEventListener("error", e => e.detail && failed.push(e.detail.name));
        document.images[1].src = "/corpus/pyramid-image-data-ff.inrz";""")
    found.wait("failed.includes('FormatError')")
    assert found.value("document.images[1].alt") == "second"
    drawn = found.value("""(() => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 41, height: 33 });
        const context = canvas.getContext("2d");
        context.drawImage(document.images[0], 0, 0);
        return Array.from(context.getImageData(0, 0, 41, 33).data);
    })()""")
    expected = np.rint(inr.decompress(CODEC / "golden" / PICTURE).values() * 255)
    assert np.abs(np.array(drawn).reshape(HEIGHT, WIDTH, 4)[..., :3] - expected).max() <= 1


def test_the_element_of_a_sound_plays_it_or_says_why_not(page: tuple[Browser, str]) -> None:
    found, address = page
    found.open(address + "sound.html")
    found.wait("document.querySelectorAll('inr-sound').length === 3 && window.seen?.length === 3")
    found.wait("document.getElementById('good').player.readyState > 0")
    state = found.value("""Object.fromEntries([...document.querySelectorAll("inr-sound")].map(e => [e.id, {
        seconds: e.player.duration, isPlayer: e.player.offsetHeight > 0, isText: !e.text.hidden,
        error: e.error?.name }]))""")
    assert state["good"] == {"seconds": 0.1, "isPlayer": True, "isText": False}
    for name, error in (("damaged", "FormatError"), ("picture", "UnsupportedError")):
        assert (state[name]["isPlayer"], state[name]["isText"], state[name]["error"]) == (False, True, error)


def test_the_element_of_a_shape_shows_it_by_rays_or_says_why_not(page: tuple[Browser, str]) -> None:
    found, address = page
    found.open(address + "shape.html")
    found.wait("window.seen?.length === 3")
    state = found.value("""Object.fromEntries([...document.querySelectorAll("inr-shape")].map(e => [e.id, {
        isShown: e.canvas.offsetHeight > 0, text: e.text.hidden ? "" : e.text.textContent, error: e.error?.name }]))""")
    assert state["good"] == {"isShown": True, "text": ""}
    assert state["damaged"] == {"isShown": False, "text": "what is missing", "error": "FormatError"}
    assert state["picture"] == {"isShown": False, "text": "a picture", "error": "UnsupportedError"}
    for yaw, pitch in ((0.0, 0.0), (0.6, 0.4)):
        seen = _alpha(found, yaw, pitch) > 127
        expected = _silhouette(inr.decompress(CODEC / "golden" / "weights-shape.inrz").fit(), yaw, pitch)
        assert expected.mean() > 0.02
        assert _overlap(seen, expected) > 0.8  # thin parts are less than two cells of the lattice wide
        assert _overlap(seen[:, ::-1], expected) < 0.6
        assert _overlap(seen[::-1], expected) < 0.6


def test_keys_turn_a_shape(page: tuple[Browser, str]) -> None:
    found, address = page
    found.open(address + "shape.html")
    found.wait("window.seen?.includes('good')")
    before = _alpha(found, 0.0, 0.0)
    found.value("""good.canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp" })),
        good.canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "-" }))""")
    yaw, pitch, away = found.value("[good.yaw, good.pitch, good.away]")
    assert (yaw, pitch) == (0.0, 0.1)
    assert away > 2.2
    assert (_alpha(found, yaw, pitch) > 127).mean() < (before > 127).mean()


def test_the_module_of_the_element_needs_no_other_file(page: tuple[Browser, str], tmp_path: Path) -> None:
    SCRIPT["write_scripts"](tmp_path, program())
    found, _ = page
    alone = {"inr-web-shape.js": (tmp_path / "inr-web-shape.js").read_bytes()}
    with serving({**PAGES, **alone, "shape.js": SHAPE_SCRIPT.replace("SOURCE", "/inr-web-shape.js")}) as address:
        found.open(address + "shape.html")
        found.wait("window.seen?.length === 3")
        assert found.value("[...document.querySelectorAll('inr-shape')].map(e => e.error?.name ?? '')") == [
            "", "FormatError", "UnsupportedError",
        ]  # fmt: skip


QUIET = """<!doctype html><title>page</title><script type="module" src="/quiet.js"></script>"""
QUIET_SCRIPT = """import { defineElement } from "/src/index.js";
import { defineShapeElement } from "/src/shape_element.js";
const tasks = [], Plain = window.Worker;
let workers = 0;
window.Worker = class extends Plain { constructor(...given) { super(...given); workers++; } };
new PerformanceObserver(list => tasks.push(...list.getEntries())).observe({ type: "longtask" });
defineElement();
defineShapeElement();
const second = () => new Promise(resolve => setTimeout(resolve, 1000));
window.measure = async (name, src, detail) => {
  const element = document.createElement(name);
  element.setAttribute("src", src);
  element.setAttribute("detail", detail);
  await second();
  tasks.length = workers = 0;
  const since = performance.now();
  const event = await new Promise(resolve => {
    element.onload = element.onerror = e => resolve(e.type);
    document.body.append(element);
  });
  const ms = performance.now() - since;
  await second();
  element.remove();
  return { event, ms, workers, longest: Math.max(0, ...tasks.map(task => task.duration)) };
};"""


def large_file(kind: str) -> bytes:
    """A picture of 768 x 512 pixels, as a pyramid or a field, or a shape."""
    if kind == "pyramid":
        return random_picture(768, 512)
    header = picture(768, 512) if kind == "picture" else shape()
    return file_of(random_field("siren", ("width=48", "depth=4"), header), header, WEIGHTS)


@pytest.mark.parametrize("kind", ["pyramid", "picture", "shape"])
def test_a_page_waits_for_no_task_of_50_ms_while_a_worker_decodes(kind: str, page: tuple[Browser, str]) -> None:
    """The best of several trials, since a busy machine makes any task long."""
    found, _ = page
    name = "inr-shape" if kind == "shape" else "inr-image"
    file = large_file(kind)
    with serving({**PAGES, "quiet.html": QUIET, "quiet.js": QUIET_SCRIPT, "large.inrz": file}) as address:
        found.open(address + "quiet.html")
        found.wait("!!window.measure")
        trials = []
        for _ in range(6):
            trials.append(found.value(f"measure({name!r}, '/large.inrz', 96)"))
            assert (trials[-1]["event"], trials[-1]["workers"]) == ("load", 1)
            assert trials[-1]["ms"] > 200  # on the page this would be a long task, or many turns
            if trials[-1]["longest"] < 50:
                break
        assert trials[-1]["longest"] < 50, trials


def _overlap(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    return float((a & b).sum() / (a | b).sum())


def _alpha(page: Browser, yaw: float, pitch: float) -> np.ndarray[Any, Any]:
    """Of the canvas of the good shape, row by row from the top."""
    values = page.value(f"""(() => {{
        const good = document.getElementById("good");
        Object.assign(good, {{ yaw: {yaw}, pitch: {pitch} }});
        const {{ width, height }} = (good.draw(), good.canvas);
        const canvas = Object.assign(document.createElement("canvas"), {{ width, height }});
        const context = canvas.getContext("2d");
        context.drawImage(good.canvas, 0, 0);
        const data = context.getImageData(0, 0, width, height).data;
        return [width, height, ...data.filter((_, i) => i % 4 === 3)];
    }})()""")
    return np.array(values[2:]).reshape(values[1], values[0])


def _silhouette(fit: Any, yaw: float, pitch: float) -> np.ndarray[Any, Any]:
    """Where rays through a window of 200 x 200 pixels meet the solid, from samples along them; the camera is 2.2 sides
    from the middle of the cube."""
    c, s, k, m = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turned = np.array([[c, -m * s, k * s], [0, k, m], [-s, -m * c, k * c]])
    at = (2 * np.arange(200) + 1 - 200) / 200
    rays = np.stack([*np.meshgrid(at, -at), np.full((200, 200), -2.5)], -1) @ turned.T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    eye = turned @ [0, 0, 2.2] + 0.5
    hit = np.zeros((200, 200), bool)
    for t in np.linspace(1.2, 3.2, 200):
        points = torch.from_numpy((eye + t * rays).reshape(-1, 3)).float()
        inside = ((points > 0) & (points < 1)).all(1)
        below = torch.zeros(len(points), dtype=torch.bool)
        below[inside] = fit(points[inside])[:, 0] < 0
        hit |= below.numpy().reshape(200, 200)
    return hit


@pytest.mark.parametrize("policy", ["", f"{STRICT}; worker-src blob:"])
def test_the_bundle_loads_its_module_of_fields_when_a_file_needs_it(
    policy: str, page: tuple[Browser, str], tmp_path: Path
) -> None:
    """On the page and in its worker."""
    SCRIPT["write_scripts"](tmp_path, program())
    scripts = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found, _ = page
    with serving({**PAGES, **scripts, "files.js": BUNDLED_SCRIPT}, policy) as address:
        found.open(address + "files.html")
        found.wait("!!window.inr")
        loaded = "performance.getEntriesByType('resource').some(e => e.name.endsWith('inr-web-fields.js'))"
        assert found.value("read('/golden/pyramid-image.inrz').then(inr.decode).then(d => d.width)") == 41
        assert found.value("read('/golden/pyramid-image.inrz').then(inr.decodeInWorker).then(d => d.width)") == 41
        assert found.value(loaded) is False
        assert found.value("read('/golden/weights-image.inrz').then(inr.decodeInWorker).then(d => d.width)") == 24
        assert found.value(loaded) is False
        assert found.value("read('/golden/grids-image.inrz').then(inr.decode).then(d => d.width)") == 24
        assert found.value(loaded) is True
