"""The log of a tracked fit (`NtkTracker`), as a model file holds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inr.core.errors import UsageError
from inr.fitting.model_file import read_header
from inr.signals import Source


@dataclass(frozen=True)
class TrackEntry:
    """One step of a run.

    band_residual: share of the target's energy that is left, by band. kappa: of the kernel, by band. cka: alignment of
    the kernel with the one at the start. sharpness, hessian, condition, kta, layers: see `NtkTracker`; nan and {} in
    logs of older versions.
    """

    step: int
    seconds: float
    loss: float
    cka: float
    band_residual: tuple[float, ...]
    kappa: tuple[float, ...]
    sharpness: float = math.nan
    hessian: float = math.nan
    condition: float = math.nan
    kta: float = math.nan
    layers: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Track:
    """entries: by step. edges: low and high end of every band in cycles per sample; () if the log has none."""

    entries: tuple[TrackEntry, ...]
    edges: tuple[tuple[float, float], ...]

    def ends(self, entry: TrackEntry) -> tuple[float, float]:
        """The share left of the lowest and of the highest band; nan if there are none."""
        known = [v for v in entry.band_residual if math.isfinite(v)]
        return (known[0], known[-1]) if known else (math.nan, math.nan)


def track_of(source: Source) -> Track:
    """The log in a model file. Raises UsageError if there is none, UnreadableError for a damaged file."""
    if source.suffix != ".safetensors":
        raise UsageError(
            f"{source.name!r} is not a model, but mode track shows the log in a model file",
            "inr fit IN --track-ntk -o MODEL, then inr ntk MODEL --mode track",
        )
    log = read_header(source)[0].get("ntk_track")
    if not log:
        raise UsageError(
            f"{source.name!r} has no log of its tangent kernel, expected a model fitted with `track_ntk`",
            "inr fit IN --track-ntk -o MODEL",
        )
    if not log["looks"]:
        raise UsageError(
            f"the log of the tangent kernel in {source.name!r} is empty, as the fit was too short",
            "use `fit.track_ntk=1` to allow more time",
        )
    return track_in(log)


def track_in(log: Mapping[str, Any]) -> Track:
    """The log in `Fit.ntk_track`."""
    return Track(tuple(map(_entry, log["looks"])), tuple((float(a), float(b)) for a, b in log.get("edges", ())))


def _entry(row: dict[str, Any]) -> TrackEntry:
    return TrackEntry(
        int(row["step"]),
        _number(row.get("seconds")),
        _number(row.get("loss")),
        _number(row.get("cka")),
        tuple(map(_number, row.get("band_residual") or ())),
        tuple(map(_number, row.get("kappa") or ())),
        _number(row.get("sharpness")),
        _number(row.get("hessian")),
        _number(row.get("condition")),
        _number(row.get("kta")),
        {str(name): _number(share) for name, share in (row.get("layers") or {}).items()},
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
