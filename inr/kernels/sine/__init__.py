"""The sine of scaled numbers, the activation of SIREN networks, with its derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op

__all__ = ["OP", "sine"]

# The polynomials and torch's sine are each within 3e-7 of the true one; the product omega z is rounded once in both.
OP = Op(
    name="sine",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.sine.reference:sine", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.sine.cpu:sine",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32}),
            max_order=2,
            least_size=2**19,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.sine.cuda:sine",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=2,
        ),
    ),
    tolerances={torch.float64: 1e-14, torch.float32: 2e-6},
)


def sine(z: Tensor, omega: float = 1.0, *, order: int = 1) -> Tensor:
    """y = sin(omega z), of any shape.

    In float32 the value is within 2e-6 of the sine of the rounded product omega z for |omega z| up to 1e4 and beyond.
    Infinity and NaN give NaN.
    order: the highest derivative that will be taken of the result. Past the order of the chosen backend, derivatives
        are still correct, computed by the reference.

    Raises UsageError for numbers that are not real; UnavailableError for a forced backend that cannot run the call.
    """
    if not z.dtype.is_floating_point:
        raise UsageError(f"sine takes real numbers, not {z.dtype}")
    result: Tensor = OP.choose(Need.of(z, order=order, size=z.numel())).function(z, omega)
    return result
