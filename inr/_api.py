"""The functions of the public list: fit, load, build_field, extract_mesh."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Generator

from inr import _device, fitting
from inr._config import parse
from inr._domain import Spec
from inr.fields import Field, FieldConfig
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

    Args:
        signal: a file's path, `analytic:NAME` for a formula, or a loaded `Signal`.
        field: a family's name ("siren"), a document of its settings ({"type": "siren", "width": 128}), or a config;
            by default what suits the signal's kind.
        settings: of the fit: {"steps": 500, "time_s": 30.0, "target_psnr_db": 38.0, "seed": 1, ...}. What is not given
            is the family's recipe.
        device: "auto", "cpu", "cuda", "cuda:INDEX" or "mps".
        on_progress: called now and then with the step, the loss and the quality so far.

    Returns:
        A `Fit`: `fit.metrics` (dB, or IoU for shapes), `fit.render(scale=2)`, `fit.save(path)`. The module itself, a
        plain `torch.nn.Module`, is `fit.field`.

    Raises:
        UnreadableError: the file is missing or damaged.
        ConfigError: settings are wrong; all of them are listed.
        UsageError: the field can not be fitted to such a signal.
        UnavailableError: the device or a package is not here.

    Examples:
        >>> import inr
        >>> fit = inr.fit("photo.png", field="hash_grid", settings={"steps": 50})
        >>> fit.metrics["psnr_db"] > 20
        True
        >>> values, meta = fit.render(scale=2)
        >>> values.shape, values.dtype
        ((128, 192, 3), dtype('float32'))
        >>> fit.save("photo.safetensors")
    """
    loaded = signal if isinstance(signal, Signal) else load_signal(signal)
    return fitting.fit(loaded, field, settings, device=_device.pick(device)[0], on_progress=on_progress)


def load(source: Source | str | Path) -> Fit:
    """Read a model file (.safetensors), which `Fit.save` or `inr fit` wrote.

    Raises:
        UnreadableError: there is no such file, or it is no model, damaged, or of a newer format.

    Examples:
        >>> import inr
        >>> inr.fit("photo.png", "siren", {"steps": 1}).save("siren.safetensors")
        >>> fit = inr.load("siren.safetensors")
        >>> fit.field.config.type_name, fit.steps
        ('siren', 1)
    """
    return Fit.load(source)


def build_field(
    field: str | Mapping[str, Any] | FieldConfig,
    d_in: int,
    d_out: int,
    *,
    shape: Sequence[int] | None = None,
    kind: str = "array",
    seed: int = 0,
) -> Field:
    """A fresh field for a training loop of your own: a `torch.nn.Module` from [0, 1]^D to values.

    Args:
        field: a family's name, a document of its settings, or a config, as for `fit`.
        d_in: coordinates D.
        d_out: channels C.
        shape: samples along each coordinate, where the signal is a lattice: grids take their resolution from it. By
            default there is no lattice.
        kind: what the signal is: "image", "audio", "shape", "points" or "array"; some defaults follow it.
        seed: of the initial parameters. torch's own seed is neither read nor set.

    Returns:
        The field: x [*B, D] to z [*B, C]. It wants targets of about [-1, 1].

    Raises:
        ConfigError: settings are wrong, or the family needs a `shape`; all problems are listed.
        UsageError: there is no such family.

    Examples:
        >>> import inr, torch
        >>> field = inr.build_field({"type": "siren", "width": 64}, d_in=2, d_out=1, shape=(32, 32))
        >>> optimizer = torch.optim.Adam(field.parameters(), lr=1e-3)
        >>> x = torch.rand(1024, 2, generator=torch.Generator().manual_seed(0))
        >>> y = torch.sin(12 * x[:, :1]) * x[:, 1:]
        >>> for step in range(100):
        ...     loss = (field(x) - y).square().mean()
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        >>> loss.item() < 0.01
        True
        >>> field = field.to("cpu", torch.float64)
        >>> twin = inr.build_field(field.config, 2, 1, shape=(32, 32))
        >>> twin.load_state_dict(field.state_dict())
        <All keys matched successfully>
    """
    config = field if isinstance(field, FieldConfig) else parse(FieldConfig, field, "field")
    spec = Spec(kind, d_in, d_out, None if shape is None else tuple(shape))
    return config.resolve(spec).build(spec, Generator().manual_seed(seed))


def extract_mesh(
    model: Fit | str | Path,
    resolution: int = 256,
    *,
    level: float = 0.0,
    dense: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """The surface where a fitted distance field equals `level`, in the units of the shape it was fitted to.

    A field with a certified slope near a distance's (`lbdn`) is searched with that bound: the mesh is the dense one.

    Args:
        model: a fit of a shape, or its file.
        resolution: cells per side of the box.
        level: the distance of the surface, in the shape's units, negative inside.
        dense: evaluate every point, instead of those near the surface.
        on_progress: called with the part of the work and how much of it is done.

    Returns:
        A `MeshResult`: `vertices` [V, 3], `faces` [F, 3], `normals` [V, 3], `is_closed`, and `outcome`, which is
        "empty" where the field never crosses the level.

    Raises:
        UsageError: the model is not of a shape.
        UnreadableError: the file is none, or damaged.

    Examples:
        >>> import inr
        >>> from pathlib import Path
        >>> from inr.mesh import save_mesh
        >>> fit = inr.fit("analytic:sphere", "siren", {"steps": 100, "batch": 2048})
        >>> mesh = inr.extract_mesh(fit, resolution=32)
        >>> mesh.outcome, mesh.vertices.shape[1]
        ('ok', 3)
        >>> save_mesh(mesh, Path("sphere.ply"))
        []
    """
    fitted = model if isinstance(model, Fit) else Fit.load(model)
    return mesh_of_fit(fitted, resolution, level=level, dense=dense, on_progress=on_progress)
