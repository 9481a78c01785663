"""Least squares of the last layer: random sines as features, their weights by linear algebra in float64.

Huang, Zhu and Siew 2006 (extreme learning machines), doi:10.1016/j.neucom.2005.12.126; Dong and Li 2021,
arXiv:2012.02895, for differential equations. A linear problem takes one solve; others take Gauss-Newton steps in the
last layer.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Generator, Tensor

from inr.fields.solution import TIME, Solution, SolutionField
from inr.kernels.sine_jet.reference import activated, affine
from inr.solving.rows import Group
from inr.solving.state import State

RIDGE = 1e-13
"""Of normalised columns: what keeps directions that the rows do not determine small."""
LENGTHS = (1.0, 0.5, 0.25, 0.1, 0.02)
"""Parts of a Gauss-Newton step that are tried until one lowers the sum of squares."""
DAMPED = (1e-6, 1e-4, 1e-3, 1e-2)
"""Larger ridges, where none of them does: steps that turn towards the gradient (Levenberg and Marquardt)."""
MOST_STEPS = 30
ACROSS_CORNER = 8.0
"""Largest frequency of features along inputs for corners, beside waves."""
MOST_CHANGE = 1.0
"""Of an unknown number, or of its logarithm, in one step."""
LEAST_GAIN = 0.01
"""Of the sum of squares, at which steps end."""


def with_features(
    config: Solution,
    n: int,
    scale: float,
    generator: Generator,
    late: float = 1.0,
    window: int = 0,
    earlier: SolutionField | None = None,
) -> SolutionField:
    """A field of one hidden layer of n random sines, whose frequencies go up to `scale`, and a last layer of zeros.

    late: factor of frequencies in time. window, earlier: of the field.
    """
    sines = dataclasses.replace(config, width=n, depth=1, activation="sine", omega=1.0)
    field = SolutionField(sines, generator, window, earlier)
    with torch.no_grad():
        first, last = field.weights
        ways = torch.randn(first.shape, generator=generator, dtype=torch.float64)
        sizes = scale * torch.rand(n, 1, generator=generator, dtype=torch.float64)
        first.copy_(sizes * ways / ways.norm(dim=1, keepdim=True))
        if late != 1:
            before = config.axes[: config.axes.index(TIME)]
            first[:, len(before) + len({*before} & {*config.periodic})] *= late
        field.biases[0].copy_(2 * math.pi * torch.rand(n, generator=generator, dtype=torch.float64))
        last.zero_()
        field.biases[1].zero_()
    return field


@torch.no_grad()
def with_waves(config: Solution, n: int, reach: Sequence[float], generator: Generator) -> SolutionField:
    """A field like that of `with_features` whose frequencies fill an ellipsoid evenly: for waves of one length, all
    frequencies up to theirs are needed, and few of those are low.

    reach: its semi-axes by axis, in radians per half box.
    """
    field = with_features(config, n, 1.0, generator)
    first = field.weights[0]
    radii = [[r / math.pi] * 2 if key in config.periodic else [r] for key, r in zip(config.axes, reach, strict=True)]
    sizes = [*chain(*radii), *[ACROSS_CORNER] * len(config.corners)]
    first *= first.norm(dim=1, keepdim=True) ** (1 / len(sizes) - 1)
    first *= first.new_tensor(sizes)
    return field


def features_of(field: SolutionField, group: Group) -> Tensor:
    """Jets [S, N, M + 1] of what the last layer sees, the last of which is 1."""
    h = group.jets
    for weight, bias, activation in zip(field.weights[:-1], field.biases[:-1], field.activations, strict=True):
        h = activated(affine(h, weight, bias), activation, group.streams.plan)
    ones = torch.zeros_like(h[..., :1])
    ones[0] = 1
    return torch.cat([h, ones], -1)


@torch.no_grad()
def solve_last_layer(
    state: State, groups: Sequence[Group], *, is_linear: bool, most_steps: int = MOST_STEPS, until: float = math.inf
) -> int:
    """Set the last layer, and the unknown numbers, to the least squares of all rows; the number of steps taken.

    until: of the clock `time.perf_counter`; no step begins after it.
    """
    field = state.network
    features = [features_of(field, group) for group in groups]
    head = torch.cat([field.weights[-1], field.biases[-1][:, None]], 1).T.contiguous()  # [M + 1, C]
    best = _energy(state, groups, features, head)
    taken = 0
    holds_numbers = len(state.unknowns) > 0  # until the field fits the first guess
    for _ in range(1 if is_linear else most_steps):
        if taken and time.perf_counter() > until:
            break
        rows, right = _system(state, groups, features, head)
        if holds_numbers:
            rows = rows[:, : head.numel()]
        raw = state.raw.detach().clone()
        for by_head, by_raw in _moves(rows, -right, head, 0 if holds_numbers else len(raw)):
            tried = head + by_head
            state.raw.copy_(raw + by_raw)
            state.keep_within_bounds()
            energy = _energy(state, groups, features, tried)
            if energy < best or is_linear:
                break
        else:
            state.raw.copy_(raw)
            if not holds_numbers:
                break
            energy, tried = best, head
        gain, best, head, taken = 1 - energy / max(best, 1e-300), energy, tried, taken + 1
        if gain < LEAST_GAIN and not holds_numbers:
            break
        holds_numbers = False
    field.weights[-1].copy_(head[:-1].T)
    field.biases[-1].copy_(head[-1])
    return taken


def _moves(rows: Tensor, right: Tensor, head: Tensor, n_numbers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Changes of the head and of the unknown numbers to try: Gauss-Newton's, parts of it, and damped ones."""
    whole = _solved(rows, right)
    steps = chain((length * whole for length in LENGTHS), (_solved(rows, right, ridge) for ridge in DAMPED))
    for step in steps:
        by_raw = step[head.numel() :].clamp(-MOST_CHANGE, MOST_CHANGE) if n_numbers else step.new_zeros(1)
        yield step[: head.numel()].view(head.shape[1], -1).T, by_raw


