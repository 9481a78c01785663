"""From a picture task to its result: by linear algebra, or by a field with the loss `edge`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from inr.core.domain import Domain, Frame, Grid
from inr.encodings import GridEncoding
from inr.fields import Field, FieldConfig
from inr.fitting import Fit, Run, resolve
from inr.fitting.warm_start import warm_start
from inr.layers.folding import linears_of
from inr.signals.files.picture_writing import as_written
from inr.signals.image import Image
from inr.solving.pictures.coarse import coarse_start
from inr.solving.pictures.direct import solve_direct
from inr.solving.pictures.settings import PictureSettings
from inr.solving.pictures.signal import StencilSignal
from inr.solving.pictures.stencils import Stencils
from inr.solving.pictures.tasks import GREY_LEVELS, Inputs, PictureTask, Posed

Array = NDArray[Any]
COARSEST_CELLS = 8
"""Of the grid that holds a correction, along the longer side; each level has twice as many, up to a vertex per pixel.
"""
LEAST_SCALE = 1e-4
MOST_AT_ONCE = 2**22
"""Equations up to which all are in every step; with more, Adam's steps see some of them."""
ALL_AT_ONCE: dict[str, Any] = {"optimizer": "conjugate_gradients", "schedule": "constant"}
SETTLED = 0.02
"""Part of the target: steps on all equations end when one changes the picture by less."""
POLISHED = {"type": "cosine", "end": 0.01}
"""Schedule of the steps with loss `edge`."""


@dataclass(frozen=True)
class PictureSolution:
    """values: the result [H, W, C] in the units of `meta`. fit: a field of it, where one was wanted. n_free: pixels
    that were found. off, off_max: root mean square and largest difference to the direct solution at them, in `unit`;
    None if the result is the direct one. steps: of training. is_reached: whether it is as near as `target` says.
    """

    task: str
    values: Array
    meta: Mapping[str, Any]
    fit: Fit | None
    n_free: int
    off: float | None
    off_max: float | None
    unit: str
    steps: int
    seconds: float
    notes: tuple[str, ...]
    is_reached: bool = True

    def shown_as(self, suffix: str) -> tuple[Array, tuple[str, ...]]:
        """Values to write as a format; heights and other numbers are scaled to [0, 1] for pictures without floats."""
        values = self.values.astype(np.float32)
        if self.unit == GREY_LEVELS or str(self.meta["dtype"]) != "float32" or suffix in (".tif", ".tiff", ".npy"):
            return values, ()
        low, high = float(values.min()), float(values.max())
        note = f"values from {low:.6g} to {high:.6g} are written as black to white; .tiff and .npy keep them"
        return (values - low) / max(high - low, 1e-30), (note,)


