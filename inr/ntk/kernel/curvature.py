"""The curvature of the training loss by the parameters: products of the Hessian and of its Gauss-Newton part."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk.kernel.operator import ROWS, TangentOperator

_NO_SECOND = ("derivative for", "once_differentiable", "does not require grad")
"""What torch says of an operation without a second derivative, and of one whose first derivative is constant."""


def lacks_second_derivatives(error: RuntimeError) -> bool:
    """Whether torch raised it because the field has no second derivatives; torch has no class for it."""
    return any(words in str(error) for words in _NO_SECOND)


class LossCurvature:
    """The Hessian of L = |f(x) - y|^2 / M, M = N C, by all trained parameters, as products with vectors [P].

        H = (2 / M) (J^T J + sum_i r_i grad^2 f_i),        r = f(x) - y

    The first part, Gauss-Newton's matrix, has the nonzero eigenvalues of the tangent kernel times 2 / M and is all of H
    for an exact fit. Its largest eigenvalue, or that of H, is the sharpness: gradient descent is stable below 2 / lr.

    field: any whose first derivatives by parameters are differentiable; copied, in eval mode, in `dtype`. x: points
    [N, D]. y: targets [N, C] in training values. `inr.ntk.density` makes the spectral density of `hessian` or
    `gauss_newton` by stochastic Lanczos quadrature, `inr.ntk.lanczos` the largest eigenvalues.

    Raises UsageError for shapes that do not fit.
    Source: Ghorbani, Krishnan, Xiao 2019, arXiv:1901.10159; Cohen et al. 2021, arXiv:2103.00065 (edge of stability).
    """

    def __init__(self, field: Field, x: Tensor, y: Tensor, dtype: torch.dtype = torch.float64) -> None:
        self._tangent = TangentOperator(field, x, dtype=dtype)
        if y.shape != (len(x), field.d_out):
            raise UsageError(f"the targets have shape {tuple(y.shape)}, expected {(len(x), field.d_out)}")
        self._y = y.detach().to(self._tangent.x)
        self._parameters = [p for p in self._tangent.field.parameters() if p.requires_grad]

    @property
    def n_params(self) -> int:
        """P, the size of the matrices."""
        return self._tangent.n_params

    def gauss_newton(self, v: Tensor) -> Tensor:
        """(2 / M) J^T J v [P]."""
        return self._tangent.pull(self._tangent.push(v)) * (2 / self._y.numel())

    def hessian(self, v: Tensor) -> Tensor:
        """H v [P]: the gradient of <grad L, v>."""
        sizes = [p.numel() for p in self._parameters]
        parts = torch.split(v.to(self._y), sizes)
        direction = [part.reshape(p.shape) for part, p in zip(parts, self._parameters, strict=True)]
        total = torch.zeros(self.n_params, dtype=self._y.dtype, device=self._y.device)
        for x, y in zip(torch.split(self._tangent.x, ROWS), torch.split(self._y, ROWS), strict=True):
            with torch.enable_grad():
                loss = (self._tangent.field(x) - y).square().sum() / self._y.numel()
                slopes = torch.autograd.grad(
                    loss, self._parameters, create_graph=True, allow_unused=True, materialize_grads=True
                )
                along = torch.stack([(s * d).sum() for s, d in zip(slopes, direction, strict=True)]).sum()
            if along.grad_fn is None:
                continue  # the loss is linear in the parameters
            found = torch.autograd.grad(along, self._parameters, allow_unused=True, materialize_grads=True)
            total += torch.cat([f.reshape(-1) for f in found])
        return total
