"""Forecasts of `inr ntk --rehearse` against fits: `python benchmarks/rehearsals.py FOLDER --record rehearsals`.

Records hold what rehearsals alone forecast; `records` puts it together with the kernel's, as reports do.

FOLDER and the signals are those of `forecasts.py`, pictures with `--side` pixels. Per signal, family, optimizer and
number of steps the field is fitted, and what it leaves of every band is compared with the forecasts of the kernel (as
`inr ntk` makes it by default) and of rehearsals with the shares in SHARES.

    target     share of the signal's energy by band
    fitted     what the fit left of each band, as a share of it
    forecasts  by way ("kernel", "0.1" ...): left, and known (what was measured, which the forecast changes), by band

With --apart, the runs of `apart_runs` are fitted: signals of which none chose a constant or calibrated, every family on
each, with the length, the optimizer and the seed taken in turn. --missing leaves out runs that a record holds, and
--minutes starts none after so many, so the set can be run in pieces, each with a record of its own name.

With --flows, the flow along kernels that are read in rehearsals is recorded for the runs that records hold, without
fitting them again; `records` adds it.

    flows      by share of the samples: left by band after the last step, and seconds of the rehearsals with it

`python benchmarks/rehearsals.py --calibrate` writes accuracy.json and calibration.json in inr/ntk/forecast from all
records whose names begin with `rehearsals`: how often forecasts were right, and quantiles from the families and signals
in CALIBRATING. It prints how often intervals held for the others.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import forecasts
import numpy as np
import torch
from _record import RECORDS, save
from torch import Generator

from inr.core.config import override, parse
from inr.core.errors import ConfigError
from inr.fields import FieldConfig
from inr.fitting import FitConfig, resolve
from inr.ntk import ntk_report
from inr.ntk.forecast import calibration
from inr.ntk.forecast.accuracy import CHANGES, STAYS
from inr.ntk.forecast.bands import QUICK
from inr.ntk.forecast.batch_noise import GAIN
from inr.ntk.forecast.blend import blend, uses_flow
from inr.ntk.forecast.calibration import FLOOR, KERNEL, LEVEL, WITH_FLOW, conformal_quantile, family_class, score
from inr.ntk.kernel_readings import POINTS
from inr.ntk.rehearsal import rehearsed
from inr.ntk.report import LEARNED
from inr.ntk.spectra.windows import windows_of
from inr.ntk.thin_runs import rehearse_whole
from inr.ntk.verdict import RICH
from inr.signals import Signal
from inr.signals.array import Array
from inr.signals.audio import Audio

SHARES = (0.01, 0.03, 0.1)
WAYS = (KERNEL, *(f"{share:g}" for share in SHARES))
FAMILIES = {
    **forecasts.FAMILIES,
    "wire": ("wire", ("width=24", "depth=2")),
    "fourier_reparam": ("fourier_reparam", forecasts.NET),
    "triplane": ("triplane", ()),
    "dense_grid": ("dense_grid", ()),
}
CALIBRATING = (("siren", "relu_pe", "gauss", "mlp", "hash_grid"), ("kodim05", "kodim08", "bach"))
"""Families and signals; all other runs are for checks."""
APART = ("kodim13", "kodim15", "kodim20", "bach-later", "chirp", "slice", "kodim03", "kodim07")
"""Signals of --apart: pictures with the sides in APART_SIDES, two sounds, and distances to a ring with a bump in a
plane."""
APART_SIDES = {"kodim13": 40, "kodim15": 40, "kodim20": 64, "slice": 48, "kodim03": 192, "kodim07": 192}
TWICE = ("kodim03", "kodim07")
"""Signals of --apart of which every family has a second run, with the other optimizer."""
APART_RUNS = ((80, "adam", 1), (160, "soap", 0), (160, "adam", 0), (80, "soap", 1), (240, "adam", 0), (240, "soap", 1))
"""Steps, optimizer, seed."""
FIRST_GAIN = 0.75
"""Of records that do not state theirs (`batch_noise.GAIN`)."""
COUNTED = 1e-3
"""Share of the signal's energy from which a band counts."""


