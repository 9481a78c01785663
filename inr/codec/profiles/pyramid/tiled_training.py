"""Training a pyramid on a large picture: its networks on a sample, then its latents tile by tile.

The networks are trained with the latents of a sample of the picture. Filters that predict those latents
(`analysis.py`) give the first latents of all tiles. Then a few steps move the latents of each tile, while those around
it, which its decoder and its context model see, stay. So one decoder fits all tiles and there are no seams; the time
grows with the picture by these steps alone, and the memory by its pixels and latents alone.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from inr.codec.profile import Payload
from inr.codec.profiles.pyramid.analysis import Analysis
from inr.codec.profiles.pyramid.architecture import Architecture, synthesis_of
from inr.codec.profiles.pyramid.groups import dequantised
from inr.codec.profiles.pyramid.latent_trainer import GAIN, HARD_SHARE, LOW_DEVIATION, RateController, Trainer
from inr.codec.profiles.pyramid.network_quantiser import quantise
from inr.codec.profiles.pyramid.sample import QUANTISED_ON, Sample, Window, tiles_of
from inr.codec.profiles.pyramid.training import Reporter, Training, packed
from inr.kernels.pyramid import Pyramid
from inr.kernels.row_share import RowShare

SIDE = 1536
"""Rows and columns of a tile, at most."""
MARGIN = 64
"""Pixels around a tile that are trained with it, and whose latents stay."""
SWEEPS = 3
"""Of the filters that give the first latents."""
STEPS, CORRECTING_STEPS = 18, 8
"""For the latents of each tile."""
FIRST, CORRECTING_FIRST = 0.6, 0.3
"""The part of their learning rate that these steps begin with."""
SAMPLE_SHARE = 0.3
"""Approximate part of the run that the sample takes."""

GetWindow = Callable[[Window], Tensor]


class TiledTraining(Training):
    """architecture: of the whole picture. pixels: a window of it, [C, h, w] in [0, 1].

    trainer: of the sample, for so many steps.
    """

    def __init__(
        self,
        architecture: Architecture,
        pixels: GetWindow,
        sample: Sample,
        trainer: Trainer,
        steps: int,
        generator: Generator,
    ) -> None:
        self._architecture, self._pixels, self._sample = architecture, pixels, sample
        self._trainer, self._generator = trainer, generator
        self._n_hard = round(HARD_SHARE * steps)
        self._n_soft = steps - self._n_hard
        self._part_of_sample = Sample.drawn(*sample.shape, generator, QUANTISED_ON)
        self._grids = [torch.zeros(shape) for shape in architecture.grids]
        self._tiles = tiles_of(architecture.height, architecture.width, SIDE)

    def run(self, report: Reporter) -> None:
        trainer = self._trainer
        trainer.soft(self._n_soft, report(0, SAMPLE_SHARE))
        latents = [GAIN * x.detach().cpu() for x in trainer.latents]
        analysis = Analysis.fitted(trainer.architecture, trainer.values, trainer.target.cpu(), latents, SWEEPS)
        for tile in self._tiles:
            wide, inside = self._around(tile)
            found = analysis.latents(self._part(wide), trainer.values, self._pixels(wide).cpu())
            self._keep(tile, inside, found)
        self._move(STEPS, FIRST, report, SAMPLE_SHARE, 1 - SAMPLE_SHARE)

    def correct(self, factor: float, report: Reporter) -> None:
        self._trainer.rate_controller.fix(factor)
        self._move(CORRECTING_STEPS, CORRECTING_FIRST, report, 1, 0)

    def quantised(self) -> tuple[Payload, float]:
        trainer, n_pixels = self._trainer, self._architecture.height * self._architecture.width
        part, own, picture = self._part_of_sample.part(trainer.architecture, trainer.grids(), trainer.target)
        groups, integers = quantise(part, trainer.values, own, picture, trainer.rate_controller.weight, n_pixels)
        grids = [grid.round() for grid in self._grids]
        payload = packed(self._architecture, groups, integers, grids)
        shown = Pyramid(
            [grid.numpy() for grid in grids],
            *synthesis_of(self._architecture, dequantised(self._architecture, groups, integers)),
        )
        total = 0.0
        for first, rows in shown.strips():
            strip = Window(first, 0, first + rows.shape[1], self._architecture.width)
            total += float((self._pixels(strip).cpu() - torch.from_numpy(rows)).square().sum(dtype=torch.float64))
        return payload, total / (self._architecture.height * self._architecture.width * self._architecture.channels)

    def _move(self, steps: int, first: float, report: Reporter, start: float, share: float) -> None:
        """Train the latents of all tiles with the networks as they are, then the networks with these latents."""
        trainer = self._trainer
        networks = copy.deepcopy(trainer.networks).requires_grad_(False)
        share /= len(self._tiles)
        for i, tile in enumerate(self._tiles):
            wide, inside = self._around(tile)
            tile_trainer = TileTrainer(
                self._part(wide),
                self._pixels(wide),
                RateController(trainer.rate_controller.weight),
                self._generator,
                networks,
                LOW_DEVIATION,
                inside=inside,
            )
            tile_trainer.start_from([grid[wide.at(level)] for level, grid in enumerate(self._grids)])
            tile_trainer.soft(steps, report(start + i * share, share), first)
            self._keep(tile, inside, [GAIN * x.detach().cpu() for x in tile_trainer.latents])
        trainer.start_from([self._on_sample(level) for level in range(len(self._grids))])
        trainer.hard(self._n_hard)

    def _on_sample(self, level: int) -> Tensor:
        """The latents of a level that belong to the sample."""
        return self._sample.joined(lambda window: self._grids[level][window.at(level)])

    def _around(self, tile: Window) -> tuple[Window, list[tuple[slice, slice]]]:
        """A tile with its margin, and where the tile's latents are within those of both."""
        wide = tile.wider(MARGIN, self._architecture.height, self._architecture.width)
        inside = []
        for level in range(self._architecture.n_grids):
            own, all_ = tile.at(level), wide.at(level)
            rows, columns = (slice(o.start - a.start, o.stop - a.start) for o, a in zip(own, all_, strict=True))
            inside.append((rows, columns))
        return wide, inside

    def _part(self, window: Window) -> Architecture:
        height, width = window.shape
        return dataclasses.replace(self._architecture, height=height, width=width)

    def _keep(self, tile: Window, inside: Sequence[tuple[slice, slice]], found: Sequence[Tensor]) -> None:
        for level, (grid, latents) in enumerate(zip(self._grids, found, strict=True)):
            grid[tile.at(level)] = latents[inside[level]]


class TileTrainer(Trainer):
    """A trainer that moves only the latents inside a tile. inside: their rows and columns by level."""

    def __init__(self, *given: Any, inside: Sequence[tuple[slice, slice]]) -> None:
        super().__init__(*given)
        self._inside = inside

    def _descend(self, grids: list[Tensor], share: RowShare) -> tuple[float, float]:
        found = super()._descend(grids, share)
        for x, (rows, columns) in zip(self.latents, self._inside, strict=True):
            assert x.grad is not None
            x.grad[: rows.start] = 0
            x.grad[rows.stop :] = 0
            x.grad[:, : columns.start] = 0
            x.grad[:, columns.stop :] = 0
        return found
