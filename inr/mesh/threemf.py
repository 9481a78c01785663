"""3MF files: triangles for 3D printers, in millimetres or another unit."""

from __future__ import annotations

import io
import zipfile

from inr.mesh.extract import Mesh

_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="r0" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
    "</Relationships>"
)
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<model unit="{unit}" xml:lang="en-US" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"{more}>\n'
    "<resources>\n"
)
_COLOURS = ' xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02"'
_WHEN = (1980, 1, 1, 0, 0, 0)


def threemf(mesh: Mesh, unit: str = "millimeter") -> bytes:
    """A 3MF package with one object of one mesh, and the colours of its vertices if it has some.

    Positions have nine significant digits. Equal meshes give equal bytes. unit: of the coordinates, a name of the
    specification. Sources: 3MF Core Specification 1.3; Materials and Properties Extension 1.2, colour groups.
    """
    parts = [_HEAD.format(unit=unit, more="" if mesh.colors is None else _COLOURS)]
    if mesh.colors is not None:
        shades = [f'<m:color color="#{bytes(row).hex().upper()}"/>' for row in mesh.colors]
        parts += ['<m:colorgroup id="2">\n', "\n".join(shades), "\n</m:colorgroup>\n"]
    parts.append('<object id="1" type="model"><mesh>\n<vertices>\n')
    parts += [f'<vertex x="{x:.9g}" y="{y:.9g}" z="{z:.9g}"/>\n' for x, y, z in mesh.vertices.tolist()]
    parts.append("</vertices>\n<triangles>\n")
    form = '<triangle v1="{0}" v2="{1}" v3="{2}"' + (
        "/>\n" if mesh.colors is None else ' pid="2" p1="{0}" p2="{1}" p3="{2}"/>\n'
    )
    parts += [form.format(*face) for face in mesh.faces.tolist()]
    parts.append("</triangles>\n</mesh></object>\n</resources>\n")
    parts.append('<build><item objectid="1"/></build>\n</model>\n')
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in (
            ("[Content_Types].xml", _TYPES),
            ("_rels/.rels", _RELATIONS),
            ("3D/3dmodel.model", "".join(parts)),
        ):
            package.writestr(zipfile.ZipInfo(name, _WHEN), text, zipfile.ZIP_DEFLATED)
    return out.getvalue()
