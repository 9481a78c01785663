"""Mesh files that people bring: dialects, damage, scenes, pipes, tiny and far coordinates; and written meshes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from _user_cases._case import Case, Result, case

SHORT = (
    "--field",
    "siren",
    "--steps",
    "2",
    "--set",
    "signal.points=1024",
    "--no-progress",
    "-f",
    "-o",
    "m.safetensors",
)
MODERATE = ("--steps", "300", "--batch", "8192", "--set", "signal.points=131072", "--no-progress", "-f")
LOOK = """
import json, sys
import numpy as np
import inr
from inr.core.errors import InrError
for name in sys.argv[1:]:
    try:
        shape = inr.load_signal(name)
    except InrError as error:
        found = {"error": str(error), "code": error.exit_code}
    else:
        vertices, faces = shape.mesh
        corners = vertices[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        found = {
            "low": vertices.min(0).tolist(), "high": vertices.max(0).tolist(), "faces": len(faces),
            "closed": bool(shape.meta["is_watertight"]), "notes": shape.notes,
            "volume": float(np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6),
            "area": float(np.linalg.norm(normals, axis=1).sum() / 2),
        }
    print(json.dumps(found))
"""
MEASURE = """
import json, sys
import numpy as np
import trimesh
for name in sys.argv[1:]:
    mesh = trimesh.load_mesh(name, process=False)
    mesh = mesh.to_geometry() if hasattr(mesh, "to_geometry") else mesh
    t = np.asarray(mesh.triangles, float)
    centre = (mesh.bounds[0] + mesh.bounds[1]) / 2
    size = float(np.ptp(mesh.bounds, axis=0).max())
    u = (t - centre) / size
    welded = np.unique(np.asarray(t, "f4").reshape(-1, 3), axis=0, return_inverse=True)[1].reshape(-1, 3)
    edges = np.sort(np.concatenate([welded[:, [0, 1]], welded[:, [1, 2]], welded[:, [2, 0]]]), axis=1)
    print(json.dumps({
        "low": mesh.bounds[0].tolist(), "high": mesh.bounds[1].tolist(), "size": size,
        "volume": float(np.einsum("fi,fi->", u[:, 0], np.cross(u[:, 1], u[:, 2])) / 6),
        "closed": bool((np.unique(edges, axis=0, return_counts=True)[1] % 2 == 0).all()),
    }))
"""
BOX = ((0, 0, 0), (1, 2, 3))


def loaded(tried: Case, *names: str) -> dict[str, dict[str, Any]]:
    """The shape that each file is loaded as, by the call of `inr fit`."""
    done = tried.run("python", "-c", LOOK, *names)
    tried.expect(done.code == 0, f"loading {names} ended with {done.code}: {done.err[-300:]}")
    return dict(zip(names, map(json.loads, done.out.splitlines()), strict=False))


def measure(tried: Case, *names: str) -> dict[str, dict[str, Any]]:
    """Bounds, and volume in units of the largest side, of written meshes, read by another program."""
    done = tried.run("python", "-W", "ignore", "-c", MEASURE, *names)
    tried.expect(done.code == 0, f"measuring {names} ended with {done.code}: {done.err[-300:]}")
    return dict(zip(names, map(json.loads, done.out.splitlines()), strict=False))


def expect_bounds(tried: Case, name: str, found: dict[str, Any], low: Any, high: Any, faces: int | None = None) -> None:
    if not tried.expect("low" in found, f"{name}: {found.get('error', 'not loaded')}"):
        return
    near = np.allclose(found["low"], low, atol=1e-4) and np.allclose(found["high"], high, atol=1e-4)
    tried.expect(near, f"{name}: bounds {found['low']} to {found['high']}, expected {low} to {high}")
    if faces is not None:
        tried.expect(found["faces"] == faces, f"{name}: {found['faces']} faces, expected {faces}")


def fit(tried: Case, name: str, *more: str, stdin: bytes | None = None) -> Result:
    return tried.inr("fit", name, *SHORT, *more, stdin=stdin)


def expect_not_read(tried: Case, name: str, *words: str) -> None:
    """`inr fit` refuses the file, with exit code 3, one line and no model."""
    tried.expect_refused(fit(tried, name), 3, *words)
    tried.expect(not tried.path("m.safetensors").exists(), f"{name}: a model was written")


def expect_boxes(tried: Case, names: list[str], *, faces: dict[str, int] | None = None) -> None:
    found = loaded(tried, *names)
    for name in names:
        expect_bounds(tried, name, found.get(name, {}), *BOX)
        tried.expect(found.get(name, {}).get("closed"), f"{name}: not closed")
        if faces and name in faces:
            tried.expect(found[name]["faces"] == faces[name], f"{name}: {found[name]['faces']} faces")


@case("shapes/01-glb-instances-mirrored")
def glb_instances(tried: Case) -> None:
    found = loaded(tried, "scene.glb")["scene.glb"]
    expect_bounds(tried, "scene.glb", found, (-0.5, -1, -3), (12, 11, 3), 36)
    tried.expect(abs(found["volume"] - 60) < 1e-3, f"volume {found['volume']}, expected 60")
    tried.expect_done(fit(tried, "scene.glb"))


@case("shapes/03-glb-meshopt")
def glb_meshopt(tried: Case) -> None:
    expect_not_read(tried, "a.glb", "EXT_meshopt_compression")


@case("shapes/04-glb-quantized")
def glb_quantised(tried: Case) -> None:
    expect_bounds(tried, "a.glb", loaded(tried, "a.glb")["a.glb"], (-2, -1, 0), (4, 5, 6))
    tried.expect_done(tried.inr("fit", "a.glb", "-o", "m.safetensors", *MODERATE))
    tried.expect_done(tried.inr("mesh", "m.safetensors", "-o", "m.ply", "--resolution", "64", "-f"))
    made = measure(tried, "m.ply")["m.ply"]
    near = np.allclose(made["low"], (-2, -1, 0), atol=0.1) and np.allclose(made["high"], (4, 5, 6), atol=0.1)
    tried.expect(near, f"mesh from {made['low']} to {made['high']}")


@case("shapes/06-obj-negative-indices")
def obj_relative(tried: Case) -> None:
    names = ["pos.obj", "neg.obj", "inter.obj"]
    for name, found in loaded(tried, *names).items():
        expect_bounds(tried, name, found, (-0.5,) * 3, (5.5, 0.5, 0.5), 24)
        tried.expect(found.get("closed"), f"{name}: not watertight")
        tried.expect(not found.get("notes"), f"{name}: {found.get('notes')}")
    tried.expect_done(fit(tried, "inter.obj"))


@case("shapes/07-obj-concave-ngon")
def obj_concave(tried: Case) -> None:
    found = loaded(tried, "ell.obj")["ell.obj"]
    tried.expect(abs(found["area"] - 14) < 1e-9, f"area {found['area']}, expected 14")
    tried.expect(abs(found["volume"] - 3) < 1e-9, f"volume {found['volume']}, expected 3")
    code = (
        "import inr, torch; s = inr.load_signal('ell.obj'); "
        "p = torch.tensor([[1.5, 1.5, .5], [.5, 1.5, .5], [1.3, 1.3, .99]], dtype=torch.float64); "
        "print(*s.distance(s.frame.domain.to_unit(p))[:, 0].tolist())"
    )
    done = tried.run("python", "-c", code)
    distances = list(map(float, done.out.split()))
    right = np.allclose(distances, [0.5, -0.5, 0.3], atol=1e-6) if len(distances) == 3 else False
    tried.expect(right, f"distances {distances}, expected 0.5, -0.5 and 0.3")
    tried.expect_done(tried.inr("fit", "ell.obj", "-o", "m.safetensors", *MODERATE))
    tried.expect_done(tried.inr("mesh", "m.safetensors", "-o", "m.ply", "--resolution", "96", "-f"))
    made = measure(tried, "m.ply")["m.ply"]
    volume = made["volume"] * made["size"] ** 3
    tried.expect(abs(volume - 3) < 0.1, f"volume of the mesh {volume}, expected 3")


@case("shapes/08-obj-dialects")
def obj_dialects(tried: Case) -> None:
    names = sorted(path.name for path in tried.folder.glob("*.obj"))
    expect_boxes(tried, names)
    for name in ("tabs.obj", "latin1.obj", "bom.obj"):
        tried.expect_done(fit(tried, name))


@case("shapes/09-obj-no-faces")
def no_faces(tried: Case) -> None:
    for path in sorted(tried.folder.iterdir()):
        if path.suffix in (".obj", ".stl", ".off", ".glb"):
            done = fit(tried, path.name)
            tried.expect_refused(done, 3)
            tried.expect("has no faces" in done.err or "is empty" in done.err, f"{path.name}: {done.err}")
            tried.expect("--kind points" not in done.err, f"{path.name}: a hint that does not work: {done.err}")
    tried.expect(not tried.path("m.safetensors").exists(), "a model was written")


@case("shapes/10-stl-dialects")
def stl_dialects(tried: Case) -> None:
    names = sorted(path.name for path in tried.folder.iterdir() if path.suffix.lower() == ".stl")
    damaged = ["longcount.stl", "truncated.stl"]
    expect_boxes(tried, [name for name in names if name not in damaged])
    expect_not_read(tried, "longcount.stl", "4000000000", "12")
    expect_not_read(tried, "truncated.stl", "12 triangles", "hold 10")
    tried.expect_done(fit(tried, "UPPER.STL"))


@case("shapes/13-off-dialects")
def off_dialects(tried: Case) -> None:
    expect_boxes(tried, sorted(path.name for path in tried.folder.glob("*.off")))
    tried.expect_done(fit(tried, "modelnet.off"))


@case("shapes/20-utm")
def utm(tried: Case) -> None:
    place = np.array([500000, 4000000, 120])
    tried.expect_done(tried.inr("fit", "utm.obj", "-o", "m.safetensors", *MODERATE))
    names = ["m.ply", "m.obj", "m.glb", "m.stl"]
    for name in names:
        done = tried.inr("mesh", "m.safetensors", "-o", name, "--resolution", "64", "-f")
        tried.expect_done(done)
        tried.expect(("float32" in done.err) == (name == "m.stl"), f"{name}: {done.err}")
        tried.expect("PLY, OBJ and GLB keep them" in done.err or name != "m.stl", f"{name}: {done.err}")
    for name, made in measure(tried, *names).items():
        centre = (np.array(made["low"]) + made["high"]) / 2
        worst = np.abs(centre - place).max()
        tried.expect(worst < (0.3 if name == "m.stl" else 0.05), f"{name}: centre {centre}, expected {place}")
        volume = made["volume"] * made["size"] ** 3
        if name != "m.stl":
            tried.expect(abs(volume / 523.6 - 1) < 0.03, f"{name}: volume {volume}, expected 523")
            tried.expect(made["closed"] or name == "m.obj", f"{name}: not closed")
    done = tried.inr("eval", "m.safetensors", "utm.obj", "--json")
    iou = done.json["models"][0]["metrics"]["iou"] if done.json.get("models") else 0
    tried.expect(iou > 0.97, f"iou {iou}")
    tried.expect_done(tried.inr("export", "m.safetensors", "-o", "m.py", "--set", "coordinates=signal", "-f"))
    points = place + np.array([[5.4, 0, 0], [0, 4, 0], [0, 0, 5]])
    np.save(tried.path("x.npy"), points)
    tried.expect(tried.run("python", "m.py", "x.npy", "y.npy").code == 0, "the exported script failed")
    distances = np.load(tried.path("y.npy"))[:, 0]
    tried.expect(np.allclose(distances, [0.4, -1, 0], atol=0.1), f"the script gives {distances}, expected 0.4, -1, 0")
    usage = tried.run("python", "m.py", "--help")
    tried.expect(usage.err.startswith("usage: ") and "Traceback" not in usage.err, f"m.py --help: {usage.err[:200]}")


def sized(tried: Case, size: float) -> None:
    """A ball of this radius comes back in its units in every format."""
    tried.expect_done(tried.inr("fit", "s.obj", "-o", "m.safetensors", *MODERATE))
    names = ["m.ply", "m.obj", "m.stl", "m.glb"]
    for name in [*names, "m.png"]:
        tried.expect_done(tried.inr("mesh", "m.safetensors", "-o", name, "--resolution", "64", "-f", "-q"))
    for name, made in measure(tried, *names).items():
        ends = np.array([made["low"], made["high"]]) / size
        tried.expect(np.abs(np.abs(ends) - 1).max() < 0.02, f"{name}: bounds / s {ends.tolist()}")
        volume = made["volume"] * (made["size"] / size) ** 3
        tried.expect(abs(volume / 4.15 - 1) < 0.03, f"{name}: volume / s^3 {volume}")
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    length = np.linalg.norm(np.fromfile(tried.path("m.stl"), record, offset=84)["normal"], axis=1)
    tried.expect(np.abs(length - 1).max() < 1e-4, f"{int((length < 0.5).sum())} facet normals are zero")
    done = tried.inr("eval", "m.safetensors", "s.obj", "--json")
    iou = done.json["models"][0]["metrics"]["iou"] if done.json.get("models") else 0
    tried.expect(iou > 0.9, f"iou {iou}")


@case("shapes/21-tiny-1e-6")
def tiny(tried: Case) -> None:
    sized(tried, 1e-6)


@case("shapes/22-tiny-1e-12")
def very_tiny(tried: Case) -> None:
    sized(tried, 1e-12)


@case("shapes/23-huge-1e9")
def huge(tried: Case) -> None:
    sized(tried, 1e9)


@case("shapes/33-export")
def export(tried: Case) -> None:
    tried.expect_done(tried.inr("fit", "t.obj", "-o", "h.safetensors", *MODERATE))
    tried.expect_done(tried.inr("fit", "t.obj", *SHORT, "--set", "field.width=48", "--set", "field.depth=2"))
    for form in ("onnx", "py", "glsl", "wgsl", "html"):
        tried.expect_done(tried.inr("export", "m.safetensors", "-o", f"m.{form}", "-f"))
    names = [f"h.{form}" for form in ("ply", "obj", "glb", "stl")]
    for name in names:
        tried.expect_done(tried.inr("export", "h.safetensors", "-o", name, "--set", "resolution=96", "-f"))
    found_width = 0.0
    for name, made in measure(tried, *names).items():
        found_width = made["high"][0] - made["low"][0]
        centre, volume = (np.array(made["low"]) + made["high"]) / 2, made["volume"] * made["size"] ** 3
        tried.expect(np.allclose(centre, (3, -1, 2), atol=0.05), f"{name}: centre {centre}")
        tried.expect(abs(volume / 4.65 - 1) < 0.04, f"{name}: volume {volume}, expected 4.6 to 4.8")
        tried.expect(made["closed"] or name == "h.obj", f"{name}: not closed")
    for setting in ("level=-9", "resolution=1", "resolution=3"):
        done = tried.inr("export", "h.safetensors", "-o", "e.ply", "--set", setting, "-f")
        tried.expect_refused(done, 1 if setting == "level=-9" else 2)
        tried.expect(setting == "level=-9" or ">= 4" in done.err, f"{setting}: {done.err}")
    tried.expect(not tried.path("e.ply").exists(), "an empty mesh was written")
    for level in (0.9, 9.0):  # beyond the box of the model
        words = ("--set", f"level={level}", "--set", "resolution=64")
        larger = tried.inr("export", "h.safetensors", "-o", "c.ply", *words, "-f")
        tried.expect_done(larger)
        tried.expect("a larger one was taken" in larger.err, f"level {level}: no note on the box: {larger.err}")
        made = measure(tried, "c.ply")["c.ply"]
        width = made["high"][0] - made["low"][0]
        tried.expect(made["closed"], f"level {level}: not closed")
        tried.expect(abs(width / (found_width + 2 * level) - 1) < 0.02, f"level {level}: {width} wide")
    tried.expect_refused(
        tried.inr("export", "m.safetensors", "-o", "c.onnx", "--colors", "m.safetensors"), 2, "--colors"
    )
    tried.expect_done(tried.inr("report", "m.safetensors", "h.safetensors", "--signal", "t.obj", "-o", "r.html", "-f"))
    bare = tried.run("python", "m.py")
    tried.expect(bare.err.startswith("usage: ") and bare.code == 1, f"m.py without arguments: {bare.err[:200]}")


@case("shapes/35-stdin")
def piped(tried: Case) -> None:
    few = ("--steps", "2", "--set", "signal.points=1024", "--no-progress", "-f", "-q", "-o", "m.safetensors")
    for name in ("bin.stl", "solid.stl", "s.obj", "ascii.stl", "s.glb", "s.off", "s.ply"):
        data = tried.path(name).read_bytes()
        kinds: tuple[tuple[str, ...], ...] = ((), ("--kind", "shape")) if name == "bin.stl" else ((),)
        for kind in kinds:
            tried.expect_done(tried.inr("fit", "-", *kind, *few, stdin=data))
    points = tried.path("c.xyz").read_bytes()
    cloud = ("--steps", "2", "--no-progress", "-f", "-q", "-o", "m.safetensors")
    tried.expect_done(tried.inr("fit", "-", "--kind", "points", *cloud, stdin=points))
    plain = tried.inr("fit", "-", *cloud, stdin=points)
    tried.expect(plain.code == 0 or "--kind" in plain.err, f"c.xyz from a pipe: {plain.err[:200]}")


@case("shapes/39-glb-more")
def glb_more(tried: Case) -> None:
    half = np.array([0.5, 1, 1.5])
    ten = np.array([10, 0, 0])
    expected = {
        "stride.glb": (-half, half, 12),
        "gpuinst.glb": (-half, half + ten, 24),
        "sparse.glb": (ten - half, ten + half, 12),
        "u8norm.glb": (-half, half, 12),
        "morph.glb": (-half, half, 12),
        "two_scenes.glb": (ten - half, ten + half, 12),
        "skinned_scale.glb": (-half, half, 12),
    }
    found = loaded(tried, *expected)
    for name, (low, high, faces) in expected.items():
        expect_bounds(tried, name, found.get(name, {}), low, high, faces)
    mixed = loaded(tried, "mixed.glb")["mixed.glb"]
    is_told = mixed.get("faces") == 15 or "3 faces" in str(mixed.get("notes"))
    tried.expect(is_told, f"mixed.glb: the fan is lost without a word: {mixed}")
    tried.expect("scene" in str(found.get("two_scenes.glb", {}).get("notes")), "the other scene is not mentioned")
    expect_not_read(tried, "external.glb", "gone.bin")


@case("shapes/41-more-dialects")
def more_dialects(tried: Case) -> None:
    refused = {
        "zero_based.obj": ("line 9", "index 0"),
        "short_faces.ply": ("9 of the 12",),
        "short.off": ("9 of its 12 faces",),
        "cut.stl": ("facet 11",),
        "badidx.ply": ("index 99",),
        "negidx.ply": ("index -1",),
        "negidx.off": ("vertex -1",),
        "nan.stl": ("nan",),
        "nan_text.obj": ("nan",),
        "too_high_text.obj": ("line 21", "500"),
        "points_vn.obj": ("has no faces", "hint"),
        "comma_decimal.obj": ("0,5", "decimal point"),
    }
    for name, words in refused.items():
        expect_not_read(tried, name, *words)
    others = {"pentagon.obj", "two_objects.obj", *refused}
    suffixes = (".obj", ".ply", ".off", ".stl")
    names = sorted(p.name for p in tried.folder.iterdir() if p.suffix in suffixes and p.name not in others)
    found = loaded(tried, "two_objects.obj", "pentagon.obj", "tri_and_quad.obj", "mixed_ascii.ply")
    expect_boxes(tried, [name for name in names if name not in found])
    error = str(found["mixed_ascii.ply"].get("error"))  # a side of the box is missing, another is there twice
    tried.expect("is open" in error, f"mixed_ascii.ply: {error}")
    tried.expect(found["two_objects.obj"].get("faces") == 24, "two_objects.obj: not 24 faces")
    tried.expect(found["pentagon.obj"].get("closed"), "pentagon.obj: not closed")
    expect_bounds(tried, "tri_and_quad.obj", found["tri_and_quad.obj"], *BOX)
    tried.expect_done(fit(tried, "indented.obj"))
