"""Fits of every registered family, untrained and small: exporters do not depend on their quality."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Domain, Frame, Spec
from inr.exporters import Exported, Exporter
from inr.fields import FieldConfig
from inr.fitting import Fit, FitConfig

META = {"dtype": "float32", "channels": "last", "range": [-1.0, 1.0]}
DOMAIN = (("x", -3.0, 21.0), ("y", 2.0, 14.0), ("z", 0.0, 0.5))


def fit_of(document: dict[str, Any], d_in: int = 2, d_out: int = 3, seed: int = 0, **settings: Any) -> Fit:
    spec = Spec("array", d_in, d_out, (24,) * d_in)
    config = parse(FieldConfig, {**document, **settings}).resolve(spec)
    axes, low, high = zip(*DOMAIN[:d_in], strict=True)
    frame = Frame(Domain(low, high, axes, "samples"), (0.1,) * d_out, tuple(0.5 + c for c in range(d_out)))
    field = config.build(spec, torch.Generator().manual_seed(seed))
    return Fit(field=field, spec=spec, frame=frame, meta=META, settings=FitConfig(), metrics={"psnr_db": 31.5})


def encoded(form: str, fit: Fit, suffix: str | None = None, /, **settings: Any) -> Exported:
    """A fit in a format, by its name and settings."""
    exporter = parse(Exporter, {"type": form, **settings})
    return exporter.encode(fit, suffix or exporter.suffixes[0])


def points(n: int = 200, d_in: int = 2) -> Tensor:
    return torch.rand(n, d_in, generator=torch.Generator().manual_seed(1))


def assert_agrees(fit: Fit, found: Any, x: Tensor, tolerance: float = 1e-5) -> None:
    """Assert that values found at x are the fit's: within a tolerance of the largest (or of 1), or within four times
    what float32 leaves of the field's own, where it magnifies rounding more than that."""
    expected = fit(x).double()
    scale = max(1.0, float(expected.abs().max()))
    with torch.no_grad():
        exact = fit.frame.from_field(copy.deepcopy(fit.field).double().eval()(x.double()))
    own = float((expected - exact).abs().max()) / scale
    found = torch.as_tensor(found).detach().double()
    assert found.shape == expected.shape
    worst = float((found - expected).abs().max()) / scale
    assert worst <= max(tolerance, 4 * own), f"differs by {worst:.1e}, float32 by {own:.1e}"
