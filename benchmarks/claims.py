"""Claims of papers, tested at laptop scale: `python benchmarks/claims.py PICTURE SOUND [--only NAME]`.

Each claim is a set of arms (a field and settings) fitted to one signal under equal steps or equal time, with the same
seeds. The record states the quality of every arm in dB, and for every claim whether the order is confirmed. PICTURE is
cut to a 64 x 64 patch, SOUND to half a second; the other signals are synthetic.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import save

from inr.fitting import Fit, Run, resolve
from inr.fitting.warm_start import warm_start
from inr.signals import Signal, load_signal
from inr.signals.array import Array
from inr.workflows.meta_learning import learn

SEEDS = (0, 1)
Document = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Arm:
    """One arm: a field, and the settings that differ from those of the claim."""

    name: str
    field: Document
    fit: Document = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Claim:
    """`arms[0]` is the method, `arms[1]` the paper's baseline; further arms are shown for comparison."""

    name: str
    says: str
    signal: str
    fit: Document
    arms: tuple[Arm, ...]


def signals(picture: Path, sound: Path) -> dict[str, Callable[[], Signal]]:
    """The signals by name, each written to a file first, as `inr` reads them."""
    folder = Path(tempfile.mkdtemp())

    def saved(name: str, values: np.ndarray) -> Signal:
        np.save(folder / f"{name}.npy", values.astype(np.float32))
        return load_signal(folder / f"{name}.npy")

    def patch() -> Signal:
        import imageio.v3 as iio

        pixels = iio.imread(picture)
        top, left = (pixels.shape[0] - 256) // 2, (pixels.shape[1] - 256) // 2
        small = pixels[top : top + 256 : 4, left : left + 256 : 4]
        iio.imwrite(folder / "patch.png", small)
        return load_signal(folder / "patch.png")

    def noise() -> Signal:
        import imageio.v3 as iio

        random = np.random.default_rng(0)
        iio.imwrite(folder / "noise.png", random.integers(0, 256, (128, 128), dtype=np.uint8))
        return load_signal(folder / "noise.png")

    def clip() -> Signal:
        import soundfile

        samples, rate = soundfile.read(sound, always_2d=True)
        middle = len(samples) // 2
        soundfile.write(folder / "clip.wav", samples[middle : middle + rate // 2, :1], rate)
        return load_signal(folder / "clip.wav")

    def toy() -> Signal:
        t = np.linspace(0, 1, 256, endpoint=False)
        return saved("toy", sum((np.sin(2 * np.pi * f * t) for f in (2, 7, 18, 31)), np.zeros(256)))

    def video() -> Signal:
        t, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in (24, 64, 64)), indexing="ij")
        ring = np.hypot(x - 0.5 - 0.25 * np.cos(2 * np.pi * t), y - 0.5 - 0.25 * np.sin(2 * np.pi * t))
        return saved("video", np.exp(-((ring / 0.15) ** 2)) + 0.2 * np.sin(40 * x * y + 6 * t))

    def large_patch() -> Signal:
        import imageio.v3 as iio

        pixels = iio.imread(picture)
        top, left = (pixels.shape[0] - 256) // 2, (pixels.shape[1] - 256) // 2
        iio.imwrite(folder / "large.png", pixels[top : top + 256, left : left + 256])
        return load_signal(folder / "large.png")

    return {
        "patch": patch, "noise": noise, "clip": clip, "toy": toy, "video": video, "large patch": large_patch,
    }  # fmt: skip


def small(family: str, **settings: Any) -> Document:
    return {"type": family, "width": 128, **settings}


