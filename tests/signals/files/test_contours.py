"""Contours in SVG drawings and DICOM RT structure sets."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inr.core.errors import UnreadableError, UsageError
from inr.signals import Source, load_signal
from inr.signals.files.contours import planes_of_drawings, planes_of_structure

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{}</svg>'


def drawn(folder: Path, *shapes: str) -> Any:
    pytest.importorskip("svgpathtools")
    path = folder / "slice1.svg"
    path.write_text(SVG.format("".join(shapes)))
    (plane,) = planes_of_drawings([path], np.array([1.0, 1.0, 5.0]))
    return plane.section()


def test_outlines_of_all_sorts(tmp_path: Path) -> None:
    assert drawn(tmp_path, '<path d="M1 1 h4 v4 h-4 z M2 2 l2 0 l0 2 l-2 0 z"/>').area == pytest.approx(16 - 4)
    assert drawn(tmp_path, '<polygon points="0,0 4,0 0,3"/>').area == pytest.approx(6)
    assert drawn(tmp_path, '<circle cx="9" cy="9" r="4"/>').area == pytest.approx(np.pi * 16, rel=0.02)
    assert drawn(
        tmp_path, '<g transform="scale(2)"><rect x="1" y="1" width="2" height="3"/></g>'
    ).area == pytest.approx(24)
    np.testing.assert_allclose(
        drawn(tmp_path, '<rect x="1" y="2" width="3" height="4"/>').vertices.min(axis=0), [1, -6, 2.5]
    )


def test_entities_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("svgpathtools")
    path = tmp_path / "a.svg"
    path.write_text('<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG.format("&a;"))
    with pytest.raises(UnreadableError, match="defines entities"):
        planes_of_drawings([path], np.ones(3))


def circle(radius: float, z: float) -> list[float]:
    angle = 2 * np.pi * np.arange(40) / 40
    found: list[float] = np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle + z], 1).ravel().tolist()
    return found


def structure(regions: dict[str, list[list[float]]]) -> bytes:
    """An RT structure set with the contours of each region."""
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence

    names, contours = [], []
    for number, (name, rings) in enumerate(regions.items(), 1):
        named, region = Dataset(), Dataset()
        named.ROINumber, named.ROIName = number, name
        region.ReferencedROINumber = number
        items = []
        for ring in rings:
            item = Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(ring) // 3
            item.ContourData = [f"{value:.6g}" for value in ring]
            items.append(item)
        region.ContourSequence = Sequence(items)
        names.append(named)
        contours.append(region)
    found = Dataset()
    found.StructureSetROISequence, found.ROIContourSequence = Sequence(names), Sequence(contours)
    found.SOPClassUID, found.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = found.SOPClassUID, found.SOPInstanceUID
    found.file_meta = meta
    file = io.BytesIO()
    pydicom.dcmwrite(file, found, enforce_file_format=True)
    return file.getvalue()


def test_a_region_of_a_structure_set() -> None:
    """Two contours in one plane are a ring with a hole."""
    data = structure({"Body": [circle(9, 0)], "Liver": [circle(5, 0), circle(2, 0), circle(4, 3), circle(3, 6)]})
    planes = planes_of_structure(data, "a.dcm", "Liver")
    assert [plane.offset for plane in planes] == pytest.approx([0, 3, 6])
    area = 40 / 2 * np.sin(2 * np.pi / 40)
    assert [plane.section().area for plane in planes] == pytest.approx([area * 21, area * 16, area * 9], rel=1e-4)
    with pytest.raises(UsageError, match=r"has the regions 'Body', 'Liver'"):
        planes_of_structure(data, "a.dcm", None)
    with pytest.raises(UsageError, match=r"option roi is 'liver', but a.dcm has the regions 'Body', 'Liver'"):
        planes_of_structure(data, "a.dcm", "liver")
    signal = load_signal(Source("a.dcm", data=data), None, {"roi": "Liver", "method": "orex"})
    assert signal.meta["n_planes"] == 3


def _deflated() -> bytes:
    """50 kB of file, 50 MB of data."""
    pydicom = pytest.importorskip("pydicom")
    found = pydicom.dcmread(io.BytesIO(structure({"Liver": [circle(5, 0), circle(4, 3)]})))
    found.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    found.add_new((0x0011, 0x0010), "LO", "inr")
    found.add_new((0x0011, 0x1000), "OB", bytes(50 << 20))
    file = io.BytesIO()
    pydicom.dcmwrite(file, found, enforce_file_format=True)
    return file.getvalue()


def _of_items(one: bytes, n: int) -> bytes:
    """A sequence of n items, or in one another, that are almost empty."""
    data = structure({"Liver": [circle(5, 0), circle(4, 3)]})
    sequence = b"\x06\x30\x39\x00SQ\0\0\xff\xff\xff\xff"
    return data[: data.index(b"\x06\x30\x39\x00")] + (sequence if len(one) == 8 else b"") + one * n


def _of_stated_length() -> bytes:
    """A value that states 4 GB."""
    data = structure({"Liver": [circle(5, 0), circle(4, 3)]})
    at = data.index(b"\x06\x30\x50\x00") + 4
    return data[:at] + b"UN\0\0\xf0\xff\xff\xff" + b"1\\2\\3" * 1000


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (_deflated, "it is deflated"),
        (lambda: _of_items(b"\xfe\xff\x00\xe0\0\0\0\0", 20_000), "few bytes each"),
        (
            lambda: _of_items(b"\x06\x30\x39\x00SQ\0\0" + 4 * b"\xff" + b"\xfe\xff\x00\xe0" + 4 * b"\xff", 3000),
            "few bytes",
        ),
        (_of_stated_length, "cannot read 'a.dcm' as slices"),
    ],
    ids=["deflated", "items", "nested", "length"],
)
def test_hostile_structure_sets_take_less_than_ten_times_their_size(made: Callable[[], bytes], message: str) -> None:
    data = made()
    tracemalloc.start()
    with pytest.raises(UnreadableError, match=message):
        load_signal(Source("a.dcm", data=data), "slices", {"method": "orex"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(data)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_damaged_structure_sets_are_one_error(cut: float) -> None:
    data = structure({"Liver": [circle(5, 0), circle(4, 3)]})
    with pytest.raises(UnreadableError):
        load_signal(Source("a.dcm", data=data[: int(cut * len(data))]), "slices", {"method": "orex"})
    with pytest.raises(UnreadableError, match="structure set"):
        planes_of_structure(structure({}), "a.dcm", None)
