"""Fit: a fitted field together with what it was fitted to, which is what is saved, rendered and meshed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from inr._config import parse
from inr._domain import Frame, Grid, Spec
from inr._errors import InrError, UnreadableError
from inr._files import atomic
from inr.fields import Field, FieldConfig
from inr.fitting._curve import Curve
from inr.fitting._file import load_into, read, read_header, to_bytes
from inr.fitting._settings import FitConfig
from inr.signals import SIGNALS, Signal, Source, View
from inr.signals._signal import Values

EVALUATION_CHUNK = 1 << 15
PART_VALUES = 2**24

Outcome = Literal["done", "target_not_reached", "diverged", "interrupted"]


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fitted field. Called with coordinates of the unit box [N, D], it gives values in the signal's units [N, C].

    field: the torch module, unit box to training values, in eval mode. spec, frame, kind, meta: of the signal.
    settings: of the fit. source: name of the signal's file. metrics: quality against the signal, of what `render`
    writes. steps: taken. outcome: how the run ended. seconds: its length (not stored in files, so that equal fits are
    equal bytes).
    provenance: JSON, how the field came about where it was not fitted to a signal alone: distilled from another
    model ("distilled_from"), started from one ("init"), or learned as a start for others ("learned").
    ntk_track: JSON, what looks at the tangent kernel saw during the fit (`NtkTracker.document`); None: there were none.
    curve: of the loss during the fit; empty where there were no steps.
    """

    FORMAT: ClassVar[str] = "inr-model"

    field: Field
    spec: Spec
    frame: Frame
    meta: Mapping[str, Any]
    settings: FitConfig
    source: str = ""
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    steps: int = 0
    outcome: Outcome = "done"
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ntk_track: Mapping[str, Any] | None = None
    curve: Curve = dataclasses.field(default_factory=Curve)

    def __post_init__(self) -> None:
        self.field.eval()

    @property
    def kind(self) -> type[Signal]:
        return SIGNALS[self.spec.kind]

    def __call__(self, x: Tensor) -> Tensor:
        """Unit-box coordinates [N, D] to values in the signal's units [N, C], without gradient, in chunks."""
        device = next(self.field.parameters()).device
        with torch.inference_mode():
            parts = [self.frame.from_field(self.field(c.to(device))).cpu() for c in torch.split(x, EVALUATION_CHUNK)]
        return torch.cat(parts) if parts else x.new_empty(0, self.frame.d_out)

    def render(
        self,
        view: View | None = None,
        *,
        scale: float | None = None,
        size: Sequence[int] | None = None,
        crop: Sequence[float] | None = None,
        rate_hz: float | None = None,
    ) -> tuple[Values, dict[str, Any]]:
        """Values on the lattice that is asked for, by default the signal's own.

        Args:
            view: all of the following in one; what is given beside it replaces its part.
            scale: factor on the number of samples per axis.
            size: samples per coordinate (pictures: width, height).
            crop: low corner, then size, in the signal's units (pictures: x, y, width, height in pixels; sound: start
                and duration in seconds).
            rate_hz: of sound.

        Returns:
            Values [*shape, C] in the signal's units (pictures: height, width, channels in [0, 1] but for overshoot),
            and the metadata that its kind's `write` takes.

        Raises:
            UsageError: an option that means nothing for this kind of signal.

        Examples:
            >>> import inr
            >>> fit = inr.fit("photo.png", settings={"steps": 20})
            >>> fit.render(scale=0.5)[0].shape
            (32, 48, 3)
            >>> fit.render(crop=(10, 10, 20, 20), size=(200, 200))[0].shape
            (200, 200, 3)
        """
        given: dict[str, Any] = {"scale": scale, "rate_hz": rate_hz}
        given |= {key: None if value is None else tuple(value) for key, value in (("size", size), ("crop", crop))}
        asked = {key: value for key, value in given.items() if value is not None}
        view = dataclasses.replace(view or View(), **asked)
        grid, meta = self.kind.grid(self.spec, self.frame, self.meta, view)
        out = torch.empty(grid.size, self.frame.d_out)
        for start in range(0, grid.size, EVALUATION_CHUNK):
            index = torch.arange(start, min(start + EVALUATION_CHUNK, grid.size))
            out[index] = self(grid.points(index))
        return out.reshape(*grid.shape, -1).numpy(), meta

    def parts(self, view: View | None = None) -> tuple[Iterator[Values], Grid, dict[str, Any]]:
        """What `render` returns, as bands [n, *shape[1:], C] along the first array axis, in order, each made when it is
        asked for; the lattice, and the metadata. A band has 2^24 values at most (but one row always)."""
        grid, meta = self.kind.grid(self.spec, self.frame, self.meta, view or View())
        per_row = grid.size // grid.shape[0]
        n_rows = max(1, PART_VALUES // (per_row * self.frame.d_out))

        def bands() -> Iterator[Values]:
            for first in range(0, grid.shape[0], n_rows):
                last = min(first + n_rows, grid.shape[0])
                out = torch.empty((last - first) * per_row, self.frame.d_out)
                for start in range(0, len(out), EVALUATION_CHUNK):
                    stop = min(start + EVALUATION_CHUNK, len(out))
                    index = torch.arange(start, stop) + first * per_row
                    out[start:stop] = self(grid.points(index))
                yield out.reshape(last - first, *grid.shape[1:], -1).numpy()

        return bands(), grid, meta

    def document(self) -> dict[str, Any]:
        """What the file says of itself, beside the tensors."""
        document = {
            "format": self.FORMAT,
            "field": self.field.config.to_json(),
            "spec": dataclasses.asdict(self.spec),
            "frame": self.frame.to_json(),
            "meta": dict(self.meta),
            "fit": self.settings.to_json(),
            "source": self.source,
            "metrics": {k: v if math.isfinite(v) else None for k, v in self.metrics.items()},
            "steps": self.steps,
            "outcome": self.outcome,
            "made_by": {"inr": _version(), "torch": torch.__version__.split("+")[0]},
        }
        if self.provenance:
            document["provenance"] = dict(self.provenance)
        if self.ntk_track is not None:
            document["ntk_track"] = dict(self.ntk_track)
        if len(self.curve):
            document["curve"] = self.curve.document()
        return document

    def to_bytes(self) -> bytes:
        """The model file's bytes."""
        return to_bytes(self.field.state_dict(), self.document())

    def save(self, path: str | Path) -> None:
        """Write the model file, atomically. Raises UsageError when the place is not writable."""
        data = self.to_bytes()
        with atomic(Path(path)) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, source: Source | str | Path) -> Self:
        """Read a model file. Raises UnreadableError when it is none, or damaged, or made by a newer format."""
        if not isinstance(source, Source):
            source = Source.of(source)
        document, _ = read_header(source)
        check_format(document, cls.FORMAT, source.name)
        document, tensors = read(source)
        with understanding(source.name):
            spec, _, config = parse_model(document)
            return cls.of_document(document, build_field(config, spec, tensors, source.name))

    @classmethod
    def of_document(cls, document: Mapping[str, Any], field: Field) -> Self:
        """The fit that a `document` describes, with its field; use within `understanding`."""
        spec, frame, _ = parse_model(document)
        return cls(
            field=field,
            spec=spec,
            frame=frame,
            meta=dict(document["meta"]),
            settings=parse(FitConfig, document["fit"], "fit"),
            source=str(document["source"]),
            metrics={k: math.nan if v is None else float(v) for k, v in document["metrics"].items()},
            steps=int(document["steps"]),
            outcome=document["outcome"],
            provenance=dict(document.get("provenance", {})),
            ntk_track=dict(document["ntk_track"]) if "ntk_track" in document else None,
            curve=Curve.of_document(document["curve"]) if "curve" in document else Curve(),
        )


