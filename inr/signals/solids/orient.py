"""Triangles as closed parts with a known outside: duplicates cancelled, faces turned, walls inside and sheets found."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.signals.solids.edges import Edges
from inr.signals.solids.faces import Bools, Faces, Floats, Ints, area, ordered, used
from inr.signals.solids.seams import signs_of_patches

_MAX_PATCHES = 400  # of one group, for which the signs are looked for by integer programming
_SOLVE_SECONDS = 5.0
_SEAM = 1e-5  # of the largest extent: corners of open edges that are closer are one corner, written twice
_SMALL = 0.05  # of the shortest side at either corner, which they must also be closer than


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """A mesh with equal vertices merged, and without zero-area and repeated faces; the counts say what was removed.

    signs [F]: how often each face occurs as it is, less how often turned over: 0 where two faces cancel. n_joined:
    vertices of seams that were merged with one that is nearly equal.
    """

    vertices: Floats
    faces: Faces
    signs: Ints
    n_degenerate: int
    n_duplicate: int
    n_joined: int = 0


@dataclasses.dataclass(frozen=True)
class Oriented:
    """Faces [F, 3], oriented alike within each part. part [F]: number of the part of each face.

    is_closed, is_orientable [P]: of each part. is_two_way [P]: every face came in both orientations, so that nothing is
    known of the part's. n_turned: faces wound against their neighbours that were turned. n_walls: faces between two
    insides that were left out.
    """

    faces: Faces
    part: Ints
    is_closed: Bools
    is_orientable: Bools
    is_two_way: Bools
    n_turned: int
    n_walls: int


def clean(vertices: Floats, faces: Faces) -> Cleaned:
    """Merge exactly equal vertices, drop faces of zero area, and keep one of faces with the same corners."""
    from inr.kernels.equal_rows import named

    first, name = named(vertices)
    vertices, faces = vertices[first], name[faces]
    whole = faces[area(vertices, faces) > 0]
    corners, is_even = ordered(whole)
    first, name = named(corners)
    signs = np.bincount(name, np.where(is_even == is_even[first][name], 1, -1), len(first)).astype(np.int64)
    return Cleaned(*used(vertices, whole[first]), signs, len(faces) - len(whole), len(whole) - len(first))


def joined_seams(mesh: Cleaned) -> Cleaned:
    """The mesh with nearly equal corners of its open edges merged, if that closes edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    edges = Edges.of(mesh.faces)
    open_sides = np.flatnonzero(edges.n_faces[edges.of_side] == 1)
    if not len(open_sides):
        return mesh
    face, corner = np.divmod(open_sides, 3)
    rim = np.unique(mesh.faces[np.tile(face, 2), np.concatenate([corner, (corner + 1) % 3])])
    size = float(np.ptp(mesh.vertices, axis=0).max())
    pairs = cKDTree(mesh.vertices[rim]).query_pairs(_SEAM * size, output_type="ndarray")
    apart = np.linalg.norm(mesh.vertices[rim[pairs[:, 0]]] - mesh.vertices[rim[pairs[:, 1]]], axis=1)
    shortest = _shortest_side(mesh)[rim]
    pairs = pairs[apart < _SMALL * np.minimum(shortest[pairs[:, 0]], shortest[pairs[:, 1]])]
    if not len(pairs):
        return mesh
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(rim),) * 2)
    _, name = connected_components(graph, directed=False)
    first = np.full(int(name.max()) + 1, len(rim))
    np.minimum.at(first, name, np.arange(len(rim)))
    target = np.arange(len(mesh.vertices))
    target[rim] = rim[first[name]]
    faces = target[mesh.faces]
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    again = clean(mesh.vertices, faces[whole])
    if n_open_edges(again.faces) >= n_open_edges(mesh.faces):
        return mesh
    n_joined = int(np.count_nonzero(target != np.arange(len(target))))
    return dataclasses.replace(
        again, n_degenerate=mesh.n_degenerate, n_duplicate=mesh.n_duplicate + again.n_duplicate, n_joined=n_joined
    )


def _shortest_side(mesh: Cleaned) -> Floats:
    """Of the faces at each vertex."""
    sides = mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    length = np.linalg.norm(mesh.vertices[sides[:, 0]] - mesh.vertices[sides[:, 1]], axis=1)
    shortest = np.full(len(mesh.vertices), np.inf)
    np.minimum.at(shortest, sides.ravel(), np.repeat(length, 2))
    return shortest


