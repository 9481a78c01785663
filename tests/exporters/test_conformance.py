"""Every registered family in every format that supports it, run in that format's runtime."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.exporters import lower
from inr.exporters.evaluator import evaluate
from inr.exporters.ops import CastOp
from inr.fitting import Fit
from tests.conformance.small import CASES, every_field
from tests.exporters import runtimes
from tests.exporters.fits import assert_agrees, encoded, fit_of, points

NO_SHADER = {
    "chebyshev": "float64, which shaders do not support",
    "polyharmonic": "float64, which shaders do not support",
    "polyharmonic_cascade": "float64, which shaders do not support",
    "neurbf": "searches the nearest kernels of each point",
}

SIREN = {"type": "siren", "width": 16, "depth": 2}

first_of_every_field = pytest.mark.parametrize("document", [case for case in CASES if str(case.id).endswith("-0")])


@pytest.mark.slow
@every_field
@pytest.mark.parametrize("d_in", [1, 2, 3])
def test_the_op_list_is_the_field(document: dict[str, Any], d_in: int) -> None:
    fit, x = fit_of(document, d_in), points(d_in=d_in)
    rows, arrays = lower(fit).document()
    values = evaluate(json.loads(json.dumps(rows)), arrays, x.numpy())
    assert values.dtype == "float32"
    assert_agrees(fit, values, x)
    assert evaluate(rows, arrays, x[:0].numpy()).shape == (0, 3)


@pytest.mark.parametrize("shape", [(882_000,), (3001,), (768, 512), (20, 24, 28)])
def test_windowed_cosines_of_long_signals_need_no_more_than_float32(shape: tuple[int, ...]) -> None:
    """Float32 has 24 bits, and the place of one of 882,000 samples within a wave of 4 samples takes more."""
    document = {"type": "local_cosine", "encoding": {"samples": list(shape)}}
    fit, x = fit_of(document, len(shape), 1), points(50, len(shape))
    x[:3] = torch.tensor([0.0, 1.0, 0.5])[:, None]
    program = lower(fit)
    assert not list(program.find(CastOp))
    assert program.n_numbers < 2 * fit.field.n_params + 40_000
    assert_agrees(fit, evaluate(*program.document(), x.numpy()), x, 2e-6)


@every_field
def test_points_may_be_given_in_the_signals_units(document: dict[str, Any]) -> None:
    fit, x = fit_of(document), points()
    rows, arrays = lower(fit, "signal").document()
    assert_agrees(fit, evaluate(rows, arrays, fit.frame.domain.from_unit(x.double()).numpy()), x)


def far(document: dict[str, Any]) -> Fit:
    """A fit in a box of 11 m, at coordinates of a map."""
    fit = fit_of(document, 3, 1)
    low = (500000.3, 4000000.7, 120.1)
    domain = dataclasses.replace(fit.frame.domain, low=low, high=tuple(v + 11 for v in low))
    return dataclasses.replace(fit, frame=dataclasses.replace(fit.frame, domain=domain))


@pytest.mark.parametrize("document", [SIREN, {"type": "hash_grid"}])
def test_points_in_units_far_from_the_origin_lose_nothing(document: dict[str, Any]) -> None:
    fit, x = far(document), points(d_in=3)
    p = fit.frame.domain.from_unit(x.double())
    rows, arrays = lower(fit, "signal").document()
    assert_agrees(fit, evaluate(json.loads(json.dumps(rows)), arrays, p.numpy()), x)
    assert_agrees(fit, runtimes.onnx(encoded("onnx", fit, coordinates="signal").main, p.numpy()), x)
    program = torch.export.load(io.BytesIO(encoded("pt2", fit, coordinates="signal").main))
    found = program.module()(p)
    assert found.dtype == torch.float32
    assert_agrees(fit, found, x)


@pytest.mark.parametrize("form", ["glsl", "wgsl"])
def test_shaders_note_when_float32_loses_positions(form: str) -> None:
    near, distant = fit_of(SIREN, 3, 1), far(SIREN)
    assert "rounded by 0.24" in encoded(form, distant, coordinates="signal").notes[0]
    assert encoded(form, distant).notes == encoded(form, near, coordinates="signal").notes == ()
    assert "4000000.7..4000011.7" in encoded(form, distant).main.decode()


@every_field
def test_onnx_runs_in_onnxruntime_for_any_number_of_points(document: dict[str, Any]) -> None:
    fit, x = fit_of(document), points()
    data = encoded("onnx", fit).main
    assert_agrees(fit, runtimes.onnx(data, x.numpy()), x)
    assert runtimes.onnx(data, x[:1].numpy()).shape == (1, 3)
    assert encoded("onnx", fit_of(document)).main == data


@first_of_every_field
@pytest.mark.slow
def test_pt2_is_the_field(document: dict[str, Any]) -> None:
    fit, x = fit_of(document), points()
    program = torch.export.load(io.BytesIO(encoded("pt2", fit).main))
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [t for t in targets if not t.startswith(("aten.", "<built-in"))], "an operator that is not torch's own"
    assert_agrees(fit, program.module()(x), x)
    assert program.module()(points(70_000)).shape == (70_000, 3)


def _shaders(kind: str, limit: int) -> dict[str, Any]:
    made = {}
    for case in CASES:
        (document,) = case.values
        if document["type"] not in NO_SHADER:  # type: ignore[index]
            fit = fit_of(document)  # type: ignore[arg-type]
            made[str(case.id)] = fit, encoded(kind, fit, limit=limit).files
    return made


@pytest.mark.slow
def test_glsl_runs_in_a_browser(tmp_path: Path) -> None:
    x = points(64)
    made = _shaders("glsl", 0)
    found = runtimes.glsl({key: (files, x.numpy(), 3) for key, (_, files) in made.items()}, tmp_path)
    assert len(found) == len(made) > 40
    for key, (fit, _) in made.items():
        assert not isinstance(found[key], str), f"{key}: {found[key]}"
        assert_agrees(fit, found[key], x, 1 / 255)


@every_field
def test_wgsl_is_valid(document: dict[str, Any]) -> None:
    """The text passes naga's validation; `test_shaders` runs some of them."""
    fit = fit_of(document)
    if document["type"] in NO_SHADER:
        for kind in ("glsl", "wgsl"):
            with pytest.raises(UsageError, match=NO_SHADER[document["type"]]):
                encoded(kind, fit)
        return
    for limit in (0, 10_000):
        files = encoded("wgsl", fit, limit=limit).files
        assert runtimes.is_valid_wgsl(files[".wgsl"].decode())
