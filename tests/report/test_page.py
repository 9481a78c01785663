"""The page: it loads nothing, pictures match their captions, numbers equal `inr eval`, and a browser shows it."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from inr.core.errors import UnreadableError, UsageError
from inr.fitting import Fit, Run, resolve, save_checkpoint
from inr.ntk import document_of, ntk_report
from inr.report import page
from inr.signals import Signal, load_signal
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image as Picture
from tests.browser import browser
from tests.colour_profiles import adobe_rgb, converted, display_p3, grey, rec_2020
from tests.exporters import runtimes

TINY = {"type": "siren", "width": 12, "depth": 2}
RUN = {"steps": 12, "batch": 256}


def pictured(rows: int = 40, columns: int = 60) -> Picture:
    y, x = np.mgrid[0:rows, 0:columns]
    pixels = np.stack([x * 4 % 256, y * 5 % 256, (x * y) % 256], axis=-1).astype(np.uint8)
    signal = Picture.of_pixels(pixels)
    signal.name = "photo.png"
    return signal


def images(text: str) -> list[tuple[str, np.ndarray]]:
    """(alt, pixels) of every picture on a page; each has the size that its element states."""
    found = []
    for tag in re.findall(r"<img[^>]*>", text):
        width, height, alt, data = re.search(
            r'width="(\d+)" height="(\d+)" alt="([^"]*)" src="data:image/\w+;base64,([^"]*)"', tag
        ).groups()  # type: ignore[union-attr]
        with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
            assert opened.size == (int(width), int(height))
            found.append((alt, np.asarray(opened)))
    return found


def tiles(text: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", text))


def cells(text: str) -> list[list[str]]:
    """The table's rows, without tags."""
    table = re.search(r"<table>(.*?)</table>", text, re.DOTALL)[1]  # type: ignore[index]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [[re.sub(r"<[^>]*>", "", cell) for cell in re.split(r"</t[dh]>|<th>", row) if cell] for row in rows]


def is_self_contained(text: str) -> bool:
    """Every address is data within the page or a place in it, and there are no scripts and no styles from elsewhere."""
    addresses = re.findall(r'(?:src|href|srcset|action|data)\s*=\s*"([^"]*)"', text)
    inside = all(a.startswith(("data:", "#")) for a in addresses)
    return inside and not re.search(r"https?:|//\w+\.\w|@import|<script|<link|<iframe|url\((?!#)", text)


@pytest.fixture(scope="module")
def signal() -> Picture:
    return pictured()


@pytest.fixture(scope="module")
def fit(signal: Picture) -> Fit:
    return inr.fit(signal, TINY, RUN, device="cpu")


def test_the_page_holds_all_that_it_shows(signal: Picture, fit: Fit) -> None:
    text = page(fit, signal=signal)
    assert is_self_contained(text)
    assert "<title>photo.png: siren</title>" in text
    shown = dict(images(text))
    assert set(shown) == {"target", "reconstruction by siren", "error of siren"}
    assert np.array_equal(shown["target"], np.rint(255 * signal.values.numpy()))
    assert np.array_equal(shown["reconstruction by siren"], np.rint(255 * np.clip(fit.render()[0], 0, 1)))
    assert text.count("<svg") == 3  # spectrum, loss, quality
    ids = re.findall(r' id="([^"]*)"', text)
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(ids)


def test_numbers_are_the_fits(signal: Picture, fit: Fit) -> None:
    found = tiles(page(fit, signal=signal))
    assert found["PSNR"] == f"{fit.metrics['psnr_db']:.2f} dB"
    assert found["SSIM"] == f"{fit.metrics['ssim']:.4g}"
    assert found["parameters"] == f"{fit.field.n_params:,}"
    assert found["file"] == f"{len(fit.to_bytes()) / 1e3:,.1f} kB"
    assert found["bits per sample"] == f"{8 * len(fit.to_bytes()) / (40 * 60):.3f}"
    assert found["steps"] == "12"
    assert found["time"].endswith(" s")


