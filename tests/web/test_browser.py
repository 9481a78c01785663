"""The decoder in a headless Chromium: files, workers, the element, `img` elements, and a strict policy of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
from tests.web.browser import Browser, browser
from tests.web.server import CODEC, serving
from tests.web.test_bundle import SCRIPT, program

MANIFEST = json.loads((CODEC / "golden" / "manifest.json").read_text("utf-8"))
PICTURE = "pyramid-image.inrz"
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
BUNDLED_SCRIPT = """import * as inr from "/inr-web.js";
const read = async path => new Uint8Array(await (await fetch(path)).arrayBuffer());
Object.assign(window, { inr, read });"""
PAGES = {
    "element.html": ELEMENT, "element.js": ELEMENT_SCRIPT, "images.html": IMAGES, "files.html": FILES,
    "files.js": FILES_SCRIPT, "sound.html": SOUND, "sound.js": SOUND_SCRIPT,
}  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[tuple[Browser, str]]:
    with serving(PAGES) as address, browser() as found:
        found.resize(800, 600)
        yield found, address


@pytest.fixture(scope="module")
def files(page: tuple[Browser, str]) -> Browser:
    page[0].open(page[1] + "files.html")
    page[0].wait_for("!!window.inr")
    return page[0]


@pytest.mark.parametrize("way", ["decode", "decodeInWorker"])
def test_golden_files_have_the_symbols_and_values_of_python(way: str, files: Browser) -> None:
    for name, entry in MANIFEST.items():
        found = files.run(f"""read('/golden/{name}').then(inr.{way}).then(d => {{
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
    found = files.run("""read('/golden/grids-audio.inrz').then(inr.decode).then(sound => {
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
    found: dict[str, list[Any]] = files.run(script % json.dumps(names))
    assert {kind for name, (kind, _) in found.items() if "-ARCH-" not in name} == {"FormatError"}
    assert {kind for kind, _ in found.values()} <= {"FormatError", "UnsupportedError"}
    assert max(ms for _, ms in found.values()) < 2000


def test_an_abort_ends_a_worker_at_once(files: Browser) -> None:
    script = """(async () => {
        const bytes = await read("/golden/pyramid-image.inrz"), controller = new AbortController();
        const decoding = inr.decodeInWorker(bytes, { signal: controller.signal });
        controller.abort(new Error("enough"));
        return decoding.then(() => "decoded", error => error.message);
    })()"""
    assert files.run(script) == "enough"
    script = (
        "read('/corpus/pyramid-image-data-ff.inrz').then(inr.decodeInWorker).catch(e => e instanceof inr.FormatError)"
    )
    assert files.run(script) is True


@pytest.mark.parametrize("policy", ["", STRICT, f"{STRICT}; worker-src blob:"])
def test_the_element_shows_pictures_and_says_what_it_cannot_show(policy: str, page: tuple[Browser, str]) -> None:
    """Also where the page's policy forbids workers from blobs: then it decodes on the page."""
    found, _ = page
    with serving(PAGES, policy) as address:
        found.open(address + "element.html")
        found.wait_for("Object.keys(window.seen ?? {}).length === 4")
        assert found.run("seen") == {"good": "load", "damaged": "error", "gone": "error", "sound": "error"}
        state = found.run("""Object.fromEntries([...document.querySelectorAll("inr-image")].map(e => [e.id, {
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
        found.run("scrollTo(0, document.body.scrollHeight)")
        found.wait_for("seen.far === 'load'")


def test_images_of_a_page_are_replaced_now_and_later(page: tuple[Browser, str]) -> None:
    found, address = page
    found.open(address + "images.html")
    size = f"{WIDTH} && document.images[0].src.startsWith('blob:')"
    found.wait_for(f"document.images[0].complete && document.images[0].naturalWidth === {size}")
    found.run("document.body.append(Object.assign(new Image(), {src: '/golden/pyramid-plain.inrz', alt: 'second'}))")
    found.wait_for(f"document.images[1].naturalWidth === {WIDTH}")
    drawn = found.run("""(() => {
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
    found.wait_for("document.querySelectorAll('inr-sound').length === 3 && window.seen?.length === 3")
    found.wait_for("document.getElementById('good').player.readyState > 0")
    state = found.run("""Object.fromEntries([...document.querySelectorAll("inr-sound")].map(e => [e.id, {
        seconds: e.player.duration, isPlayer: e.player.offsetHeight > 0, isText: !e.text.hidden,
        error: e.error?.name }]))""")
    assert state["good"] == {"seconds": 0.1, "isPlayer": True, "isText": False}
    for name, error in (("damaged", "FormatError"), ("picture", "UnsupportedError")):
        assert (state[name]["isPlayer"], state[name]["isText"], state[name]["error"]) == (False, True, error)


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
        found.wait_for("!!window.inr")
        loaded = "performance.getEntriesByType('resource').some(e => e.name.endsWith('inr-web-fields.js'))"
        assert found.run("read('/golden/pyramid-image.inrz').then(inr.decode).then(d => d.width)") == 41
        assert found.run("read('/golden/pyramid-image.inrz').then(inr.decodeInWorker).then(d => d.width)") == 41
        assert found.run(loaded) is False
        assert found.run("read('/golden/weights-image.inrz').then(inr.decodeInWorker).then(d => d.width)") == 24
        assert found.run(loaded) is False
        assert found.run("read('/golden/grids-image.inrz').then(inr.decode).then(d => d.width)") == 24
        assert found.run(loaded) is True
