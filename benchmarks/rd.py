"""Rate against distortion of compressed pictures: `python benchmarks/rd.py PICTURE... --anchors CSV [--record rd]`.

Every picture is compressed at every quality by `inr compress`, its size is read from the disk, and the result of `inr
decompress` (a separate process) is compared with the picture, in 8 bits. Rows in the record are not measured again, so
a stopped run can continue; `--most 4` ends after so many new ones. Anchors are files of
image,codec,quality,bpp,psnr_db. `--bpp 0.3,0.6` sets rates instead of qualities, `--profile weights` another profile
than the default.

Printed: the means over pictures, with both meanings of a mean quality (mean of PSNR, PSNR of the mean error), and the
Bjontegaard difference in rate to each anchor: by picture, the mean of these, and that of the curves of means in both
meanings. A picture that has fewer than four points counts by its points alone (the rate against the anchor's at equal
PSNR), and curves of means have the pictures that are complete, so a part of the pictures is enough. A record `NAME-bd`
keeps the differences.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import json
import math
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _bd import NoOverlapError, bd_rate, rate_at, rate_ratio
from _inr import inr
from _record import newest_rows, save

LEVELS_DB = (28.0, 30.0, 32.0, 34.0, 36.0, 38.0)
Points = dict[str, dict[Any, tuple[float, float]]]
"""(bits per pixel, PSNR) by picture and setting."""
Anchors = dict[str, Points]
PUBLISHED = {"vtm-28.3": ("coolchic-5.0", -0.039)}
"""Codecs without points of their own: the anchor, and its rate against theirs, over the 24 Kodak pictures in RGB.