def test_several_fits_have_a_table_with_the_best_marked(signal: Picture, fit: Fit) -> None:
    better = inr.fit(signal, TINY | {"width": 24}, RUN | {"steps": 60}, device="cpu")
    text = page([fit, better], signal=signal)
    head, *rows = cells(text)
    assert head[:3] == ["model", "field", "PSNR"]
    assert [row[0] for row in rows] == ["siren 1", "siren 2"]
    assert [row[2] for row in rows] == [f"{f.metrics['psnr_db']:.2f} dB" for f in (fit, better)]
    worst, best = sorted(f.metrics["psnr_db"] for f in (fit, better))
    assert f"<b>{best:.2f} dB</b>" in text
    assert f"<b>{worst:.2f} dB</b>" not in text
    assert [alt for alt, _ in images(text)].count("target") == 1
    assert is_self_contained(text)


def test_without_its_signal_a_model_is_shown_alone(fit: Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "m.safetensors")
    text = page(tmp_path / "m.safetensors")
    assert "&#x27;photo.png&#x27; was not found beside the model" in text
    assert [alt for alt, _ in images(text)] == ["reconstruction by m"]
    assert tiles(text)["PSNR"] == f"{fit.metrics['psnr_db']:.2f} dB"
    assert tiles(text)["time"] == "not known"
    nameless = page(dataclasses.replace(fit, source=""))
    assert "The model file does not name its signal" in nameless


def test_the_signal_beside_a_model_is_found(signal: Picture, fit: Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "m.safetensors")
    pixels = np.rint(255 * signal.values.numpy()).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    assert np.array_equal(dict(images(page(tmp_path / "m.safetensors")))["target"], pixels)
    Image.fromarray(255 - pixels).save(tmp_path / "photo.png")
    assert "has another quality here than its file states" in page(tmp_path / "m.safetensors")
    Image.fromarray(pixels[:30]).save(tmp_path / "photo.png")
    other = page(tmp_path / "m.safetensors")
    assert "No target is shown: &#x27;m&#x27; was fitted to a signal of 60 x 40 and 3 channels" in other
    with pytest.raises(UsageError, match="has 60 x 30 and 3 channels"):
        page(tmp_path / "m.safetensors", signal=tmp_path / "photo.png")


def test_files_beside_a_model_are_on_the_page(signal: Picture, fit: Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "m.safetensors")
    bare = page(tmp_path / "m.safetensors", signal=signal)
    assert "What the field can learn" not in bare
    report = ntk_report(fit, signal=signal, points=24, try_settings=False)
    document = {"schema": "inr.ntk", **document_of(report)}
    (tmp_path / "m.ntk.json").write_text(json.dumps(document))
    printed = {"schema": "inr.fit", "steps": 12, "n_params": fit.field.n_params, "metrics": dict(fit.metrics)}
    (tmp_path / "m.json").write_text(json.dumps(printed | {"seconds": 4.5}))
    (tmp_path / "m-old.json").write_text(json.dumps(printed | {"seconds": 9.5, "steps": 11}))  # of another fit
    text = page(tmp_path / "m.safetensors", signal=signal)
    assert "<h2>What the field can learn</h2>" in text
    assert "Learned together with the place +" in text
    assert "Learned together with the place +" not in bare
    assert is_self_contained(text)
    assert tiles(text)["time"] == "4.5 s"
    assert all(f"<li>{inr_escape(f.text)}</li>" in text for f in report.verdict.findings)
    (tmp_path / "m.ntk.json").rename(tmp_path / "elsewhere.json")
    assert "What the field can learn" in page(
        tmp_path / "m.safetensors", signal=signal, ntk=[tmp_path / "elsewhere.json"]
    )
    with pytest.raises(UsageError, match="none of the given models has that family and size"):
        page(inr.fit(signal, "mlp", {"steps": 1}), signal=signal, ntk=[tmp_path / "elsewhere.json"])
    with pytest.raises(UnreadableError, match="is not a report of the tangent kernel"):
        page(fit, signal=signal, ntk=[tmp_path / "m.json"])


