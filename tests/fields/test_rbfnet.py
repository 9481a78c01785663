"""Gaussian RBFNet: statements of the authors' code, behind its option of a hash grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields.rbfnet import RbfNet
from tests.fields.formulas import symmetric, torch_default
from tests.fields.hash_levels import hash_levels, scales
from tests.published import Array, Constant, Distribution, Parameters, PublishedFamily, check, linear

PICTURE = Spec("image", 2, 3, (128, 128))
SHAPE = Spec("shape", 3, 1)


def _units(p: Parameters, e: Array) -> Array:
    """exp(-1/2 sum_d exp(beta_id) (e_d - c_id)^2) with beta = -2 ln s, then a linear map."""
    block = "body.blocks.0"
    beta = -2 * p[f"{block}.log_width"]
    distance = (np.exp(beta) * np.square(e[:, None] - p[f"{block}.centres"])).sum(-1)
    return linear(p, "body.last", np.exp(-distance / 2))


def _picture(p: Parameters, x: Array) -> Array:
    """16 levels from 16 vertices to half the longest side."""
    return _units(p, hash_levels(p["body.encoding.table"], x, scales(16, (64 / 16) ** (1 / 15), 16), 10))


def _distance(p: Parameters, x: Array) -> Array:
    return _units(p, hash_levels(p["body.encoding.table"], x, scales(16, (2048 / 16) ** (1 / 15), 16), 10))


def _spread_widths(module: torch.nn.Module) -> None:
    """Widths start at 1, where a factor on the logarithm makes no difference: others, where outputs are compared.

    The table starts in +-1e-4, where every unit is at its maximum: larger entries.
    """
    for name, parameter in module.named_parameters():
        if parameter.dtype == torch.float64 and name.endswith("log_width"):
            parameter.data.normal_(generator=torch.Generator().manual_seed(1))
        if parameter.dtype == torch.float64 and name.endswith("table"):
            parameter.data *= 1e3


def _config() -> RbfNet:
    grid = HashGridEncodingConfig(levels=16, log2_table=14, base=16, growth="instant_ngp")
    return RbfNet(encoding=grid)


INITIAL: Mapping[str, Distribution] = {
    "*.table": symmetric(1e-4),
    "body.blocks.0.centres": symmetric(1e-4),
    "body.blocks.0.log_width": Constant(0),
    "body.last.*": torch_default(128),
}

PUBLISHED = (
    PublishedFamily(
        name="rbfnet, image",
        config=_config(),
        source="AbdelazizBouzidi/GNF, models/gnf_fields.py, main_rgb.py",
        spec=PICTURE,
        small=("encoding.log2_table=10",),
        forward=_picture,
        prepare=_spread_widths,
        tolerance=1e-5,  # tables are looked up in float32
        initial=INITIAL,
        settings={
            "field.width": 64,
            "field.depth": 1,
            "field.encoding": "dif_grid",
            "field.block.is_isotropic": False,
            "fit.optimizer": "adam",
            "fit.lr": 1e-2,
            "fit.schedule": "exponential",
            "fit.schedule.end": 0.1,
            "fit.loss": "l1",
            "fit.batch": 2**18,
            "fit.steps": 15_000,
        },
    ),
    PublishedFamily(
        name="rbfnet, shape",
        config=_config(),
        source="AbdelazizBouzidi/GNF, main_sdf.py",
        spec=SHAPE,
        small=("encoding.log2_table=10",),
        forward=_distance,
        prepare=_spread_widths,
        tolerance=1e-3,
        initial=INITIAL,
        settings={
            "field.width": 64,
            "field.encoding": "dif_grid",
            "fit.lr": 5e-3,
            "fit.schedule.end": 0.1,
            "fit.loss": "mape",
            "fit.batch": 2**17,
            "fit.steps": 65 * 40,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
