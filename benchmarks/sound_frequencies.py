"""Frequencies and recipes of families for sound, in proportion to the samples of clips of several lengths.

    python benchmarks/sound_frequencies.py bach.wav --fields rff mlp [--clips 0:2 3:5 0:7] [--record sound-frequencies]

A number per sample, times the samples of the clip, is the value of a family's frequency setting. Each case is fitted
for the same seconds of processor time of one thread. Cases of the newest record of the name are not run again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
import torch
from _record import newest_rows, save

from inr.core.config import override, parse
from inr.fields import FIELDS, FieldConfig
from inr.signals import load_signal
from inr.workflows.compare import FitBudget, compare

RANGE = "range"
"""Half the range of raw coordinates, which is two settings."""


def rates(family: str) -> dict[str, dict[str, Any]]:
    """Fit settings that are tried, by a name; `recipe` is the family's own."""
    found: dict[str, dict[str, Any]] = {"recipe": {}}
    for optimizer, lr in (("soap", 3e-3), ("soap", 1e-3), ("soap", 3e-4), ("adam", 1e-2), ("adam", 3e-3)):
        for batch in (4096, 2048):
            fit = {"optimizer": optimizer, "lr": lr, "schedule": "cosine", "batch": batch}
            found[f"{optimizer} {lr:g} {batch}"] = fit | ({"lr_encoding": 1e-2} if family == "cam" else {})
    return found


def settings_of(path: str | None, value: float) -> list[str]:
    if path is None:
        return []
    if path == RANGE:
        return [f"encoding.low={-value!r}", f"encoding.high={value!r}"]
    return [f"{path}={value!r}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--clips", nargs="+", default=["0:2"], help="first and last second of each")
    parser.add_argument("--fields", nargs="+", required=True, help="families")
    parser.add_argument("--setting", help=f"a setting such as encoding.sigma, or {RANGE}; default: the family's own")
    parser.add_argument("--per-sample", type=float, nargs="+", default=[0.0], help="its values, divided by the samples")
    parser.add_argument("--fit", nargs="+", default=["recipe"], help="`recipe`, or for example `soap 0.001 4096`")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each fit")
    parser.add_argument("--record", help="keep the rows under this name, with those of its newest record")
    words = parser.parse_args()
    torch.set_num_threads(1)
    time.perf_counter = time.process_time  # the clock of fits
    rows = newest_rows(words.record) if words.record else []
    samples, rate = soundfile.read(words.file, always_2d=True)
    with tempfile.TemporaryDirectory() as folder:
        for clip in words.clips:
            first, last = (int(float(second) * rate) for second in clip.split(":"))
            path = Path(folder) / words.file.name
            soundfile.write(path, samples[first:last], rate)
            signal = load_signal(path)
            assert signal.spec.shape is not None
            n = signal.spec.shape[0]
            cases = ((f, v, fit) for f in words.fields for v in words.per_sample for fit in words.fit)
            for family, per_sample, fit in cases:
                key = {
                    "file": signal.name,
                    "clip": clip,
                    "samples": n,
                    "field": family,
                    "setting": words.setting,
                    "per_sample": per_sample if words.setting else None,
                    "fit": fit,
                    "seconds": words.seconds,
                }
                if any(key == {name: row[name] for name in key} for row in rows):
                    continue
                assert family in FIELDS
                config = override(
                    parse(FieldConfig, family, "field"), settings_of(words.setting, per_sample * n), "field"
                )
                budget = FitBudget(time_s=words.seconds)
                result = compare(signal, [config], budget, {"seed": 0, **rates(family)[fit]}, measurements=1)
                (entry,) = result.entries
                rows.append({**key, "quality": round(result.quality(entry), 2), "steps": entry.fit.steps})
                print(rows[-1], flush=True)
                if words.record:
                    save(words.record, rows)


if __name__ == "__main__":
    main()
