"""Profile "grids": grids of quantised latents, coded by their neighbours, and the small decoder that reads them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Generator

from inr._domain import Spec
from inr._errors import UsageError
from inr._samples import Samples
from inr.codec import context, tensors
from inr.codec._fields import Reader
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.field_coding import decode_field, read_arch, work_of, write_arch
from inr.codec.landing import Goal, Outcome, land
from inr.codec.pieces import Piece, pieces
from inr.codec.profile import PROFILES, Aim, Decoded, OnProgress, Payload, Profile
from inr.codec.quantise import (
    HIGHEST_EXPONENT,
    HIGHEST_MANTISSA,
    LOWEST_EXPONENT,
    LOWEST_MANTISSA,
    Quantised,
    Step,
    quantise,
)
from inr.codec.tensors import TensorSpec
from inr.codec.training import Budget, Plan, distortion_weight
from inr.codec.weights import steps_of
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.encodings.local_cosine import LocalCosineConfig
from inr.fields import Field, FieldConfig
from inr.fields.hash_grid import HashGrid
from inr.fields.local_cosine import LocalCosineField
from inr.signals import Signal

STEPS = 2000
BATCH = 16384
LR, LR_LATENT = 5e-3, 0.3
FRAMES = (512, 1024, 2048, 4096)
"""Samples from frame to frame that are tried for a sound."""

DEADZONE = 0.4
"""What is added before rounding down a magnitude: less than a half, for small values are dear for what they bring."""

_STEPS = (2.0**-16, 2.0**2)
_TRIALS = 13
_CORRECTIONS, _NEAR_DB = 3, 0.05

BIT_WORTH = math.log(2) / 6
"""Weight of a bit over the squared step: at high rates dD/dR of a uniform quantiser is -step^2 ln 2 / 6."""


@PROFILES.register("grids")
class Grids(Profile):
    """Latents on grids of several resolutions, a learned decoder, and bits in the loss; for sounds in closed form.

    After Girish et al. 2023 (SHACIRA, arXiv:2309.15848): latents are rounded in training, their bits count in the loss.
    Dense levels are coded by a context model in integers, hashed ones each by one distribution. Sounds take the latents
    of `local_cosine`, frames by bands, whose decoder is known: its functions are orthonormal, so steps and rounding
    need no training.
    """

    number: ClassVar[int] = 2

    def reason_against(self, signal: Signal) -> str | None:
        if signal.spec.kind == "points":
            return "point clouds have no distances that latents could be trained on; use --profile weights"
        return None

    def encode(
        self, signal: Signal, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Sounds: tries up to four frame lengths. Else trains 2000 steps of 16384 samples at effort 5."""
        reason = self.reason_against(signal)
        if reason is not None:
            raise UsageError(reason)
        if signal.spec.shape is not None and signal.spec.d_in == 1:
            return _spectral(signal, aim, effort, seed, on_progress)
        plan = Plan(steps_of(effort, STEPS), BATCH, LR, LR_LATENT)

        def fit(budget: Budget, bits: float, share: Callable[[float, float], None]) -> Outcome:
            config = architecture(signal.spec, bits)
            field = config.build(signal.spec, Generator().manual_seed(seed))
            return Outcome.of(signal, field, plan, budget, seed, share, lambda parts, coded: pack(config, parts, coded))

        return land(Goal.of(aim, signal), fit, on_progress)

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        return tuple(spec for part in pieces(read_arch(header, arch, limits)[1]) for spec in _specs(part))

    def work(self, header: Header, arch: memoryview) -> int:
        return work_of(header, read_arch(header, arch, Limits())[1])

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        return decode_field(header, payload, limits, "grids", unpack)


