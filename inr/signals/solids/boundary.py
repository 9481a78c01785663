"""What bounds a solid: of the triangles of a mesh, in the unit box, those with the inside on exactly one side."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from inr.signals.solids.crossings import crossings
from inr.signals.solids.faces import Bools, Faces, Floats, Ints, area, used, volume
from inr.signals.solids.orient import Oriented
from inr.signals.solids.winding import Winding

# Distance from a face at which its two sides are looked at. libigl sums winding numbers in single precision.
_STEP = 2e-5
# A face of an open mesh has the inside behind it where the winding number there is at least this; of a flat sheet it
# is 1/2 on one side and -1/2 on the other.
_CLEAR = 0.6
_ENCLOSING = 0.25  # share of an open part's area that must be clear, or else the part is a sheet
_FLAT = 1e-7  # half the mean thickness, in lengths of its own box, under which a closed part is a sheet
_COPY = 0.9  # share of a cavity's volume from which a second cavity in it is a copy of it
_SAMPLES = 512  # of a part's faces, to tell whether it lies in another
_FINEST = 1 / 2048  # longest side of a piece of a face that crosses others
_COARSEST = 1 / 16  # the same of a piece that lies on another face
_PIECES = 2**18


@dataclasses.dataclass(frozen=True)
class Boundary:
    """The surface of a solid, and the oriented faces whose winding number is above 1/2 inside.

    vertices [V, 3], faces [F, 3]: the surface. wound_vertices, wound_faces: what winding numbers are taken of.
    n_flipped: parts that were turned over. buried: share of the parts' area that lies inside.
    is_cut: faces that cross others were cut in pieces of 1/2048 of the box, not along the line. is_simple: it is one
    closed part that does not touch itself, pointing outward.
    """

    vertices: Floats
    faces: Faces
    wound_vertices: Floats
    wound_faces: Faces
    n_flipped: int
    buried: float
    is_cut: bool
    is_simple: bool = False


def bounding(vertices: Floats, parts: Sequence[MeshPart]) -> Boundary:
    """The boundary of the union of parts that enclose something, at least one; vertices in the unit box.

    Closed parts point outward, except cavities: those that lie wholly inside another and point the other way than
    it. Where closed parts cross or touch, their union is computed by Manifold; where a part crosses itself or open
    parts are there, faces that cross are cut into small pieces, and those with the inside on one side are kept.
    """
    solids = _placed(vertices, parts)
    faces = np.concatenate([p.faces for p in solids])
    number = np.repeat(np.arange(len(solids)), [len(p.faces) for p in solids])
    is_closed = all(p.is_closed for p in solids)
    first, second = crossings(vertices, faces)
    joined, is_cut = None, False
    if is_closed and not len(first):
        kept = np.array([p.bounds for p in solids])[number]
        joined = vertices, faces[kept]
    elif is_closed and (number[first] != number[second]).all():
        joined = _union(vertices, solids)
    if joined is None:
        joined = _one_sided(vertices, faces, first, second, is_exact=is_closed)
        is_cut = bool(len(first))
    before, after = area(vertices, faces).sum(), area(*joined).sum()
    return Boundary(
        *used(*joined),
        *used(vertices, faces),
        n_flipped=sum(p.is_turned for p in solids),
        buried=max(0.0, float(1 - after / before)),
        is_cut=is_cut,
        is_simple=is_closed and len(solids) == 1 and not len(first),
    )


@dataclasses.dataclass(frozen=True)
class MeshPart:
    """Faces that are joined and oriented alike.

    encloses: they have an inside. sign: -1 if they point inwards, 0 if they occur in both orientations. size: absolute
    volume. low, high: corners of the bounding box.
    """

    faces: Faces
    is_closed: bool
    encloses: bool
    sign: int
    size: float
    low: Floats
    high: Floats


def parts_of(vertices: Floats, mesh: Oriented) -> list[MeshPart]:
    """The parts of a mesh in any units, each looked at in its own size. Open parts that enclose nothing by themselves,
    and do so together, are one part."""
    order = np.argsort(mesh.part, kind="stable")
    groups = np.split(mesh.faces[order], np.flatnonzero(np.diff(mesh.part[order])) + 1)
    parts: list[MeshPart] = []
    loose: list[Faces] = []
    for faces, is_closed, is_two_way in zip(groups, mesh.is_closed, mesh.is_two_way, strict=True):
        own, renumbered, side, low = _in_own_box(vertices, faces)
        if is_closed:
            size = volume(own, renumbered)
            sign = -1 if size < 0 else 1
            if is_two_way:  # turned outward here, so that its orientation has no further effect
                faces, sign = (faces[:, ::-1] if sign < 0 else faces), 0
            encloses = abs(size) > _FLAT * float(area(own, renumbered).sum())
            high = low + side * own.max(axis=0)
            parts.append(MeshPart(faces, True, encloses, sign, abs(size) * side**3, low, high))
        elif len(faces) < 4:
            loose.append(faces)
        else:
            sign, clear = _clear(own, renumbered, np.zeros(len(faces), np.int64))
            if clear[0] > _ENCLOSING:
                parts.append(_open_part(vertices, faces, sign))
            else:
                loose.append(faces)
    return [*parts, *_together(vertices, loose, [p.faces for p in parts if not p.is_closed])]


def _together(vertices: Floats, loose: list[Faces], others: list[Faces]) -> list[MeshPart]:
    """Open parts that enclose nothing by themselves: those that do so among all open parts, as one, and the rest."""
    if not loose:
        return []
    group = np.repeat(np.arange(len(loose) + 1), [*map(len, loose), sum(map(len, others))])
    own, renumbered, _, _ = _in_own_box(vertices, np.concatenate([*loose, *others]))
    sign, clear = _clear(own, renumbered, group)
    kept = [faces for faces, share in zip(loose, clear, strict=False) if share > _ENCLOSING]
    left = [faces for faces, share in zip(loose, clear, strict=False) if share <= _ENCLOSING]
    found = [] if not kept else [_open_part(vertices, np.concatenate(kept), sign)]
    return found + [dataclasses.replace(_open_part(vertices, faces, 1), encloses=False) for faces in left]


def _open_part(vertices: Floats, faces: Faces, sign: int) -> MeshPart:
    own, renumbered, side, low = _in_own_box(vertices, faces)
    return MeshPart(faces, False, True, sign, abs(volume(own, renumbered)) * side**3, low, low + side * own.max(axis=0))


def _in_own_box(vertices: Floats, faces: Faces) -> tuple[Floats, Faces, float, Floats]:
    """The vertices that faces use, from 0 to 1 along the longest side of their box; that side, and the low corner."""
    own, renumbered = used(vertices, faces)
    low = own.min(axis=0)
    side = float((own - low).max())
    return (own - low) / side, renumbered, side, low


def _clear(vertices: Floats, faces: Faces, group: Ints) -> tuple[int, Floats]:
    """+1 or -1 for open faces whose normals point outward or inward, and of each group of them the share of the area
    that has the inside behind it without doubt."""
    areas = area(vertices, faces)
    winding = Winding(vertices, faces)
    front, back = _sides(winding, vertices, faces, vertices[faces].mean(axis=1), np.arange(len(faces)))
    out = areas * ((back >= _CLEAR) & (front <= 0.5))
    turned = areas * ((-front >= _CLEAR) & (-back <= 0.5))
    sign = 1 if out.sum() >= turned.sum() else -1
    shares: Floats = np.bincount(group, out if sign > 0 else turned) / np.bincount(group, areas)
    return sign, shares


def _sides(winding: Winding, vertices: Floats, faces: Faces, points: Floats, of_face: Ints) -> tuple[Floats, Floats]:
    """Winding numbers just before and just behind points [N, 3] on faces [N]."""
    a, b, c = np.moveaxis(vertices[faces[of_face]], 1, 0)
    normal = np.cross(b - a, c - a)
    step = _STEP * normal / np.linalg.norm(normal, axis=1, keepdims=True)
    both = winding.number(np.concatenate([points + step, points - step]))
    return both[: len(points)], both[len(points) :]


@dataclasses.dataclass(frozen=True)
class _Placed:
    """A part among others. bounds: the inside is on exactly one side of it, judged by the parts that contain it.
    parent: number of the smallest such part, or None."""

    faces: Faces
    is_closed: bool
    is_cavity: bool
    is_turned: bool
    bounds: bool
    parent: int | None


def _placed(vertices: Floats, parts: Sequence[MeshPart]) -> list[_Placed]:
    """Parts by falling size, all but cavities turned outward."""
    parts = sorted(parts, key=lambda p: -p.size)
    placed: list[_Placed] = []
    winding_of = functools.cache(lambda k: Winding(vertices, parts[k].faces))
    lows = np.array([p.low for p in parts])
    highs = np.array([p.high for p in parts])
    for i, part in enumerate(parts):
        around = np.flatnonzero((lows[:i] <= part.low).all(axis=1) & (highs[:i] >= part.high).all(axis=1))
        holders = [int(k) for k in around if placed[k].is_closed and _holds(winding_of(int(k)), vertices, part)]
        is_like_outermost = not holders or parts[holders[0]].sign * part.sign >= 0
        depth = sum(-1 if placed[k].is_cavity else 1 for k in holders)
        is_cavity = part.is_closed and not is_like_outermost
        bounds = depth == 1 if is_cavity else depth == 0
        if is_cavity and depth < 1:  # nothing to be cut out of: a part in the cavity, unless it is its copy
            is_cavity = part.size > _COPY * parts[holders[-1]].size
            bounds = not is_cavity
        is_turned = part.sign == (1 if is_cavity else -1)
        faces = np.ascontiguousarray(part.faces[:, ::-1]) if is_turned else part.faces
        parent = holders[-1] if holders else None
        placed.append(_Placed(faces, part.is_closed, is_cavity, is_turned, bounds, parent))
    return placed


def _holds(holder: Winding, vertices: Floats, part: MeshPart) -> bool:
    """Whether a part lies wholly inside the surface of another; it may touch it."""
    faces = part.faces[:: max(1, len(part.faces) // _SAMPLES)]
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    normal = (part.sign or 1) * np.cross(b - a, c - a)
    inner = (a + b + c) / 3 - _STEP * normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return bool((np.abs(holder.number(inner)) > 0.5).all())


def _union(vertices: Floats, solids: list[_Placed]) -> tuple[Floats, Faces] | None:
    """The union of closed parts, each less its cavities; None if Manifold cannot compute it."""
    from manifold3d import Error, Manifold, Mesh64, OpType

    def body(faces: Faces) -> Manifold:
        own, renumbered = used(vertices, faces)
        return Manifold(Mesh64(vert_properties=own, tri_verts=renumbered.astype(np.uint64)))

    whole = []
    for i, part in enumerate(solids):
        if part.is_cavity:
            continue
        cavities = [body(c.faces[:, ::-1]) for c in solids if c.is_cavity and c.parent == i]
        bodies = [body(part.faces), *cavities]
        if any(b.status() != Error.NoError for b in bodies):
            return None
        whole.append(Manifold.batch_boolean(bodies, OpType.Subtract) if cavities else bodies[0])
    union = Manifold.batch_boolean(whole, OpType.Add) if len(whole) > 1 else whole[0]
    if union.status() != Error.NoError or union.is_empty():
        return None
    mesh = union.to_mesh64()
    return np.array(mesh.vert_properties[:, :3], np.float64), np.array(mesh.tri_verts, np.int64)


def _one_sided(vertices: Floats, faces: Faces, first: Ints, second: Ints, *, is_exact: bool) -> tuple[Floats, Faces]:
    """The faces, and pieces of those that cross others, with the inside on one side, which is then behind them.

    first, second [K]: numbers of faces that cross. is_exact: see `_cut`.
    """
    crossing = np.zeros(len(faces), bool)
    crossing[first] = crossing[second] = True
    plain = np.flatnonzero(~crossing)
    winding = Winding(vertices, faces)
    kept, is_turned = _verdict(*_sides(winding, vertices, faces, vertices[faces[plain]].mean(axis=1), plain))
    whole = np.where(is_turned[:, None], faces[plain][:, ::-1], faces[plain])[kept]
    pairs = np.concatenate([first, second]) * len(faces) + np.concatenate([second, first])
    pieces = _cut(winding, vertices, faces, np.flatnonzero(crossing), pairs, is_exact=is_exact)
    added = np.arange(3 * len(pieces)).reshape(-1, 3) + len(vertices)
    merged, inverse = np.unique(np.concatenate([vertices, pieces.reshape(-1, 3)]), axis=0, return_inverse=True)
    return merged, inverse.reshape(-1)[np.concatenate([whole, added])].astype(np.int64)


def _verdict(front: Floats, back: Floats) -> tuple[Bools, Bools]:
    """Whether the inside is on one side, and whether that is the front."""
    in_front, behind = front > 0.5, back > 0.5
    return in_front != behind, in_front


def _cut(winding: Winding, vertices: Floats, faces: Faces, crossing: Ints, pairs: Ints, *, is_exact: bool) -> Floats:
    """Pieces [K, 3, 3] of the faces that cross others, those that bound the solid, with the inside behind them.

    pairs: a * n_faces + b for each face a that crosses b, both ways. Pieces that lie on a face are quartered while they
    are large or have corners of both kinds; those that cross one, always, or if not is_exact by the same rule: the
    faces of open meshes cross wherever seams do not fit.
    """
    pieces, of_face = vertices[faces[crossing]], crossing
    pairs = np.unique(pairs)
    done: list[Floats] = [np.zeros((0, 3, 3))]
    while len(pieces):
        middle = pieces.mean(axis=1)
        longest = np.linalg.norm(pieces - np.roll(pieces, 1, axis=1), axis=2).max(axis=1)
        crosses, lies_on = _meetings(pieces, of_face, vertices, faces, crossing, pairs)
        surely = crosses if is_exact else np.zeros(len(pieces), bool)
        again = surely | ((crosses | lies_on) & (longest > _COARSEST))
        doubtful = np.flatnonzero((crosses | lies_on) & ~again)
        if len(doubtful):
            corners = (0.98 * pieces[doubtful, k] + 0.02 * middle[doubtful] for k in range(3))
            looks = (middle[doubtful], *corners)
            verdicts = np.array([_verdict(*_sides(winding, vertices, faces, x, of_face[doubtful])) for x in looks])
            again[doubtful] = (verdicts != verdicts[0]).any(axis=(0, 1))
        again &= (longest > _FINEST) & (len(pieces) <= _PIECES)
        settled = pieces[~again]
        kept, is_turned = _verdict(*_sides(winding, vertices, faces, middle[~again], of_face[~again]))
        done.append(np.where(is_turned[:, None, None], settled[:, ::-1], settled)[kept])
        pieces, of_face = _quartered(pieces[again]), np.repeat(of_face[again], 4)
    return np.concatenate(done)


def _meetings(
    pieces: Floats, of_face: Ints, vertices: Floats, faces: Faces, crossing: Ints, pairs: Ints
) -> tuple[Bools, Bools]:
    """Whether each piece crosses a face that its own face crosses, and whether it lies on one."""
    from igl.predicates import find_intersections

    own = np.arange(3 * len(pieces)).reshape(-1, 3)
    _, found, on = find_intersections(
        np.ascontiguousarray(pieces.reshape(-1, 3)), own, vertices, faces[crossing], False
    )
    found = np.asarray(found, np.int64).reshape(-1, 2)
    known = np.isin(of_face[found[:, 0]] * len(faces) + crossing[found[:, 1]], pairs)
    is_on = np.asarray(on).reshape(-1).astype(bool)
    crosses, lies_on = np.zeros(len(pieces), bool), np.zeros(len(pieces), bool)
    crosses[found[known & ~is_on, 0]] = True
    lies_on[found[known & is_on, 0]] = True
    return crosses, lies_on


def _quartered(triangles: Floats) -> Floats:
    """Each triangle [K, 3, 3] as four by the middles of its sides, [4 K, 3, 3]."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    quarters = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1)
    result: Floats = quarters.reshape(-1, 3, 3)
    return result
