"""Limits of the decoder: every size that a file states is checked before memory is allocated."""

from __future__ import annotations

import dataclasses

from inr.core.errors import FormatError


@dataclasses.dataclass(frozen=True)
class Limits:
    """The largest counts that a file may state. Raise one with `dataclasses.replace`, or `Limits(samples=2**30)`.

    file_bytes: of the file. samples: output values, samples times channels. parameters: of the networks. symbols: of
    all entropy-coded tensors. layers, width, levels, table: of an architecture. tensors: records in the table.
    meta_bytes: of the JSON chunk. icc_bytes: of a colour profile. expansion_bytes: of the output as float32, if it is
    more than 2^16 times the file. work: multiplications to decode and evaluate.
    """

    file_bytes: int = 2**31 - 1
    samples: int = 2**28
    parameters: int = 2**26
    symbols: int = 2**28
    layers: int = 64
    width: int = 4096
    levels: int = 32
    table: int = 2**24
    tensors: int = 4096
    meta_bytes: int = 2**16
    icc_bytes: int = 2**22
    expansion_bytes: int = 2**28
    work: int = 2**46

    def check(self, name: str, value: int) -> int:
        """The value. Raises FormatError if it exceeds the limit of this name."""
        limit = getattr(self, name)
        if value > limit:
            raise FormatError(
                f"the file needs {value:,} {name.replace('_', ' ')}, the limit is {limit:,}",
                "if you trust the file, raise the limit: inr.codec.Limits",
            )
        return value
