"""The spectral density of the loss' curvature: how many directions of the parameters are steep, flat or negative."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from inr.fields import Field
from inr.ntk.kernel.curvature import LossCurvature, lacks_second_derivatives
from inr.ntk.kernel.lanczos import Density, density
from inr.ntk.report import Curvature, Masses

PROBES, STEPS, POINTS = 4, 32, 512
MOST_PARAMETERS = 300_000
"""Lanczos keeps STEPS vectors of all parameters, and takes PROBES STEPS products for each of the two matrices."""


def curvature_density(field: Field, x: Tensor, y: Tensor, generator: Generator) -> Curvature:
    """The densities of the Gauss-Newton matrix and of the Hessian of |f(x) - y|^2 / M, by stochastic Lanczos.

    x: [N, D], of which the first POINTS are used. y: [N, C] training values. `Curvature.hessian` is None for fields
    without second derivatives (compiled grids).  Ghorbani, Krishnan, Xiao 2019, arXiv:1901.10159.
    """
    x, y = x[:POINTS], y[:POINTS]
    curvature = LossCurvature(field, x, y)
    n = curvature.n_params
    gauss_newton = density(curvature.gauss_newton, n, generator, probes=PROBES, steps=STEPS)
    try:
        hessian = _masses(density(curvature.hessian, n, generator, probes=PROBES, steps=STEPS))
    except RuntimeError as error:
        if not lacks_second_derivatives(error):
            raise
        hessian = None
    return Curvature(len(x), _masses(gauss_newton), hessian)


def _masses(found: Density) -> Masses:
    order = torch.argsort(found.nodes, descending=True)
    return Masses(tuple(found.nodes[order].tolist()), tuple(found.weights[order].tolist()))