def test_the_kernel_of_a_sound_is_lines_and_that_of_a_volume_is_left_out(tmp_path: Path) -> None:
    x = np.arange(64, dtype=np.float32)
    cases: list[tuple[Signal, bool]] = [
        (Audio.of_samples(np.sin(x / 3)[:, None], 8000), True),
        (Array.of_array(x.reshape(4, 4, 4)), False),
    ]
    for signal, has_pictures in cases:
        fit = inr.fit(signal, TINY, {"steps": 2, "batch": 32}, device="cpu")
        document = document_of(ntk_report(fit, signal=signal, points=16, try_settings=False))
        (tmp_path / "m.json").write_text(json.dumps({"schema": "inr.ntk", **document}))
        text = page(fit, signal=signal, ntk=[tmp_path / "m.json"])
        assert "What the field can learn" in text
        assert ("Learned together with the place +" in text) is has_pictures
        assert ("raises it where the line is above the middle" in text) is has_pictures


def inr_escape(text: str) -> str:
    from html import escape

    return escape(text)


def test_a_tracked_run_shows_its_bands(signal: Picture) -> None:
    tracked = inr.fit(signal, TINY, RUN | {"track_ntk": 100.0}, device="cpu")
    assert tracked.ntk_track is not None
    assert tracked.ntk_track["looks"]
    text = page(tracked, signal=signal)
    assert "Bands during the fit" in text
    assert 'alt="bands and kernel, step by step"' in text
    assert is_self_contained(text)


def test_an_unfinished_run(signal: Picture, tmp_path: Path) -> None:
    run = Run(signal, *resolve(signal, TINY, RUN))
    run.advance(should_stop=lambda: run.step >= 5)
    save_checkpoint(run, tmp_path / "m.checkpoint")
    text = page(tmp_path / "m.checkpoint", signal=signal)
    assert "m (unfinished): the run was interrupted at step 5." in text
    save_checkpoint(run, tmp_path / "m.checkpoint", "done")
    assert "unfinished" not in page([tmp_path / "m.checkpoint"])
    assert tiles(text)["steps"] == "5"
    with pytest.raises(UnreadableError, match="has no fit"):
        page(tmp_path)


@pytest.mark.slow
def test_a_sound_can_be_heard() -> None:
    import soundfile

    fit = inr.fit("analytic:chirp", TINY, RUN, device="cpu")
    text = page(fit)
    assert is_self_contained(text)
    heard = re.findall(r'<audio controls src="data:audio/flac;base64,([^"]*)"', text)
    assert len(heard) == 3
    target, rate = soundfile.read(io.BytesIO(base64.b64decode(heard[0])))
    assert rate == 8000
    assert np.abs(target - load_signal("analytic:chirp").values.numpy()[:, 0]).max() < 2**-14  # type: ignore[attr-defined]
    assert tiles(text)["SNR"] == f"{fit.metrics['snr_db']:.2f} dB"
    assert "hertz" in text


@pytest.mark.slow
def test_a_shape_has_views_a_section_and_its_distance_to_the_target() -> None:
    smooth = {**TINY, "width": 32, "activation": {"type": "sine", "omega": 8.0}}
    fit = inr.fit("analytic:sphere", smooth, {"steps": 300, "batch": 2048, "lr": 0.003}, device="cpu")
    assert fit.metrics["iou"] > 0.9
    text = page(fit)
    assert is_self_contained(text)
    alts = [alt for alt, _ in images(text)]
    assert alts.count("target") == 2
    assert alts.count("surface of siren") == 2
    assert alts.count("section of siren") == 1
    found = tiles(text)
    assert found["IOU"] == f"{fit.metrics['iou']:.4g}"
    chamfer = float(found["Chamfer-L1"])
    vertices = inr.extract_mesh(fit, 64).vertices
    assert chamfer == pytest.approx(np.abs(np.linalg.norm(vertices, axis=1) - 1).mean(), rel=0.3)


