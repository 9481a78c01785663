"""Multiresolution hash grid: features of L grids, interpolated at points.

Mueller, Evans, Schied, Keller (2022), Instant Neural Graphics Primitives with a Multiresolution Hash Encoding,
arXiv:2201.05989; index arithmetic as in tiny-cuda-nn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.grid_geometry import GridGeometry, Interpolation, from_scale, grid_geometry
from inr.kernels.hash_grid.reference import corners

__all__ = ["OP", "GridGeometry", "Interpolation", "corners", "from_scale", "grid_geometry", "hash_grid"]

MAX_FEATURES = 8

# Forward: a sum of 2^D <= 16 products of D + 1 factors, about 20 roundings. Gradients: a table row sums as many terms
# as points fall into its cells, at worst all N of them, each term with the same roundings; two orders of summation
# then differ by at most N eps times the sum of absolute values, and by about sqrt(N) eps in practice. The tolerances
# hold, as a part of the largest absolute value, for N up to 10^5.
OP = Op(
    name="hash_grid",
    backends=(
        Backend("reference", priority=0, target="inr.kernels.hash_grid.reference:hash_grid", is_functional=True),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.hash_grid.cpu:hash_grid",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=2,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.hash_grid.cuda:hash_grid",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=2,
        ),
        Backend(
            "tcnn",
            priority=30,
            target="inr.kernels.hash_grid.tcnn:hash_grid",
            package="tinycudann",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            is_deterministic=False,
            refuses="inr.kernels.tcnn_layout:refused",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 2e-5},
)


def hash_grid(
    x: Tensor,  # [N, D] in [0, 1]
    table: Tensor,  # [T, F]
    geometry: GridGeometry,
    interpolation: Interpolation = "linear",
    *,
    order: int = 1,
) -> Tensor:  # [N, L * F]
    """Features of every level at N points, level after level, the F features of a level next to each other.

    For level l with scale s_l and every corner m in {0, 1}^D of the cell that holds the point:

        p = s_l x + 1/2        c = floor(p)        t = p - c, or t^2 (3 - 2 t) with "smoothstep"
        y_l(x) = sum_m  prod_d (t_d if m_d else 1 - t_d)  table[offset_l + index_l(c + m)]
        index_l(v) = (v_1 + r_1 (v_2 + r_2 (v_3 + ...))) mod entries_l      where the level is dense
        index_l(v) = (v_1 P_1 xor v_2 P_2 xor ...) mod entries_l            where it is hashed, in 32 bits

    x: N points of D = 1..4 coordinates. Those outside [0, 1] are clamped, and have no gradient along that axis.
    table: one row of F = 1..8 features per entry, `geometry.total_entries` rows, dtype and device of x.
        Points in float64 may have a table in float32: there float32 does not tell places apart that are less than
        2^-24 from each other.
    geometry: from `grid_geometry` or `from_scale`.
    interpolation: "linear" is continuous with gradients that jump at cell faces; "smoothstep" has continuous ones,
        zero at cell faces.
    order: the highest derivative that will be taken of the result. Past the order of the chosen backend, derivatives
        are still correct, computed by the reference.

    As in tiny-cuda-nn the vertex past the last one along an axis is the first of the next row, so the last half cell
    below x = 1 blends with it.

    Raises UsageError when shapes, dtypes or the interpolation do not fit; UnavailableError for a forced backend that
    cannot run the call.
    """
    check(x, table, geometry, interpolation)
    need = Need.of(x, table, order=order, shape=(geometry, table.shape[1]))
    result: Tensor = OP.choose(need).function(x, table, geometry, interpolation)
    return result


def check(x: Tensor, table: Tensor, geometry: GridGeometry, interpolation: str) -> None:
    if x.ndim != 2 or x.shape[1] != geometry.d_in:
        raise UsageError(f"points of shape {tuple(x.shape)} do not fit a grid of shape [N, {geometry.d_in}]")
    if table.ndim != 2 or table.shape[0] != geometry.total_entries or not 1 <= table.shape[1] <= MAX_FEATURES:
        raise UsageError(
            f"a table of shape {tuple(table.shape)} does not fit a grid of {geometry.total_entries} entries "
            f"with 1..{MAX_FEATURES} features"
        )
    is_finer = x.dtype == torch.float64 and table.dtype == torch.float32
    if not (x.dtype == table.dtype or is_finer) or x.device != table.device:
        raise UsageError(
            f"points are {x.dtype} on {x.device} and the table is {table.dtype} on {table.device}",
            "both must be the same, or the points in float64 and the table in float32",
        )
    if interpolation not in ("linear", "smoothstep"):
        raise UsageError(f"unknown interpolation {interpolation!r}", "known: linear, smoothstep")
