"""The codec: a signal as one small file (.inrz) that decodes to the same symbols everywhere; see FORMAT.md.

    from inr.codec import compress, decompress
    compress("photo.png", "photo.inrz", bpp=0.5).metrics
    decompress("photo.inrz").save("again.png")

A new profile uses `profile` (the interface), `entropy.tensors` (integers as bytes), `entropy.quantise` (steps), and
`entropy.laplace` and `entropy.range_coder` if it has its own entropy coder.
"""

from __future__ import annotations

from inr.codec.decode import decompress, inspect
from inr.codec.decoded import Decoded
from inr.codec.encode import Compressed, compress
from inr.codec.limits import Limits
from inr.codec.profile import NUMBERS, PROFILES, Payload, Profile
from inr.codec.rate_target import RateTarget
from inr.core.errors import FormatError

__all__ = [
    "NUMBERS",
    "PROFILES",
    "Compressed",
    "Decoded",
    "FormatError",
    "Limits",
    "Payload",
    "Profile",
    "RateTarget",
    "compress",
    "decompress",
    "inspect",
]
