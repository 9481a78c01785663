"""The functions of the public list: fit, load, extract_mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from inr import _device, fitting
from inr.fields import FieldConfig
from inr.fitting import Fit, FitConfig, Progress
from inr.mesh import MeshResult, mesh_of_fit
from inr.signals import Signal, Source, load_signal


def fit(
    signal: Signal | str | Path,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field to a picture, sound, shape or array.

    signal: a file, or a loaded Signal. field: a family's name ("siren"), a document of its settings
    ({"type": "siren", "width": 128}), or a config; by default what suits the signal's kind.
    settings: of the fit ({"steps": 500, "seed": 1}).
    Returns a Fit: `fit.metrics`, `fit.render()`, `fit.save(path)`; the module itself is `fit.field`.
    Raises UnreadableError for the file, ConfigError listing every wrong setting, UsageError, UnavailableError.
    """
    loaded = signal if isinstance(signal, Signal) else load_signal(signal)
    return fitting.fit(loaded, field, settings, device=_device.pick(device)[0], on_progress=on_progress)


def load(source: Source | str | Path) -> Fit:
    """Read a model file. Raises UnreadableError when it is none or damaged."""
    return Fit.load(source)


def extract_mesh(
    model: Fit | str | Path,
    resolution: int = 256,
    *,
    level: float = 0.0,
    dense: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """The surface where a fitted distance field equals `level`, in the units of the shape it was fitted to.

    resolution: cells per side of the box. level: in those units, negative inside. dense: evaluate every point.
    A field with a certified slope near a distance's (`lbdn`) is searched with that bound: the mesh is the dense one.
    Raises UsageError for a model that is not of a shape.
    """
    fitted = model if isinstance(model, Fit) else Fit.load(model)
    return mesh_of_fit(fitted, resolution, level=level, dense=dense, on_progress=on_progress)
