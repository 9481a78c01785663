"""Label maps: contours of voxels, their place, labels, sizes that are refused."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inr.core.errors import UnavailableError, UnreadableError, UsageError
from inr.inspection import describe
from inr.signals import Source, load_signal
from inr.signals.files import label_maps
from inr.signals.files.label_maps import (
    chosen_label,
    contours_of,
    nifti_volume,
    npy_volume,
    planes_of_pictures,
    planes_of_volume,
    slice_files,
)
from inr.signals.files.npy import AnyArray


def npy(array: AnyArray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def block() -> AnyArray:
    """Label 1 in 4 x 6 x 3 voxels, label 2 in another corner."""
    volume = np.zeros((10, 12, 6), np.uint8)
    volume[2:6, 3:9, 1:4] = 1
    volume[8:, 10:, 5] = 2
    return volume


def test_contours_run_halfway_between_pixels() -> None:
    (ring,) = contours_of(block()[:, :, 1].astype(np.float32))
    np.testing.assert_allclose([ring.min(axis=0), ring.max(axis=0)], [[1.5, 2.5], [5.5, 8.5]])


def test_an_array_has_its_spacing() -> None:
    spacing = np.array([0.5, 0.25, 2.0])
    planes = planes_of_volume(npy_volume(npy(block()), "a", spacing), "a", 1, None)
    assert [plane.offset for plane in planes] == [1, 3, 5, 7, 9, 11]
    assert [len(plane.rings) for plane in planes] == [0, 1, 1, 1, 0, 0]
    section = planes[1].section()
    np.testing.assert_allclose(section.vertices.min(axis=0), [1.0, 0.75, 3.0])
    np.testing.assert_allclose(section.vertices.max(axis=0), [3.0, 2.25, 3.0])
    corners = 4 * 0.5 * (0.5 * 0.25) / 4  # marching squares cuts an eighth of a pixel off each corner
    assert section.area == pytest.approx(2.0 * 1.5 - corners)


def test_the_axis_of_the_largest_spacing_is_cut() -> None:
    chosen = npy_volume(npy(block()), "a", np.array([3.0, 1.0, 1.0]))
    assert len(planes_of_volume(chosen, "a", 1, None)) == 10
    assert len(planes_of_volume(chosen, "a", 1, 1)) == 12
    np.testing.assert_allclose(np.abs(planes_of_volume(chosen, "a", 1, 1)[0].normal), [0, 1, 0])


def test_labels_are_listed() -> None:
    chosen = npy_volume(npy(block()), "a", np.ones(3))
    with pytest.raises(UsageError, match=r"a has the labels 1, 2"):
        planes_of_volume(chosen, "a", None, None)
    with pytest.raises(UsageError, match=r"option label is 7, but a has the labels 1, 2"):
        planes_of_volume(chosen, "a", 7, None)
    with pytest.raises(UnreadableError, match="all voxels are 0"):
        planes_of_volume(npy_volume(npy(np.zeros((3, 3, 3))), "a", np.ones(3)), "a", None, None)
    noise = np.random.default_rng(0).random((30, 30, 30))
    with pytest.raises(UnreadableError, match="more than 4096 values"):
        planes_of_volume(npy_volume(npy(noise), "a", np.ones(3)), "a", None, None)


def test_voxels_without_a_value_are_noted() -> None:
    volume = block().astype(np.float32)
    volume[9, 0, :4] = np.nan
    spacing = {"spacing": "1,1,1", "label": "1", "method": "orex"}
    signal = load_signal(Source("a.npy", data=npy(volume)), "slices", spacing)
    assert signal.notes == ("a.npy: 4 voxels are NaN and count as outside",)
    volume[9, 0, 1:4] = 0
    chosen = npy_volume(npy(volume), "a.npy", np.ones(3))
    assert label_maps.notes_on(chosen, "a.npy") == ["a.npy: 1 voxel is NaN and counts as outside"]
    assert label_maps.notes_on(npy_volume(npy(block()), "a.npy", np.ones(3)), "a.npy") == []


def test_nifti_has_the_world_of_its_header(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[-0.5, 0, 0, 10], [0, 0.25, 0, 20], [0, 0, 2, 30], [0, 0, 0, 1.0]])
    for image_of, name in (
        (nibabel.Nifti1Image, "a.nii"),
        (nibabel.Nifti1Image, "a.nii.gz"),
        (nibabel.Nifti2Image, "b.nii"),
    ):
        image_of(block(), affine).to_filename(tmp_path / name)
        data = (tmp_path / name).read_bytes()
        volume, found = nifti_volume(data, name)
        np.testing.assert_array_equal(volume, block())
        np.testing.assert_allclose(found, affine)
        planes = planes_of_volume((volume, found), name, 1, None)
        assert [plane.offset / plane.normal[2] for plane in planes] == [30, 32, 34, 36, 38, 40]
        np.testing.assert_allclose(planes[1].section().vertices.max(axis=0), [10 - 0.5 * 1.5, 20 + 0.25 * 8.5, 32])
        if not name.endswith("gz"):
            assert describe(tmp_path / name)["shape"] == [10, 12, 6]


def _peak(data: bytes, message: str) -> int:
    """Bytes at the peak while a file is refused."""
    tracemalloc.start()
    with pytest.raises(UnreadableError, match=message):
        load_signal(Source("a.nii", data=data), "slices", {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_hostile_nifti_takes_less_than_ten_times_its_size() -> None:
    """Noise, which cannot be packed, behind headers that state much more; and a few bytes."""
    nibabel = pytest.importorskip("nibabel")
    noise = np.random.default_rng(0).bytes(400_000)
    for shape in ((30000, 30000, 30000), (640, 640, 640), (1, 1, 32767), (2, 2, 2, 30000), (-5, 7, 9), (0, 4, 4)):
        header = nibabel.Nifti1Header()
        header.set_data_dtype(np.float64)
        block = bytearray(header.binaryblock)
        block[40:56] = struct.pack("<8h", len(shape), *shape, *[1] * (7 - len(shape)))
        whole = bytes(block) + b"\0" * 4 + noise[: 100_000 if shape[:2] == (1, 1) else None]
        for data in (whole, gzip.compress(whole)):
            assert _peak(data, r"a\.nii") < 10 * len(data)
    header = nibabel.Nifti1Header()
    header.set_data_shape((30000, 30000, 30000))
    few = header.binaryblock + b"\0" * 4 + b"\1" * 1000
    for data in (few, gzip.compress(few)):
        assert _peak(data, "30000x30000x30000 voxels") < 2**20


@pytest.mark.parametrize("is_packed", [False, True])
def test_damaged_nifti_is_one_error_in_little_memory(is_packed: bool) -> None:
    """Cut, and with more voxels stated than there are in blocks of zeros that a packed file holds in few bytes."""
    nibabel = pytest.importorskip("nibabel")
    labels = np.random.default_rng(0).integers(0, 255, (64, 64, 64)).astype(np.uint8)
    whole = nibabel.Nifti1Image(labels, np.eye(4)).to_bytes()
    header = bytearray(whole[:352])
    header[42:48] = struct.pack("<3h", 640, 640, 640)  # 2^28 voxels, nearly
    given = [whole[:cut] for cut in (4, 100, 347, 352, 1000, len(whole) // 2, len(whole) - 1)]
    nibabel.load  # noqa: B018  imported before memory is counted
    for data in [*given, bytes(header) + whole[352:], bytes(header) + bytes(2**22)]:
        file = gzip.compress(data) if is_packed else data
        free = 2**20 if len(file) < 2**17 else 0  # for what does not depend on the file
        assert _peak(file, r"a\.nii") < 10 * len(file) + free


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(package: str, why: str, install: str | None = None) -> None:
        raise UnavailableError(f"{why} needs the package {package!r}")

    monkeypatch.setattr(label_maps, "need", refuse)
    with pytest.raises(UnavailableError, match=r"a\.nii: reading NIfTI files needs the package 'nibabel'"):
        nifti_volume(b"", "a.nii")


def test_a_stack_of_pictures(tmp_path: Path) -> None:
    """Sorted by number; x to the right, y upwards; grey values move the contour between pixels."""
    for k in range(11):
        pixels = np.zeros((8, 10), np.uint8)
        if 2 <= k < 10:
            pixels[1:3, 4:7] = 200
            pixels[3, 4:7] = 50
        Image.fromarray(pixels).save(tmp_path / f"slice{k}.png")
    files = slice_files(tmp_path, ".png")
    assert [path.stem for path in files] == [f"slice{k}" for k in range(11)]
    planes = planes_of_pictures(files, "stack", np.array([1.0, 1.0, 3.0]), None)
    assert [bool(plane.rings) for plane in planes] == [2 <= k < 10 for k in range(11)]
    vertices = planes[2].section().vertices
    np.testing.assert_allclose(vertices.min(axis=0), [4, 8 - 3 - 1 / 6, 7.5])
    np.testing.assert_allclose(vertices.max(axis=0), [7, 7, 7.5])
    assert len(planes_of_pictures(files, "stack", np.ones(3), 50)[2].rings) == 1
    Image.fromarray(np.zeros((9, 10), np.uint8)).save(tmp_path / "slice11.png")
    with pytest.raises(UnreadableError, match="10x9 pixels, the first slice has 10x8"):
        planes_of_pictures(slice_files(tmp_path, ".png"), "stack", np.ones(3), None)


def test_arrays_of_other_shapes_are_refused() -> None:
    with pytest.raises(UnreadableError, match="2 axes, expected 3"):
        npy_volume(npy(np.zeros((3, 3))), "a", np.ones(3))
    with pytest.raises(UnreadableError, match="voxels are of type"):
        planes_of_volume(npy_volume(npy(np.zeros((3, 3, 3), complex)), "a", np.ones(3)), "a", None, None)
    assert Source("a.npy", data=b"x").suffix == ".npy"


@pytest.mark.parametrize("labels", [[0.25], [0.25, 0.5, 3.0], [1.0, 2.5], [1.0, float("inf")]])
def test_values_that_are_not_whole_numbers_are_no_labels(labels: list[float]) -> None:
    with pytest.raises(
        UnreadableError, match=r"a\.npy: its value (0\.25|2\.5|inf) is not a whole number, expected labels"
    ):
        chosen_label(labels, "a.npy", None)
