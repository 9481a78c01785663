"""The advice of `inr ntk`'s verdict, fitted: `python benchmarks/verdict_advice.py FOLDER --record verdict-advice`.

The runs are those of `rehearsals.py --apart`: every family on every signal, with the length, the optimizer and the seed
taken in turn, here in an order that takes another family and another signal each time. Of each run there are two
reports: the quick one, and one with a rehearsal on a tenth of the samples. Each setting that a verdict names is fitted
for the same steps.

    way      "kernel" (the quick report) or "rehearsal"
    place    1: the setting that the verdict names first
    said     the gain in dB that was said; null for the quick report, which says shares
    gain     the real one, in dB of the energy left of all bands

--missing leaves out runs that a record holds, and --minutes starts none after so many. --gains writes
inr/ntk/advice_gains.json, the figures that verdicts quote, from all records whose names begin with verdict-advice: of a
run that was repeated, from its newest reports, and only of settings that verdicts may name today.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _record import RECORDS, save
from forecasts import CLIP
from rankings import reached
from rehearsals import APART, APART_SIDES, FAMILIES, TWICE, apart_runs, apart_signal, resolved

from inr.core.errors import ConfigError, InrError
from inr.fields import FieldConfig
from inr.fitting import FitConfig
from inr.ntk import advice_gains, ntk_report
from inr.ntk.changes import changes, sizes
from inr.ntk.report import UNCHANGED, Report
from inr.ntk.trials import candidates
from inr.ntk.verdict import named_trials
from inr.signals import Signal
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image

SHARE = 0.1
Run = tuple[str, str, int, str, int]
WAYS = ("kernel", "rehearsal")


def runs() -> list[Run]:
    """Those of `apart_runs` with small signals, so that the signal and the family change from each to the next."""
    signals, families = APART[:6], tuple(FAMILIES)
    known = {run[:2]: run for run in apart_runs() if run[0] in signals}
    places = ((signals[i % len(signals)], families[i % len(families)]) for i in range(len(signals) * len(families)))
    return [known[place] for place in places]  # their numbers have no common divisor


def large_runs() -> list[Run]:
    """Those of the pictures with the most pixels, the picture and the optimizer change from run to run."""
    found = [run for run in apart_runs() if run[0] in TWICE]
    n = len(FAMILIES)
    return [found[n * (i // 2 % 2) + i] for i in range(n)]


def named(report: Report, signal: Signal, config: FieldConfig, fit: FitConfig) -> Iterator[tuple[Any, ...]]:
    """(setting, said gain or None, field, settings of the run) of every setting that the verdict names, in order."""
    known: dict[str, tuple[FieldConfig, FitConfig]] = {}
    if report.rehearsal is None:
        for what, changed, lr in candidates(config, fit.lr):
            known[what] = changed, replace(fit, lr=lr)
    else:
        for change in (*changes(signal, config, fit), *sizes(config, fit)):
            known[change.what] = change.field, change.run
    for trial in named_trials(report):
        yield trial.setting, trial.gain_db if math.isfinite(trial.gain_db) else None, *known[trial.setting]


def rows_of(signal: Signal, run: Run, ways: Collection[str] = WAYS) -> list[dict[str, Any]]:
    name, label, steps, optimizer, seed = run
    config, fit = resolved(signal, label, steps, optimizer, seed)
    plain, _, seconds = reached(signal, config, fit)
    rows = []
    for way, share in (("kernel", None), ("rehearsal", SHARE)):
        if way not in ways:
            continue
        begin = time.perf_counter()
        report = ntk_report(signal, config, fit, points=64, rehearse=share)
        spent = time.perf_counter() - begin
        base = {
            "signal": name, "field": label, "steps": steps, "optimizer": optimizer, "seed": seed, "way": way,
            "cka": report.cka_init if math.isfinite(report.cka_init) else None, "left_db": plain,
            "fit_seconds": seconds, "report_seconds": spent,
            "tried": sum(t.setting != UNCHANGED for t in report.trials),
        }  # fmt: skip
        found = []
        for place, (setting, said, changed, settings) in enumerate(named(report, signal, config, fit), 1):
            try:
                gain = plain - reached(signal, changed, settings)[0]
            except InrError as error:
                print(f"   {setting}: {error}", flush=True)
                continue
            found.append({**base, "setting": setting, "place": place, "said": said, "gain": gain})
            print(f"   {way:9} {place} {setting:34} said {said or math.nan:+6.1f}  gain {gain:+6.1f} dB", flush=True)
        rows += found or [{**base, "setting": None}]
    return rows


def recorded() -> list[dict[str, Any]]:
    """Of all records whose names begin with verdict-advice, older ones first."""
    paths = sorted(RECORDS.glob("????-??-??-verdict-advice*.json"), key=lambda path: path.stem)
    return [{**row, "record": path.stem} for path in paths for row in json.loads(path.read_text())["rows"]]


def known_rows(*, are_newest: bool = True) -> list[dict[str, Any]]:
    """Of the newest report of each run, or else of those that a newer one replaces."""
    rows = recorded()
    last = {_report_of(row): row["record"] for row in rows}
    return [row for row in rows if (last[_report_of(row)] == row["record"]) is are_newest]


def _report_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[key] for key in ("signal", "field", "steps", "optimizer", "seed", "way"))


def is_advised(row: dict[str, Any]) -> bool:
    """Whether verdicts may name a setting of a record today: it is tried in this way, and not left out as lower."""
    return row["setting"] in _may_be_named(*_report_of(row))


@functools.cache
def _may_be_named(signal: str, label: str, steps: int, optimizer: str, seed: int, way: str) -> frozenset[str]:
    """The settings follow from the signal's form, so random values serve."""
    config, fit = resolved(alike(signal), label, steps, optimizer, seed)
    if way == "kernel":
        return frozenset(what for what, _, _ in candidates(config, fit.lr))
    found = (*changes(alike(signal), config, fit), *sizes(config, fit))
    return frozenset(change.what for change in found if not change.is_lower)