def solve_picture(
    task: PictureTask,
    inputs: Inputs,
    settings: PictureSettings | None = None,
    *,
    field: str | Mapping[str, Any] | FieldConfig | None = None,
    wants_fit: bool = False,
    on_progress: Callable[[int, float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> PictureSolution:
    """Solve a gradient-domain task.

    Args:
        task: `Clone()`, `Inpaint(fill="harmonic")` ..., of `inr.solving.pictures.TASKS`.
        inputs: pictures, mask and place.
        settings: `method`, `time_s` ...
        field: family or config of the field; by default a grid of several levels for a correction, and the default of
            pictures for a fit.
        wants_fit: a field of the whole result too.
        on_progress: called with the step and the loss. should_stop: ends the training.

    Returns:
        A `PictureSolution`.

    Raises:
        UsageError, UnreadableError: as `pose` of the task. UnavailableError: no solver converges.
    """
    chosen = settings or PictureSettings()
    began = time.perf_counter()
    task.check(inputs)
    posed = task.pose(inputs)
    direct = solve_direct(posed.stencils)
    work = _Work(posed, chosen, field, on_progress, should_stop)
    found, fit, off = direct, None, None
    if chosen.method == "edge":
        found, fit = work.whole() if wants_fit and posed.finish is None else (work.correction(), None)
        off = (found - direct)[~posed.stencils.fixed] * posed.per_unit
    values = found if posed.finish is None else posed.finish(found)
    if wants_fit and fit is None:
        fit = work.of_values(values)
    span = (float(direct.max()) - float(direct.min())) * posed.per_unit / 255
    is_reached = off is None or float(np.sqrt(np.mean(np.square(off)))) <= chosen.target * max(span, 1e-12)
    return PictureSolution(
        task.type_name, values, posed.meta, fit, posed.stencils.n_free,
        None if off is None else float(np.sqrt(np.mean(np.square(off)))),
        None if off is None else float(np.abs(off).max()),
        posed.unit, work.steps, time.perf_counter() - began, posed.notes, is_reached,
    )  # fmt: skip


class _Work:
    def __init__(
        self,
        posed: Posed,
        settings: PictureSettings,
        field: str | Mapping[str, Any] | FieldConfig | None,
        on_progress: Callable[[int, float], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self.posed, self.settings, self.field = posed, settings, field
        self.on_progress, self.should_stop = on_progress, should_stop
        self.steps = 0

    def correction(self) -> Array:
        """The coarse start plus a field, on the rectangle of the free pixels; known pixels as they are."""
        whole = self.posed.stencils
        part, here = whole.cropped()
        start = coarse_start(part, self.settings.vertices)
        rest = part.around(start)
        is_at_once = self.field is None and len(rest.nodes) <= MOST_AT_ONCE
        size = max(float(np.sqrt(np.mean(np.square(rest.wanted)))), LEAST_SCALE)
        if not is_at_once:
            size += float(np.sqrt(np.mean(np.square(start - part.values))))
        config = self.field
        if config is None:
            config = _levels(part)
        signal = _signal(rest.eliminated(), np.zeros(part.shape), size)
        chosen = self.settings
        given: dict[str, Any] = {"steps": chosen.steps, "time_s": chosen.time_s, "seed": chosen.seed}
        if is_at_once:
            given |= ALL_AT_ONCE | {"batch": len(rest.nodes)}
        elif self.field is None:
            given |= {"lr": self.settings.lr, "schedule": POLISHED, "optimizer": {"type": "adam", "beta2": 0.99}}
        run = Run(signal, *resolve(signal, config, given))
        if self.field is None:
            _add_up_levels(run, part.shape[2], is_balanced=is_at_once)
        self._advance(run, self._is_settled(run, part, start) if is_at_once else None)
        found = whole.values.copy()
        found[here] = part.completed(start + _rendered(run))
        return found

    def whole(self) -> tuple[Array, Fit]:
        """A field of the whole picture: fitted to the coarse start, then by differences; and known pixels by value."""
        stencils = self.posed.stencils
        start = coarse_start(stencils, self.settings.vertices)
        first = _image(start, self.posed.meta)
        settings = {"seed": self.settings.seed}
        config, chosen = resolve(first, self.field, settings)
        run = Run(first, config, dataclasses.replace(chosen, time_s=self.settings.time_s / 3))
        run.advance(should_stop=self.should_stop)
        begun = run.result("done", with_metrics=False)
        signal = StencilSignal(stencils.with_values(), start, first.frame, dict(first.meta))
        given = {
            "steps": self.settings.steps,
            "time_s": max(self.settings.time_s - run.seconds, 0.1),
            "seed": self.settings.seed,
            "schedule": POLISHED,
            "batch": chosen.batch,
            "lr": chosen.lr / 3,
            "dtype": "float32",
        }
        polish = Run(signal, config, resolve(signal, config, given)[1], is_fresh=False)
        warm_start(polish, begun)
        self._advance(polish)
        found = stencils.completed(_rendered(polish))
        fit = polish.result("done", with_metrics=False)
        metrics = _image(found, self.posed.meta).metrics(fit)
        return found, dataclasses.replace(fit, metrics=metrics, provenance={"solved": self._document()})

    def of_values(self, values: Array) -> Fit:
        """A field fitted to the result, as `inr fit` would, for at most `time_s`."""
        signal = _image(values, self.posed.meta)
        given = {"seed": self.settings.seed, "time_s": self.settings.time_s}
        config, settings = resolve(signal, self.field, given)
        run = Run(signal, config, settings)
        self._advance(run)
        return dataclasses.replace(run.result("done"), provenance={"solved": self._document()})

    def _document(self) -> dict[str, Any]:
        return {"method": self.settings.method, "pixels": self.posed.stencils.n_free}

    def _advance(self, run: Run, is_settled: Callable[[], bool] | None = None) -> None:
        report, stops = self.on_progress, [each for each in (self.should_stop, is_settled) if each is not None]
        run.advance(None if report is None else lambda p: report(p.step, p.loss),
                    should_stop=lambda: any(stop() for stop in stops))  # fmt: skip
        self.steps += run.step

    def _is_settled(self, run: Run, part: Stencils, start: Array) -> Callable[[], bool]:
        """Whether the last step changed the free pixels by less than `SETTLED` of the target; `start`: its range."""
        free, least = ~part.fixed, SETTLED * self.settings.target / 255 * max(float(np.ptp(start)), 1e-12)
        before = np.zeros((part.n_free, part.shape[2]))

        def is_settled() -> bool:
            nonlocal before
            if not run.step:
                return False
            now = part.completed(_rendered(run))[free]
            change, before = float(np.sqrt(np.mean(np.square(now - before)))), now
            return change < least

        return is_settled


def _levels(stencils: Stencils) -> dict[str, Any]:
    """A linear field: dense bilinear grids, each with twice the cells of the one before, down to a vertex per pixel."""
    height, width, channels = stencils.shape
    longest = max(height, width)
    levels = max(2, round(np.log2(max(2.0, longest / COARSEST_CELLS))) + 1)
    vertices = int(np.ceil(np.log2((height + 2) * (width + 2))))
    grid = {
        "type": "hash_grid",
        "levels": levels,
        "features": channels,
        "base": COARSEST_CELLS,
        "log2_table": max(10, min(24, vertices)),
    }
    return {"type": "hash_grid", "encoding": grid, "depth": 0, "init": "xavier"}


def _add_up_levels(run: Run, channels: int, *, is_balanced: bool) -> None:
    """Make the field of `_levels` the sum of its levels, which is linear in what is trained.

    is_balanced: levels have factors for which values of the same size at their vertices have the same effect on the
    loss. For edges they are about 1; sums of more pixels see coarse levels most.
    """
    (linear,) = linears_of(run.field)
    linear.assign(torch.eye(channels).repeat(1, linear.d_in // channels))
    for parameter in linear.parameters():
        parameter.requires_grad_(False)
    if is_balanced:
        effects = _effects(run, channels)
        factors = (effects[-1] / effects.clamp(min=LEAST_SCALE * float(effects[-1]))).sqrt()
        linear.assign((torch.eye(channels)[:, None] * factors[:, None]).flatten(1))


def _effects(run: Run, channels: int) -> Tensor:
    """[L]: the trace of each level's part of the Hessian, per vertex; from random signs at the vertices."""
    (linear,), encoding = linears_of(run.field), _grid_of(run.field)
    batch = run.pool.batch(torch.arange(run.pool.size))
    assert batch.stencil is not None
    kept = encoding.table.detach().clone()
    signs = torch.randint(2, kept.shape, generator=Generator().manual_seed(run.settings.seed)).to(kept) * 2 - 1
    effects = []
    with torch.no_grad():
        encoding.table.copy_(signs)
        for level, entries in enumerate(encoding.geometry.entries):
            chosen = torch.zeros(channels, linear.d_in)
            chosen[:, level * channels : (level + 1) * channels] = torch.eye(channels)
            linear.assign(chosen)
            square = batch.stencil.sums(run.field(batch.stencil.points)).square()
            effects.append((square if batch.weight is None else square * batch.weight).mean() / entries)
        encoding.table.copy_(kept)
    return torch.stack(effects)


def _grid_of(field: Field) -> GridEncoding:
    (found,) = (module for module in field.modules() if isinstance(module, GridEncoding))
    return found


def _signal(stencils: Stencils, values: Array, scale: float) -> StencilSignal:
    height, width, channels = stencils.shape
    domain = Domain((0.0, 0.0), (float(width), float(height)), ("x", "y"), "pixels")
    frame = Frame(domain, (0.0,) * channels, (scale,) * channels)
    return StencilSignal(stencils, values, frame, {"dtype": "float32", "channels": channels, "icc": None})


def _image(values: Array, meta: Mapping[str, Any]) -> Image:
    """A picture of float values [H, W, C] that is written with the given metadata."""
    if str(meta["dtype"]) != "float32":  # as it is written
        values = as_written(values, str(meta["dtype"]))
    image = Image.of_pixels(values.astype(np.float32))
    kept = {key: meta[key] for key in ("dtype", "icc", "colour_chunks") if key in meta}
    image.meta = {**image.meta, **kept, "channels": values.shape[2]}
    return image


def _rendered(run: Run) -> Array:
    """The field's values [H, W, C] at the pixels, float64."""
    signal = run.signal
    assert isinstance(signal, Image)
    height, width, channels = signal.values.shape
    grid = Grid.whole((height, width), (1, 0))
    fit = run.result("done", with_metrics=False)
    values: Array = fit(grid.points(torch.arange(height * width))).double().numpy()
    return values.reshape(height, width, channels)
