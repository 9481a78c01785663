"""Effort 1 on pictures of 0.4 to 24 million pixels: time, memory, quality and rate, beside JPEG of the same quality.

    python benchmarks/quick.py FOLDER [--sizes 0.4M,1.6M,6M,24M] [--save]

FOLDER has photographs of 768 x 512, of which larger pictures are put together (`_mosaic.py`). A picture is compressed
and decompressed by the command line. Processor time and peak memory are of the command with its own child process;
the peak is that of the larger of the two. `load_average` above the number of threads means that other processes shared
the machine: then neither seconds nor processor seconds are speeds, only ratios within one run count. JPEG is Pillow's,
with optimised tables, between its two nearest qualities.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from _mosaic import Picture, mosaic
from _record import save
from PIL import Image


def psnr(picture: Picture, other: Picture) -> float:
    total = sum(float(np.sum((a.astype(np.float32) - b) ** 2)) for a, b in zip(picture, other, strict=True))
    return -10 * float(np.log10(total / picture.size / 255**2))


def jpeg_bpp(picture: Picture, psnr_db: float) -> float:
    """Bits per pixel of a JPEG of this quality, between the two qualities around it."""

    def made(quality: int) -> tuple[float, float]:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=quality, optimize=True)
        size = out.tell()
        return psnr(picture, np.asarray(Image.open(out))), 8 * size / (picture.shape[0] * picture.shape[1])

    low, high = 1, 95
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if made(middle)[0] < psnr_db else (low, middle)
    (below, few), (above, many) = made(low), made(high)
    bpp: float = few * (many / few) ** ((psnr_db - below) / (above - below))
    return bpp


def measured(*words: object) -> dict[str, float]:
    """Run `inr WORDS`: seconds, seconds of the processor, and peak memory. Raises SystemExit if it fails."""
    start = time.perf_counter()
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-m", "inr_cli", *map(str, words), "--quiet", "--force"], os.environ
    )
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"inr {' '.join(map(str, words))} failed")
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": 1024 * usage.ru_maxrss,
    }


def row(folder: Path, size: str, work: Path) -> dict[str, Any]:
    picture = mosaic(folder, size)
    n_pixels = picture.shape[0] * picture.shape[1]
    source, packed, shown = work / "picture.png", work / "packed.inrz", work / "shown.png"
    iio.imwrite(source, picture)
    compress = measured("compress", source, "-o", packed, "--effort", 1)
    decompress = measured("decompress", packed, "-o", shown)
    quality = psnr(picture, iio.imread(shown))
    return {
        "pixels": n_pixels,
        "effort": 1,
        "psnr_db": quality,
        "bpp": 8 * packed.stat().st_size / n_pixels,
        "jpeg_bpp": jpeg_bpp(picture, quality),
        "compress": compress,
        "decompress": decompress,
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", default="0.4M,1.6M,6M,24M", help="with commas")
    parser.add_argument("--save", action="store_true", help="write a record")
    args = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as work:
        for size in args.sizes.split(","):
            found.append(row(args.folder, size, Path(work)))
            print(size, found[-1], flush=True)
    if args.save:
        print(save("quick", found))


if __name__ == "__main__":
    main()
