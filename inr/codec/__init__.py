"""The codec: a signal as one small file (.inrz) that decodes to the same symbols everywhere; see FORMAT.md.

    from inr.codec import compress, decompress
    compress("photo.png", "photo.inrz", bpp=0.5).metrics
    decompress("photo.inrz").save("again.png")

A new profile uses `profile` (the interface), `entropy.tensors` (integers as bytes), `entropy.quantise` (steps), and
`entropy.laplace` and `entropy.range_coder` if it has its own entropy coder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

from inr.core.errors import FormatError as FormatError

if TYPE_CHECKING:
    from inr.codec.decode import decompress as decompress
    from inr.codec.decode import inspect as inspect
    from inr.codec.decoded import Decoded as Decoded
    from inr.codec.encode import Compressed as Compressed
    from inr.codec.encode import compress as compress
    from inr.codec.limits import Limits as Limits
    from inr.codec.profile import NUMBERS as NUMBERS
    from inr.codec.profile import PROFILES as PROFILES
    from inr.codec.profile import Payload as Payload
    from inr.codec.profile import Profile as Profile
    from inr.codec.rate_target import RateTarget as RateTarget

__getattr__, _, _names = lazy_loader.attach(
    __name__,
    submod_attrs={
        "decode": ["decompress", "inspect"],
        "decoded": ["Decoded"],
        "encode": ["Compressed", "compress"],
        "limits": ["Limits"],
        "profile": ["NUMBERS", "PROFILES", "Payload", "Profile"],
        "rate_target": ["RateTarget"],
    },
)
__all__ = sorted([*_names, "FormatError"])


def __dir__() -> list[str]:
    return __all__
