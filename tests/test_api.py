"""The public functions: their examples run, their types are as declared, and a field is a plain module."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
import pytest
import torch
from imageio.v3 import imwrite
from skimage import data, transform

import inr
from inr.codec import Compressed, Decoded, inspect
from inr.codec.decode import Inspected
from inr.core.errors import ConfigError, UsageError
from inr.exporters import export
from inr.mesh import MeshResult
from inr.ntk import Report
from inr.ntk.suggest import Suggestion, suggest
from inr.signals import load_signal

EXAMPLES = [
    inr.fit, inr.load, inr.build_field, inr.extract_mesh, inr.Fit.render, inr.load_signal,
    inr.compress, inr.decompress, inr.ntk_report, inspect, export, suggest,
]  # fmt: skip


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Changes to a folder with photo.png, 96x64."""
    monkeypatch.chdir(tmp_path)
    small = transform.resize(data.astronaut()[:256, :384], (64, 96), anti_aliasing=True)
    imwrite(tmp_path / "photo.png", (small * 255).astype(np.uint8))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("function", EXAMPLES, ids=lambda f: f.__qualname__)
def test_examples_of_docstrings_run(function: Any, photo: Path) -> None:
    (test,) = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs={})
    assert test.examples, f"{function.__name__} has no example"
    printed: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(test, out=printed.append).failed == 0, "".join(printed)


@pytest.mark.parametrize("function", EXAMPLES, ids=lambda f: f.__qualname__)
def test_docstrings_state_what_is_raised(function: Any) -> None:
    assert "Raises:" in (function.__doc__ or "")


def test_functions_of_models_read_compressed_ones() -> None:
    path = Path(__file__).parent / "codec" / "golden" / "weights-shape.inrz"
    fit = inr.load(path)
    for from_path, from_fit in (
        (inr.extract_mesh(path, 16), inr.extract_mesh(fit, 16)),
        (inr.extract_mesh(inr.csg("a", {"a": path}), 16), inr.extract_mesh(inr.csg("a", {"a": fit}), 16)),
    ):
        assert len(from_path.faces)
        np.testing.assert_array_equal(from_path.vertices, from_fit.vertices)


def test_types_are_what_they_say() -> None:
    """mypy also checks this file and sees these types; with `py.typed` users see them as well."""
    if TYPE_CHECKING:
        fit = assert_type(inr.fit("photo.png", "siren", {"steps": 1}), inr.Fit)
        assert_type(inr.load("a.safetensors"), inr.Fit)
        assert_type(fit.field, inr.Field)
        assert_type(inr.compress("photo.png"), Compressed)
        assert_type(inr.decompress(b""), Decoded)
        assert_type(inspect(b""), Inspected)
        assert_type(inr.extract_mesh(fit), MeshResult)
        assert_type(inr.ntk_report("photo.png"), Report)
        assert_type(suggest(load_signal("photo.png")), Suggestion)
    assert (Path(inr.__file__).parent / "py.typed").exists()


def test_the_public_list_is_what_dir_shows_and_every_name_is_there() -> None:
    code = (
        "import sys, inr; print(sorted(n for n in dir(inr) if n in inr.__all__) == inr.__all__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
    assert all(getattr(inr, name) is not None for name in inr.__all__)


def test_a_field_is_a_plain_module() -> None:
    field = inr.build_field("hash_grid", 2, 3, shape=(16, 16))
    assert isinstance(field, torch.nn.Module)
    twin = inr.build_field("hash_grid", 2, 3, shape=(16, 16), seed=1)
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(field(x), twin(x))
    twin.load_state_dict(field.state_dict())
    assert torch.equal(field(x), twin(x))
    assert sum(p.numel() for p in field.parameters()) == field.n_params
    assert next(field.to(torch.float64).parameters()).dtype == torch.float64


def test_building_a_field_leaves_torchs_seed_alone() -> None:
    before = torch.get_rng_state()
    assert torch.equal(*(inr.build_field("siren", 1, 1).state_dict()["body.last.weight"] for _ in range(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_bad_fields_are_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'siren'"):
        inr.build_field("sirn", 2, 3)
    with pytest.raises(ConfigError, match="needs samples on a lattice"):
        inr.build_field("local_cosine", 2, 3)
    with pytest.raises(ConfigError, match="width is 0"):
        inr.build_field({"type": "siren", "width": 0}, 2, 3)


def test_rendering_takes_options_or_a_view() -> None:
    from inr.signals import View

    fit = inr.fit("analytic:zone-plate", {"type": "siren", "width": 8, "depth": 1}, {"steps": 1})
    by_option, _ = fit.render(scale=0.25)
    by_view, _ = fit.render(View(scale=0.25))
    assert np.array_equal(by_option, by_view)
    both, _ = fit.render(View(scale=0.25), crop=(0, 0, 64, 32))
    assert both.shape[:2] == (8, 16)
    with pytest.raises(UsageError, match="rate"):
        fit.render(rate_hz=44100)
