"""The codec: a signal as one small file (.inrz), decoded the same everywhere; see FORMAT.md.

    from inr.codec import compress, decompress
    compress("photo.png", "photo.inrz", bpp=0.5).metrics
    decompress("photo.inrz").save("again.png")

The parts a profile is made of: `profile` (what it has to offer), `tensors` (integers as bytes), `quantise` (steps),
`laplace` and `range_coder` (for an entropy coder of its own).
"""

from __future__ import annotations

from inr._errors import FormatError
from inr.codec._limits import Limits
from inr.codec.decode import decompress, inspect
from inr.codec.encode import Compressed, compress
from inr.codec.profile import NUMBERS, PROFILES, Aim, Decoded, Payload, Profile

__all__ = [
    "NUMBERS",
    "PROFILES",
    "Aim",
    "Compressed",
    "Decoded",
    "FormatError",
    "Limits",
    "Payload",
    "Profile",
    "compress",
    "decompress",
    "inspect",
]
