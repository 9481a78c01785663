"""3MF volumetric: a shape as a level set of distances in a stack of 16-bit pictures, for 3D printing."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from inr.core.errors import EmptyError, UsageError
from inr.exporters._exporter import EXPORTERS, Exported
from inr.exporters._grid import DenseGridExporter
from inr.fitting import Fit
from inr.mesh.narrow_band import NodeLattice
from inr.signals.files.bands import Bands
from inr.signals.files.png import write_16_bit

_MOST = 65535
_FOLDER = "/3D/volumetric/distance/"
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    '<Default Extension="png" ContentType="image/png"/></Types>'
)
_KIND = "http://schemas.microsoft.com/3dmanufacturing/2013/01/"
_CORNERS = [(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
_BOX = [
    (0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
    (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5),
]  # fmt: skip


@EXPORTERS.register("image3d")
@dataclass(frozen=True, kw_only=True)
class Image3d(DenseGridExporter):
    """3MF volumetric: distances as a stack of pictures that the level set of an object refers to; by its name only.

    Nodes of the lattice are voxel centres; column is x, row from the last to the first y, sheet z. A pixel p is the
    distance -L + 2 L p / 65535, L the largest magnitude. Source: 3MF Volumetric Extension 1.0, sections 2.2, 3.2, 4.1.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".3mf",)
    is_for_suffix: ClassVar[bool] = False

    def encode(self, fit: Fit, suffix: str) -> Exported:
        """Raises EmptyError if no node is inside the shape, or all are."""
        if self.half:
            raise UsageError("the pictures of 3MF files have 16 bits per value anyway", "leave out `half`")
        lattice, values = self.values(fit)
        low, high = float(values.min()), float(values.max())
        if low >= 0 or high <= 0:
            raise EmptyError(
                f"the distance never crosses 0 on the lattice; its values range from {low:.4g} to {high:.4g}",
                "give a smaller voxel, or fit longer",
            )
        largest = max(-low, high)
        pixels = np.rint((values.astype(np.float64) + largest) * (_MOST / (2 * largest))).astype(np.uint16)
        sheets = [f"{_FOLDER}sheet{k:04}.png" for k in range(lattice.shape[2])]
        texts = {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": _relations([("/3D/3dmodel.model", "3dmodel")]),
            "3D/3dmodel.model": _model(lattice, largest, sheets),
            "3D/_rels/3dmodel.model.rels": _relations([(sheet, "3dtexture") for sheet in sheets]),
        }
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as package:
            for name, text in texts.items():
                package.writestr(_entry(name), text, zipfile.ZIP_DEFLATED)
            for k, sheet in enumerate(sheets):
                package.writestr(_entry(sheet[1:]), _picture(pixels[:, ::-1, k].T), zipfile.ZIP_STORED)
        return Exported({suffix: out.getvalue()})


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


def _picture(pixels: np.ndarray[Any, np.dtype[np.uint16]]) -> bytes:
    file = io.BytesIO()
    write_16_bit(Bands.of(pixels[..., None]), file, None, {})
    return file.getvalue()


def _relations(targets: list[tuple[str, str]]) -> str:
    rows = [
        f'<Relationship Target="{target}" Id="r{k}" Type="{_KIND}{kind}"/>' for k, (target, kind) in enumerate(targets)
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        + "".join(rows)
        + "</Relationships>"
    )


def _model(lattice: NodeLattice, largest: float, sheets: list[str]) -> str:
    """The XML: the stack, a function of it, a box, and the level set inside it."""
    h, (nx, ny, nz) = lattice.spacing, lattice.shape
    scale = [1 / (n * h) for n in lattice.shape]
    shift = [(0.5 - low / h) / n for low, n in zip(lattice.origin, lattice.shape, strict=True)]
    matrix = [scale[0], 0, 0, 0, scale[1], 0, 0, 0, scale[2], *shift]
    transform = " ".join(f"{value:.17g}" for value in matrix)
    ends = lattice.position(np.array(_CORNERS) * (np.array(lattice.shape) - 1))
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<model unit="millimeter" xml:lang="en-US" requiredextensions="v"'
        ' xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"'
        ' xmlns:v="http://schemas.3mf.io/3dmanufacturing/volumetric/2022/01">\n<resources>\n',
        f'<v:image3d id="1" name="distance">\n<v:imagestack rowcount="{ny}" columncount="{nx}" sheetcount="{nz}">\n',
        *(f'<v:imagesheet path="{sheet}"/>\n' for sheet in sheets),
        "</v:imagestack>\n</v:image3d>\n",
        f'<v:functionfromimage3d id="2" displayname="distance" image3did="1" valueoffset="{-largest:.17g}"'
        f' valuescale="{2 * largest:.17g}" filter="linear"'
        ' tilestyleu="clamp" tilestylev="clamp" tilestylew="clamp"/>\n',
        '<object id="3" type="other"><mesh>\n<vertices>\n',
        *(f'<vertex x="{x:.9g}" y="{y:.9g}" z="{z:.9g}"/>\n' for x, y, z in ends.tolist()),
        "</vertices>\n<triangles>\n",
        *('<triangle v1="{}" v2="{}" v3="{}"/>\n'.format(*face) for face in _BOX),
        '</triangles>\n</mesh></object>\n<object id="4" type="model">',
        f'<v:levelset functionid="2" channel="red" transform="{transform}" minfeaturesize="{h:.9g}" meshid="3"'
        f' meshbboxonly="true" fallbackvalue="{largest:.9g}"/></object>\n',
        '</resources>\n<build><item objectid="4"/></build>\n</model>\n',
    ]
    return "".join(parts)
