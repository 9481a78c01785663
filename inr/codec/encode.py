"""Compression: a signal or a model to an .inrz file, which is verified by decoding it in a separate process."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inr.codec.compression_input import CompressionInput, load_input
from inr.codec.compression_settings import DEFAULT_EFFORT, CompressionSettings
from inr.codec.container.file import Container
from inr.codec.container.header import Header
from inr.codec.decode import decode
from inr.codec.encoding_control import EncodingControl
from inr.codec.profile import DEFAULT_TUNE, OnProgress
from inr.codec.rate_target import RateTarget
from inr.codec.surface import notes_on_surface
from inr.codec.verification import Verifier, measure_decoded
from inr.core.config import assignments_of
from inr.core.errors import FormatError, UsageError
from inr.core.files import check_writable, write_file

if TYPE_CHECKING:
    from inr.fitting import Fit
    from inr.signals import Signal, Source

SLACK_DB = 0.005
"""A target PSNR counts as reached up to this much below it."""


@dataclasses.dataclass(frozen=True)
class Compressed:
    """An .inrz file and its measurements.

    data: its bytes. profile: its name. metrics: quality of the decoded signal; of a shape also
    n_components, n_components_source and volume_error of its mesh. is_verified: the file was decoded by a separate
    process. sizes: bytes by chunk; "container" is the rest. outcome: whether the target was reached, or the encoding
    was stopped before its end. headline: the metric to show first. seconds: of encoding. verify_seconds: of decoding
    and measuring.
    """

    data: bytes
    header: Header
    profile: str
    metrics: Mapping[str, float]
    sizes: Mapping[str, int]
    is_verified: bool
    outcome: Literal["done", "target_not_reached", "interrupted"]
    headline: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    verify_seconds: float = 0.0

    @property
    def bpp(self) -> float | None:
        """Bits of the file per pixel, sample or element; None for shapes and points."""
        n = self.header.n_samples
        return 8 * len(self.data) / n if n else None

    def summary(self) -> dict[str, Any]:
        """All but the bytes, as JSON."""
        return {
            "bytes": len(self.data),
            "bits_per_sample": self.bpp,
            "profile": self.profile,
            "kind": self.header.kind,
            "shape": list(self.header.shape) or None,
            "channels": self.header.channels,
            "headline": self.headline,
            "metrics": dict(self.metrics),
            "sizes": dict(self.sizes),
            "is_verified": self.is_verified,
            "outcome": self.outcome,
            "seconds": self.seconds,
            "verify_seconds": self.verify_seconds,
            "notes": list(self.notes),
        }

    def save(self, path: str | Path) -> None:
        """Write the file as a whole or not at all; an existing file is replaced."""
        write_file(Path(path), self.data, force=True)


def compress(
    source: Signal | Fit | Source | str | Path,
    out: str | Path | None = None,
    *,
    target_psnr_db: float | None = None,
    bpp: float | None = None,
    size_bytes: int | None = None,
    quality: float | None = None,
    lambda_: float | None = None,
    effort: int = DEFAULT_EFFORT,
    profile: str | None = None,
    field: str | Mapping[str, Any] | None = None,
    seed: int = 0,
    verify: bool = True,
    force: bool = False,
    kind: str | None = None,
    tune: str = DEFAULT_TUNE,
    signal_options: Mapping[str, str] | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
) -> Compressed:
    """Compress a picture, sound, shape or array, or a model of one, into an .inrz file.

    Args:
        source: a file, a loaded `Signal`, or a `Fit`; a file with suffix .safetensors is a model.
        out: where to write the file; by default nowhere, the result holds the bytes.
        target_psnr_db: at least this quality in dB (sounds: SNR), in as few bytes as possible.
        bpp: at most this many bits per pixel, sample or element.
        size_bytes: at most this many bytes.
        quality: 0 to 100, on a scale that each profile defines.
        lambda_: the weight of the rate against the error, see `RateTarget`. At most one of these five is given;
            without one the quality is 50.
        effort: 1 (preview) to 9 (smallest file, slowest).
        profile: "pyramid", "grids" or "weights"; by default the one that suits the kind of signal.
        field: family, for the profiles that code a field ("siren"), or a document of its settings, as for `inr.fit`
            ({"type": "siren", "width": 64}); without `type`, settings of the profile's own family.
        seed: of all random numbers.
        verify: decode the file in a separate process before it is written.
        force: replace `out` if it exists.
        kind: kind of the signal, if the suffix does not determine it.
        tune: "psnr", or "perceptual": pictures are trained for multi-scale structural similarity as well (metric
            `ms_ssim`).
        signal_options: options of the signal, as `load_signal` takes them.
        device: where a pyramid is trained, see `CompressionSettings`.
        on_progress: called with the share of the encoding that is done, and a text.

    Returns:
        A `Compressed`: `data`, `metrics` of the decoded signal, `bpp`, and `outcome`, which is "done" or
        "target_not_reached".

    Raises:
        UnreadableError: the source is missing or damaged.
        UsageError: the arguments cannot be met.
        FormatError: verification failed. In all these cases no file is written.

    Examples:
        >>> import inr
        >>> made = inr.compress("photo.png", "photo.inrz", bpp=1.0, effort=1, verify=False)
        >>> made.profile, made.bpp <= 1.0, made.metrics["psnr_db"] > 15
        ('pyramid', True, True)
    """
    target = RateTarget(target_psnr_db, bpp, size_bytes, quality, lambda_)
    document = {"type": field} if isinstance(field, str) else dict(field or {})
    family = document.pop("type", None)
    settings = tuple(assignments_of(document))
    arguments = CompressionSettings(target, effort, profile, family, settings, seed, verify, device, tune)
    path = None if out is None else Path(out)
    if path is not None:
        check_writable(path, force=force)
    made = compress_input(load_input(source, kind, signal_options), arguments, on_progress)
    if path is not None:
        write_file(path, made.data, force=force, keep=True)
    return made


def compress_input(
    given: CompressionInput,
    settings: CompressionSettings,
    on_progress: OnProgress | None = None,
    control: EncodingControl | None = None,
    verifier: Verifier | None = None,
) -> Compressed:
    """Compress a loaded input. control: may stop the encoding, whose outcome is then "interrupted".

    verifier: one that may have started already; by default a new one. Raises UsageError if the control keeps, saves or
    resumes an encoding of a profile that cannot.
    """
    if verifier is None:
        with Verifier.for_run(settings) as verifier:
            return compress_input(given, settings, on_progress, control, verifier)
    started = time.perf_counter()
    target = given.payload_target(settings.target)
    name, profile, notes = given.profile(settings)
    profile.control = control
    if control is not None and control.is_needed and not profile.is_resumable:
        raise UsageError(
            f"the input is compressed with profile {name!r}, whose encodings are neither kept nor resumed",
            "this works for pictures, with profile pyramid",
        )
    if given.model is None:
        payload = profile.encode(given.signal, target, settings.effort, settings.seed, on_progress)
    else:
        payload = profile.encode_model(given.model, target, settings.effort, settings.seed, on_progress)
    data = given.container(profile.number, payload).to_bytes()
    encoded = time.perf_counter()
    if settings.verify:
        metrics = verifier.verify(data, given.header, payload.symbols_sha256, given.signal, given.model is not None)
    else:
        decoded = decode(data)
        if decoded.symbols_sha256 != payload.symbols_sha256:
            raise FormatError("the file decodes to other symbols than were encoded", "this is a bug in inr")
        metrics = measure_decoded(decoded, given.signal)
    if profile.tune != DEFAULT_TUNE:
        metrics = {**metrics, "ms_ssim": similarity_of(data, given.signal)}
    notes = (*notes, *notes_on_size(given.header, len(data)), *notes_on_surface(metrics))
    outcome: Literal["done", "target_not_reached", "interrupted"] = "done"
    if control is not None and control.is_stopped:
        outcome = "interrupted"
    elif not is_reached(settings.target, given, len(data), metrics):
        outcome = "target_not_reached"
    return Compressed(
        data=data,
        header=given.header,
        profile=name,
        metrics=metrics,
        sizes=Container.read(data).sizes,
        is_verified=settings.verify,
        outcome=outcome,
        headline=given.signal.headline,
        notes=(*given.signal.notes, *given.notes, *notes),
        seconds=encoded - started,
        verify_seconds=time.perf_counter() - encoded,
    )


def similarity_of(data: bytes, signal: Signal) -> float:
    """The MS-SSIM of the picture in a file, as it is written (`ms_ssim`)."""
    import torch

    from inr.codec.training.ms_ssim import ms_ssim
    from inr.signals import Lattice
    from inr.signals.files.picture_writing import as_written

    assert isinstance(signal, Lattice)
    shown = signal.frame.to_field(torch.from_numpy(as_written(decode(data).values(), signal.meta["dtype"])))
    pictures = [((values + 1) / 2).movedim(-1, 0) for values in (shown, signal.frame.to_field(signal.values))]
    return float(ms_ssim(*pictures))


def notes_on_size(header: Header, n_bytes: int) -> tuple[str, ...]:
    """A note if the file is not smaller than an uncompressed file of the values."""
    plain = header.plain_bytes
    if plain is None or n_bytes < plain:
        return ()
    return (f"the file has {n_bytes} bytes, an uncompressed file has {plain}: the signal is too small to compress",)


def is_reached(target: RateTarget, given: CompressionInput, n_bytes: int, metrics: Mapping[str, float]) -> bool:
    """Whether a file of this size and quality meets the target."""
    size = target.file_bytes(given.header)
    if size is not None:
        return n_bytes <= size
    if target.target_psnr_db is None:
        return True
    headline = given.signal.headline
    return metrics[headline if headline.endswith("_db") else "psnr_db"] >= target.target_psnr_db - SLACK_DB
