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
from table import SCALED_PICTURES

OUTPUT = Path(__file__).parent.parent / "assets" / "tour" / "scaling.webp"
COLOURS = ("#0b62a4", "#e08a1e", "#999999", "#b03030")


def draw(axes: Any, lines: dict[str, list[dict[str, Any]]], title: str, unit: str) -> None:
    """Seconds to the target against samples, a line for each list of rows; rows that missed the target are left out."""
    for (name, rows), colour in zip(lines.items(), COLOURS, strict=False):
        reached = sorted(
            (row for row in rows if row["seconds_to_target"] is not None), key=lambda row: int(row["samples"])
        )
        points = [(row["samples"], row["seconds_to_target"]) for row in reached]
        label = f"{name}: slope {slope(reached):.2f}"
        axes.loglog(*zip(*points, strict=True), "o-", color=colour, label=label, markersize=4)
    axes.set(title=title, xlabel=unit, ylabel="seconds to 40 dB PSNR", ylim=(0.002, 60))
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def main() -> None:
    pictures = [row for name in SCALED_PICTURES for row in newest_rows(name)]
    volumes = newest_rows("scaling-volumes")
    others = {
        f"{look} volumes": [row for row in volumes if row["size"].endswith(look)] for look in ("smooth", "textured")
    }
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), dpi=100)
    draw(left, {way: [row for row in pictures if row["way"] == way] for way in WAYS}, "pictures", "pixels")
    draw(right, {**others, "sounds": newest_rows("scaling-sound")}, "default fits of other signals", "samples")
    figure.tight_layout()
    out = io.BytesIO()
    figure.savefig(out, format="png")
    Image.open(out).convert("RGB").save(OUTPUT, quality=80, method=6)


if __name__ == "__main__":
    main()
