"""Fit: a fitted field together with what it was fitted to; it is saved, rendered and meshed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from inr._version import __version__
from inr.core.config import parse
from inr.core.document import MODEL_FORMAT
from inr.core.domain import Frame, Spec, on_device
from inr.core.errors import UsageError
from inr.core.files import write_file
from inr.core.text import finite_json
from inr.fields import Field
from inr.fitting.curve import Curve
from inr.fitting.half import is_exact
from inr.fitting.model_file import (
    build_field,
    check_finite,
    check_format,
    parse_model,
    read,
    read_header,
    to_bytes,
    unreadable_if_invalid,
)
from inr.fitting.settings import FitConfig
from inr.signals import SIGNALS, Signal, Source, Values, View, evaluate_bands, evaluate_grid
from inr.signals.files.bands import Bands

EVALUATION_CHUNK = 1 << 15

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
    ntk_track: JSON, measurements of the tangent kernel during the fit (`NtkTracker.document`); None: not tracked.
    curve: of the loss during the fit; empty where there were no steps.
    """

    FORMAT: ClassVar[str] = MODEL_FORMAT

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
            chunks = (on_device(c, device) for c in torch.split(x, EVALUATION_CHUNK))
            parts = [self.frame.from_field(self.field(c)).cpu() for c in chunks]
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
        """Values on a lattice, by default the signal's own.

        Args:
            view: all of the following in one; the others, where given, replace its parts.
            scale: factor on the number of samples per axis.
            size: samples per coordinate (pictures: width, height).
            crop: low corner, then size, in the signal's units (pictures: x, y, width, height in pixels; sound: start
                and duration in seconds).
            rate_hz: of sound.

        Returns:
            Values [*shape, C] in the signal's units (pictures: height, width, channels in [0, 1] but for overshoot),
            and the metadata that its kind's `write` takes.

        Raises:
            UsageError: an option that this kind of signal does not have.

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
        return evaluate_grid(self, grid, self.frame.d_out), meta

    def bands(self, view: View | None = None) -> tuple[Bands, dict[str, Any]]:
        """What `render` returns in bands, each evaluated when it is read, without the axes that slices remove; and the
        metadata. They are what `write_bands` of its kind takes."""
        grid, meta = self.kind.grid(self.spec, self.frame, self.meta, view or View())
        sliced = meta.get("sliced", ())
        shape = tuple(n for axis, n in enumerate(grid.shape) if axis not in sliced)
        return evaluate_bands(self, grid, self.frame.d_out, shape), meta

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the picture or the sound, and the fit in a line. include, exclude: not used."""
        from inr.fitting.notebook import mimebundle

        return mimebundle(self)

    def document(self) -> dict[str, Any]:
        """The JSON document of the model file, next to its tensors."""
        document = {
            "format": self.FORMAT,
            "field": self.field.config.to_json(),
            "spec": dataclasses.asdict(self.spec),
            "frame": self.frame.to_json(),
            "meta": dict(self.meta),
            "fit": self.settings.to_json(),
            "source": self.source,
            "metrics": finite_json(self.metrics),
            "steps": self.steps,
            "outcome": self.outcome,
            "made_by": {"inr": __version__, "torch": torch.__version__.split("+")[0]},
        }
        if self.provenance:
            document["provenance"] = dict(self.provenance)
        if self.ntk_track is not None:
            document["ntk_track"] = dict(self.ntk_track)
        if len(self.curve):
            document["curve"] = self.curve.document()
        return document

    def to_bytes(self) -> bytes:
        """The model file's bytes, with 16 bits per parameter where they hold all of them exactly.

        Raises UsageError for metadata that no signal of the kind can have."""
        problems = list(self.kind.described.problems(self.spec, self.meta))
        if problems:
            raise UsageError(f"the fit's metadata is not valid: {'; '.join(problems[:3])}")
        tensors: Mapping[str, Tensor] = self.field.state_dict()
        if self.settings.dtype != "float32" and is_exact(tensors):
            tensors = {name: tensor.half() for name, tensor in tensors.items()}
        return to_bytes(tensors, self.document())

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; an existing file is replaced.

        Raises UsageError when the place is not writable, UnavailableError when the disk is full.
        """
        write_file(Path(path), self.to_bytes(), force=True)

    @classmethod
    def load(cls, source: Source | str | Path) -> Self:
        """Read a model file. Raises UnreadableError for any other file, a damaged one, or one of a newer format."""
        source = Source.of(source)
        document, _ = read_header(source)
        check_format(document, cls.FORMAT, source.name)
        document, tensors = read(source)
        with unreadable_if_invalid(source.name):
            spec, _, config = parse_model(document, source.name)
            field = build_field(config, spec, tensors, source.name)
            check_finite(field, source.name)
            return cls.of_document(document, field, source.name)

    @classmethod
    def of_document(cls, document: Mapping[str, Any], field: Field, name: str) -> Self:
        """The fit that a checked `document` describes, with its field; call it within `unreadable_if_invalid`."""
        spec, frame, _ = parse_model(document, name)
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
            ntk_track=dict(document["ntk_track"]) if document.get("ntk_track") is not None else None,
            curve=Curve.of_document(document["curve"]) if "curve" in document else Curve(),
        )
