"""Rate control: from what a user asks for to as few fits as lead there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch

from inr._errors import UsageError
from inr.codec.profile import Aim, OnProgress, Payload
from inr.codec.quantise import Quantised, Step
from inr.codec.training import Budget, Trained
from inr.signals import Signal

MAX_FITS = 4
SLACK_DB = 0.25
DB_PER_DOUBLING = 2.3
"""Of the bits, on the curves of fields."""

_TABLE_BYTES = 160
"""What architecture and table take of a payload, about."""
_MARGIN = 0.99
_SPARE = 0.04
_FEWEST_BITS = 4000.0
_LONGEST_FACTOR = 1.5
_TRIALS = 9


@dataclasses.dataclass(frozen=True)
class Goal:
    """An aim, in bits of all symbols. Exactly one of size_bytes, psnr_db and lambda_ is given.

    first_bits: where to begin.
    """

    first_bits: float
    size_bytes: int | None = None
    psnr_db: float | None = None
    lambda_: float | None = None

    @classmethod
    def of(cls, aim: Aim, signal: Signal) -> Self:
        """quality q: b 2^(q / 20) bits per pixel, sample or element, b = 0.05, sounds 0.2; shapes 1000 2^(q / 14) B.

        A weight of the rate has a size of its own on every curve; the architecture is made for 0.4 (0.001 / lambda)^0.6
        bits per sample.
        """
        n = math.prod(signal.spec.shape) if signal.spec.shape is not None else 0
        if aim.size_bytes is not None:
            return cls(_bits(aim.size_bytes), size_bytes=aim.size_bytes)
        if aim.target_psnr_db is not None:
            if signal.peak is None:
                raise UsageError(
                    f"PSNR has no meaning for a signal of kind {signal.kind!r}", "ask for a size or a quality instead"
                )
            per_sample = 0.25 * 2 ** ((aim.target_psnr_db - 30) / DB_PER_DOUBLING)
            return cls(max(min(max(per_sample, 0.02), 6.0) * n, _FEWEST_BITS), psnr_db=aim.target_psnr_db)
        if aim.lambda_ is not None:
            return cls(min(max(0.4 * (1e-3 / aim.lambda_) ** 0.6, 0.01), 8.0) * n if n else 2e5, lambda_=aim.lambda_)
        assert aim.quality is not None
        if n == 0:
            size = round(1000 * 2 ** (aim.quality / 14))
        else:
            size = round((0.2 if signal.kind == "audio" else 0.05) * 2 ** (aim.quality / 20) * n / 8)
        return cls(_bits(size), size_bytes=max(size, 2 * _TABLE_BYTES))

    @classmethod
    def of_model(cls, aim: Aim, signal: Signal, n_parameters: int) -> Self:
        """For a given architecture: quality q is 3 + 6 q / 100 bits per parameter."""
        if aim.quality is None:
            own = cls.of(aim, signal)
            return own if own.size_bytes is not None else dataclasses.replace(own, first_bits=6.0 * n_parameters)
        bits = n_parameters * (3 + 0.06 * aim.quality)
        return cls(bits, size_bytes=math.ceil(bits / 8) + _TABLE_BYTES)


class Outcome:
    """A fit for its bytes: what it weighs and how good it is, at its own steps and at coarser ones."""

    def __init__(self, signal: Signal, trained: Trained, pack: Callable[[Sequence[Quantised]], Payload]) -> None:
        self.signal, self.trained, self.pack = signal, trained, pack

    def at(self, factor: float) -> Payload:
        """The payload with every step `factor` times as long; the field then holds its values."""
        if factor == 1.0:
            coded = list(self.trained.coded)
        else:
            coded = [
                kept if piece.is_exact else _at_step(kept, values, factor)
                for piece, kept, values in zip(
                    self.trained.pieces, self.trained.coded, self.trained.latent, strict=True
                )
            ]
        for piece, symbols in zip(self.trained.pieces, coded, strict=True):
            piece.assign(symbols)
        return self.pack(coded)

    def quality(self) -> float:
        """PSNR of what is written (sounds: SNR), as the field stands."""
        frame, field = self.signal.frame, self.trained.field
        with torch.no_grad():
            metrics = self.signal.metrics(lambda x: frame.from_field(field(x)))
        return metrics["snr_db"] if self.signal.headline == "snr_db" else metrics["psnr_db"]


Fitter = Callable[[Budget, float, Callable[[float, float], None]], Outcome]
"""(what the bits are worth, bits the architecture is for, hears progress) -> a fit."""


def land(goal: Goal, fit: Fitter, on_progress: OnProgress | None = None) -> Payload:
    """Fit until the goal is met: once for a size or a weight, up to four times for a quality in dB.

    A size is met from below: the weight of the rate follows the bits while training, and what is then too much is taken
    off by longer steps, what is more than 4 % too little is filled up by shorter ones. A PSNR is met from above in the
    same way; where no fit gets there, the nearest is what is returned.
    """
    if goal.lambda_ is not None:
        return fit(Budget(lambda_=goal.lambda_), goal.first_bits, _teller(on_progress, 0, 1)).at(1.0)
    if goal.size_bytes is not None:
        outcome = fit(Budget(bits=_MARGIN * goal.first_bits), goal.first_bits, _teller(on_progress, 0, 1))
        limit = goal.size_bytes
        left = limit - outcome.at(1.0).size
        if 0 <= left <= _SPARE * limit:
            return outcome.at(1.0)
        return _bisected(outcome, lambda payload: payload.size > limit, *((1.0, 8.0) if left < 0 else (1 / 8, 1.0)))[1]
    assert goal.psnr_db is not None
    target, bits, slope = goal.psnr_db, goal.first_bits, DB_PER_DOUBLING
    best: Outcome | None = None
    reached = -math.inf
    points: list[tuple[float, float]] = []
    for attempt in range(MAX_FITS):
        outcome = fit(Budget(bits=bits), bits, _teller(on_progress, attempt, MAX_FITS))
        outcome.at(1.0)
        surplus = outcome.quality() - target
        if best is None or surplus >= 0 or surplus > reached:  # one that gets there replaces an earlier, larger one
            best, reached = outcome, surplus
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
        return chosen.at(1.0)
    return _bisected(chosen, lambda _: chosen.quality() >= target, 1.0, _LONGEST_FACTOR)[0]


def _bisected(
    outcome: Outcome, is_short: Callable[[Payload], bool], low: float, high: float
) -> tuple[Payload, Payload]:
    """The payloads at the longest steps found that are short, and at the shortest that are not; `low` is short."""
    for _ in range(_TRIALS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if is_short(outcome.at(middle)) else (low, middle)
    return outcome.at(low), outcome.at(high)


def _at_step(kept: Quantised, values: torch.Tensor, factor: float) -> Quantised:
    step = Step.near(kept.step.value * factor)
    return Quantised(np.rint(values.numpy().astype(np.float64) / step.value).astype(np.int32), step)


def _bits(size_bytes: int) -> float:
    return 8.0 * max(size_bytes - _TABLE_BYTES, 32)


def _teller(on_progress: OnProgress | None, part: int, of: int) -> Callable[[float, float], None]:
    def tell(share: float, loss: float) -> None:
        if on_progress is not None:
            db = -10 * math.log10(loss) if loss > 0 else math.inf
            on_progress((part + share) / of, f"{db:.2f} dB while training")

    return tell
