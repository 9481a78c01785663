"""Decompression of untrusted bytes: every size is checked before memory is allocated.

The order is that of FORMAT.md: head, chunks and checksums; then header, architecture and table against the limits; then
the cost against the limits; only then memory, symbols, their digest, and the model. Imports neither torch nor numba.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from inr.codec.container.file import Container
from inr.codec.container.header import Header
from inr.codec.decoded import Decoded
from inr.codec.guards import naming, only_format_errors
from inr.codec.limits import Limits
from inr.codec.profile import Payload, Profile, profile_of
from inr.core.errors import UnreadableError
from inr.core.files import reason_of
from inr.signals import Source

if TYPE_CHECKING:
    from inr.codec.entropy.tensors import TensorSpec, Usage

EXPANSION = 2**16
"""Bytes of output, as float32, that are accepted for each byte of a file even above the limit."""


@dataclasses.dataclass(frozen=True)
class Inspected:
    """The contents of a file, without decoded symbols.

    tensors: those that its architecture describes. work: multiplications to decode and evaluate it.
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
        """The bits that each tensor takes in DATA; decodes the shared stream."""
        from inr.codec.entropy.tensors import survey

        return survey(self.tensors, self.container.table, self.container.data)


def decompress(file: Source | str | Path | bytes, *, limits: Limits | None = None) -> Decoded:
    """Decode an .inrz file, or its bytes.

    Args:
        file: a path, or the bytes of a file.
        limits: how much memory and work a file may need; by default those of `Limits`.

    Returns:
        A `Decoded`: `values()` [*shape, C] in the signal's units, `save(path)` in the format of the suffix, and `fit()`
        if the profile codes a field.

    Raises:
        UnreadableError: the file does not exist or cannot be read.
        FormatError: the file is invalid or exceeds the limits. For any bytes, no other error is raised.

    Examples:
        >>> import inr
        >>> made = inr.compress("photo.png", effort=1, verify=False)
        >>> decoded = inr.decompress(made.data)
        >>> decoded.values().shape
        (64, 96, 3)
        >>> decoded.save("again.png")
        ()
    """
    data, name = _given(file, limits)
    with naming(name), only_format_errors():
        return decode(data, limits)


def inspect(file: Source | str | Path | bytes, *, limits: Limits | None = None) -> Inspected:
    """The contents of an .inrz file, without decoding the signal.

    Args:
        file: a path, or the bytes of a file.
        limits: as for `decompress`.

    Returns:
        An `Inspected`: the header, the profile's name, the tensors, and `usage()`, the bits per tensor.

    Raises:
        UnreadableError, FormatError: as `decompress`.

    Examples:
        >>> from inr.codec import compress, inspect
        >>> found = inspect(compress("photo.png", effort=1, verify=False).data)
        >>> found.header.kind, found.header.shape, found.name
        ('image', (96, 64), 'pyramid')
    """
    data, name = _given(file, limits)
    with naming(name), only_format_errors():
        return understand(data, limits)


def decode(data: bytes, limits: Limits | None = None, *, skip_checksums: bool = False) -> Decoded:
    """`decompress` without its guards: any error but FormatError shows a bug in the decoder."""
    limits = limits or Limits()
    found = understand(data, limits, skip_checksums=skip_checksums)
    decoded = found.profile.decode(found.header, found.payload, limits)
    decoded.profile = found.name
    return decoded


def understand(data: bytes, limits: Limits | None = None, *, skip_checksums: bool = False) -> Inspected:
    """Run all checks that come before the first large allocation."""
    limits = limits or Limits()
    container = Container.read(data, limits, skip_checksums=skip_checksums)
    header = Header.read(container.header, limits)
    meta = header.codec_kind.with_chunks(header.meta, container.icc, container.meta)
    header = dataclasses.replace(header, meta=meta)
    n_out = 4 * header.n_samples * header.channels
    limits.check("expansion_bytes", n_out if n_out > EXPANSION * len(data) else 0)
    name, profile = profile_of(container.number)
    arch = memoryview(container.arch)
    tensors = profile.outline(header, arch, limits)
    limits.check("tensors", len(tensors))
    limits.check("symbols", sum(spec.size for spec in tensors))
    work = limits.check("work", profile.work(header, arch))
    return Inspected(container, header, name, profile, tensors, work)


def read(path: Source | str | Path, limits: Limits | None = None) -> bytes:
    """Read a file, if its size is within the limit."""
    limits = limits or Limits()
    source = Source.of(path)
    try:
        with source.open() as file:
            limits.check("file_bytes", file.seek(0, os.SEEK_END))
            file.seek(0)
            return file.read()
    except OSError as error:
        raise UnreadableError(f"cannot read {source.name!r}: {reason_of(error)}") from error


def _given(file: Source | str | Path | bytes, limits: Limits | None) -> tuple[bytes, str | None]:
    """The bytes of a file, and its name if it has one."""
    if isinstance(file, bytes):
        return file, None
    source = Source.of(file)
    return read(source, limits), source.name
