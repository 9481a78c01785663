"""A report on what a field can learn, read back from its JSON document."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from inr._errors import UnreadableError
from inr.ntk._alignment import Drift
from inr.ntk._spectrum import Ranks
from inr.ntk.report import VERSION, Band, Convergence, Finding, Modes, Octave, Report, Trial, Verdict, Wide

D = TypeVar("D")


def report_of(document: Mapping[str, Any], name: str) -> Report:
    """The report whose document this is: `report.document()` is equal. name: of the file, for messages.

    Raises UnreadableError for what is no such document, or of another version.
    """
    if document.get("inr_ntk") != VERSION:
        raise UnreadableError(
            f"{name!r} is no report of the tangent kernel", "expected what inr ntk writes with --json"
        )
    try:
        return _report(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(f"the kernel's report in {name!r} is not understood: {error}", "update inr") from error


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


def _of(cls: type[D], document: Mapping[str, Any]) -> D:
    """A dataclass of numbers and words; a document may hold more than its fields."""
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    return cls(**{name: math.nan if document[name] is None else document[name] for name in names})


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(map(_number, values))
