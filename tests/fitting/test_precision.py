"""The reduced precision of training: where it is offered, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from inr.core.errors import ConfigError, UnavailableError, UsageError
from inr.fitting import Run, resolve, training_step
from inr.kernels import precision, use_backend, use_precision
from inr.kernels.dense_mlp import dense_mlp
from inr.kernels.pointwise import sines
from inr.signals.image import Image
from inr.workflows.fit import fit
from tests.assertions import assert_near

SIREN = {"type": "siren", "width": 32, "depth": 3}


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a processor that has them: without, torch computes the same, only slower."""
    monkeypatch.setattr(precision, "has_bf16_units", lambda: True)


def picture(n: int = 24) -> Image:
    y, x = np.mgrid[:n, :n] / n
    waves = [np.sin(3 * x + y * y), np.cos(4 * x * y), np.sin(4 * x) * y]
    return Image.of_pixels((127 + 120 * np.stack(waves, -1)).clip(0, 255).astype(np.uint8))


def run_of(field: Any, **settings: Any) -> Run:
    return Run(picture(), *resolve(picture(), field, settings))


def test_without_the_units_it_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16_units", lambda: False)
    with pytest.raises(UnavailableError, match=r"no bf16 matrix units") as caught:
        run_of(SIREN, precision="bfloat16")
    assert "\n" not in caught.value.message
    with pytest.raises(UnavailableError, match="for CUDA devices"):
        run_of(SIREN, precision="float16")
    with pytest.raises(ConfigError, match="float8"):
        run_of(SIREN, precision="float8")


def test_unsupported_fields_are_refused_for_reduced_precision(units: None) -> None:
    for field in ("hash_grid", {"type": "mfn_fourier", "width": 16}):
        with pytest.raises(UsageError, match="dense networks"):
            run_of(field, precision="bfloat16")
    with pytest.raises(UsageError, match="loss 'mse'"):
        run_of(SIREN, precision="bfloat16", loss="l1")


def test_values_and_gradients_are_those_of_float32_within_rounding(units: None, generator: torch.Generator) -> None:
    weights = [torch.randn(b, a, generator=generator) / (2 * a**0.5) for a, b in ((2, 64), (64, 64), (64, 3))]
    inputs = [torch.rand(500, 2, generator=generator), *weights, torch.randn(64, generator=generator)]
    for tensor in inputs:
        tensor.requires_grad_()

    def results() -> list[torch.Tensor]:
        y = dense_mlp(inputs[0], inputs[1:4], [None, inputs[4], None], sines(3.0, 1.0))
        return [y, *torch.autograd.grad(y.square().sum(), inputs)]

    with use_backend("reference"):
        expected = results()
    with use_precision("bfloat16"):
        found = results()
    assert found[0].dtype == torch.float32
    assert (found[0] != expected[0]).any()
    for a, b in zip(found, expected, strict=True):
        assert_near(a.detach(), b.detach(), 0.02)


def test_the_last_part_of_a_run_and_good_fits_round_nothing(units: None, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []

    @contextmanager
    def recorded(name: Any, device: str = "cpu") -> Iterator[None]:
        requested.append(name)
        yield

    def precisions(**settings: Any) -> list[str]:
        run = run_of(SIREN, precision="bfloat16", **settings)
        requested.clear()
        run.advance()
        return list(requested)

    monkeypatch.setattr(training_step, "use_precision", recorded)
    assert precisions(steps=10) == 8 * ["bfloat16"] + 2 * ["float32"]
    monkeypatch.setattr(training_step, "FULL_PRECISION_LOSS", 1e9)
    assert precisions(steps=10) == ["bfloat16"] + 9 * ["float32"]  # there is no loss before the first step


def test_at_moderate_quality_the_fit_is_within_a_tenth_of_a_decibel(units: None) -> None:
    psnr = {}
    common = {"steps": 150, "batch": 24 * 24, "lr": 1e-3, "optimizer": "adam", "schedule": "cosine"}
    for name in ("float32", "bfloat16"):
        made = fit(picture(), SIREN, {"precision": name, **common})
        assert made.settings.precision == name
        assert all(tensor.dtype == torch.float32 for tensor in made.field.state_dict().values())
        psnr[name] = made.metrics["psnr_db"]
    assert psnr["float32"] > 20
    assert abs(psnr["bfloat16"] - psnr["float32"]) < 0.1, psnr
