"""Decompression: from bytes that may be anything to a signal, with every check before what it guards.

The order is that of FORMAT.md: head, chunks and checksums; header, architecture and table against the limits; the cost
against the budgets; only then memory, symbols, their digest, and the model. Imports neither torch nor numba.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from inr._errors import FormatError, InrError, UnavailableError, UnreadableError, UsageError, unknown_name
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.container import Container
from inr.codec.profile import Decoded, Payload, Profile, profile_of

if TYPE_CHECKING:
    from inr.codec.tensors import TensorSpec, Usage

EXPANSION = 2**16
"""Bytes of output, as float32, that are taken on for each byte of a file whatever the limits say."""


@dataclasses.dataclass(frozen=True)
class Inspected:
    """What a file says of itself, without its symbols being decoded.

    tensors: what its architecture stands for. work: multiplications to decode and evaluate it.
    """

    container: Container
    header: Header
    name: str
    profile: Profile
    tensors: tuple[TensorSpec, ...]
    work: int

    @property
    def payload(self) -> Payload:
        c = self.container
        return Payload(c.arch, c.table, c.data, c.symbols_sha256)

    def usage(self) -> list[Usage]:
        """Where the bytes of DATA go; decodes the shared stream."""
        from inr.codec.tensors import survey

        return survey(self.tensors, self.container.table, self.container.data)


def decompress(file: str | Path | bytes, *, limits: Limits | None = None) -> Decoded:
    """Decode an .inrz file, or its bytes.

    Args:
        file: a path, or what is in the file.
        limits: how much memory and work a file may ask for; by default those of `Limits`.

    Returns:
        A `Decoded`: `values()` [*shape, C] in the signal's units, `save(path)` in the format of the suffix, and `fit()`
        where the profile holds a field.

    Raises:
        UnreadableError: there is no such file.
        FormatError: it is not a valid file within the limits; whatever the bytes, nothing else is raised.

    Examples:
        >>> import inr
        >>> made = inr.compress("photo.png", effort=1, verify=False)
        >>> decoded = inr.decompress(made.data)
        >>> decoded.values().shape
        (64, 96, 3)
        >>> decoded.save("again.png")
        ()
    """
    data = file if isinstance(file, bytes) else read(file, limits)
    with naming(None if isinstance(file, bytes) else str(file)), only_format_errors():
        return decode(data, limits)


def inspect(file: str | Path | bytes, *, limits: Limits | None = None) -> Inspected:
    """What an .inrz file holds, without decoding the signal.

    Args:
        file: a path, or what is in the file.
        limits: as for `decompress`.

    Returns:
        An `Inspected`: the header, the profile's name, the tensors, and `usage()`, which says where the bytes go.

    Raises:
        UnreadableError, FormatError: as `decompress`.

    Examples:
        >>> from inr.codec import compress, inspect
        >>> found = inspect(compress("photo.png", effort=1, verify=False).data)
        >>> found.header.kind, found.header.shape, found.name
        ('image', (96, 64), 'pyramid')
    """
    data = file if isinstance(file, bytes) else read(file, limits)
    with naming(None if isinstance(file, bytes) else str(file)), only_format_errors():
        return understand(data, limits)


def decode(data: bytes, limits: Limits | None = None, *, skip_checksums: bool = False) -> Decoded:
    """`decompress` without its net: where this raises anything but FormatError, there is a fault in the decoder."""
    limits = limits or Limits()
    found = understand(data, limits, skip_checksums=skip_checksums)
    decoded = found.profile.decode(found.header, found.payload, limits)
    decoded.profile = found.name
    return decoded


def understand(data: bytes, limits: Limits | None = None, *, skip_checksums: bool = False) -> Inspected:
    """Everything before the first large allocation."""
    limits = limits or Limits()
    container = Container.read(data, limits, skip_checksums=skip_checksums)
    header = Header.read(container.header, limits)
    if container.icc is not None and header.kind == "image":
        icc = base64.b64encode(container.icc).decode("ascii")
        header = dataclasses.replace(header, meta={**header.meta, "icc": icc})
    n_out = 4 * header.n_samples * header.channels
    limits.hold("expansion_bytes", n_out if n_out > EXPANSION * len(data) else 0)
    name, profile = profile_of(container.number)
    arch = memoryview(container.arch)
    tensors = profile.outline(header, arch, limits)
    limits.hold("tensors", len(tensors))
    limits.hold("symbols", sum(spec.size for spec in tensors))
    work = limits.hold("work", profile.work(header, arch))
    return Inspected(container, header, name, profile, tensors, work)


def read(path: str | Path, limits: Limits | None = None) -> bytes:
    """All bytes of a file that is not beyond the limit."""
    try:
        with open(path, "rb") as file:
            (limits or Limits()).hold("file_bytes", os.fstat(file.fileno()).st_size)
            return file.read()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
        raise UnreadableError(f"can not read {str(path)!r}: {reason}") from error


@contextlib.contextmanager
def only_format_errors() -> Iterator[None]:
    """The promise that damage has one type, kept even where a decoder has a fault or memory ends."""
    try:
        yield
    except (FormatError, UnavailableError):
        raise
    except MemoryError as error:
        raise FormatError("the file asks for more memory than there is") from error
    except (InrError, ValueError, TypeError, KeyError, IndexError, ArithmeticError, RuntimeError) as error:
        reason = error.message if isinstance(error, InrError) else f"{type(error).__name__}: {error}".splitlines()[0]
        raise FormatError(f"the file can not be decoded: {reason}") from error


@contextlib.contextmanager
def naming(name: str | None) -> Iterator[None]:
    """Puts a file's name before what is wrong with it."""
    try:
        yield
    except FormatError as error:
        if name is None:
            raise
        raise FormatError(f"{name}: {error.message}", error.hint) from error


def formats_of(header: Header) -> tuple[str, ...]:
    """Suffixes that a decoded signal can be written as, without those of models and meshes; the default first."""
    if header.kind == "image":
        return (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".npy")
    from inr.signals import SIGNALS

    return SIGNALS[header.kind].formats


def write(decoded: Decoded, file: BinaryIO, suffix: str) -> tuple[str, ...]:
    """Write a decoded signal in the format of a suffix; returns notes. UsageError where the format can not hold it."""
    header = decoded.header
    with only_format_errors():
        values = decoded.values()
        if not np.isfinite(values).all():
            raise FormatError("the file decodes to numbers that are not finite")
    meta: dict[str, Any] = {**header.meta, "sliced": []} if header.kind != "image" else dict(header.meta)
    if header.kind == "image":
        from inr.signals._pictures import write as write_picture

        return write_picture(values, meta, file, suffix)
    from inr.signals import SIGNALS

    return SIGNALS[header.kind].write(values, meta, file, suffix)


def save(decoded: Decoded, path: str | Path) -> tuple[str, ...]:
    """Write a decoded signal to a file, atomically, in the format of its suffix; .safetensors is its model."""
    import io

    from inr._files import atomic

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        decoded.fit().save(path)
        return ()
    if suffix not in formats_of(decoded.header):
        raise unknown_name("format", suffix[1:], [known[1:] for known in formats_of(decoded.header)])
    out = io.BytesIO()
    notes = write(decoded, out, suffix)
    with atomic(path) as temporary:
        temporary.write_bytes(out.getvalue())
    return notes


__all__ = ["Inspected", "UsageError", "decode", "decompress", "inspect", "save", "understand", "write"]
