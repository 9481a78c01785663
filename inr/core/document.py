"""Validation of the JSON document of a model or checkpoint file before it is used.

This module checks types, ranges and lengths; `inr.signals._described` checks the parts for each kind of signal, and the
settings check themselves. Does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from inr.core.errors import UnreadableError
from inr.core.rules import Rule, depth_of, finite, items, number, one_of, or_none, positive, shown, table, text, whole

MODEL_FORMAT = "inr-model"
CHECKPOINT_FORMAT = "inr-checkpoint"
ENCODING_FORMAT = "inr-encoding"
"""Checkpoints of `inr compress`."""
CHECKPOINT_NAME = "checkpoint.safetensors"
"""The file in the folder of a checkpoint."""
MAX_DEPTH = 100
MAX_D_IN = 16
MAX_D_OUT = 2**16
MAX_SIDE = 2**40

_SHOWN = 3


def _origin(value: Any, where: str) -> Iterator[str]:
    """Problems of the description of a source model; `provenance` is recursive."""
    return _ORIGIN(value, where)


_NAME = text(2**12)
_PROVENANCE = table(
    optional={
        "distilled_from": _origin,
        "combined": items(_origin),
        "init": _origin,
        "learned": table({"method": _NAME, "n_signals": whole()}),
    }
)
_ORIGIN = table({"file": _NAME, "field": _NAME, "source": _NAME}, {"provenance": _PROVENANCE})
_LOOK = table(
    {"step": whole()},
    {
        "seconds": or_none(finite()),
        "loss": or_none(finite()),
        "cka": or_none(finite()),
        "band_residual": or_none(items(or_none(finite()))),
        "kappa": or_none(items(or_none(finite()))),
    },
)
_FIT = {"seed": whole(), "lr": finite(), "batch": whole(1)}

_MODEL: dict[str, Rule] = {
    "field": table({"type": _NAME}),
    "spec": table(
        {
            "kind": _NAME,
            "d_in": whole(1, MAX_D_IN),
            "d_out": whole(1, MAX_D_OUT),
            "shape": or_none(items(whole(1, MAX_SIDE), 1, MAX_D_IN)),
        }
    ),
    "frame": table(
        {
            "domain": table(
                {
                    "low": items(number(), 1, MAX_D_IN),
                    "high": items(number(), 1, MAX_D_IN),
                    "axes": items(text(64), 1, MAX_D_IN),
                    "unit": text(64),
                }
            ),
            "offset": items(number(), 1, MAX_D_OUT),
            "scale": items(positive(), 1, MAX_D_OUT),
        },
        {"softening": positive()},
    ),
    "meta": table(),
    "fit": table(_FIT),
    "source": text(),
    "metrics": table(others=or_none(finite())),
    "steps": whole(),
    "outcome": one_of("done", "target_not_reached", "diverged", "interrupted"),
    "made_by": table(others=_NAME),
}
_MORE: dict[str, Rule] = {
    "sha256": text(64),
    "provenance": _PROVENANCE,
    "ntk_track": or_none(
        table({"looks": items(_LOOK)}, {"edges": items(items(finite(), 2, 2)), "seconds": finite(), "stopped": _NAME})
    ),
    "round_db": or_none(finite()),
    "curve": table({"step": items(whole()), "loss": items(finite()), "psnr_db": items(or_none(finite()))}),
}
_RUN: dict[str, Rule] = {
    "step": whole(),
    "seconds": number(0),
    "smooth_loss": finite(),
    "optimizer": text(2**24),
    "signal": text(128),
}
_ENCODING: dict[str, Rule] = {
    "settings": table(),
    "state": table(),
    "signal": text(128),
    "source": text(),
    "step": whole(),
    "seconds": number(0),
    "outcome": one_of("done", "interrupted"),
    "made_by": table(others=_NAME),
}
RULES: Mapping[str, Rule] = {
    MODEL_FORMAT: table(_MODEL, _MORE),
    CHECKPOINT_FORMAT: table(_MODEL | _RUN, _MORE),
    ENCODING_FORMAT: table(_ENCODING, {"sha256": text(64)}),
}


def check_document(document: Any, name: str) -> None:
    """Raise UnreadableError for a document of unknown format or with invalid values. name: name of the file."""
    found = document.get("format") if isinstance(document, dict) else None
    if not isinstance(found, str) or found not in RULES:
        raise UnreadableError(f"{name!r} is a file of format {shown(found)}, expected one of {', '.join(RULES)}")
    if depth_of(document, MAX_DEPTH) > MAX_DEPTH:
        raise damaged(name, [f"tables are nested more than {MAX_DEPTH} levels deep"])
    problems = list(islice(RULES[found](document, ""), 100))
    if not problems and found != ENCODING_FORMAT:
        problems = list(_inconsistent(document))
    if problems:
        raise damaged(name, problems)


def damaged(name: str, problems: list[str]) -> UnreadableError:
    """The error for a file with an invalid document."""
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return UnreadableError(
        f"{name!r} has an invalid header: {'; '.join(problems[:_SHOWN])}{more}",
        "the file is damaged or was written by a newer version: copy it again, or update inr",
    )


def _inconsistent(document: Mapping[str, Any]) -> Iterator[str]:
    """Problems of parts of a document that contradict each other."""
    spec, frame = document["spec"], document["frame"]
    domain = frame["domain"]
    counts = {
        "frame.domain.low": (domain["low"], spec["d_in"]),
        "frame.domain.high": (domain["high"], spec["d_in"]),
        "frame.domain.axes": (domain["axes"], spec["d_in"]),
        "frame.offset": (frame["offset"], spec["d_out"]),
        "frame.scale": (frame["scale"], spec["d_out"]),
    }
    if spec["shape"] is not None:
        counts["spec.shape"] = (spec["shape"], spec["d_in"])
    for where, (values, expected) in counts.items():
        if len(values) != expected:
            yield f"{where} has {len(values)} values, expected {expected}"
    for low, high in zip(domain["low"], domain["high"], strict=False):
        if not low < high:
            yield f"frame.domain has low {low:g} and high {high:g}, expected low < high"
    curve = document.get("curve")
    if curve is not None and not len(curve["step"]) == len(curve["loss"]) == len(curve["psnr_db"]):
        yield "the columns of the curve differ in length"
