"""Compression: a signal or a model to an .inrz file, which is decoded by a fresh process before it is let out."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from inr._errors import FormatError, UsageError
from inr._files import atomic, check_writable
from inr.codec._header import Header
from inr.codec._verify import measure_decoded, verify
from inr.codec.container import Container
from inr.codec.decode import decode
from inr.codec.profile import DEFAULT_EFFORT, PROFILES, Aim, OnProgress, Payload, Profile

if TYPE_CHECKING:
    from inr.fitting import Fit
    from inr.signals import Signal, Source

PREFERRED = {"image": ("pyramid", "grids", "weights"), "shape": ("weights", "grids")}
OTHERWISE = ("grids", "weights")
"""Profiles by kind of signal, the default first."""

MODEL_SUFFIX = ".safetensors"
SLACK_DB = 0.005


@dataclasses.dataclass(frozen=True)
class Compressed:
    """An .inrz file, and what is known of it.

    data: its bytes. profile: the name. metrics: quality of what was decoded from it. is_verified: by a fresh process.
    sizes: bytes by chunk; "container" is what is around them. outcome: whether the aim was reached. headline: the
    metric to show first. seconds: of encoding, verify_seconds: of decoding and measuring.
    """

    data: bytes
    header: Header
    profile: str
    metrics: Mapping[str, float]
    sizes: Mapping[str, int]
    is_verified: bool
    outcome: Literal["done", "target_not_reached"]
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
        """What is known of the file, as JSON."""
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
        """Write the file, atomically."""
        with atomic(Path(path)) as temporary:
            temporary.write_bytes(self.data)


@dataclasses.dataclass(frozen=True)
class Request:
    """How to compress: the arguments of `compress` that do not depend on the input.

    device: where a pyramid is trained, cuda or cuda:INDEX; with any other, and for other profiles, that is the CPU.
    Files that were made on different devices differ; what they decode to is the same everywhere.
    """

    aim: Aim = dataclasses.field(default_factory=Aim)
    effort: int = DEFAULT_EFFORT
    profile: str | None = None
    field: str | None = None
    settings: tuple[str, ...] = ()
    seed: int = 0
    verify: bool = True
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not 1 <= self.effort <= 9:
            raise UsageError(f"effort is {self.effort}, expected a whole number from 1 (fast) to 9 (small)")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}, expected a whole number >= 0")
        if self.profile is not None:
            PROFILES[self.profile]


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
    field: str | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    verify: bool = True,
    force: bool = False,
    kind: str | None = None,
    signal_options: Mapping[str, str] | None = None,
    device: str = "cpu",
    on_progress: OnProgress | None = None,
) -> Compressed:
    """Compress a picture, sound, shape or array, or a model of one, into an .inrz file.

    Args:
        source: a file, a loaded `Signal`, or a `Fit`; a file with suffix .safetensors is a model.
        out: where to write; by default nowhere, and the bytes are in what is returned.
        target_psnr_db: at least this quality in dB (sounds: SNR), in as few bytes as can be.
        bpp: at most so many bits per pixel, sample or element.
        size_bytes: at most so many bytes.
        quality: 0 to 100, on a scale that every profile fixes for itself.
        lambda_: the weight of the rate against the error, see `Aim`. Of these five at most one is given; none: quality
            50.
        effort: 1 (fast) to 9 (small).
        profile: "pyramid", "grids" or "weights"; by default what suits the kind.
        field: family, for the profiles that hold a field ("siren").
        settings: of that field (["width=64"]).
        seed: of everything random.
        verify: decode the file in a fresh process before it is written.
        force: replace `out` if it exists.
        kind: of the signal, where the suffix does not tell.
        signal_options: of the signal, as `load_signal` takes them.
        device: where an encoder that can trains, see `Request`.
        on_progress: called with how far the encoder is.

    Returns:
        A `Compressed`: `data`, `metrics` of what was decoded from them, `bpp`, and `outcome`, which says whether the
        aim was reached.

    Raises:
        UnreadableError: the source is missing or damaged.
        UsageError: a request that can not be met.
        FormatError: verification failed. Nothing is written in any of these cases.

    Examples:
        >>> import inr
        >>> made = inr.compress("photo.png", "photo.inrz", bpp=1.0, effort=1, verify=False)
        >>> made.profile, made.bpp <= 1.0, made.metrics["psnr_db"] > 15
        ('pyramid', True, True)
    """
    request = Request(
        Aim(target_psnr_db, bpp, size_bytes, quality, lambda_), effort, profile, field, tuple(settings), seed, verify,
        device,
    )  # fmt: skip
    path = None if out is None else Path(out)
    if path is not None:
        check_writable(path, force=force)
    subject = load(source, kind, signal_options)
    return compress_subject(subject, path, request, on_progress)


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is compressed. signal: what quality refers to. model: the fit, where it is one that is compressed."""

    signal: Signal
    model: Fit | None
    header: Header
    icc: bytes | None


