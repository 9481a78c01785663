"""Lowering of a fitted field to its op list, with rules by module type."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from inr.exporters import _composed_rules, _encoding_rules, _field_rules, _layer_rules  # noqa: F401  importing them registers their rules
from inr.exporters._rules import apply
from inr.exporters.builder import Builder
from inr.exporters.ops import Program
from inr.fitting import Fit

Coordinates = Literal["unit", "signal"]


def lower(fit: Fit, coordinates: Coordinates = "unit", *, has_doubles: bool = True) -> Program:
    """The ops of a fit: coordinates [N, D] to values in the signal's units [N, C].

    coordinates: "unit" is the unit box, "signal" the signal's own units, which are float64 if the format supports it,
    because they may be far from the origin. Reparameterised layers are folded first. Raises UsageError if a module of
    the field has no lowering rule.
    """
    with torch.no_grad():
        field = fit.field.fold().eval()
        is_wide = coordinates == "signal" and has_doubles
        builder = Builder(fit.spec.d_in, "float64" if is_wide else "float32")
        x, domain = builder.input, fit.frame.domain
        if coordinates == "signal":
            dtype = np.float64 if is_wide else np.float32
            x = x + np.array([-low for low in domain.low], dtype)
            x = x * np.array([1 / side for side in domain.extent], dtype)
            x = x.cast("float32") if is_wide else x
        z = apply(field, x)
        if fit.frame.softening:
            z = z.map("relu")
            z = (z + (z * z.affine(1.0, 4 * fit.frame.softening)).map("sqrt")).affine(0.5)
        y = z.affine(fit.frame.scale, fit.frame.offset)
    return builder.program(y)


def rounding_note(fit: Fit, coordinates: Coordinates) -> tuple[str, ...]:
    """A note if rounding coordinates to float32 changes them by more than a millionth of the box."""
    domain = fit.frame.domain
    if coordinates == "unit":
        return ()
    rounding = [max(abs(low), abs(high)) * 2.0**-24 for low, high in zip(domain.low, domain.high, strict=True)]
    if all(r <= 1e-6 * side for r, side in zip(rounding, domain.extent, strict=True)):
        return ()
    return (
        f"shaders calculate in float32: the box lies so far from the origin that coordinates are rounded by "
        f"{max(rounding):.2g}; coordinates=unit is exact, and so are onnx and numpy",
    )
