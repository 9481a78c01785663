"""Large lattices (pictures, sounds, arrays), which stay in their files and are never whole in memory."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Frame, Grid, Spec
from inr.core.errors import UnreadableError, UsageError
from inr.core.registry import Registry
from inr.signals import metrics as measures
from inr.signals._lattice import AnyArray, Lattice
from inr.signals._signal import Batch, Evaluate, Pool, Signal, Values, View
from inr.signals._source import Source
from inr.signals.files.bands import Bands
from inr.signals.tiled.stores import Store, Tiles

TILED: Registry[type[Tiled]] = Registry("kind of large signal", "inr.signals.tiled")

MEASURED_TILES = 1024


class Tiled(Signal):
    """A lattice read tile by tile. It is of the kind `whole`, by which fits of it are rendered and written.

    options: the kind's own options that can be given for such a file, with their words.

    Memory: `peak_bytes` at most, whatever the file's size. Metrics are of `measure` tiles drawn at random with a
    fixed seed (0: all of them; default 1024), and have no SSIM.
    """

    whole: ClassVar[type[Lattice]]
    options: ClassVar[Mapping[str, Sequence[str]]] = {}
    _peak: float = 1.0
    extensions: ClassVar[tuple[str, ...]] = ()
    formats: ClassVar[tuple[str, ...]] = ()
    has_whole_lattice = False

    def __init__(
        self,
        store: Store,
        frame: Frame,
        meta: dict[str, Any],
        *,
        order: tuple[int, ...] | None = None,
        measure: int = MEASURED_TILES,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.tiles = Tiles(store)
        self.tile = store.tile
        self.order = order or tuple(range(len(store.shape)))
        self.frame, self.meta, self.notes = frame, meta, notes
        self.spec = Spec(self.kind, frame.d_in, frame.d_out, tuple(store.shape[axis] for axis in self.order))
        self._measure = min(measure or len(self.tiles), len(self.tiles))
        if self._measure < len(self.tiles):
            text = f"read tile by tile; metrics are of {self._measure} of its {len(self.tiles)} tiles"
            self.notes += (f"{text} (signal.measure=0: all)",)

    @classmethod
    @abstractmethod
    def limit(cls) -> int:
        """The size beyond which a file is read tile by tile."""

    @classmethod
    @abstractmethod
    def size_in(cls, source: Source) -> int | None:
        """The size of the signal in a file, from its header; None if the format cannot be read tile by tile."""

    @property
    def peak_bytes(self) -> int:
        """Upper bound of the memory for reading and metrics: the tiles that are kept, one that is read while it
        is decoded, and float64 copies of its samples with their coordinates. Batches are not included."""
        samples = math.prod(self.tiles.store.tile)
        working = samples * (8 * 6 * self.spec.d_out + 4 * self.spec.d_in + 8 * 4)
        return max(self.tiles.cache_bytes, self.tiles.tile_bytes) + 2 * self.tiles.tile_bytes + working

    @abstractmethod
    def values_of(self, raw: AnyArray) -> Values:
        """Stored values [*, C] in the signal's units."""

    @abstractmethod
    def as_written(self, values: Values) -> AnyArray:
        """Values [*, C] in the signal's units as they are after they were written and read."""

    def counted(self, values: Values) -> AnyArray | None:
        """Which values [*, C] matter, or None for all."""
        return None

    def pool(self, generator: Generator) -> Pool:
        return _TilePool(self)

    def metrics(self, evaluate: Evaluate) -> dict[str, float]:
        """psnr_db and mse of the signal as it is written, over the measured tiles; the headline metric if that is
        SNR."""
        errors = measures.SquaredError()
        grid = Grid.whole(self.tiles.store.shape, self.order)
        for i in self._measured():
            reference = self.values_of(self.tiles.store.read(self.tiles.box(i))).reshape(-1, self.spec.d_out)
            with torch.no_grad():
                values = evaluate(grid.points(torch.from_numpy(self.tiles.indices(i)))).to("cpu", torch.float32)
            written = self.as_written(values.numpy())
            counted = self.counted(reference)
            if counted is not None:
                written, reference = written[counted], reference[counted]
            errors.add(written, reference)
        assert self.peak is not None
        found = {"psnr_db": measures.psnr_of_mse(errors.mse, self.peak), "mse": errors.mse}
        if self.headline == "snr_db":
            found["snr_db"] = errors.snr_db
        return found

    def _measured(self) -> list[int]:
        drawn = torch.randperm(len(self.tiles), generator=Generator().manual_seed(0))[: self._measure]
        return sorted(drawn.tolist())

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        return cls.whole.grid(spec, frame, meta, view)

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        return cls.whole.write_bands(bands, meta, file, suffix)


class _TilePool:
    """Samples by flat index; a batch reads the tiles that it touches."""

    def __init__(self, signal: Tiled) -> None:
        self._signal = signal
        self._grid = Grid.whole(signal.tiles.store.shape, signal.order)

    @property
    def size(self) -> int:
        return self._grid.size

    @property
    def order(self) -> tuple[int, ...]:
        return self._grid.order

    def batch(self, index: Tensor) -> Batch:
        here = index.cpu()
        values = self._signal.values_of(self._signal.tiles.gather(here.numpy()))
        counted = self._signal.counted(values)
        weight = None if counted is None else torch.from_numpy(counted.astype(np.float32))
        batch = Batch(self._grid.points(here), self._signal.frame.to_field(torch.from_numpy(values)), weight)
        return batch.to(index.device)


def extremes(blocks: Iterator[AnyArray], name: str) -> tuple[AnyArray, AnyArray]:
    """Least and largest value per channel (float64) of blocks [*, C]: one pass over a file.

    Raises UnreadableError for values that are not finite in float32.
    """
    low: AnyArray | None = None
    high: AnyArray | None = None
    for block in blocks:
        flat = block.reshape(-1, block.shape[-1])
        least, most = flat.min(0).astype(np.float64), flat.max(0).astype(np.float64)
        limit = np.finfo(np.float32).max
        if not ((np.abs(least) <= limit).all() and (np.abs(most) <= limit).all()):
            raise UnreadableError(f"{name!r} has NaN, infinite, or too large values for float32")
        low = least if low is None else np.minimum(low, least)
        high = most if high is None else np.maximum(high, most)
    assert low is not None
    assert high is not None
    return low, high


def measure_of(options: Mapping[str, str]) -> int:
    """The option `measure`: tiles that metrics are of, 0 for all."""
    text = options.get("measure", str(MEASURED_TILES))
    if not text.isdecimal():
        raise UsageError(f"option measure is {text!r}, expected a number of tiles, or 0 for all of them")
    return int(text)


def middle_and_half(low: AnyArray, high: AnyArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Offset and scale per channel that map [low, high] onto [-1, 1] (scale 1 for a constant channel)."""
    half = (high - low) / 2
    return tuple(((low + high) / 2).tolist()), tuple(np.where(half > 0, half, 1.0).tolist())
