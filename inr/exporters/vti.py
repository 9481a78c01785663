"""VTK image data: distances at all nodes of a lattice, for ParaView and other programs that use VTK."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from inr.core.errors import UsageError
from inr.exporters._exporter import EXPORTERS, Exported
from inr.exporters._grid import DenseGridExporter
from inr.fitting import Fit


@EXPORTERS.register("vti")
@dataclass(frozen=True, kw_only=True)
class VtkImage(DenseGridExporter):
    """Distances as VTK image data (XML, raw appended values), for ParaView; 32 bits per value."""

    suffixes: ClassVar[tuple[str, ...]] = (".vti",)

    def encode(self, fit: Fit, suffix: str) -> Exported:
        if self.half:
            raise UsageError("VTK image data has no values of 16 bits", "leave out `half`")
        lattice, values = self.values(fit)
        extent = " ".join(f"0 {n - 1}" for n in lattice.shape)
        origin = " ".join(f"{o:.17g}" for o in lattice.origin)
        spacing = " ".join(3 * [f"{lattice.spacing:.17g}"])
        head = (
            '<?xml version="1.0"?>\n'
            '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
            f'  <ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n'
            f'    <Piece Extent="{extent}">\n'
            '      <PointData Scalars="distance">\n'
            '        <DataArray type="Float32" Name="distance" format="appended" offset="0"/>\n'
            "      </PointData>\n"
            "    </Piece>\n"
            "  </ImageData>\n"
            '  <AppendedData encoding="raw">\n   _'
        )
        data = values.astype("<f4").transpose(2, 1, 0).tobytes()  # VTK's order: x fastest
        tail = b"\n  </AppendedData>\n</VTKFile>\n"
        return Exported({suffix: head.encode() + struct.pack("<Q", len(data)) + data + tail})
