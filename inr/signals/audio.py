"""Sounds: WAV, FLAC and OGG, mono or many channels, through libsndfile."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from inr._domain import Domain, Frame, Grid, Spec
from inr._errors import UnreadableError, UsageError
from inr.signals import metrics as measures
from inr.signals._lattice import AnyArray, Lattice, view_grid
from inr.signals._reading import check_options, decoding, read_bytes
from inr.signals._signal import SIGNALS, Source, Values, View

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS = ("FLOAT", "DOUBLE")
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
_EXACT_COORDINATES = 2**23


@SIGNALS.register("audio")
class Audio(Lattice):
    """A sound. One coordinate, the time t from 0 to the duration in seconds; sample i is centred at (i + 1/2) / rate.

    Values have full scale 1; array [sample, channel]. meta: rate_hz, and the file's subtype ("PCM_16", "FLOAT" ...).
    """

    kind: ClassVar[str] = "audio"
    extensions: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg")
    formats: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg")
    headline: str = "snr_db"

    @classmethod
    def load(cls, source: Source, options: Mapping[str, str]) -> Self:
        check_options("audio", options, {})
        import soundfile

        data = read_bytes(source)
        with decoding(source, "a sound"):
            _check_length(data, source)
            with soundfile.SoundFile(io.BytesIO(data)) as file:
                values = file.read(dtype="float32", always_2d=True)
                rate_hz, subtype, n_frames = int(file.samplerate), str(file.subtype), int(file.frames)
        if len(values) < n_frames:
            raise UnreadableError(
                f"can not read {source.name!r} as a sound: it ends after {len(values)} of {n_frames} samples"
            )
        if values.size == 0:
            raise UnreadableError(f"sound {source.name!r} has no samples")
        if not np.isfinite(values).all():
            raise UnreadableError(f"sound {source.name!r} has NaN or infinite samples")
        return cls.of_samples(values, rate_hz, subtype)

    @classmethod
    def of_samples(cls, values: Values, rate_hz: int, subtype: str = "PCM_16") -> Self:
        """A sound from float32 samples [sample, channel], full scale 1, written as `subtype` by default."""
        n, channels = values.shape
        scale = float(np.abs(values).max()) or 1.0
        domain = Domain((0.0,), (n / rate_hz,), ("t",), "seconds")
        frame = Frame(domain, (0.0,) * channels, (scale,) * channels)
        return cls(values, frame, {"rate_hz": rate_hz, "subtype": subtype}, length_notes(n))

    @property
    def peak(self) -> float:
        """Full scale, 1; the largest magnitude for a float sound that exceeds it."""
        return max(1.0, float(self.values.abs().max()))

    def metrics_of(self, values: Values) -> dict[str, float]:
        """snr_db, psnr_db (peak: full scale, 1) and mse of the sound as it is written: clipped, rounded to its bits.

        A lossy subtype (OGG) is measured before its encoder.
        """
        written = as_written(values, self.meta["subtype"])
        reference = self.values.numpy()
        mse = measures.mse(written, reference)
        return {
            "snr_db": measures.snr(written, reference),
            "psnr_db": measures.psnr_of_mse(mse, self.peak),
            "mse": mse,
        }

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        """A view's rate is rate_hz, or the source's times scale; size is the number of samples in the crop."""
        view.refuse("audio", "rate_hz", "scale", "size", "crop")
        assert spec.shape is not None
        given = [name for name in ("rate_hz", "scale", "size") if getattr(view, name) is not None]
        if len(given) > 1:
            raise UsageError(f"--{given[0].removesuffix('_hz')} and --{given[1]} are both given, expected one of them")
        rate_hz = float(meta["rate_hz"])
        if view.rate_hz is not None:
            if not 1 <= view.rate_hz <= 2**31 - 1 or view.rate_hz != round(view.rate_hz):
                raise UsageError(f"--rate is {view.rate_hz:g}, expected a whole number of hertz >= 1")
            view = View(scale=view.rate_hz / rate_hz, crop=view.crop)
        grid, _ = view_grid("audio", frame.domain, spec.shape, view)
        seconds = (grid.high[0] - grid.low[0]) * frame.domain.extent[0]
        factor = view.scale if view.size is None else grid.size / (seconds * rate_hz)
        new_rate_hz = max(1, round(rate_hz * (1.0 if factor is None else factor)))
        return grid, {**meta, "rate_hz": new_rate_hz}

    @classmethod
    def write(cls, values: Values, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """WAV keeps PCM and float subtypes, FLAC has up to 24 bits and no floats, OGG is Vorbis (or Opus)."""
        import soundfile

        rate_hz, source_subtype = int(meta["rate_hz"]), str(meta["subtype"])
        subtype = subtype_for(suffix, source_subtype, rate_hz)
        notes: tuple[str, ...] = ()
        if subtype != source_subtype:
            notes += (f"{suffix} is written as {subtype}, the source was {source_subtype}",)
        low, high = _range(subtype)
        n_clipped = int(np.count_nonzero((values < low) | (values > high)))
        if n_clipped:
            notes += (f"{n_clipped} of {values.size} samples were outside [-1, 1] and were clipped",)
        samples = as_samples(values, subtype)
        out = io.BytesIO()
        try:
            soundfile.write(out, samples, rate_hz, format=suffix[1:].upper(), subtype=subtype)
        except (soundfile.SoundFileError, ValueError) as error:
            raise UsageError(
                f"{values.shape[1]} channels at {rate_hz} Hz can not be written as {suffix}: {error}", "write .wav"
            ) from error
        file.write(out.getvalue())
        return notes


def length_notes(n: int) -> tuple[str, ...]:
    """What there is to say of a sound of n samples."""
    if n <= _EXACT_COORDINATES:
        return ()
    return (f"{n} samples: beyond 2^23, float32 coordinates can not tell all neighbours apart; cut it shorter",)


def _check_length(data: bytes, source: Source) -> None:
    """Refuse a WAV shorter than its own header says, which libsndfile reads as far as it goes."""
    if data[:4] == b"RIFF" and len(data) >= 8:
        (size,) = struct.unpack_from("<I", data, 4)
        is_streamed = size == 0 or size >= 0x7FFF0000  # written to a pipe: the size was not known
        if not is_streamed and size + 8 > len(data) + 1:
            raise UnreadableError(
                f"can not read {source.name!r} as a sound: it is truncated, {len(data)} of {size + 8} bytes"
            )


def subtype_for(suffix: str, source: str, rate_hz: int) -> str:
    """The subtype that a format keeps a source's samples in."""
    if suffix == ".ogg":
        return "OPUS" if source == "OPUS" and rate_hz in _OPUS_RATES_HZ else "VORBIS"
    if suffix == ".flac":
        fallback = "PCM_24" if source in (*_FLOATS, "PCM_32") else "PCM_16"
        return {"PCM_U8": "PCM_S8"}.get(source, source if source in ("PCM_S8", "PCM_16", "PCM_24") else fallback)
    if source == "PCM_S8":
        return "PCM_U8"
    return source if source in _BITS or source in _FLOATS else "PCM_16"


def _range(subtype: str) -> tuple[float, float]:
    """The values that a subtype holds without clipping; half a step of rounding beyond the ends is not clipping."""
    if subtype in _FLOATS:
        return -np.inf, np.inf
    half_step = 0.5 ** _BITS[subtype] if subtype in _BITS else 0.0
    return -1.0 - half_step, 1.0


def _integers(values: Values, subtype: str) -> AnyArray:
    full = 2 ** (_BITS[subtype] - 1)
    return np.clip(np.rint(values * np.float64(full)), -full, full - 1).astype(np.int64)


def as_samples(values: Values, subtype: str) -> AnyArray:
    """What libsndfile is given for values: integers in the upper bits of 32, rounded and clipped; or floats."""
    if subtype in _BITS:
        return (_integers(values, subtype) << (32 - _BITS[subtype])).astype(np.int32)
    return values if subtype in _FLOATS else np.clip(values, -1, 1)


def as_written(values: Values, subtype: str) -> Values:
    """Samples as they are after they were written and read."""
    if subtype in _FLOATS:
        return values
    if subtype not in _BITS:
        return np.clip(values, -1, 1)
    written: Values = (_integers(values, subtype) / 2 ** (_BITS[subtype] - 1)).astype(np.float32)
    return written