def load(
    source: Signal | Fit | Source | str | Path, kind: str | None = None, options: Mapping[str, str] | None = None
) -> Subject:
    """A signal or a model, with the header that its file will have."""
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
    icc = source.meta.get("icc") if header.kind == "image" else None
    signal = source if isinstance(source, Signal) else teacher_of(source, source.source)
    return Subject(signal, model, header, None if icc is None else base64.b64decode(icc))


def compress_subject(
    subject: Subject, path: Path | None, request: Request, on_progress: OnProgress | None = None
) -> Compressed:
    """`compress`, once its arguments are understood."""
    started = time.perf_counter()
    aim = budgeted(request.aim, subject)
    name, profile, notes = choose(subject, request)
    if subject.model is None:
        payload = profile.encode(subject.signal, aim, request.effort, request.seed, on_progress)
    else:
        payload = profile.encode_model(subject.model, aim, request.effort, request.seed, on_progress)
    container = contain(subject, profile.number, payload)
    data = container.to_bytes()
    encoded = time.perf_counter()
    with _placed(path) as place:
        place.write_bytes(data)
        if request.verify:
            metrics = verify(place, subject.header, payload.symbols_sha256, subject.signal, subject.model is not None)
        else:
            decoded = decode(data)
            if decoded.symbols_sha256 != payload.symbols_sha256:
                raise FormatError("the file decodes to other symbols than were encoded", "this is a bug in inr")
            metrics = measure_decoded(decoded, subject.signal)
    return Compressed(
        data=data,
        header=subject.header,
        profile=name,
        metrics=metrics,
        sizes=Container.read(data).sizes,
        is_verified=request.verify,
        outcome="done" if is_reached(request.aim, subject, len(data), metrics) else "target_not_reached",
        headline=subject.signal.headline,
        notes=(*subject.signal.notes, *notes),
        seconds=encoded - started,
        verify_seconds=time.perf_counter() - encoded,
    )


def choose(subject: Subject, request: Request) -> tuple[str, Profile, tuple[str, ...]]:
    """The profile that was asked for, or the first of the preferred ones that has no reason against the subject."""
    model = subject.model
    has_field = request.field is not None or bool(request.settings)
    preferred = [n for n in PREFERRED.get(subject.header.kind, OTHERWISE) if n != "pyramid" or not has_field]
    names = preferred if request.profile is None else [request.profile]
    reasons: dict[str, str] = {}
    for name in names:
        if name not in PROFILES:
            continue
        profile = PROFILES[name]().with_settings(request.field, request.settings)
        profile.device = request.device if request.device.startswith("cuda") else "cpu"
        reason = profile.reason_against(subject.signal) if model is None else profile.reason_against_model(model)
        if reason is None:
            return name, profile, tuple(f"not profile {other}: {why}" for other, why in reasons.items())
        reasons[name] = reason
    raise UsageError(
        f"{subject.signal.name or subject.header.kind} can not be compressed: "
        + ("; ".join(f"not {name}: {why}" for name, why in reasons.items()) or "there is no profile for it")
    )


def budgeted(aim: Aim, subject: Subject) -> Aim:
    """The aim as profiles get it: bytes for their payload instead of bits per pixel or bytes of the file."""
    header = subject.header
    if aim.target_psnr_db is not None and not header.is_lattice:
        raise UsageError(
            f"a target PSNR has no meaning for a signal of kind {header.kind!r}", "use --size or --quality"
        )
    if aim.bpp is not None and not header.is_lattice:
        raise UsageError(f"bits per pixel have no meaning for a signal of kind {header.kind!r}", "use --size")
    size = size_aim(aim, header)
    if size is None:
        return aim
    left = size - (Container.of_size(header.to_bytes(), subject.icc, None, size) - size)
    if left < 1:
        raise UsageError(f"{size} bytes are not enough for any file of this signal", "ask for more")
    return Aim(size_bytes=left)


def size_aim(aim: Aim, header: Header) -> int | None:
    """Bytes that the file may have, where the aim is one of size."""
    return int(aim.bpp * header.n_samples / 8) if aim.bpp is not None else aim.size_bytes


def is_reached(aim: Aim, subject: Subject, n_bytes: int, metrics: Mapping[str, float]) -> bool:
    size = size_aim(aim, subject.header)
    if size is not None:
        return n_bytes <= size
    if aim.target_psnr_db is None:
        return True
    headline = subject.signal.headline
    return metrics[headline if headline.endswith("_db") else "psnr_db"] >= aim.target_psnr_db - SLACK_DB


def contain(subject: Subject, number: int, payload: Payload) -> Container:
    """The file of a payload."""
    header = subject.header.to_bytes()
    return Container(header, number, payload.arch, payload.table, payload.data, payload.symbols_sha256, subject.icc)


@contextlib.contextmanager
def _placed(path: Path | None) -> Iterator[Path]:
    """The file to write: beside its place, moved there when the block ends well; without a place, thrown away."""
    if path is not None:
        with atomic(path) as temporary:
            yield temporary
        return
    with tempfile.TemporaryDirectory(prefix="inr-") as folder:
        yield Path(folder) / "compressed.inrz"