@contextlib.contextmanager
def understanding(name: str) -> Iterator[None]:
    """Turn whatever a damaged or foreign document leads to into one UnreadableError that names the file."""
    try:
        yield
    except UnreadableError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, InrError) as error:
        reason = error.message if isinstance(error, InrError) else f"{type(error).__name__}: {error}".splitlines()[0]
        raise UnreadableError(f"{name!r} holds settings that are not understood: {reason}", "update inr") from error


def check_format(document: Mapping[str, Any], expected: str, name: str) -> None:
    found = document.get("format")
    if found != expected:
        raise UnreadableError(f"{name!r} is a file of format {found!r}, expected {expected!r}")


def parse_model(document: Mapping[str, Any]) -> tuple[Spec, Frame, FieldConfig]:
    """The signal's spec and frame and the field's config, out of a file's document; use within `understanding`."""
    spec_document = dict(document["spec"])
    shape = spec_document.pop("shape")
    spec = Spec(**spec_document, shape=None if shape is None else tuple(shape))
    frame = Frame.from_json(document["frame"])
    if (spec.d_in, spec.d_out) != (frame.d_in, frame.d_out):
        raise ValueError("spec and frame have different dimensions")
    if spec.kind not in SIGNALS:
        raise ValueError(f"unknown signal kind {spec.kind!r}")
    return spec, frame, parse(FieldConfig, document["field"], "field")


def build_field(config: FieldConfig, spec: Spec, tensors: Mapping[str, Tensor], name: str) -> Field:
    """The field of a config with the given tensors; shapes are checked before memory is taken."""
    with torch.device("meta"):
        outline = config.build(spec, torch.Generator())
    expected = sum(t.numel() for t in outline.state_dict().values())
    if expected != sum(t.numel() for t in tensors.values()):
        load_into(outline, tensors, name)
    field = config.build(spec, torch.Generator())
    load_into(field, tensors, name)
    return field


def fingerprint(signal: Signal) -> str:
    """A digest of a signal's frame and of a sample of its values, to recognise it when a run is resumed."""
    pool = signal.pool(torch.Generator().manual_seed(0))
    n = 65536 if signal.tile is None else 64  # each may be another block to read
    index = torch.arange(0, pool.size, max(1, pool.size // n))
    batch = pool.batch(index)
    digest = hashlib.sha256(repr((signal.spec, signal.frame.to_json())).encode())
    digest.update(batch.x.numpy().tobytes())
    digest.update(batch.y.numpy().tobytes())
    return digest.hexdigest()


def _version() -> str:
    from inr import __version__

    return __version__