FULL = {"steps": 400, "batch": 4096, "lr": 5e-4, "schedule": "exponential", "optimizer": "adam"}
RELU = {"type": "mlp", "width": 128, "encoding": "identity"}
PE = {"type": "mlp", "width": 128}
FR = {"linear": "fourier_reparam"}
ROWS = {"linear": "row_equilibrated"}
CLAIMS = (
    Claim("fr_relu", "Fourier reparameterisation above plain, ReLU (Shi et al. 2024)", "patch", FULL,
          (Arm("FR", {**RELU, **FR}), Arm("plain", RELU))),
    Claim("fr_pe", "Fourier reparameterisation above plain, positional encoding", "patch", FULL,
          (Arm("FR", {**PE, **FR}), Arm("plain", PE))),
    Claim("fr_siren", "Fourier reparameterisation above plain, SIREN", "patch", FULL,
          (Arm("FR", small("siren", **FR)), Arm("plain", small("siren")))),
    Claim("finer", "FINER above SIREN (Liu et al. 2024)", "patch", FULL,
          (Arm("FINER", small("finer")), Arm("SIREN", small("siren")))),
    Claim("spder", "SPDER above SIREN (Shah and Sitawarin 2024)", "patch", FULL,
          (Arm("SPDER", small("spder")), Arm("SIREN", small("siren")))),
    Claim("winner_sound", "WINNER above SIREN on sound (Chandravamsi et al. 2025)", "clip",
          {**FULL, "steps": 300, "batch": 4096, "lr": 1e-4, "schedule": "constant"},
          (Arm("WINNER", {"type": "winner"}), Arm("SIREN", {"type": "siren"}))),
    Claim("winner_noise", "WINNER above SIREN on a picture of noise", "noise", {**FULL, "steps": 400, "lr": 1e-4},
          (Arm("WINNER", small("winner")), Arm("SIREN", small("siren")))),
    Claim("neurbf", "NeuRBF above the hash grid at equal parameters (Chen et al. 2023)", "large patch",
          {"steps": 600, "batch": 8192},
          (Arm("NeuRBF", {"type": "neurbf"}), Arm("hash grid", {"type": "hash_grid"}))),
    Claim("cam", "coordinate-aware modulation above its base (Lee et al. 2024)", "patch", FULL,
          (Arm("CAM", small("cam")), Arm("base", small("rff")))),
    Claim("iga_toy", "inductive gradient adjustment above its base, 1-D toy (Shi et al. 2025)", "toy",
          {**FULL, "batch": 256, "lr": 1e-3},
          (Arm("IGA", RELU, {"residual_transform": {"type": "iga", "k": 3, "groups": 256}}), Arm("base", RELU))),
    Claim("iga_picture", "inductive gradient adjustment above its base, picture", "patch", {**FULL, "steps": 300},
          (Arm("IGA", PE, {"residual_transform": "iga", "sampler": {"type": "patches", "side": 8}}), Arm("base", PE))),
    Claim("row_equilibration", "row equilibration above plain, ReLU with encoding (Saratchandran et al. 2024)",
          "patch", FULL, (Arm("row equilibrated", {**PE, **ROWS}), Arm("plain", PE))),
    Claim("row_equilibration_siren", "row equilibration above plain, SIREN", "patch", FULL,
          (Arm("row equilibrated", small("siren", **ROWS)), Arm("plain", small("siren")))),
    Claim("f_inr_speed", "factorised axes reach more in the same time on a video (Vemuri et al. 2025)", "video",
          {"time_s": 10.0, "steps": None, "lr": 1e-3, "schedule": "exponential"},
          (Arm("F-INR CP", {"type": "f_inr"}), Arm("one network", {"type": "siren"}, {"lr": 5e-4}))),
    Claim("low_rank", "a small rank suffices (Maestro, Horvath et al. 2024): curve over the rank", "patch", FULL,
          tuple(Arm(f"rank {r}", small("siren", linear={"type": "low_rank", "rank": r})) for r in (64, 32, 16, 8))),
    Claim("dlrt", "a rank chosen in training (DLRT, Schotthöfer et al. 2022) above a fixed one (32)", "patch",
          {**FULL, "lr": 1e-2},
          (Arm("DLRT, tolerance 0.1", {**PE, "linear": "dlrt"}),
           Arm("rank 32", {**PE, "linear": {"type": "low_rank", "rank": 32, "is_ordered": False}}),
           Arm("dense", PE), Arm("dense, 3e-3", PE, {"lr": 3e-3}),
           Arm("DLRT, tolerance 0.02", {**PE, "linear": {"type": "dlrt", "tolerance": 0.02}}),
           Arm("DLRT, tolerance 0.3", {**PE, "linear": {"type": "dlrt", "tolerance": 0.3}}))),
    Claim("subspace", "few directions suffice (Li et al. 2018): curve over the dimension", "patch",
          {**FULL, "lr": 1e-2},
          tuple(Arm(f"{d} directions", {"type": "subspace", "dimensions": d, "base": small("siren")})
                for d in (4096, 1024, 256))),
    Claim("muon", "Muon above Adam on the hidden matrices (McGinnis et al. 2026)", "patch", FULL,
          (Arm("Muon", small("siren"), {"optimizer": "muon"}), Arm("Adam", small("siren")))),
    Claim("evos", "evolutionary selection above uniform batches of the same size (Zhang et al. 2025)", "patch",
          {**FULL, "batch": 2048},
          (Arm("EVOS", small("siren"), {"sampler": "evos"}), Arm("uniform", small("siren")))),
)  # fmt: skip


