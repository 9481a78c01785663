"""The interface of profiles: ways to turn a signal into integers and back. Imports neither torch nor numba.

Each profile has its own file and registers under a name; files hold its number. Name and number are part of the
format, and so is `NUMBERS`. A profile writes a `Payload`, and checks what it reads against `Limits` before it allocates
memory.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from inr.codec.container.header import Header
from inr.codec.decoded import Decoded
from inr.codec.encoding_control import EncodingControl
from inr.codec.limits import Limits
from inr.codec.rate_target import RateTarget
from inr.core.errors import FormatError, UsageError
from inr.core.registry import Registry

if TYPE_CHECKING:
    from inr.codec.entropy.tensors import TensorSpec
    from inr.fitting import Fit
    from inr.signals import Signal

PROFILES: Registry[type[Profile]] = Registry("profile", "inr.codec.profiles")

NUMBERS = {1: "weights", 2: "grids", 3: "pyramid", 4: "pyramid"}
"""The profiles of this version of the format; a number is never reused."""

DEFAULT_TUNE = "psnr"
TUNES = DEFAULT_TUNE, "perceptual"
"""What encodings may be tuned for: the mean squared error, or that and multi-scale structural similarity."""

Floats = np.ndarray[Any, np.dtype[np.float32]]

OnProgress = Callable[[float, str], None]
"""Called at intervals with the share of the encoding that is done, 0 to 1, and a text."""


@runtime_checkable
class OnState(Protocol):
    """An `OnProgress` that also looks at the state of an encoding, after each step of its training."""

    def __call__(self, share: float, text: str, /) -> None: ...

    def on_state(self, bits_per_sample: float, psnr_db: float, shown: Callable[[], Floats | None]) -> None:
        """The rate and the quality in this step. shown: what a decoder would show now, [C, rows, columns] in [0, 1];
        None where the training holds no whole picture. It changes nothing."""


@dataclasses.dataclass(frozen=True)
class Payload:
    """The part of a file that a profile writes.

    arch: a fixed struct of bounded integers, without the profile's number; the shapes of all tensors follow from it
    and the header. table, data: as `tensors.encode` returns them. symbols_sha256: `tensors.symbols_sha256` of all
    symbols, including those of the profile's own streams.
    """

    arch: bytes
    table: bytes
    data: bytes
    symbols_sha256: bytes

    @property
    def size(self) -> int:
        """The bytes that `RateTarget.size_bytes` limits."""
        return len(self.arch) + len(self.table) + len(self.data)


class Profile(ABC):
    """One way to code a signal. number: of the profile in files. Instances take no arguments; see `with_settings`."""

    number: ClassVar[int]
    """The number that files get. A profile may read older numbers too, see `reading`."""
    is_resumable: ClassVar[bool] = False
    """Whether `encode` follows `control`: it stops when it is told to, and continues from a state."""
    control: EncodingControl | None = None
    """What may stop `encode`, if the profile is resumable."""
    tunes: ClassVar[tuple[str, ...]] = (DEFAULT_TUNE,)
    """What `encode` can be tuned for, by name."""
    tune: str = DEFAULT_TUNE
    device: str = "cpu"
    """Where `encode` may train: a CUDA device or the CPU. A profile that ignores it trains on the CPU."""

    @classmethod
    def reading(cls, number: int) -> Self:
        """The profile that decodes files with this number, one of those that NUMBERS has for it."""
        return cls()

    def reason_against(self, signal: Signal) -> str | None:
        """Why the profile cannot code this signal, in one sentence; None if it can."""
        return None

    def reason_against_model(self, model: Fit) -> str | None:
        """Why the profile cannot code this fitted model; None if it can."""
        return "it codes signals, not models" if type(self).encode_model is Profile.encode_model else None

    def with_settings(self, field: str | None, settings: Sequence[str]) -> Self:
        """This profile with a field family and field settings ("width=64"). Raises UsageError, ConfigError."""
        if field is not None or settings:
            raise UsageError(
                f"profile {PROFILES.name_of(type(self))!r} takes neither `field` nor `settings`",
                "leave them out, or use `profile=weights`",
            )
        return self

    @abstractmethod
    def encode(
        self, signal: Signal, target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Code a signal. effort: 1 (fast) to 9 (small). Raises UsageError for a target that cannot be reached."""

    def encode_model(
        self, model: Fit, target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Code a fitted model, without an original signal. Raises UsageError if the profile cannot."""
        raise UsageError("this profile codes signals, not models", "use `profile=weights`")

    @abstractmethod
    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        """The tensors that ARCH describes. Checks ARCH against the limits and raises FormatError."""

    def work(self, header: Header, arch: memoryview) -> int:
        """Multiplications to decode and evaluate everything. ARCH was checked by `outline`."""
        return 0

    @abstractmethod
    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        """Decode the symbols, call `check_symbols`, then build the result. Raises only FormatError, for any bytes."""


def check_symbols(found: bytes, payload: Payload) -> bytes:
    """`found`, the digest of the decoded symbols. FormatError if the file states another.

    A file states the whole digest or its first 16 bytes.
    """
    if len(payload.symbols_sha256) not in (16, 32) or not found.startswith(payload.symbols_sha256):
        raise FormatError(
            "the decoded symbols differ from the encoded ones", "the file is damaged, or this version has a bug"
        )
    return found


def profile_of(number: int) -> tuple[str, Profile]:
    """The name and the profile for a number in a file. Raises FormatError for an unknown number."""
    name = NUMBERS.get(number) or next((n for n, p in PROFILES.registered() if p.number == number), None)
    if name is None or name not in PROFILES:
        raise FormatError(f"the file uses profile {number}, which this version does not know", "update inr")
    return name, PROFILES[name].reading(number)
