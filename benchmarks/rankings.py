"""Gains that `inr suggest --field` says, against fits: `python benchmarks/rankings.py FOLDER --record rankings`.

FOLDER holds `images`, `audio` and `shapes`. Per case every change that is ranked is fitted for the same steps. Rows:

    thin, piece   gains in dB, of rehearsals with few samples per step and on pieces (null: none)
    said          the gain that is said
    gain          the real one: of the energy that is left of all bands; of shapes, of the loss
    headline      the signal's metric without and with the change (shapes: IoU near the surface)
    size          parameters over those of the run as it is

CHOSE are the cases on which the weight of pieces was chosen; the others check it.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from _record import newest_rows, save

from inr.core.config import override, parse
from inr.core.errors import ConfigError, UsageError
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.fitting import FitConfig, Run, resolve
from inr.ntk.ranking import SAME_SIZE, gain_db, rank
from inr.ntk.thin_runs import loss_db, seen_of, total_db
from inr.ntk.verdict import WORTH_DB
from inr.signals import Signal, load_signal
from inr.signals.audio import Audio
from inr.signals.image import Image

NET = ("width=32", "depth=3")
POOR = {"optimizer": "adam", "lr": 1e-4, "schedule": "constant"}
CLIP = 2048
Case = tuple[Callable[[Path], Signal], str, tuple[str, ...], dict[str, Any]]


def crop(folder: Path, name: str, side: int, *, is_native: bool = False) -> Signal:
    from PIL import Image as Pillow

    with Pillow.open(folder / "images" / f"{name}.png") as picture:
        cut = side if is_native else 512
        left, top = (picture.width - cut) // 2, (picture.height - cut) // 2
        part = picture.convert("RGB").crop((left, top, left + cut, top + cut))
    return Image.of_pixels(np.asarray(part.resize((side, side), Pillow.Resampling.LANCZOS)))


def clip(folder: Path, place: float) -> Signal:
    import soundfile

    samples, rate = soundfile.read(folder / "audio" / "bach.wav", always_2d=True)
    start = int(place * len(samples))
    return Audio.of_samples(samples[start : start + CLIP, :1].astype(np.float32), rate)


CHOSE: dict[str, Case] = {
    "kodim05 siren poor": (lambda f: crop(f, "kodim05", 48), "siren", NET, {"steps": 150, **POOR}),
    "kodim15 siren": (lambda f: crop(f, "kodim15", 48), "siren", NET, {"steps": 150}),
    "bach siren": (lambda f: clip(f, 0.3), "siren", NET, {"steps": 150}),
}
CHECKS: dict[str, Case] = {
    "bunny siren": (
        lambda f: load_signal(f / "shapes" / "bunny.obj"), "siren", NET, {"steps": 300, "batch": 4096}),
    "bach rff adam": (
        lambda f: clip(f, 0.7), "rff", (*NET, "encoding.n_frequencies=32"), {"steps": 150, "optimizer": "adam"}),
    "kodim13 relu_pe": (lambda f: crop(f, "kodim13", 48), "relu_pe", NET, {"steps": 150}),
    "torus hash_grid": (
        lambda f: load_signal("analytic:torus"), "hash_grid", ("encoding.log2_table=11",),
        {"steps": 120, "batch": 4096},
    ),
    "kodim23 native siren": (
        lambda f: crop(f, "kodim23", 128, is_native=True), "siren", ("width=48", "depth=3"), {"steps": 150}),
    "kodim08 hash_grid": (
        lambda f: crop(f, "kodim08", 64), "hash_grid", ("encoding.log2_table=10",), {"steps": 120}),
    "kodim07 native gauss poor": (
        lambda f: crop(f, "kodim07", 96, is_native=True), "gauss", NET, {"steps": 150, **POOR}),
}  # fmt: skip


def reached(signal: Signal, config: FieldConfig, settings: FitConfig) -> tuple[float, float, float]:
    """(what a fit leaves in dB, the headline metric, seconds)."""
    run = Run(signal, *resolve(signal, config, settings))
    result = run.result(run.advance())
    centres, energy, seen = seen_of(Samples.counted(signal.spec, run.pool))
    field = (run.field if run.average is None else run.average).eval()
    return total_db(energy, seen(field)) if centres else loss_db(run), result.metrics[signal.headline], run.seconds


def rows_of(name: str, case: Case, folder: Path, share: float) -> list[dict[str, Any]]:
    make, family, texts, given = case
    signal = make(folder)
    chosen = override(parse(FieldConfig, family, "field"), texts, "field")
    config, settings = resolve(signal, chosen, given)
    ranking = rank(signal, config, settings, share)
    plain, headline, seconds = reached(signal, config, settings)
    print(
        f"{name}: {plain:.1f} dB left, {headline:.4g}; ranked in {ranking.seconds:.0f} s, a fit {seconds:.1f} s",
        flush=True,
    )
    rows = []
    for r in ranking.found:
        try:
            db, head, _ = reached(signal, r.change.field, r.change.run)
        except (ConfigError, UsageError):
            continue
        rows.append({
            "case": name, "setting": r.change.what, "rule": r.change.rule, "thin": _known(r.thin_db),
            "piece": _known(r.piece_db), "said": _known(r.gain_db), "gain": plain - db, "size": r.size,
            "headline": [headline, head], "fit_seconds": seconds, "rank_seconds": ranking.seconds,
            "cost": ranking.cost, "share": share,
        })  # fmt: skip
        print(
            f"   {r.change.what:34} said {r.gain_db:+6.1f} (thin {r.thin_db:+6.1f}, piece {r.piece_db:+6.1f})  "
            f"gain {plain - db:+6.1f} dB  x{r.size:.2f}",
            flush=True,
        )
    return rows


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def advised(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [r for r in rows if r["said"] is not None and r["said"] >= WORTH_DB and r["size"] <= SAME_SIZE]


def print_rules(rows: list[dict[str, Any]]) -> None:
    """Of what is advised: the real gains, by rule."""
    for which, names in (("chose", CHOSE), ("checks", CHECKS)):
        own = [r for r in advised(rows) if r["case"] in names]
        for rule in sorted({r["rule"] for r in own}):
            gains = [r["gain"] for r in own if r["rule"] == rule]
            print(f"{which}: {rule:24} advised {len(gains)}, gain {mean(gains):+.1f} dB, worst {min(gains):+.1f}")
        if own:
            gains = [r["gain"] for r in own]
            print(f"{which}: all {len(own)}, gain {mean(gains):+.2f} dB, worst {min(gains):+.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", default=",".join((*CHOSE, *CHECKS)), help="with commas")
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--record", help="keep the rows under this name, beside those of other cases")
    given = parser.parse_args()
    cases = given.cases.split(",")
    rows = [row for row in newest_rows(given.record or "") if row["case"] not in cases]
    for row in rows:
        row["said"] = gain_db(*(math.nan if row[k] is None else row[k] for k in ("thin", "piece")))
    for name in cases:
        begin = time.perf_counter()
        rows += rows_of(name, (CHOSE | CHECKS)[name], given.folder, given.share)
        print(f"   [{time.perf_counter() - begin:.0f} s]", flush=True)
        if given.record:
            save(given.record, rows)
    print_rules(rows)


if __name__ == "__main__":
    main()
