"""Exact distances, without a sign, to surfaces with known area, boundary and faces."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from inr.mesh import Mesh
from inr.signals.solids.faces import Faces, Floats
from inr.signals.solids.sheet import Sheet
from tests.mesh import shapes

TURN = torch.linalg.qr(torch.tensor([[0.9, 0.3, -0.2], [-0.2, 1.0, 0.4], [0.3, -0.5, 0.8]]))[0]
"""A rotation after which no edge or face lies along the lattice."""

Distance = Callable[[Tensor], Tensor]


def turned(distance: Distance) -> Distance:
    """A distance around 0, as one in the unit box around its middle."""
    return lambda x: distance((x - 0.5) @ TURN)


def square(side: float, height: float = 0.0) -> Distance:
    """A square sheet with sides along x and y."""

    def distance(p: Tensor) -> Tensor:
        beyond = (p[:, :2].abs() - side / 2).clamp(min=0)
        return shapes.norm(torch.cat([beyond, p[:, 2:] - height], dim=1))

    return distance


def both(one: Distance, two: Distance) -> Distance:
    return lambda p: torch.minimum(one(p), two(p))


def hemisphere(radius: float) -> Distance:
    """The half of a sphere with z > 0."""

    def distance(p: Tensor) -> Tensor:
        across = p[:, :2].norm(dim=1)
        rim = torch.stack([across - radius, p[:, 2]], dim=1).norm(dim=1)
        return torch.where(p[:, 2] >= 0, (p.norm(dim=1) - radius).abs(), rim)

    return distance


def junction(size: float) -> Distance:
    """Three half squares that meet in a line along z, 120 degrees apart."""

    def distance(p: Tensor) -> Tensor:
        found = []
        for angle in (0.0, 2 * math.pi / 3, 4 * math.pi / 3):
            along = p[:, 0] * math.cos(angle) + p[:, 1] * math.sin(angle)
            across = p[:, 1] * math.cos(angle) - p[:, 0] * math.sin(angle)
            beyond = torch.maximum(along - size, -along).clamp(min=0)
            above = (p[:, 2].abs() - size / 2).clamp(min=0)
            found.append(torch.stack([beyond, above, across], dim=1).norm(dim=1))
        return torch.stack(found).amin(dim=0)

    return distance


def junction_mesh(size: float) -> Mesh:
    """The same as faces."""
    ends = [[0.0, 0.0], *([size * math.cos(a), size * math.sin(a)] for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3))]
    vertices = np.array([[*end, z] for end in ends for z in (-size / 2, size / 2)])
    return Mesh(vertices, np.array([face for k in (2, 4, 6) for face in ([0, k, k + 1], [0, k + 1, 1])]))


def box_surface(p: Tensor) -> Tensor:
    """That of a box with sides 0.6, 0.4 and 0.5."""
    q = p.abs() - p.new_tensor(HALF)
    return (shapes.norm(q.clamp(min=0)) + q.amax(dim=1).clamp(max=0)).abs()


HALF = (0.3, 0.2, 0.25)


def moebius(n: int = 96) -> tuple[Floats, Faces]:
    """Vertices around 0 and faces of a strip that is twisted once, as wide as 0.2 at a radius of 0.3."""
    t, w = np.meshgrid(np.arange(n) * 2 * np.pi / n, np.linspace(-0.1, 0.1, 7), indexing="ij")
    around = 0.3 + w * np.cos(t / 2)
    vertices = np.stack([around * np.cos(t), around * np.sin(t), w * np.sin(t / 2)], axis=-1).reshape(-1, 3)
    faces = []
    for i in range(n):
        for j in range(6):
            here = i * 7 + j, i * 7 + j + 1
            there = ((i + 1) * 7 + j, (i + 1) * 7 + j + 1) if i + 1 < n else (6 - j, 5 - j)
            faces += [[here[0], there[0], there[1]], [here[0], there[1], here[1]]]
    return vertices, np.array(faces, np.int64)


def of_faces(vertices: Floats, faces: Faces) -> Distance:
    sheet = Sheet(vertices, faces)
    return lambda p: torch.from_numpy(sheet.distance(p.double().numpy())).float()
