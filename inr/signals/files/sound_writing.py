"""Samples as the formats of sound hold them: subtypes, ranges, rounding and channel layouts; written band by band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from inr.core.errors import UsageError
from inr.signals.files.bands import Bands
from inr.signals.files.sound_containers import set_channel_mask
from inr.signals.files.sounds import FLAC_MASKS

Values = np.ndarray[Any, np.dtype[np.float32]]
AnyArray = np.ndarray[Any, np.dtype[Any]]

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FLOATS = ("FLOAT", "DOUBLE")
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)

_BLOCK = 2**16
"""Samples that are encoded together. libsndfile's Vorbis encoder holds them on the stack, which overflows at 2^24."""


def write(bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
    """Write a sound's values [sample, channel] as the format of `suffix`; returns notes. See `Audio.write_bands`."""
    import soundfile

    n, channels = bands.shape
    rate_hz, source_subtype = int(meta["rate_hz"]), str(meta["subtype"])
    subtype = subtype_for(suffix, source_subtype, rate_hz)
    notes: tuple[str, ...] = ()
    if subtype != source_subtype:
        notes += (f"{suffix} is written as {subtype}, the source was {source_subtype}",)
    low, high = range_of(subtype)
    n_clipped = 0
    mask = channel_mask_of(meta)
    is_long = suffix == ".wav" and n * channels * 4 > 2**31  # RF64 is WAV with lengths of 64 bits
    form = "RF64" if is_long else format_for(suffix, mask)
    held = _Held(file)
    try:
        with soundfile.SoundFile(held, "w", rate_hz, channels, subtype, format=form) as opened:
            for band in bands:
                n_clipped += int(np.count_nonzero((band < low) | (band > high)))
                for first in range(0, len(band), _BLOCK):
                    opened.write(as_samples(band[first : first + _BLOCK], subtype))
                held.check()
        held.check()
    except (soundfile.SoundFileError, ValueError) as error:
        raise UsageError(
            f"{channels} channels at {rate_hz} Hz cannot be written as {suffix}: {error}", "write .wav"
        ) from error
    if suffix == ".wav" and mask is not None:
        set_channel_mask(file, mask)
    if n_clipped:
        notes += (f"{n_clipped} of {n * channels} samples were outside [-1, 1] and were clipped",)
    return notes + _layout_notes(suffix, mask, channels)


class _Held:
    """A file for libsndfile, whose callbacks must not raise: the first error is kept until `check`."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek, self.tell, self.read = file.seek, file.tell, file.read
        self._file = file
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            if self._error is None:
                self._file.write(data)
        except OSError as error:
            self._error = error
        return len(data)

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def _layout_notes(suffix: str, mask: int | None, channels: int) -> tuple[str, ...]:
    """What is lost of the speakers of a sound's channels in a format; FLAC has one layout per number of channels."""
    if mask is None or suffix == ".wav" or channels < 3 or (suffix == ".flac" and FLAC_MASKS.get(channels) == mask):
        return ()
    return (f"{suffix} does not keep the channel layout (mask {mask:#x}); .wav does",)


def channel_mask_of(meta: Mapping[str, Any]) -> int | None:
    """The speakers of a sound's channels, if its metadata states them."""
    mask = meta.get("channel_mask")
    return mask if isinstance(mask, int) and 0 <= mask < 2**32 else None


def format_for(suffix: str, mask: int | None) -> str:
    """libsndfile's name of a format; a WAV with a channel layout has a longer header."""
    return "WAVEX" if suffix == ".wav" and mask is not None else suffix[1:].upper()


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


def range_of(subtype: str) -> tuple[float, float]:
    """The values that a subtype holds without clipping; half a step of rounding beyond the ends is not clipping."""
    if subtype in _FLOATS:
        return -np.inf, np.inf
    half_step = 0.5 ** _BITS[subtype] if subtype in _BITS else 0.0
    return -1.0 - half_step, 1.0


def _integers(values: Values, subtype: str) -> AnyArray:
    full = 2 ** (_BITS[subtype] - 1)
    scaled = values * np.float64(full)
    return np.clip(np.rint(scaled, out=scaled), -full, full - 1, out=scaled).astype(np.int32)


def as_samples(values: Values, subtype: str) -> AnyArray:
    """The array that libsndfile is given for values: integers in the upper bits of 32, rounded and clipped; or
    floats."""
    if subtype in _BITS:
        return _integers(values, subtype) << (32 - _BITS[subtype])
    return values if subtype in _FLOATS else np.clip(values, -1, 1)


def as_written(values: Values, subtype: str) -> Values:
    """Samples as they are read back after they were written."""
    if subtype in _FLOATS:
        return values
    if subtype not in _BITS:
        return np.clip(values, -1, 1)
    written: Values = (_integers(values, subtype) / 2 ** (_BITS[subtype] - 1)).astype(np.float32)
    return written
