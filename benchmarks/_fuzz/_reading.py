"""Processing of signal bytes under test: loading, sampling, and inspecting."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from inr.signals import Source

from .documents import place, shown


class InspectRefusesError(Exception):
    """`inspect` refuses a file that loads: a fault for a valid file, but not for a damaged one."""


def reading(
    suffix: str,
    kind: str,
    options: Mapping[str, str] | None = None,
    *,
    whole_in: int = 1,
    in_part: Callable[[Source], object] | None = None,
) -> Callable[[bytes], None]:
    """Load a file of this suffix as a kind of signal, and draw from it; `inspect` must accept files that load.

    whole_in: one of this many inputs is loaded whole, for signals that are slow to prepare; `in_part` reads the others.
    """

    def read(data: bytes) -> None:
        import torch

        from inr.core.errors import InrError
        from inr.inspection import describe
        from inr.signals import load_signal

        path = place() / f"input{suffix}"
        path.write_bytes(data)
        is_known = True
        try:
            described = describe(path)
        except InrError:
            is_known = False
        else:
            shown(described)
        source = Source(f"input{suffix}", data=data)
        if in_part is not None and zlib.crc32(data) % whole_in:
            in_part(source)
        else:
            signal = load_signal(source, kind, options or {})
            pool = signal.pool(torch.Generator().manual_seed(0))
            pool.batch(torch.arange(min(8, pool.size)))
        if not is_known:
            raise InspectRefusesError

    return read