def apart_signal(folder: Path, work: Path, name: str) -> Signal:
    if name.startswith("kodim"):
        forecasts.SIDE, forecasts.PICTURES = APART_SIDES[name], (name,)
        return next(forecasts.signals(folder, work, name))[1]
    if name == "bach-later":
        import soundfile

        samples, rate = soundfile.read(folder / "audio" / "bach.wav", always_2d=True)
        start = 2 * len(samples) // 3
        return Audio.of_samples(samples[start : start + forecasts.CLIP, :1].astype(np.float32), rate)
    t = np.arange(forecasts.CLIP, dtype=np.float32) / forecasts.CLIP
    if name == "chirp":
        return Audio.of_samples(
            (0.8 * np.sin(2 * np.pi * (4 * t + 120 * t * t)) * (1 - 0.5 * t))[:, None].astype(np.float32), 8000
        )
    y, x = np.mgrid[0 : APART_SIDES[name], 0 : APART_SIDES[name]].astype(np.float32) / APART_SIDES[name] - 0.5
    ring = np.abs(np.hypot(x, y) - 0.28) - 0.07
    return Array.of_array(np.minimum(ring, np.hypot(x - 0.33, y - 0.1) - 0.12).astype(np.float32))


def apart_runs() -> Iterator[tuple[str, str, int, str, int]]:
    """(signal, family, steps, optimizer, seed) of --apart."""
    for i, name in enumerate(APART):
        for j, label in enumerate(FAMILIES):
            yield name, label, *APART_RUNS[(i + j) % len(APART_RUNS)]
    for name in TWICE:
        for j, label in enumerate(FAMILIES):
            first = APART.index(name) + j
            yield name, label, *APART_RUNS[(first + len(APART_RUNS) // 2) % len(APART_RUNS)]


def compared(signal: Signal, config: FieldConfig, fit: FitConfig) -> dict[str, Any]:
    fitted, _, seconds = forecasts.happened(signal, config, fit)
    r = ntk_report(signal, config, fit, points=64, try_settings=False)
    energy = sum(b.target_energy for b in r.bands)
    subject = rehearsed(signal, config, fit, 0, fit.batch)
    ways = {KERNEL: {"left": [b.left_adam for b in r.bands], "known": [b.residual_energy for b in r.bands]}}
    centres = tuple(b.rho for b in r.bands)
    spent = {}
    for share in SHARES:
        course = rehearse_whole(signal, config, fit, subject.samples, share)
        ways[f"{share:g}"] = {
            "left": course.at(centres)[-1].tolist(),
            "known": course.at(centres, is_measured=True)[-1].tolist(),
        }
        spent[f"{share:g}"] = course.seconds
    return {
        "class": family_class(subject.now),
        "gain": GAIN,
        "cka": r.cka_init if math.isfinite(r.cka_init) else None,
        "target": [b.target_energy / energy for b in r.bands],
        "fitted": fitted,
        "forecasts": ways,
        "fit_seconds": seconds,
        "seconds": spent,
    }


def signal_of(folder: Path, work: Path, row: dict[str, Any]) -> Signal:
    """The signal of a record's row."""
    if row["signal"] in APART:
        return apart_signal(folder, work, row["signal"])
    forecasts.SIDE = row["side"]
    if row["signal"].startswith("kodim"):
        forecasts.PICTURES = (row["signal"],)
    return next(signal for name, signal in forecasts.signals(folder, work, row["signal"]) if name == row["signal"])


def record_flows(folder: Path, given: argparse.Namespace) -> None:
    """Of runs that the records hold and whose flow they do not, in an order that mixes them."""
    shares = given.shares.split(",")
    wanted = [
        row
        for row in records()
        if row["field"] in given.families.split(",")
        and given.least_side <= row["side"] <= given.most_side
        and not set(shares) <= set(row.get("flows", {}))
    ]
    random.Random(0).shuffle(wanted)
    start = time.perf_counter()
    found = []
    with tempfile.TemporaryDirectory() as work:
        for row in wanted:
            if time.perf_counter() - start > 60 * given.minutes:
                break
            signal = signal_of(folder, Path(work), row)
            settings = resolved(signal, row["field"], row["steps"], row["optimizer"], row.get("seed", 0))
            samples = rehearsed(signal, *settings, 0, settings[1].batch).samples
            windows = windows_of(samples, QUICK.band_points, QUICK.windows, Generator().manual_seed(0))
            assert windows is not None
            flows: dict[str, dict[str, Any]] = {}
            for share in shares:
                course = rehearse_whole(signal, *settings, samples, float(share), is_read=True)
                flow = course.flow_at(windows.bands.centres)
                if flow is not None:
                    flows[share] = {"left": flow.tolist(), "seconds": course.seconds}
            named = {k: row.get(k, 0) for k in KEY}
            found.append({**named, "flows": flows})
            parts = [f"{share} {total_db(row['target'], of['left']):.1f}" for share, of in flows.items()]
            print(line(row), " by the flow", *parts, flush=True)
            if given.record:
                save(given.record, found)


def total_db(target: list[float], left: list[float]) -> float:
    """Of all bands but the constant."""
    rest = sum(e * x for e, x in zip(target[1:], left[1:], strict=True)) / sum(target[1:])
    return 10 * math.log10(max(rest, 1e-12))


def records() -> list[dict[str, Any]]:
    paths = sorted(RECORDS.glob("????-??-??-rehearsals*.json"))
    rows = [row for path in paths for row in json.loads(path.read_text())["rows"]]
    flows: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(dict)
    for path in sorted(RECORDS.glob("????-??-??-flows*.json")):
        for row in json.loads(path.read_text())["rows"]:
            flows[key_of(row)] |= row["flows"]
    for row in rows:
        row["flows"] = flows[key_of(row)]
        for way, found in row["forecasts"].items():
            if way != KERNEL:
                left = _restated(found, row.get("gain", FIRST_GAIN))
                flow = (
                    row["flows"].get(way) if uses_flow(row["class"], float(way)) and points_of(row) <= POINTS else None
                )
                found["without"] = _blended(left, row["forecasts"][KERNEL]["left"], None, float(way))
                found["left"] = _blended(left, row["forecasts"][KERNEL]["left"], flow, float(way))
                found["has_flow"] = flow is not None
    return list({key_of(row): row for row in rows}.values())  # of runs that were repeated, the last


def points_of(row: dict[str, Any]) -> int:
    """The samples of a row's signal."""
    is_plane = row["signal"].startswith("kodim") or row["signal"] == "slice"
    return int(row["side"]) ** 2 if is_plane else forecasts.CLIP


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What tells runs apart."""
    return tuple(row.get(k, 0) for k in KEY)


KEY = ("signal", "side", "field", "optimizer", "steps", "seed")


def _restated(found: dict[str, list[float]], gain: float) -> list[float]:
    """What a rehearsal would have forecast with the present GAIN: log left - log known is proportional to it."""
    pairs = zip(found["left"], found["known"], strict=True)
    return [known * (left / known) ** (GAIN / gain) if known > 0 and left > 0 else left for left, known in pairs]


def _blended(left: list[float], kernel: list[float], flow: dict[str, Any] | None, share: float) -> list[float]:
    """As a report makes it of all."""
    rows = torch.tensor([left, left], dtype=torch.float64)
    other = None if flow is None else torch.tensor(flow["left"])
    found: list[float] = blend(rows, torch.tensor(kernel), other, share)[-1].tolist()
    return found


def bands_of(row: dict[str, Any], way: str, *, has_flow: bool | None = None) -> Iterator[tuple[float, float, float]]:
    """(fitted, forecast, known) of every band that counts. has_flow: False leaves the flow out; None: as reports do."""
    found = row["forecasts"][way]
    with_flow = found.get("has_flow", False) and has_flow is not False
    forecast = found["left"] if with_flow or way == KERNEL else found["without"]
    for energy, true, left, known in zip(row["target"], row["fitted"], forecast, found["known"], strict=True):
        if energy >= COUNTED and known > 0:
            yield true, left, 1.0 if with_flow else known


def is_calibrating(row: dict[str, Any]) -> bool:
    families, signals = CALIBRATING
    return row["field"] in families and row["signal"] in signals


def summary(rows: list[dict[str, Any]], way: str, forecast: str = "left") -> dict[str, Any]:
    """Bands said to be left, bands that were, both, and the errors of the energy left in dB.

    forecast: "left", as reports make it; "without" the flow; or the "flow" alone.
    """
    said = was = both = 0
    errors = []
    for row in rows:
        found = row["flows"][way]["left"] if forecast == "flow" else row["forecasts"][way][forecast]
        for energy, true, left in zip(row["target"], row["fitted"], found, strict=True):
            if energy >= COUNTED:
                said += left > LEARNED
                was += true > LEARNED
                both += left > LEARNED and true > LEARNED
        errors.append(abs(total_db(row["target"], found) - total_db(row["target"], row["fitted"])))
    return {"runs": len(rows), "said": said, "was": was, "both": both, "median": median(errors), "worst": max(errors)}


def calibrated() -> dict[str, Any]:
    """The document of calibration.json."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in records():
        groups[row["class"]].append(row)
    classes: dict[str, Any] = {}
    for kind, rows in sorted(groups.items()):
        classes[kind] = {}
        for way in WAYS:
            others = [row for row in rows if not is_calibrating(row)]
            held = summary(others, way) if others else {"both": 0, "said": 0}
            for has_flow in (False, True):
                used = [row for row in rows if is_calibrating(row)]
                if has_flow:
                    used = [row for row in used if row["forecasts"][way].get("has_flow")]
                quantile = conformal_quantile(
                    [[score(*band) for band in bands_of(row, way, has_flow=has_flow)] for row in used]
                )
                if math.isfinite(quantile):
                    classes[kind][way + WITH_FLOW * has_flow] = {
                        "quantile": round(quantile, 4),
                        "right": held["both"],
                        "said": held["said"],
                        "runs": len(used),
                    }
    names = [path.name for kind in ("rehearsals", "flows") for path in sorted(RECORDS.glob(f"????-??-??-{kind}*.json"))]
    return {"record": names, "level": LEVEL, "floor": FLOOR, "classes": classes}


def accuracies() -> dict[str, Any]:
    """The document of accuracy.json."""
    groups: dict[str, list[dict[str, Any]]] = {STAYS: [], CHANGES: []}
    for row in records():
        if row["cka"] is not None:
            groups[CHANGES if row["cka"] < RICH else STAYS].append(row)
    found: dict[str, Any] = {}
    for way in WAYS:
        found[way] = {}
        for group, rows in groups.items():
            of = summary(rows, way)
            errors = {f"{name}_db": round(of.pop(name), 2) for name in ("median", "worst")}
            found[way][group] = {**of, **errors}
    return found


def coverage(document: dict[str, Any], way: str) -> tuple[int, int]:
    """(intervals that held, all) of the runs that did not calibrate."""
    held = total = 0
    for row in records():
        end = WITH_FLOW if row["forecasts"][way].get("has_flow") else ""
        known = document["classes"][row["class"]].get(way + end)
        if is_calibrating(row) or known is None:
            continue
        for true, left, before in bands_of(row, way):
            low, high = calibration.Calibration(**known).interval(left, before)
            total += 1
            held += low <= true <= high
    return held, total


def resolved(signal: Signal, label: str, steps: int, optimizer: str, seed: int = 0) -> tuple[FieldConfig, FitConfig]:
    family, settings = FAMILIES[label]
    chosen = override(parse(FieldConfig, family, "field"), settings, "field")
    return resolve(signal, chosen, {"steps": steps, "optimizer": {"type": optimizer}, "seed": seed})


def line(row: dict[str, Any]) -> str:
    parts = [f"{way} {total_db(row['target'], found['left']):.1f}" for way, found in row["forecasts"].items()]
    return (
        f"{row['signal']:8}{row['side']:4} {row['field']:16}{row['optimizer']:5}{row['steps']:5} steps  fitted "
        f"{total_db(row['target'], row['fitted']):.1f} dB, forecast {', '.join(parts)}  "
        f"(fit {row['fit_seconds']:.1f} s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--signals", default="kodim05,kodim23,bach", help="with commas")
    parser.add_argument("--side", type=int, default=48, help="pixels of the pictures' sides")
    parser.add_argument("--families", default=",".join(FAMILIES), help="with commas")
    parser.add_argument("--optimizers", default="soap,adam", help="with commas")
    parser.add_argument("--steps", default="100,300", help="lengths of runs, with commas")
    parser.add_argument("--apart", action="store_true", help="signals and runs that chose nothing; see above")
    parser.add_argument("--missing", action="store_true", help="of --apart only runs that no record holds")
    parser.add_argument("--minutes", type=float, default=math.inf, help="of --apart: start no run after so many")
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument(
        "--calibrate", action="store_true", help="write calibration.json and accuracy.json from the records"
    )
    parser.add_argument("--flows", action="store_true", help="only the flow, of runs that records hold")
    parser.add_argument("--shares", default="0.1", help="of --flows, with commas")
    parser.add_argument("--least-side", type=int, default=0, help="of --flows: shortest side of a signal")
    parser.add_argument("--most-side", type=int, default=10**6, help="of --flows: longest")
    given = parser.parse_args()
    if given.flows:
        torch.set_num_threads(1)
        record_flows(given.folder, given)
        return
    if given.calibrate:
        document = calibrated()
        folder = Path(calibration.__file__).parent
        for name, content in (("calibration.json", document), ("accuracy.json", accuracies())):
            path = folder / name
            path.write_text(json.dumps(content, indent=1) + "\n")
        moved = [row for row in records() if row["cka"] is not None and row["cka"] < RICH]
        for way in WAYS:
            held, total = coverage(document, way)
            print(f"{way}: {held} of {total} intervals of other runs held, {held / max(total, 1):.1%}")
            print(f"    all runs {summary(records(), way)}")
            print(f"    whose kernel moves {summary(moved, way)}")
        return
    rows: list[dict[str, Any]] = []
    if given.apart:
        with tempfile.TemporaryDirectory() as work:
            chosen = APART if given.signals == parser.get_default("signals") else given.signals.split(",")
            known = {key_of(row) for row in records()} if given.missing else set()
            start = time.perf_counter()
            for name, label, steps, optimizer, seed in apart_runs():
                row = {
                    "signal": name,
                    "side": APART_SIDES.get(name, forecasts.CLIP),
                    "field": label,
                    "optimizer": optimizer,
                    "steps": steps,
                    "seed": seed,
                }
                if name not in chosen or label not in given.families.split(",") or key_of(row) in known:
                    continue
                if time.perf_counter() - start > 60 * given.minutes:
                    break
                signal = apart_signal(given.folder, Path(work), name)
                try:
                    row |= compared(signal, *resolved(signal, label, steps, optimizer, seed))
                except ConfigError as error:  # families that do not fit the kind
                    print(f"{name} {label}: {error}", flush=True)
                    continue
                print(line(row), flush=True)
                rows.append(row)
                if given.record:
                    save(given.record, rows)
        return
    forecasts.SIDE = given.side
    with tempfile.TemporaryDirectory() as work:
        for name in given.signals.split(","):
            _, signal = next(forecasts.signals(given.folder, Path(work), name))
            for steps in map(int, given.steps.split(",")):
                for optimizer in given.optimizers.split(","):
                    for label in given.families.split(","):
                        config, fit = resolved(signal, label, steps, optimizer)
                        row = {
                            "signal": name,
                            "side": given.side,
                            "field": label,
                            "optimizer": optimizer,
                            "steps": steps,
                        }
                        begin = time.perf_counter()
                        row |= compared(signal, config, fit)
                        print(line(row), f" [{time.perf_counter() - begin:.0f} s]", flush=True)
                        rows.append(row)
                        if given.record:
                            save(given.record, rows)


if __name__ == "__main__":
    main()
