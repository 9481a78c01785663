"""What a decoder is willing to take on: every size that a file states is held to a limit before memory is taken."""

from __future__ import annotations

import dataclasses

from inr._errors import FormatError


@dataclasses.dataclass(frozen=True)
class Limits:
    """The largest counts that a file may ask for. Raise one with `dataclasses.replace`, or `Limits(samples=2**30)`.

    file_bytes: of the file. samples: output values, channels counted. parameters, symbols: of the networks, and of all
    that is entropy-coded. layers, width, levels, table: of an architecture. tensors: records. meta_bytes: of
    the ancillary JSON; icc_bytes: of a colour profile. expansion_bytes: of the output, as float32, where it is
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

    def hold(self, name: str, value: int) -> int:
        """The value, or a FormatError when it is beyond the limit of this name."""
        limit = getattr(self, name)
        if value > limit:
            raise FormatError(
                f"the file asks for {value:,} {name.replace('_', ' ')}, the limit is {limit:,}",
                "if you trust it, raise the limit: inr.codec.Limits",
            )
        return value
