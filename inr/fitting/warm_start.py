"""Warm starts: a fit that begins at the parameters of another."""

from __future__ import annotations

from typing import Any

from torch import nn

from inr.core.errors import UsageError
from inr.fields import FieldConfig
from inr.fitting.result import Fit
from inr.fitting.run import Run

_HINT = "leave out `field` and its settings: the file brings its own"


def warm_start(run: Run, init: Fit, name: str = "") -> None:
    """Set a new run's parameters and buffers to those of `init`, a model or a learned initialisation.

    name: of the file, for messages and for the result's provenance.
    Raises UsageError when the families differ, or a tensor that they share in name differs in shape.
    """
    check_family(run.field.config, init, name)
    what = _called(name)
    own, given = run.field.state_dict(), init.field.state_dict()
    for key in [*own, *(k for k in given if k not in own)]:
        here = list(own[key].shape) if key in own else "nothing"
        there = list(given[key].shape) if key in given else "nothing"
        if here != there:
            raise UsageError(
                f"{what} does not fit: its tensor {key!r} is {there}, the fit needs {here}",
                f"it was made for {init.spec.d_in} coordinates and {init.spec.d_out} channels; {_HINT}",
            )
    modules: list[nn.Module] = [run.field] if run.average is None else [run.field, run.average]
    for module in modules:
        module.load_state_dict(given)
    run.provenance = {"init": origin(init, name)}


def check_family(field: FieldConfig, init: Fit, name: str = "") -> None:
    """Refuse an initialisation of another family, before a signal is loaded. Raises UsageError."""
    mine, theirs = field.type_name, init.field.config.type_name
    if mine != theirs:
        raise UsageError(f"{_called(name)} holds a {theirs!r} field, the fit is of a {mine!r} field", _HINT)


def _called(name: str) -> str:
    return repr(name) if name else "the initialisation"


def origin(fit: Fit, name: str) -> dict[str, Any]:
    """A model in a provenance: its file, family, signal, and quality."""
    document = fit.document()
    return {
        "file": name,
        "field": document["field"]["type"],
        "source": fit.source,
        "metrics": document["metrics"],
        **({"provenance": document["provenance"]} if fit.provenance else {}),
    }