Source: README of Cool-chic 5.0.1."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """Settings of a compression: a quality or rate, and further options of `inr compress`."""

    aim: str
    value: float
    effort: int
    profile: str | None = None

    @property
    def words(self) -> list[object]:
        profile = [] if self.profile is None else ["--profile", self.profile]
        return [f"--{self.aim}", self.value, "--effort", self.effort, *profile]

    @property
    def row(self) -> dict[str, Any]:
        """Its part of a row; without a profile if that is the default."""
        return {
            ("quality" if self.aim == "quality" else "bpp_aim"): self.value,
            "effort": self.effort,
            **({} if self.profile is None else {"profile": self.profile}),
        }

    def made(self, row: dict[str, Any]) -> bool:
        """Whether a row was made with it."""
        keys = ("quality", "bpp_aim", "effort", "profile")
        return {key: row[key] for key in keys if key in row} == self.row


def measure(picture: Path, setting: Setting, threads: int | None, folder: Path) -> dict[str, Any]:
    """One row: bytes on disk, and the error of the picture decoded in a new process."""
    import imageio.v3 as iio

    packed, shown = folder / "packed.inrz", folder / "shown.png"
    flags = [] if threads is None else ["--threads", str(threads)]
    encode_s = inr("compress", picture, "-o", packed, *setting.words, "--force", *flags)
    decode_s = inr("decompress", packed, "-o", shown, "--force", *flags)
    original, decoded = (np.asarray(iio.imread(path), np.float64) for path in (picture, shown))
    mse = float(np.mean((original - decoded) ** 2)) / 255**2
    size = packed.stat().st_size
    return {
        "file": picture.name,
        **setting.row,
        "size_bytes": size,
        "bpp": 8 * size / (original.shape[0] * original.shape[1]),
        "psnr_db": -10 * math.log10(mse),
        "mse": mse,
        "encode_s": encode_s,
        "decode_s": decode_s,
    }


def anchors_of(paths: Iterable[Path]) -> Anchors:
    """Points (bits per pixel, PSNR) by codec, picture and setting."""
    found: Anchors = defaultdict(lambda: defaultdict(dict))
    for path in paths:
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                found[row["codec"]][row["image"]][row["quality"]] = (float(row["bpp"]), float(row["psnr_db"]))
    return {codec: dict(by_image) for codec, by_image in found.items()}


def summary(rows: Sequence[dict[str, Any]], anchors: Anchors) -> list[dict[str, Any]]:
    """Per anchor: the difference in rate by picture, the mean, and of the curves of means."""
    ours: dict[str, dict[Any, tuple[float, float]]] = defaultdict(dict)
    for row in rows:
        ours[Path(row["file"]).stem][row.get("quality", row.get("bpp_aim"))] = (row["bpp"], row["psnr_db"])
    lines = []
    for codec, curves in anchors.items():
        each, at_points = {}, {}
        for name in sorted(ours.keys() & curves.keys()):
            mine, theirs = list(ours[name].values()), list(curves[name].values())
            ratio = rate_ratio(mine, theirs)
            if ratio is not None:
                at_points[name] = ratio
            with contextlib.suppress(NoOverlapError):
                each[name] = bd_rate(mine, theirs)
        if not at_points:
            continue
        line = {
            "anchor": codec,
            "bd_rate": each,
            "rate_at_points": at_points,
            "mean": _mean(each),
            "n_files": len(each),
        }
        lines.append(line | of_means(ours, curves))
    return [*lines, *published(lines)]


def of_means(ours: Points, theirs: Points) -> dict[str, float | None]:
    """The difference in rate of the curves of means, over the pictures that both have at all settings."""
    complete = set.intersection(*({n for n in side if len(side[n]) == _longest(side)} for side in (ours, theirs)))
    found: dict[str, float | None] = {}
    means: dict[str, Callable[[Sequence[float]], float]] = {
        "of_mean_psnr": statistics.fmean,
        "of_mean_mse": _psnr_of_mean,
    }
    for key, mean in means.items():
        found[key] = None
        curves = [
            [
                (
                    statistics.fmean(side[name][at][0] for name in complete),
                    mean([side[name][at][1] for name in complete]),
                )
                for at in side[min(complete)]
            ]
            for side in (ours, theirs)
            if complete
        ]
        with contextlib.suppress(NoOverlapError):
            found[key] = bd_rate(*curves) if complete else None
    return found


def published(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means against codecs of which only the difference to an anchor is published."""
    found = []
    for codec, (through, offset) in PUBLISHED.items():
        for line in (line for line in lines if line["anchor"] == through):
            moved = {
                key: None if line[key] is None else (1 + line[key]) * (1 + offset) - 1
                for key in ("mean", "of_mean_psnr", "of_mean_mse")
            }
            found.append({"anchor": codec, "bd_rate": {}, "rate_at_points": {}, "n_files": line["n_files"], **moved})
    return found


def _longest(points: Points) -> int:
    return max(map(len, points.values()), default=0)


def _mean(each: dict[str, float]) -> float | None:
    return statistics.fmean(each.values()) if each else None


def _psnr_of_mean(psnr_db: Sequence[float]) -> float:
    """The PSNR of the mean of the squared errors that these are of."""
    return -10 * math.log10(statistics.fmean(10 ** (-db / 10) for db in psnr_db))


def means(rows: Sequence[dict[str, Any]], aim: str = "quality") -> list[dict[str, float]]:
    """By setting ("quality", "bpp_aim"), over pictures: rate, mean of PSNR, PSNR of the mean error."""
    by_value = defaultdict(list)
    for row in rows:
        by_value[row[aim]].append(row)
    return [
        {
            aim: value,
            "files": len(group),
            "bpp": statistics.fmean(row["bpp"] for row in group),
            "mean_psnr_db": statistics.fmean(row["psnr_db"] for row in group),
            "psnr_of_mean_mse_db": -10 * math.log10(statistics.fmean(row["mse"] for row in group)),
            "encode_s": statistics.median(row["encode_s"] for row in group),
            "decode_s": statistics.median(row["decode_s"] for row in group),
        }
        for value, group in sorted(by_value.items())
    ]