def quality(signal: Signal, arm: Arm, settings: Document, seed: int) -> dict[str, Any]:
    run = Run(signal, *resolve(signal, arm.field, {**settings, **arm.fit, "seed": seed}))
    start = time.perf_counter()
    outcome = run.advance()
    seconds = time.perf_counter() - start
    metrics = run.result(outcome).metrics
    value = metrics.get("snr_db", metrics["psnr_db"])
    return {"db": value, "seconds": seconds, "steps": run.step, "n_params": run.field.n_params, "outcome": outcome}


def judge(claim: Claim, make: Callable[[], Signal]) -> dict[str, Any]:
    """All arms over all seeds. `gain_db`: median of the paired differences between the first two arms."""
    signal = make()
    arms = []
    for arm in claim.arms:
        runs = [quality(signal, arm, claim.fit, seed) for seed in SEEDS]
        last = {key: runs[-1][key] for key in ("steps", "n_params", "outcome")}
        arms.append({"arm": arm.name, "db": [r["db"] for r in runs], "seconds": runs[-1]["seconds"], **last})
    gains = [a - b for a, b in zip(arms[0]["db"], arms[1]["db"], strict=True)]
    row = {"claim": claim.name, "says": claim.says, "signal": claim.signal, "arms": arms}
    if len(arms) == 2:
        row |= {"gain_db": statistics.median(gains), "holds": min(gains) > 0}
    return row


def learned_initialisation(picture: Path) -> dict[str, Any]:
    """PSNR of 10 steps from a start learned on 12 patches of a picture, on three others, and the random start's."""
    import imageio.v3 as iio

    pixels = iio.imread(picture)[:384, :512, 1][::2, ::2].astype(np.float32) / 127.5 - 1
    patches = [pixels[y : y + 32, x : x + 32] for y in range(0, 160, 32) for x in range(0, 224, 32)]
    random = np.random.default_rng(0)
    chosen = [Array.of_array(patches[i]) for i in random.permutation(len(patches))[:15]]
    rates = {"inner_lr": 1e-2, "lr": 3e-4}
    learned = learn(
        chosen[:12], small("siren"), {"method": "maml", "steps": 300, "inner_steps": 3, "batch": 1024, **rates}
    )

    def reached(signal: Signal, steps: int, init: Fit | None, lr: float) -> float:
        settings = {"steps": steps, "lr": lr, "schedule": "constant", "batch": 1024}
        run = Run(signal, *resolve(signal, small("siren"), settings))
        if init is not None:
            warm_start(run, init)
        return run.result(run.advance()).metrics["psnr_db"]

    after = {
        name: [statistics.mean(reached(s, n, init, lr) for s in chosen[12:]) for n in (10, 30, 100, 300)]
        for name, init, lr in (("learned", learned, 1e-4), ("random", None, 1e-4), ("random, lr 1e-3", None, 1e-3))
    }
    arms = [{"arm": f"{name}: 10, 30, 100, 300 steps", "db": values} for name, values in after.items()]
    gain = after["learned"][0] - after["random"][2]
    says = "10 steps from a learned start reach what 100 from a random one do (Tancik et al. 2021)"
    return {"claim": "learned_start", "says": says, "signal": "32 x 32 patches", "arms": arms, "gain_db": gain,
            "holds": gain > 0}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--only", nargs="+", help="names of claims")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--record", help="keep the rows under this name")
    words = parser.parse_args()
    torch.set_num_threads(words.threads)
    make = signals(words.picture, words.sound)
    work = {claim.name: partial(judge, claim, make[claim.signal]) for claim in CLAIMS}
    work["learned_start"] = partial(learned_initialisation, words.picture)
    rows: list[dict[str, Any]] = []
    for name in words.only or work:
        rows.append(work[name]())
        print(json.dumps(rows[-1]), flush=True)
        if words.record:
            save(words.record, rows)


if __name__ == "__main__":
    main()
