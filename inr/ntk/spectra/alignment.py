"""How well a kernel is aligned with a target, and with another kernel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inr.ntk.spectra.spectrum import Spectrum


@dataclass(frozen=True)
class Alignment:
    """A target in the eigenbasis of a kernel, largest eigenvalue first.

    coefficients: c_i = <u_i, y> [M]. energy: E(k) = sum_{i <= k} c_i^2 / |y|^2 [M], ending at 1 (0 for a target of 0).
    """

    coefficients: Tensor
    energy: Tensor


def alignment(spec: Spectrum, target: Tensor) -> Alignment:
    """target: [M] or [N, C] in the order of the kernel's rows; values minus targets for the residual to be learned."""
    c = spec.vectors.T @ target.reshape(-1).to(spec.vectors)
    square = c.square()
    total = square.sum()
    return Alignment(c, square.cumsum(0) / total if total > 0 else torch.zeros_like(square))


def kernel_target_alignment(quadratic: float, frobenius: float, target: Tensor) -> float:
    """KTA = y^T Theta y / (|Theta|_F |y|^2), in [0, 1].  Cristianini et al. 2001.

    From numbers that need no matrix: quadratic = y^T Theta y (`TangentOperator.quadratic`), frobenius = |Theta|_F.
    """
    scale = frobenius * float(target.double().square().sum())
    return quadratic / scale if scale > 0 else 0.0


def target_alignment(matrix: Tensor, target: Tensor, *, is_centred: bool = False) -> float:
    """KTA of a matrix [M, M] with a target [M] or [N, C]; centred: of H Theta H and H y, H = I - 1 1^T / M (CKA).

    Cortes, Mohri and Rostamizadeh 2012, arXiv:1203.0550.
    """
    y = target.reshape(-1).to(matrix)
    if is_centred:
        matrix, y = centred(matrix), y - y.mean()
    return kernel_target_alignment(float(y @ (matrix @ y)), float(torch.linalg.matrix_norm(matrix)), y)


def centred(matrix: Tensor) -> Tensor:
    """H K H, H = I - 1 1^T / M."""
    rows = matrix - matrix.mean(0, keepdim=True)
    return rows - rows.mean(1, keepdim=True)


def cka(a: Tensor, b: Tensor) -> float:
    """Centred kernel alignment <HAH, HBH> / (|HAH|_F |HBH|_F) of two kernels [M, M], in [0, 1].

    Kornblith et al. 2019, arXiv:1905.00414. It is too high for few points; see `debiased_cka`.
    """
    a, b = centred(a.double()), centred(b.double())
    scale = float(torch.linalg.matrix_norm(a) * torch.linalg.matrix_norm(b))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def debiased_cka(a: Tensor, b: Tensor) -> float:
    """CKA by the unbiased estimator of HSIC (Song et al. 2012), for kernels on a subsample of M >= 4 points; <= 1.

    HSIC_u(K, L) = (tr KL + 1^T K 1 1^T L 1 / ((M-1)(M-2)) - 2 / (M-2) 1^T K L 1) / (M (M-3)), diagonals set to 0.
    """
    scale = _hsic(a, a) * _hsic(b, b)
    return _hsic(a, b) / scale**0.5 if scale > 0 else 0.0


def _hsic(a: Tensor, b: Tensor) -> float:
    n = len(a)
    a, b = (k.double() - torch.diag(k.double().diagonal()) for k in (a, b))
    rows_a, rows_b = a.sum(1), b.sum(1)
    whole = (a * b).sum() + rows_a.sum() * rows_b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_a @ rows_b)
    return float(whole) / (n * (n - 3))


def label_gradient_alignment(matrix: Tensor, target: Tensor) -> float:
    """Pearson correlation over entries of Theta and y y^T, in [-1, 1].  Mok et al. 2022 (CVPR), arXiv:2203.14577.

    sum (Theta - mean Theta) (L - mean L) / (|Theta - mean Theta|_F |L - mean L|_F), L = y y^T. The authors published no
    code and their text was not compared; another public implementation for the search of architectures has this
    normalisation. The paper: L is 1 for samples of one class and -1 for others; here: y y^T, because signals have
    values, not classes.
    """
    y = target.reshape(-1).to(matrix)
    a, b = matrix - matrix.mean(), torch.outer(y, y) - y.mean().square()
    scale = float(torch.linalg.matrix_norm(a) * torch.linalg.matrix_norm(b))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


@dataclass(frozen=True)
class Drift:
    """How far a kernel has changed in training.

    relative: |K_t - K_0|_F / |K_0|_F. rotation: 1 - CKA(K_t, K_0), independent of scale; above 0.1 the predictions made
    at the start no longer hold. trace_ratio: tr K_t / tr K_0. overlap: |U_k(t)^T U_k(0)|_F^2 / k of the k leading
    eigenvectors.
    """

    relative: float
    rotation: float
    trace_ratio: float
    overlap: float


def drift(before: Tensor, after: Tensor, k: int = 10) -> Drift:
    """before, after: kernels [M, M] at the same points. k: leading eigenvectors that are compared (M at most)."""
    a, b = before.double(), after.double()
    k = min(k, len(a))
    u, v = (torch.linalg.eigh(m).eigenvectors[:, -k:] for m in (a, b))
    norm, trace = float(torch.linalg.matrix_norm(a)), float(a.trace())
    return Drift(
        relative=float(torch.linalg.matrix_norm(b - a)) / norm if norm > 0 else 0.0,
        rotation=1 - cka(a, b),
        trace_ratio=float(b.trace()) / trace if trace > 0 else 0.0,
        overlap=float((u.T @ v).square().sum()) / k,
    )