def architecture(spec: Spec, bits: float) -> FieldConfig:
    """Levels that double in resolution up to one that such bits can fill, dense up to 2^18 vertices."""
    if spec.shape is None:
        side = max(16, min(192, 8 * round(0.1 * math.sqrt(bits) / 8)))
        finest: tuple[int, ...] = (side,) * spec.d_in
    else:
        density = (bits / 4) ** (1 / spec.d_in) / math.prod(spec.shape) ** (1 / spec.d_in)
        finest = tuple(max(4, min(n + 1, round(1.4 * density * n))) for n in spec.shape)
    levels = max(2, min(6, round(math.log2(max(finest) / 6))))
    encoding = HashGridEncodingConfig(
        levels=levels,
        features=2,
        log2_table=18,
        base=max(4, round(max(finest) / 2 ** (levels - 1))),
        finest=finest,
    )
    return HashGrid(encoding=encoding, width=32, depth=2 if spec.d_in > 1 else 1, has_bias=True).resolve(spec)


# -- latents in bytes


def pack(config: FieldConfig, parts: Sequence[Piece], coded: Sequence[Quantised]) -> Payload:
    """Grids as their tables and an own stream, step first; everything else as it is in profile "weights"."""
    out: list[Quantised | bytes] = []
    symbols = []
    for part, own in zip(parts, coded, strict=True):
        if part.layout is None:
            out.append(own)
            symbols.append(own.symbols)
            continue
        planes = part.to_planes(own.symbols)
        found = context.encode(planes, part.layout)
        out += [Quantised(found.means), Quantised(found.scales)]
        out.append(bytes([own.step.mantissa, own.step.exponent & 0xFF]) + found.stream)
        symbols.append(part.from_planes(planes))
    table, data = tensors.encode(out)
    return Payload(write_arch(config), table, data, tensors.symbols_sha256(symbols))


def unpack(parts: Sequence[Piece], payload: Payload, limits: Limits) -> list[Quantised]:
    """The symbols of pieces that `pack` wrote. Raises FormatError."""
    specs = [spec for part in parts for spec in _specs(part)]
    found = iter(tensors.decode(specs, payload.table, payload.data, limits))
    coded: list[Quantised] = []
    for part in parts:
        first = next(found)
        assert isinstance(first, Quantised)
        if part.layout is None:
            coded.append(first)
            continue
        scales, own = next(found), next(found)
        assert isinstance(scales, Quantised)
        assert isinstance(own, bytes)
        reader = Reader(own, "a stream of latents")
        mantissa = reader.u8("a step", LOWEST_MANTISSA, HIGHEST_MANTISSA)
        step = Step(reader.i8("a step's exponent", LOWEST_EXPONENT, HIGHEST_EXPONENT), mantissa)
        stream = context.Coded(first.symbols, scales.symbols, bytes(reader.rest()))
        coded.append(Quantised(part.from_planes(context.decode(stream, part.layout)), step))
    return coded


def _specs(part: Piece) -> list[TensorSpec]:
    if part.layout is None:
        return [part.spec]
    n_means = len(context.NEIGHBOURHOODS[part.layout[0]].mean)
    return [
        TensorSpec(f"{part.name}.means", (n_means,)),
        TensorSpec(f"{part.name}.scales", (context.N_SCALES,)),
        TensorSpec(part.name, part.spec.shape, is_own=True),
    ]


# -- sounds


