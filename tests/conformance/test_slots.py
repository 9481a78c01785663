"""Every registered variant of a slot through its conformance suite. A new variant is tested here without another line,
unless it needs settings to be small or another activation, which are listed below."""

from __future__ import annotations

from typing import Any

from inr.encodings import ENCODINGS
from inr.fitting import JITTERS, LOSSES, OPTIMIZERS, RESIDUAL_TRANSFORMS, SAMPLERS, SCHEDULES
from inr.layers import ACTIVATIONS, BLOCKS, HEADS, INITIALISERS, LINEARS
from inr.testing import (
    ActivationTests,
    BlockTests,
    EncodingTests,
    HeadTests,
    InitialiserTests,
    JitterTests,
    LinearTests,
    LossTests,
    OptimizerTests,
    ResidualTransformTests,
    SamplerTests,
    ScheduleTests,
)

SMALL: dict[str, dict[str, Any]] = {
    # their defaults leave a factor out of the gradient, as the authors' code does
    "finer": {"has_scale_gradient": True},
    "finer_gauss": {"has_scale_gradient": True},
    "modulated": {"vertices": 4},
}


def documents(slot: Any, *others: str) -> list[dict[str, Any]]:
    """All variants except these, which have separate tests."""
    return [{"type": name, **SMALL.get(name, {})} for name in slot if name not in others]


TestEveryEncoding = EncodingTests.of(*documents(ENCODINGS))
TestEveryActivation = ActivationTests.of(*documents(ACTIVATIONS))
TestEveryLinear = LinearTests.of(*documents(LINEARS))
TestEveryBlock = BlockTests.of(*documents(BLOCKS, "sandwich"))
TestEveryHead = HeadTests.of(*documents(HEADS))
TestEveryInitialiser = InitialiserTests.of(*documents(INITIALISERS))
TestEverySchedule = ScheduleTests.of(*documents(SCHEDULES))
TestEveryJitter = JitterTests.of(*documents(JITTERS))
TestEveryLoss = LossTests.of(*documents(LOSSES, "edge", "eikonal"))
TestEverySampler = SamplerTests.of(*documents(SAMPLERS, "tiles"))
TestEveryOptimizer = OptimizerTests.of(*documents(OPTIMIZERS))
TestEveryResidualTransform = ResidualTransformTests.of(*documents(RESIDUAL_TRANSFORMS))


class TestSandwich(BlockTests):
    documents = ("sandwich",)
    linear = "cayley"


class TestEikonal(LossTests):
    documents = ("eikonal",)
    has_normals = True


class TestEdge(LossTests):
    documents = ("edge",)
    is_stencil = True


class TestTiles(SamplerTests):
    documents = ("tiles",)
    tile = (8, 8)
