"""Signed distances with known area, volume and Euler number, and fields that are not quite distances."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

R = 0.35
RING, TUBE = 0.28, 0.12
SEMI_AXES = (0.4, 0.25, 0.15)


def norm(p: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(p, dim=1)
    return length


def sphere(x: Tensor) -> Tensor:
    return norm(x - 0.5) - R


def sphere_gradient(x: Tensor) -> Tensor:
    return (x - 0.5) / norm(x - 0.5)[:, None]


def torus(x: Tensor) -> Tensor:
    p = x - 0.5
    return norm(torch.stack([norm(p[:, :2]) - RING, p[:, 2]], dim=1)) - TUBE


def box(x: Tensor) -> Tensor:
    q = (x - 0.5).abs() - x.new_tensor([0.3, 0.2, 0.25])
    return norm(q.clamp(min=0)) + q.amax(dim=1).clamp(max=0)


def ellipsoid(x: Tensor) -> Tensor:
    """Not a distance: its slope is 1 at the poles of the shortest axis only."""
    return norm((x - 0.5) / x.new_tensor(SEMI_AXES)) * min(SEMI_AXES) - min(SEMI_AXES)


def clipped_sphere(x: Tensor) -> Tensor:
    """A ball of radius 0.3 whose centre is on an edge of the box: one quarter of it is inside."""
    return norm(x - x.new_tensor([0.0, 0.5, 1.0])) - 0.3


def sheets(x: Tensor) -> Tensor:
    """Two discs 0.02 thick and 0.06 apart, and a ball of radius 0.02 in a far corner."""
    p = x - 0.5
    discs = torch.minimum((p[:, 2] - 0.04).abs(), (p[:, 2] + 0.04).abs()) - 0.01
    discs = torch.maximum(discs, norm(p[:, :2]) - 0.3)
    return torch.minimum(discs, norm(x - 0.93) - 0.02)


def steep(x: Tensor) -> Tensor:
    return 3 * torus(x)


def rippled(x: Tensor) -> Tensor:
    """Slopes between about 0.5 and 1.6."""
    waves = torch.sin(80 * x[:, 0]) * torch.sin(90 * x[:, 1]) * torch.sin(70 * x[:, 2])
    return sphere(x) + 0.006 * waves


def gridded(x: Tensor) -> Tensor:
    """A sphere as a hash grid fits it: interpolated noise at three scales, with kinks at the faces of the cells."""
    generator = torch.Generator().manual_seed(0)
    y = sphere(x)
    for n, size in ((16, 0.01), (40, 0.004), (100, 0.0015)):
        table = size * torch.randn(1, 1, n, n, n, generator=generator)
        points = (2 * x - 1).reshape(1, -1, 1, 1, 3)
        y = y + functional.grid_sample(table, points, align_corners=True).reshape(-1)
    return y


def noise(x: Tensor) -> Tensor:
    """A random sign for every point: the worst case of marching cubes."""
    turn = torch.sin((x.double() * 8191).round() @ x.new_tensor([12.9898, 78.233, 37.719]).double()) * 43758.5453
    return (turn - turn.floor() - 0.5).float()


def signs(x: Tensor) -> Tensor:
    """As `noise`, but all of one size, so that no ambiguous face has a stronger side."""
    return noise(x).sign()


def ties(x: Tensor) -> Tensor:
    """-1, 0 or 1 at random: as `signs`, with the level at many lattice points."""
    return (3 * noise(x)).round()


def cube(x: Tensor) -> Tensor:
    """A cube whose faces lie exactly on lattice points wherever the resolution is a multiple of four."""
    return (x - 0.5).abs().amax(dim=1) - 0.25
