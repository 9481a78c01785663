"""Profile "grids": grids of quantised latents, coded with a context of neighbours, and a small decoder network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Generator

from inr.codec.container.byte_fields import Reader
from inr.codec.container.header import Header
from inr.codec.decoded import Decoded
from inr.codec.entropy import context_model, tensors
from inr.codec.entropy.quantise import (
    HIGHEST_EXPONENT,
    HIGHEST_MANTISSA,
    LOWEST_EXPONENT,
    LOWEST_MANTISSA,
    Quantised,
    StepSize,
    quantise,
)
from inr.codec.entropy.tensors import TensorSpec
from inr.codec.field_profile import decode_field, read_arch, work_of, write_arch
from inr.codec.limits import Limits
from inr.codec.profile import PROFILES, OnProgress, Payload, Profile
from inr.codec.profiles.weights import steps_of
from inr.codec.rate_target import RateTarget
from inr.codec.training.coded_tensors import CodedTensor, coded_tensors
from inr.codec.training.rate_control import Candidate, FieldTarget, reach_target
from inr.codec.training.trainer import RateTerm, TrainingSettings, distortion_weight
from inr.core.config import override
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.encodings.latent_grid import START, LatentGrid
from inr.encodings.local_cosine import LocalCosineConfig
from inr.fields import Field, FieldConfig
from inr.fields.hash_grid import HashGrid
from inr.fields.local_cosine import LocalCosineField
from inr.layers.initialisers.standard import Xavier
from inr.signals import Signal

STEPS = 2000
BATCH = 16384
LR, LR_LATENT = 5e-3, 0.3

LR_WHOLE, HARD_SHARE_WHOLE = 0.1, 0.1
"""Of latents that are whole numbers: the rate, and the last share of the steps, after the annealing (the paper's)."""

FEATURES_OF_LATENTS = 2
"""Per level, made of one latent per vertex."""

FRAMES = (512, 1024, 2048, 4096)
"""Frame lengths in samples that are tried for a sound."""

FEW_BITS = 8000.0
"""Below this many bits of latents, the decoder of an array is small."""

DEADZONE = 0.4
"""Added to a magnitude before rounding down: below 1/2, because small values cost many bits for little quality."""

_STEPS = (2.0**-16, 2.0**2)
_TRIALS = 13
_CORRECTIONS, _NEAR_DB = 3, 0.05

BIT_WORTH = math.log(2) / 6
"""Weight of a bit over the squared step: at high rates dD/dR of a uniform quantiser is -step^2 ln 2 / 6."""


@PROFILES.register("grids")
class GridsProfile(Profile):
    """Latents on grids of several resolutions, a learned decoder, and bits in the loss; for sounds in closed form.

    After Girish et al. 2023 (SHACIRA, arXiv:2309.15848): latents are rounded in training, their bits count in the loss.
    Dense levels are coded by a context model in integers, hashed levels by one distribution each. Sounds use the
    latents of `local_cosine`, frames by bands. Its functions are orthonormal, so steps and rounding need no training.

    `field.encoding=latent_grid` is SHACIRA as published: latents are whole numbers, one per vertex, that are rounded by
    annealing, decoded by a linear map per level, and counted by a learned distribution per level. Then twice as many
    vertices are used. The paper codes latents by their distribution; here dense levels have the context model too.
    """

    number: ClassVar[int] = 2

    def __init__(self, settings: Sequence[str] = ()) -> None:
        self._settings = tuple(settings)
        family = override(HashGrid(), self._settings, "field")  # raises the errors in them
        self.is_latent = isinstance(family.encoding, LatentGrid)

    def with_settings(self, field: str | None, settings: Sequence[str]) -> GridsProfile:
        """Settings of `hash_grid`, the only family. What they leave open follows from the target."""
        if field not in (None, "hash_grid"):
            raise UsageError(
                f"profile 'grids' has the field 'hash_grid', but {field!r} is given", "use `profile=weights`"
            )
        return GridsProfile(settings)

    def reason_against(self, signal: Signal) -> str | None:
        if signal.spec.traits.is_surface_only:
            return "point clouds have no distances to train latents on; use `profile=weights`"
        if self._settings and _is_sound(signal):
            return "its frames of sounds have no field settings; leave them out, or use `profile=weights`"
        return None

    def encode(
        self, signal: Signal, target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Sounds: tries up to four frame lengths. Other signals: trains 2000 steps of 16384 samples at effort 5."""
        reason = self.reason_against(signal)
        if reason is not None:
            raise UsageError(reason)
        if _is_sound(signal):
            return _encode_sound(signal, target, effort, seed, on_progress)
        training = TrainingSettings(steps_at(effort, signal.spec), BATCH, LR, LR_LATENT)
        if self.is_latent:
            training = dataclasses.replace(
                training, lr_table=LR_WHOLE, first_step=1.0, hard_share=HARD_SHARE_WHOLE, is_annealed=True
            )

        def fit(rate_term: RateTerm, bits: float, share: Callable[[float, float], None]) -> Candidate:
            config = self._design(signal.spec, bits)
            field = config.build(signal.spec, Generator().manual_seed(seed))
            return Candidate.of(
                signal, field, training, rate_term, seed, share, lambda parts, quantised: pack(config, parts, quantised)
            )

        return reach_target(FieldTarget.of(target, signal), fit, on_progress)

    def _design(self, spec: Spec, bits: float) -> FieldConfig:
        """The field for a size, with the given settings."""
        config = with_latents(spec, bits) if self.is_latent else architecture(spec, bits)
        own = [setting for setting in self._settings if setting != "encoding=latent_grid"]
        return override(config, own, "field").resolve(spec)

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        return tuple(spec for part in coded_tensors(read_arch(header, arch, limits)[1]) for spec in _specs(part))

    def work(self, header: Header, arch: memoryview) -> int:
        return work_of(header, read_arch(header, arch, Limits())[1])

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        return decode_field(header, payload, limits, "grids", unpack)


def _is_sound(signal: Signal) -> bool:
    return signal.spec.shape is not None and signal.spec.d_in == 1


def steps_at(effort: int, spec: Spec) -> int:
    """2000 at effort 5, doubled by each step of effort. For arrays below effort 5, halved by every two steps.

    An array needs about 500 steps before its decoder gives more than the mean of all values.
    """
    if spec.shape is None or effort >= 5:
        return steps_of(effort, STEPS)
    return max(1, round(STEPS * math.pow(2.0, (effort - 5) / 2)))


def decoder_of(bits: float, d_in: int) -> tuple[int, int]:
    """Width and depth of the network behind the grids; small for few bits, where its weights dominate the file."""
    if bits < FEW_BITS:
        return 8, 1
    return 32, 2 if d_in > 1 else 1


def with_latents(spec: Spec, bits: float) -> FieldConfig:
    """`architecture` of twice as many vertices, with one latent on each and a linear map per level."""
    plain = architecture(spec, 2 * bits)
    assert isinstance(plain.encoding, HashGridEncodingConfig)
    grid = dataclasses.replace(plain.encoding, features=1, init_range=START)
    return dataclasses.replace(plain, encoding=LatentGrid(grid=grid, features=FEATURES_OF_LATENTS)).resolve(spec)


def architecture(spec: Spec, bits: float) -> HashGrid:
    """Levels that double in resolution up to one that this many bits can fill, dense up to 2^18 vertices."""
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
    width, depth = decoder_of(bits, spec.d_in) if spec.shape is not None else (32, 2)
    return HashGrid(encoding=encoding, width=width, depth=depth, has_bias=True, init=Xavier()).resolve(spec)


# -- latents in bytes


def pack(config: FieldConfig, parts: Sequence[CodedTensor], quantised: Sequence[Quantised]) -> Payload:
    """Grids as the tables of their context model and a separate stream; all other tensors as in profile "weights"."""
    out: list[Quantised | bytes] = []
    symbols = []
    for part, own in zip(parts, quantised, strict=True):
        if part.layout is None:
            out.append(own)
            symbols.append(own.symbols)
            continue
        planes = part.to_planes(own.symbols)
        found = context_model.encode(planes, part.layout)
        out += [Quantised(found.means), Quantised(found.scales)]
        out.append(bytes([own.step.mantissa, own.step.exponent & 0xFF]) + found.stream)
        symbols.append(part.from_planes(planes))
    table, data = tensors.encode(out)
    return Payload(write_arch(config), table, data, tensors.symbols_sha256(symbols))


def unpack(parts: Sequence[CodedTensor], payload: Payload, limits: Limits) -> list[Quantised]:
    """The quantised tensors of a payload that `pack` made. Raises FormatError."""
    specs = [spec for part in parts for spec in _specs(part)]
    found = iter(tensors.decode(specs, payload.table, payload.data, limits))
    quantised: list[Quantised] = []
    for part in parts:
        first = next(found)
        assert isinstance(first, Quantised)
        if part.layout is None:
            quantised.append(first)
            continue
        scales, own = next(found), next(found)
        assert isinstance(scales, Quantised)
        assert isinstance(own, bytes)
        reader = Reader(own, "a stream of latents")
        mantissa = reader.u8("a step", LOWEST_MANTISSA, HIGHEST_MANTISSA)
        step = StepSize(reader.i8("a step's exponent", LOWEST_EXPONENT, HIGHEST_EXPONENT), mantissa)
        stream = context_model.CodedArray(first.symbols, scales.symbols, bytes(reader.rest()))
        quantised.append(Quantised(part.from_planes(context_model.decode(stream, part.layout)), step))
    return quantised


def _specs(part: CodedTensor) -> list[TensorSpec]:
    if part.layout is None:
        return [part.spec]
    n_means = len(context_model.NEIGHBOURHOODS[part.layout[0]].mean)
    return [
        TensorSpec(f"{part.name}.means", (n_means,)),
        TensorSpec(f"{part.name}.scales", (context_model.N_SCALES,)),
        TensorSpec(part.name, part.spec.shape, is_own=True),
    ]


# -- sounds


@dataclasses.dataclass
class _Spectrum:
    """The field of one frame length and its exact coefficients."""

    signal: Signal
    config: FieldConfig
    field: Field
    parts: list[CodedTensor]
    exact: list[torch.Tensor]

    @classmethod
    def of(cls, signal: Signal, bands: int, seed: int) -> _Spectrum:
        config = LocalCosineField(encoding=LocalCosineConfig(bands=(bands,))).resolve(signal.spec)
        field = config.build(signal.spec, Generator().manual_seed(seed))
        pool = signal.pool(Generator().manual_seed(seed))

        def at(index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            batch = pool.batch(index)
            return batch.x, batch.y

        field.initialise(Samples(signal.spec, pool.size, at, pool.order), Generator().manual_seed(seed))
        field.eval()
        parts = coded_tensors(field)
        return cls(signal, config, field, parts, [part.values.detach().clone() for part in parts])

    def rounded(self, step: StepSize) -> tuple[list[Quantised], float]:
        """The tensors quantised with a step, and the mean squared error that follows from the coefficients."""
        quantised, error = [], 0.0
        for part, exact in zip(self.parts, self.exact, strict=True):
            values = exact.numpy().astype(np.float64)
            if not part.is_table:
                quantised.append(quantise(values, StepSize.near(2.0**-14)))
                continue
            magnitude = np.floor(np.abs(values) / step.value + DEADZONE)
            symbols = np.clip(np.sign(values) * magnitude, -(2**20), 2**20).astype(np.int32)
            quantised.append(Quantised(symbols, step))
            error += float(np.square(values - symbols * step.value).sum())
        return quantised, error / sum(part.values.numel() for part in self.parts if part.is_table)

    def quality(self, step: StepSize) -> float:
        """SNR of sounds, PSNR of arrays, in dB, of the signal decoded at a step."""
        for part, quantised in zip(self.parts, self.rounded(step)[0], strict=True):
            part.assign(quantised)
        frame = self.signal.frame
        with torch.no_grad():
            metrics = self.signal.metrics(lambda x: frame.from_field(self.field(x)))
        return metrics["snr_db"] if self.signal.headline == "snr_db" else metrics["psnr_db"]

    def payload(self, step: StepSize) -> Payload:
        return pack(self.config, self.parts, self.rounded(step)[0])


def _encode_sound(
    signal: Signal, rate_target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None
) -> Payload:
    """Closed form: bisection on the step, for the frame length that is cheapest near the target."""
    assert signal.spec.shape is not None
    n = signal.spec.shape[0]
    target = FieldTarget.of(rate_target, signal)
    weight = distortion_weight(signal)
    lengths = sorted({min(m, max(1, n // 2)) for m in (FRAMES if effort >= 3 else FRAMES[2:3])})
    candidates = [_Spectrum.of(signal, m, seed) for m in lengths]
    middle = candidates[len(candidates) // 2]

    def step_for(spectrum: _Spectrum, offset: float = 0.0) -> StepSize:
        if target.lambda_ is not None:  # lambda weighs bits per sample and the mean over channels
            return StepSize.near(math.sqrt(target.lambda_ / weight * signal.spec.d_out / BIT_WORTH))
        low, high = _STEPS
        for _ in range(_TRIALS):
            between = math.sqrt(low * high)
            if target.size_bytes is not None:
                is_coarse = spectrum.payload(StepSize.near(between)).size <= target.size_bytes
            else:
                assert target.psnr_db is not None
                is_coarse = _decibels(spectrum, StepSize.near(between)) < target.psnr_db + offset
            low, high = (low, between) if is_coarse else (between, high)
        return StepSize.near(high if target.size_bytes is not None else low)

    first = step_for(middle)
    costs = []
    for k, spectrum in enumerate(candidates):
        mse, size = spectrum.rounded(first)[1], spectrum.payload(first).size
        costs.append(mse * n * signal.spec.d_out + BIT_WORTH * first.value**2 * 8 * size)
        if on_progress is not None:
            on_progress((k + 1) / (len(candidates) + 1), f"frames of {lengths[k]} samples")
    best = candidates[int(np.argmin(costs))]
    step = first if best is middle else step_for(best)
    if target.psnr_db is not None:  # the coefficients do not show clipping and rounding to the sound's bits
        for _ in range(_CORRECTIONS):
            short = target.psnr_db - best.quality(step)
            if -_NEAR_DB <= short <= 0 or not math.isfinite(short):
                break
            offset = _decibels(best, step) - target.psnr_db + short + _NEAR_DB / 2
            step = step_for(best, offset)
    return best.payload(step)


def _decibels(spectrum: _Spectrum, step: StepSize) -> float:
    """SNR of sounds, PSNR of arrays, in dB, that follows from the coefficients."""
    mse = max(spectrum.rounded(step)[1], 1e-30)
    signal = spectrum.signal
    if signal.headline != "snr_db":
        return -10 * math.log10(mse * distortion_weight(signal))
    assert signal.spec.shape is not None
    tables = [exact for part, exact in zip(spectrum.parts, spectrum.exact, strict=True) if part.is_table]
    power = sum(float(exact.double().square().sum()) for exact in tables)
    if power == 0:
        return math.inf  # silence: exact at every step
    return 10 * math.log10(power / (mse * signal.spec.shape[0] * signal.spec.d_out))
