"""Profile "pyramid": a picture as grids of integers that predict each other, and the small network that shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from inr._errors import FormatError, UsageError
from inr.codec import tensors
from inr.codec._fields import Reader, Writer
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.profile import PROFILES, Aim, Decoded, OnProgress, Payload, Profile, Values, check_symbols
from inr.codec.pyramid import stream
from inr.codec.pyramid.architecture import Architecture, Array
from inr.codec.tensors import TensorSpec, is_reference

if TYPE_CHECKING:
    from inr.codec.pyramid.trainer import Trainer
    from inr.signals import Signal

N_GRIDS = 7
STEPS = {1: 300, 2: 500, 3: 700, 4: 900, 5: 1200, 6: 2500, 7: 5000, 8: 10000, 9: 20000}
"""Steps of gradient descent by effort."""
BOUNDS = {
    "n_grids": (1, 10),
    "n_neighbours": (1, 40),
    "n_mixtures": (0, 16),
    "n_hidden": (0, 4),
    "n_features": (1, 128),
    "n_convolutions": (0, 4),
}
"""The bytes of ARCH in their order, and what they may be."""
MIDDLE_QUALITY, DECADES = 50.0, 3.0
SURPLUS = 0.01
"""How much further than asked for a run aims: the share of the bytes, or that of 6 dB."""
CORRECTIONS = 5
WEIGHT_BYTES = 0.6
"""What a weight of the networks takes, about."""
FAR = 0.06
"""How much better than asked for a run may end before it is corrected."""
LAW = 4e-4, 1.5
"""rate weight = 4e-4 / (bits per pixel)^1.5, about."""
TINY, SMALL = 2500, 15000
"""Bytes of a file below which its networks are of 0.3 or of 0.8 kB; others take 1.5 to 2 kB."""


@PROFILES.register("pyramid")
class Pyramid(Profile):
    """Latents on grids of 1, 1/2, ..., 1/64 of the resolution, coded by an autoregressive context model in integers.

    After Ladune et al. (COOL-CHIC, arXiv 2212.05458), Leguay et al. (arXiv 2307.12706) and Kim et al. (C3, arXiv
    2312.02753). quality q stands for a rate weight of 10^(-3 - 3 (q - 50) / 100).
    """

    number: ClassVar[int] = 3

    def reason_against(self, signal: Signal) -> str | None:
        if signal.spec.kind != "image":
            return f"a latent pyramid is of a picture, not of a signal of kind {signal.spec.kind!r}"
        return None

    def encode(
        self, signal: Signal, aim: Aim, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Steps by effort: see `STEPS`."""
        import torch

        from inr.codec.pyramid.trainer import Trainer
        from inr.signals._lattice import Lattice

        reason = self.reason_against(signal)
        if reason is not None:
            raise UsageError(reason)
        assert isinstance(signal, Lattice)
        target = (signal.frame.to_field(signal.values) + 1) / 2
        target = target.movedim(-1, 0).contiguous().to(self.device)
        channels, height, width = target.shape
        goal = Goal(aim, signal.frame, height * width)
        architecture = architecture_of(channels, height, width, effort, goal.expected_bytes)
        trainer = Trainer(architecture, target, goal.steering(architecture), torch.Generator().manual_seed(seed))
        return _encode(trainer, goal, STEPS[effort], on_progress)

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        architecture = read_arch(header, arch, limits)
        n = sum(math.prod(shape) for shape in stream.shapes_of(architecture).values())
        limits.hold("parameters", n)
        return (
            TensorSpec("networks", (n,), is_own=True),
            TensorSpec("latents", (architecture.n_latents,), is_own=True),
        )

    def work(self, header: Header, arch: memoryview) -> int:
        return read_arch(header, arch, Limits()).work

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        arch = memoryview(payload.arch)
        architecture = read_arch(header, arch, limits)
        networks, latents = tensors.decode(self.outline(header, arch, limits), payload.table, payload.data, limits)
        assert isinstance(networks, bytes)
        assert isinstance(latents, bytes)
        groups, integers, grids = stream.decode(architecture, networks, latents)
        digest = check_symbols(_digest(integers, grids), payload)
        return Picture(header, architecture, dequantised(groups, integers), grids, digest)


