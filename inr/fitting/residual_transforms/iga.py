"""Inductive gradient adjustment: residuals reshaped so that slow, fine modes learn as fast as coarse ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inr.core.config import param
from inr.fields import Field
from inr.fitting._state_checks import array, counter
from inr.fitting.residual_transforms._base import RESIDUAL_TRANSFORMS, ResidualTransform, ResidualTransformConfig
from inr.signals import Batch


@RESIDUAL_TRANSFORMS.register("iga")
@dataclass(frozen=True, kw_only=True)
class Iga(ResidualTransformConfig):
    """r' = S r across groups, position by position;  S = I - sum_{i<k} (1 - l_k / l_i) v_i v_i^T.  arXiv:2410.13271.

    l_i, v_i (i = 0, 1, ..., descending) are eigenpairs of the empirical tangent kernel K = J J^T [G, G] of one
    representative per group, the position with the largest error; J holds the parameter gradients there of
    sum_c f_c / sqrt(C). S has eigenvalues in (0, 1], and K S has l_k where K has the k largest; k = 0 is plain MSE.

    The paper's groups are 32x32 patches of a picture (`--set fit.sampler=patches`, with a batch as large as the
    picture), or runs of a sound; with other samplers the batch is cut into `groups` runs of consecutive samples, and
    what is left over keeps its residual. Paper: k = 25 (ReLU), 20 (frequencies, SIREN), 15 (FINER), with rates 5e-3,
    5e-3, 1e-3, 1e-3, which fall tenfold once, where plain Adam has 1e-3.

    k must suit how fast the spectrum falls: on the 1-D toy of benchmarks/claims.py (ReLU, Adam 1e-3) k = 3 gained 1 dB
    over plain MSE and k = 25 lost 6 to 9 (records claims-3 and claims-2). On a 64 x 64 patch of a picture IGA gained
    2 dB in 300 steps, at twice the time (claims-4).

    J takes 4 G |parameters| bytes. S is kept for `every` steps. The paper's code: the gradient of a sum over G
    positions of a group; here: of one representative, because the paper's text has that.
    """

    k: int = param(20, "eigenvalues that are lowered to the next one", ge=0)
    every: int = param(1, "steps between computations of S", ge=1)
    groups: int = param(256, "runs of samples a batch is cut into, where the sampler makes no groups", ge=1)

    def build(self) -> ResidualTransform:
        return IgaTransform(self)


class IgaTransform(ResidualTransform):
    def __init__(self, config: Iga) -> None:
        self._config = config
        self._matrix = torch.zeros(0, 0)
        self._computed = -1

    def apply(self, field: Field, batch: Batch, residual: Tensor, groups: tuple[int, int] | None, step: int) -> Tensor:
        n, c = residual.shape
        g, p = groups if groups is not None else (min(self._config.groups, n), n // min(self._config.groups, n))
        by_group = residual[: g * p].reshape(g, p, c)
        is_due = self._computed < 0 or step - self._computed >= self._config.every or len(self._matrix) != g
        if is_due:
            hardest = by_group.abs().sum(-1).argmax(1) + p * torch.arange(g, device=residual.device)
            self._matrix = lowering(tangent_kernel(field, batch.x[hardest]), self._config.k).to(residual.dtype)
            self._computed = step
        changed = (self._matrix.to(residual.device) @ by_group.flatten(1)).reshape(g * p, c)
        return torch.cat([changed, residual[g * p :]])

    def state(self) -> dict[str, Tensor]:
        return {"matrix": self._matrix, "computed": torch.tensor(self._computed)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self._computed = counter(state, "computed")
        n = len(state["matrix"])
        self._matrix = array(state, "matrix", (n, n), state["matrix"].dtype, or_empty=False)


def tangent_kernel(field: Field, x: Tensor) -> Tensor:
    """K [N, N] = J J^T, J the parameter gradients of sum_c f_c(x) / sqrt(C) at points x [N, D]."""
    params = {name: p.detach() for name, p in field.named_parameters() if p.requires_grad}

    def scalar(values: dict[str, Tensor], at: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(field, values, (at[None],))
        return out.sum() / math.sqrt(out.shape[-1])

    try:
        rows = torch.func.vmap(torch.func.grad(scalar), in_dims=(None, 0))(params, x)
        jacobian = torch.cat([row.flatten(1) for row in rows.values()], dim=1)
    except RuntimeError:  # a kernel of our own (hash grids) has no batched backward: one point after the other
        own = [p for p in field.parameters() if p.requires_grad]
        jacobian = torch.stack([_gradient(field, own, at) for at in x])
    kernel: Tensor = jacobian @ jacobian.T
    return kernel


def lowering(kernel: Tensor, k: int) -> Tensor:
    """S [N, N] = I - sum_{i<k} (1 - l_k / l_i) v_i v_i^T of a kernel's descending, positive eigenvalues."""
    kernel = kernel.double()
    unchanged = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
    if not torch.isfinite(kernel).all():  # the loss is not finite either, and the fit ends
        return unchanged
    values, vectors = torch.linalg.eigh((kernel + kernel.T) / 2)
    values, vectors = values.flip(0), vectors.flip(1)
    n_positive = int((values > 1e-7 * values[0]).sum())  # float32 gradients tell no more
    k = max(0, min(k, n_positive - 1))
    top = vectors[:, :k]
    lowered: Tensor = (top * (1 - values[k] / values[:k])) @ top.T
    return unchanged - lowered


def _gradient(field: Field, params: Sequence[Tensor], at: Tensor) -> Tensor:
    out = field(at[None])
    rows = torch.autograd.grad(out.sum() / math.sqrt(out.shape[-1]), params, allow_unused=True)
    return torch.cat(
        [torch.zeros(p.numel()).to(p) if r is None else r.flatten() for r, p in zip(rows, params, strict=True)]
    )
