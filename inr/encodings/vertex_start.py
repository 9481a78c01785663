"""A dense level of a grid encoding that starts from the values of a signal at its vertices."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from inr.encodings._grid import GridEncoding
from inr.encodings._started_level import started_level

READ = 0.01
"""Weight with which a level is read. A step of Adam changes every entry by about the learning rate, and so the field by
this share of it."""


def start_from_vertices(encoding: GridEncoding, values: Callable[[Tensor], Tensor]) -> Tensor:
    """Set one level of the table from values at its vertices; returns the map A [C, L F] that reads it.

    values: a signal's values y [N, C] at points [N, D], which lie up to half a cell outside the unit box. C <= F.

    Features 1 ... C of the `started_level` hold y / READ, and A reads them with the weight READ. So A e(x) is the
    signal interpolated between the vertices, exact at each of them. Where the table has one entry for several
    vertices (past the end of an axis, `grid_geometry`), the entry is their mean. Other entries keep their initial
    values, and A does not read them.
    """
    geometry, level = encoding.geometry, started_level(encoding.geometry)
    assert level is not None
    counts = [torch.arange(n + 1) for n in geometry.resolution[level]]
    vertices = torch.stack(torch.meshgrid(*counts, indexing="ij"), dim=-1).flatten(0, -2)
    scale = torch.tensor(geometry.scale[level], dtype=torch.float64)
    found = values(((vertices - 0.5) / scale).float()).double()
    n_entries, n_values = geometry.entries[level], found.shape[1]
    place = (vertices * torch.tensor(geometry.stride[level])).sum(-1) % n_entries
    sums = torch.zeros(n_entries, n_values, dtype=torch.float64).index_add_(0, place, found)
    means = sums / torch.bincount(place, minlength=n_entries).clamp(min=1)[:, None]
    offset, n_features = geometry.offset[level], encoding.table.shape[1]
    with torch.no_grad():
        encoding.table[offset : offset + n_entries, :n_values] = (means / READ).to(encoding.table)
    read = torch.zeros(n_values, encoding.d_out, dtype=torch.float64)
    read[:, level * n_features :][:, :n_values] = READ * torch.eye(n_values, dtype=torch.float64)
    return read
