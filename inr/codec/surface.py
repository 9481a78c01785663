"""Compares the mesh of a decoded shape with that of its source: connected surfaces and volume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inr.fitting import Fit
    from inr.signals import Signal

VOLUME_TOLERANCE = 0.01
"""Relative error of the volume from which a note is made."""

LEAST_IOU = 0.5
"""Below this the decoded surface is mostly noise: its mesh is large, and the number of its parts is meaningless."""


def surface_metrics(fit: Fit, signal: Signal, iou: float) -> dict[str, float]:
    """n_components, n_components_source and volume_error of a decoded shape.

    Components are the connected surfaces, cavities included, of the mesh that `extract_mesh` makes by default.
    volume_error: its volume over that of the source, less 1. Empty if the source has no closed mesh, or the IoU is
    below 1/2.
    """
    from inr.mesh import mesh_of_fit
    from inr.mesh.measure import measure
    from inr.signals.shape import Shape

    if iou < LEAST_IOU or not isinstance(signal, Shape) or not signal.is_bounded_by_mesh:
        return {}
    source = measure(*signal.mesh)
    mesh = mesh_of_fit(fit)
    return {
        "n_components": mesh.n_components,
        "n_components_source": source.n_components,
        "volume_error": mesh.volume / source.volume - 1,
    }


def notes_on_surface(metrics: Mapping[str, float]) -> tuple[str, ...]:
    """One note when the components differ or the volume is off by more than 1 %."""
    if "n_components" not in metrics:
        return ()
    n, n_source, error = (metrics[key] for key in ("n_components", "n_components_source", "volume_error"))
    said = []
    if n != n_source:
        said.append(f"has {n:.0f} connected surface{'' if n == 1 else 's'}, the source {n_source:.0f}")
    if abs(error) > VOLUME_TOLERANCE:
        said.append(f"has {100 * abs(error):.1f} % {'more' if error > 0 else 'less'} volume than the source")
    if not said:
        return ()
    return (f"the decoded mesh {', and '.join(said)}; a higher effort or a larger size brings it closer",)
