"""Linearised runs on the points of a kernel, compared with actual ones."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.forecast.adaptive import TrainingPlan, forecast_adam
from inr.ntk.forecast.dynamics import octaves, predicted_loss_of_modes, predicted_losses
from inr.ntk.forecast.second_moments import preconditioner
from inr.ntk.kernel.matrix import tangent_kernel
from inr.ntk.report import Convergence, Octave
from inr.ntk.spectra.alignment import alignment
from inr.ntk.spectra.spectrum import spectrum

STEPS = 100
SHOWN_OCTAVES = 10
MOST_WORK = 2e11
"""Most multiplications, (N C)^2 P, for Adam's kernel, which needs method "contraction"."""


def logged_steps(steps: int) -> list[int]:
    """0 and up to 16 steps, evenly spaced in the logarithm."""
    return sorted({0, *(round(steps ** (i / 15)) for i in range(16)), steps})


def converge(field: Field, x: Tensor, y: Tensor, plan: TrainingPlan, *, is_fresh: bool) -> tuple[Convergence, ...]:
    """`STEPS` full-batch steps of gradient descent at half its largest stable rate, and for an untrained field
    (`is_fresh`) of Adam at the plan's rate. On a trained field Adam would start without its moments."""
    kernel = tangent_kernel(field, x)
    spec = spectrum(kernel)
    rate = 0.5 * len(spec.values) / max(float(spec.values[0]), 1e-300)
    steps = logged_steps(min(STEPS, max(plan.steps, 1)))
    residual = (kernel.values - y.to(kernel.values)).double().cpu()
    found = alignment(spec, residual)
    at = torch.tensor(steps)
    groups = octaves(spec.values).clamp_max(SHOWN_OCTAVES)
    by_group = predicted_loss_of_modes(found, spec, rate, at, groups)
    losses, residuals = _train(field, x, y, steps, torch.optim.SGD, rate)
    start = found.coefficients.square().mean()
    rows = []
    for g in range(by_group.shape[1]):
        is_in = groups == g
        if not bool(is_in.any()):
            continue
        actual = tuple(float(alignment(spec, r).coefficients[is_in].square().sum()) for r in residuals)
        values = spec.values[is_in]
        total = float(start) * len(spec.values)
        predicted = tuple(float(v) * len(spec.values) / total for v in by_group[:, g])
        rows.append(Octave(float(values.min()), float(values.max()), predicted, tuple(a / total for a in actual)))
    predicted_all = tuple(float(v) for v in predicted_losses(found, spec, rate, at))
    descent = Convergence("gd", rate, tuple(steps), predicted_all, losses, tuple(rows))
    adam = _adam(field, x, y, plan, steps) if is_fresh else None
    return (descent,) if adam is None else (descent, adam)


def _adam(field: Field, x: Tensor, y: Tensor, plan: TrainingPlan, steps: list[int]) -> Convergence | None:
    n_params = sum(p.numel() for p in field.parameters() if p.requires_grad)
    channels = y.shape[1]
    n = min(len(x), int((MOST_WORK / n_params) ** 0.5 / channels))
    if n < 16:
        return None
    x, y = x[:n], y[:n]
    trained = {k: p for k, p in copy.deepcopy(field).named_parameters() if p.requires_grad}
    own = copy.deepcopy(field).double().eval()
    parameters = [p for p in own.parameters() if p.requires_grad]
    with torch.enable_grad():
        loss = (own(x) - y).square().mean()
        slopes = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    weights = preconditioner({k: s.square() for k, s in zip(trained, slopes, strict=True)}, plan.eps)
    try:
        bent = tangent_kernel(field, x, method="contraction", weights=weights)
    except (UsageError, RuntimeError):
        return None
    spec = spectrum(bent)
    residual = bent.values.cpu() - y
    found = alignment(spec, residual)
    plain = tangent_kernel(field, x)
    kappa = torch.einsum("ij,ij->j", spec.vectors, plain.matrix.cpu() @ spec.vectors)
    energy = found.coefficients.square()
    predicted = []
    for t in steps:
        part = TrainingPlan(t, plan.lr, n, plan.optimizer, plan.beta2, plan.eps)
        left = forecast_adam(kappa, spec.values, energy, plain.trace, n * channels, n, part).left if t else 1.0
        predicted.append(float((energy * left).mean()))
    losses, _ = _train(field, x, y, steps, torch.optim.Adam, plan.lr, betas=(0.9, plan.beta2), eps=plan.eps)
    return Convergence("adam", plan.lr, tuple(steps), tuple(predicted), losses)


def _train(
    field: Field, x: Tensor, y: Tensor, steps: list[int], kind: type[torch.optim.Optimizer], lr: float, **more: Any
) -> tuple[tuple[float, ...], list[Tensor]]:
    """Losses and residuals [N, C] after each of `steps`, all points in every step, in float64."""
    own = copy.deepcopy(field).double().eval()
    x, y = x.to(next(own.parameters()).device), y.to(next(own.parameters()).device)
    optimizer = kind([p for p in own.parameters() if p.requires_grad], lr=lr, **more)  # type: ignore[call-arg]
    losses, residuals = [], []
    for step in range(steps[-1] + 1):
        optimizer.zero_grad()
        with torch.enable_grad():
            residual = own(x) - y
            loss = residual.square().mean()
        if step in steps:
            losses.append(float(loss.detach()))
            residuals.append(residual.detach().cpu())
        torch.autograd.backward(loss)
        optimizer.step()
    return tuple(losses), residuals


def training_jacobian(field: Field, x: Tensor, y: Tensor, rate: float, steps: int = STEPS) -> tuple[float, ...]:
    """Singular values of d theta_T / d theta_0 over T steps of gradient descent, descending; () if the field has no
    second derivatives.  Belrose and Scherlis 2024, arXiv:2412.07003.

    The product of I - lr H_t. Directions with values above 1 are amplified by training, with 1 unchanged, below 1
    forgotten.
    """
    own = copy.deepcopy(field).double().eval()
    names = [k for k, p in own.named_parameters() if p.requires_grad]
    shapes = [own.get_parameter(k).shape for k in names]
    theta = torch.cat([own.get_parameter(k).detach().reshape(-1) for k in names])

    def loss(flat: Tensor) -> Tensor:
        parts = torch.split(flat, [s.numel() for s in shapes])
        values = {k: p.reshape(s) for k, p, s in zip(names, parts, shapes, strict=True)}
        out: Tensor = torch.func.functional_call(own, values, (x,))
        return (out - y).square().mean()

    total = torch.eye(len(theta), dtype=torch.float64)
    slope, curvature = torch.func.grad(loss), torch.func.jacrev(torch.func.grad(loss))
    try:
        for _ in range(steps):
            total = total - rate * (curvature(theta) @ total)
            theta = theta - rate * slope(theta)
    except RuntimeError:
        return ()
    return tuple(torch.linalg.svdvals(total).tolist())
