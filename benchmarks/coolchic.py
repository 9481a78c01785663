"""Time of a step of our pyramid against an iteration of Cool-chic's encoder, interleaved, on one picture.

    python benchmarks/coolchic.py PICTURE --checkout DIR [--python VENV/bin/python] [--config lop] [--record coolchic]

`--checkout` is a working copy of Orange-OpenSource/Cool-Chic, whose requirements are installed in the interpreter that
`--python` names. Its encoder runs unchanged, in a process that is stopped while ours runs; an iteration is the time
between two backward passes. Ours: a step with soft rounding, of the default model and of one as small as theirs. Both
use the same number of threads. Also printed: multiplications per pixel of both decoders.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from _record import save

from inr.codec.profiles.pyramid.architecture import N_GRIDS, Architecture, architecture_of
from inr.codec.profiles.pyramid.latent_trainer import RateController, Trainer
from inr.signals import Lattice, load_signal

RATE_WEIGHT = 1e-3
SMALL = (6, 2, 2, 8, 1)
"""Contexts, mixtures, hidden layers, features and filters like those of Cool-chic's configuration lop."""
_THEIRS = """
import runpy, sys, time
folder, threads, words = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
sys.path.insert(0, folder)
import torch
torch.set_num_threads(threads)
backward, last = torch.Tensor.backward, [0.0]
def timed(self, *given, **named):
    backward(self, *given, **named)
    now = time.monotonic()
    print("iteration", now - last[0], flush=True)
    last[0] = now
torch.Tensor.backward = timed
sys.argv = ["cc_encode.py", *words]
runpy.run_path(folder + "/cc_encode.py", run_name="__main__")
"""


class Theirs:
    """Their encoder, which runs only while `times` waits for it."""

    def __init__(self, python: str, checkout: Path, config: str, picture: Path, threads: int, folder: str) -> None:
        words = ["-i", picture.resolve(), "-o", f"{folder}/out.cool", "--workdir", folder, "--n_itr", 2000]
        words += ["--dec_cfg_residue", checkout / "cfg" / "dec" / "intra" / f"{config}.cfg", "--lmbda", RATE_WEIGHT]
        command = [python, "-c", _THEIRS, str(checkout), str(threads), *map(str, words)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=checkout)
        self.work: dict[str, float] = {}  # multiplications per pixel by part of the decoder

    def times(self, count: int) -> list[float]:
        """Seconds of the next iterations; without the one in which it was stopped."""
        os.kill(self._process.pid, signal.SIGCONT)
        found: list[float] = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            part = re.search(r"- (.+?)\s+([\d.]+) MAC / pixel;", line)
            if part:
                self.work[part[1]] = float(part[2])
            if line.startswith("iteration "):
                found.append(float(line.split()[1]))
            if len(found) > count:
                os.kill(self._process.pid, signal.SIGSTOP)
                return found[1:]
        sys.exit("Cool-chic ended before it was measured; run its cc_encode.py by hand to see why")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def trainer_of(picture: Path, small: bool) -> Trainer:
    values = load_signal(picture)
    assert isinstance(values, Lattice)
    target = ((values.frame.to_field(values.values) + 1) / 2).movedim(-1, 0).contiguous()
    channels, height, width = target.shape
    sizes = (
        Architecture(height, width, channels, N_GRIDS, *SMALL) if small else architecture_of(channels, height, width, 5)
    )
    return Trainer(sizes, target, RateController(RATE_WEIGHT), torch.Generator().manual_seed(0))


def step_times(trainer: Trainer, count: int) -> list[float]:
    times = []
    for _ in range(count):
        start = time.monotonic()
        trainer.soft(1)
        times.append(time.monotonic() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--checkout", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--config", default="lop")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--each", type=int, default=5, help="iterations per turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--record", help="keep the rows under this name")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    arms = {"default": trainer_of(given.picture, small=False), "small": trainer_of(given.picture, small=True)}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        peer = Theirs(given.python, given.checkout.resolve(), given.config, given.picture, given.threads, folder)
        try:
            for trainer in arms.values():
                trainer.soft(3)
            peer.times(3)
            rounds: dict[str, list[float]] = {"theirs": [], **{name: [] for name in arms}}
            for _ in range(given.rounds):
                rounds["theirs"].append(statistics.median(peer.times(given.each)))
                for name, trainer in arms.items():
                    rounds[name].append(statistics.median(step_times(trainer, given.each)))
        finally:
            peer.stop()
    for name, trainer in arms.items():
        ratios = [theirs / ours for theirs, ours in zip(rounds["theirs"], rounds[name], strict=True)]
        architecture = trainer.architecture
        rows.append(
            {
                "file": given.picture.name,
                "config": given.config,
                "model": name,
                "theirs_s": statistics.median(rounds["theirs"]),
                "ours_s": statistics.median(rounds[name]),
                "ratio": statistics.median(ratios),
                "rounds": given.rounds,
                "multiplications_per_pixel": architecture.work / (architecture.height * architecture.width),
                "their_multiplications_per_pixel": sum(peer.work.values()),
            }
        )
        print(rows[-1], flush=True)
    if given.record:
        save(given.record, rows)


if __name__ == "__main__":
    main()
