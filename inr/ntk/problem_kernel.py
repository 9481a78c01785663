"""The tangent kernel of a boundary-value problem: how fast equation and conditions are learned, and which frequencies.

Rows are residuals r_k / s_k of the network that `inr solve` starts from, s_k the size of their largest term;
J = dr/dw, K = J J^T in blocks. Under gradient descent the part of a residual along an eigenvector of eigenvalue l falls
as exp(-l t). Wang, Yu and Perdikaris 2022, doi:10.1016/j.jcp.2021.110768.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.tensor_formula import tensor_of
from inr.solving.newton import Rows
from inr.solving.problem import Problem
from inr.solving.rows import Group
from inr.solving.solver import starting_rows

CYCLES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Over the longest side of the domain, in the middle of each band."""
WAVES = 24
"""Of random direction and phase, per band."""
UNEVEN = 100.0
SLOW = 1e-3
EPS = {"float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True)
class BandRate:
    """cycles: over the longest side. symbol: |p|, of the equation on such waves as a part of that on the slowest.
    residual, solution: rates of the equation's residual and of the solution, as parts of the largest eigenvalue.
    steps: of gradient descent with rate 1 / largest eigenvalue, to halve the residual."""

    cycles: float
    symbol: float
    residual: float
    solution: float
    steps: float


@dataclass(frozen=True)
class ProblemKernel:
    """traces: mean diagonal of K by block. weights: that make them equal (tr K / tr K_kk), the equation's being 1.
    condition: largest over smallest eigenvalue. modes: eigenvalues above the rounding of each type, of `size`."""

    traces: Mapping[str, float]
    weights: Mapping[str, float]
    condition: float
    size: int
    modes: Mapping[str, int]
    bands: Sequence[BandRate]
    findings: Sequence[str]


def problem_kernel(problem: Problem, points: int = 256) -> ProblemKernel:
    """The kernel of the network with which Gauss-Newton, Adam and SOAP start. points: of the equation."""
    if problem.states:
        raise UsageError("this is an eigenvalue problem, expected a boundary-value problem", "inr solve has its states")
    state, groups = starting_rows(problem, points)
    params_rows = [Rows(state, [group]).linearised([])[1][:, 0] * _unweighted(group) for group in groups]
    titles = [group.title if group.kind == "equation" else f"{group.kind} {group.title}" for group in groups]
    traces = {t: float(j.square().sum(1).mean()) for t, j in zip(titles, params_rows, strict=True)}
    whole = torch.cat([j / math.sqrt(len(j)) for j in params_rows])
    eigenvalues = torch.linalg.eigvalsh(whole @ whole.T).flip(0).clamp_min(0)
    top = float(eigenvalues[0])
    modes = {name: int((eigenvalues > eps * top).sum()) for name, eps in EPS.items()}
    first = next(t for t, g in zip(titles, groups, strict=True) if g.kind == "equation")
    weights = {t: traces[first] / max(trace, 1e-300) for t, trace in traces.items()}
    at = titles.index(first)
    bands = _bands(problem, groups[at], params_rows[at], top)
    least = float(eigenvalues[-1])
    condition = top / least if least > 0 else math.inf
    return ProblemKernel(traces, weights, condition, len(eigenvalues), modes, bands,
                         list(_findings(weights, groups, titles, bands, modes, len(eigenvalues))))  # fmt: skip


def _unweighted(group: Group) -> float:
    """The factor that takes weight and number of points from the rows of a group."""
    n = 1 if group.kind == "mean" else len(group.x)
    return math.sqrt(n / group.weight)


def _bands(problem: Problem, group: Group, jacobian: Tensor, top: float) -> list[BandRate]:
    domain = problem.domain
    length = max(h - low for low, h in zip(domain.low, domain.high, strict=True))
    generator = Generator().manual_seed(0)
    n, d = group.x.shape
    found: list[tuple[float, float, float]] = []
    for cycles in CYCLES:
        ways = torch.randn(WAVES, d, generator=generator, dtype=torch.float64)
        k = 2 * math.pi * cycles / length * ways / ways.norm(dim=1, keepdim=True)
        phase = 2 * math.pi * torch.rand(WAVES, generator=generator, dtype=torch.float64)
        waves = torch.sin(group.x @ k.T + phase) * math.sqrt(2)  # [N, W]
        rate = float((jacobian.T @ waves).square().sum(0).mean()) / n**2
        found.append((cycles, _symbol(problem, group, k), rate))
    slowest = max(found[0][1], 1e-300)
    return [
        BandRate(c, p / slowest, r / top, r / top / max((p / slowest) ** 2, 1e-300), math.log(2) * top / max(r, 1e-300))
        for c, p, r in found
    ]


def _symbol(problem: Problem, group: Group, k: Tensor) -> float:
    """|p(k)|, root mean square: the derivative of the residual by each derivative of its field, times (i k)^letters."""
    axes = problem.scope.axes
    names = dict(group.fixed)
    names |= {f"{c}|{letters}": torch.zeros(len(group.x), dtype=torch.float64) for c, letters in group.partials}
    names |= {key: group.x.new_tensor(unknown.start) for key, unknown in problem.unknowns.items()}
    total = torch.zeros(len(group.x), len(k), dtype=torch.complex128)
    for (_, letters), node in group.partials.items():
        wave = torch.ones(len(k), dtype=torch.complex128)
        for axis in letters:
            wave = wave * 1j * k[:, axes.index(axis)]
        total += tensor_of(node, names, group.x[:, 0])[:, None] * wave
    return float(total.abs().square().mean().sqrt())


def _findings(
    weights: Mapping[str, float],
    groups: Sequence[Group],
    titles: Sequence[str],
    bands: Sequence[BandRate],
    modes: Mapping[str, int],
    size: int,
) -> list[str]:
    found = []
    for title, group in zip(titles, groups, strict=True):
        w = weights[title]
        if group.kind == "condition" and w > UNEVEN:
            found.append(f"{title} is learned {w:.2g} times slower than the equation: hard = true, or weight {w:.0f}.")
    if all(group.kind == "equation" for group in groups):
        found.append("All conditions are built in, so only the equation is learned.")
    slow = [band for band in bands if band.solution < SLOW]
    if slow:
        cycles = ", ".join(f"{band.cycles:g}" for band in slow)
        found.append(
            f"Gradient descent learns the solution's waves of {cycles} cycles over 1000 times slower than the fastest "
            "mode; Gauss-Newton does not depend on these rates, or raise solve.omega."
        )
    if modes["float32"] < modes["float64"]:
        found.append(
            f"float32 resolves {modes['float32']} of {size} modes, float64 {modes['float64']}; solutions use float64."
        )
    return found
