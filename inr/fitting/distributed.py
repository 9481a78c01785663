"""One fit in several processes, which torchrun starts: each works on its part of every batch (data parallel)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator

import torch
import torch.distributed as dist
from torch import nn

from inr.core.errors import UnavailableError, UsageError
from inr.fitting.samplers import BatchIndices


@dataclasses.dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, of which this is number `rank` of `size`.

    Every process holds the whole field and draws the same batch; it works on its share of it, and the gradients are
    added up, weighted by the shares. So a fit is the fit of one process with that batch, but for the order of sums.
    """

    rank: int
    size: int
    device: torch.device

    def shard(self, draw: BatchIndices) -> tuple[BatchIndices, float]:
        """This process's part of a draw, and how much of the whole it is. Groups and rows of a grid stay together.

        Raises UsageError where there is not one part for each process.
        """
        n = draw.grid[0] if draw.grid is not None else draw.groups[0] if draw.groups is not None else len(draw.index)
        if n < self.size:
            raise UsageError(
                f"a batch of {len(draw.index)} samples has {n} part(s) for {self.size} processes",
                "use a larger fit.batch, or fewer processes",
            )
        low, high = self.rank * n // self.size, (self.rank + 1) * n // self.size
        each = len(draw.index) // n
        here = slice(low * each, high * each)
        part = dataclasses.replace(
            draw,
            index=draw.index[here],
            prefetch=None,
            weight=None if draw.weight is None else draw.weight[here],
            grid=None if draw.grid is None else (high - low, *draw.grid[1:]),
            groups=None if draw.groups is None else (high - low, draw.groups[1]),
        )
        return part, (high - low) / n

    def all_reduce_gradients(self, parameters: Iterable[nn.Parameter], fraction: float) -> None:
        """Replace every gradient by the sum of all processes' gradients, each times its fraction."""
        own = [p for p in parameters if p.requires_grad]
        for p in own:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        grads = [p.grad for p in own if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads]).mul_(fraction)
        dist.all_reduce(flat)
        for g, total in zip(grads, torch.split(flat, [g.numel() for g in grads]), strict=True):
            g.copy_(total.view_as(g))

    def all_reduce(self, value: float) -> float:
        """The sum of all processes' values."""
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return float(total)

    def broadcast(self, *values: float) -> list[float]:
        """The first process's values."""
        said = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.broadcast(said, 0)
        return said.tolist()

    def broadcast_module(self, module: nn.Module) -> None:
        """Parameters and buffers become those of the first process."""
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, 0)


LAUNCHED_WITH = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun tells its processes, beside TORCHELASTIC_RUN_ID."""


def is_launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[ProcessGroup | None]:
    """The group of the processes that torchrun started, within the block; None where it did not.

    device: cpu (gloo), or cuda (nccl; each process takes the GPU of its number on its host).
    Raises UnavailableError for a host with fewer GPUs than processes, and for other devices.
    """
    if not is_launched():
        yield None
        return
    missing = [name for name in LAUNCHED_WITH if not os.environ.get(name)]
    if missing:
        raise UnavailableError(f"torchrun has not set {', '.join(missing)}", "unset TORCHELASTIC_RUN_ID")
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UnavailableError(
                f"process {local} of this host has no GPU of its own, the host has {torch.cuda.device_count()}",
                "start at most one process per GPU (torchrun --nproc-per-node), or use `device=cpu`",
            )
        device = torch.device("cuda", local)
    elif device.type != "cpu":
        raise UnavailableError(
            f"device {device.type!r} cannot be shared by processes", "use `device=cpu` or `device=cuda`"
        )
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