def orient(mesh: Cleaned) -> Oriented:
    """Parts of a mesh, the faces of each oriented alike.

    Faces that occur both ways cancel where what is left stays closed (walls between parts that touch). If then every
    edge is passed as often one way as the other, the winding is kept. Otherwise faces are turned like their neighbours
    over edges of two faces, by the larger area of the two orientations; and where patches meet at edges of more
    faces, those that enclose the largest volume are kept and turned, which leaves out walls between two insides.
    Last, open parts are turned like those along whose rims they lie.
    """
    faces, kept = _cancelled(mesh)
    n_walls = int(np.count_nonzero(~kept))
    is_two_way = mesh.signs[kept] == 0
    edges = Edges.of(faces)
    n_turned = 0
    if edges.balance(np.ones(len(faces))).any():
        turned = _turned(mesh.vertices, faces)
        n_turned = int(np.count_nonzero((turned != faces).any(axis=1)))
        faces = turned
        edges = Edges.of(faces)
    patch = edges.components(edges.n_faces == 2)
    sign = _signs_of_patches(mesh.vertices, faces, patch, edges)[patch]
    n_walls += int(np.count_nonzero(sign == 0))
    if not (sign == 1).all():
        faces = np.where(sign[:, None] < 0, faces[:, ::-1], faces)[sign != 0]
        is_two_way = is_two_way[sign != 0]
        edges = Edges.of(faces)
    part = _parts(edges.components(edges.n_faces == 2), edges)
    n = int(part.max()) + 1
    is_closed, is_orientable = np.ones(n, bool), np.ones(n, bool)
    is_closed[edges.balance_of(part).patch] = False
    is_orientable[part[edges.is_uneven_pair()]] = False
    all_two_way = np.bincount(part, ~is_two_way) == 0
    face, corner = np.divmod(np.flatnonzero((edges.n_faces == 1)[edges.of_side]), 3)
    start, end = mesh.vertices[faces[face, corner]], mesh.vertices[faces[face, (corner + 1) % 3]]
    is_turned = signs_of_patches(start, end, part[face], n)[part] < 0
    n_turned += int(np.count_nonzero(is_turned))
    faces = np.where(is_turned[:, None], faces[:, ::-1], faces)
    return Oriented(faces, part, is_closed, is_orientable, all_two_way, n_turned, n_walls)


def n_open_edges(faces: Faces) -> int:
    """Edges that belong to one face."""
    return int(np.count_nonzero(Edges.of(faces).n_faces == 1))


def _parts(patch: Ints, edges: Edges) -> Ints:
    """Number of the part of each face: a patch that is closed, the fewest patches that close each other where they meet
    at edges of more than two faces, or all the open patches that meet."""
    own = edges.balance_of(patch)
    n = int(patch.max()) + 1
    part = np.arange(n)
    meets = edges.n_faces[own.edge] > 2
    edge, of_patch, excess = own.edge[meets], own.patch[meets], own.excess[meets]
    if not len(edge):
        return patch
    is_open = np.zeros(n, bool)
    is_open[own.patch[~meets]] = True
    group = _joined(edge, of_patch, n)
    total = np.bincount(edge, excess, len(edges.n_faces))
    is_open[of_patch[total[edge] != 0]] = True
    open_groups = np.unique(group[is_open])
    for g in np.unique(group[of_patch]):
        members = np.flatnonzero(group == g)
        if np.isin(g, open_groups) or len(members) > _MAX_PATCHES:
            part[members] = members[0]
            continue
        here = group[of_patch] == g
        table = _table(np.searchsorted(members, of_patch[here]), edge[here], excess[here], len(members))
        left = np.ones(len(members), bool)
        while left.any():
            first = int(left.argmax())
            chosen = left & _fewest(table, left, first)
            part[members[chosen]] = members[first]
            left &= ~chosen
    return np.unique(part[patch], return_inverse=True)[1].reshape(-1)


