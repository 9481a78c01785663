"""Contours of other formats as cross-sections: SVG drawings in a folder, and DICOM RT structure sets."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inr.core.errors import UnreadableError, UsageError
from inr.core.optional import need
from inr.signals.files.csl import ContourPlane
from inr.signals.files.format import FORMATS, FileFormat
from inr.signals.solids.faces import Floats

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_META_BYTES = 2**12
_ITEMS = b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"  # how an item of a sequence begins, in either order of bytes
_LEAST_ITEM = 80  # bytes per item on average: a contour has more, and pydicom takes 700 for each
_PER_CURVE = 16
_MOST_BYTES = 2**24
_SAME = 1e-3
_MOST_LISTED = 12


def planes_of_drawings(files: list[Path], spacing: Floats) -> list[ContourPlane]:
    """One plane per SVG file, by svgpathtools: x to the right, y upwards, z by the order of the files.

    All outlines count (paths, polygons, rectangles, circles, ellipses), filled or not; curves become 16 chords each.
    Lengths are user units times the spacing. Raises UnavailableError without svgpathtools.
    """
    svg = need("svgpathtools", "reading SVG slices", "svgpathtools")
    planes = []
    for k, path in enumerate(files):
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableError(f"{path}: larger than {_MOST_BYTES >> 20} MiB")
        text = path.read_text("utf-8", "replace")
        if "<!ENTITY" in text:
            raise UnreadableError(f"{path}: it defines entities, expected a plain drawing")
        z = (k + 0.5) * float(spacing[2])
        rings = []
        for outline in svg.Document.from_svg_string(text).paths():
            for part in outline.continuous_subpaths():
                at = [p for segment in part for p in _along(svg, segment)]
                ring = np.array([(p.real * spacing[0], -p.imag * spacing[1], z) for p in at])
                if len(ring) > 2:
                    rings.append((1, ring))
        planes.append(ContourPlane(np.array([0.0, 0.0, 1.0]), z, tuple(rings)))
    return planes


def _along(svg: Any, segment: Any) -> list[complex]:
    """Points of a segment, without its end."""
    if isinstance(segment, svg.Line):
        return [segment.start]
    return [segment.point(t / _PER_CURVE) for t in range(_PER_CURVE)]


def planes_of_structure(data: bytes, name: str, roi: str | None) -> list[ContourPlane]:
    """The closed planar contours of one region of a DICOM RT structure set, in mm of the patient (LPS), by pydicom.

    Contours of one plane are joined by the even-odd rule, whether holes are separate contours or keyholes. roi: the
    region's name; None: the only one. Raises UnavailableError without pydicom, UsageError with the names for another,
    UnreadableError for a file that would need many times its size in memory.
    """
    pydicom = need("pydicom", f"{name}: reading DICOM files", "pydicom")
    if _DEFLATED in data[:_META_BYTES]:
        raise UnreadableError(f"{name}: it is deflated, expected a plain DICOM file", "dcmconv +te a.dcm b.dcm")
    if sum(data.count(item) for item in _ITEMS) * _LEAST_ITEM > len(data) + _META_BYTES:
        raise UnreadableError(f"{name}: its items have few bytes each, expected those of contours")
    found = pydicom.dcmread(io.BytesIO(data), force=False)
    names = {int(item.ROINumber): str(item.ROIName) for item in found.get("StructureSetROISequence", [])}
    regions = {
        names[number]: item
        for item in found.get("ROIContourSequence", [])
        if (number := int(item.ReferencedROINumber)) in names and item.get("ContourSequence")
    }
    if not regions:
        raise UnreadableError(f"{name}: no region with contours, expected an RT structure set")
    shown = ", ".join(repr(each) for each in list(regions)[:_MOST_LISTED]) + (
        ", ..." if len(regions) > _MOST_LISTED else ""
    )
    if roi is None and len(regions) > 1:
        raise UsageError(
            f"{name} has the regions {shown}: one of them is fitted", f"signal.roi={next(iter(regions))} chooses one"
        )
    if roi is not None and roi not in regions:
        raise UsageError(f"option roi is {roi!r}, but {name} has the regions {shown}")
    region = next(iter(regions.values())) if roi is None else regions[roi]
    rings = [
        np.array(item.ContourData, np.float64).reshape(-1, 3)
        for item in region.ContourSequence
        if str(item.ContourGeometricType) == "CLOSED_PLANAR" and len(item.ContourData) >= 9
    ]
    if not rings:
        raise UnreadableError(f"{name}: its region has no closed planar contours")
    if not all(np.isfinite(ring).all() for ring in rings):
        raise UnreadableError(f"{name}: a contour has coordinates that are not finite")
    return _grouped(rings)


def _grouped(rings: list[Floats]) -> list[ContourPlane]:
    """Rings in space by the planes that they lie in, each within a thousandth of the whole extent."""
    every = np.concatenate(rings)
    same = _SAME * float(np.ptp(every, axis=0).max())
    normals = [_normal_of(ring) for ring in rings]
    planes: list[ContourPlane] = []
    for ring, normal in zip(rings, normals, strict=True):
        offset = float(normal @ ring.mean(axis=0))
        at = next(
            (k for k, p in enumerate(planes) if float(p.normal @ normal) > 1 - 1e-6 and abs(p.offset - offset) < same),
            None,
        )
        if at is None:
            planes.append(ContourPlane(normal, offset, ((1, ring),)))
        else:
            planes[at] = ContourPlane(planes[at].normal, planes[at].offset, (*planes[at].rings, (1, ring)))
    return planes


def _normal_of(ring: Floats) -> Floats:
    """Unit normal of a ring, with its largest component positive (Newell's method); z for one without area."""
    centred = ring - ring.mean(axis=0)
    normal = np.cross(centred, np.roll(centred, -1, axis=0)).sum(axis=0)
    length = float(np.linalg.norm(normal))
    if length == 0:
        return np.array([0.0, 0.0, 1.0])
    normal /= length
    largest = normal[np.argmax(np.abs(normal))]
    return np.asarray(normal if largest > 0 else -normal)


@FORMATS.register(".dcm")
class DicomFile(FileFormat):
    """DICOM, which is read as a structure set."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        return {"what": "DICOM"}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        return ""
