"""Proposals of `inr suggest` against the defaults: `python benchmarks/suggest.py FOLDER [--steps N] [--only NAME]`.

FOLDER holds `images` and `audio`. Pictures are cut to 512 x 512 and reduced to 96 x 96, or with --crop N cut to N x N
at their own resolution (record suggest-crop); sounds are clips of 8192 and 16384 samples, and whole. Both arms are the
same network (width 64) for the same number of steps, one after the other, so that time is equal too; a rule is kept if
it wins in the mean. The row of the kind's default field is for comparison.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _record import save

from inr.core.config import override, parse
from inr.fields import FieldConfig
from inr.fitting import Run, resolve
from inr.ntk.suggest import suggest
from inr.signals import Signal, load_signal

SIZE = ("width=64",)


def signals(folder: Path, work: Path, crop: int | None, only: str) -> Iterator[tuple[str, Signal]]:
    from PIL import Image

    for path in sorted((folder / "images").glob(f"*{only}*.png")):
        side = crop or 512
        with Image.open(path) as picture:
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            small = picture.crop((left, top, left + side, top + side))
        if crop is None:
            small = small.resize((96, 96), Image.Resampling.LANCZOS)
        small.save(work / path.name)
        yield path.stem, load_signal(work / path.name)
    import soundfile

    for path in () if crop else sorted((folder / "audio").glob(f"*{only}*.wav")):
        samples, rate = soundfile.read(path, always_2d=True)
        for part, length in ((0.14, 8192), (0.25, 16384), (0.5, 8192), (0.0, len(samples))):
            start = int(part * len(samples))
            name = f"{path.stem}-{part:g}-{length}"
            soundfile.write(work / f"{name}.wav", samples[start : start + length, :1], rate)
            yield name, load_signal(work / f"{name}.wav")


def fitted(signal: Signal, field: str, settings: tuple[str, ...], steps: int) -> tuple[float, float]:
    """(dB, seconds)."""
    config = override(parse(FieldConfig, field, "field"), settings, "field")
    run = Run(signal, *resolve(signal, config, {"steps": steps, "batch": 4096}))
    fit = run.result(run.advance())
    return fit.metrics[signal.headline], fit.seconds


def print_gains(rows: list[dict[str, Any]]) -> None:
    """Proposed less default, by rule."""
    db = {(row["arm"], row["field"], row["signal"]): row["db"] for row in rows}
    for field in sorted({row["field"] for row in rows if "setting" in row}):
        gains = [db[key] - db["default", *key[1:]] for key in db if key[:2] == ("proposed", field)]
        if gains:
            print(f"{field}: {sum(gains) / len(gains):+.2f} dB in the mean of {len(gains)}, worst {min(gains):+.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--only", default="", help="part of a file's name")
    parser.add_argument("--crop", type=int, help="side of pictures at their own resolution")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        for name, signal in signals(given.folder, Path(work), given.crop, given.only):
            start = time.perf_counter()
            found = suggest(signal, settings=SIZE)
            suggest_seconds = time.perf_counter() - start
            db, seconds = fitted(signal, found.field, (), given.steps)
            rows.append({"signal": name, "field": found.field, "arm": "default field", "db": db, "seconds": seconds})
            print(rows[-1], flush=True)
            for p in found.proposals:
                for arm, value in (("default", p.default), ("proposed", p.value)):
                    if arm == "proposed" and p.is_default:
                        continue
                    db, seconds = fitted(signal, p.field, (*SIZE, f"{p.setting}={value:g}"), given.steps)
                    row = {"signal": name, "field": p.field, "setting": p.setting, "arm": arm, "value": value}
                    slow = p.slow if arm == "proposed" else p.slow_default
                    rows.append(row | {"slow": slow, "db": db, "seconds": seconds, "suggest_seconds": suggest_seconds})
                    print(rows[-1], flush=True)
            print(save("-".join(filter(None, ("suggest", given.only, "crop" if given.crop else ""))), rows), flush=True)
    print_gains(rows)


if __name__ == "__main__":
    main()
