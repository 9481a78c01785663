"""Search of the families' `best` recipes: `python benchmarks/recipes.py FOLDER ROWS [--fields siren] [--kinds image]`.

FOLDER has the shared signals (`images/`, `shapes/`, `audio/`). The signals of the search are in no other benchmark:
256 x 256 pixels of kodim07, kodim08 and kodim15 at their own resolution, the distances of fandisk and a torus, two
seconds of bach from the fourth on, and a volume of 40 x 40 x 40; `whole` is kodim15.

All fits of a family on a signal have one budget of training time, turned into a number of steps by the processor time
of a step in units of a matrix product's, so that other work on the machine changes little. Rates of 1e-3 and 3e-3 (and
3e-4, where the lower is better) are tried for SOAP and Adam, with a cosine schedule; with `--thorough` other batches,
another schedule, Muon and, on pictures, L-BFGS after that. The best two are compared by fits that are several times as
long, on two signals. The family's recipe of the checkout, in the same time, is there for comparison.

ROWS, a file of JSON lines, gets every fit as it ends; fits that it has already are not repeated. `--confirm RECIPES`
makes only long fits, with given recipes: those of another family of the class. `--steps N` gives fits of given recipes
that many steps, whatever a step costs. `--record NAME` writes ROWS as a record, below the rows of the newest one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import newest_rows, save

from inr.core.config import parse
from inr.core.errors import InrError
from inr.fields import FieldConfig
from inr.fitting import FitConfig, Run, resolve
from inr.signals import Signal, load_signal
from inr.signals.array import Array

SIDE, CLIP_S, CLIP_START_S, VOLUME = 256, 2, 4, 40
CROPS = {"kodim07": (200, 100), "kodim08": (256, 128), "kodim15": (250, 80)}
TIMED, WARM = 10, 3
"""Steps of which the median counts, and those before them."""

PRODUCT, PRODUCT_S = 1024, 0.0165
"""Side of a matrix product, and its seconds on one thread of the machine of the first record when nothing else runs.
Products between the steps show how fast the machine is meanwhile: a step counts as many seconds as it would there."""

Settings = dict[str, Any]

BATCH, RATES, OPTIMIZERS = 4096, (1e-3, 3e-3), ("soap", "adam")
CHANGES: tuple[Settings, ...] = (
    {"batch": 1024},
    {"batch": 16384},
    {"schedule": "exponential"},
    *({"optimizer": {"type": "muon", "lr_muon": lr}, "lr": 1e-3} for lr in (0.02, 0.1)),
)
ALL_SAMPLES: Settings = {"optimizer": {"type": "lbfgs", "iterations": 1}, "schedule": "constant"}
"""A line search per step, of all samples of a picture."""


def signals_of(kind: str, data: Path, work: Path) -> list[Signal]:
    """Those of the search, the first of which the short fits are on."""
    if kind == "image":
        return [load_signal(_crop(data / "images" / f"{name}.png", at, work)) for name, at in CROPS.items()]
    if kind == "audio":
        import soundfile

        samples, rate = soundfile.read(data / "audio" / "bach.wav", always_2d=True)
        soundfile.write(work / "bach-4s.wav", samples[CLIP_START_S * rate : (CLIP_START_S + CLIP_S) * rate], rate)
        return [load_signal(work / "bach-4s.wav")]
    if kind == "whole":
        return [load_signal(data / "images" / "kodim15.png")]
    if kind == "volume":
        return [Array.of_array(_waves())]
    return [load_signal(data / "shapes" / "fandisk.obj"), load_signal("analytic:torus")]


def _waves() -> np.ndarray:
    """A volume: twelve plane waves of at most two periods per axis, with amplitudes that fall as 1 / number."""
    random = np.random.default_rng(0)
    axes = np.meshgrid(*[np.linspace(-1, 1, VOLUME)] * 3, indexing="ij")
    waves = [np.sin(sum(w * a for w, a in zip(random.uniform(-12, 12, 3), axes, strict=True))) for _ in range(12)]
    volume: np.ndarray = np.stack([wave / (1 + number) for number, wave in enumerate(waves)]).sum(0)
    return volume.astype(np.float32)


def _crop(path: Path, at: tuple[int, int], work: Path) -> Path:
    from PIL import Image

    x, y = at
    target = work / f"{path.stem}-{x}-{y}.png"
    Image.open(path).crop((x, y, x + SIDE, y + SIDE)).save(target)
    return target


class Search:
    """The fits of one family on the signals of one kind. rows: those so far, which also go to a file."""

    def __init__(self, field: str, kind: str, signals: list[Signal], rows: list[dict[str, Any]], target: Path) -> None:
        self.field, self.kind, self.signals, self.rows, self.target = field, kind, signals, rows, target
        config = parse(FieldConfig, field, "field").resolve(signals[0].spec)
        self.present = parse(FitConfig, config.recipe(signals[0].spec), "fit").to_json()
        of_grid = self.present["lr_encoding"]
        self.grid_ratio = 1.0 if of_grid is None else of_grid / self.present["lr"]

    def quality(self, settings: Settings, seconds: float, signal: Signal, stage: str) -> float:
        """The quality of a fit of about `seconds`, or, where the stage is `steps`, of as many steps as `settings`."""
        is_counted = stage == "steps"
        for row in self.rows:
            is_same = (row["field"], row["kind"], row["file"]) == (self.field, self.kind, signal.name)
            if is_same and row["settings"] == settings and (is_counted or row["seconds"] == seconds):
                return float(row["quality"])
        given = {"steps": 10**6, **settings, "dtype": "float32"}
        if self.grid_ratio != 1.0 and "lr_encoding" not in given:
            given["lr_encoding"] = self.grid_ratio * given["lr"]
        row = {"field": self.field, "kind": self.kind, "file": signal.name, "stage": stage, "seconds": seconds}
        row |= {"settings": settings, "metric": signal.headline}
        try:
            step_s = _step_s(signal, self.field, given)
            steps = settings["steps"] if is_counted else max(10, round(seconds / step_s))
            row["seconds"] = steps * step_s if is_counted else seconds
            run = Run(signal, *resolve(signal, self.field, {**given, "steps": steps}))
            start = time.perf_counter()
            outcome = run.advance()
            quality = run.result(outcome).metrics[signal.headline]
            row |= {"steps": steps, "step_ms": 1e3 * step_s, "wall_s": time.perf_counter() - start}
            row |= {"outcome": outcome, "quality": quality}
        except InrError as error:
            row |= {"steps": 0, "outcome": "refused", "quality": -1.0, "why": str(error)}
        self.rows.append(row)
        with self.target.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{self.field:14} {self.kind} {stage:9} {row['quality']:8.4g} {row['steps']:6} {settings}", flush=True)
        return float(row["quality"])

    def run(self, short: float, long: float, n_signals: int, *, is_thorough: bool) -> None:
        """Search, and compare the best two."""
        own = {name: self.present[name] for name in ("lr", "lr_encoding", "schedule", "batch", "optimizer", "sampler")}
        tried: dict[str, float] = {}

        def of(settings: Settings) -> float:
            quality = tried[json.dumps(settings)] = self.quality(settings, short, self.signals[0], "short")
            return quality

        base: Settings = {"batch": min(BATCH, own["batch"]), "schedule": "cosine"}
        if own["sampler"]["type"] != "shuffled":
            base |= {"sampler": own["sampler"], "batch": own["batch"]}
        for optimizer in OPTIMIZERS:
            found = {lr: of({**base, "optimizer": optimizer, "lr": lr}) for lr in RATES}
            if found[RATES[0]] > found[RATES[1]]:
                of({**base, "optimizer": optimizer, "lr": round(RATES[0] ** 2 / RATES[1], 6)})
        of(own)
        if is_thorough:
            best: Settings = json.loads(max(tried, key=lambda key: tried[key]))
            for change in CHANGES:
                of({**best, **change})
            if self.kind == "image":
                of({**ALL_SAMPLES, "batch": SIDE * SIDE})
        for key in sorted(tried, key=lambda key: -tried[key])[:2]:
            for signal in self.signals[:n_signals]:
                self.quality(json.loads(key), long, signal, "long")


def _step_s(signal: Signal, field: str, settings: Settings) -> float:
    """Seconds of a step, as they would be on a quiet machine."""
    run = Run(signal, *resolve(signal, field, settings))
    left, right = torch.rand(2, PRODUCT, PRODUCT)
    steps, products = [], []
    for _ in range(WARM + TIMED):
        start = time.process_time()
        run.take_step()
        middle = time.process_time()
        torch.mm(left, right)
        steps.append(middle - start)
        products.append(time.process_time() - middle)
    return PRODUCT_S * statistics.median(steps[WARM:]) / statistics.median(products[WARM:])


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("rows", type=Path, help="file of JSON lines for the fits")
    parser.add_argument("--fields", default="", help="families, with commas")
    parser.add_argument("--kinds", default="image", help="image, whole, volume, shape, audio, with commas")
    parser.add_argument("--short", type=float, default=8.0, help="seconds of a short fit on one thread")
    parser.add_argument("--long", type=float, default=30.0, help="seconds of a long fit")
    parser.add_argument("--signals", type=int, default=2, help="of the long fits")
    parser.add_argument("--thorough", action="store_true", help="also batches, schedules, Muon and L-BFGS")
    parser.add_argument("--confirm", help="JSON: a list of settings, of which only long fits are made")
    parser.add_argument("--steps", type=int, help="of these fits, instead of a time")
    parser.add_argument("--skip", type=int, default=0, help="signals to leave out of these fits, from the first on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record", help="write the rows under this name, after the search")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    rows = list(_rows(words.rows))
    with tempfile.TemporaryDirectory() as work:
        for kind in words.kinds.split(","):
            signals = signals_of(kind, words.data, Path(work))
            for field in filter(None, words.fields.split(",")):
                search = Search(field, kind, signals, rows, words.rows)
                if words.confirm is None:
                    search.run(words.short, words.long, words.signals, is_thorough=words.thorough)
                else:
                    counted, stage = ({}, "confirmed") if words.steps is None else ({"steps": words.steps}, "steps")
                    for settings in json.loads(words.confirm):
                        for signal in signals[words.skip :][:1]:
                            search.quality(settings | counted, words.long, signal, stage)
    if words.record:
        before = [row for row in newest_rows(words.record) if row not in rows]
        print(save(words.record, before + rows))


if __name__ == "__main__":
    main()
