"""Rate control: from what a user asks for to as few fits as lead there."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch

from inr._errors import UsageError
from inr.codec.pieces import Piece
from inr.codec.profile import Aim, OnProgress, Payload
from inr.codec.quantise import Quantised, Step
from inr.codec.training import Budget, Plan, Trained, train
from inr.fields import Field
from inr.signals import Signal

MAX_FITS = 4
SLACK_DB = 0.25
DB_PER_DOUBLING = 2.3
"""Of the bits, on the curves of fields."""

_TABLE_BYTES = 160
"""What architecture and table take of a payload, about."""
_MARGIN = 0.99
"""What a run ends at is up to 1 % above what it was led to: at the end its rates are too low to be steered."""

_SPARE = 0.03
_MOST_MOVED = 0.25
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


Pack = Callable[[Sequence[Piece], Sequence[Quantised]], Payload]
"""Tensors and their symbols to what a file holds of them."""


class Outcome:
    """A fit for its bytes: what it weighs and how good it is, at its own steps and at coarser ones."""

    def __init__(self, signal: Signal, trained: Trained, pack: Pack) -> None:
        self.signal, self.trained, self.pack = signal, trained, pack

    @classmethod
    def of(
        cls,
        signal: Signal,
        field: Field,
        plan: Plan,
        budget: Budget,
        seed: int,
        on_progress: Callable[[float, float], None],
        pack: Pack,
    ) -> Self:
        """Train a field (`train`) for what `pack` makes of it."""
        trained = train(signal, field, plan, budget, seed, on_progress, lambda parts, coded: pack(parts, coded).size)
        return cls(signal, trained, pack)

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
        return self._hold(coded)

    def _hold(self, coded: Sequence[Quantised]) -> Payload:
        for piece, symbols in zip(self.trained.pieces, coded, strict=True):
            piece.assign(symbols)
        return self.pack(self.trained.pieces, coded)

    def within(self, limit: int) -> Payload | None:
        """The payload with as few symbols as lead to so many bytes moved by one towards zero; None where a quarter of
        them does not.

        First those whose error grows least for what they save: with a value u and its symbol q = round(u), the error
        grows by (1 - 2 (|q| - |u|)) steps^2, and 1 / mean |q| of the tensor is about what a step saves.
        """
        coded = self.trained.coded
        costs = np.concatenate(
            [
                np.full(kept.symbols.size, np.inf) if piece.is_exact else _cost_of_moving(kept, values)
                for piece, kept, values in zip(self.trained.pieces, coded, self.trained.latent, strict=True)
            ]
        )
        order = np.argsort(costs, kind="stable")
        n_movable = int(np.isfinite(costs).sum())
        signs = np.concatenate([np.sign(kept.symbols.ravel()) for kept in coded])
        ends = np.cumsum([kept.symbols.size for kept in coded])[:-1]

        def moved(n: int) -> Payload:
            by = np.zeros_like(signs)
            by[order[:n]] = signs[order[:n]]
            parts = zip(coded, np.split(by, ends), strict=True)
            return self._hold([Quantised(k.symbols - own.reshape(k.symbols.shape), k.step) for k, own in parts])

        low, high = 0, int(_MOST_MOVED * n_movable)
        if moved(high).size > limit:
            return None
        while high - low > max(1, n_movable // 1000):
            middle = (low + high) // 2
            low, high = (middle, high) if moved(middle).size > limit else (low, middle)
        return moved(high)

    def best(self, ways: Sequence[Callable[[], Payload | None]]) -> Payload:
        """Of several payloads, one of which there must be, that of the best quality."""
        found = [(self.quality(), payload) for way in ways if (payload := way()) is not None]
        return max(found, key=lambda pair: pair[0])[1]

    def quality(self) -> float:
        """The headline of the signal's metrics as the field stands, of what is written: PSNR, SNR, IoU; errors < 0."""
        frame, field = self.signal.frame, self.trained.field
        with torch.no_grad():
            metrics = self.signal.metrics(lambda x: frame.from_field(field(x)))
        value = metrics[self.signal.headline]
        return -value if self.signal.headline.endswith("_mae") else value


Fitter = Callable[[Budget, float, Callable[[float, float], None]], Outcome]
"""(what the bits are worth, bits the architecture is for, hears progress) -> a fit."""


def land(goal: Goal, fit: Fitter, on_progress: OnProgress | None = None) -> Payload:
    """Fit until the goal is met: once for a size or a weight, up to four times for a quality in dB.

    A size is met from below: the weight of the rate follows the bytes while training. What is then too much is taken
    off by symbols moved towards zero or by longer steps; what is more than 3 % too little is filled up by shorter
    steps, or left: whichever is better. A PSNR is met from above by longer steps; where no fit gets there, the nearest
    is what is returned.
    """
    if goal.lambda_ is not None:
        return fit(Budget(lambda_=goal.lambda_), goal.first_bits, _teller(on_progress, 0, 1)).at(1.0)
    if goal.size_bytes is not None:
        limit = goal.size_bytes
        outcome = fit(Budget(bits=_MARGIN * 8 * limit), goal.first_bits, _teller(on_progress, 0, 1))
        own = outcome.at(1.0)
        if (1 - _SPARE) * limit <= own.size <= limit:
            return own
        is_large = own.size > limit
        ways: list[Callable[[], Payload | None]] = [
            lambda: outcome.within(limit) if is_large else outcome.at(1.0),
            lambda: _bisected(
                outcome, lambda payload: payload.size > limit, *((1.0, 8.0) if is_large else (1 / 8, 1.0))
            )[1],
        ]
        return outcome.best(ways)
    assert goal.psnr_db is not None
    target, bits, slope = goal.psnr_db, goal.first_bits, DB_PER_DOUBLING
    best: Outcome | None = None
    reached = -math.inf
    points: list[tuple[float, float]] = []
    for attempt in range(MAX_FITS):
        outcome = fit(Budget(bits=bits + 8 * _TABLE_BYTES), bits, _teller(on_progress, attempt, MAX_FITS))
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


def _cost_of_moving(kept: Quantised, values: torch.Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What moving each symbol towards zero costs for what it saves, infinity for zeros; flat."""
    q = np.abs(kept.symbols.ravel()).astype(np.float64)
    u = values.numpy().astype(np.float64).ravel() / kept.step.value * np.sign(kept.symbols.ravel())
    return np.where(q > 0, (1 - 2 * (q - u)).clip(0) * (q.mean() or 1.0), np.inf)


def _bits(size_bytes: int) -> float:
    return 8.0 * max(size_bytes - _TABLE_BYTES, 32)


def _teller(on_progress: OnProgress | None, part: int, of: int) -> Callable[[float, float], None]:
    def tell(share: float, loss: float) -> None:
        if on_progress is not None:
            db = -10 * math.log10(loss) if loss > 0 else math.inf
            on_progress((part + share) / of, f"{db:.2f} dB while training")

    return tell