def _cancelled(mesh: Cleaned) -> tuple[Faces, Bools]:
    """The faces without those that occur as often turned over, where the rest stays closed; and which were kept."""
    faces = np.where(mesh.signs[:, None] < 0, mesh.faces[:, ::-1], mesh.faces)
    if mesh.signs.all():
        return faces, np.ones(len(faces), bool)
    edges = Edges.of(faces)
    body = edges.components(np.ones(len(edges.n_faces), bool))
    is_kept_whole = np.zeros(int(body.max()) + 1, bool)
    is_kept_whole[body[np.flatnonzero(edges.balance(mesh.signs != 0)[edges.of_side]) // 3]] = True
    is_kept_whole |= np.bincount(body, mesh.signs != 0) == 0
    kept = (mesh.signs != 0) | is_kept_whole[body]
    return faces[kept], kept


def _turned(vertices: Floats, faces: Faces) -> Faces:
    """The faces, each turned like its neighbours over edges of two faces."""
    import igl

    alike, patch = igl.bfs_orient(faces)
    same = (alike == faces).all(axis=1)
    size = area(vertices, faces)
    is_other = np.bincount(patch, size * same) < np.bincount(patch, size * ~same)
    result: Faces = np.where((same == is_other[patch])[:, None], faces[:, ::-1], faces)
    return result


def _signs_of_patches(vertices: Floats, faces: Faces, patch: Ints, edges: Edges) -> Ints:
    """+1, -1 (turn it over) or 0 (leave it out) for each patch, so that those which meet bound a volume together."""
    n = int(patch.max()) + 1
    signs = np.ones(n, np.int64)
    own = edges.balance_of(patch)
    meets = edges.n_faces[own.edge] > 2
    edge, of_patch, excess = own.edge[meets], own.patch[meets], own.excess[meets]
    if not len(edge):
        return signs
    group = _joined(edge, of_patch, n)
    total = np.bincount(edge, excess, len(edges.n_faces))
    for g in np.unique(group[of_patch[total[edge] != 0]]):
        members = np.flatnonzero(group == g)
        here = group[of_patch] == g
        if len(members) > _MAX_PATCHES:
            continue
        middle = vertices[faces[np.isin(patch, members)]].mean(axis=(0, 1))
        volumes = np.array([_cone(vertices - middle, faces[patch == m]) for m in members])
        table = _table(np.searchsorted(members, of_patch[here]), edge[here], excess[here], len(members))
        found = _largest(table, volumes)
        if found is not None:
            signs[members] = found
    return signs


def _joined(edge: Ints, patch: Ints, n: int) -> Ints:
    """Groups of patches that share an edge."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, row = np.unique(edge, return_inverse=True)
    shape = (n + int(row.max()) + 1,) * 2
    graph = coo_array((np.ones(len(patch), np.int8), (patch, n + row.reshape(-1))), shape=shape)
    return np.asarray(connected_components(graph, directed=False)[1][:n], np.int64)


def _cone(vertices: Floats, faces: Faces) -> float:
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    return float(np.einsum("nd,nd->n", a, np.cross(b, c)).sum() / 6)


def _table(patch: Ints, edge: Ints, excess: Ints, n: int) -> Floats:
    """The distinct rows of excess [edges, patches], up to their sign."""
    _, row = np.unique(edge, return_inverse=True)
    row = row.reshape(-1)
    table = np.zeros((int(row.max()) + 1, n))
    np.add.at(table, (row, patch), excess)
    table *= np.sign(table[np.arange(len(table)), (table != 0).argmax(axis=1)])[:, None]
    distinct: Floats = np.unique(table, axis=0)
    return distinct


def _largest(table: Floats, volumes: Floats) -> Ints | None:
    """Signs in {-1, 0, 1} for which every edge balances, of largest volume and then fewest patches; None if there are
    none."""
    size = float(np.abs(volumes).max())
    if size == 0:
        return None
    n = len(volumes)
    # a sign is plus - minus, two variables of 0 or 1
    cost = np.concatenate([-volumes / size, volumes / size]) + 1e-6
    found = _solved(np.concatenate([table, -table], axis=1), cost, np.zeros(2 * n), np.ones(2 * n))
    if found is None:
        return None
    signs: Ints = found[:n] - found[n:]
    return signs if float(signs @ volumes) > 1e-6 * size else None


def _fewest(table: Floats, left: Bools, first: int) -> Bools:
    """Of the patches that are left, which balance, the fewest that balance and have the first among them."""
    low = np.zeros(len(left))
    low[first] = 1
    found = _solved(table, np.ones(len(left)), low, left.astype(np.float64))
    return left if found is None else found > 0


def _solved(table: Floats, cost: Floats, low: Floats, high: Floats) -> Ints | None:
    """Whole numbers x between low and high with table x = 0, of smallest cost; None if none are found in time."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    options = {"time_limit": _SOLVE_SECONDS}
    bounds = Bounds(low, high)
    solved = milp(
        cost, integrality=np.ones(len(cost)), bounds=bounds, constraints=LinearConstraint(table, 0, 0), options=options
    )
    if solved.x is None:
        return None
    whole: Ints = np.rint(solved.x).astype(np.int64)
    return whole