@dataclasses.dataclass
class _Spectrum:
    """The field of one frame length, its exact coefficients, and what they take at a step."""

    signal: Signal
    config: FieldConfig
    field: Field
    parts: list[Piece]
    exact: list[torch.Tensor]

    @classmethod
    def of(cls, signal: Signal, bands: int, seed: int) -> _Spectrum:
        config = LocalCosineField(encoding=LocalCosineConfig(bands=(bands,))).resolve(signal.spec)
        field = config.build(signal.spec, Generator().manual_seed(seed))
        pool = signal.pool(Generator().manual_seed(seed))

        def at(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            batch = pool.batch(index)
            return batch.x, batch.y

        field.start(Samples(signal.spec, pool.size, at, pool.order), Generator().manual_seed(seed))
        field.eval()
        parts = pieces(field)
        return cls(signal, config, field, parts, [part.values.detach().clone() for part in parts])

    def rounded(self, step: Step) -> tuple[list[Quantised], float]:
        """The tensors at a step, and the mean squared error of training values by the coefficients alone."""
        coded, error = [], 0.0
        for part, exact in zip(self.parts, self.exact, strict=True):
            values = exact.numpy().astype(np.float64)
            if not part.is_table:
                coded.append(quantise(values, Step.near(2.0**-14)))
                continue
            magnitude = np.floor(np.abs(values) / step.value + DEADZONE)
            symbols = np.clip(np.sign(values) * magnitude, -(2**20), 2**20).astype(np.int32)
            coded.append(Quantised(symbols, step))
            error += float(np.square(values - symbols * step.value).sum())
        return coded, error / sum(part.values.numel() for part in self.parts if part.is_table)

    def quality(self, step: Step) -> float:
        """SNR of sounds, PSNR of arrays, in dB, of what is written at a step."""
        for part, coded in zip(self.parts, self.rounded(step)[0], strict=True):
            part.assign(coded)
        frame = self.signal.frame
        with torch.no_grad():
            metrics = self.signal.metrics(lambda x: frame.from_field(self.field(x)))
        return metrics["snr_db"] if self.signal.headline == "snr_db" else metrics["psnr_db"]

    def at(self, step: Step) -> Payload:
        return pack(self.config, self.parts, self.rounded(step)[0])


def _spectral(signal: Signal, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None) -> Payload:
    """Closed form: bisection on the step, for the frame length that is cheapest near the aim."""
    assert signal.spec.shape is not None
    n = signal.spec.shape[0]
    goal = Goal.of(aim, signal)
    weight = distortion_weight(signal)
    lengths = sorted({min(m, max(1, n // 2)) for m in (FRAMES if effort >= 3 else FRAMES[2:3])})
    candidates = [_Spectrum.of(signal, m, seed) for m in lengths]
    middle = candidates[len(candidates) // 2]

    def step_for(spectrum: _Spectrum, offset: float = 0.0) -> Step:
        if goal.lambda_ is not None:  # of bits per sample, for a mean over channels
            return Step.near(math.sqrt(goal.lambda_ / weight * signal.spec.d_out / BIT_WORTH))
        low, high = _STEPS
        for _ in range(_TRIALS):
            between = math.sqrt(low * high)
            if goal.size_bytes is not None:
                is_coarse = spectrum.at(Step.near(between)).size <= goal.size_bytes
            else:
                assert goal.psnr_db is not None
                is_coarse = _told(spectrum, Step.near(between)) < goal.psnr_db + offset
            low, high = (low, between) if is_coarse else (between, high)
        return Step.near(high if goal.size_bytes is not None else low)

    first = step_for(middle)
    costs = []
    for k, spectrum in enumerate(candidates):
        mse, size = spectrum.rounded(first)[1], spectrum.at(first).size
        costs.append(mse * n * signal.spec.d_out + BIT_WORTH * first.value**2 * 8 * size)
        if on_progress is not None:
            on_progress((k + 1) / (len(candidates) + 1), f"frames of {lengths[k]} samples")
    best = candidates[int(np.argmin(costs))]
    step = first if best is middle else step_for(best)
    if goal.psnr_db is not None:  # what is told by coefficients leaves out clipping and rounding to the sound's bits
        for _ in range(_CORRECTIONS):
            short = goal.psnr_db - best.quality(step)
            if -_NEAR_DB <= short <= 0:
                break
            offset = _told(best, step) - goal.psnr_db + short + _NEAR_DB / 2
            step = step_for(best, offset)
    return best.at(step)


def _told(spectrum: _Spectrum, step: Step) -> float:
    """SNR of sounds, PSNR of arrays, in dB, by the error of the coefficients."""
    mse = max(spectrum.rounded(step)[1], 1e-30)
    signal = spectrum.signal
    if signal.headline != "snr_db":
        return -10 * math.log10(mse * distortion_weight(signal))
    assert signal.spec.shape is not None
    tables = [exact for part, exact in zip(spectrum.parts, spectrum.exact, strict=True) if part.is_table]
    power = sum(float(exact.double().square().sum()) for exact in tables)
    return 10 * math.log10(power / (mse * signal.spec.shape[0] * signal.spec.d_out))
