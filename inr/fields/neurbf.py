"""A small hash grid and signal-adaptive kernels.  Chen et al. 2023 (NeuRBF), arXiv:2309.15426."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.concat import Concat
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.encodings.rbf import Rbf
from inr.fields._field import FIELDS, FieldConfig
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig
from inr.layers.activations.skip_sine import SkipSine

LEAST_KERNELS = 64


@FIELDS.register("neurbf")
@dataclass(frozen=True, kw_only=True)
class NeuRbf(Mlp):
    """Hash grid and radial kernels placed by k-means, read by a network of 64 with sines in its first layer.

    e = [grid(x), rbf(x)] + shift, then u + sin(mu u), then ReLU, then a linear map, all with biases.

    Default grid, from the paper: on lattices 2 levels of 2 features, from 16 vertices to half the longest side, stored
    densely; for signed distances 16 levels of 1 feature with tables of 2^15. Default `n_kernels`: as many as make the
    number of stored values (weights, centres and roots included) equal to that of the default `hash_grid` field for the
    signal, and 64 if that field is smaller than the network alone.

    The paper reports 11 dB more than a hash grid after 35000 steps. After 600 (benchmarks/claims.py, 256 x 256, 2
    seeds) our hash grid, whose finest vertices lie on the samples, is 2 dB better.
    """

    paper: ClassVar[str] = "Chen et al. 2023, arXiv:2309.15426"

    encoding: EncodingConfig = param(
        Concat(first=HashGridEncodingConfig(), second=Rbf(), has_shift=True), "coordinates to features"
    )
    width: int = param(64, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(2, "layers before the last linear map: one with sines, then ReLU", ge=0, le=1024)
    activation: ActivationConfig = param(SkipSine(), "activations of the first and of the other layers")

    def resolve(self, spec: Spec) -> Self:
        encoding = self.encoding
        if not isinstance(encoding, Concat):
            return super().resolve(spec)
        grid, rbf = encoding.first, encoding.second
        if isinstance(grid, HashGridEncodingConfig) and grid.levels is None:
            encoding = dataclasses.replace(encoding, first=_papers_grid(grid, spec))
        if not (isinstance(rbf, Rbf) and rbf.n_kernels is None):
            return super(NeuRbf, dataclasses.replace(self, encoding=encoding)).resolve(spec)

        def with_kernels(n: int) -> NeuRbf:
            second = dataclasses.replace(rbf, n_kernels=n)
            return dataclasses.replace(base, encoding=dataclasses.replace(encoding, second=second)).resolve(spec)

        base: NeuRbf = self
        least = max(LEAST_KERNELS, rbf.neighbours or 0)
        stored = _stored(with_kernels(least), spec)
        per_kernel = _stored(with_kernels(least + 1), spec) - stored
        budget = _stored(FIELDS["hash_grid"]().resolve(spec), spec)
        n_kernels = least + max(0, budget - stored) // per_kernel
        second = dataclasses.replace(rbf, n_kernels=n_kernels)
        return dataclasses.replace(self, encoding=dataclasses.replace(encoding, second=second)).resolve(spec)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rates (1e-2, features 5e-3) and cosine to 1/100; its 5000 to 35000 steps of 2^16 to 2^18 samples
        are reduced to a minute on a CPU."""
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        schedule = {"type": "cosine", "end": 0.01}
        return {
            "optimizer": adam, "schedule": schedule, "lr": 1e-2, "lr_encoding": 5e-3, "steps": 1000, "batch": 8192,
        }  # fmt: skip


def _papers_grid(grid: HashGridEncodingConfig, spec: Spec) -> HashGridEncodingConfig:
    if spec.shape is None:
        return dataclasses.replace(grid, levels=16, features=1, log2_table=grid.log2_table or 15, base=grid.base or 16)
    finest = grid.finest or tuple(max(2, n // 2) for n in spec.shape)
    return dataclasses.replace(
        grid,
        levels=2,
        log2_table=grid.log2_table or 24,
        base=grid.base or min(16, max(finest)),
        finest=finest,
    )


def _stored(config: FieldConfig, spec: Spec) -> int:
    """Number of values in the state of a field."""
    with torch.device("meta"):
        return sum(t.numel() for t in config.build(spec, Generator()).state_dict().values())
