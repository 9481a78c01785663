"""What is compressed: a signal or a model, with the header and the optional chunks that its file will have."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from inr.codec.compression_settings import CompressionSettings
from inr.codec.container.file import Container
from inr.codec.container.header import Header
from inr.codec.profile import PROFILES, Payload, Profile
from inr.codec.rate_target import RateTarget
from inr.core.errors import UsageError

if TYPE_CHECKING:
    from inr.fitting import Fit
    from inr.signals import Signal, Source

MODEL_SUFFIX = ".safetensors"


@dataclasses.dataclass(frozen=True)
class CompressionInput:
    """signal: the original, against which quality is measured. model: the fit, if a model is compressed.

    icc: the colour profile of a picture. document: the file's JSON. notes: which parts of the input are left out.
    """

    signal: Signal
    model: Fit | None
    header: Header
    icc: bytes | None
    document: bytes | None = None
    notes: tuple[str, ...] = ()

    def payload_target(self, target: RateTarget) -> RateTarget:
        """The target as profiles take it: a size is that of the payload. Raises UsageError if it does not fit."""
        header = self.header
        if target.target_psnr_db is not None and not header.is_lattice:
            raise UsageError(
                f"`target_psnr_db` needs a signal of samples, the input is of kind {header.kind!r}",
                "use `size_bytes` or `quality`",
            )
        if target.bpp is not None and not header.is_lattice:
            raise UsageError(
                f"`bpp` needs a signal of samples, the input is of kind {header.kind!r}", "use `size_bytes`"
            )
        size = target.file_bytes(header)
        if size is None:
            return target
        left = size - (Container.of_size(header.to_bytes(), self.icc, self.document, size) - size)
        if left < 1:
            raise UsageError(f"{size} bytes are too few for any file of this signal", "use a larger `size_bytes`")
        return RateTarget(size_bytes=left)

    def profile(self, settings: CompressionSettings) -> tuple[str, Profile, tuple[str, ...]]:
        """The requested profile, or the first one for the kind that can code the input: name, profile and notes."""
        has_field = settings.field is not None or bool(settings.settings)
        preferred = [n for n in self.header.codec_kind.profiles if n != "pyramid" or not has_field]
        names = preferred if settings.profile is None else [settings.profile]
        reasons: dict[str, str] = {}
        for name in names:
            if name not in PROFILES:
                continue
            profile = PROFILES[name]().with_settings(settings.field, settings.settings)
            profile.device = settings.device if settings.device.startswith("cuda") else "cpu"
            model = self.model
            profile.tune = settings.tune
            if settings.tune not in profile.tunes:
                reasons[name] = f"it cannot be tuned for {settings.tune!r}"
                continue
            reason = profile.reason_against(self.signal) if model is None else profile.reason_against_model(model)
            if reason is None:
                return name, profile, tuple(f"profile {other} is not used: {why}" for other, why in reasons.items())
            reasons[name] = reason
        raise UsageError(
            f"{self.signal.name or self.header.kind} cannot be compressed: "
            + ("; ".join(f"profile {name}: {why}" for name, why in reasons.items()) or "no profile codes its kind")
        )

    def check(self, settings: CompressionSettings) -> None:
        """Raise UsageError, before any work, if the input cannot be compressed with these settings."""
        self.payload_target(settings.target)
        self.profile(settings)

    def container(self, number: int, payload: Payload) -> Container:
        """The file of a payload by the profile with this number."""
        header, digest = self.header.to_bytes(), payload.symbols_sha256
        return Container(header, number, payload.arch, payload.table, payload.data, digest, self.icc, self.document)


def load_input(
    source: Signal | Fit | Source | str | Path, kind: str | None = None, options: Mapping[str, str] | None = None
) -> CompressionInput:
    """Load what is to be compressed. kind, options: as `load_signal` takes them."""
    from inr.fitting import Fit
    from inr.fitting.teacher import teacher_of
    from inr.signals import Signal, Source, load_signal

    if isinstance(source, str | Path):
        source = Source.of(source)
    if isinstance(source, Source) and source.suffix == MODEL_SUFFIX and kind is None:
        source = Fit.load(source)
    if isinstance(source, Source):
        source = load_signal(source, kind, options)
    model = source if isinstance(source, Fit) else None
    header = Header.of_parts(source.spec, source.frame, source.meta)
    signal = source if isinstance(source, Signal) else teacher_of(source, source.source)
    chunks = header.codec_kind.chunks(source.meta)
    return CompressionInput(signal, model, header, chunks.icc, chunks.document, chunks.notes)