def plot(rows: Sequence[dict[str, Any]], anchors: Anchors, path: Path) -> None:
    """One panel per picture: PSNR over bits per pixel, ours and the anchors'."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    names = sorted({Path(row["file"]).stem for row in rows})
    columns = min(4, len(names))
    figure = Figure(figsize=(3.4 * columns, 2.8 * -(-len(names) // columns)), layout="constrained")
    for i, name in enumerate(names):
        axes = figure.add_subplot(-(-len(names) // columns), columns, i + 1)
        points = sorted((row["bpp"], row["psnr_db"]) for row in rows if Path(row["file"]).stem == name)
        for codec, curves in anchors.items():
            if name in curves:
                axes.plot(*zip(*sorted(curves[name].values()), strict=True), lw=1, marker=".", ms=3, label=codec)
        axes.plot(*zip(*points, strict=True), color="black", lw=2, marker="o", ms=4, label="inr")
        rates, qualities = zip(*points, strict=True)
        axes.set_xlim(0.6 * min(rates), 1.7 * max(rates))
        axes.set_ylim(min(qualities) - 2.5, max(qualities) + 2.5)
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("bits per pixel", fontsize=8)
        axes.set_ylabel("PSNR, dB", fontsize=8)
        axes.grid(visible=True, which="both", lw=0.3)
        if i == 0:
            axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def line_of(found: dict[str, Any]) -> str:
    """A difference for a human."""

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{100 * value:+.1f} %"

    each = found["bd_rate"] or found["rate_at_points"]
    how = "" if found["bd_rate"] or not each else "at its points: "
    return (
        f"{found['anchor']:>14}  mean {percent(found['mean'])} ({found['n_files']} pictures), of mean PSNR "
        f"{percent(found['of_mean_psnr'])}, of mean error {percent(found['of_mean_mse'])}  {how}"
        + "  ".join(f"{name} {100 * value:+.1f}" for name, value in each.items())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--anchors", nargs="*", type=Path, default=[])
    parser.add_argument("--qualities", default="10,30,50,65,80", help="with commas")
    parser.add_argument("--bpp", help="rates instead of qualities, with commas")
    parser.add_argument("--profile", help="of `inr compress`, instead of the default one")
    parser.add_argument("--effort", type=int, default=5)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--record", help="keep the rows under this name, and go on with those it has")
    parser.add_argument("--most", type=int, help="points to measure in this run; those of the record come on top")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file")
    given = parser.parse_args()
    rows = newest_rows(given.record) if given.record else []
    aim, values = ("quality", given.qualities) if given.bpp is None else ("bpp", given.bpp)
    settings = [Setting(aim, value, given.effort, given.profile) for value in map(float, values.split(","))]
    missing = [
        (picture, setting)
        for setting in settings
        for picture in given.files
        if not any(row["file"] == picture.name and setting.made(row) for row in rows)
    ]
    with tempfile.TemporaryDirectory() as folder:
        for picture, setting in missing[: given.most]:
            row = measure(picture, setting, given.threads, Path(folder))
            print(json.dumps(row), flush=True)
            rows.append(row)
            if given.record:
                save(given.record, rows)
    rows = [row for row in rows if any(setting.made(row) for setting in settings)]
    anchors = anchors_of(given.anchors)
    table = means(rows, "quality" if given.bpp is None else "bpp_aim")
    for line in table:
        print(json.dumps(line))
    differences = summary(rows, anchors)
    if given.record and differences:
        save(f"{given.record}-bd", differences)
    for found in differences:
        print(line_of(found))
    curve = [(line["bpp"], line["mean_psnr_db"]) for line in table]
    for level in LEVELS_DB:
        at = rate_at(curve, level) if len(curve) > 3 else None
        if at is not None:
            print(f"{level:g} dB at {at:.3f} bits per pixel (through the means)")
    if given.plot is not None:
        plot(rows, anchors, given.plot)


if __name__ == "__main__":
    main()
