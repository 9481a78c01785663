"""The codec: a signal as one small file (.inrz), decoded the same everywhere; see FORMAT.md.

    from inr.codec import Limits, Aim

The parts a profile is made of: `profile` (what it has to offer), `tensors` (integers as bytes), `quantise` (steps),
`laplace` and `range_coder` (for an entropy coder of its own).
"""

from __future__ import annotations

from inr.codec._limits import Limits
from inr.codec.profile import NUMBERS, PROFILES, Aim, Decoded, Payload, Profile

__all__ = ["NUMBERS", "PROFILES", "Aim", "Decoded", "Limits", "Payload", "Profile"]
