"""Slices: cross-sections of a solid, to be fitted as its signed distance function.

By default the smoothest solid that has these cross-sections is found first, and its distances are fitted, as those of
meshes are. `method=orex` trains on points of the planes instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Spec
from inr.core.errors import UnreadableError, UsageError
from inr.core.rules import positive, whole
from inr.signals import metrics as measures
from inr.signals._described import Described
from inr.signals._distance import DistanceSignal, PointPool, check_span, cube_frame, evaluate_points
from inr.signals._signal import SIGNALS, Batch, Evaluate, Pool, Signal, Source
from inr.signals.files.contours import planes_of_drawings, planes_of_structure
from inr.signals.files.csl import ContourPlane, read_csl
from inr.signals.files.label_maps import (
    chosen_label,
    nifti_volume,
    notes_on,
    npy_volume,
    planes_of_pictures,
    planes_of_volume,
    slice_files,
)
from inr.signals.files.reading import check_options, decoding, read_bytes
from inr.signals.solids.distances import MeshSolid
from inr.signals.solids.faces import Floats
from inr.signals.solids.sections import Section
from inr.signals.solids.slice_bounds import all_over, beside_contours, beyond_hull
from inr.signals.solids.slice_conflicts import conflicts, is_same_plane
from inr.signals.solids.slice_mesh import are_parallel, mesh_of_sections
from inr.signals.solids.solid_signal import DEFAULT_POINTS, SolidSignal, n_points_of

_ROOM = 1.4
"""Side of the cube in which the solid is found, in extents of the contours."""
_AXES = ("x", "y", "z")
_OPTIONS: dict[str, Sequence[str] | None] = {
    "label": None,
    "roi": None,
    "spacing": None,
    "axis": ("auto", *_AXES),
    "method": ("spline", "orex"),
    "points": None,
}
_READ = ("label", "roi", "spacing", "axis")
_PER_PLANE = 4096
_UNIFORM, _NEAR, _ON = 2048, 2048, 512
_OUTSIDE = 2**14
_TEST_SEED = 0x5EED
_MOST_NAMED = 3


@SIGNALS.register("slices")
class Slices(DistanceSignal):
    """Cross-sections of a solid: .csl, label maps (.nii, .nii.gz, .npy), DICOM RT structure sets (.dcm), or a folder of
    PNG or SVG files, one per slice. NPY files and folders are of this kind only if it is named.

    A point of a plane is inside if an odd number of contours surrounds it, so a ring in a ring is a hole. Planes
    without contours say that nothing is there. Options: `label` (a value of a label map, or a label of a .csl file),
    `roi` (a region's name), `spacing=x,y,z` of voxels, pixels and slices (NPY, PNG, SVG; default 1), `axis` across
    which a label map is sliced (default: that of the largest spacing).

    `method=spline`: the smoothest function that has the contours and is bounded by the distances to them, see
    `mesh_of_sections`; its distances are fitted, with `points` samples, default 2^20. `method=orex`: points of the
    planes are labelled inside or outside, for the loss of OReX (Sawdayee et al. 2023), without its network.
    """

    kind: ClassVar[str] = "slices"
    noun: ClassVar[str] = "stack of slices"
    extensions: ClassVar[tuple[str, ...]] = (".csl", ".nii", ".gz", ".dcm", ".npy")
    unclaimed: ClassVar[tuple[str, ...]] = (".npy",)
    described: ClassVar[Described] = Described(
        d_in=(3, 3), d_out=(1, 1), is_lattice=False, meta={"side": positive(1e-30), "n_planes": whole(1)}
    )
    loss: ClassVar[str] = "orex"
    default_field: ClassVar[str] = "siren"
    headline: str = "slice_iou"

    def __init__(self, planes: Sequence[Section], meta: Mapping[str, Any], notes: tuple[str, ...]) -> None:
        """planes: in the units of the file."""
        self.frame = cube_frame(np.concatenate([plane.vertices for plane in planes]))
        self.spec = Spec("slices", 3, 1)
        self.meta = {"side": self.frame.scale[0], **meta}
        self.notes = notes
        self._sections = _in_box(planes, self.frame)

    @classmethod
    def claims(cls, source: Source) -> bool:
        return super().claims(source) and (source.suffix != ".gz" or source.name.lower().endswith(".nii.gz"))

    @classmethod
    def load_options(cls, meta: Mapping[str, Any]) -> dict[str, str]:
        return options_of(meta)

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        planes, meta, notes = _read(source, options)
        if "points" in options:
            raise UsageError("option points does not apply: method=orex has a fixed number of points per plane")
        return cls(planes, meta, notes)

    @classmethod
    def open(cls, source: Source, options: Mapping[str, str]) -> Signal:
        """As a `SolidOfSlices`, unless `method=orex` is given."""
        return (cls if options.get("method") == "orex" else SolidOfSlices).load(source, options)

    @classmethod
    def default_field_for(cls, source: Source, options: Mapping[str, str]) -> str:
        return cls.default_field if options.get("method") == "orex" else SolidOfSlices.default_field

    def pool(self, generator: Generator) -> Pool:
        """Per plane 2048 uniform points, and with contours 2048 near and 512 on them; 2^14 outside, all over the cube.

        Values are signed distances within the plane, of which the loss takes the signs, 0 on contours. Outside: beyond
        the convex hull of all contours x 1.05.
        """
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator, device=generator.device)))
        x, y = [], []
        for each in self._sections:
            at = [all_over(each, _UNIFORM, rng)]
            if not each.is_empty:
                at += [beside_contours(each, _NEAR, rng), beside_contours(each, _ON, rng, is_on=True)]
            points = np.concatenate(at)
            s = np.minimum(each.distance(points), 1.0)
            s[_UNIFORM + _NEAR :] = 0.0
            x.append(each.to_space(points))
            y.append(s)
        free = rng.random((2 * _OUTSIDE, 3))
        far = beyond_hull(self._sections, free)
        free, far = free[far > 0][:_OUTSIDE], far[far > 0][:_OUTSIDE]
        every, values = np.concatenate([*x, free]), np.concatenate([*y, far])
        kept = ((every >= 0) & (every <= 1)).all(axis=1)
        return PointPool(
            Batch(
                torch.from_numpy(every[kept].astype(np.float32)),
                torch.from_numpy(values[kept, None].astype(np.float32)),
            )
        )

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """slice_iou and contour_mae, see `plane_metrics`."""
        return plane_metrics(evaluate, self._sections, self.meta["side"])


class SolidOfSlices(SolidSignal):
    """The smoothest solid that has the given cross-sections, see `mesh_of_sections`."""

    kind: ClassVar[str] = "slices"
    noun: ClassVar[str] = Slices.noun
    extensions: ClassVar[tuple[str, ...]] = Slices.extensions
    headline: str = "slice_iou"

    _sections: Sequence[Section]

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        n_points = n_points_of(options)
        planes, meta, notes = _read(source, options)
        return cls.of_planes(planes, meta, notes, n_points, source.name)

    @classmethod
    def of_planes(
        cls,
        planes: Sequence[Section],
        meta: Mapping[str, Any],
        notes: tuple[str, ...] = (),
        n_points: int = DEFAULT_POINTS,
        name: str = "slices",
    ) -> Self:
        """The solid of at least two cross-sections, in the units of the file."""
        ends = _ends(planes)
        low, high = ends.min(axis=0), ends.max(axis=0)
        room = _ROOM * float((high - low).max())
        corner = (low + high) / 2 - room / 2
        found = mesh_of_sections([plane.moved(corner, room) for plane in planes])
        vertices = found.vertices * room + corner
        frame = cube_frame(vertices)
        side = frame.scale[0]
        vertices = (vertices - np.array(frame.domain.low)) / side
        boundary = dataclasses.replace(found, vertices=vertices, wound_vertices=vertices)
        signal = cls(MeshSolid(boundary), frame, {"side": side, **meta}, notes, n_points)
        signal.meta["thickness"] = signal.thickness
        signal._sections = _in_box(planes, frame)
        own = plane_metrics(lambda x: signal.distance(x) * 1.0, signal._sections, side)["slice_iou"]
        if own < 0.98:
            signal.notes += (
                f"{name}: the solid that was found has the slices to {100 * own:.3g} %: they contradict each other, "
                "or have more detail than it",
            )
        return signal

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """slice_iou and contour_mae on the given planes; the rest is against the solid that was found from them."""
        return {**plane_metrics(evaluate, self._sections, self.meta["side"]), **super().metrics(evaluate)}


def plane_metrics(evaluate: Evaluate, sections: Sequence[Section], side: float) -> dict[str, float]:
    """How well a field has given cross-sections, which lie in the unit box.

    slice_iou: mean over the planes of the intersection over union of the inside sets, on 4096 uniform points of each
    within the box; planes on which both are empty count as 1. contour_mae: mean |f| on the contours, in mesh units.
    side: of the box.
    """
    rng = np.random.default_rng(_TEST_SEED)
    shares, on = [], []
    for each in sections:
        at = all_over(each, _PER_PLANE, rng)
        f = evaluate_points(evaluate, _clipped(each.to_space(at)))
        shares.append(measures.iou(f < 0, each.contains(at)))
        if not each.is_empty:
            on.append(_clipped(each.to_space(beside_contours(each, _ON, rng, is_on=True))))
    mean = float(np.mean(np.abs(evaluate_points(evaluate, torch.cat(on)))))
    return {"slice_iou": float(np.mean(shares)), "contour_mae": mean}


def options_of(meta: Mapping[str, Any]) -> dict[str, str]:
    """The options with which slices were read, from the metadata of a model."""
    read = meta.get("read")
    return {key: str(read[key]) for key in _READ if key in read} if isinstance(read, Mapping) else {}


def _clipped(points: Floats) -> Tensor:
    return torch.from_numpy(np.clip(points, 0, 1).astype(np.float32))


def _in_box(planes: Sequence[Section], frame: Frame) -> list[Section]:
    low = np.array(frame.domain.low)
    return [plane.moved(low, frame.scale[0]) for plane in planes]


def _ends(planes: Sequence[Section]) -> Floats:
    """All vertices, and of parallel planes also those that are a gap beyond each end."""
    found = [plane.vertices for plane in planes]
    if are_parallel(planes):
        n = planes[0].normal
        levels = np.array([float(plane.origin @ n) for plane in planes])
        filled = [k for k, plane in enumerate(planes) if not plane.is_empty]
        order = np.argsort(levels)
        gaps = float(levels[order[1]] - levels[order[0]]), float(levels[order[-1]] - levels[order[-2]])
        for pick, gap, way in ((min, gaps[0], -1), (max, gaps[1], 1)):
            end = pick(filled, key=lambda k: levels[k])
            found.append(planes[end].vertices + way * gap * n)
    return np.concatenate(found)


def _read(source: Source, options: Mapping[str, str]) -> tuple[list[Section], dict[str, Any], tuple[str, ...]]:
    """The planes of a file in its units, what its metadata states, and notes."""
    check_options("slices", options, _OPTIONS)
    label = _label_of(options)
    with decoding(source, "slices"):
        contours, notes = _contours(source, options, label)
    name = source.name
    planes = [plane.section() for plane in contours]
    filled = [plane for plane in planes if not plane.is_empty]
    if not filled:
        raise UnreadableError(f"{name}: no plane has a contour")
    vertices = np.concatenate([plane.vertices for plane in filled])
    check_span(vertices, f"{name}: its contours")
    planes, more = _compared(planes, cube_frame(vertices), name)
    if len(planes) < 2:
        raise UnreadableError(f"{name}: 1 plane, a volume needs at least 2")
    read = {key: options[key] for key in _READ if key in options}
    return planes, {"n_planes": len(planes), "read": read}, (*notes, *more)


def _compared(planes: list[Section], frame: Frame, name: str) -> tuple[list[Section], list[str]]:
    """Planes without repeated ones, and notes on those that contradict each other."""
    boxed = _in_box(planes, frame)
    kept: list[int] = []
    for k, plane in enumerate(boxed):
        if not any(is_same_plane(boxed[j], plane) for j in kept):
            kept.append(k)
    notes = []
    if len(kept) < len(planes):
        n = len(planes) - len(kept)
        notes.append(f"{name}: left out: {n} plane{'' if n == 1 else 's'} in the place of another")
    found = conflicts(boxed)
    for each in found[:_MOST_NAMED]:
        where = "of their common line" if each.is_line else "of the plane that they share"
        notes.append(
            f"{name}: planes {each.first + 1} and {each.second + 1} disagree on {100 * each.share:.2g} % {where}"
        )
    if len(found) > _MOST_NAMED:
        notes.append(f"{name}: {len(found) - _MOST_NAMED} more pairs of planes disagree")
    return [planes[k] for k in kept], notes


def _contours(source: Source, options: Mapping[str, str], label: int | None) -> tuple[list[ContourPlane], list[str]]:
    name = source.name
    if source.is_folder:
        _refuse_others(options, "spacing", "label")
        return _of_folder(source, options, label)
    data = read_bytes(source)
    if data.startswith(b"CSLC") or source.suffix == ".csl":
        _refuse_others(options, "label")
        planes = read_csl(data)
        labels = sorted({own for plane in planes for own, _ in plane.rings})
        if labels:
            label = chosen_label(labels, name, label)
        return [dataclasses.replace(p, rings=tuple(r for r in p.rings if r[0] == label)) for p in planes], []
    if data[128:132] == b"DICM" or source.suffix == ".dcm":
        _refuse_others(options, "roi")
        return planes_of_structure(data, name, options.get("roi")), []
    axis = None if options.get("axis", "auto") == "auto" else _AXES.index(options["axis"])
    if source.suffix == ".npy":
        _refuse_others(options, "label", "spacing", "axis")
        spacing, notes = _spacing_of(options, name)
        chosen = npy_volume(data, name, spacing)
        return planes_of_volume(chosen, name, label, axis), [*notes, *notes_on(chosen, name)]
    if source.suffix in (".nii", ".gz"):
        _refuse_others(options, "label", "axis")
        chosen = nifti_volume(data, name)
        return planes_of_volume(chosen, name, label, axis), notes_on(chosen, name)
    raise UnreadableError(f"{name!r} cannot be read as slices", "expected .csl, .nii, .nii.gz, .npy, .dcm or a folder")


def _of_folder(source: Source, options: Mapping[str, str], label: int | None) -> tuple[list[ContourPlane], list[str]]:
    assert source.path is not None
    spacing, notes = _spacing_of(options, source.name)
    pictures, drawings = (slice_files(source.path, suffix) for suffix in (".png", ".svg"))
    if bool(pictures) == bool(drawings):
        what = "both PNG and SVG files" if pictures else "neither PNG nor SVG files"
        raise UnreadableError(f"folder {source.name!r} has {what}, expected one file per slice")
    if pictures:
        return planes_of_pictures(pictures, source.name, spacing, label), notes
    if label is not None:
        raise UsageError("option label does not apply to SVG slices")
    return planes_of_drawings(drawings, spacing), notes


def _refuse_others(options: Mapping[str, str], *known: str) -> None:
    """UsageError for an option that this format does not take."""
    surplus = [key for key in options if key not in (*known, "method", "points")]
    if surplus:
        raise UsageError(f"option {surplus[0]} does not apply to slices of this format", f"it takes {', '.join(known)}")


def _label_of(options: Mapping[str, str]) -> int | None:
    text = options.get("label")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise UsageError(f"option label is {text!r}, expected a whole number such as 2")
    return int(text)


def _spacing_of(options: Mapping[str, str], name: str) -> tuple[Floats, list[str]]:
    text = options.get("spacing")
    if text is None:
        return np.ones(3), [f"{name}: voxels are taken as 1 x 1 x 1; signal.spacing=x,y,z states their sizes"]
    try:
        spacing = np.array([float(part) for part in text.split(",")])
    except ValueError:
        spacing = np.empty(0)
    if spacing.shape != (3,) or not ((spacing > 0) & np.isfinite(spacing)).all():
        raise UsageError(f"option spacing is {text!r}, expected three sizes above 0 such as 0.5,0.5,5")
    return spacing, []
