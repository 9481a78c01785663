"""Relations that hold for every kernel; a violation is a numerical error."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from inr.ntk.kernel.matrix import Kernel
from inr.ntk.spectra.fourier import BandKernel
from inr.ntk.spectra.spectrum import Spectrum, ranks


def violations(kernel: Kernel, spec: Spectrum, target: Tensor, found: BandKernel | None = None) -> tuple[str, ...]:
    """A sentence for each relation that does not hold.

    The eigenvalues sum to the trace; none is more negative than rounding noise; 0 <= y^T Theta y <= lambda_1 |y|^2;
    stable rank <= participation <= entropy rank <= numerical rank; with `found` (exact, of the same kernel on its
    lattice): its sum is the trace and no kappa exceeds lambda_1. Sums of float64 kernels are compared to 1e-8, others
    to 1e-3.

    target: [M] or [N, C], in the order of the kernel's rows.
    """
    tolerance = 1e-8 if kernel.matrix.dtype == torch.float64 else 1e-3
    trace, largest = kernel.trace, float(spec.values[0])
    problems = []

    def demand(holds: bool, sentence: str) -> None:
        if not holds:
            problems.append(sentence)

    total = float(spec.values.sum())
    demand(
        abs(total - trace) <= tolerance * trace, f"the eigenvalues sum to {total:.10g}, but the trace is {trace:.10g}"
    )
    lowest = -max(tolerance, 10 * spec.floor / largest) if largest > 0 else 0.0
    demand(spec.least >= lowest, f"the smallest eigenvalue is {spec.least:.3g} of the largest")
    y = target.reshape(-1).to(kernel.matrix)
    bound, quadratic = largest * float(y @ y), float(y @ (kernel.matrix @ y))
    slack = tolerance * bound
    demand(-slack <= quadratic <= bound + slack, f"y^T Theta y is {quadratic:.6g}, expected 0 to {bound:.6g}")
    r = ranks(spec)
    order = (r.stable, r.participation, r.entropy, r.numerical)
    rising = all(a <= b * (1 + 1e-6) for a, b in pairwise(order))
    demand(rising, f"the ranks {order} are not in ascending order")
    if found is not None:
        by_band = float((found.kappa * found.bands.counts).sum())
        demand(
            abs(by_band - trace) <= tolerance * trace, f"kappa sums to {by_band:.10g}, but the trace is {trace:.10g}"
        )
        most = float(found.kappa.max())
        demand(most <= largest * (1 + tolerance), f"the largest kappa {most:.6g} exceeds lambda_1 = {largest:.6g}")
    return tuple(problems)