class Picture(Decoded):
    """A decoded pyramid."""

    def __init__(
        self, header: Header, architecture: Architecture, networks: Mapping[str, Array], grids: Sequence[Array],
        symbols_sha256: bytes,
    ) -> None:  # fmt: skip
        self.header, self.symbols_sha256 = header, symbols_sha256
        self._architecture, self._networks, self._grids = architecture, networks, grids

    def values(self) -> Values:
        parts = synthesis_of(self._architecture, self._networks)
        grids = [grid.astype(np.float32) for grid in self._grids]
        if is_reference():
            import torch

            from inr.kernels.pyramid_error import reference

            tensor: Callable[[Any], Any] = torch.from_numpy
            kernels, weights, biases = ([tensor(a) for a in part] for part in parts[:3])
            shown = reference.picture([tensor(g) for g in grids], kernels, weights, biases, tensor(parts[3])).numpy()
        else:
            from inr.kernels._pyramid import Pyramid as Compiled

            shown = Compiled(grids, *parts).picture()
        offset, scale = (np.array(v, np.float32) for v in (self.header.offset, self.header.scale))
        values: Values = (2 * shown.transpose(1, 2, 0) - 1) * scale + offset
        return values if self.header.meta["dtype"] == "float32" else values.clip(0, 1)


def architecture_of(
    channels: int, height: int, width: int, effort: int, expected_bytes: float = math.inf
) -> Architecture:
    """Networks that a file of about so many bytes can pay for; the largest from effort 7 on, none large up to 2."""
    if expected_bytes < TINY:
        counts = (6, 2, 1, 8, 1)
    elif expected_bytes < SMALL or effort < 3:
        counts = (12, 4, 1, 16, 2)
    elif effort < 7:
        counts = (16, 4, 2, 48, 2)
    else:
        counts = (20, 4, 2, 64, 2)
    return Architecture(height, width, channels, N_GRIDS, *counts)


def read_arch(header: Header, arch: memoryview, limits: Limits) -> Architecture:
    """The architecture of a file, held to the limits. Raises FormatError."""
    if header.kind != "image" or not 1 <= header.channels <= 4:
        raise FormatError(f"a pyramid of {header.channels} channels and kind {header.kind!r}, expected a picture")
    reader = Reader(arch, "ARCH")
    counts = {name: reader.u8(name, *bounds) for name, bounds in BOUNDS.items()}
    if reader.left:
        raise FormatError(f"ARCH has {reader.left} bytes too many")
    width, height = header.shape
    limits.hold("samples", width * height * header.channels)
    return Architecture(height, width, header.channels, **counts)


def write_arch(architecture: Architecture) -> bytes:
    writer = Writer()
    for name in BOUNDS:
        writer.u8(getattr(architecture, name))
    return writer.bytes()


def dequantised(groups: Sequence[stream.Group], integers: Mapping[str, Array]) -> dict[str, Array]:
    """Integers times their steps, as float32."""
    return {
        name: np.ldexp(value.astype(np.float64), -groups[stream.group_of(name)].bits).astype(np.float32)
        for name, value in integers.items()
    }


def synthesis_of(architecture: Architecture, values: Mapping[str, Any]) -> tuple[list[Any], list[Any], list[Any], Any]:
    """Kernels, weights, biases and skip, as `pyramid_error` takes them."""
    layers = range(architecture.n_convolutions + 2)
    return (
        [values[f"kernel{level}"] for level in range(architecture.n_grids - 1)],
        [values[f"synthesis{i}.weight"] for i in layers],
        [values[f"synthesis{i}.bias"] for i in layers],
        values["synthesis.skip"],
    )


def _digest(integers: Mapping[str, Array], grids: Sequence[Array]) -> bytes:
    return tensors.symbols_sha256([array.astype(np.int32) for array in (*integers.values(), *grids)])


# -- encoding


