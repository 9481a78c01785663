"""Published results, run again: `python benchmarks/reproduce.py SHARED [--only R4 R5] [--record reproduce]`.

SHARED has `images/` (kodim05.png and others), `shapes/` and `audio/`. A result has the arms of a published table or
figure in the paper's setting (recipe `paper`, and what else the protocol states), and the order of the arms that the
paper claims. A laptop runs it at reduced scale: the middle of pictures, at most --side pixels a side, --share of the
steps and of a sound, and grids and Gaussians in proportion to the pixels. `--full` is the published scale, for a GPU
(`--device cuda`).

A row has the quality of every arm, the published figure, their difference, and whether each claimed order holds; the
exit code is 1 if one does not. At a reduced scale the difference says how far from the published run this one is, no
more: fewer steps on fewer pixels, and other pictures where the paper's are not at hand.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import newest_rows, save

from inr.core.errors import InrError
from inr.fitting import Fit, Run, resolve
from inr.signals import Signal, load_signal
from inr.signals.audio import Audio
from inr.signals.image import Image

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Scale:
    """Of the runs. side: of pictures at most; none: the paper's. share: of the paper's steps, and of a sound."""

    side: int | None = None
    share: float = 1.0

    def steps(self, published: int) -> int:
        return max(10, round(published * self.share))

    def length(self, published: int) -> int:
        """The side of a picture."""
        return published if self.side is None else min(self.side, published)


@dataclass(frozen=True)
class Arm:
    """A field in a paper's setting. published: its quality after so many steps, none where no figure is known."""

    name: str
    field: Document
    published: Mapping[int, float | None]
    fit: Document = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """The shared signals."""

    folder: Path

    def pixels(self, name: str, side: int) -> np.ndarray:
        """The middle of a picture at its own resolution, at most `side` a side."""
        import imageio.v3 as iio

        return _middle(iio.imread(self.folder / "images" / f"{name}.png"), side)

    def clip(self, n_samples: int) -> Signal:
        import soundfile

        samples, rate = soundfile.read(self.folder / "audio" / "bach.wav", always_2d=True, dtype="float32")
        return Audio.of_samples(samples[:n_samples, :1], rate)

    def shape(self, name: str) -> Signal:
        return load_signal(self.folder / "shapes" / f"{name}.obj")


