"""`python -m tests.fitting.make_golden`: model files of the current format version, and the values they render to.

Existing files are kept: later versions must open them.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inr.core.header import FORMAT_VERSION
from inr.fields import FIELDS
from inr.fitting import Fit
from inr.signals import Signal, load_signal
from inr.signals.analytic import demo
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from inr.signals.points import Points
from inr.signals.shape import Shape
from inr.signals.unsigned import Unsigned
from inr.signals.video import Video
from inr.workflows.distillation import distil
from inr.workflows.fit import fit
from tests.conformance.small import DEFAULT_SMALL, SMALL

FOLDER = Path(__file__).parent / "golden"
SIREN = {"type": "siren", "width": 8, "depth": 2}
TINY: dict[str, dict[str, Any]] = {
    "chebyshev": {"degree": [5]},
    "f_inr": {"width": 8, "assembly": {"type": "cp", "rank": 4}},
    "gaussian_image": {"encoding": {"n_gaussians": 20}},
    "neurbf": {"width": 8, "encoding": {"second": {"n_kernels": 20, "high": 64.0}}},
    "polyharmonic": {"encoding": {"first": {"kernel": "cubic", "n_centres": 20}}},
    "rbf": {"encoding": {"kernel": "inverse_multiquadric", "n_centres": 20, "overlap": 2.0}},
    "cam": {"width": 8, "encoding": {"type": "random_fourier", "n_frequencies": 8}, "block": {"vertices": 4}},
    "subspace": {
        "base": {"type": "mlp", "encoding": "identity", "activation": "sine", "width": 8, "depth": 2},
        "dimensions": 50,
    },
    "wire2d": {"width": 8, "depth": 2},
}
"""Settings of families whose forms in the conformance suite are larger than a file has to be here."""


def waves(*shape: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Values [*shape] from 0 to 1: sines of every axis."""
    axes = np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij")
    total = sum((np.sin(5 * (i + 1) * axis) for i, axis in enumerate(axes)), np.zeros(shape))
    values: np.ndarray[Any, np.dtype[np.float32]] = ((total / len(shape) + 1) / 2).astype(np.float32)
    return values


def family(name: str) -> Fit:
    """A family fitted to an array [6, 5] with 2 channels in 3 steps."""
    settings = dict(TINY.get(name) or SMALL.get(name, DEFAULT_SMALL)[0])
    if "width" in settings:
        settings["width"] = 8
    return fit(Array.of_array(waves(6, 5, 2), has_channels=True), {"type": name, **settings}, {"steps": 3})


def signals() -> Iterator[tuple[str, Signal, dict[str, Any]]]:
    """(name, signal, field): one of every kind, and what differs in their documents."""
    rgba = (255 * waves(6, 5, 4)).astype(np.uint8)
    rgba[0, 0, 3] = 0
    yield "picture-rgb8-icc", Image.of_pixels(rgba[..., :3], icc=b"a colour profile"), SIREN
    yield "picture-rgba8", Image.of_pixels(rgba), SIREN
    yield "picture-grey16", Image.of_pixels((65535 * waves(6, 5, 1)).astype(np.uint16)), SIREN
    yield "picture-float", Image.of_pixels(3 * waves(6, 5, 3) - 1), SIREN
    yield "sound-pcm16", Audio.of_samples(2 * waves(40, 2) - 1, 8000), SIREN
    yield "sound-float", Audio.of_samples(4 * waves(40, 1) - 2, 44100, "FLOAT"), SIREN
    yield "array-int16", Array.of_array((1000 * waves(4, 5, 3)).astype(np.int16)), SIREN
    yield "video", Video.of_frames((255 * waves(3, 6, 5, 3)).astype(np.uint8), 10.0), SIREN
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float64)
    faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    lipschitz = {"type": "lbdn", "width": 8, "depth": 2}
    yield "shape-mesh", Shape.of_mesh(vertices + 5, faces, n_points=64), lipschitz
    yield "shape-formula", demo("sphere"), SIREN
    yield "unsigned", Unsigned.of_mesh(vertices, faces[:2], n_points=64), SIREN
    yield "slices", _ball_of_slices(), SIREN
    directions = waves(20, 3).astype(np.float64) - 0.5
    normals = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    yield "points", Points(2 * normals, normals), SIREN


def _ball_of_slices() -> Signal:
    """A label map [8, 8, 8] of a ball."""
    place = np.stack(np.meshgrid(*[np.arange(8) - 3.5] * 3, indexing="ij"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ball.npy"
        np.save(path, (np.linalg.norm(place, axis=0) < 3).astype(np.uint8))
        return load_signal(path, "slices", {"method": "orex"})


def fits() -> Iterator[tuple[str, Callable[[], Fit]]]:
    """(name, how to make it) of every golden file."""
    for name in FIELDS:
        yield f"field-{name}", functools.partial(family, name)
    for name, signal, field in signals():
        yield name, functools.partial(fit, signal, field, {"steps": 3, "batch": 64})
    array = Array.of_array(waves(6, 5))
    yield "tracked", lambda: fit(array, SIREN, {"steps": 8, "track_ntk": 0.5})
    yield "float16", lambda: fit(array, SIREN, {"steps": 3, "dtype": "float16"})
    yield "distilled", lambda: distil(fit(array, SIREN, {"steps": 3}), {"type": "gauss", "width": 8, "depth": 2})


def rendered(model: Fit) -> dict[str, Any]:
    """The values of a model on a small lattice of its whole box, as JSON."""
    size = {1: (6,), 2: (4, 3), 3: (3, 2, 2)}[model.spec.d_in]
    values, meta = model.render(size=size)
    return {"size": list(size), "shape": list(values.shape), "values": values.ravel().tolist(), "meta": meta}


def main() -> None:
    folder = FOLDER / f"v{FORMAT_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "manifest.json"
    manifest = json.loads(listed.read_text("utf-8")) if listed.exists() else {}
    for name, made in fits():
        if name in manifest:
            continue
        model = made()
        data = model.to_bytes()
        (folder / f"{name}.safetensors").write_bytes(data)
        manifest[name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "kind": model.spec.kind,
            "field": model.field.config.type_name,
            "rendered": rendered(model),
        }
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(manifest.items())]
    listed.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
