"""How to compress: the arguments of `compress` that do not depend on the input."""

from __future__ import annotations

import dataclasses

from inr.codec.profile import DEFAULT_TUNE, PROFILES, TUNES
from inr.codec.rate_target import RateTarget
from inr.core.config import MAX_INTEGER
from inr.core.errors import UsageError

DEFAULT_EFFORT = 5


@dataclasses.dataclass(frozen=True)
class CompressionSettings:
    """The arguments of `compress` that do not depend on the input.

    tune: "psnr", or "perceptual" for multi-scale structural similarity too (pictures). device: where a pyramid is
    trained, cuda or cuda:INDEX. Other profiles are always trained on the CPU. Devices give different files, but every
    file decodes to the same symbols everywhere.
    """

    target: RateTarget = dataclasses.field(default_factory=RateTarget)
    effort: int = DEFAULT_EFFORT
    profile: str | None = None
    field: str | None = None
    settings: tuple[str, ...] = ()
    seed: int = 0
    verify: bool = True
    device: str = "cpu"
    tune: str = DEFAULT_TUNE

    def __post_init__(self) -> None:
        if not 1 <= self.effort <= 9:
            raise UsageError(f"`effort` is {self.effort}, expected a whole number from 1 (fast) to 9 (small)")
        if not 0 <= self.seed <= MAX_INTEGER:
            raise UsageError(f"`seed` is {self.seed}, expected a whole number from 0 to {MAX_INTEGER}")
        if self.tune not in TUNES:
            raise UsageError(f"`tune` is {self.tune!r}, expected one of {', '.join(TUNES)}")
        if self.profile is not None:
            PROFILES[self.profile]