def test_arrays_of_any_dimension(tmp_path: Path) -> None:
    for shape in ((50,), (12, 20), (5, 12, 20)):
        values = np.add.outer(np.zeros(shape[:-1]), np.sin(np.arange(shape[-1]) / 3)).astype(np.float32)
        np.save(tmp_path / "a.npy", values)
        fit = inr.fit(tmp_path / "a.npy", TINY, RUN, device="cpu")
        text = page(fit, signal=tmp_path / "a.npy")
        assert is_self_contained(text)
        sizes = {pixels.shape[:2] for _, pixels in images(text)}
        assert sizes == (set() if len(shape) == 1 else {(12, 20)})


def test_signals_of_several_kinds_have_sections_of_their_own(signal: Picture, fit: Fit) -> None:
    other = inr.fit("analytic:zone-plate", TINY, RUN | {"steps": 2}, device="cpu")
    text = page([fit, other])
    assert "<h1>Fits of photo.png, analytic:zone-plate</h1>" in text
    assert "<h2>analytic:zone-plate</h2>" in text
    assert [alt for alt, _ in images(text)].count("target") == 2  # the zone plate's, and its detail
    with pytest.raises(UsageError, match="was fitted to a signal of 256 x 256 and 1 channel,"):
        page([fit, other], signal=signal)


def test_text_of_a_file_is_not_markup(fit: Fit) -> None:
    text = page(dataclasses.replace(fit, source='<script>BODY"</script>'), title="<b>TITLE</b>")
    assert is_self_contained(text)
    assert "<h1>&lt;b&gt;TITLE&lt;/b&gt;</h1>" in text


@pytest.mark.slow
def test_a_browser_shows_it(signal: Picture, fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    probe = """<script>
addEventListener("error", e => (document.body.dataset.error = e.message || e.target.tagName), true);
addEventListener("load", () => { document.body.dataset.sizes =
  JSON.stringify([...document.images].map(i => [i.naturalWidth, i.naturalHeight]));
  document.body.dataset.figures = [...document.querySelectorAll("svg")].filter(f => f.clientHeight > 50).length;
  document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth; });
</script>"""
    text = page(fit, signal=signal)
    path.write_text(text.replace("<main>", probe + "<main>", 1), "utf-8")
    for width in (1200, 500):
        dom = runtimes.browse(path, "--dump-dom", f"--window-size={width},2400")
        assert "data-error" not in dom
        sizes = json.loads(re.search(r'data-sizes="([^"]*)"', dom)[1])  # type: ignore[index]
        assert sizes == [[60, 40]] * 3
        assert re.search(r'data-figures="(\d+)"', dom)[1] == "3"  # type: ignore[index]
        assert int(re.search(r'data-wide="(-?\d+)"', dom)[1]) <= 0  # type: ignore[index]  # nothing hangs over the edge
    target = tmp_path / "a.png"
    runtimes.browse(path, "--window-size=1000,1400", f"--screenshot={target}")
    with Image.open(target) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    assert pixels.shape[:2] == (1400, 1000)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
    middle = pixels[:700]
    assert middle.std() > 10


def test_pictures_keep_their_colour_profile_and_errors_have_none() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    picture = Picture.of_pixels(pixels, icc=adobe_rgb())
    run = Run(picture, *resolve(picture, {"type": "siren", "width": 8, "depth": 1}, {"steps": 2}))
    text = page(run.result(run.advance()), signal=picture)
    data = re.findall(r'alt="(\w+)[^"]*" src="data:image/\w+;base64,([^"]+)"', text)
    profiles = {alt: Image.open(io.BytesIO(base64.b64decode(part))).info.get("icc_profile") for alt, part in data}
    assert profiles == {"target": adobe_rgb(), "reconstruction": adobe_rgb(), "error": None}


def test_marks_of_a_loss_that_hardly_changes_differ(signal: Picture, fit: Fit) -> None:
    steps = tuple(range(1, 11))
    losses = tuple(0.511 + 0.0001 * step for step in steps)
    curve = dataclasses.replace(fit.curve, step=steps, loss=losses, psnr_db=(None,) * len(steps))
    text = page(dataclasses.replace(fit, curve=curve), signal=signal)
    figure = re.search(r"Training loss.*?<svg.*?</svg>", text, re.DOTALL)
    assert figure is not None
    marks = re.findall(r">(0\.5\d*)</text>", figure[0])[:-1]  # the last is the curve's end
    assert len(marks) > 1
    assert len(set(marks)) == len(marks)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["analytic:zone-plate", "analytic:chirp", "analytic:torus"])
