"""Profile "pyramid": a picture as grids of integers that predict each other, and a small network that renders them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from inr.codec.container.header import Header
from inr.codec.decoded import Decoded
from inr.codec.entropy import tensors
from inr.codec.entropy.tensors import TensorSpec, is_reference
from inr.codec.kind import CODEC_KINDS, Values
from inr.codec.limits import Limits
from inr.codec.profile import PROFILES, TUNES, OnProgress, Payload, Profile, check_symbols
from inr.codec.profiles.pyramid import rendering, stream
from inr.codec.profiles.pyramid.architecture import (
    FIRST_FORM,
    SECOND_FORM,
    Architecture,
    Array,
    read_arch,
    synthesis_of,
)
from inr.codec.profiles.pyramid.groups import dequantised, digest, shapes_of
from inr.codec.rate_target import RateTarget
from inr.core.errors import UsageError
from inr.signals.files.bands import Bands

if TYPE_CHECKING:
    from inr.signals import Signal

FORMS = {3: FIRST_FORM, 4: SECOND_FORM}
"""The form of the streams by the profile's number; only number 4 is written."""


@PROFILES.register("pyramid")
class PyramidProfile(Profile):
    """Latents on grids of 1, 1/2, ..., 1/64 of the resolution, coded by an autoregressive context model in integers.

    After Ladune et al. (COOL-CHIC, arXiv 2212.05458), Leguay et al. (arXiv 2307.12706) and Kim et al. (C3, arXiv
    2312.02753). A quality q means a rate weight of 10^(-3 - 3 (q - 50) / 100).
    """

    number: ClassVar[int] = 4
    is_resumable: ClassVar[bool] = True
    tunes: ClassVar[tuple[str, ...]] = TUNES

    @classmethod
    def reading(cls, number: int) -> Self:
        profile = super().reading(number)
        profile._form = FORMS[number]
        return profile

    _form: int = SECOND_FORM

    def reason_against(self, signal: Signal) -> str | None:
        if "pyramid" not in CODEC_KINDS[signal.spec.kind].profiles:
            return f"it codes pictures, the signal is of kind {signal.spec.kind!r}"
        return None

    def encode(
        self, signal: Signal, target: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        """Steps by effort: see `encoder.STEPS`."""
        from inr.codec.profiles.pyramid import encoder

        reason = self.reason_against(signal)
        if reason is not None:
            raise UsageError(reason)
        return encoder.encode(signal, target, effort, seed, self.device, on_progress, self.control, self.tune)

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        architecture = read_arch(header, arch, limits, self._form)
        n = sum(math.prod(shape) for shape in shapes_of(architecture).values())
        limits.check("parameters", n)
        return (
            TensorSpec("networks", (n,), is_own=True),
            TensorSpec("latents", (architecture.n_latents,), is_own=True),
        )

    def work(self, header: Header, arch: memoryview) -> int:
        return read_arch(header, arch, Limits(), self._form).work

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        arch = memoryview(payload.arch)
        architecture = read_arch(header, arch, limits, self._form)
        networks, latents = tensors.decode(self.outline(header, arch, limits), payload.table, payload.data, limits)
        assert isinstance(networks, bytes)
        assert isinstance(latents, bytes)
        ahead = rendering.Ahead(architecture) if not is_reference() and rendering.is_worth_it(architecture) else None
        try:
            groups, integers, grids = stream.decode(architecture, networks, latents, ahead)
            found = check_symbols(digest(integers, grids), payload)
        except BaseException:
            if ahead is not None:
                ahead.stop()
            raise
        shown = None if ahead is None else ahead.strips()
        return DecodedPyramid(header, architecture, dequantised(architecture, groups, integers), grids, found, shown)


class DecodedPyramid(Decoded):
    """A decoded pyramid."""

    def __init__(
        self, header: Header, architecture: Architecture, networks: Mapping[str, Array], grids: Sequence[Array],
        symbols_sha256: bytes, shown: Sequence[Array] | None = None,
    ) -> None:  # fmt: skip
        """shown: the rows of the picture, if they are rendered already."""
        self.header, self.symbols_sha256, self._shown = header, symbols_sha256, shown
        self._architecture, self._networks, self._grids = architecture, networks, grids

    def values(self) -> Values:
        return self.bands().whole()

    def bands(self) -> Bands:
        header = self.header
        offset, scale = (np.array(v, np.float32) for v in (header.offset, header.scale))

        def shown(rows: Array) -> Values:
            values: Values = (2 * rows.transpose(1, 2, 0) - 1) * scale + offset
            return values if header.meta["dtype"] == "float32" else values.clip(0, 1)

        return Bands(header.array_shape, map(shown, self._strips()))

    def _strips(self) -> Iterator[Array]:
        """Rows of the picture [C, R, W], in [0, 1]."""
        if self._shown is not None:
            yield from self._shown
        elif is_reference():
            import torch

            from inr.kernels.pyramid_error import reference

            parts = synthesis_of(self._architecture, self._networks)
            tensor: Callable[[Any], Any] = torch.from_numpy
            kernels, weights, biases = ([tensor(a) for a in part] for part in parts[:3])
            grids = [tensor(grid.astype(np.float32)) for grid in self._grids]
            yield reference.picture(grids, kernels, weights, biases, tensor(parts[3])).numpy()
        else:
            yield from rendering.strips(self._architecture, self._networks, self._grids)
