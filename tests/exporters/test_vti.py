"""VTK image data, parsed as XML with appended values."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from inr.core.errors import UsageError
from inr.mesh.fit_distance import FitDistance
from tests.exporters.engines import a_torus
from tests.exporters.fits import encoded


def test_the_header_places_the_values() -> None:
    data = encoded("vti", a_torus(), voxel=0.11).main
    start = data.index(b"_", data.index(b"<AppendedData")) + 1
    head = ElementTree.fromstring(data[:start].decode() + "</AppendedData></VTKFile>")
    image = head.find("ImageData")
    assert image is not None
    extent = list(map(int, image.attrib["WholeExtent"].split()))
    origin, spacing = (np.array(list(map(float, image.attrib[k].split()))) for k in ("Origin", "Spacing"))
    n = [high - low + 1 for low, high in zip(extent[::2], extent[1::2], strict=True)]
    (n_bytes,) = struct.unpack_from("<Q", data, start)
    assert n_bytes == 4 * np.prod(n)
    values = np.frombuffer(data, "<f4", n_bytes // 4, start + 8).reshape(n[::-1])  # [z, y, x]
    z, y, x = np.indices(values.shape)
    p = origin + spacing * np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float64)
    assert np.array_equal(values.reshape(-1), FitDistance(a_torus())(p))
    assert data[start + 8 + n_bytes :].strip() == b"</AppendedData>\n</VTKFile>"
    assert image.find("Piece/PointData/DataArray").attrib["type"] == "Float32"  # type: ignore[union-attr]


def test_it_has_no_half_precision() -> None:
    with pytest.raises(UsageError, match="no values of 16 bits"):
        encoded("vti", a_torus(), voxel=0.1, half=True)
