"""Sound files to samples by libsndfile, after what the header declares is compared with what is there; no torch."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from inr.core.errors import InrError, UnreadableError
from inr.core.text import count_of, human_seconds
from inr.signals.files.format import FORMATS, FileFormat, name_of
from inr.signals.files.sniffing import HEAD_BYTES, suffix_of
from inr.signals.files.sound_containers import extent_of, mp3_samples

if TYPE_CHECKING:
    import soundfile

SUFFIXES = (
    *(".wav", ".wave", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aiff", ".aif", ".aifc", ".au", ".snd", ".w64", ".caf"),
)
_READ = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF", "AU", "W64", "CAF")
"""What libsndfile calls the formats that are read here."""

EXPECTED = "expected WAV, RF64, FLAC, OGG, MP3, AIFF, AU, W64 or CAF"
_BLOCK = 2**16
_DENSEST = 8
"""Samples per byte of a file up to which the count in its header is trusted."""

_MP3_PADDING = 4 * 1152
"""Samples of an MP3 that are left out, at most: the frame of its table, and the padding of its encoder before and
after."""

_UNKNOWN = 2**62
"""A count of libsndfile of at least this means that the header states none."""

FLAC_MASKS = {3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}
"""The speakers of a FLAC by its number of channels, as bits of a WAV channel mask (RFC 9639, section 9.1.3)."""


@dataclasses.dataclass(frozen=True)
class Heading:
    """The header of a sound file. mask: speakers of the channels, as in a WAV header, if the file states them."""

    form: str
    subtype: str
    rate_hz: int
    channels: int
    n_samples: int
    mask: int | None
    notes: tuple[str, ...] = ()

    @property
    def meta(self) -> dict[str, Any]:
        """The metadata of a signal, and of a model of it."""
        own: dict[str, Any] = {"rate_hz": self.rate_hz, "subtype": self.subtype}
        return own if self.mask is None else own | {"channel_mask": self.mask}


@dataclasses.dataclass(frozen=True)
class Opened:
    """A sound file ready to be read from its start. is_counted: its length is known before it is read."""

    sound: soundfile.SoundFile
    notes: tuple[str, ...]
    mask: int | None
    is_counted: bool

    def heading(self, n_samples: int) -> Heading:
        sound = self.sound
        channels = int(sound.channels)
        mask = FLAC_MASKS.get(channels) if sound.format == "FLAC" else self.mask
        form = "WAV" if sound.format == "WAVEX" else str(sound.format)
        return Heading(form, str(sound.subtype), int(sound.samplerate), channels, n_samples, mask, self.notes)


def decode(file: BinaryIO, name: str) -> tuple[np.ndarray[Any, np.dtype[np.float32]], Heading]:
    """All samples [sample, channel], full scale 1, and what the file is. Raises UnreadableError, as `opened`."""
    n_bytes = file.seek(0, io.SEEK_END)
    with opened(file, name) as found:
        sound = found.sound
        if found.is_counted and sound.frames * sound.channels <= _DENSEST * n_bytes:
            values = sound.read(dtype="float32", always_2d=True)
        else:  # memory is taken for the samples in the file, not for the number in its header
            blocks = list(_blocks(sound))
            values = np.concatenate(blocks) if blocks else np.empty((0, sound.channels), np.float32)
        if found.is_counted and len(values) < sound.frames:
            raise UnreadableError(
                f"cannot read {name!r} as a sound: it is truncated, {len(values)} of {sound.frames} samples"
            )
        return values, found.heading(len(values))


def heading_of(file: BinaryIO, name: str) -> Heading:
    """What a sound file is; its samples are decoded only if the header does not state their number."""
    with opened(file, name) as found:
        n = found.sound.frames if found.is_counted else sum(len(block) for block in _blocks(found.sound))
        return found.heading(int(n))


def can_seek(file: BinaryIO, name: str) -> bool:
    """Whether any part of a sound can be read without what is before it."""
    extent = extent_of(file, name)
    if extent is not None and extent.is_zero_for_unknown:
        return False
    with opened(file, name) as found:
        return found.is_counted


@contextlib.contextmanager
def opened(file: BinaryIO, name: str) -> Iterator[Opened]:
    """A sound file whose header agrees with its length; errors of libsndfile in the block name the file.

    The size of the samples themselves counts, not that of the whole file, which many programs write wrongly. Raises
    UnreadableError for other formats, damage, and a file that ends before the samples that it declares.
    """
    import soundfile

    class Forward(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
        def seekable(self) -> bool:
            """No: a file of unknown length is read from its start to its end."""
            return False

    extent = extent_of(file, name)
    n_bytes = file.seek(0, io.SEEK_END)
    notes: tuple[str, ...] = ()
    if extent is not None and extent.size is not None and extent.start + extent.size > n_bytes:
        raise UnreadableError(
            f"cannot read {name!r} as a sound: it is truncated, {n_bytes} of {extent.start + extent.size} bytes",
            "copy or download it again; to use what is there, let ffmpeg or sox write it anew",
        )
    if extent is not None and extent.size is None:
        notes = (f"{name}: its header does not state its length; all samples up to the end of the file are read",)
        if extent.is_zero_for_unknown:
            file = _sized(file, extent.start, n_bytes)
    notes += _notes_on_pages(file, name)
    file.seek(0)
    if file.read(4) == b"BW64":
        file = _renamed(file)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    is_mpeg = head[:1] == b"\xff" or suffix_of(head) == ".mp3"
    file.seek(0)
    try:
        with _muted() if is_mpeg else contextlib.nullcontext(), soundfile.SoundFile(_Bounded(file)) as sound:
            if sound.format not in _READ:
                names = soundfile.available_formats()
                raise UnreadableError(
                    f"{name!r} is a sound of format {names.get(sound.format, sound.format)}, {EXPECTED}",
                    "convert it to WAV first, with ffmpeg or sox",
                )
            n_mp3 = mp3_samples(file) if sound.format == "MP3" else 0
            if n_mp3 > sound.frames + _MP3_PADDING:
                raise UnreadableError(
                    f"cannot read {name!r} as a sound: it has about {n_mp3} samples, but its header states "
                    f"{sound.frames} (an MP3 of varying bit rate without a table of its length)",
                    "convert it to WAV first, with ffmpeg or sox",
                )
            mask = None if extent is None else extent.mask
            if sound.frames < _UNKNOWN:
                yield Opened(sound, notes, mask, is_counted=True)
                return
        file.seek(0)
        with Forward(_Bounded(file)) as sound:
            yield Opened(sound, notes, mask, is_counted=False)
    except InrError:
        raise
    except (soundfile.SoundFileError, ValueError, TypeError, OverflowError, MemoryError, OSError) as error:
        raise UnreadableError(f"cannot read {name!r} as a sound: {_reason(error, file)}") from error


def _blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
    while True:
        block = sound.read(_BLOCK, dtype="float32", always_2d=True)
        if not len(block):
            return
        yield block


def _reason(error: Exception, file: BinaryIO) -> str:
    """Why libsndfile failed, in one line without Python objects."""
    file.seek(0)
    suffix = suffix_of(file.read(HEAD_BYTES))
    if suffix not in SUFFIXES:
        return f"its format is not known, {EXPECTED}" + (f"; by its content it is {suffix}" if suffix else "")
    text = str(getattr(error, "error_string", error)).removeprefix("Error :").strip().rstrip(".").splitlines()
    return text[0] if text and "0x" not in text[0] else "it is damaged or cut short"


class _Bounded:
    """A file for libsndfile, whose seeks to places before the start or past the largest offset do nothing.

    Damaged headers lead to such seeks. libsndfile compares the position with the one it wanted, but an exception in
    its callback would be printed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.readinto, self.tell = file.read, getattr(file, "readinto"), file.tell  # noqa: B009  not in BinaryIO
        self._file = file

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with contextlib.suppress(OSError, ValueError, OverflowError):
            self._file.seek(offset, whence)
        return self._file.tell()


