"""Bytes that rounding saves: `python benchmarks/rounding.py PICTURE... --states DIR [--effort 3] [--against NAME]`.

Each picture is trained once per quality, as by `inr compress`, and its state is kept in the folder. Then the networks
are rounded and the file is coded. A run of another version of the code that finds the states there rounds the same
networks in its way, so two records of equal states are a pair; `--against NAME` prints this pair. Latents are equal in
both, so the sizes differ by what networks and predictions take, and the errors by what the synthesis loses.

A difference in bytes at equal quality takes the error at its worth: with the rate weight w, an error that is lower by d
counts as d / w bits per pixel.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from _record import newest_rows, save
from torch import Generator

from inr.codec.container.file import Container
from inr.codec.profiles.pyramid.architecture import architecture_of
from inr.codec.profiles.pyramid.encoder import STEPS, PyramidTarget
from inr.codec.profiles.pyramid.latent_trainer import GAIN, Trainer
from inr.codec.profiles.pyramid.training import WholeTraining
from inr.codec.rate_target import RateTarget
from inr.signals import Lattice, load_signal


def measure(picture: Path, quality: float, effort: int, states: Path) -> dict[str, Any]:
    """One row, from the kept state or a new one."""
    signal = load_signal(picture)
    assert isinstance(signal, Lattice)
    height, width, channels = signal.values.shape
    aim = PyramidTarget(RateTarget(quality=quality), signal.frame, height * width)
    architecture = architecture_of(channels, height, width, effort, aim.expected_bytes)
    target = ((signal.frame.to_field(signal.values) + 1) / 2).movedim(-1, 0).contiguous()
    trainer = Trainer(architecture, target, aim.controller(architecture), Generator().manual_seed(0))
    training = WholeTraining(trainer, STEPS[effort])
    state = states / f"{picture.stem}-{quality:g}-{effort}.pt"
    if state.exists():
        kept = torch.load(state)
        trainer.networks.start_from(kept["values"])
        trainer.start_from([GAIN * latent for latent in kept["latents"]])
    else:
        training.run(lambda start, part: lambda *step: None)
        values = {name: value.detach() for name, value in trainer.values.items()}
        states.mkdir(parents=True, exist_ok=True)
        torch.save({"values": values, "latents": [latent.detach() for latent in trainer.latents]}, state)
    start = time.perf_counter()
    payload, mse = training.quantised()
    seconds = time.perf_counter() - start
    return {
        "file": picture.name,
        "quality": quality,
        "effort": effort,
        "counts": architecture.counts,
        "rate_weight": trainer.rate_controller.weight,
        "n_pixels": height * width,
        "size_bytes": Container.of_size(b"", None, None, payload.size),
        "payload_bytes": payload.size,
        "psnr_db": -10 * math.log10(mse),
        "mse": mse,
        "quantise_s": seconds,
    }


def saved(row: dict[str, Any], before: dict[str, Any]) -> float:
    """The part of the bytes before that the row has more at equal quality; below 0 if it has fewer."""
    worth = (row["mse"] - before["mse"]) / row["rate_weight"] * row["n_pixels"] / 8
    return float((row["size_bytes"] - before["size_bytes"] + worth) / before["size_bytes"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--states", type=Path, required=True, help="folder of the trained states")
    parser.add_argument("--qualities", default="30,50", help="with commas")
    parser.add_argument("--effort", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--record", help="keep the rows under this name, with those it has of other pictures and efforts"
    )
    parser.add_argument("--against", help="the record of another version, to compare with")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keys = ("file", "quality", "effort")
    rows = newest_rows(given.record) if given.record else []
    before = {tuple(row[key] for key in keys): row for row in (newest_rows(given.against) if given.against else [])}
    changes = []
    for picture in given.files:
        for quality in map(float, given.qualities.split(",")):
            row = measure(picture, quality, given.effort, given.states)
            key = tuple(row[k] for k in keys)
            if key in before:
                row["change"] = saved(row, before[key])
                changes.append(row["change"])
            print(json.dumps(row), flush=True)
            rows = [old for old in rows if tuple(old[k] for k in keys) != key] + [row]
            if given.record:
                save(given.record, rows)
    if changes:
        print(f"mean change of bytes at equal quality: {100 * statistics.fmean(changes):+.2f} %")


if __name__ == "__main__":
    main()
