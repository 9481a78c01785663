"""Forecasts of `inr ntk` against fits: `python benchmarks/forecasts.py FOLDER [--only kodim05] [--steps 100,400]`.

FOLDER holds `images` and `audio`. Pictures are cut to 512 x 512 and reduced to 48 x 48; the sound is a clip of 2048
samples. Per signal, family and number of steps: the report forecasts the residual of every band after the run; then the
field is fitted for exactly these steps with the same settings, and the residual of the same bands is measured.

    left       energy of the residual over the target's, all bands but the constant, in dB: forecast and fitted
    unlearned  share of the target's energy in bands of which more than half is left: forecast and fitted
    bands      (low, target's energy, left by forecast, left by fit) each
    cka        alignment of the kernel after the rehearsal with the one at the start

With --advice the settings that the report tries are also fitted for the same steps, and so is inductive gradient
adjustment, which changes no setting of the field: their gain in dB, and their time.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from _record import save
from torch import Generator, Tensor

from inr.core.config import override, parse
from inr.fields import FieldConfig
from inr.fitting import FitConfig, Run, resolve
from inr.ntk import ntk_report
from inr.ntk.forecast.bands import QUICK
from inr.ntk.rehearsal import samples_of
from inr.ntk.report import LEARNED, UNCHANGED, Report
from inr.ntk.spectra.windows import energies, windows_of
from inr.ntk.trials import candidates
from inr.ntk.verdict import BETTER
from inr.signals import Signal, load_signal

SIDE, CLIP = 48, 2048
PICTURES: tuple[str, ...] = ("kodim05", "kodim08", "kodim23")
NET = ("width=32", "depth=3")
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "mlp": ("mlp", (*NET, "encoding=identity", "activation=relu")),
    "relu_pe": ("relu_pe", NET),
    "rff": ("rff", (*NET, "encoding.n_frequencies=32")),
    "siren": ("siren", NET),
    "finer": ("finer", NET),
    "gauss": ("gauss", NET),
    "hash_grid": ("hash_grid", ("encoding.log2_table=10",)),
}


ADJUSTED = ("mlp", "relu_pe", "rff", "siren", "finer", "gauss")


def signals(folder: Path, work: Path, only: str) -> Iterator[tuple[str, Signal]]:
    from PIL import Image

    for name in PICTURES:
        if only not in name:
            continue
        with Image.open(folder / "images" / f"{name}.png") as picture:
            left, top = (picture.width - 512) // 2, (picture.height - 512) // 2
            cut = picture.crop((left, top, left + 512, top + 512)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        cut.save(work / f"{name}.png")
        yield name, load_signal(work / f"{name}.png")
    if only in "bach":
        import soundfile

        samples, rate = soundfile.read(folder / "audio" / "bach.wav", always_2d=True)
        start = len(samples) // 4
        soundfile.write(work / "bach.wav", samples[start : start + CLIP, :1], rate)
        yield "bach", load_signal(work / "bach.wav")


def happened(signal: Signal, config: FieldConfig, fit: FitConfig) -> tuple[list[float], float, float]:
    """(residual by band, the signal's headline metric, seconds)."""
    run = Run(signal, config, fit)
    result = run.result(run.advance())
    samples = samples_of(signal, run)
    windows = windows_of(samples, QUICK.band_points, QUICK.windows, Generator().manual_seed(0))
    assert windows is not None
    field = run.field.eval()
    with torch.no_grad():
        values = torch.stack([field(x.float()).double() for x in windows.x])
    target = energies(windows.y - windows.mean, windows)
    left = energies(values - windows.y, windows) / target.clamp_min(1e-12 * float(target.sum()))
    return left.tolist(), result.metrics[signal.headline], run.seconds


def total_db(target: Tensor, left: Sequence[float]) -> float:
    """Of all bands but the constant."""
    return 10 * math.log10(float((target[1:] * torch.tensor(left[1:])).sum() / target[1:].sum()))


def unlearned(target: Tensor, left: Sequence[float]) -> float:
    return float(target[1:][torch.tensor(left[1:]) > LEARNED].sum() / target[1:].sum())


def compared(r: Report, left: list[float], seconds: float, report_seconds: float) -> dict[str, Any]:
    target = torch.tensor([b.target_energy for b in r.bands], dtype=torch.float64)
    forecast = [b.left_adam for b in r.bands]
    return {
        "rehearsed": r.rehearsed,
        "is_followed": r.is_followed,
        "cka": r.cka_init if math.isfinite(r.cka_init) else None,
        "left_db": [total_db(target, forecast), total_db(target, left)],
        "unlearned": [unlearned(target, forecast), unlearned(target, left)],
        "bands": [
            [b.low, b.target_energy / float(target.sum()), b.left_adam, x] for b, x in zip(r.bands, left, strict=True)
        ],
        "fit_seconds": seconds,
        "report_seconds": report_seconds,
    }


def advice(signal: Signal, config: FieldConfig, fit: FitConfig, r: Report, db: float) -> list[dict[str, Any]]:
    """Every trial of a report, fitted: the forecast unlearned share, and the gain in dB."""
    known: dict[str, tuple[FieldConfig, dict[str, Any]]] = {
        what: (changed, {"lr": lr}) for what, changed, lr in candidates(config, fit.lr)
    }
    trials = {t.setting: t.unlearned for t in r.trials if t.setting != UNCHANGED}
    if config.type_name in ADJUSTED and signal.kind == "image":
        for k in (5, 20):
            patches = {"type": "patches", "side": 8}
            known[f"fit.residual_transform=iga, k={k}"] = (
                config,
                {"residual_transform": {"type": "iga", "k": k}, "sampler": patches},
            )
            trials[f"fit.residual_transform=iga, k={k}"] = math.nan
    base = next((t.unlearned for t in r.trials if t.setting == UNCHANGED), r.verdict.unlearned)
    found = []
    for setting, forecast in trials.items():
        changed, settings = known[setting]
        chosen = parse(FitConfig, {"steps": fit.steps, **settings}, "fit", fit)
        _, reached, seconds = happened(signal, *resolve(signal, changed, chosen))
        is_advised = forecast <= BETTER * base
        found.append({
            "setting": setting, "said": [base, forecast if math.isfinite(forecast) else None], "advised": is_advised,
            "db": reached - db, "seconds": seconds,
        })  # fmt: skip
        print(
            f"    {setting:36} forecast {base:.3f} -> {forecast:.3f}  {reached - db:+.2f} dB, {seconds:.1f} s",
            flush=True,
        )
    return found


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['signal']:8} {row['field']:10}{row['steps']:5} steps  left {row['left_db'][0]:6.1f} forecast, "
        f"{row['left_db'][1]:6.1f} dB  unlearned {row['unlearned'][0]:.2f} forecast, {row['unlearned'][1]:.2f}  "
        f"cka {row['cka'] or 1:.2f}  ({row['report_seconds']:.1f} s, fit {row['fit_seconds']:.1f} s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="part of a signal's name")
    parser.add_argument("--families", default=",".join(FAMILIES), help="with commas")
    parser.add_argument("--steps", default="100,400", help="lengths of runs, with commas")
    parser.add_argument("--advice", action="store_true", help="fit also with the settings that the report tried")
    parser.add_argument("--record", help="keep the rows under this name")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        for name, signal in signals(given.folder, Path(work), given.only):
            for label in given.families.split(","):
                family, settings = FAMILIES[label]
                chosen = override(parse(FieldConfig, family, "field"), settings, "field")
                for steps in map(int, given.steps.split(",")):
                    config, fit = resolve(signal, chosen, {"steps": steps})
                    begin = time.perf_counter()
                    r = ntk_report(signal, config, fit, try_settings=given.advice)
                    spent = time.perf_counter() - begin
                    left, db, seconds = happened(signal, config, fit)
                    row = {"signal": name, "field": label, "steps": steps, **compared(r, left, seconds, spent)}
                    print(line(row), flush=True)
                    if given.advice:
                        row["advice"] = advice(signal, config, fit, r, db)
                    rows.append(row)
                    if given.record:
                        save(given.record, rows)


if __name__ == "__main__":
    main()
