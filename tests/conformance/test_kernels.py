"""A kernel op through the public conformance suite; the tests of each op check more."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.kernels.dense_mlp import OP, dense_mlp
from inr.kernels.pointwise import sines
from inr.kernels.sine_jet import OP as JETS
from inr.kernels.sine_jet import JetPlan, sine_jet
from inr.testing import KernelTests


class TestSines(KernelTests):
    op = OP

    def call(self, *tensors: Tensor) -> Tensor:
        x, w1, b1, w2, b2 = tensors
        return dense_mlp(x, [w1, w2], [b1, b2], sines(3.0))

    def inputs(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        shapes = [(40, 2), (16, 2), (16,), (1, 16), (1,)]
        return [torch.randn(shape, generator=generator) / 2 for shape in shapes]


class TestJets(KernelTests):
    op = JETS

    def call(self, *tensors: Tensor) -> Tensor:
        jets, w1, b1, w2, b2 = tensors
        return sine_jet(jets, [w1, w2], [b1, b2], sines(3.0), JetPlan.laplacian(2))

    def inputs(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        shapes = [(4, 40, 2), (16, 2), (16,), (1, 16), (1,)]
        return [torch.randn(shape, generator=generator) / 2 for shape in shapes]
