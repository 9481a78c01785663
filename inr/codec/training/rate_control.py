"""Rate control: trains a field as often as needed and returns the payload nearest to the target."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch

from inr.codec.container.header import Header
from inr.codec.entropy.quantise import Quantised, StepSize, quantise
from inr.codec.kind import CODEC_KINDS
from inr.codec.profile import OnProgress, Payload
from inr.codec.rate_target import RateTarget
from inr.codec.training.coded_tensors import CodedTensor
from inr.codec.training.level import Level
from inr.codec.training.trainer import RateTerm, TrainedField, TrainingSettings, train
from inr.core.errors import UsageError
from inr.fields import Field
from inr.signals import Signal

MAX_FITS = 4
SLACK_DB = 0.25
"""A fit this much better than the target PSNR is good enough."""
DB_PER_DOUBLING = 2.3
"""Typical gain in PSNR of a field from twice the bits."""

_TABLE_BYTES = 160
"""Approximate bytes of architecture and table in a payload."""
_FILE_BYTES = 90
"""Approximate bytes around the payload in the file of an array."""

_MARGIN = 0.99
"""Training ends up to 1 % above its target bits, because the last learning rates are too small to correct it."""

_SPARE = 0.03
_MOST_MOVED = 0.25
_FEWEST_BITS = 4000.0
_LONGEST_FACTOR = 1.5
_FAR_DB = 200.0
_TRIALS = 9


@dataclasses.dataclass(frozen=True)
class FieldTarget:
    """A rate target for a field. Exactly one of size_bytes, psnr_db and lambda_ is given.

    first_bits: bits of all symbols that the first fit is designed for.
    """

    first_bits: float
    size_bytes: int | None = None
    psnr_db: float | None = None
    lambda_: float | None = None

    @classmethod
    def of(cls, target: RateTarget, signal: Signal) -> Self:
        """quality q: b 2^(q / 20) bits per pixel, sample or element, b = 0.05, sounds 0.2; shapes 1000 2^(q / 14) B.

        The bits that a rate weight lambda leads to depend on the signal; the architecture is designed for
        0.4 (0.001 / lambda)^0.6 bits per sample.
        """
        n = math.prod(signal.spec.shape) if signal.spec.shape is not None else 0
        if target.size_bytes is not None:
            return cls(_bits(target.size_bytes), size_bytes=target.size_bytes)
        if target.target_psnr_db is not None:
            if signal.peak is None:
                raise UsageError(
                    f"`target_psnr_db` needs a signal with a peak value, the input is of kind {signal.kind!r}",
                    "use `size_bytes` or `quality`",
                )
            per_sample = 0.25 * 2 ** ((target.target_psnr_db - 30) / DB_PER_DOUBLING)
            return cls(max(min(max(per_sample, 0.02), 6.0) * n, _FEWEST_BITS), psnr_db=target.target_psnr_db)
        if target.lambda_ is not None:
            return cls(
                min(max(0.4 * (1e-3 / target.lambda_) ** 0.6, 0.01), 8.0) * n if n else 2e5, lambda_=target.lambda_
            )
        assert target.quality is not None
        if n == 0:
            size = round(1000 * 2 ** (target.quality / 14))
        else:
            size = round(CODEC_KINDS[signal.kind].bits_at_0 * 2 ** (target.quality / 20) * n / 8)
        return cls(_bits(size), size_bytes=max(size, _least_bytes(signal)))

    @classmethod
    def of_model(cls, target: RateTarget, signal: Signal, n_parameters: int) -> Self:
        """For a given architecture: quality q is 3 + 6 q / 100 bits per parameter."""
        if target.quality is None:
            own = cls.of(target, signal)
            return own if own.size_bytes is not None else dataclasses.replace(own, first_bits=6.0 * n_parameters)
        bits = n_parameters * (3 + 0.06 * target.quality)
        return cls(bits, size_bytes=math.ceil(bits / 8) + _TABLE_BYTES)


Pack = Callable[[Sequence[CodedTensor], Sequence[Quantised]], Payload]
"""Tensors and their symbols to a payload."""


class Candidate:
    """A trained field and the payloads it can be quantised to."""

    def __init__(self, signal: Signal, trained: TrainedField, pack: Pack) -> None:
        self.signal, self.trained, self.pack = signal, trained, pack
        self.level = Level.of(signal, trained.field, trained.tensors, trained.pool)

    @classmethod
    def of(
        cls,
        signal: Signal,
        field: Field,
        settings: TrainingSettings,
        rate_term: RateTerm,
        seed: int,
        on_progress: Callable[[float, float], None],
        pack: Pack,
    ) -> Self:
        """Train a field (`train`) for the size of the payload that `pack` returns."""
        trained = train(
            signal, field, settings, rate_term, seed, on_progress, lambda parts, quantised: pack(parts, quantised).size
        )
        return cls(signal, trained, pack)

    def payload(self, step_factor: float = 1.0) -> Payload:
        """The payload with every quantiser step multiplied by a factor. The field then holds its values."""
        if step_factor == 1.0:
            quantised = list(self.trained.quantised)
        else:
            quantised = [
                kept if tensor.is_exact else _requantised(kept, values, step_factor, tensor.largest)
                for tensor, kept, values in zip(
                    self.trained.tensors, self.trained.quantised, self.trained.latent, strict=True
                )
            ]
        return self._payload(quantised)

    def _payload(self, quantised: Sequence[Quantised]) -> Payload:
        for tensor, symbols in zip(self.trained.tensors, quantised, strict=True):
            tensor.assign(symbols)
        if self.level is not None:
            quantised = self.level.corrected(quantised)
        return self.pack(self.trained.tensors, quantised)

    def payload_within(self, limit: int) -> Payload | None:
        """The payload of at most `limit` bytes in which the fewest symbols are moved by one towards zero.

        None if moving a quarter of them is not enough. Symbols with the smallest increase of error per saved bit move
        first: with a value u and its symbol q = round(u), the error grows by (1 - 2 (|q| - |u|)) steps^2, and one step
        saves about 1 / mean |q| of the tensor.
        """
        quantised = self.trained.quantised
        costs = np.concatenate(
            [
                np.full(kept.symbols.size, np.inf) if tensor.is_exact else _cost_of_moving(kept, values)
                for tensor, kept, values in zip(self.trained.tensors, quantised, self.trained.latent, strict=True)
            ]
        )
        order = np.argsort(costs, kind="stable")
        n_movable = int(np.isfinite(costs).sum())
        signs = np.concatenate([np.sign(kept.symbols.ravel()) for kept in quantised])
        ends = np.cumsum([kept.symbols.size for kept in quantised])[:-1]

        def moved(n: int) -> Payload:
            by = np.zeros_like(signs)
            by[order[:n]] = signs[order[:n]]
            parts = zip(quantised, np.split(by, ends), strict=True)
            return self._payload([Quantised(k.symbols - own.reshape(k.symbols.shape), k.step) for k, own in parts])

        low, high = 0, int(_MOST_MOVED * n_movable)
        if moved(high).size > limit:
            return None
        while high - low > max(1, n_movable // 1000):
            middle = (low + high) // 2
            low, high = (middle, high) if moved(middle).size > limit else (low, middle)
        return moved(high)

    def best_payload(self, makers: Sequence[Callable[[], Payload | None]]) -> Payload:
        """The payload of the best quality. At least one of the makers must return one."""
        found = [(self.quality(), payload) for make in makers if (payload := make()) is not None]
        return max(found, key=lambda pair: pair[0])[1]

    def quality(self) -> float:
        """The signal's headline metric of the field with its present values: PSNR, SNR or IoU; error metrics are
        negated."""
        frame, field = self.signal.frame, self.trained.field
        with torch.no_grad():
            metrics = self.signal.metrics(lambda x: frame.from_field(field(x)))
        value = metrics[self.signal.headline]
        return -value if self.signal.headline.endswith("_mae") else value


TrainCandidate = Callable[[RateTerm, float, Callable[[float, float], None]], Candidate]
"""(rate term, bits that the architecture is designed for, progress callback) -> a trained candidate."""


def reach_target(target: FieldTarget, fit: TrainCandidate, on_progress: OnProgress | None = None) -> Payload:
    """Train until the target is reached, and return the payload nearest to it.

    A size or a rate weight takes one fit, a PSNR up to four. A size is a maximum: the rate weight is adjusted to the
    bytes during training. A payload that is then too large is reduced by moving symbols towards zero or by larger
    steps; one that is more than 3 % too small is refined by smaller steps or kept, whichever is better. A PSNR is a
    minimum, approached from above by larger steps; if no fit reaches it, the nearest one is returned.
    """
    if target.lambda_ is not None:
        return fit(RateTerm(lambda_=target.lambda_), target.first_bits, _progress_reporter(on_progress, 0, 1)).payload()
    if target.size_bytes is not None:
        limit = target.size_bytes
        candidate = fit(RateTerm(bits=_MARGIN * 8 * limit), target.first_bits, _progress_reporter(on_progress, 0, 1))
        own = candidate.payload()
        if (1 - _SPARE) * limit <= own.size <= limit:
            return own
        is_large = own.size > limit
        makers: list[Callable[[], Payload | None]] = [
            lambda: candidate.payload_within(limit) if is_large else candidate.payload(),
            lambda: _bisect_steps(
                candidate, lambda payload: payload.size > limit, *((1.0, 8.0) if is_large else (1 / 8, 1.0))
            )[1],
        ]
        return candidate.best_payload(makers)
    assert target.psnr_db is not None
    target_db, bits, slope = target.psnr_db, target.first_bits, DB_PER_DOUBLING
    best: Candidate | None = None
    reached = -math.inf
    points: list[tuple[float, float]] = []
    for attempt in range(MAX_FITS):
        candidate = fit(
            RateTerm(bits=bits + 8 * _TABLE_BYTES), bits, _progress_reporter(on_progress, attempt, MAX_FITS)
        )
        candidate.payload()
        surplus = min(max(candidate.quality() - target_db, -_FAR_DB), _FAR_DB)  # finite even if the error is 0
        if best is None or surplus >= 0 or surplus > reached:  # a fit that reaches it replaces an earlier, larger one
            best, reached = candidate, surplus
        if 0 <= surplus <= SLACK_DB * (1 + attempt):
            break
        points.append((math.log2(bits), surplus))
        if len(points) > 1 and points[-1][0] != points[-2][0]:
            (x, y), (x0, y0) = points[-1], points[-2]
            slope = min(max((y - y0) / (x - x0), 1.0), 6.0)
        bits *= 2 ** min(max((SLACK_DB / 2 - surplus) / slope, -5.0), 5.0)
    assert best is not None
    chosen = best
    if reached < 0:
        return chosen.payload()
    return _bisect_steps(chosen, lambda _: chosen.quality() >= target_db, 1.0, _LONGEST_FACTOR)[0]


def _bisect_steps(
    candidate: Candidate, is_low: Callable[[Payload], bool], low: float, high: float
) -> tuple[Payload, Payload]:
    """Bisect the step factor: the payloads at the largest factor found for which `is_low` holds, and at the next one.

    `is_low` must hold at `low`.
    """
    for _ in range(_TRIALS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if is_low(candidate.payload(middle)) else (low, middle)
    return candidate.payload(low), candidate.payload(high)


def _requantised(kept: Quantised, values: torch.Tensor, factor: float, largest: int) -> Quantised:
    return quantise(values.numpy(), StepSize.near(kept.step.value * factor), largest)


def _cost_of_moving(kept: Quantised, values: torch.Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Error per saved bit of moving each symbol towards zero, flat; infinity for zeros."""
    q = np.abs(kept.symbols.ravel()).astype(np.float64)
    u = values.numpy().astype(np.float64).ravel() / kept.step.value * np.sign(kept.symbols.ravel())
    return np.where(q > 0, (1 - 2 * (q - u)).clip(0) * (q.mean() or 1.0), np.inf)


def _least_bytes(signal: Signal) -> int:
    """The least size in bytes that a quality requests; smaller if the file would exceed the array's uncompressed
    file."""
    plain = Header.of(signal).plain_bytes if CODEC_KINDS[signal.kind].has_small_files else None
    if plain is None:
        return 2 * _TABLE_BYTES
    return max(_TABLE_BYTES, min(2 * _TABLE_BYTES, plain - _FILE_BYTES))


def _bits(size_bytes: int) -> float:
    return 8.0 * max(size_bytes - _TABLE_BYTES, 32)


def _progress_reporter(on_progress: OnProgress | None, part: int, of: int) -> Callable[[float, float], None]:
    def tell(share: float, loss: float) -> None:
        if on_progress is not None:
            db = -10 * math.log10(loss) if loss > 0 else math.inf
            on_progress((part + share) / of, f"{db:.2f} dB during training")

    return tell
