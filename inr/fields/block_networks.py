"""Many small networks of sines of one size, of which every row uses one."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from inr.kernels import is_functional
from inr.kernels.sine import sine


class BlockLayer(nn.Module):
    """h' = W_k h + b_k for network k: weight [K, d_in, d_out], bias [K, d_out].

    As SIREN's: W ~ U(+-1/d_in) in the first layer, else U(+-sqrt(6/d_in)/omega); b ~ U(+-1/sqrt(d_in)).
    """

    def __init__(self, n_networks: int, d_in: int, d_out: int, role: str, omega: float, generator: Generator) -> None:
        super().__init__()
        self.role = role
        bound = 1 / d_in if role == "first" else math.sqrt(6 / d_in) / omega
        weight, bias = torch.empty(n_networks, d_in, d_out), torch.empty(n_networks, d_out)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(bias.uniform_(-1 / math.sqrt(d_in), 1 / math.sqrt(d_in), generator=generator))


class BlockNetworks(nn.Module):
    """u [M, D], k [M] -> N_k(u) [M, C]: K networks, `depth` layers sin(omega (W h + b)) of `width` and a linear one."""

    def __init__(
        self, n_networks: int, d_in: int, d_out: int, width: int, depth: int, omega: float, generator: Generator
    ) -> None:
        super().__init__()
        self.omega, self.d_out = omega, d_out
        sizes = [d_in, *[width] * depth, d_out]
        roles = ["first", *["hidden"] * (depth - 1), "last"]
        self.layers = nn.ModuleList(
            BlockLayer(n_networks, a, b, role, omega, generator)
            for a, b, role in zip(sizes[:-1], sizes[1:], roles, strict=True)
        )

    def forward(self, u: Tensor, k: Tensor) -> Tensor:
        if is_functional(u, k) or len(u) == 0:
            return self._together(u[:, None], k)[:, 0]
        order = torch.argsort(k, stable=True)
        networks, counts = torch.unique_consecutive(k[order], return_counts=True)
        starts = counts.cumsum(0) - counts
        size_class = (counts.double() - 0.5).log2().ceil()  # networks with 2^(c-1) < count <= 2^c rows are class c
        values, rows = [], []
        for c in size_class.unique():
            of_class = size_class == c
            n = counts[of_class, None]
            slots = torch.arange(int(n.max()), device=u.device)
            is_used = slots < n
            row = order[torch.where(is_used, starts[of_class, None] + slots, 0)]
            values.append(self._together(u[row], networks[of_class])[is_used])
            rows.append(row[is_used])
        return torch.cat(values)[torch.argsort(torch.cat(rows))]

    def _together(self, h: Tensor, k: Tensor) -> Tensor:
        """The networks k [G] at h [G, n, D]: [G, n, C]."""
        for layer in self.layers:
            assert isinstance(layer, BlockLayer)
            z = torch.baddbmm(layer.bias[k][:, None], h, layer.weight[k])
            h = z if layer.role == "last" else sine(z, self.omega)
        return h
