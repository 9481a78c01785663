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
from inr.encodings.centres import Shape
from inr.encodings.concat import Concat
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.encodings.rbf import Rbf
from inr.fields._field import FIELDS, FieldConfig
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig
from inr.layers.activations.skip_sine import SkipSine

LEAST_KERNELS = 64
SPACE_FINEST = 2048
"""Vertices along an axis of the finest level for signed distances."""


@FIELDS.register("neurbf")
@dataclass(frozen=True, kw_only=True)
class NeuRbf(Mlp):
    """Hash grid and radial kernels placed by k-means, read by a network of 64 with sines in its first layer.

    e = [grid(x), rbf(x)] + shift, then u + sin(mu u), then ReLU, then a linear map, all with biases.

    Default grid, from the paper: on lattices 2 levels of 2 features, from 16 vertices to half the longest side, stored
    densely; for signed distances 16 levels of 1 feature, from 16 to 2048 vertices, with tables of 2^15. Default
    `n_kernels`, from the paper: as many as give the field the parameters of an Instant-NGP network (16 levels of 2
    features, of the same base and finest vertices and the same tables, and 2 x 64 with biases), where a kernel counts
    F + D numbers and those of its symmetric shape; at least 64.

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
        n_kernels = max(LEAST_KERNELS, rbf.neighbours or 0)
        least = self._with_kernels(encoding, rbf, n_kernels).resolve(spec)
        assert isinstance(least.encoding, Concat)
        resolved = least.encoding.second
        assert isinstance(resolved, Rbf)
        assert resolved.features is not None
        assert resolved.shape is not None
        per_kernel = resolved.features + spec.d_in + _numbers_of(resolved.shape, spec.d_in)
        others = _n_params(least, spec) - n_kernels * resolved.features
        n_kernels = max(n_kernels, (_n_params(_instant_ngp(spec), spec) - others) // per_kernel)
        return self._with_kernels(encoding, rbf, n_kernels).resolve(spec)

    def _with_kernels(self, encoding: Concat, rbf: Rbf, n_kernels: int) -> Self:
        second = dataclasses.replace(rbf, n_kernels=n_kernels)
        return dataclasses.replace(self, encoding=dataclasses.replace(encoding, second=second))

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rates and schedule for pictures; its 5000 to 35000 steps of 2^16 to 2^18 samples are reduced to a
        minute on a CPU."""
        return {**_pictures(), "steps": 1000, "batch": 8192}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """On lattices 1e-2, features 5e-3, cosine to 1/100, 35,000 steps; for distances 1e-4, to 1/10, 20,000 steps."""
        if spec.shape is not None:
            return {**_pictures(), "steps": 35_000, "batch": 2**18}
        schedule = {"type": "cosine", "end": 0.1}
        return {"optimizer": ADAM, "schedule": schedule, "lr": 1e-4, "steps": 20_000, "batch": 2**18}


ADAM: Mapping[str, Any] = {"type": "adam", "beta2": 0.99, "eps": 1e-15}


def _pictures() -> Mapping[str, Any]:
    return {"optimizer": ADAM, "schedule": {"type": "cosine", "end": 0.01}, "lr": 1e-2, "lr_encoding": 5e-3}


def _papers_grid(grid: HashGridEncodingConfig, spec: Spec) -> HashGridEncodingConfig:
    log2_table = grid.log2_table or _log2_table(spec)
    if spec.shape is None:
        finest = grid.finest or (SPACE_FINEST,)
        return dataclasses.replace(
            grid, levels=16, features=1, log2_table=log2_table, base=grid.base or 16, finest=finest
        )
    finest = grid.finest or tuple(max(2, n // 2) for n in spec.shape)
    return dataclasses.replace(
        grid, levels=2, log2_table=log2_table, base=grid.base or min(16, max(finest)), finest=finest
    )


def _log2_table(spec: Spec) -> int:
    return 15 if spec.shape is None else 24


def _instant_ngp(spec: Spec) -> Mlp:
    """The network whose number of parameters the paper matches."""
    grid = HashGridEncodingConfig(levels=16, log2_table=_log2_table(spec), base=16, growth="instant_ngp")
    return Mlp(encoding=grid, width=64, depth=2).resolve(spec)


def _numbers_of(shape: Shape, d: int) -> int:
    """Of the symmetric shape of one kernel in D dimensions."""
    return {"scalar": 1, "diagonal": d, "full": d * (d + 1) // 2}[shape]


def _n_params(config: FieldConfig, spec: Spec) -> int:
    with torch.device("meta"):
        return config.build(spec, Generator()).n_params
