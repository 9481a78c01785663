"""One fit on two processes (gloo, as torchrun starts them): the fit of one process with the same batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from inr.core.errors import UsageError
from inr.fitting import Fit, Run, resolve
from inr.fitting.distributed import ProcessGroup, joined
from inr.fitting.samplers import BatchIndices
from inr.signals import load_signal

ROOT = Path(__file__).parents[2]
ADAM: dict[str, Any] = {"optimizer": "adam", "lr": 1e-4}  # a step of SOAP magnifies the rounding of its first gradient
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "siren": ({"type": "siren", "width": 16, "depth": 2}, {"batch": 51, **ADAM}),
    "hash_grid": ({"type": "hash_grid"}, {"batch": 64, "clip": 1.0, "ema": 0.9}),
    "l1 on a grid": (
        {"type": "siren", "width": 16, "depth": 2},
        {"batch": 70, "sampler": "grid", "loss": "l1", **ADAM},
    ),
    "patches": (
        {"type": "siren", "width": 16, "depth": 2},
        {"batch": 64, "sampler": {"type": "patches", "side": 4}, **ADAM},
    ),
    "lbfgs": ({"type": "siren", "width": 8}, {"batch": 192, "optimizer": "lbfgs", "lr": 0.1, "steps": 1}),
}


def fitted(case: str, picture: Path, group: ProcessGroup | None = None) -> Fit:
    field, settings = CASES[case]
    signal = load_signal(picture)
    run = Run(signal, *resolve(signal, field, {"steps": 12, **settings}), group=group)
    return run.result(run.advance())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    y, x = np.mgrid[0:12, 0:16]
    Pillow.fromarray(np.stack([x * 15, y * 20, (x + y) * 8], axis=-1).astype(np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def torchrun(module: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        [*command, module, *args], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_two_processes_make_the_fits_of_one(picture: Path, tmp_path: Path) -> None:
    done = torchrun("tests.fitting.test_distributed", str(picture), str(tmp_path), cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    for i, case in enumerate(CASES):
        one = fitted(case, picture)
        for rank in range(2):
            two = Fit.load(tmp_path / f"{i}.{rank}.safetensors")
            assert two.settings == one.settings
            assert two.metrics["psnr_db"] == pytest.approx(one.metrics["psnr_db"], abs=0.01), case
            for name, tensor in one.field.state_dict().items():
                scale = float(tensor.abs().max()) or 1.0
                assert torch.allclose(tensor, two.field.state_dict()[name], atol=1e-3 * scale, rtol=1e-3), (case, name)
        first, second = ((tmp_path / f"{i}.{rank}.safetensors").read_bytes() for rank in range(2))
        assert first == second, case


@pytest.mark.slow
def test_only_the_first_process_writes_and_prints(picture: Path, tmp_path: Path) -> None:
    options = ("--field", "siren", "--set", "field.width=16", "--threads", "1", "--no-progress", "--save-every", "5")
    args = ("fit", "a.png", *options, "--steps", "12", "--batch", "51", "--json")
    whole = torchrun("inr_cli", *args, "-o", "whole.safetensors", "--checkpoint", "c", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr[-3000:]
    assert json.loads(whole.stdout)["outcome"] == "done"
    again = torchrun("inr_cli", "fit", "a.png", "--resume", "c", "--threads", "1", "-o", "b.safetensors", cwd=tmp_path)
    assert again.returncode == 0, again.stderr[-3000:]
    assert again.stderr.count("resuming at step 12") == 1  # that of the end
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_shares_are_the_whole_and_keep_groups_together() -> None:
    groups = [ProcessGroup(rank, 3, torch.device("cpu")) for rank in range(3)]
    index, weight = torch.arange(20), torch.arange(20.0)
    for draw in (
        BatchIndices(index, weight),
        BatchIndices(index, weight, groups=(5, 4)),
        BatchIndices(index, weight, grid=(4, 5)),
    ):
        parts, fractions = zip(*(group.shard(draw) for group in groups), strict=True)
        assert torch.equal(torch.cat([part.index for part in parts]), index)
        assert torch.equal(torch.cat([part.weight for part in parts]), weight)
        assert sum(fractions) == pytest.approx(1)
        for part, fraction in zip(parts, fractions, strict=True):
            assert fraction == len(part.index) / 20
            assert part.groups is None or part.groups[0] * 4 == len(part.index)
            assert part.grid is None or part.grid[0] * 5 == len(part.index)
    with pytest.raises(UsageError, match="2 part"):
        groups[0].shard(BatchIndices(index, groups=(2, 10)))


@pytest.mark.parametrize(
    "setting", [{"jitter": "stochastic_preconditioning"}, {"residual_transform": "iga"}, {"track_ntk": 0.1}]
)
def test_settings_that_processes_cannot_share_are_refused(picture: Path, setting: dict[str, object]) -> None:
    signal = load_signal(picture)
    with pytest.raises(UsageError, match="processes cannot share it"):
        Run(signal, *resolve(signal, "siren", setting), group=ProcessGroup(0, 2, torch.device("cpu")))


if __name__ == "__main__":  # one of torchrun's processes
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as _member:
        assert _member is not None
        for _i, _case in enumerate(CASES):
            _fit = fitted(_case, Path(sys.argv[1]), _member)
            _fit.save(Path(sys.argv[2]) / f"{_i}.{_member.rank}.safetensors")
