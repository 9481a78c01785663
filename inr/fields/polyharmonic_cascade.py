"""A cascade of packages of polyharmonic splines.  Bakhvalov 2025, arXiv:2512.17671 (also 2512.16718, 2512.19524)."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.fields._field import FIELDS, Deviation, Field, FieldConfig
from inr.fields._limits import Limits
from inr.fields._recipe import EIKONAL
from inr.kernels.radial import radial_of_square
from inr.layers import Role

B, C = 5.0, 400.0
"""Constants of the kernel r^2 (ln r - B) + C, as in the author's code."""

FIRST_NODES = 64
"""Nodes of the first package by default: 64, 8 x 8 or 4 x 4 x 4."""

MOST_NODES = 2**12
LAST_RANGE = 0.01


@FIELDS.register("polyharmonic_cascade")
@dataclass(frozen=True, kw_only=True)
class PolyharmonicCascade(FieldConfig):
    """Cascade of packages of polyharmonic splines, trained by one linear solve for all of them per batch.

    A package maps R^n to R^m. It interpolates the trained values Y [M, m] at its fixed nodes c_1 ... c_M, its
    "constellation", with thin-plate splines, b = 5 and c = 400:

        f(h) = k(h)^T K^-1 Y,   k_i(h) = r_i^2 (ln r_i - b) + c,   r_i = |h - c_i|,   K_ij = k_i(c_j)

    The nodes are 0 and +-e_1 ... +-e_n, the centre and corners of a hyperoctahedron; those of the first package are a
    lattice here. Coordinates enter as x - 1/2, each channel has a separate cascade, and `widths` are the sizes m of
    the packages before the last. Values start at U(+-1) / sqrt(n), and at the nodes where n = m: such a package starts
    as an interpolation of the identity. `gauss_newton` steps in the values of all packages at once.

    Kernel, hyperoctahedra, initial values and step with fixed damping are those of the author's code
    (github.com/xolod7/polyharmonic-cascade); of the papers only the abstracts were read. The lattice, the default
    widths and adaptive damping are ours. Evaluated in float64; for small signals, because a step needs a Jacobian with
    a row for each sample.
    """

    paper: ClassVar[str] = "Bakhvalov 2025, arXiv:2512.17671 (from the author's code)"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "A step needs a Jacobian with a row for each sample and a solve for all packages, so the default is small: "
            "617 numbers per channel, for 65,536 pixels."
        ),
        sound=(
            "A step needs a Jacobian with a row for each sample and a solve for all packages, so the default is small: "
            "617 numbers, for 88,200 samples with thousands of waves."
        ),
        shapes=(
            "A step needs a Jacobian with a row for each sample and a solve for all packages, so the default is small: "
            "617 numbers, the first of which are values on 4 x 4 x 4 nodes."
        ),
        purpose="It is for small signals, whose packages are solved for together.",
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.nodes",
            "5 nodes in the first package for coordinates of a plane (`field.nodes=0`)",
            "a lattice of nodes over the unit box, 8 x 8",
            "the inputs of the paper have 28 to 2000 features; few nodes cannot follow a picture",
        ),
        Deviation(
            "field.widths",
            "100, 20 and 20 outputs on MNIST",
            "4, 8, 8 and 8",
            "coordinates have fewer features than its 784, and steps are solved exactly on a CPU",
        ),
        Deviation(
            "initial.packages.4.values",
            "0",
            "U(+-0.01)",
            "a field of zeros has no gradient in its other packages",
        ),
    )

    nodes: int | None = param(
        None, "nodes per axis of the first package; 0: hyperoctahedron; none: 64 in 1-D, 8 in 2-D, 4 in 3-D", ge=0
    )
    widths: tuple[int, ...] = param((4, 8, 8, 8), "outputs of the packages before the last", ge=1, le=4096)

    def resolve(self, spec: Spec) -> Self:
        nodes = max(2, round(FIRST_NODES ** (1 / spec.d_in))) if self.nodes is None else self.nodes
        if nodes == 1 or nodes**spec.d_in > MOST_NODES:
            raise ConfigError([f"field.nodes is {nodes}, expected 0, or 2 and more, and at most {MOST_NODES} in all"])
        return dataclasses.replace(self, nodes=nodes)

    def build(self, spec: Spec, generator: Generator) -> Field:
        return PolyharmonicCascadeField(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """150 steps on at most 4096 samples each, with adaptive damping; point clouds by Adam."""
        if spec.traits.is_surface_only:
            return EIKONAL
        return {"optimizer": "gauss_newton", "steps": 150, "batch": 4096, "schedule": "constant", **_squared(spec)}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The author's first test on MNIST: 10 epochs of 30 batches of 2000, with a fixed damping of 200."""
        optimizer = {"type": "gauss_newton", "damping": 200.0, "is_adaptive": False}
        return {"optimizer": optimizer, "steps": 300, "batch": 2000, "schedule": "constant", **_squared(spec)}


def _squared(spec: Spec) -> Mapping[str, Any]:
    """The loss that `gauss_newton` needs, where the usual one is another: of distances."""
    return {"loss": "mse"} if spec.has_distances else {}


class PolyharmonicCascadeField(Field):
    smoothness = 1.0
    boundary = "extend"

    def __init__(self, config: PolyharmonicCascade, spec: Spec, generator: Generator) -> None:
        super().__init__()
        assert config.nodes is not None
        self.config: PolyharmonicCascade = config
        self.d_in, self.d_out = spec.d_in, spec.d_out
        sizes = [spec.d_in, *config.widths, 1]
        packages = []
        for i, (n, m) in enumerate(itertools.pairwise(sizes)):
            role: Role = "last" if i == len(sizes) - 2 else "hidden" if i else "first"
            nodes = lattice(n, config.nodes) if i == 0 and config.nodes else hyperoctahedron(n)
            packages.append(SplinePackage(nodes, m, spec.d_out, role, generator))
        self.packages = nn.ModuleList(packages)

    def forward(self, x: Tensor) -> Tensor:
        h = x.reshape(1, -1, self.d_in).double() - 0.5  # [channels or 1, points, features]
        for package in self.packages:
            h = package(h)
        return h[..., 0].T.reshape(*x.shape[:-1], self.d_out).to(x.dtype)


class SplinePackage(nn.Module):
    """h [S or 1, N, n] -> [S, N, m]: S maps f(h) = k(h)^T K^-1 Y with the same nodes. values: Y [S, M, m], float64."""

    nodes: Tensor  # [M, n]
    inverse: Tensor  # K^-1 [M, M]

    def __init__(self, nodes: Tensor, d_out: int, n_maps: int, role: Role, generator: Generator) -> None:
        super().__init__()
        self.role = role
        n_nodes, d_in = nodes.shape
        self.register_buffer("nodes", nodes, persistent=False)
        self.register_buffer("inverse", torch.linalg.inv(_kernel(nodes, nodes) + C), persistent=False)
        bound = LAST_RANGE if role == "last" else d_in**-0.5
        values = torch.empty(n_maps, n_nodes, d_out, dtype=torch.float64).uniform_(-bound, bound, generator=generator)
        if d_in == d_out and role != "last":
            values.copy_(nodes)
        self.values = nn.Parameter(values)

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """A = K^-1 Y [S, M, m] and c sum_i A_i [S, 1, m]: f(h) is their kernel without c, and this constant."""
        a = self.inverse @ self.values
        return a, C * a.sum(1, keepdim=True)

    def forward(self, h: Tensor) -> Tensor:
        a, constant = self.coefficients()
        return _kernel(h, self.nodes) @ a + constant


def _kernel(h: Tensor, nodes: Tensor) -> Tensor:
    """r^2 (ln r - b) between points [*B, n] and nodes [M, n]: [*B, M]."""
    square = h.square().sum(-1, keepdim=True) + nodes.square().sum(-1) - 2 * (h @ nodes.T)
    square = square.clamp_min(0)
    return radial_of_square(square, "thin_plate") - B * square


def hyperoctahedron(n: int) -> Tensor:
    """Its centre 0 and its corners -e_i and e_i: [2 n + 1, n]."""
    corners = torch.eye(n, dtype=torch.float64)
    return torch.cat([torch.zeros(1, n, dtype=torch.float64), -corners, corners])


def lattice(n: int, side: int) -> Tensor:
    """side^n nodes over [-1/2, 1/2]^n: [side^n, n]."""
    axis = torch.linspace(-0.5, 0.5, side, dtype=torch.float64)
    return torch.stack(torch.meshgrid(*[axis] * n, indexing="ij"), dim=-1).reshape(-1, n)
