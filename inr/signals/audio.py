"""Sounds: WAV, FLAC, OGG and other formats of libsndfile, mono or many channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import torch

from inr.core.domain import Domain, Frame, Grid, Spec
from inr.core.errors import UnreadableError, UsageError
from inr.core.rules import or_none, text, whole
from inr.signals import metrics as measures
from inr.signals._demo import Demo
from inr.signals._described import Described
from inr.signals._lattice import Lattice, view_grid
from inr.signals._signal import SIGNALS, Source, Values, View
from inr.signals.files import sounds as _sounds
from inr.signals.files.bands import Bands
from inr.signals.files.reading import check_options, open_file
from inr.signals.files.sound_writing import as_written, write

GOOD_SNR_DB = 40.0
"""SNR of a good field."""
_EXACT_COORDINATES = 2**23


@SIGNALS.register("audio")
class Audio(Lattice):
    """A sound. One coordinate, the time t from 0 to the duration in seconds; sample i is centred at (i + 1/2) / rate.

    Values have full scale 1; array [sample, channel]. meta: rate_hz, the file's subtype ("PCM_16", "FLOAT" ...), and
    channel_mask, the speakers of the channels as in a WAV header, if the file states them.
    """

    kind: ClassVar[str] = "audio"
    noun: ClassVar[str] = "sound"
    is_waveform: ClassVar[bool] = True
    extensions: ClassVar[tuple[str, ...]] = _sounds.SUFFIXES
    formats: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg")
    demo: ClassVar[Demo | None] = Demo(
        "sound",
        "chirp",
        "one second of a tone that rises from 50 to 2000 Hz",
        {"type": "siren", "width": 64},
        {"steps": 250, "lr": 1e-3, "batch": 8192},
        ".wav",
        ("render", "--rate", "48000"),
    )
    described: ClassVar[Described] = Described(
        d_in=(1, 1),
        d_out=(1, 1024),
        is_lattice=True,
        meta={"rate_hz": whole(1, 2**31 - 1), "subtype": text(32)},
        optional={"channel_mask": or_none(whole(0, 2**32 - 1))},
    )
    headline: str = "snr_db"

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("audio", options, {})
        with open_file(source) as file:
            values, heading = _sounds.decode(file, source.name)
        if values.size == 0:
            raise UnreadableError(f"sound {source.name!r} has no samples")
        if not np.isfinite(_largest(values)):
            raise UnreadableError(f"sound {source.name!r} has NaN or infinite samples")
        signal = cls.of_samples(values, heading.rate_hz, heading.subtype)
        signal.meta |= heading.meta
        signal.notes = heading.notes + signal.notes
        return signal

    @classmethod
    def of_samples(cls, values: Values, rate_hz: int, subtype: str = "PCM_16") -> Self:
        """A sound from float32 samples [sample, channel], full scale 1, written as `subtype` by default."""
        n, channels = values.shape
        scale = _largest(values) or 1.0
        domain = Domain((0.0,), (n / rate_hz,), ("t",), "seconds")
        frame = Frame(domain, (0.0,) * channels, (scale,) * channels)
        return cls(values, frame, {"rate_hz": rate_hz, "subtype": subtype}, length_notes(n))

    @property
    def peak(self) -> float:
        """Full scale, 1; the largest magnitude for a float sound that exceeds it."""
        return max(1.0, _largest(self.values.numpy()))

    @property
    def good_error(self) -> float:
        """That of an SNR of GOOD_SNR_DB: a quiet sound needs smaller errors than a loud one."""
        power = torch.mean(torch.square(self.values), dtype=torch.float64)
        return float(power.sqrt()) * 10 ** (-GOOD_SNR_DB / 20)

    def measure(self, bands: Bands) -> dict[str, float]:
        """snr_db, psnr_db (peak: full scale, 1) and mse of the sound as it is written: clipped, rounded to its bits.

        A lossy subtype (OGG) is measured before its encoder.
        """
        errors = measures.SquaredError()
        for values, reference in self.beside(bands):
            errors.add(as_written(values, self.meta["subtype"]), reference)
        return {
            "snr_db": errors.snr_db,
            "psnr_db": measures.psnr_of_mse(errors.mse, self.peak),
            "mse": errors.mse,
        }

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        """A view's rate is rate_hz, or the source's times scale; size is the number of samples in the crop."""
        view.refuse("audio", "rate_hz", "scale", "size", "crop")
        assert spec.shape is not None
        given = [name for name in ("rate_hz", "scale", "size") if getattr(view, name) is not None]
        if len(given) > 1:
            raise UsageError(f"`{given[0]}` and `{given[1]}` are both given, expected one of them")
        rate_hz = float(meta["rate_hz"])
        if view.rate_hz is not None:
            if not 1 <= view.rate_hz <= 2**31 - 1 or view.rate_hz != round(view.rate_hz):
                raise UsageError(f"`rate_hz` is {view.rate_hz:g}, expected a whole number of hertz >= 1")
            view = View(scale=view.rate_hz / rate_hz, crop=view.crop)
        grid, _ = view_grid("audio", frame.domain, spec.shape, view)
        seconds = (grid.high[0] - grid.low[0]) * frame.domain.extent[0]
        factor = view.scale if view.size is None else grid.size / (seconds * rate_hz)
        new_rate_hz = max(1, round(rate_hz * (1.0 if factor is None else factor)))
        return grid, {**meta, "rate_hz": new_rate_hz}

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """WAV keeps PCM and float subtypes, FLAC has up to 24 bits and no floats, OGG is Vorbis (or Opus)."""
        return write(bands, meta, file, suffix)


def length_notes(n: int) -> tuple[str, ...]:
    """Notes on a sound of n samples."""
    if n <= _EXACT_COORDINATES:
        return ()
    return (f"{n} samples: beyond 2^23, float32 coordinates cannot tell all neighbours apart; cut it shorter",)


def _largest(values: Values) -> float:
    """The largest magnitude."""
    return max(float(values.max()), -float(values.min()))