def _middle(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = (max(0, length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


@dataclass(frozen=True)
class Result:
    """What a paper reports.

    arms: from the scale and the number of the signal's samples. order: pairs (better arm, worse arm), compared after
    the last number of steps. key: the metric. quality: of a fit, where it is not that metric.
    """

    number: str
    says: str
    signal: Callable[[Sources, Scale], Signal]
    arms: Callable[[Scale, int], tuple[Arm, ...]]
    order: tuple[tuple[str, str], ...] = ()
    key: str = "psnr_db"
    quality: Callable[[Fit, Sources, Scale], float] | None = None


def crop_of(name: str, side: int) -> Callable[[Sources, Scale], Signal]:
    return lambda sources, scale: Image.of_pixels(sources.pixels(name, scale.length(side)))


def same(*arms: Arm) -> Callable[[Scale, int], tuple[Arm, ...]]:
    """Arms that do not depend on the scale."""
    return lambda scale, n: arms


ALL = {"batch": 2**20}
"""Every sample in every step: a batch is never larger than the signal."""

PLAIN = {**ALL, "lr": 1e-4, "schedule": "constant", "optimizer": "adam"}

SIREN = {"type": "siren", "depth": 3}
"""First layer and two hidden ones of 256 units."""

RELU = {"type": "mlp", "encoding": "identity", "depth": 3, "width": 256}
PE = {"type": "relu_pe"}
REPARAMETERISED = {"linear": "fourier_reparam"}


def _siren_curves(scale: Scale, n: int) -> tuple[Arm, ...]:
    return (
        Arm("EVOS", SIREN, {1000: 32.71, 2000: 35.89, 5000: 37.81}, {**PLAIN, "sampler": "evos"}),
        Arm("SIREN", SIREN, {1000: 31.06, 2000: 34.34, 5000: 37.10}, PLAIN),
    )


def _iga(scale: Scale, n: int) -> tuple[Arm, ...]:
    """Groups of 32 x 32 pixels in a whole picture, and as many groups in a smaller one."""
    side = max(2, round(32 * (n / (768 * 512)) ** 0.5))
    groups = {"sampler": {"type": "patches", "side": side}, "residual_transform": {"type": "iga", "k": 20}}
    return (
        Arm("IGA", PE, {10000: 28.06}, {**PLAIN, **groups, "lr": 5e-3}),
        Arm("Fourier reparameterised", {**PE, **REPARAMETERISED}, {10000: 26.63}, {**PLAIN, "lr": 1e-3}),
        Arm("positional encoding", PE, {10000: 24.60}, {**PLAIN, "lr": 1e-3}),
    )


def _instant_ngp(numbers_per_pixel: float, n: int) -> Document:
    """Its image network, with the table for which all levels together hold about this many numbers per pixel."""
    entries = numbers_per_pixel * n / 2 / 8  # two features; eight levels are as large as the table allows
    return {"type": "hash_grid", "width": 64, "depth": 2, "encoding": {"log2_table": max(8, round(np.log2(entries)))}}


def _grids(published: Mapping[str, Mapping[int, float | None]], batch: int) -> Callable[[Scale, int], tuple[Arm, ...]]:
    def arms(scale: Scale, n: int) -> tuple[Arm, ...]:
        fields = {"NeuRBF": {"type": "neurbf"}, "Instant-NGP": _instant_ngp(4.91e6 / 2.77e6, n)}
        return tuple(Arm(name, fields[name], figures, {"batch": batch}) for name, figures in published.items())

    return arms


DEEP = {"width": 256, "depth": 5}


def _waves(scale: Scale, n: int) -> tuple[Arm, ...]:
    fit = {**PLAIN, "steps": 1000}
    return (
        Arm("WINNER", {"type": "winner"}, {1000: 64.5}, ALL),
        Arm("FINER++", {"type": "finer_pp", **DEEP, "width": 222}, {1000: 56.5}, fit),
        Arm("SIREN", {"type": "siren", **DEEP, "width": 222}, {1000: 34.8}, fit),
    )


def _winner(winner: float, siren: float) -> Callable[[Scale, int], tuple[Arm, ...]]:
    return same(
        Arm("WINNER", {"type": "winner"}, {1000: winner}, ALL),
        Arm("SIREN", {"type": "siren", **DEEP}, {1000: siren}, PLAIN),
    )


def _held_out(fit: Fit, sources: Sources, scale: Scale) -> float:
    """PSNR of all pixels of a crop, three quarters of which the fit has not seen.

    Pixel i of the half picture is pixel 2 i of the crop, so that pixel j of the crop lies at j / 2 + 1/2 in the half
    one's pixels. The last row and column would lie on its border, and are left out.
    """
    pixels = sources.pixels("kodim05", scale.length(512))[:-1, :-1]
    height, width = pixels.shape[:2]
    values, _ = fit.render(crop=(0.25, 0.25, width / 2, height / 2), size=(width, height))
    return float(-10 * np.log10(np.mean((np.clip(values, 0, 1) - pixels / 255) ** 2)))


def _gaussians(scale: Scale, n: int) -> tuple[Arm, ...]:
    """70 000 Gaussians for a Kodak picture, the largest number of the paper's figure."""
    number = round(70_000 * n / (768 * 512))
    field = {"type": "gaussian_image", "encoding": {"n_gaussians": number}}
    return (Arm("GaussianImage", field, {50000: 44.1}, ALL),)


RESULTS = (
    Result("R1, R3", "EVOS above SIREN after equal steps (EVOS, CVPR 2025: 16 pictures of DIV2K, 512 x 512)",
           crop_of("kodim07", 512), _siren_curves, (("EVOS", "SIREN"),)),
    Result("R2", "SIREN's curve as the symmetric power transformation's paper has it", crop_of("kodim20", 512),
           same(Arm("SIREN", SIREN, {500: 26.25, 1000: 30.23, 3000: 34.70, 5000: 36.18}, PLAIN))),
    Result("R4, R5", "Fourier reparameterisation above plain networks (Shi et al. 2024: kodim05, 10 000 steps)",
           crop_of("kodim05", 768),
           same(Arm("ReLU", RELU, {10000: 17.31}, {**PLAIN, "lr": 1e-3}),
                Arm("ReLU, reparameterised", {**RELU, **REPARAMETERISED}, {10000: 18.33}, {**PLAIN, "lr": 1e-3}),
                Arm("encoding", PE, {10000: 22.87}, {**PLAIN, "lr": 1e-3}),
                Arm("encoding, reparameterised", {**PE, **REPARAMETERISED}, {10000: 26.78}, {**PLAIN, "lr": 1e-3}),
                Arm("SIREN", SIREN, {10000: 33.05}, PLAIN),
                Arm("SIREN, reparameterised", {**SIREN, **REPARAMETERISED}, {10000: 34.64}, PLAIN)),
           (("ReLU, reparameterised", "ReLU"), ("encoding, reparameterised", "encoding"),
            ("SIREN, reparameterised", "SIREN"), ("SIREN", "encoding"), ("encoding", "ReLU"))),
    Result("R6", "inductive gradient adjustment above its base (Shi et al. 2025: kodim05, 10 000 steps)",
           crop_of("kodim05", 768), _iga,
           (("IGA", "Fourier reparameterised"), ("Fourier reparameterised", "positional encoding"))),
    Result("R7, R8", "NeuRBF above Instant-NGP on whole photographs (Chen et al. 2023: DIV2K, 35 000 steps)",
           crop_of("kodim23", 768),
           _grids({"NeuRBF": {3500: 51.53, 35000: 58.56}, "Instant-NGP": {3500: None, 35000: 47.56}}, 2**18),
           (("NeuRBF", "Instant-NGP"),)),
    Result("R9", "NeuRBF above Instant-NGP at 256 x 256 (Chen et al. 2023: Kodak, 5000 steps, about 130 000 numbers)",
           crop_of("kodim08", 256), _grids({"NeuRBF": {5000: 50.34}, "Instant-NGP": {5000: 45.34}}, 2**16),
           (("NeuRBF", "Instant-NGP"),)),
    Result("R10", "NeuRBF at least as good as Instant-NGP on shapes (Chen et al. 2023: ten shapes, 20 000 steps)",
           lambda sources, scale: sources.shape("armadillo"),
           same(Arm("NeuRBF", {"type": "neurbf"}, {20000: 0.9995}),
                Arm("Instant-NGP", {"type": "hash_grid", "width": 64, "depth": 2, "encoding": {"log2_table": 15}},
                    {20000: 0.9994})),
           (("NeuRBF", "Instant-NGP"),), key="iou"),
    Result("R11", "WINNER above FINER++ above SIREN on sound (Chandravamsi et al. 2025: 150 000 samples, 4 x 222)",
           lambda sources, scale: sources.clip(max(4000, round(150_000 * scale.share))), _waves,
           (("WINNER", "FINER++"), ("FINER++", "SIREN"))),
    Result("R12, noise", "WINNER above SIREN on noise (Chandravamsi et al. 2025)",
           lambda sources, scale: Image.of_pixels(_noise(scale.length(512))), _winner(36.1, 21.3),
           (("WINNER", "SIREN"),)),
    Result("R12, camera", "WINNER above SIREN on the cameraman (Chandravamsi et al. 2025)",
           lambda sources, scale: Image.of_pixels(_camera(scale.length(512))), _winner(44.9, 38.9),
           (("WINNER", "SIREN"),)),
    Result("R13", "WIRE breaks at a rate of 2e-2 (FINER's scripts)", crop_of("kodim05", 512),
           same(*(Arm(f"rate {lr:g}", {"type": "wire", "depth": 4, "activation": {"omega": 20, "scale": 10}},
                      {2000: db}, {**ALL, "lr": lr})
                  for lr, db in ((5e-3, 28.78), (2e-2, 12.6)))),
           (("rate 0.005", "rate 0.02"),)),
    Result("R14", "MINER above SIREN on a large picture (Saragadam et al. 2022: Pluto, 4096 x 4096, 9.16 M numbers)",
           crop_of("kodim23", 768),
           same(Arm("MINER", {"type": "miner"}, {1000: 42.14}, {**ALL, "lr": 3e-3}),
                Arm("SIREN", SIREN, {1000: None}, PLAIN)),
           (("MINER", "SIREN"),)),
    Result("R15", "coordinate-aware modulation above its base on pixels between the trained ones (Lee et al. 2024)",
           lambda sources, scale: Image.of_pixels(np.ascontiguousarray(
               sources.pixels("kodim05", scale.length(512))[::2, ::2])),
           same(Arm("CAM", {"type": "cam"}, {2000: None}, ALL), Arm("base", {"type": "rff"}, {2000: None}, ALL)),
           (("CAM", "base"),), quality=_held_out),
    Result("R16", "GaussianImage at its largest number of Gaussians (Zhang et al. 2024: Kodak, read off a figure)",
           crop_of("kodim08", 768), _gaussians),
)  # fmt: skip


def _noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 1), dtype=np.uint8)


def _camera(side: int) -> np.ndarray:
    from skimage import data

    pixels: np.ndarray = _middle(data.camera(), side)[..., None]
    return pixels


def _has_reached(run: Run, step: int) -> bool:
    return run.step >= step


def fits(result: Result, sources: Sources, scale: Scale, device: torch.device) -> list[dict[str, Any]]:
    """The arms' rows: after each published number of steps, the quality here and the difference."""
    signal = result.signal(sources, scale)
    rows = []
    for arm in result.arms(scale, math.prod(signal.spec.shape or (0,))):
        last = max(arm.published)
        start = time.perf_counter()
        row: dict[str, Any] = {"arm": arm.name, "points": []}
        try:
            settings = {"seed": 0, **arm.fit, "steps": scale.steps(last)}
            run = Run(signal, *resolve(signal, arm.field, settings, recipe="paper"), device)
            row["n_params"] = run.field.n_params
            for steps, published in sorted(arm.published.items()):
                outcome = run.advance(should_stop=partial(_has_reached, run, scale.steps(steps)))
                fit = run.result(outcome)
                quality = fit.metrics[result.key] if result.quality is None else result.quality(fit, sources, scale)
                point = {"steps": run.step, "of": steps, "quality": quality, "published": published}
                row["points"].append(point | {"difference": None if published is None else quality - published})
        except InrError as error:
            row["refused"] = error.message
        rows.append(row | {"seconds": time.perf_counter() - start})
        print(json.dumps(row), flush=True)
    return rows


def judged(result: Result, arms: list[dict[str, Any]], scale: Scale) -> dict[str, Any]:
    """The row of a result. order: whether the better arm of each pair ends above the other."""
    end = {arm["arm"]: arm["points"][-1]["quality"] if arm["points"] else float("-inf") for arm in arms}
    order = [{"better": a, "worse": b, "gain": end[a] - end[b], "holds": end[a] > end[b]} for a, b in result.order]
    row = {"result": result.number, "says": result.says, "metric": result.key, "side": scale.side}
    return row | {"share": scale.share, "arms": arms, "order": order}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--only", nargs="+", help="numbers of results, as R4")
    parser.add_argument("--side", type=int, default=128, help="of pictures, at most")
    parser.add_argument("--share", type=float, default=0.1, help="of the published steps, and of a sound")
    parser.add_argument("--full", action="store_true", help="the published scale")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--record", help="keep the rows under this name, with those of its newest record")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    scale = Scale() if words.full else Scale(words.side, words.share)
    chosen = [r for r in RESULTS if not words.only or any(number in r.number.split(", ") for number in words.only)]
    rows = {row["result"]: row for row in newest_rows(words.record)} if words.record else {}
    is_held = True
    for result in chosen:
        row = judged(result, fits(result, Sources(words.shared), scale, torch.device(words.device)), scale)
        is_held &= all(pair["holds"] for pair in row["order"])
        print(result.number, row["order"], flush=True)
        rows[result.number] = row
        if words.record:
            save(words.record, [rows[r.number] for r in RESULTS if r.number in rows])
    sys.exit(0 if is_held else 1)


if __name__ == "__main__":
    main()
