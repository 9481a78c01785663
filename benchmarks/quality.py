"""All families on real signals with one budget: `python benchmarks/quality.py FILE... [--record quality]`.

Pictures are reduced to 256 pixels along their longer side, sounds to their first two seconds; shapes are unchanged.
Each family is fitted twice: at equal time with the size of its paper, and at equal time and equal parameters, with the
largest width (or table) within them. Steps take 2048 samples, so that slow families make enough of them; those that
work by axes keep the whole lattice. The seconds are those of the steps on one thread; closed forms have no time limit.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch
from _record import save

from inr.core.config import parse
from inr.fields import FIELDS, FieldConfig
from inr.signals import Signal, load_signal
from inr.workflows.compare import FitBudget, compare

LONGEST = 256
CLIP_S = 2
BATCH = 2048


def reduced(path: Path, folder: Path) -> Signal:
    """The signal of a file, made small enough for a laptop."""
    signal = load_signal(path)
    if signal.spec.kind == "image":
        from PIL import Image

        picture = Image.open(path)
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
        picture.save(folder / f"{path.stem}.png")
        return load_signal(folder / f"{path.stem}.png")
    if signal.spec.kind == "audio":
        import soundfile

        samples, rate = soundfile.read(path, always_2d=True)
        soundfile.write(folder / f"{path.stem}.wav", samples[: CLIP_S * rate], rate)
        return load_signal(folder / f"{path.stem}.wav")
    return signal


def measure(signal: Signal, name: str, budget: FitBudget) -> dict[str, Any]:
    """One family: its row, or the reason why it has none."""
    config = parse(FieldConfig, name, "field")
    by_axes = config.recipe(signal.spec).get("sampler") == "grid"
    result = compare(signal, [config], budget, {"seed": 0} if by_axes else {"seed": 0, "batch": BATCH}, measurements=1)
    row: dict[str, Any] = {"file": signal.name, "field": name, "metric": result.headline}
    if not result.entries:
        return row | {"refused": next(iter(result.refused.values()))}
    (entry,) = result.entries
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
    parser.add_argument("--params", type=int, default=60_000, help="of the equal-parameter fits")
    parser.add_argument("--fields", help="families, separated by commas; default: all")
    parser.add_argument("--record", help="keep the rows under this name")
    words = parser.parse_args()
    torch.set_num_threads(1)
    families = words.fields.split(",") if words.fields else list(FIELDS)
    budgets = {
        "own size": FitBudget(time_s=words.seconds),
        "equal parameters": FitBudget(params=words.params, time_s=words.seconds),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in words.files:
            signal = reduced(path, Path(folder))
            for label, budget in budgets.items():
                for name in families:
                    rows.append({"budget": label, **measure(signal, name, budget)})
                    print(rows[-1], flush=True)
                    if words.record:
                        save(words.record, rows)


if __name__ == "__main__":
    main()