@functools.cache
def alike(name: str) -> Signal:
    """A signal with the kind and the size of one of `APART`, and random values."""
    random = np.random.default_rng(0)
    if name == "slice":
        return Array.of_array(random.normal(size=2 * (APART_SIDES[name],)).astype(np.float32))
    if name in APART_SIDES:
        return Image.of_pixels(random.integers(256, size=(*2 * (APART_SIDES[name],), 3), dtype=np.uint8))
    return Audio.of_samples(random.uniform(-1, 1, size=(CLIP, 1)).astype(np.float32), 8000)


def gains_document() -> dict[str, Any]:
    """The document of advice_gains.json."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in known_rows():
        if row["setting"] is not None and is_advised(row):
            found.setdefault(row["way"], {}).setdefault(advice_gains.kind_of(row["setting"]), []).append(row["gain"])
    return advice_gains.document_of(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--gains", action="store_true", help="write the figures that verdicts quote, and fit nothing")
    parser.add_argument("--families", default=",".join(FAMILIES), help="with commas")
    parser.add_argument("--ways", default=",".join(WAYS), help="of reports, with commas")
    parser.add_argument("--large", action="store_true", help="the runs of the pictures with 192 pixels instead")
    parser.add_argument("--missing", action="store_true", help="only runs that no record holds")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no run after so many")
    parser.add_argument("--record", help="keep the rows under this name, which begins with verdict-advice")
    given = parser.parse_args()
    if given.gains:
        path = Path(advice_gains.__file__).with_name("advice_gains.json")
        path.write_text(json.dumps(gains_document(), indent=1) + "\n")
        return
    if given.folder is None:
        parser.error("expected a folder with pictures, sounds and shapes, or --gains")
    have = {(row["signal"], row["field"]) for row in recorded()} if given.missing else set()
    rows: list[dict[str, Any]] = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        for run in large_runs() if given.large else runs():
            if run[:2] in have or run[1] not in given.families.split(","):
                continue
            if time.perf_counter() - start > 60 * given.minutes:
                break
            begin = time.perf_counter()
            print(*run, flush=True)
            try:
                rows += rows_of(apart_signal(given.folder, Path(work), run[0]), run, given.ways.split(","))
            except ConfigError as error:  # families that do not fit the kind
                print(f"   {error}", flush=True)
                continue
            print(f"   [{time.perf_counter() - begin:.0f} s]", flush=True)
            if given.record:
                save(given.record, rows)


if __name__ == "__main__":
    main()
