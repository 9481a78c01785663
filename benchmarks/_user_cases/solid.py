"""Shapes that people bring: what bounds the solid, what encloses nothing, what is too thin; options of meshes."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh

import inr
from _user_cases._case import Case, Result, case
from inr.signals.solids.solid_signal import SolidSignal

BALL = 4.18
SHORT = ("--batch", "8192", "--set", "signal.points=262144", "--no-progress", "-f")


def load(path: Path) -> Any:
    found: Any = trimesh.load_mesh(path, process=False)
    return found.to_geometry() if isinstance(found, trimesh.Scene) else found


def solid(path: Path) -> SolidSignal:
    found = inr.load_signal(path)
    assert isinstance(found, SolidSignal)
    return found


def fit(tried: Case, name: str, model: str, steps: int = 300, *words: str) -> Result:
    return tried.inr("fit", name, "-o", model, "--steps", str(steps), *SHORT, *words)


def mesh(tried: Case, model: str, out: str, *words: str) -> Result:
    return tried.inr("mesh", model, "-o", out, "-f", "--json", *words)


def expect_solid(tried: Case, path: str, volume: float, tolerance: float, n_parts: int = 1) -> None:
    """The mesh in a file is closed, of one piece, outward, and has the volume."""
    if not tried.expect(tried.path(path).exists(), f"{path}: not written"):
        return
    found = load(tried.path(path))
    tried.expect(found.is_watertight, f"{path}: not watertight")
    tried.expect(found.body_count == n_parts, f"{path}: {found.body_count} parts, expected {n_parts}")
    tried.expect(
        abs(found.volume / volume - 1) <= tolerance,
        f"{path}: volume {found.volume:.4g}, expected {volume:.4g} within {tolerance:.0%}",
    )


def fit_and_mesh(
    tried: Case, name: str, volume: float, tolerance: float, note: str = "", steps: int = 300, *words: str
) -> None:
    model, out = f"{name}.safetensors", f"{name}.mesh.ply"
    fitted = fit(tried, name, model, steps, *words)
    if not tried.expect_done(fitted):
        return
    tried.expect(note in fitted.err, f"{name}: {note!r} is not in {fitted.err[:300]!r}")
    meshed = mesh(tried, model, out, "--resolution", "64")
    if tried.expect_done(meshed):
        tried.expect(meshed.json.get("n_components") == 1, f"{name}: n_components {meshed.json.get('n_components')}")
        expect_solid(tried, out, volume, tolerance)


@case("shapes/11-stl-seam-rounding")
def seam_rounding(tried: Case) -> None:
    seam, clean = (solid(tried.path(name)) for name in ("seam.stl", "clean.stl"))
    low, extent = np.array(clean.frame.domain.low), np.array(clean.frame.domain.extent)
    points = torch.from_numpy(low + extent * np.random.default_rng(0).random((20000, 3)))
    a, b = (s.distance(s.frame.domain.to_unit(points)) for s in (seam, clean))
    tried.expect(bool(((a < 0) == (b < 0)).all()), "signs differ from those of the clean sphere")
    tried.expect(float((a - b).abs().max()) < 1e-5, f"distances differ by {float((a - b).abs().max())}")
    fit_and_mesh(tried, "seam.stl", 4.1, 0.03, "seams")


@case("shapes/18-points-noise-density")
def cloud_noise_density(tried: Case) -> None:
    small = ("--set", "field.width=64", "--set", "field.depth=2", "--steps", "200", *SHORT)
    for name in ("noisy", "dense", "dup", "few"):
        tried.expect_done(tried.inr("fit", f"{name}.ply", "-o", f"{name}.safetensors", *small))
        tried.expect_done(mesh(tried, f"{name}.safetensors", f"{name}.out.ply", "--resolution", "48"))
        expect_solid(tried, f"{name}.out.ply", 4.19, 0.1)
    tried.expect_refused(tried.inr("fit", "one.ply", "-o", "one.safetensors", *small), 3, "one point")
    eikonal = (*small[:4], "--steps", "50", "--no-progress", "-f")
    for name in ("two", "line", "plane"):
        tried.expect_done(tried.inr("fit", f"{name}.ply", "-o", f"{name}.safetensors", *eikonal))
        found = mesh(tried, f"{name}.safetensors", f"{name}.out.ply", "--resolution", "48")
        tried.expect(found.code in (0, 1), f"{name}: mesh ends with exit code {found.code}: {found.err!r}")
        if name == "plane":
            tried.expect("meets the walls" in found.err, f"plane: no note that the box cuts it: {found.err!r}")


@case("shapes/24-flat-1000-1")
def flat(tried: Case) -> None:
    fitted = fit(tried, "plate.obj", "m.safetensors")
    tried.expect_done(fitted)
    tried.expect("1 thick in places" in fitted.err, f"fit does not say that the plate is thin: {fitted.err!r}")
    for n in (64, 256):
        found = tried.inr("mesh", "m.safetensors", "-o", f"m{n}.ply", "--resolution", str(n), "-f")
        tried.expect(found.code in (0, 1), f"resolution {n}: exit {found.code}")
        tried.expect(
            "less than a cell" in found.err and "use --resolution 2200" in found.err,
            f"resolution {n}: does not say that parts are thinner than a cell: {found.err!r}",
        )


@case("shapes/25-open-sheet")
def open_sheet(tried: Case) -> None:
    for name in ("sheet", "onetri", "doublesheet"):
        refused = fit(tried, f"{name}.obj", f"{name}.safetensors", 20)
        tried.expect_refused(refused, 3, "encloses nothing")
        tried.expect(not tried.path(f"{name}.safetensors").exists(), f"{name}: a model was written")
    for name, volume in (("hemi.obj", 2.0), ("tube.obj", 1.56)):
        fitted = fit(tried, name, "open.safetensors", 20)  # an opening this large is not closed unless that is wanted
        if fitted.code == 2:
            tried.expect_refused(fitted, 2, "is open", "--kind unsigned", "signal.sign=winding")
            tried.expect(not tried.path("open.safetensors").exists(), f"{name}: a model was written")
        else:
            tried.expect_done(fitted)
            tried.expect("large opening" in fitted.err, f"{name}: no note on the opening: {fitted.err!r}")
        fit_and_mesh(tried, name, volume, 0.06, "not watertight", 200, "--set", "signal.sign=winding")


@case("shapes/27-mixed-winding")
def mixed_winding(tried: Case) -> None:
    for name in ("flip10", "flip30", "flip50"):
        signal = solid(tried.path(f"{name}.obj"))
        clean = solid(tried.path("clean.obj"))
        x = torch.rand(20000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        same = (signal.distance(x) < 0) == (clean.distance(x) < 0)
        tried.expect(bool(same.all()), f"{name}: {int((~same).sum())} of 20000 signs differ from the clean sphere's")
    fit_and_mesh(tried, "flip30.obj", 4.1, 0.03, "wound against the others")
    onebig = load(tried.path("onebig.obj"))
    fit_and_mesh(tried, "onebig.obj", float(np.prod(np.ptp(onebig.bounds, axis=0))), 0.03, "wound against the others")
    printed = tried.inr("eval", "flip30.obj.safetensors", "clean.obj", "--json").json
    value = printed.get("models", [{}])[0].get("metrics", {}).get("iou", 0)
    tried.expect(value > 0.98, f"flip30 against the clean sphere: IoU {value}")


@case("shapes/28-degenerate")
def degenerate(tried: Case) -> None:
    few = ("--steps", "10", "--set", "signal.points=4096", "--no-progress", "-f")

    def noted(name: str, *words: str) -> None:
        done = tried.inr("fit", f"{name}.obj", "-o", f"{name}.safetensors", *few)
        tried.expect_done(done)
        for word in words:
            tried.expect(word in done.err, f"{name}: {word!r} is not in {done.err!r}")

    noted("degenerate", "of zero area")
    noted("duplicate", "repeated face")
    noted("hole", "not watertight")
    noted("tvert", "not watertight")
    noted("far_unused")
    noted("farface", "left out: 1 face")
    for name in ("far_unused", "farface"):
        high = inr.load(tried.path(f"{name}.safetensors")).frame.domain.high
        tried.expect(max(high) < 1.2, f"{name}: the box goes to {max(high)}, expected about 1.1")
    for name, word in (("nan", "nan"), ("collinear", "zero area"), ("zeroarea", "zero area"), ("badindex", "")):
        tried.expect_refused(tried.inr("fit", f"{name}.obj", "-o", f"{name}.safetensors", *few), 3, word)
    done = tried.inr("fit", "nanunused.obj", "-o", "nanunused.safetensors", *few)
    tried.expect(done.code in (0, 3), f"nanunused: exit {done.code}, expected 0 or 3")
    tvert = solid(tried.path("tvert.obj"))
    middle = torch.full((1, 3), 0.5, dtype=torch.float64)
    tried.expect(float(tvert.distance(middle)) < 0, "tvert: its middle is not inside")


@case("shapes/30-mesh-options")
def mesh_options(tried: Case) -> None:
    fit(tried, "s.obj", "m.safetensors", 500)
    for level, radius in (("-0.2", 1.8), ("0", 2.0), ("0.05", 2.05)):
        tried.expect_done(mesh(tried, "m.safetensors", "l.ply", "--resolution", "64", f"--level={level}"))
        expect_solid(tried, "l.ply", 4 / 3 * np.pi * radius**3, 0.02)
    for level, radius in (("0.5", 2.5), ("10", 12.0)):  # beyond the box of the model
        larger = tried.inr("mesh", "m.safetensors", "-o", "c.ply", f"--level={level}", "--resolution", "64", "-f")
        tried.expect_done(larger)
        tried.expect("a larger one was taken" in larger.err, f"level {level}: no note on the box: {larger.err!r}")
        tried.expect("meets the walls" not in larger.err, f"level {level}: cut off at the box: {larger.err!r}")
        tried.expect(larger.seconds < 120, f"level {level} takes {larger.seconds:.0f} s at resolution 64")
        expect_solid(tried, "c.ply", 4 / 3 * np.pi * radius**3, 0.02)
    empty = tried.inr("mesh", "m.safetensors", "-o", "e.ply", "--level=-5", "--resolution", "64", "-f")
    tried.expect(empty.code == 1 and "its values" in empty.err, f"level -5: exit {empty.code}: {empty.err!r}")
    tried.expect(empty.stdout == b"", f"level -5: stdout {empty.out!r}, expected none")
    tried.expect(not tried.path("e.ply").exists(), "level -5: a file was written")
    tried.expect_refused(tried.inr("mesh", "m.safetensors", "-o", "e.ply", "--level=nan", "-f"), 2)
    for n in ("1", "3", "5000", "100000", "abc"):
        refused = tried.inr("mesh", "m.safetensors", "-o", "r.ply", "--resolution", n, "-f")
        tried.expect(refused.code == 2 and not tried.path("r.ply").exists(), f"resolution {n}: exit {refused.code}")
    low = tried.inr("mesh", "m.safetensors", "-o", "r.ply", "--resolution", "4", "-f")
    tried.expect_done(low)
    tried.expect("154" not in low.out and "% evaluated" not in low.out, f"resolution 4 says {low.out!r}")
    dense = tried.inr("mesh", "m.safetensors", "--dense", "--resolution", "4096", "-o", "d.ply", "-f")
    tried.expect(dense.code in (2, 4) and "raise the cap" not in dense.err, f"dense 4096: {dense.err!r}")
    for suffix in ("ply", "obj", "stl", "glb", "3mf", "png"):
        done = tried.inr("mesh", "m.safetensors", "-o", f"f.{suffix}", "--resolution", "48", "-f")
        tried.expect_done(done)
        for word in ("1 part", "closed", "volume 33"):
            tried.expect(word in done.out, f"{suffix}: {word!r} is not in {done.out!r}")
    for suffix in ("ply", "obj", "glb"):
        found = load(tried.path(f"f.{suffix}"))
        outward = np.einsum("nd,nd->n", found.vertex_normals, found.vertices) / np.linalg.norm(found.vertices, axis=1)
        tried.expect(float(outward.min()) > 0.9, f"{suffix}: normals are not outward ({outward.min():.2f})")
    for suffix in ("off", "gltf", "fbx"):
        refused = tried.inr("mesh", "m.safetensors", "-o", f"f.{suffix}", "-f")
        tried.expect(refused.code == 2 and ".ply" in refused.err, f"{suffix}: exit {refused.code}: {refused.err!r}")
    piped = tried.inr("mesh", "m.safetensors", "-o", "-", "--format", "stl", "--resolution", "32")
    n_faces = struct.unpack("<I", piped.stdout[80:84])[0] if len(piped.stdout) > 84 else -1
    tried.expect(
        len(piped.stdout) == 84 + 50 * n_faces, f"stl to stdout: {len(piped.stdout)} bytes for {n_faces} faces"
    )


@case("shapes/31-eval-independent")
def eval_independent(tried: Case) -> None:
    import igl

    fit(tried, "a.obj", "m.safetensors")

    def metrics(name: str) -> dict[str, float]:
        printed = tried.inr("eval", "m.safetensors", name, "--json").json
        found: dict[str, float] = printed.get("models", [{}])[0].get("metrics", {})
        return found

    printed = metrics("a.obj")
    model = inr.load(tried.path("m.safetensors"))
    low, extent = np.array(model.frame.domain.low), np.array(model.frame.domain.extent)
    axis = (np.arange(72) + 0.5) / 72
    points = low + extent * np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    shape: Any = trimesh.load(tried.path("a.obj"), process=False)
    vertices, faces = np.asarray(shape.vertices, np.float64), np.asarray(shape.faces, np.int64)
    true = igl.signed_distance(points, vertices, faces, igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL)[0]
    x = torch.from_numpy((points - low) / extent).float()
    ours = model(x)[:, 0].double().numpy()
    inside, wanted = ours < 0, true < 0
    own = {
        "iou": float((inside & wanted).sum() / (inside | wanted).sum()),
        "sdf_mae": float(np.abs(ours - true).mean()),
        "sign_error": float((inside != wanted).mean()),
    }
    for name, tolerance in (("iou", 5e-3), ("sdf_mae", 2e-3 * extent[0]), ("sign_error", 2e-3)):
        tried.expect(
            abs(printed.get(name, 9) - own[name]) < tolerance,
            f"{name}: {printed.get(name)}, by an own lattice {own[name]}",
        )
    tried.expect(metrics("shifted.obj").get("iou", 1) < 0.6, "the shifted shape has a high IoU")
    tried.expect(metrics("scaled.obj").get("iou", 1) < 0.05, "the scaled shape has a high IoU")


@case("shapes/42-html-page")
def html_page(tried: Case) -> None:
    made = trimesh.creation.torus(1.0, 0.35, major_sections=64, minor_sections=32)
    made.export(tried.path("t.obj"))
    tried.expect_done(fit(tried, "t.obj", "h.safetensors"))
    tried.expect_done(tried.inr("export", "h.safetensors", "-o", "h.html", "-f"))
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:  # the page cannot be drawn here: the mesh that it is made from is checked instead
        tried.expect_done(mesh(tried, "h.safetensors", "h.ply", "--resolution", "64"))
        expect_solid(tried, "h.ply", float(made.volume), 0.03)
        return
    words = ("--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
    place = f"file://{tried.path('h.html')}#bare"
    tried.run(browser, *words, "--window-size=500,500", "--virtual-time-budget=20000", "--screenshot=shot.png", place)
    from PIL import Image

    with Image.open(tried.path("shot.png")) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    drawn = np.abs(pixels - pixels[2, 2]).sum(axis=2) > 30
    tried.expect(0.05 < drawn.mean() < 0.95, f"the page draws {drawn.mean():.0%} of its pixels")


@case("shapes/43-overlap-defaults")
def overlap_defaults(tried: Case) -> None:
    fitted = tried.inr("fit", "overlap.obj", "-o", "m.safetensors", "--no-progress", "-f", timeout_s=1500)
    tried.expect_done(fitted)
    tried.expect("overlap" in fitted.err, f"the fit does not say that parts overlap: {fitted.err!r}")
    tried.expect_done(mesh(tried, "m.safetensors", "m.ply", "--resolution", "128"))
    expect_solid(tried, "m.ply", 6.56, 0.01)
