"""What a profile is: one way to turn a signal into integers and back. Imports neither torch nor numba.

A profile stands in a file of its own and registers under a name; its number is what files hold. Both are part of the
format, as `NUMBERS` is. All it writes is a `Payload`; what it reads it has to hold to `Limits` before taking memory.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from inr._errors import FormatError, UsageError
from inr._registry import Registry
from inr.codec._header import Header
from inr.codec._limits import Limits

if TYPE_CHECKING:
    from inr.codec.tensors import TensorSpec
    from inr.fitting import Fit
    from inr.signals import Signal

PROFILES: Registry[type[Profile]] = Registry("profile", "inr.codec")

NUMBERS = {1: "weights", 2: "grids", 3: "pyramid"}
"""The profiles of this version of the format; a number is never given twice."""

DEFAULT_QUALITY = 50.0
DEFAULT_EFFORT = 5

OnProgress = Callable[[float, str], None]
"""Told now and then how much of the encoding is over, 0 to 1, and what is going on."""

Values = np.ndarray[Any, np.dtype[np.float32]]


@dataclasses.dataclass(frozen=True)
class Aim:
    """What the encoder is to reach: one of these is given, or none, which is `quality=50`.

    target_psnr_db: at least this PSNR (sounds: SNR) of what is written, in as few bytes as can be. bpp: at most this
    many bits per pixel, sample or element. size_bytes: at most this many bytes. quality: 0 to 100, on a scale that
    every profile fixes for itself. lambda_: the weight of the rate in mean squared error, of values whose peak is 1,
    plus lambda times bits per pixel.

    A profile never meets `bpp`: `compress` turns it into `size_bytes`, takes the bytes of the container off, and what
    is left is for ARCH, table and data together.
    """

    target_psnr_db: float | None = None
    bpp: float | None = None
    size_bytes: int | None = None
    quality: float | None = None
    lambda_: float | None = None

    def __post_init__(self) -> None:
        given = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} are given, expected one of them")
        if not given:
            object.__setattr__(self, "quality", DEFAULT_QUALITY)
        for key, value in given.items():
            if not math.isfinite(value) or (key != "quality" and value <= 0):
                raise UsageError(f"{key} is {value}, expected a number > 0")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise UsageError(f"quality is {self.quality:g}, expected 0 to 100")


@dataclasses.dataclass(frozen=True)
class Payload:
    """What a profile has to say in a file.

    arch: a fixed struct of bounded integers, without the profile's number; the shapes of all tensors follow from it
    and the header. table, data: as `tensors.encode` writes them. symbols_sha256: `tensors.symbols_sha256` of all
    symbols, those of own streams included.
    """

    arch: bytes
    table: bytes
    data: bytes
    symbols_sha256: bytes

    @property
    def size(self) -> int:
        """What counts against `Aim.size_bytes`."""
        return len(self.arch) + len(self.table) + len(self.data)


class Decoded(ABC):
    """A signal as a profile gives it back. symbols_sha256: of what was decoded."""

    header: Header
    symbols_sha256: bytes

    @abstractmethod
    def values(self) -> Values:
        """Values [*shape, C] in the signal's units, array axes as the signal's `write` wants them."""

    def fit(self) -> Fit:
        """The field as a model. Raises UsageError where the profile has none of coordinates."""
        raise UsageError(
            f"profile {self.profile!r} is no field of coordinates, so there is no model of it",
            "decompress it to a picture, sound or array, and fit that",
        )

    profile: str = ""

    def save(self, path: str | Path) -> tuple[str, ...]:
        """Write the signal in the format of the suffix, or its model (.safetensors); returns notes."""
        from inr.codec.decode import save

        return save(self, path)


class FieldDecoded(Decoded):
    """What the profiles that hold a field give back: all of it follows from the model."""

    def __init__(self, header: Header, fit: Fit, symbols_sha256: bytes, profile: str) -> None:
        self.header, self._fit, self.symbols_sha256, self.profile = header, fit, symbols_sha256, profile

    def values(self) -> Values:
        return self._fit.render()[0]

    def fit(self) -> Fit:
        return self._fit


class Profile(ABC):
    """One way to code a signal. number: in files. An instance is made without arguments; see `with_settings`."""

    number: ClassVar[int]
    device: str = "cpu"
    """Where `encode` may train: cuda, or the CPU. A profile that does not look at it trains on the CPU."""

    def reason_against(self, signal: Signal) -> str | None:
        """Why this signal can not be coded so, in one sentence; None when it can."""
        return None

    def reason_against_model(self, model: Fit) -> str | None:
        """The same of a fitted model."""
        return "it codes signals, not models" if type(self).encode_model is Profile.encode_model else None

    def with_settings(self, field: str | None, settings: Sequence[str]) -> Self:
        """This profile with a field family and settings ("width=64") of the user's. Raises UsageError, ConfigError."""
        if field is not None or settings:
            raise UsageError(
                f"profile {PROFILES.name_of(type(self))!r} has no field and no settings to choose",
                "leave out --field and --set, or use --profile weights",
            )
        return self

    @abstractmethod
    def encode(
        self, signal: Signal, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """effort: 1 (fast) to 9 (small). Raises UsageError for an aim that can not be reached."""

    def encode_model(
        self, model: Fit, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Code a fitted model; there is no signal to measure against. Raises UsageError where a profile can not."""
        raise UsageError("this profile codes signals, not models", "use --profile weights")

    @abstractmethod
    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        """The tensors that an ARCH stands for, all of it held to the limits. Raises FormatError."""

    def work(self, header: Header, arch: memoryview) -> int:
        """Multiplications to decode and evaluate everything; ARCH has passed `outline`."""
        return 0

    @abstractmethod
    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        """Symbols first, then `check_symbols`, then the model. Raises FormatError, and nothing else, for any bytes."""


def check_symbols(found: bytes, payload: Payload) -> bytes:
    """The digest of the decoded symbols, which may be stated cut to its first 16 bytes. FormatError for another."""
    if len(payload.symbols_sha256) not in (16, 32) or not found.startswith(payload.symbols_sha256):
        raise FormatError(
            "the decoded symbols are not those that were encoded", "the file is damaged, or its decoder has a fault"
        )
    return found


def profile_of(number: int) -> tuple[str, Profile]:
    """The name and the profile of a number in a file. Raises FormatError for one that is not known."""
    name = NUMBERS.get(number) or next((n for n, p in PROFILES.registered() if p.number == number), None)
    if name is None or name not in PROFILES:
        raise FormatError(f"the file is of profile {number}, which is not known here", "update inr")
    return name, PROFILES[name]()
