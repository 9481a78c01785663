"""NanoVDB: a narrow band of distances as a level set of blocks, for Warp, Omniverse, Blender and renderers.

The layout is that of NanoVDB 32 (github.com/AcademySoftwareFoundation/openvdb, nanovdb/NanoVDB.h and io/IO.h): one
segment with one uncompressed grid; a root with tiles of 4096^3 voxels, upper nodes of 32^3 slots, lower nodes of 16^3
slots, leaves of 8^3 voxels, breadth first, each kind in one array.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from inr.core.config import param
from inr.core.errors import EmptyError
from inr.exporters._exporter import EXPORTERS, Exported, check_name
from inr.exporters._grid import GridExporter
from inr.fitting import Fit
from inr.mesh.fit_distance import FitDistance
from inr.mesh.narrow_band import BLOCK, NarrowBand, NodeLattice, is_inside, narrow_band

Array = np.ndarray[Any, np.dtype[Any]]

_MAGIC = 0x304244566F6E614E  # "NanoVDB0", which readers of all versions 32 accept
_VERSION = 32 << 21 | 6 << 10
_FLOAT, _FP16, _LEVEL_SET = 1, 15, 1
_HAS_BOX, _HAS_RANGE, _IS_BREADTH_FIRST = 2, 4, 32
_IN_LOWER, _IN_UPPER = 16, 32  # slots along a side
_VOXELS_LOWER = BLOCK * _IN_LOWER
_VOXELS_UPPER = _VOXELS_LOWER * _IN_UPPER

_LEAF_START = [("low", "<i4", 3), ("size", "u1", 3), ("flags", "u1"), ("active", "<u8", 8)]
_LEAF = np.dtype([*_LEAF_START, ("range", "<f4", 2), ("unused", "<f4", 2), ("values", "<f4", 512)])
_LEAF_16 = np.dtype([*_LEAF_START, ("start", "<f4"), ("step", "<f4"), ("unused", "<u2", 4), ("values", "<u2", 512)])


def _inner(slots: int) -> np.dtype[Any]:
    words = slots**3 // 64
    return np.dtype(
        [
            *[("low", "<i4", 3), ("high", "<i4", 3), ("flags", "<u8"), ("active", "<u8", words)],
            *[("children", "<u8", words), ("range", "<f4", 2), ("unused", "<f4", 2), ("to_32_bytes", "V16")],
            ("table", "<i8", slots**3),
        ]
    )


_LOWER, _UPPER = _inner(_IN_LOWER), _inner(_IN_UPPER)
_ROOT = np.dtype(
    [
        *[("low", "<i4", 3), ("high", "<i4", 3), ("n_tiles", "<u4"), ("background", "<f4"), ("range", "<f4", 2)],
        *[("unused", "<f4", 2), ("to_32_bytes", "V16")],
    ]
)
_TILE = np.dtype([("key", "<u8"), ("child", "<i8"), ("state", "<u4"), ("value", "<f4"), ("to_32_bytes", "V8")])
_GRID_BYTES, _TREE_BYTES = 672, 64


@EXPORTERS.register("nvdb")
@dataclass(frozen=True, kw_only=True)
class NanoVdb(GridExporter):
    """NanoVDB level set: distances near the surface at any voxel size, for Warp, Omniverse, Blender.

    Voxel (i, j, k) lies at the low corner of the box + voxel (i, j, k), values are in mesh units. Voxels closer to the
    surface than the band are active; others have +-band. With half, leaves have 16-bit codes (Fp16).
    """

    suffixes: ClassVar[tuple[str, ...]] = (".nvdb",)
    cells: ClassVar[int] = 256

    band: float = param(3.0, "half the width of the band, in voxels", ge=1, le=1000)
    name: str = param("surface", "name of the grid")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        check_name(self.name)
        distance = FitDistance(fit)
        lattice = self.lattice(distance)
        band = narrow_band(distance, lattice, self.band * lattice.spacing, lipschitz=distance.lipschitz)
        if not len(band.blocks):
            raise EmptyError("no voxel is near a surface: the field has no zero in its box", "fit longer")
        return Exported({suffix: _file(band, distance, self.name, is_half=self.half)})


def _file(band: NarrowBand, distance: FitDistance, name: str, *, is_half: bool) -> bytes:
    leaf_at, values = band.blocks * BLOCK, band.values.reshape(-1, 512)
    lower_key, lower_of_leaf = np.unique(leaf_at // _VOXELS_LOWER, axis=0, return_inverse=True)
    upper_key, upper_of_lower = np.unique(lower_key // _IN_UPPER, axis=0, return_inverse=True)
    # leaves and lower nodes in the order of their parents
    lower_order = np.lexsort((_slot(lower_key, _IN_UPPER), upper_of_lower.reshape(-1)))
    lower_key, upper_of_lower = lower_key[lower_order], upper_of_lower.reshape(-1)[lower_order]
    place = np.empty(len(lower_order), np.int64)
    place[lower_order] = np.arange(len(lower_order))
    lower_of_leaf = place[lower_of_leaf.reshape(-1)]
    order = np.lexsort((_slot(leaf_at // BLOCK, _IN_LOWER), lower_of_leaf))
    leaf_at, values, lower_of_leaf = leaf_at[order], values[order], lower_of_leaf[order]

    leaves = _leaves(leaf_at, values, band.width, is_half=is_half)
    lower = np.zeros(len(lower_key), _LOWER)
    upper = np.zeros(len(upper_key), _UPPER)
    tiles = np.zeros(len(upper_key), _TILE)
    start_tiles = _GRID_BYTES + _TREE_BYTES + _ROOT.itemsize
    start_upper = start_tiles + tiles.nbytes
    start_lower = start_upper + upper.nbytes
    start_leaf = start_lower + lower.nbytes
    size = start_leaf + leaves.nbytes

    _fill(lower, lower_key * _VOXELS_LOWER, BLOCK, band, distance)
    _fill(upper, upper_key * _VOXELS_UPPER, _VOXELS_LOWER, band, distance)
    at_leaf = start_leaf + np.arange(len(leaves)) * leaves.itemsize
    at_lower = start_lower + np.arange(len(lower)) * lower.itemsize
    at_upper = start_upper + np.arange(len(upper)) * upper.itemsize
    _adopt(lower, lower_of_leaf, _slot(leaf_at // BLOCK, _IN_LOWER), at_leaf - at_lower[lower_of_leaf])
    _adopt(upper, upper_of_lower, _slot(lower_key, _IN_UPPER), at_lower - at_upper[upper_of_lower])
    _bound(lower, lower_of_leaf, leaves["low"], leaves["low"] + leaves["size"], _range(leaves, values))
    _bound(upper, upper_of_lower, lower["low"], lower["high"], lower["range"])

    tiles["key"] = _tile_key(upper_key)
    tiles["child"] = at_upper - (_GRID_BYTES + _TREE_BYTES)
    tiles["value"] = band.width
    root = np.zeros(1, _ROOT)
    root["low"], root["high"] = upper["low"].min(axis=0), upper["high"].max(axis=0)
    root["range"] = upper["range"][:, 0].min(), upper["range"][:, 1].max()
    root["n_tiles"], root["background"] = len(tiles), band.width
    n_active = int((np.abs(values) < band.width).sum())
    to_tree = -_GRID_BYTES
    tree = struct.pack(
        "<4q3I3IQ",
        *[start_leaf + to_tree, start_lower + to_tree, start_upper + to_tree, _TREE_BYTES],
        *[len(leaves), len(lower), len(upper), 0, 0, 0, n_active],
    )
    low, high = root["low"][0].astype(np.float64), root["high"][0].astype(np.float64) + 1
    grid = _grid_header(band.lattice, name, size, (low, high), _FP16 if is_half else _FLOAT)
    body = grid + tree + root.tobytes() + tiles.tobytes() + upper.tobytes() + lower.tobytes() + leaves.tobytes()
    assert len(body) == size
    counts = (len(leaves), len(lower), len(upper), 1)
    return _segment(band.lattice, name, body, root, counts, n_active, _FP16 if is_half else _FLOAT) + body


def _leaves(at: Array, values: Array, width: float, *, is_half: bool) -> Array:
    """Leaf nodes at voxels [K, 3] with values [K, 512], axes x, y, z."""
    is_active = np.abs(values) < width
    leaves = np.zeros(len(at), _LEAF_16 if is_half else _LEAF)
    leaves["active"] = np.packbits(is_active, axis=1, bitorder="little").view("<u8")
    first, last = _box_of(is_active)
    leaves["low"], leaves["size"], leaves["flags"] = at + first, last - first, 2  # 2: it states its box
    if is_half:
        low, high = values.min(axis=1), values.max(axis=1)
        step = (high - low) / np.float32(65535)
        safe = np.where(step > 0, step, 1)[:, None]
        leaves["start"], leaves["step"] = low, step
        leaves["values"] = np.clip(np.rint((values - low[:, None]) / safe), 0, 65535)
    else:
        leaves["values"], leaves["range"] = values, _range(leaves, values)
    return leaves


def _range(leaves: Array, values: Array) -> Array:
    """Smallest and largest active value of each leaf [K, 2]; of all its values if none is active."""
    is_active: Array = (
        np.unpackbits(leaves["active"].view("u1").reshape(len(leaves), -1), axis=1, bitorder="little") > 0
    )
    is_active |= ~is_active.any(axis=1, keepdims=True)
    low = np.where(is_active, values, np.inf).min(axis=1)
    return np.stack([low, np.where(is_active, values, -np.inf).max(axis=1)], axis=1)


def _box_of(is_active: Array) -> tuple[Array, Array]:
    """First and last active index along each axis, [K, 3] each, of leaves [K, 512]; 0 where none is active."""
    cube = is_active.reshape(-1, BLOCK, BLOCK, BLOCK)
    along: list[Array] = [np.asarray(cube.any(axis=others)) for others in ((2, 3), (1, 3), (1, 2))]
    first = np.stack([a.argmax(axis=1) for a in along], axis=1)
    last = np.stack([np.where(a.any(axis=1), BLOCK - 1 - a[:, ::-1].argmax(axis=1), 0) for a in along], axis=1)
    return first, last


def _slot(index: Array, slots: int) -> Array:
    """Number of the slot of children [K, 3], in units of their size, in their parent."""
    i, j, k = (index % slots).T
    return np.asarray((i * slots + j) * slots + k)


def _fill(nodes: Array, at: Array, child: int, band: NarrowBand, distance: FitDistance) -> None:
    """All slots of nodes that begin at voxels [M, 3]: +-background by the distance in the middle of the slot."""
    slots = round(nodes["table"].shape[1] ** (1 / 3))
    within = np.stack(np.unravel_index(np.arange(slots**3), (slots,) * 3), axis=-1)
    for node, low in zip(nodes, at, strict=True):
        index = low // child + within
        in_box = (index * child < band.lattice.shape).all(axis=1)
        value = np.full(slots**3, band.width, np.float32)
        value[in_box] = np.where(is_inside(distance, band.lattice, index[in_box], child), -band.width, band.width)
        node["table"] = value.view("<u4")


def _adopt(parents: Array, parent: Array, slot: Array, way: Array) -> None:
    """Put children into the tables of their parents. way: bytes from the parent to each child."""
    parents["table"][parent, slot] = way
    np.bitwise_or.at(parents["children"], (parent, slot >> 6), np.uint64(1) << (slot & 63).astype(np.uint64))


def _bound(parents: Array, parent: Array, low: Array, high: Array, values: Array) -> None:
    """The boxes and value ranges of parents, from those of their children."""
    parents["low"], parents["high"] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
    parents["range"] = np.inf, -np.inf
    for name, ends in (("low", low), ("high", high)):
        (np.minimum if name == "low" else np.maximum).at(parents[name], parent, ends)
    ranges = parents["range"]
    np.minimum.at(ranges[:, 0], parent, values[:, 0])
    np.maximum.at(ranges[:, 1], parent, values[:, 1])


def _tile_key(tile: Array) -> Array:
    x, y, z = (tile.astype(np.uint64) & np.uint64(0xFFFFF)).T
    return np.asarray(x << np.uint64(42) | y << np.uint64(21) | z)


def _world(lattice: NodeLattice, box: tuple[Array, Array]) -> list[float]:
    return [float(v) for end in box for v in lattice.position(end[None])[0]]


def _grid_header(lattice: NodeLattice, name: str, size: int, box: tuple[Array, Array], kind: int) -> bytes:
    h = lattice.spacing
    matrix, inverse = np.diag([h] * 3).reshape(-1), np.diag([1 / h] * 3).reshape(-1)
    numbers = [*matrix, *inverse, *lattice.origin, 1.0]
    flags = _HAS_BOX | _IS_BREADTH_FIRST | (0 if kind == _FP16 else _HAS_RANGE)
    head = struct.pack("<QQIIIIQ256s", _MAGIC, 2**64 - 1, _VERSION, flags, 0, 1, size, name.encode()[:255])
    place = struct.pack("<22f22d", *numbers, *numbers)
    end = struct.pack("<6d3dIIqIIQQ", *_world(lattice, box), h, h, h, _LEVEL_SET, kind, 0, 0, 0, 0, 0)
    return head + place + end


def _segment(
    lattice: NodeLattice, name: str, body: bytes, root: Array, counts: tuple[int, ...], n_active: int, kind: int
) -> bytes:
    """The header of the file and the description of its grid."""
    text = name.encode() + b"\0"
    low, high = root["low"][0], root["high"][0]
    box = _world(lattice, (low.astype(np.float64), high.astype(np.float64) + 1))
    described = struct.pack(
        "<4Q2I6d6i3dI4I3IHHI",
        *[len(body), len(body), _hash(text[:-1]), n_active, kind, _LEVEL_SET],
        *[*box, *low.tolist(), *high.tolist(), *([lattice.spacing] * 3), len(text), *counts, 0, 0, 0, 0, 0, _VERSION],
    )
    return struct.pack("<QIHH", _MAGIC, _VERSION, 1, 0) + described + text


def _hash(text: bytes) -> int:
    """The number by which NanoVDB looks up grids by their name."""
    found = 0
    for byte in text:
        found = (found * 67 + byte + (found >> 56)) % 2**64
    return found
