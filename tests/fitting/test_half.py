"""Parameters in 16 bits: when they are rounded, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import inr
from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.fitting.half import is_exact, rounded
from inr.signals import load_signal

FIELD = {"type": "siren", "width": 16, "depth": 1}
SETTINGS: dict[str, Any] = {"steps": 20, "batch": 512}


def fitted(**settings: Any) -> Fit:
    return inr.fit(load_signal("analytic:scene"), FIELD, SETTINGS | settings, device="cpu")


def types_in(path: Path) -> set[torch.dtype]:
    return {tensor.dtype for tensor in load_file(path).values()}


def test_a_rough_fit_is_stored_in_16_bits_and_its_metrics_are_of_those(tmp_path: Path) -> None:
    fit = fitted()
    fit.save(tmp_path / "a.safetensors")
    assert types_in(tmp_path / "a.safetensors") == {torch.float16}
    assert is_exact(fit.field.state_dict())
    again = inr.load(tmp_path / "a.safetensors")
    assert all(p.dtype == torch.float32 for p in again.field.parameters())
    np.testing.assert_array_equal(again.render()[0], fit.render()[0])
    assert load_signal("analytic:scene").metrics(again) == fit.metrics
    again.save(tmp_path / "b.safetensors")
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "a.safetensors").read_bytes()


def test_float32_keeps_the_parameters(tmp_path: Path) -> None:
    whole, short = fitted(dtype="float32"), fitted(dtype="float16")
    whole.save(tmp_path / "a.safetensors")
    assert types_in(tmp_path / "a.safetensors") == {torch.float32}
    for a, b in zip(whole.field.parameters(), short.field.parameters(), strict=True):
        assert not torch.equal(a, b)
        assert torch.equal(a.half().float(), b)
    assert whole.metrics["psnr_db"] == pytest.approx(short.metrics["psnr_db"], abs=0.05)


def test_a_fit_that_would_lose_keeps_32_bits(tmp_path: Path) -> None:
    signal = inr.signals.array.Array.of_array(np.random.default_rng(0).random((20, 20)).astype(np.float32))
    exact = inr.fit(signal, "hash_grid", {"steps": 0}, device="cpu")  # every sample has a vertex
    exact.save(tmp_path / "a.safetensors")
    assert types_in(tmp_path / "a.safetensors") == {torch.float32}
    rough = inr.fit(signal, "hash_grid", {"steps": 0, "dtype": "float16"}, device="cpu")
    assert rough.metrics["psnr_db"] < exact.metrics["psnr_db"] - 1


def test_numbers_that_16_bits_cannot_hold() -> None:
    field = {"type": "mlp", "width": 4, "depth": 1, "init": "matched"}
    signal = load_signal("analytic:scene")
    fit = inr.fit(signal, field, {"steps": 0, "dtype": "float32"}, device="cpu")
    with torch.no_grad():
        next(iter(fit.field.parameters())).fill_(1e6)
    assert rounded(fit.field) is None
    with pytest.raises(UsageError, match="float16"):
        inr.fit(
            signal, field, {"steps": 1, "lr": 1e9, "optimizer": "adam", "dtype": "float16", "batch": 64}, device="cpu"
        )
