"""Exported files: they run without inr, are equal for equal fits, and are written whole; refusals give a reason."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import inr
from inr.core.config import parse
from inr.core.domain import Domain, Frame, Spec
from inr.core.errors import UnavailableError, UsageError
from inr.exporters import EXPORTERS, Exporter, export, exporter_for
from inr.fitting import Fit
from tests.exporters import runtimes
from tests.exporters.fits import assert_agrees, encoded, fit_of, points

SIREN = {"type": "siren", "width": 12, "depth": 2}
GRID = {"type": "hash_grid", "encoding": {"levels": 3, "log2_table": 6, "finest": [24]}, "width": 16}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage: python a.py POINTS.npy VALUES.npy"),
        (["--help"], "usage: python a.py POINTS.npy VALUES.npy"),
        (["none.npy", "y.npy"], "error: "),
        (["wide.npy", "y.npy"], "error: points have the shape (4, 5), expected [N, 2]"),
    ],
)
def test_the_script_used_wrongly_prints_its_usage_in_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    export(fit_of(SIREN), tmp_path / "a.py")
    np.save(tmp_path / "wide.npy", np.zeros((4, 5)))
    done = subprocess.run([sys.executable, "a.py", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize("document", [SIREN, GRID], ids=["siren", "hash grid"])
def test_the_script_needs_numpy_alone(document: dict[str, object], tmp_path: Path) -> None:
    fit, x = fit_of(document), points()
    paths = export(fit, tmp_path / "photo.py")
    assert [path.name for path in paths] == ["photo.py", "photo.npz"]
    np.save(tmp_path / "x.npy", x.numpy())
    code = "import numpy as np; from photo import load\nnp.save('y.npy', load('photo.npz')(np.load('x.npy')))\n"
    code += "assert 'torch' not in sys.modules\n"
    runtimes.elsewhere("sys.path.insert(0, '.')\n" + code, tmp_path)
    assert_agrees(fit, np.load(tmp_path / "y.npy"), x)
    runtimes.elsewhere("import runpy; runpy.run_path('photo.py', run_name='__main__')", tmp_path, "x.npy", "z.npy")
    assert np.array_equal(np.load(tmp_path / "z.npy"), np.load(tmp_path / "y.npy"))


@pytest.mark.parametrize("document", [SIREN, GRID], ids=["siren", "hash grid"])
@pytest.mark.slow
def test_pt2_loads_where_inr_cannot_be_imported(document: dict[str, object], tmp_path: Path) -> None:
    fit, x = fit_of(document), points()
    export(fit, tmp_path / "photo.pt2")
    np.save(tmp_path / "x.npy", x.numpy())
    code = (
        "import json, numpy as np, torch\n"
        "about = {'inr.json': ''}\n"
        "field = torch.export.load('photo.pt2', extra_files=about).module()\n"
        "assert 'siren' in about['inr.json'] or 'hash_grid' in about['inr.json']\n"
        "np.save('y.npy', field(torch.from_numpy(np.load('x.npy'))).numpy())\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'inr']\n"
    )
    runtimes.elsewhere(code, tmp_path)
    assert_agrees(fit, np.load(tmp_path / "y.npy"), x)


@pytest.mark.parametrize("name", ["onnx", "pt2", "numpy", "glsl", "wgsl", "safetensors"])
def test_equal_fits_are_equal_bytes(name: str) -> None:
    exporter = EXPORTERS[name]()
    one, two = (exporter.encode(fit_of(SIREN), exporter.suffixes[0]).files for _ in range(2))
    assert one == two
    other = exporter.encode(fit_of(SIREN, seed=1), exporter.suffixes[0]).files
    assert other != one


def test_the_rendering_of_a_picture_is_what_onnx_gives(tmp_path: Path) -> None:
    fit = inr.fit("analytic:zone-plate", {"type": "siren", "width": 16, "depth": 2}, {"steps": 3, "batch": 512})
    values, _ = fit.render()
    rows, columns = values.shape[:2]
    y, x = np.mgrid[0:rows, 0:columns]
    x = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], -1).reshape(-1, 2).astype(np.float32)
    (path,) = export(fit, tmp_path / "a.onnx")
    found = runtimes.onnx(path.read_bytes(), x).reshape(values.shape)
    assert np.abs(found - values).max() <= 1e-5


def test_large_constants_of_onnx_are_written_as_small_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fit_of({"type": "hash_grid", "encoding": {"type": "hash_grid", "log2_table": 10}})
    plain = encoded("onnx", fit, coordinates="signal").main
    for least in (0, 64):
        monkeypatch.setattr("inr.exporters.onnx.LARGE", least)
        assert encoded("onnx", fit, coordinates="signal").main == plain


def test_onnx_files_describe_themselves() -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(encoded("onnx", fit_of(SIREN), coordinates="signal").main)
    properties = {p.key: p.value for p in model.metadata_props}
    assert properties["opset"] == "18"
    assert properties["coordinates"] == "signal"
    assert "'siren'" in properties["about"]
    assert {node.domain for node in model.graph.node} == {""}


def test_a_hash_in_32_bits_is_the_hash() -> None:
    fit = fit_of(GRID, 3)
    x = points(500, 3)
    assert_agrees(fit, runtimes.onnx(encoded("onnx", fit).main, x.numpy()), x)
    model = pytest.importorskip("onnx").load_model_from_string(encoded("onnx", fit).main)
    integers = {c.data_type for c in model.graph.initializer if c.name in _inputs_of(model, "Mul", "BitwiseAnd", "Mod")}
    assert 7 not in integers  # int64


def _inputs_of(model: object, *kinds: str) -> set[str]:
    return {name for node in model.graph.node if node.op_type in kinds for name in node.input}  # type: ignore[attr-defined]


def test_safetensors_is_the_model_file_and_can_be_folded(tmp_path: Path) -> None:
    fit = fit_of({"type": "mlp", "width": 8, "depth": 2, "linear": "weight_norm"})
    assert encoded("safetensors", fit).main == fit.to_bytes()
    export(fit, tmp_path / "a.safetensors", parse(Exporter, {"type": "safetensors", "fold": True}))
    folded = Fit.load(tmp_path / "a.safetensors")
    assert folded.field.config.linear.type_name == "dense"  # type: ignore[attr-defined]
    assert_agrees(fit, folded(points()), points())


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.core.optional.probe", lambda name: ImportError(f"No module named {name!r}"))
    with pytest.raises(UnavailableError, match="ONNX needs the package 'onnx'") as caught:
        encoded("onnx", fit_of(SIREN))
    assert caught.value.hint == "pip install inr[export]"


def test_formats_go_by_name_and_by_suffix() -> None:
    for name in EXPORTERS:
        assert exporter_for(name)[0] is EXPORTERS[name]
        for suffix in EXPORTERS[name].suffixes:
            assert (exporter_for(suffix) == (EXPORTERS[name], suffix)) == EXPORTERS[name].is_for_suffix
    with pytest.raises(UsageError, match=r"unknown format 'onx' \(did you mean 'onnx'\?\)"):
        exporter_for("onx")


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"a\.npz' exists"):
        export(fit_of(SIREN), tmp_path / "a.py")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz"]
    export(fit_of(SIREN), tmp_path / "a.py", force=True)
    assert (tmp_path / "a.npz").read_bytes() != b"mine"
    with pytest.raises(UsageError, match="does not exist"):
        export(fit_of(SIREN), tmp_path / "no" / "a.onnx")
    with pytest.raises(UsageError, match=r"has the suffix of an auxiliary file"):
        export(fit_of(SIREN), tmp_path / "b.npz", "numpy")


def _ball() -> Fit:
    spec = Spec("shape", 3, 1)
    frame = Frame(Domain((-1.0,) * 3, (1.0,) * 3, ("x", "y", "z"), "units"), (0.0,), (2.0,))
    fit = fit_of({"type": "chebyshev", "degree": [2]}, 3, 1)
    coefficients = fit.field.state_dict()["coefficients"]  # |u|^2 - 1/2 in T_k: u^2 = (T_2 + 1) / 2
    coefficients.zero_()
    coefficients[0, 0, 0, 0] = 1.0
    coefficients[2, 0, 0, 0] = coefficients[0, 2, 0, 0] = coefficients[0, 0, 2, 0] = 0.5
    return dataclasses.replace(fit, spec=spec, frame=frame)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_meshes_carry_the_colours_of_another_fit(suffix: str, tmp_path: Path) -> None:
    import trimesh

    colours = fit_of({"type": "mlp", "encoding": "identity", "depth": 0}, 3, 3)
    state, scale = colours.field.state_dict(), torch.tensor(colours.frame.scale)  # the colour of a place is the place
    state["body.last.weight"].copy_(torch.diag(0.5 / scale))
    state["body.last.bias"].copy_((0.5 - torch.tensor(colours.frame.offset)) / scale)
    colours.save(tmp_path / "colours.safetensors")
    settings = {"resolution": 12, "colors": str(tmp_path / "colours.safetensors")}
    ball = _ball()
    offset = dataclasses.replace(ball, frame=dataclasses.replace(ball.frame, offset=(-1.5,)))
    data = encoded("mesh", offset, suffix, **settings).main
    mesh = trimesh.load_mesh(io.BytesIO(data), file_type=suffix[1:], process=False, maintain_order=True)
    found = np.asarray(mesh.visual.vertex_colors)[:, :3].astype(float)
    assert np.abs(found - 255 * (np.asarray(mesh.vertices) + 1) / 2).max() <= 0.51
    assert "STL stores no vertex colours" in " ".join(encoded("mesh", offset, ".stl", **settings).notes)
    fit_of(SIREN).save(tmp_path / "flat.safetensors")
    with pytest.raises(UsageError, match="colours need a field from 3 coordinates") as caught:
        encoded("mesh", offset, suffix, resolution=12, colors=str(tmp_path / "flat.safetensors"))
    assert "`signal.channels=last`" in str(caught.value.hint)
    with pytest.raises(UsageError, match="a mesh needs a field from 3 coordinates to 1 value"):
        encoded("mesh", fit_of(SIREN))
