"""Kernels in files: what is written comes back, and other files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Generator, nn

from inr.core.domain import Spec
from inr.core.errors import UnreadableError, UsageError
from inr.ntk import Kernel, TorchModule, load_kernel, save_kernel, tangent_kernel


@pytest.fixture
def kernel() -> Kernel:
    field = TorchModule(module=nn.Linear(2, 3)).build(Spec(kind="image", d_in=2, d_out=3, shape=(4, 4)), Generator())
    return tangent_kernel(field, torch.rand(5, 2))


def test_round_trip(kernel: Kernel, tmp_path: Path) -> None:
    save_kernel(kernel, tmp_path / "k.safetensors")
    again = load_kernel(tmp_path / "k.safetensors")
    assert torch.equal(again.matrix, kernel.matrix)
    assert torch.equal(again.values, kernel.values)
    assert (again.traces, again.channels, again.method) == (kernel.traces, kernel.channels, kernel.method)
    assert (again.n_params, again.n_points, again.trace) == (9, 5, kernel.trace)
    with pytest.raises(UsageError, match="exists"):
        save_kernel(kernel, tmp_path / "k.safetensors")
    save_kernel(kernel, tmp_path / "k.safetensors", force=True)


def test_refused(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        load_kernel(tmp_path / "none.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    save_file({"matrix": torch.eye(2), "values": torch.ones(2, 1)}, tmp_path / "other.safetensors")
    save_kernel(kernel, tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-9])
    (tmp_path / "renamed.safetensors").write_bytes(whole.replace(b"layerwise", b"wiselayer"))
    for name in ("junk", "other", "cut", "renamed"):
        with pytest.raises(UnreadableError, match="not written by `save_kernel`"):
            load_kernel(tmp_path / f"{name}.safetensors")
