"""Draw the newest records of `scaling.py` as assets/tour/scaling.webp: python benchmarks/scaling_picture.py"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from _record import newest_rows
from scaling import WAYS, slope

OUTPUT = Path(__file__).parent.parent / "assets" / "tour" / "scaling.webp"
COLOURS = dict(zip(WAYS, ("#0b62a4", "#e08a1e", "#999999", "#b03030"), strict=True))


def draw(axes: Any, rows: list[dict[str, Any]], title: str, unit: str) -> None:
    """Seconds to the target against samples, a line for each way; rows that missed the target are left out."""
    for way in WAYS:
        reached = [row for row in rows if row["way"] == way and row["seconds_to_target"] is not None]
        if not reached:
            continue
        has_slope = len({row["samples"] for row in reached}) > 1
        label = f"{way}: slope {slope(reached):.2f}" if has_slope else way
        points = sorted((row["samples"], row["seconds_to_target"]) for row in reached)
        axes.loglog(*zip(*points, strict=True), "o-", color=COLOURS[way], label=label, markersize=4)
    axes.set(title=title, xlabel=unit, ylabel="seconds to 40 dB PSNR")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8, frameon=False)


def main() -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), dpi=100)
    draw(left, newest_rows("scaling"), "pictures", "pixels")
    volumes = [row for row in newest_rows("scaling-volumes") if row["size"].endswith("smooth")]
    draw(right, volumes, "smooth volumes", "samples")
    figure.tight_layout()
    out = io.BytesIO()
    figure.savefig(out, format="png")
    Image.open(out).convert("RGB").save(OUTPUT, quality=80, method=6)


if __name__ == "__main__":
    main()
