"""Public functions: fit, load, build_field, extract_mesh, csg, compare, convert."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Generator

from inr.core import device as _device
from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import unknown_name
from inr.fields import Field, FieldConfig, RecipeName
from inr.fitting import Fit, FitConfig, Progress
from inr.mesh import MeshResult, mesh_of_fit
from inr.ntk import observers_of
from inr.signals import Signal, Source, load_signal
from inr.workflows import compare as compare_workflow
from inr.workflows import distillation
from inr.workflows.compare import Comparison, FitBudget
from inr.workflows.csg import combine
from inr.workflows.fit import FitPlan, check_resume
from inr.workflows.start import Start


def fit(
    signal: Signal | str | Path,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    recipe: RecipeName = "best",
    init: Fit | str | Path | None = None,
    fresh: str | None = None,
    resume: str | Path | None = None,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field to a picture, sound, shape or array.

    Args:
        signal: a file's path, `analytic:NAME` for a formula, or a loaded `Signal`.
        field: a family's name ("siren"), a document of its settings ({"type": "siren", "width": 128}), or a config;
            the default is the field of `init`, or a family that suits the kind of signal.
        settings: fit settings: {"steps": 500, "time_s": 30.0, "target_psnr_db": 38.0, "track_ntk": 0.1, "seed": 1,
        ...}.
            Others default to the family's recipe.
        recipe: "best", which a search has found for the kind of signal, or "paper": optimizer, rate, batch and steps of
            the family's source.
        init: a fit of the same family, a learned initialisation, or its file: the run starts at its parameters.
        fresh: choose a frequency setting by the signal's spectrum: "auto", or "activation.omega=30,60,90".
        resume: a checkpoint folder: continue that run with its settings.
        device: "auto", "cpu", "cuda", "cuda:INDEX" or "mps".
        on_progress: called after every step with the step, the loss and the quality so far.

    Returns:
        A `Fit`: `fit.metrics` (dB, or IoU for shapes), `fit.render(scale=2)`, `fit.save(path)`. `fit.field` is the
        trained `torch.nn.Module`.

    Raises:
        UnreadableError: the file is missing or damaged.
        ConfigError: settings are wrong; all of them are listed.
        UsageError: the field cannot be fitted to this kind of signal.
        UnavailableError: the device or a package is not available.

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
    has_settings = field is not None or settings is not None or recipe != "best"
    start = Start.of(init, fresh)
    if resume is not None:
        check_resume(start, has_settings=has_settings)
    loaded = signal if isinstance(signal, Signal) else load_signal(signal)
    chosen = _device.pick(device)[0]
    if resume is not None:
        plan = FitPlan.resume(Path(resume), loaded, device=chosen, observers=observers_of)
    else:
        plan = FitPlan.of(loaded, field, settings, recipe=recipe, start=start, device=chosen, observers=observers_of)
    return plan.fit(on_progress)


def load(source: Source | str | Path) -> Fit:
    """Read a model file (.safetensors) written by `Fit.save` or `inr fit`, or the model that an .inrz file holds.

    Raises:
        UnreadableError: the file does not exist, is not a model, is damaged, or has a newer format.
        UsageError: the .inrz file holds no field, as those of profile "pyramid".

    Examples:
        >>> import inr
        >>> inr.fit("photo.png", "siren", {"steps": 1}).save("siren.safetensors")
        >>> fit = inr.load("siren.safetensors")
        >>> fit.field.config.type_name, fit.steps
        ('siren', 1)
    """
    given = Source.of(source)
    if not given.is_compressed:
        return Fit.load(given)
    from inr.codec.decode import decompress

    return decompress(given).fit()


def build_field(
    field: str | Mapping[str, Any] | FieldConfig,
    d_in: int,
    d_out: int,
    *,
    shape: Sequence[int] | None = None,
    kind: str = "array",
    seed: int = 0,
) -> Field:
    """A new field for your own training loop: a `torch.nn.Module` from [0, 1]^D to values.

    Args:
        field: a family's name, a document of its settings, or a config, as for `fit`.
        d_in: coordinates D.
        d_out: channels C.
        shape: samples along each coordinate if the signal is a lattice; it sets the resolution of grids. None: no
            lattice.
        kind: kind of signal: "image", "video", "audio", "shape", "points" or "array"; some defaults depend on it.
        seed: seed of the initial parameters. torch's global seed is neither read nor set.

    Returns:
        The field: x [*B, D] to z [*B, C]. Train it on targets of about [-1, 1].

    Raises:
        ConfigError: settings are wrong, or the family needs a `shape`; all problems are listed.
        UsageError: the family is unknown.

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
    resolution: int | None = None,
    *,
    level: float = 0.0,
    shell: float = 0.0,
    method: str = "cubes",
    dense: bool = False,
    keep_specks: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """The surface where a fitted distance field equals `level`, in the units of the shape.

    For an open surface (kind "unsigned") at level 0 the mesh is open, too; `open` of the result says how.

    For a field with a certified Lipschitz bound near 1 (`lbdn`) the search uses that bound: the mesh then equals the
    dense one.

    Args:
        model: a fit of a shape, or its file.
        resolution: cells per side of the box, or of the larger one that a level or shell beyond it needs; by default
            256, and more for thin or long shapes.
        level: signed distance of the surface, in the shape's units, negative inside.
        shell: thickness, in the shape's units, of a closed shell around that surface instead of it; 0: the surface.
        method: "cubes" (marching cubes), "dual" (manifold dual contouring, which keeps sharp edges and corners), or
            "nets" (surface nets: evenly shaped triangles). Open surfaces have another method.
        dense: evaluate every lattice point instead of only those near the surface.
        keep_specks: keep separate surfaces of 3 cells or fewer along every axis. By default they are left out, with a
            note, unless all of them together have 1 % of the area. Not for open surfaces.
        on_progress: called with the name of the stage and the number of points evaluated so far.

    Returns:
        A `MeshResult`: `vertices` [V, 3], `faces` [F, 3], `normals` [V, 3], `is_closed`, `n_components`, `volume`,
        `notes`, and `outcome`, which is "empty" if the field never crosses the level.

    Raises:
        UsageError: the model is not a model of a shape, or no method has this name.
        UnreadableError: the file is not a model, or is damaged.

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
    return mesh_of_fit(
        _fit_of(model),
        resolution,
        level=level,
        shell=shell,
        method=method,
        dense=dense,
        keep_specks=keep_specks,
        on_progress=on_progress,
    )


def csg(
    expression: str,
    operands: Mapping[str, Fit | str | Path] | None = None,
    *,
    blend: float = 0.0,
    offset: float = 0.0,
    shell: float = 0.0,
    margin: float = 0.0,
) -> Fit:
    """Combine fitted shapes by an expression: `a + b - c`, with offsets, shells, blends and moved copies.

    Args:
        expression: names, `+` union, `-` difference, `&` intersection, and functions, as for `inr csg`.
        operands: fits or their files by name; None: names are files.
        blend: width of a smooth blend of each operator, in mesh units.
        offset: how far the surface of the result moves outwards.
        shell: thickness of a shell instead of the solid; 0: the solid.
        margin: free space around the result in its box, in addition.

    Returns:
        A `Fit` that holds its operands exactly; values are distances or lower bounds of them. `inr.extract_mesh`,
        `export` and `save` take it as any other.

    Raises:
        UsageError: with the column, an expression that is not one, an operand that is not a shape, or an offset of
            values that are not distances.
        UnreadableError: an operand's file is missing or damaged.

    Examples:
        >>> import inr
        >>> ring = inr.fit("analytic:torus", "siren", {"steps": 5, "batch": 512})
        >>> cut = inr.csg("ring - sphere(1, 0, 0, 0.5)", {"ring": ring})
        >>> cut.field.config.type_name
        'csg'
        >>> inr.extract_mesh(inr.csg("sphere(0, 0, 0, 1) & plane(0, 0, 1, 0)"), resolution=32).n_components
        1
    """

    def operand(name: str) -> Fit:
        if operands is not None and name not in operands:
            raise unknown_name("operand", name, operands)
        return _fit_of(name if operands is None else operands[name])

    return combine(expression, operand, blend=blend, offset=offset, shell=shell, margin=margin)


def compare(
    signal: Signal | str | Path,
    fields: Sequence[str | Mapping[str, Any] | FieldConfig] | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    recipe: RecipeName = "best",
    params: int | None = None,
    time_s: float | None = None,
    steps: int | None = None,
    device: str = "auto",
) -> Comparison:
    """Fit several families to one signal under one budget.

    Args:
        signal: a file's path, `analytic:NAME`, or a loaded `Signal`.
        fields: families, each as `field` of `fit`; by default all.
        settings: of every fit, on top of each family's own, as for `fit`.
        recipe: as for `fit`, of all families.
        params: parameters of each field, at most: its size settings are chosen by counting.
        time_s: seconds for each fit.
        steps: steps of each fit.
        device: as for `fit`.

    Returns:
        A `Comparison`: `entries`, best first, each with `field`, `fit`, `seconds` and the `curve` of its quality;
        `refused`, family to the reason why it could not take part; `headline`, the metric that they are ranked by.

    Raises:
        UsageError: an unknown family, or a budget that is not positive.
        UnreadableError: the file is missing or damaged.

    Examples:
        >>> import inr
        >>> ranked = inr.compare("photo.png", ["siren", "hash_grid"], {"batch": 256}, params=5000, steps=3)
        >>> sorted(entry.field for entry in ranked.entries)
        ['hash_grid', 'siren']
    """
    loaded = signal if isinstance(signal, Signal) else load_signal(signal)
    budget = FitBudget(params, time_s, steps)
    picked = _device.pick(device)[0]
    return compare_workflow.compare(
        loaded, fields, budget, settings, recipe=recipe, device=picked, observers=observers_of
    )


def convert(
    model: Fit | str | Path,
    field: str | Mapping[str, Any] | FieldConfig,
    settings: Mapping[str, Any] | FitConfig | None = None,
    *,
    stages: int = 1,
    features: float = 0.0,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> Fit:
    """Fit a field of another family to a fitted one, without the signal (distillation, arXiv:2211.15977).

    Args:
        model: a fit, or its file.
        field: the new family, as for `fit`.
        settings: of the new fit, as for `fit`.
        stages: 1 to 8 equal parts of the run, from coarse targets to the model itself.
        features: part of the run that first fits the model's last features, in [0, 1).
        device: as for `fit`.
        on_progress: as for `fit`.

    Returns:
        The new `Fit`. Its `metrics` tell how near it is to the model, not to the signal.

    Raises:
        ConfigError: settings are wrong; all of them are listed.
        UsageError: `stages` or `features` is out of range, or the field cannot be fitted to such a signal.
        UnreadableError: the file is not a model, or damaged.

    Examples:
        >>> import inr
        >>> siren = inr.fit("photo.png", "siren", {"steps": 5})
        >>> inr.convert(siren, "hash_grid", {"steps": 5}).field.config.type_name
        'hash_grid'
    """
    name = Path(model).name if isinstance(model, str | Path) else ""
    picked = _device.pick(device)[0]
    return distillation.distil(
        _fit_of(model),
        field,
        settings,
        stages=stages,
        features=features,
        name=name,
        device=picked,
        observers=observers_of,
        on_progress=on_progress,
    )


def _fit_of(model: Fit | str | Path) -> Fit:
    """A fit, or that of a file, as `load` reads it."""
    return model if isinstance(model, Fit) else load(model)
