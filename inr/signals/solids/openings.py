"""How open a surface is: the loops of its boundary, and how much of its box is neither inside nor outside."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.signals.solids.edges import Edges
from inr.signals.solids.faces import Faces, Floats, Ints
from inr.signals.solids.winding import Winding

_PROBES = 4096
_BETWEEN = 0.25, 0.75
"""Winding numbers between these are neither inside nor outside."""

_DOUBTFUL, _SHEET, _THIN = 0.05, 0.25, 0.002


@dataclasses.dataclass(frozen=True)
class Openings:
    """n_loops, n_edges: of the boundary. undecided: share of the bounding box with winding numbers between 0.25
    and 0.75. inside: share with those above 0.5."""

    n_loops: int
    n_edges: int
    undecided: float
    inside: float

    @property
    def is_doubtful(self) -> bool:
        """Whether closing it by the winding number adds a good part that is not there."""
        return self.undecided > _DOUBTFUL

    @property
    def is_sheet(self) -> bool:
        """Whether it has no inside to speak of."""
        return self.undecided > _SHEET or self.inside < _THIN


def openings_of(vertices: Floats, faces: Faces) -> Openings:
    """The openings of oriented faces [F, 3]; undecided and inside are measured at 4096 points of the bounding box."""
    edges = Edges.of(faces)
    ends = edges.ends(faces, edges.n_faces == 1)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    probes = low + (high - low) * np.random.default_rng(0).random((_PROBES, 3))
    number_at = Winding(vertices, faces).number(probes)
    size = np.abs(number_at)
    return Openings(
        n_pieces(ends),
        len(ends),
        float(np.mean((size > _BETWEEN[0]) & (size < _BETWEEN[1]))),
        float(np.mean(number_at > 0.5)),
    )


def n_pieces(ends: Ints) -> int:
    """Connected pieces of edges between vertices [E, 2]."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(ends):
        return 0
    names, number = np.unique(ends, return_inverse=True)
    number = number.reshape(ends.shape)
    graph = coo_matrix((np.ones(len(ends), np.int8), (number[:, 0], number[:, 1])), shape=(len(names),) * 2)
    return int(connected_components(graph, directed=False)[0])
