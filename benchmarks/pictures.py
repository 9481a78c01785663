"""Pictures from their differences: `python benchmarks/pictures.py PICTURES [--side N] [--seconds S] [--out FOLDER]
[--record pictures]`.

PICTURES: a folder with two photographs or more. First the experiments of SIREN's paper (Sitzmann et al. 2020, section
4.1): a picture from its gradients, from its Laplacian, and the composition of two pictures by the mean of their
gradients, each by a SIREN and by the default grids. Then clone, mixed, inpaint and tone. All are solved by the loss
`edge` and compared with the direct solution, in grey levels (tone: in the logarithm of luminance). --out keeps the
pictures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import save
from PIL import Image as Pillow

from inr.solving.pictures import PictureProblem, PictureSolution
from inr.solving.pictures.tasks.gradients import laplacian


def prepared(folder: Path, pictures: list[Path], side: int) -> None:
    """One and two: squares of `side` pixels; grey ones; a disc as mask; a hole; differences and Laplacian as arrays."""
    for name, path in zip(("one", "two"), pictures, strict=False):
        picture = Pillow.open(path).convert("RGB")
        least = min(picture.size)
        square = picture.crop((0, 0, least, least)).resize((side, side), Pillow.Resampling.LANCZOS)
        square.save(folder / f"{name}.png")
        square.convert("L").save(folder / f"{name}-grey.png")
    y, x = np.mgrid[:side, :side] / side - 0.5
    Pillow.fromarray((np.hypot(x, y) < 0.4).astype(np.uint8) * 255).save(folder / "disc.png")
    hole = np.random.default_rng(0).random((side, side)) < 0.7
    Pillow.fromarray(hole.astype(np.uint8) * 255).save(folder / "hole.png")
    grey = [np.asarray(Pillow.open(folder / f"{name}-grey.png")) / 255 for name in ("one", "two")]
    both = np.zeros((side, side, 2))
    mean = (grey[0] + grey[1]) / 2
    both[:, :-1, 0], both[:-1, :, 1] = np.diff(mean, axis=1), np.diff(mean, axis=0)
    np.save(folder / "composition.npy", both)
    np.save(folder / "laplacian.npy", laplacian(grey[0][..., None])[..., 0])


SIREN = {"type": "siren", "width": 128, "depth": 3}


def problems(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Name -> task, files, mask, field."""
    one, two = folder / "one.png", folder / "two.png"
    grey, composition = folder / "one-grey.png", folder / "composition.npy"
    return {
        "gradients, siren": ("gradients", [grey], None, SIREN),
        "gradients, grids": ("gradients", [grey], None, None),
        "laplacian, siren": ("laplacian", [grey], None, SIREN),
        "laplacian, grids": ("laplacian", [grey], None, None),
        "composition, siren": ("gradients", [composition], None, SIREN),
        "composition, grids": ("gradients", [composition], None, None),
        "clone": ("clone", [one, two], folder / "disc.png", None),
        "mixed": ("mixed", [one, two], folder / "disc.png", None),
        "inpaint 70 %": ("inpaint", [one], folder / "hole.png", None),
        "tone": ("tone", [one], None, None),
    }


def kept(solution: PictureSolution, path: Path) -> None:
    values = solution.values
    if solution.unit == "units":  # the mean is 0
        values = values + 0.45
    pixels = (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    Pillow.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--only", help="parts of names, with | between them")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    torch.set_num_threads(max(1, int(os.environ.get("INR_NUM_THREADS", "2"))))
    found = sorted(p for p in options.pictures.iterdir() if p.suffix in (".png", ".jpg"))
    if options.out is not None:
        options.out.mkdir(exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, found[-2:], options.side)
        for title, (task, files, mask, field) in problems(folder).items():
            if options.only is not None and not any(part in title for part in options.only.split("|")):
                continue
            tables = {} if field is None else {"field": field}
            settings = {"method": "edge", "time_s": options.seconds, "steps": 10**6}
            solution = PictureProblem.of(task, *files, mask=mask, solve=settings, **tables).solve()
            assert solution.off is not None
            per_grey = 255 if solution.unit == "units" else 1
            row = {"task": title, "side": options.side, "off": solution.off * per_grey, "unit": solution.unit,
                   "off_max": (solution.off_max or 0) * per_grey, "steps": solution.steps, "seconds": solution.seconds,
                   "pixels": solution.n_free, "load": os.getloadavg()[0]}  # fmt: skip
            rows.append(row)
            print(f"{title:22} off {row['off']:.3f} rms, {row['off_max']:.2f} at most  {solution.steps} steps  "
                  f"{solution.seconds:.1f} s  load {row['load']:.1f}", flush=True)  # fmt: skip
            if options.out is not None:
                kept(solution, options.out / f"{title.replace(', ', '-').replace(' ', '-').replace('%', '')}.png")
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
