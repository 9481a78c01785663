"""Tables of meshes and slices for RESULTS.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Record = dict[str, Any]


def shape_parts(newest: Callable[[str], Record], conditions: Callable[[Record], str]) -> Iterator[str]:
    """The sections of the records that there are; newest: the latest record of a name, conditions: its line."""
    for name, title, how, table in (
        (
            "large-mesh",
            "Very fine meshes",
            "`large_mesh.py` says how: `inr mesh -o m.ply` of a default fit, in a new process; memory is its peak.",
            _large,
        ),
        (
            "edges",
            "Sharp edges",
            "`edges.py` says how, by method of `inr mesh`. Lengths are in lattice cells: the rounding of the field at "
            "the edges, and the distance from points on the edges to the mesh.",
            _edges,
        ),
        ("openings", "Answers to open surfaces", "`openings.py` says how.", _openings),
        ("slices", "Solids from slices", "`slices.py` says how. `fit` is the time of all threads.", _slices),
        ("slices-labels", "Labels of a stack of voxels", "`slices.py` says how.", _slices),
    ):
        record = newest(name)
        if record["rows"]:
            yield f"## {title}"
            yield how
            yield conditions(record)
            yield "\n".join(table(record["rows"]))


def _large(rows: list[Record]) -> Iterator[str]:
    yield "| cells a side | faces | time | all threads | memory | file | points evaluated | closed |"
    yield "|---|---|---|---|---|---|---|---|"
    for r in rows:
        yield (
            f"| {r['resolution']} | {r['n_faces'] / 1e6:.1f} M | {r['seconds']:.0f} s | {r['cpu_s']:.0f} s | "
            f"{r['peak_gb']:.1f} GB | {r['file_gb']:.2f} GB | {r['n_evaluated'] / 1e6:.0f} M | "
            f"{'yes' if r['is_closed'] else 'no'} |"
        )


def _edges(rows: list[Record]) -> Iterator[str]:
    yield "| shape | method | cells a side | rounding | to the mesh | 95 % | faces that cross |"
    yield "|---|---|---|---|---|---|---|"
    for r in rows:
        yield (
            f"| {r['shape']} | {r['method']} | {r['resolution']} | {r['rounding']:.3f} | {r['edge_gap']:.3f} | "
            f"{r['edge_gap_p95']:.3f} | {r['crossings']} |"
        )


def _openings(rows: list[Record]) -> Iterator[str]:
    yield "| shape | answer | right |"
    yield "|---|---|---|"
    for r in rows:
        yield f"| {r['shape']} | {r['answer']} | {' or '.join(r['right'])} |"


def _slices(rows: list[Record]) -> Iterator[str]:
    yield "| slices | IoU | on the planes | fit |"
    yield "|---|---|---|---|"
    for r in rows:
        yield f"| {r['case']} | {r['iou']:.4f} | {r['slice_iou']:.4f} | {r['cpu_s']:.0f} s |"