def _sized(file: BinaryIO, start: int, n_bytes: int) -> BinaryIO:
    """A copy of a RIFF file in memory in which the stated size of the samples is the true one."""
    file.seek(0)
    data = bytearray(file.read())
    order = ">" if data[:4] == b"RIFX" else "<"
    struct.pack_into(order + "I", data, start - 4, min(n_bytes - start, 0xFFFFFFFF))
    return io.BytesIO(bytes(data))


def _renamed(file: BinaryIO) -> BinaryIO:
    """A copy of a BW64 file in memory under the name of RF64, of which it is the successor."""
    file.seek(4)
    return io.BytesIO(b"RF64" + file.read())


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Suppresses what libmpg123 writes to stderr about damaged frames. Only for MPEG, because it affects the whole
    process."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _notes_on_pages(file: BinaryIO, name: str) -> tuple[str, ...]:
    """A note if the last page of an OGG does not end its stream. Raises UnreadableError if that page is cut."""
    file.seek(0)
    if file.read(4) != b"OggS":
        return ()
    n_bytes = file.seek(0, io.SEEK_END)
    start = max(0, n_bytes - 2**17)  # twice the longest page
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"OggS")
    while at > 0 and len(tail) - at < 27:  # too short for a header: by chance, or cut
        at = tail.rfind(b"OggS", 0, at)
    if at < 0 or len(tail) - at < 27:
        return ()
    n_segments = tail[at + 26]
    length = 27 + n_segments + sum(tail[at + 27 : at + 27 + n_segments])
    if at + length > len(tail):
        raise UnreadableError(
            f"cannot read {name!r} as a sound: it is truncated, {n_bytes} of at least {start + at + length} bytes",
            "copy or download it again",
        )
    if tail[at + 5] & 4:
        return ()
    return (f"{name}: its last page does not end the stream; it may be cut short",)


@FORMATS.register(".wav")
@FORMATS.register(".rf64")
@FORMATS.register(".flac")
@FORMATS.register(".ogg")
@FORMATS.register(".mp3")
@FORMATS.register(".aiff")
@FORMATS.register(".au")
@FORMATS.register(".w64")
@FORMATS.register(".caf")
class SoundFile(FileFormat):
    """Sounds; the format is the container's, whatever the suffix."""

    @classmethod
    def describe(cls, file: BinaryIO, head: bytes) -> dict[str, Any]:
        found = heading_of(file, name_of(file))
        return {
            "what": "sound",
            "format": found.form.lower(),
            "rate_hz": found.rate_hz,
            "channels": found.channels,
            "n_samples": found.n_samples,
            "seconds": found.n_samples / found.rate_hz,
            "subtype": found.subtype,
            **({} if found.mask is None else {"channel_mask": found.mask}),
        }

    @classmethod
    def summary(cls, entry: Mapping[str, Any]) -> str:
        rate, channels = entry["rate_hz"], entry["channels"]
        return f"{human_seconds(entry['seconds'])} at {rate} Hz, {count_of(channels, 'channel')}, {entry['subtype']}"