class Goal:
    """An aim, as the trainer is steered to it and as a payload is judged."""

    def __init__(self, aim: Aim, frame: Any, n_pixels: int) -> None:
        self.aim = aim
        self._n_pixels = n_pixels
        peak = float(np.mean(np.square(frame.scale))) * 4
        """Mean squared errors of values in [0, 1] become those of the signal by this factor."""
        self._mse = None if aim.target_psnr_db is None else 10 ** (-aim.target_psnr_db / 10) * max(peak, 1e-30) / peak

    @property
    def _weight(self) -> float:
        """The rate weight to begin with, where no size is asked for."""
        aim = self.aim
        if aim.quality is not None:
            return math.pow(10, -3 - DECADES * (aim.quality - MIDDLE_QUALITY) / 100)
        if aim.lambda_ is not None:
            return aim.lambda_
        assert self._mse is not None
        return 1.7 * self._mse

    @property
    def expected_bytes(self) -> float:
        """Of the file: what was asked for, or what such a rate weight leads to on the mean of photographs."""
        if self.aim.size_bytes is not None:
            return self.aim.size_bytes
        at_one, power = LAW
        return self._n_pixels / 8 * math.pow(at_one / self._weight, 1 / power)

    def steering(self, architecture: Architecture) -> Any:
        from inr.codec.pyramid.trainer import Steering

        size = self.aim.size_bytes
        if size is None:
            mse = None if self._mse is None else self._mse * 10 ** (-0.6 * SURPLUS)
            return Steering(self._weight, mse=mse)
        n_weights = sum(math.prod(shape) for shape in stream.shapes_of(architecture).values())
        left = max(size * (1 - SURPLUS) - WEIGHT_BYTES * n_weights, size / 4)
        bpp = 8 * left / self._n_pixels
        at_one, power = LAW
        return Steering(at_one / bpp**power, bpp=bpp)

    def cost(self, payload: Payload, mse: float) -> tuple[bool, float]:
        """Payloads of one run in order: first those that meet the goal, the best of them first."""
        if self.aim.size_bytes is not None:
            is_missed = payload.size > self.aim.size_bytes
            return is_missed, payload.size if is_missed else mse
        is_missed = self._mse is not None and mse > self._mse
        return is_missed, mse if is_missed else payload.size

    def missed_by(self, payload: Payload, mse: float) -> float:
        """The factor on the rate weight that would help, 1 where the goal is met and not by far."""
        if self.aim.size_bytes is not None:
            found = payload.size / self.aim.size_bytes
            return 1.0 if 1 - FAR <= found <= 1 else max((found / (1 - FAR / 3)) ** 4, 1.3 if found > 1 else 0)
        if self._mse is not None:
            found = mse / self._mse
            return 1.0 if 1 - FAR <= found <= 1 else min(((1 - FAR / 3) / found) ** 2, 0.8 if found > 1 else 100)
        return 1.0


def _encode(trainer: Trainer, goal: Goal, steps: int, on_progress: OnProgress | None) -> Payload:
    from inr.codec.pyramid.trainer import HARD_SHARE

    def tell(start: float, part: float) -> Callable[[float, float, float], None]:
        def on_step(progress: float, bpp: float, mse: float) -> None:
            if on_progress is not None:
                on_progress(start + part * progress, f"{-10 * math.log10(mse):.2f} dB at {bpp:.3f} bits per pixel")

        return on_step

    n_hard = round(HARD_SHARE * steps)
    trainer.soft(steps - n_hard, tell(0, 1 - HARD_SHARE))
    trainer.hard(n_hard, tell(1 - HARD_SHARE, HARD_SHARE))
    best = latest = _quantised(trainer)
    for _ in range(CORRECTIONS):
        factor = goal.missed_by(*latest)
        if factor == 1.0:
            return latest[0]
        trainer.steering.hold(factor)
        trainer.soft(3 * n_hard, tell(1, 0), first=0.5)
        trainer.hard(n_hard, tell(1, 0))
        latest = _quantised(trainer)
        if goal.cost(*latest) < goal.cost(*best):
            best = latest
    return best[0]


def _quantised(trainer: Trainer) -> tuple[Payload, float]:
    """The payload of a trainer's state, and the error of the picture that it decodes to."""
    import torch

    from inr.codec.pyramid.network import error
    from inr.codec.pyramid.quantise import quantise

    architecture, grids = trainer.architecture, trainer.grids()
    groups, integers = quantise(architecture, trainer.values, grids, trainer.target, trainer.steering.weight)
    latents = [grid.cpu().numpy().astype(np.int64) for grid in grids]
    networks, body = stream.encode(architecture, groups, integers, latents)
    table, data = tensors.encode([networks, body])
    device = trainer.target.device
    values = {name: torch.from_numpy(value).to(device) for name, value in dequantised(groups, integers).items()}
    with torch.no_grad():
        mse = float(error(architecture, values, grids, trainer.target))
    return Payload(write_arch(architecture), table, data, _digest(integers, latents)), mse
