"""The JSON document of a report, written and read.

This is version 1. Within a version, keys are added but never changed or removed. Numbers that do not exist are null.

    inr_ntk            1
    mode               "quick" or "full"
    field, signal      names; state: "start" or "trained"; rehearsed: steps of training that the kernel has seen
    n, p, o            points of the kernel's matrix, parameters, channels; loss_convention "mean": L = |r|^2 / (n o)
    dtype, chunk       type that the matrix was computed in, and points per pass through the field
    steps, lr, batch, optimizer    the run that is forecast
    trace, lambda_max, lambda_min_over_max, noise_floor_index    of the matrix; spectrum: its eigenvalues over n
    eff_rank           entropy, participation, stable, numerical
    effective_dimension    modes that the run follows under gradient descent at half its largest stable rate
    condition          trace, target: lambda_1 over the eigenvalue at which 99 % of it is reached
    kta, cka_target, lga    alignment with the target
    energy             its cumulative energy by mode; energy90_index, top10_energy: of it
    power_laws         capacity, tail (exponents over the mode's number), fit_of_values, fit_of_target (R^2), or null
    cka_init, drift    against the kernel at the start: relative, rotation, trace_ratio, overlap
    wide               cka and trace_ratio to the infinite-width kernel, or why: the reason why there is none;
                       nngp_left, ntk_left (shares of the target left at other samples by both posteriors from
                       `points` samples), gap (mean square between the NNGP's and the field, over the target's)
    bands              rho, low, high (cycles per sample), count, kappa, kappa_error, kappa_adam, tau_steps (gradient
                       descent at half its largest stable rate), target_energy, residual_energy (now, of the target's),
                       left_gd, left_adam (forecast after the run, of the target's), half_step (Adam), is_learned,
                       left_low, left_high (9 of 10 such intervals held in runs that were fitted)
    rehearsal          share of the run's samples, batches, steps, left (forecast by step and band), seconds, right,
                       said (bands that such forecasts called not learned: that were not, and all), fit_seconds (of
                       the whole fit, from its first steps), flow (left after the last step by the flow along the
                       rehearsal's kernels alone, by band; empty: none), or null
    is_followed        whether left_adam is of a run followed in the residual's Krylov space; else: one rate per band
    centroid, roll_off      of the target, and where kappa is 20 dB below its largest, in cycles per sample
    sharpness, two_over_lr  of the kernel for gradient descent
    stable_lr          half of gradient descent's largest stable rate
    per_layer_trace    shares, by layer
    convergence        optimizer, lr, steps, predicted, actual (losses), by octave of eigenvalues: octaves
    training_jacobian  singular values of d theta_T / d theta_0, for small fields in mode full
    curvature          n points; gauss_newton, hessian: values and weights of their spectral densities (mode full), or
                       null
    trials             settings that were tried: setting, unlearned, limit_db (null if rehearsed), gain_db; best first
    verdict            unlearned (share of the target's energy without its mean), from_rho, psnr_limit_db, is_reliable
                       (else the kernel changed, and unlearned is about an upper bound), sentences
                       [{rule, text, because, source}]
    warnings, seconds  lines; time by part
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from inr.core.errors import UnreadableError
from inr.core.text import finite_json
from inr.ntk.kernel.units import ROWS
from inr.ntk.report import (
    Band,
    Convergence,
    Curvature,
    Finding,
    Masses,
    Modes,
    Octave,
    Rehearsal,
    Report,
    Trial,
    Verdict,
    Wide,
)
from inr.ntk.spectra.alignment import Drift
from inr.ntk.spectra.power_laws import PowerLaws
from inr.ntk.spectra.spectrum import Ranks

D = TypeVar("D")

VERSION = 1
SHOWN_VALUES = 256
"""Entries of curves over modes in a document, spaced evenly in the logarithm of the index."""


def document_of(report: Report) -> dict[str, Any]:
    """The JSON document described in the module; numbers that are not finite are None."""
    m = report.modes
    shown = shown_indices(len(m.values))
    whole = {
        "inr_ntk": VERSION,
        "mode": report.mode,
        "field": report.field,
        "signal": report.signal,
        "state": report.state,
        "rehearsed": report.rehearsed,
        "is_linear": report.is_linear,
        "is_followed": report.is_followed,
        "n": m.n,
        "p": report.n_params,
        "o": report.n_channels,
        "loss_convention": "mean",
        "dtype": "float64",
        "chunk": ROWS,
        "steps": report.steps,
        "lr": report.lr,
        "batch": report.batch,
        "optimizer": report.optimizer,
        "trace": m.trace,
        "lambda_max": m.largest,
        "lambda_min_over_max": m.least,
        "noise_floor_index": m.floor_index,
        "spectrum": {"index": [m.at[i] for i in shown], "value": [m.values[i] for i in shown]},
        "eff_rank": dataclasses.asdict(m.ranks),
        "condition": {"trace": m.condition_trace, "target": m.condition_target},
        "kta": m.kta,
        "cka_target": m.cka_target,
        "lga": m.lga,
        "energy": {"index": [m.at[i] for i in shown], "value": [m.energy[i] for i in shown]},
        "energy90_index": m.energy90,
        "top10_energy": m.top10,
        "effective_dimension": m.dimension,
        "power_laws": None if m.laws is None else dataclasses.asdict(m.laws),
        "cka_init": report.cka_init,
        "drift": None if report.drift is None else dataclasses.asdict(report.drift),
        "wide": dataclasses.asdict(report.wide),
        "bands": [{"rho": b.rho, **dataclasses.asdict(b), "is_learned": b.is_learned} for b in report.bands],
        "centroid": report.centroid,
        "roll_off": report.roll_off,
        "sharpness": report.sharpness,
        "two_over_lr": 2 / report.lr,
        "stable_lr": report.stable_lr,
        "per_layer_trace": dict(report.layers),
        "convergence": [{**dataclasses.asdict(c), "error": c.error} for c in report.convergence],
        "training_jacobian": list(report.training_jacobian),
        "curvature": None if report.curvature is None else dataclasses.asdict(report.curvature),
        "trials": [dataclasses.asdict(t) for t in report.trials],
        "rehearsal": None if report.rehearsal is None else dataclasses.asdict(report.rehearsal),
        "verdict": {
            "unlearned": report.verdict.unlearned,
            "from_rho": report.verdict.from_rho,
            "psnr_limit_db": report.verdict.psnr_limit,
            "is_reliable": report.verdict.is_reliable,
            "sentences": [dataclasses.asdict(f) for f in report.verdict.findings],
        },
        "warnings": list(report.warnings),
        "seconds": dict(report.seconds),
    }
    finite: dict[str, Any] = finite_json(whole)
    return finite


def report_of(document: Mapping[str, Any], name: str) -> Report:
    """The report of a document: `document_of` gives the same document again. name: of the file, for messages.

    Raises UnreadableError for other documents, and for other versions.
    """
    if document.get("inr_ntk") != VERSION:
        raise UnreadableError(
            f"{name!r} is not a report of the tangent kernel", "expected JSON written by `inr ntk --json`"
        )
    try:
        return _report(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(f"cannot read the tangent kernel's report in {name!r}: {error}", "update inr") from error


def _report(d: Mapping[str, Any]) -> Report:
    verdict = d["verdict"]
    modes = Modes(
        n=int(d["n"]),
        trace=_number(d["trace"]),
        largest=_number(d["lambda_max"]),
        least=_number(d["lambda_min_over_max"]),
        floor_index=int(d["noise_floor_index"]),
        values=_numbers(d["spectrum"]["value"]),
        energy=_numbers(d["energy"]["value"]),
        ranks=_of(Ranks, d["eff_rank"]),
        condition_trace=_number(d["condition"]["trace"]),
        condition_target=_number(d["condition"]["target"]),
        kta=_number(d["kta"]),
        cka_target=_number(d["cka_target"]),
        lga=_number(d["lga"]),
        energy90=int(d["energy90_index"]),
        top10=_number(d["top10_energy"]),
        index=tuple(map(int, d["spectrum"]["index"])),
        dimension=_number(d.get("effective_dimension")),
        laws=None if d.get("power_laws") is None else _of(PowerLaws, d["power_laws"]),
    )
    return Report(
        mode=str(d["mode"]),
        field=str(d["field"]),
        signal=str(d["signal"]),
        state=str(d["state"]),
        rehearsed=int(d["rehearsed"]),
        n_params=int(d["p"]),
        n_channels=int(d["o"]),
        steps=int(d["steps"]),
        lr=_number(d["lr"]),
        batch=int(d["batch"]),
        optimizer=str(d["optimizer"]),
        modes=modes,
        layers={str(k): _number(v) for k, v in d["per_layer_trace"].items()},
        bands=tuple(_of(Band, b) for b in d["bands"]),
        centroid=_number(d["centroid"]),
        roll_off=None if d["roll_off"] is None else float(d["roll_off"]),
        sharpness=_number(d["sharpness"]),
        stable_lr=_number(d["stable_lr"]),
        cka_init=_number(d["cka_init"]),
        drift=None if d["drift"] is None else _of(Drift, d["drift"]),
        wide=_of(Wide, d["wide"]),
        is_linear=bool(d["is_linear"]),
        is_followed=bool(d["is_followed"]),
        convergence=tuple(_convergence(c) for c in d["convergence"]),
        training_jacobian=_numbers(d["training_jacobian"]),
        trials=tuple(_of(Trial, t) for t in d["trials"]),
        rehearsal=None if d.get("rehearsal") is None else _rehearsal(d["rehearsal"]),
        curvature=None if d.get("curvature") is None else _curvature(d["curvature"]),
        verdict=Verdict(
            _number(verdict["unlearned"]),
            _number(verdict["from_rho"]),
            _number(verdict["psnr_limit_db"]),
            bool(verdict["is_reliable"]),
            tuple(_of(Finding, f) for f in verdict["sentences"]),
        ),
        warnings=tuple(map(str, d["warnings"])),
        seconds={str(k): _number(v) for k, v in d["seconds"].items()},
    )


def _convergence(d: Mapping[str, Any]) -> Convergence:
    octaves = tuple(
        Octave(_number(o["low"]), _number(o["high"]), _numbers(o["predicted"]), _numbers(o["actual"]))
        for o in d["octaves"]
    )
    return Convergence(
        str(d["optimizer"]),
        _number(d["lr"]),
        tuple(d["steps"]),
        _numbers(d["predicted"]),
        _numbers(d["actual"]),
        octaves,
    )


def _curvature(d: Mapping[str, Any]) -> Curvature:
    first, second = (
        None if m is None else Masses(_numbers(m["values"]), _numbers(m["weights"]))
        for m in (d["gauss_newton"], d["hessian"])
    )
    assert first is not None
    return Curvature(int(d["n"]), first, second)


def _rehearsal(d: Mapping[str, Any]) -> Rehearsal:
    return Rehearsal(
        _number(d["share"]),
        tuple(map(int, d["batches"])),
        tuple(map(int, d["steps"])),
        tuple(map(_numbers, d["left"])),
        _number(d["seconds"]),
        int(d["right"]),
        int(d["said"]),
        _number(d.get("fit_seconds")),
        _numbers(d.get("flow", ())),
    )


def _of(cls: type[D], document: Mapping[str, Any]) -> D:
    """A dataclass of numbers and strings; keys of the document that are not fields are ignored.

    Fields with a default may be missing: documents of older versions do not have them.
    """
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # cls is a dataclass
    names = [f.name for f in fields if f.name in document or f.default is dataclasses.MISSING]
    return cls(**{name: math.nan if document[name] is None else document[name] for name in names})


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(map(_number, values))


def shown_indices(n: int) -> list[int]:
    """At most `SHOWN_VALUES` of n indices: the first ones, then evenly spaced in the logarithm."""
    if n <= SHOWN_VALUES:
        return list(range(n))
    steps = (round(n ** (i / (SHOWN_VALUES - 1))) - 1 for i in range(SHOWN_VALUES))
    return sorted({min(n - 1, s) for s in steps})
