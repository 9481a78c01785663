"""napari's reader: what it gives for every golden file, and that its manifest is one (npe2, where it is installed)."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import inr.plugins
from inr.codec import decompress
from inr.plugins.napari import get_reader, read

GOLDEN = Path(__file__).parents[1] / "codec" / "golden"
MANIFEST = Path(str(inr.plugins.__file__)).with_name("napari.yaml")


def test_other_files_have_no_reader() -> None:
    assert get_reader("a.png") is None
    assert get_reader([]) is None
    assert get_reader(["a.inrz", "b.png"]) is None
    assert get_reader(["A.INRZ", "b.inrz"]) is read


@pytest.mark.parametrize(
    ("name", "kind"),
    [("pyramid-image", "image"), ("grids-video", "image"), ("weights-audio", "shapes"), ("weights-shape", "surface")],
)
def test_layers(name: str, kind: str) -> None:
    ((data, about, found),) = read(str(GOLDEN / f"{name}.inrz"))
    assert (found, about["name"]) == (kind, name)
    if kind == "image":
        assert about["rgb"]
        assert np.array_equal(data, np.clip(decompress(GOLDEN / f"{name}.inrz").values(), 0, 1))
    elif kind == "surface":
        vertices, faces, values = data
        assert faces.max() < len(vertices) == len(values)
    else:
        assert data[0].shape == (decompress(GOLDEN / f"{name}.inrz").values().shape[0], 2)


def test_channels_of_arrays_are_layers() -> None:
    ((data, about, _),) = read(GOLDEN / "grids-array.inrz")
    values = decompress(GOLDEN / "grids-array.inrz").values()
    assert data.ndim == values.ndim - ("channel_axis" not in about)


def test_the_manifest_names_the_reader() -> None:
    text = MANIFEST.read_text()
    assert f"python_name: {get_reader.__module__}:{get_reader.__name__}" in text
    assert {point.value for point in entry_points(group="napari.manifest") if point.name == "inr"} <= {
        "inr.plugins:napari.yaml"
    }


def test_napari_s_engine_validates_the_manifest_and_reads_every_golden_file_by_it() -> None:
    npe2 = pytest.importorskip("npe2", reason="npe2 is not installed; the manifest is not validated")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    done = subprocess.run([sys.executable, "-m", "npe2", "validate", str(MANIFEST)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "valid" in done.stdout
    manager = npe2.PluginManager.instance()
    manager.register(manifest)
    for path in sorted(GOLDEN.glob("*.inrz")):
        layers = npe2.read([str(path)], stack=False)
        expected = read(path)
        assert [kind for *_, kind in layers] == [kind for *_, kind in expected]
        for (data, about, _), (own, told, _) in zip(layers, expected, strict=True):
            assert about["name"] == told["name"]
            assert all(np.array_equal(a, b) for a, b in zip(data, own, strict=True))
