"""Long sounds, read tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from inr.core.domain import Domain, Frame
from inr.core.errors import UnreadableError
from inr.signals._lattice import AnyArray, Lattice
from inr.signals._signal import Values
from inr.signals._source import Source
from inr.signals.audio import Audio, length_notes
from inr.signals.files.sound_writing import as_written
from inr.signals.files.sounds import can_seek, heading_of
from inr.signals.tiled.signal import TILED, Tiled, extremes, measure_of
from inr.signals.tiled.stores import SoundStore, Tiles

MAX_VALUES = 2**28
"""Values beyond which a sound stays in its file."""


@TILED.register("audio")
class TiledAudio(Tiled):
    """A long WAV, FLAC or OGG; see `Audio`. One pass over the file finds its largest sample."""

    kind: ClassVar[str] = "audio"
    whole: ClassVar[type[Lattice]] = Audio
    headline: str = "snr_db"

    @classmethod
    def limit(cls) -> int:
        return MAX_VALUES

    @classmethod
    def size_in(cls, source: Source) -> int | None:
        try:
            with source.open() as file:
                if can_seek(file, source.name):
                    found = heading_of(file, source.name)
                    return found.n_samples * found.channels
        except UnreadableError:  # `Audio.load` reports what is wrong
            return None
        return None

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        assert source.path is not None
        store = SoundStore(source.path)
        low, high = extremes(iter(Tiles(store)), source.name)
        most = float(max(-low.min(), high.max())) or 1.0
        n = store.shape[0]
        frame = Frame(
            Domain((0.0,), (n / store.heading.rate_hz,), ("t",), "seconds"),
            (0.0,) * store.channels,
            (most,) * store.channels,
        )
        notes = store.heading.notes + length_notes(n)
        signal = cls(store, frame, store.heading.meta, measure=measure_of(options), notes=notes)
        signal._peak = max(1.0, most)
        return signal

    @property
    def peak(self) -> float:
        return self._peak

    def values_of(self, raw: AnyArray) -> Values:
        return raw

    def as_written(self, values: Values) -> AnyArray:
        return as_written(values, self.meta["subtype"])