def test_a_narrow_dark_window_has_nothing_over_its_edge(source: str, tmp_path: Path) -> None:
    shown = load_signal(source)
    run = Run(shown, *resolve(shown, {"type": "siren", "width": 8, "depth": 1}, {"steps": 2}))
    path = tmp_path / "a.html"
    path.write_text(page(run.result(run.advance()), signal=shown), "utf-8")
    with browser() as tab:
        tab.open(path.as_uri(), width=360, height=760, prefers_color_scheme="dark")
        tab.wait("document.readyState === 'complete'")
        assert tab.value("document.documentElement.scrollWidth") <= 360
        assert tab.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
        assert tab.value("[...document.images].every(image => image.alt)")
        tab.press("Tab", 9)
        assert tab.value("document.activeElement.tagName") in ("AUDIO", "SUMMARY", "A", "BUTTON", "PRE")
        assert tab.problems == []


def test_colours_that_cannot_be_shown_are_noted() -> None:
    pixels = np.zeros((12, 16, 3), np.uint8)
    for meta in ({"icc": base64.b64encode(grey(2.2)).decode()}, {"icc": None, "colour_chunks": {"cICP": "09100001"}}):
        picture = Picture.of_pixels(pixels)
        picture.meta.update(meta)
        run = Run(picture, *resolve(picture, {"type": "siren", "width": 8, "depth": 1}, {"steps": 2}))
        assert "shown as sRGB.</p>" in page(run.result(run.advance()), signal=picture)


@pytest.mark.slow
def test_a_browser_shows_pictures_of_a_report_in_the_colours_of_their_profile(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([5 * rows, 4 * columns, 250 - 4 * columns], -1).astype(np.uint8)
    path = tmp_path / "a.html"
    read = """(() => {
        const image = document.querySelector("img[alt=target]"), canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
        const ink = canvas.getContext("2d");
        ink.drawImage(image, 0, 0);
        return Array.from(ink.getImageData(0, 0, canvas.width, canvas.height).data);
    })()"""
    with browser() as tab:
        wide = {"cICP": "090d0001"}
        for icc, chunks in ((display_p3(), {}), (adobe_rgb(), {}), (rec_2020(), wide), (grey(1.4), {})):
            shown = pixels if icc != grey(1.4) else pixels[..., :1]
            picture = Picture.of_pixels(shown, icc=None if chunks else icc)
            picture.meta["colour_chunks"] = chunks
            run = Run(picture, *resolve(picture, {"type": "siren", "width": 8, "depth": 1}, {"steps": 2}))
            path.write_text(page(run.result(run.advance()), signal=picture), "utf-8")
            tab.open(path.as_uri())
            tab.wait("document.querySelector('img[alt=target]').complete")
            found = np.array(tab.value(read)).reshape(48, 64, 4)[..., :3]
            expected = converted(shown if shown.shape[-1] == 3 else shown[..., 0], icc).astype(int)
            assert np.abs(expected - shown).max() > 20
            assert np.abs(found - expected).max() <= 2
        assert tab.problems == []
