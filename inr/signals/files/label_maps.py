"""Label maps: volumes of whole numbers (NIfTI, NPY, a folder of PNG files) as cross-sections of one label."""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inr.core.errors import UnreadableError, UsageError
from inr.core.optional import need
from inr.signals.files.csl import ContourPlane
from inr.signals.files.format import FORMATS, FileFormat
from inr.signals.files.npy import AnyArray, read_npy
from inr.signals.solids.faces import Floats

MOST_VOXELS = 2**28
MOST_SLICES = 4096
_MOST_LISTED = 12
_HALF = 0.5
_BLOCK = 2**16  # bytes that are unpacked at a time

Chosen = tuple[AnyArray, Floats]
"""A volume [I, J, K], and the 4 x 4 matrix from its indices to places."""


def nifti_volume(data: bytes, name: str) -> Chosen:
    """The volume of a NIfTI file, .nii or .nii.gz, in the world of its header (RAS+, mm), by nibabel.

    Raises UnavailableError without nibabel; UnreadableError for more than 2^28 voxels, and for more than the file has,
    both before memory is taken for them; anything for a damaged file.
    """
    nibabel = need("nibabel", f"{name}: reading NIfTI files", "nibabel")
    file: Any = io.BytesIO(data)
    if data.startswith(b"\x1f\x8b"):
        file = gzip.GzipFile(fileobj=file)
    image_of = nibabel.Nifti2Image if _is_second(file) else nibabel.Nifti1Image
    image = image_of.from_stream(file)
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise UnreadableError(f"{name}: its volume has {len(shape)} axes, expected 3")
    _check_size(shape, name)
    affine: Floats = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(float(np.linalg.det(affine[:3, :3]))) < 1e-30:
        raise UnreadableError(f"{name}: the matrix of its header has no inverse")
    n_bytes = int(image.dataobj.offset) + math.prod(shape) * image.get_data_dtype().itemsize
    if not _holds(data, n_bytes):
        raise UnreadableError(f"{name}: it ends before the {'x'.join(map(str, shape))} voxels that it states")
    return np.asanyarray(image.dataobj).reshape(shape), affine


def _holds(data: bytes, n: int) -> bool:
    """Whether a file, perhaps packed, has n bytes. They are not kept."""
    if not data.startswith(b"\x1f\x8b"):
        return len(data) >= n
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while n > 0 and (part := file.read(min(n, _BLOCK))):
            n -= len(part)
    return n <= 0


def _is_second(file: Any) -> bool:
    """Whether a header is of version 2, whose length comes first: 540."""
    size = file.read(4)
    file.seek(0)
    return size in (struct.pack("<i", 540), struct.pack(">i", 540))


def npy_volume(data: bytes, name: str, spacing: Floats) -> Chosen:
    """The volume of an .npy file, indexed [x, y, z]; voxel i is centred at (i + 1/2) spacing."""
    volume = read_npy(data)
    if volume.ndim != 3:
        raise UnreadableError(f"{name}: its array has {volume.ndim} axes, expected 3")
    _check_size(volume.shape, name)
    return volume, _of_spacing(spacing)


def _check_size(shape: tuple[int, ...], name: str) -> None:
    if min(shape) < 1 or math.prod(shape) > MOST_VOXELS:
        raise UnreadableError(f"{name}: it states {'x'.join(map(str, shape))} voxels, expected 1 to {MOST_VOXELS}")


def _of_spacing(spacing: Floats) -> Floats:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = spacing / 2
    return affine


def planes_of_volume(chosen: Chosen, name: str, label: int | None, axis: int | None) -> list[ContourPlane]:
    """The slices of a label map across an axis, by default the one with the largest spacing.

    label: voxels of this value are inside; None: the only value that is not 0. Contours run halfway between voxel
    centres (marching squares), and around the volume is nothing. Raises UsageError, with the labels, if there are
    several.
    """
    volume, affine = chosen
    if volume.dtype.kind not in "buif":
        raise UnreadableError(f"{name}: its voxels are of type {volume.dtype}, expected numbers")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    across = int(np.argmax(np.round(spacing / spacing.max(), 6))) if axis is None else axis
    if axis is None and np.ptp(spacing) < 1e-6 * spacing.max():
        across = 2
    if volume.shape[across] > MOST_SLICES:
        raise UnreadableError(f"{name}: {volume.shape[across]} slices, expected at most {MOST_SLICES}")
    label = _label_in(volume, across, name, label)
    first, second = [k for k in range(3) if k != across]
    normal = np.cross(affine[:3, first], affine[:3, second])
    normal /= np.linalg.norm(normal)
    planes = []
    for k in range(volume.shape[across]):
        start = affine[:3, 3] + k * affine[:3, across]
        rings = [
            (label, start + ring[:, :1] * affine[:3, first] + ring[:, 1:] * affine[:3, second])
            for ring in contours_of((np.take(volume, k, axis=across) == label).astype(np.float32))
        ]
        planes.append(ContourPlane(normal, float(normal @ start), tuple(rings)))
    return planes


