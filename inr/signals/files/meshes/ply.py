"""PLY: vertices, and faces of any number of corners or triangle strips, by the reader of PLY's elements."""

from __future__ import annotations

import numpy as np

from inr.signals.files import ply as _ply
from inr.signals.files.meshes.polygons import Faces, MeshData, mesh_of
from inr.signals.files.text import CUT, may_be_cut

_INDICES = ("vertex_indices", "vertex_index")


def read(data: bytes) -> MeshData:
    """The mesh of a PLY file; other elements and properties are ignored. ValueError for a damaged one."""
    header = _ply.parse_header(data)
    found = _ply.read_elements(data, ("vertex", "face", "tristrips"))
    if "vertex" not in found:
        raise ValueError("it has no element 'vertex'")
    columns = found["vertex"].scalars
    missing = [axis for axis in "xyz" if axis not in columns]
    if missing:
        raise ValueError(f"its vertices have no property {missing[0]!r}, they have: {', '.join(columns)}")
    vertices = np.stack([columns[axis] for axis in "xyz"], axis=1)
    corners, sizes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    notes = []
    if "face" in found and found["face"].count:
        index, counts = _lists(found["face"], "faces")
        n_thin = int((counts < 3).sum())
        if n_thin:
            notes.append(f"{n_thin} faces of fewer than three vertices were left out")
            index, counts = index[np.repeat(counts >= 3, counts)], counts[counts >= 3]
        corners.append(index)
        sizes.append(counts)
    if "tristrips" in found and found["tristrips"].count:
        strips = _strips(*_lists(found["tristrips"], "strips"))
        corners.append(strips.ravel())
        sizes.append(np.full(len(strips), 3, np.int64))
    if header.format == "ascii" and may_be_cut(data):
        last = next((e for e in reversed(header.elements) if e.count and e.properties), None)
        if last is not None and (last.name == "vertex" or (len(corners[-1]) and corners[-1][-1] * 10 < len(vertices))):
            notes.append(CUT)
    return mesh_of(vertices, np.concatenate(corners), np.concatenate(sizes), tuple(notes))


def _lists(table: _ply.PlyTable, what: str) -> tuple[Faces, Faces]:
    """The vertex indices of a table's rows and their numbers."""
    name = next((name for name in _INDICES if name in table.lists), None)
    if name is None:
        known = ", ".join([*table.lists, *table.scalars]) or "no properties"
        raise ValueError(f"its {what} have no list vertex_indices, they have: {known}")
    values, counts = table.lists[name]
    with np.errstate(invalid="ignore"):
        index = values.astype(np.int64)
    if (index != values).any():
        raise ValueError(f"the vertex indices of its {what} are not whole numbers")
    return index, counts


def _strips(index: Faces, counts: Faces) -> Faces:
    """Triangles [F, 3] of strips, which the index -1 ends as well; every second one is turned, to face alike."""
    if len(index) < 3:
        return np.zeros((0, 3), np.int64)
    index = np.where(index == 2**32 - 1, -1, index)
    strip = np.repeat(np.arange(len(counts)), counts)
    begins = np.r_[True, (strip[1:] != strip[:-1]) | (index[:-1] == -1)]
    first = np.maximum.accumulate(np.where(begins, np.arange(len(index)), 0))
    triangles = np.stack([index[:-2], index[1:-1], index[2:]], axis=1)
    turned = (np.arange(len(triangles)) - first[:-2]) % 2 == 1
    triangles[turned] = triangles[turned][:, [1, 0, 2]]
    kept = triangles[(first[2:] == first[:-2]) & (index[2:] != -1)]
    is_thin = (kept[:, 0] == kept[:, 1]) | (kept[:, 1] == kept[:, 2]) | (kept[:, 0] == kept[:, 2])
    found: Faces = kept[~is_thin]
    return found
