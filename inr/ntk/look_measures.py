"""What a look of the tracker says of the kernel's matrix: sharpness, condition, alignment and the layers' shares."""

from __future__ import annotations

import math
from typing import Any

from torch import Generator, Tensor

from inr.core.text import finite_json
from inr.fields import Field
from inr.ntk.kernel.curvature import LossCurvature, lacks_second_derivatives
from inr.ntk.kernel.lanczos import lanczos
from inr.ntk.kernel.matrix import Kernel
from inr.ntk.spectra.alignment import target_alignment
from inr.ntk.spectra.spectrum import condition, spectrum

LANCZOS_STEPS = 12
"""For the largest eigenvalue of the Hessian: within a few percent if it is well separated, else too small."""


def measures(field: Field, kernel: Kernel, x: Tensor, y: Tensor, seed: int) -> dict[str, Any]:
    """sharpness, hessian, condition, kta, layers: see `NtkTracker`. Numbers that do not exist are None.

    kernel: of channels "sum" at x [N, D]. y: [N, C] training values.
    """
    spec = spectrum(kernel)
    target = (y.double() - y.double().mean(0)).sum(1)
    total = max(kernel.trace, 1e-300)
    numbers = {
        "sharpness": 2 * float(spec.values[0]) / len(x),
        "hessian": _largest(field, x, y, seed),
        "condition": condition(spec),
        "kta": target_alignment(kernel.matrix, target),
    }
    return {**finite_json(numbers), "layers": {name: trace / total for name, trace in kernel.traces.items()}}


def _largest(field: Field, x: Tensor, y: Tensor, seed: int) -> float:
    """The largest eigenvalue of the Hessian of the mean square error; nan if the field has no second derivatives."""
    try:
        curvature = LossCurvature(field, x, y, next(field.parameters()).dtype)
        found = lanczos(curvature.hessian, curvature.n_params, 1, Generator().manual_seed(seed), steps=LANCZOS_STEPS)
    except RuntimeError as error:
        if not lacks_second_derivatives(error):
            raise
        return math.nan
    return float(found.values[0])
