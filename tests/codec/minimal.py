"""A minimal profile, for tests of the code around profiles: it quantises the values of a lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inr.codec import PROFILES, Decoded, Limits, Payload, Profile, RateTarget
from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.entropy.quantise import Quantised, StepSize, quantise
from inr.codec.entropy.tensors import TensorSpec, decode, encode, symbols_sha256
from inr.codec.kind import Values
from inr.codec.profile import OnProgress, check_symbols

if TYPE_CHECKING:  # so that a fresh process needs no torch to decode
    from inr.signals import Signal


class Restored(Decoded):
    def __init__(self, header: Header, quantised: Quantised, digest: bytes) -> None:
        self.header, self.symbols_sha256, self._quantised = header, digest, quantised

    def values(self) -> Values:
        header = self.header
        z = self._quantised.values().reshape(header.array_shape)
        values: Values = (z * np.array(header.scale) + np.array(header.offset)).astype(np.float32)
        return values


@PROFILES.register("minimal")
class Minimal(Profile):
    """ARCH: u8, n to leave out every n-th row of a transposed picture (0: none), so that it has a field with limits."""

    number = 0xFFFF

    def reason_against(self, signal: Signal) -> str | None:
        return None if signal.spec.shape is not None else "it codes lattices only"

    def encode(
        self, signal: Signal, aim: RateTarget, effort: int, seed: int, on_progress: OnProgress | None = None
    ) -> Payload:
        from inr.signals import Lattice

        assert isinstance(signal, Lattice)
        z = signal.frame.to_field(signal.values).numpy()
        exponents = range(-10, 8)
        for exponent in exponents:
            payload = self._payload(quantise(z, StepSize(exponent, 128)))
            error = (payload[1].values() - z) * np.array(signal.frame.scale)
            db = -10 * np.log10(np.mean(error**2) + 1e-20)
            if aim.quality is not None and exponent >= -aim.quality / 10:
                break
            if aim.size_bytes is not None and payload[0].size <= aim.size_bytes:
                break
            if aim.target_psnr_db is not None and db < aim.target_psnr_db + 6.5:
                break
        if on_progress is not None:
            on_progress(1.0, "done")
        return payload[0]

    def _payload(self, q: Quantised) -> tuple[Payload, Quantised]:
        table, data = encode([q])
        return Payload(Writer().u8(0).bytes(), table, data, symbols_sha256([q.symbols])), q

    def outline(self, header: Header, arch: memoryview, limits: Limits) -> tuple[TensorSpec, ...]:
        reader = Reader(arch, "the architecture")
        reader.u8("a spare field", 0, 3)
        reader.end()
        return (TensorSpec("values", header.array_shape),)

    def work(self, header: Header, arch: memoryview) -> int:
        return header.n_samples

    def decode(self, header: Header, payload: Payload, limits: Limits) -> Decoded:
        specs = self.outline(header, memoryview(payload.arch), limits)
        (found,) = decode(specs, payload.table, payload.data, limits)
        assert isinstance(found, Quantised)
        digest = check_symbols(symbols_sha256([found.symbols]), payload)
        return Restored(header, found, digest)