def _energy(state: State, groups: Sequence[Group], features: Sequence[Tensor], head: Tensor) -> float:
    total = 0.0
    for group, phi in zip(groups, features, strict=True):
        r = group.residuals(phi @ head, state.numbers)
        total += float(group.weighted(r[:, None]).square().sum())
    return total if math.isfinite(total) else math.inf


def last_layer_rows(state: State, groups: Sequence[Group]) -> Tensor:
    """The Jacobian [R, P] of all weighted residuals by the last layer and the unknown numbers, at a state."""
    field = state.network
    head = torch.cat([field.weights[-1], field.biases[-1][:, None]], 1).T
    return _system(state, groups, [features_of(field, group) for group in groups], head)[0]


def _system(state: State, groups: Sequence[Group], features: Sequence[Tensor], head: Tensor) -> tuple[Tensor, Tensor]:
    """The Jacobian [R, P] by the last layer (channel by channel) and the unknown numbers, and the residuals [R]."""
    blocks, rights = [], []
    for group, phi in zip(groups, features, strict=True):
        r, seeds, by_number, _ = group.linearised(phi @ head, state.numbers)
        parts = [(seeds[:, :, c, None] * phi).sum(0) for c in range(seeds.shape[-1])]
        blocks.append(group.weighted(torch.cat([*parts, by_number * state.slopes()], 1)))
        rights.append(group.weighted(r[:, None])[:, 0])
    return torch.cat(blocks), torch.cat(rights)


def _solved(rows: Tensor, right: Tensor, ridge: float = RIDGE) -> Tensor:
    """x that makes |rows x - right|^2 + (ridge |columns x|)^2 least, by a QR decomposition."""
    sizes: Tensor = torch.linalg.vector_norm(rows, dim=0).clamp_min(1e-300)
    n = len(sizes)
    whole = torch.cat([rows / sizes, ridge * math.sqrt(n) * torch.eye(n, dtype=rows.dtype)])
    target = torch.cat([right, right.new_zeros(n)])[:, None]
    found: Tensor = torch.linalg.lstsq(whole, target, driver="gels").solution[:, 0]
    return found / sizes
