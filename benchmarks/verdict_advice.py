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
inr/ntk/advice_gains.json, the figures that verdicts quote, from all records whose names begin with verdict-advice.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from _record import RECORDS, save
from rankings import reached
from rehearsals import APART, FAMILIES, apart_runs, apart_signal, resolved

from inr.core.errors import ConfigError, InrError
from inr.fields import FieldConfig
from inr.fitting import FitConfig
from inr.ntk import advice_gains, ntk_report
from inr.ntk.changes import changes, sizes
from inr.ntk.report import UNCHANGED, Report
from inr.ntk.trials import candidates
from inr.ntk.verdict import named_trials
from inr.signals import Signal

SHARE = 0.1
LOWERED = ("fit.lr=0.000667", "fit.lr=0.00167", "field.activation.omega=15", "field.encoding.sigma=5",
           "field.encoding.octaves=1", "field.activation.scale=15")  # fmt: skip
"""Settings in the records that lower the rate or a frequency; verdicts after rehearsals do not name such any more."""
RAISED = "activation.omega"
"""The kind of setting that quick reports do not name any more."""
Run = tuple[str, str, int, str, int]


def runs() -> list[Run]:
    """Those of `apart_runs` with small signals, so that the signal and the family change from each to the next."""
    known = {run[:2]: run for run in apart_runs()}
    signals, families = APART[:6], tuple(FAMILIES)
    places = ((signals[i % len(signals)], families[i % len(families)]) for i in range(len(signals) * len(families)))
    return [known[place] for place in places]  # their numbers have no common divisor


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


def rows_of(signal: Signal, run: Run) -> list[dict[str, Any]]:
    name, label, steps, optimizer, seed = run
    config, fit = resolved(signal, label, steps, optimizer, seed)
    plain, _, seconds = reached(signal, config, fit)
    rows = []
    for way, share in (("kernel", None), ("rehearsal", SHARE)):
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


def known_rows() -> list[dict[str, Any]]:
    """Of all records whose names begin with verdict-advice."""
    paths = sorted(RECORDS.glob("????-??-??-verdict-advice*.json"))
    return [row for path in paths for row in json.loads(path.read_text())["rows"]]


def is_advised(row: dict[str, Any]) -> bool:
    """Whether today's verdicts would name a setting of a record."""
    if row["way"] == "kernel":
        return advice_gains.kind_of(row["setting"]) != RAISED
    return row["setting"] not in LOWERED


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
    have = {(row["signal"], row["field"]) for row in known_rows()} if given.missing else set()
    rows: list[dict[str, Any]] = []
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        for run in runs():
            if run[:2] in have:
                continue
            if time.perf_counter() - start > 60 * given.minutes:
                break
            begin = time.perf_counter()
            print(*run, flush=True)
            try:
                rows += rows_of(apart_signal(given.folder, Path(work), run[0]), run)
            except ConfigError as error:  # families that do not fit the kind
                print(f"   {error}", flush=True)
                continue
            print(f"   [{time.perf_counter() - begin:.0f} s]", flush=True)
            if given.record:
                save(given.record, rows)


if __name__ == "__main__":
    main()
