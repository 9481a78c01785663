"""`inr eval`: quality of fitted fields against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import InrError, UsageError
from inr.core.text import printable

from . import _options as options
from ._io import PIPE, source
from ._machine import machine
from ._output import Output, say

if TYPE_CHECKING:
    from torch import Tensor

    from inr.codec.decoded import Decoded
    from inr.fitting import Fit
    from inr.signals import Signal


def evaluate(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Files written by inr fit or inr compress.")],
    reference: Annotated[str, typer.Argument(metavar="REF", help="The signal to compare with; - reads stdin.")],
    kind: options.Kind = None,
    settings: options.SignalSettings = None,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Measure fitted fields and compressed files against a reference.

    Measures the output of inr render: values are clipped, and rounded to the reference's bits. For shapes also the
    mesh: chamfer and hausdorff distance, normal consistency, F-score at 1 % of the size; the IoU of 15
    cross-sections; and by how much sharp edges are rounded. For open surfaces (--kind unsigned) the distance between
    the boundaries.

    \b
    inr eval photo.safetensors photo.png
    inr eval siren.safetensors hash_grid.safetensors photo.png --json
    inr eval photo.inrz photo.png
    """
    out = Output(as_json, is_quiet, verbosity)
    if reference == PIPE and PIPE in models:
        raise UsageError("MODEL and REF are both -, expected one of them")
    worst = 0
    rows: list[dict[str, Any]] = []
    with machine(device, threads, backend) as chosen:
        from inr.signals import load_signal

        signal = load_signal(source(reference), kind, options.signal_options(settings))
        out.notes(signal.notes)
        for name in models:
            try:
                rows.append(_row(name, signal, chosen, has_surface=as_json or not is_quiet))
            except InrError as error:
                out.error(error)
                worst = max(worst, error.exit_code)
    if as_json:
        out.result("eval", {"reference": reference, "models": rows}, "", "")
    elif is_quiet:
        for row in rows:
            say(f"{row['metrics'][signal.headline]:.6g}")
    elif rows:
        _print_table(out, rows)
    if worst:
        raise typer.Exit(worst)


def _row(name: str, signal: Signal, device: Any, *, has_surface: bool) -> dict[str, Any]:
    from inr.fitting import Fit

    given = source(name)
    if given.is_compressed:
        from inr.codec.decode import decompress
        from inr.codec.decoded import FieldDecoded

        decoded = decompress(given)
        if not isinstance(decoded, FieldDecoded):
            return _row_of_values(name, decoded, signal)
        fit = decoded.fit()
    else:
        fit = Fit.load(given)
    fit.field.to(device)
    return _row_of_fit(name, fit, signal, has_surface=has_surface)


def _row_of_values(name: str, decoded: Decoded, signal: Signal) -> dict[str, Any]:
    from inr.signals import Lattice

    header = decoded.header
    given, expected = [*header.shape, header.channels], [*(signal.spec.shape or ()), signal.spec.d_out]
    if not isinstance(signal, Lattice) or (header.kind, given) != (signal.spec.kind, expected):
        raise UsageError(
            f"{name!r} holds a signal of kind {header.kind!r} with {_by(given)} values, "
            f"the reference is of kind {signal.spec.kind!r} with {_by(expected)}",
            "compare a compressed file with the signal that it was made from",
        )
    metrics = signal.measure(decoded.bands())
    return {"model": name, "field": decoded.profile, "metrics": metrics, "n_params": None, "steps": None}


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _row_of_fit(name: str, fit: Fit, signal: Signal, *, has_surface: bool) -> dict[str, Any]:
    from inr.mesh.surface_metrics import sheet_metrics, surface_metrics
    from inr.signals.solids.solid_signal import SolidSignal
    from inr.signals.unsigned import Unsigned

    if fit.spec.quantity != signal.spec.quantity:
        raise UsageError(
            f"{name!r} is a model of kind {fit.spec.kind!r}, the reference is of kind {signal.spec.kind!r}",
            "compare a model with the kind of signal it was fitted to; --kind says what the reference is read as",
        )
    if (fit.spec.d_in, fit.spec.d_out) != (signal.spec.d_in, signal.spec.d_out):
        raise UsageError(
            f"{name!r} goes from {fit.spec.d_in} coordinates to {fit.spec.d_out} channels, "
            f"the reference from {signal.spec.d_in} to {signal.spec.d_out}",
            "compare a model with the kind of signal it was fitted to",
        )
    evaluate = _in_units_of(signal, fit)
    metrics = signal.metrics(evaluate)
    if has_surface and isinstance(signal, SolidSignal):
        metrics = {**metrics, **surface_metrics(signal, fit, evaluate), **metrics}  # slice_iou of slices is their own
    if has_surface and isinstance(signal, Unsigned):
        metrics |= sheet_metrics(signal, fit)
    return {
        "model": name,
        "field": fit.field.config.type_name,
        "metrics": metrics,
        "n_params": fit.field.n_params,
        "steps": fit.steps,
    }


def _in_units_of(signal: Signal, fit: Fit) -> Any:
    """The fit as a function on the reference's unit box. Lattices correspond box to box, whatever their size; shapes
    correspond in their units, whatever box was put around each."""
    if signal.spec.shape is not None or signal.frame.domain == fit.frame.domain:
        return fit

    def evaluate(x: Tensor) -> Tensor:
        # in double precision, since units may lie far from their origin
        return fit(fit.frame.domain.to_unit(signal.frame.domain.from_unit(x.double())).to(x))

    return evaluate


def _print_table(out: Output, rows: list[dict[str, Any]]) -> None:
    metrics = list(rows[0]["metrics"])
    columns = ["model", "field", "parameters", *metrics]
    out.table(
        columns,
        [
            [
                printable(row["model"]),
                row["field"],
                "" if row["n_params"] is None else f"{row['n_params']:,}",
                *(f"{row['metrics'][m]:.5g}" for m in metrics),
            ]
            for row in rows
        ],
        right=columns[2:],
    )
