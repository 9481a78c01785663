"""Edges of faces, against NumPy's sorting and SciPy's components."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inr.signals.solids.edges import Edges

RANDOM = np.random.default_rng(0)
BALL = np.array(trimesh.creation.icosphere(subdivisions=3).faces, np.int64)
SOUP = RANDOM.permuted(np.tile(np.arange(12), (200, 1)), axis=1)[:, :3].copy()
SPARSE = RANDOM.permuted(np.tile(np.arange(300), (150, 1)), axis=1)[:, :3].copy()
FACES = {"ball": BALL, "soup": SOUP, "sparse": SPARSE, "one": np.array([[5, 2, 9]])}


@pytest.mark.parametrize("name", FACES)
def test_sides_have_the_edges_that_sorting_finds(name: str) -> None:
    faces = FACES[name]
    edges = Edges.of(faces)
    sides = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    _, of_side, n_faces = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    assert (edges.of_side == of_side.reshape(-1)).all()
    assert (edges.n_faces == n_faces).all()
    assert (edges.direction == np.where(sides[:, 0] < sides[:, 1], 1, -1)).all()
    assert (edges.order == np.argsort(of_side.reshape(-1), kind="stable")).all()


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("n_patches", [1, 3])
def test_balance_counts_passes_of_each_patch(name: str, n_patches: int) -> None:
    faces = FACES[name]
    edges, patch = Edges.of(faces), RANDOM.integers(n_patches, size=len(faces))
    table = np.zeros((len(edges.n_faces), n_patches), np.int64)
    np.add.at(table, (edges.of_side, np.repeat(patch, 3)), edges.direction)
    found = edges.balance_of(patch)
    edge, of_patch = np.nonzero(table)
    assert (found.edge == edge).all()
    assert (found.patch == of_patch).all()
    assert (found.excess == table[edge, of_patch]).all()
    assert (edges.balance(np.ones(len(faces))) == table.sum(axis=1)).all()


@pytest.mark.parametrize("name", FACES)
def test_components_are_scipys(name: str) -> None:
    faces = FACES[name]
    edges = Edges.of(faces)
    for joins in (edges.n_faces == 2, np.ones(len(edges.n_faces), bool), RANDOM.random(len(edges.n_faces)) < 0.3):
        of_side = np.where(joins[edges.of_side], edges.of_side, len(joins) + np.arange(3 * len(faces)))
        graph = coo_array((np.ones(3 * len(faces)), (np.repeat(np.arange(len(faces)), 3), len(faces) + of_side)))
        n = max(graph.shape)
        square = coo_array((graph.data, graph.coords), shape=(n, n))
        expected = connected_components(square, directed=False)[1][: len(faces)]
        _, first, name_of = np.unique(expected, return_index=True, return_inverse=True)
        by_first = np.argsort(np.argsort(first))[name_of]
        assert (edges.components(joins) == by_first).all()


def test_closed_is_every_edge_once_in_each_direction() -> None:
    assert Edges.of(BALL).is_closed
    assert Edges.of(np.concatenate([BALL, BALL + BALL.max() + 1])).is_closed
    assert not Edges.of(BALL[1:]).is_closed
    assert not Edges.of(np.concatenate([BALL, BALL])).is_closed
    turned = np.concatenate([BALL[:1, ::-1], BALL[1:]])
    assert not Edges.of(turned).is_closed
    assert set(Edges.of(turned).is_uneven_pair()) >= {0}
    assert len(Edges.of(BALL).is_uneven_pair()) == 0
