"""All families on real signals with one budget: `python benchmarks/quality.py FILE... [--record minute]`.

Pictures are cut to the 256 x 256 pixels in their middle (--crop), sounds to their first two seconds; shapes are
unchanged. Each family is fitted at equal time with its own size, by its recipe `best` (--recipes best paper), and with
--params also (with --equal-only, only) at equal parameters, with the largest width (or table) within them. The seconds
are those of the steps; closed forms have no time limit. With `--clock processor` they are seconds of processor time of
one thread, which other programs on the machine change little. A run that was stopped goes on with `--resume`: rows of
the newest record of the name are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from _record import newest_rows, save

from inr.core.config import parse
from inr.core.errors import UsageError
from inr.fields import FIELDS, FieldConfig, RecipeName
from inr.signals import Signal, load_signal
from inr.workflows.compare import FitBudget, compare

CLIP_S = 2


def reduced(path: Path, folder: Path, side: int) -> Signal:
    """The signal of a file, made small enough for a laptop; generated ones are whole. side: of a picture's part."""
    signal = load_signal(path)
    if not path.exists():
        return signal
    if signal.spec.kind == "image":
        from PIL import Image

        picture = Image.open(path)
        width, height = (min(length, side) for length in picture.size)
        left, top = (picture.width - width) // 2, (picture.height - height) // 2
        picture.crop((left, top, left + width, top + height)).save(folder / f"{path.stem}.png")
        return load_signal(folder / f"{path.stem}.png")
    if signal.spec.kind == "audio":
        import soundfile

        samples, rate = soundfile.read(path, always_2d=True)
        soundfile.write(folder / f"{path.stem}.wav", samples[: CLIP_S * rate], rate)
        return load_signal(folder / f"{path.stem}.wav")
    return signal


def measure(
    signal: Signal, name: str, budget: FitBudget, settings: dict[str, Any], recipe: RecipeName, pictures: Path | None
) -> dict[str, Any]:
    """One family: its row, or the reason why it has none. pictures: a folder for what the fit looks like."""
    config = parse(FieldConfig, name, "field")
    result = compare(signal, [config], budget, settings, measurements=1, recipe=recipe)
    row: dict[str, Any] = {"file": signal.name, "field": name, "metric": result.headline}
    if not result.entries:
        return row | {"refused": next(iter(result.refused.values()))}
    (entry,) = result.entries
    if pictures is not None and signal.spec.kind == "image":
        from PIL import Image

        values = entry.fit.render()[0].clip(0, 1)
        Image.fromarray((values * 255 + 0.5).astype(np.uint8)).save(pictures / f"{name}.webp", quality=80, method=6)
    return row | {
        "quality": result.quality(entry),
        "n_params": entry.fit.field.n_params,
        "n_bytes": entry.n_bytes,
        "seconds": entry.seconds,
        "steps": entry.fit.steps,
        "outcome": entry.fit.outcome,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="per fit")
    parser.add_argument("--params", type=int, help="of the equal-parameter fits; default: none of these")
    parser.add_argument("--equal-only", action="store_true", help="with --params: no fits with the families' own sizes")
    parser.add_argument("--recipes", nargs="+", choices=get_args(RecipeName), default=["best"])
    parser.add_argument("--precision", default="float32", help="float32 or bfloat16; families without it are refused")
    parser.add_argument("--crop", type=int, default=256, help="pixels of a side of the part of a picture")
    parser.add_argument("--pictures", type=Path, help="folder for a WebP of each fit, named after its family")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="processor: of one thread")
    parser.add_argument("--resume", action="store_true", help="keep the rows of the newest record of this name")
    parser.add_argument("--fields", help="families, separated by commas; default: all")
    parser.add_argument("--record", help="keep the rows under this name")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    if words.clock == "processor":
        if words.threads != 1:
            parser.error("--clock processor counts the time of one thread: give --threads 1")
        time.perf_counter = time.process_time  # the clock of fits
    families = words.fields.split(",") if words.fields else list(FIELDS)
    budgets = {} if words.equal_only else {"own size": FitBudget(time_s=words.seconds)}
    if words.params is not None:
        budgets["equal parameters"] = FitBudget(params=words.params, time_s=words.seconds)
    settings = {"seed": 0, "precision": words.precision}
    rows = newest_rows(words.record) if words.resume else []
    done = {(row["budget"], row["recipe"], row["precision"], row["file"], row["field"]) for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        for path in words.files:
            signal = reduced(path, Path(folder), words.crop)
            for (label, budget), recipe, name in itertools.product(budgets.items(), words.recipes, families):
                if (label, recipe, words.precision, signal.name, name) in done:
                    continue
                with contextlib.suppress(UsageError):  # families without the precision
                    row = measure(signal, name, budget, settings, recipe, words.pictures)
                    rows.append(
                        {"budget": label, "recipe": recipe, "precision": words.precision, "clock": words.clock, **row}
                    )
                    print(rows[-1], flush=True)
                    if words.record:
                        save(words.record, rows)


if __name__ == "__main__":
    main()