def notes_on(chosen: Chosen, name: str) -> list[str]:
    """A note if some voxels of a label map are NaN, which no label is."""
    volume, _ = chosen
    n = sum(int(np.count_nonzero(part != part)) for part in volume) if volume.dtype.kind == "f" else 0
    voxels = "1 voxel is NaN and counts" if n == 1 else f"{n} voxels are NaN and count"
    return [f"{name}: {voxels} as outside"] if n else []


def _label_in(volume: AnyArray, across: int, name: str, label: int | None) -> int:
    """The label to take. Slice by slice, so that memory does not grow with the volume."""
    found: set[float] = set()
    for k in range(volume.shape[across]):
        found |= set(np.unique(np.take(volume, k, axis=across))[: 2 * MOST_SLICES].tolist())
        if len(found) > MOST_SLICES:
            raise UnreadableError(
                f"{name}: more than {MOST_SLICES} values, expected labels", "it may be an image: make a label map of it"
            )
    labels = sorted(value for value in found if value != 0 and value == value)
    if not labels:
        raise UnreadableError(f"{name}: all voxels are 0, expected a label map")
    return chosen_label(labels, name, label)


def chosen_label(labels: list[Any], name: str, label: int | None) -> int:
    """The given label, or the only one. Raises UsageError, with the labels that there are, and UnreadableError if none
    was given and one is not a whole number."""
    if label is None and (broken := [value for value in labels if not float(value).is_integer()]):
        raise UnreadableError(f"{name}: its value {broken[0]:g} is not a whole number, expected labels")
    shown = ", ".join(f"{value:g}" for value in labels[:_MOST_LISTED]) + (", ..." if len(labels) > _MOST_LISTED else "")
    if label is None and len(labels) > 1:
        raise UsageError(
            f"{name} has the labels {shown}: one of them is fitted", f"signal.label={labels[0]:g} chooses one"
        )
    if label is not None and label not in labels:
        raise UsageError(f"option label is {label}, but {name} has the labels {shown}")
    return int(labels[0]) if label is None else label


def contours_of(share: AnyArray) -> Iterator[Floats]:
    """Closed rings [V, 2], in indices (row, column), around what is above 1/2 in a picture [rows, columns]."""
    from skimage.measure import find_contours

    for ring in find_contours(np.pad(share, 1), _HALF):
        yield ring[:-1] - 1.0


def slice_files(folder: Path, suffix: str) -> list[Path]:
    """The files with a suffix, in the order of the last number in their names."""

    def place(path: Path) -> tuple[float, str]:
        digits = re.findall(r"\d{1,15}", path.stem)
        return (float(digits[-1]) if digits else math.inf, path.name)

    return sorted((p for p in folder.iterdir() if p.suffix.lower() == suffix and p.is_file()), key=place)


def planes_of_pictures(files: list[Path], name: str, spacing: Floats, label: int | None) -> list[ContourPlane]:
    """A stack of pictures: x to the right, y upwards, z by the order of the files, in units of the spacing.

    Without a label, inside is what is brighter than half of the brightest pixel of the stack, with contours between
    pixels where grey values say so. With a label, pixels of this value.
    """
    from PIL import Image

    if len(files) > MOST_SLICES:
        raise UnreadableError(f"{name}: {len(files)} pictures, expected at most {MOST_SLICES}")
    pictures, size = [], None
    for path in files:
        with Image.open(path) as image:
            if image.width * image.height > MOST_VOXELS // len(files):
                raise UnreadableError(
                    f"{path}: {image.width}x{image.height} pixels in {len(files)} slices are too many"
                )
            if size is not None and image.size != size:
                raise UnreadableError(
                    f"{path}: {image.width}x{image.height} pixels, the first slice has {size[0]}x{size[1]}"
                )
            size = image.size
            pictures.append(np.asarray(image if image.mode in ("L", "I;16", "I", "P", "1") else image.convert("L")))
    assert size is not None
    brightest = max(float(picture.max()) for picture in pictures)
    if brightest <= 0:
        raise UnreadableError(f"{name}: all pictures are black")
    planes = []
    for k, picture in enumerate(pictures):
        share = (picture == label) if label is not None else picture / brightest
        rings = []
        for ring in contours_of(share.astype(np.float32)):
            x = (ring[:, 1] + 0.5) * spacing[0]
            y = (size[1] - 0.5 - ring[:, 0]) * spacing[1]
            rings.append((1, np.stack([x, y, np.full(len(ring), (k + 0.5) * spacing[2])], axis=1)))
        planes.append(ContourPlane(np.array([0.0, 0.0, 1.0]), (k + 0.5) * float(spacing[2]), tuple(rings)))
    return planes


@FORMATS.register(".nii")
class NiftiFile(FileFormat):
    """A volume with its place in space."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        order = "<" if struct.unpack("<i", head[:4])[0] in (348, 540) else ">"
        is_second = struct.unpack(order + "i", head[:4])[0] == 540
        form, start = ("8q", 16) if is_second else ("8h", 40)
        dims = struct.unpack_from(order + form, head, start)
        return {"what": "volume", "shape": list(dims[1 : 1 + max(0, min(7, dims[0]))])}

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        return "x".join(map(str, entry["shape"]))
