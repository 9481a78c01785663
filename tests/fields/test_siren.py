"""SIREN: statements of the paper."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from inr.core.config import override
from inr.core.domain import Spec
from inr.encodings.identity import Identity
from inr.fields.finer import Finer
from inr.fields.siren import Siren
from tests.fields.formulas import dense_network, symmetric, torch_default
from tests.published import Array, Parameters, PublishedFamily, check

PICTURE = Spec("image", 2, 3, (512, 512))
SOUND = Spec("audio", 1, 1, (44100,))


def _forward(reach: float, faster: float) -> Callable[[Parameters, Array], Array]:
    """sin(30 (W h + b)) in every layer but the last, from coordinates in [-reach, reach]; 30 `faster` in the first."""

    def values(p: Parameters, x: Array) -> Array:
        first = {name: faster * t if name.startswith("body.blocks.0.") else t for name, t in p.items()}
        return dense_network(first, reach * (2 * x - 1), lambda z: np.sin(30 * z))

    return values


def _statement(spec: Spec, reach: float, faster: float, steps: int) -> PublishedFamily:
    assert spec.shape is not None
    return PublishedFamily(
        name=f"siren, {spec.kind}",
        config=Siren(),
        source="vsitzmann/siren",
        spec=spec,
        small=("width=16",),
        forward=_forward(reach, faster),
        initial={
            "body.blocks.0.linear.weight": symmetric(1 / spec.d_in),
            "body.blocks.0.linear.bias": torch_default(spec.d_in),
            "*.weight": symmetric(math.sqrt(6 / 256) / 30),
            "*.bias": torch_default(256),
        },
        settings={
            "field.width": 256,
            "field.depth": 4,
            "field.encoding.low": -reach,
            "field.encoding.high": reach,
            "field.activation.omega": 30,
            "field.activation.omega_first": 30,
            "fit.optimizer": "adam",
            "fit.lr": 1e-4,
            "fit.schedule": "constant",
            "fit.batch": math.prod(spec.shape),
            "fit.steps": steps,
        },
    )


PUBLISHED = (_statement(PICTURE, 1, 3, 10000), _statement(SOUND, 100, 1, 9001))


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_the_reference_network_has_the_published_parameter_counts() -> None:
    counts = {
        (PICTURE.d_in, PICTURE.d_out): 198_915,
        (2, 1): 198_401,
        (1, 1): 198_145,
        (3, 1): 198_657,
    }
    for (d_in, d_out), expected in counts.items():
        spec = Spec("array", d_in, d_out, (64,) * d_in)
        assert Siren().resolve(spec).build(spec, torch.Generator()).n_params == expected


def test_hidden_preactivations_have_unit_variance_at_every_depth(generator: torch.Generator) -> None:
    """Theorem 1.8 of the paper: with W ~ U(+-sqrt(6/n)/omega), omega z is about N(0, 1) from layer to layer.

    The biases, U(+-1/sqrt(n)) in the authors' code, add omega^2 / (3 n) to it.
    """
    field = Siren(depth=8, width=1024).resolve(PICTURE).build(PICTURE, generator)
    seen: list[float] = []
    for block in list(field.body.blocks)[1:]:  # type: ignore[union-attr, arg-type]
        block.linear.register_forward_hook(lambda m, i, out: seen.append(float((30 * out.detach()).var())))
    field(torch.rand(4096, 2, generator=generator))
    expected = 1 + 30**2 / (3 * 1024)
    assert len(seen) == 7
    for variance in seen:
        assert abs(variance - expected) < 0.3 * expected  # of one network; over seeds about a tenth


def test_initial_ranges_are_the_papers(generator: torch.Generator) -> None:
    field = Siren().resolve(PICTURE).build(PICTURE, generator)
    bounds = {"first": 1 / 2, "hidden": math.sqrt(6 / 256) / 30, "last": math.sqrt(6 / 256) / 30}
    n_checked = 0
    for module in field.modules():
        if getattr(module, "role", None) in bounds:
            bound = bounds[str(module.role)]
            largest = float(module.weight.detach().abs().max())  # type: ignore[operator]
            assert 0.9 * bound < largest <= bound
            n_checked += 1
    assert n_checked == 5


def test_coordinates_of_sound_are_in_a_range_of_their_own_unless_it_is_given() -> None:
    def resolved(spec: Spec, *settings: str) -> Identity:
        encoding = override(Siren(), list(settings), "field").resolve(spec).encoding
        assert isinstance(encoding, Identity)
        return encoding

    assert resolved(SOUND) == resolved(SOUND, "activation.omega_first=3") == Identity(low=-100.0, high=100.0)
    assert resolved(PICTURE) == resolved(SOUND, "encoding.low=-1", "encoding.high=1") == Identity(low=-1.0, high=1.0)
    assert Finer().resolve(SOUND).encoding == Identity(low=-10.0, high=10.0)
    assert resolved(SOUND, "activation=gauss") == Identity(low=-1.0, high=1.0)


def test_one_layer_is_the_formula(generator: torch.Generator) -> None:
    field = Siren(depth=1, width=16).resolve(PICTURE).build(PICTURE, generator)
    block, last = field.body.blocks[0], field.body.last  # type: ignore[union-attr, index]
    x = torch.rand(7, 2, generator=generator)
    hidden = torch.sin(90 * ((2 * x - 1) @ block.linear.weight.T + block.linear.bias))  # type: ignore[union-attr]
    expected = hidden @ last.weight.T + last.bias  # type: ignore[operator, union-attr]
    torch.testing.assert_close(field(x), expected)


@pytest.mark.parametrize(("side", "expected"), [(16, 30), (85, 30), (128, 45), (256, 90), (4000, 90)])
def test_the_first_layer_of_pictures_is_faster(side: int, expected: float) -> None:
    spec = Spec("image", 2, 3, (16, side))
    assert Siren().resolve(spec).to_json()["activation"]["omega_first"] == expected
    half = override(Siren(), ["activation.omega=15"], "field").resolve(spec)
    assert half.to_json()["activation"]["omega_first"] == expected / 2
    given = override(Siren(), ["activation.omega_first=30"], "field").resolve(spec)
    assert given.to_json()["activation"]["omega_first"] == 30
    assert Siren().resolve(Spec("array", 2, 1, (16, side))).to_json()["activation"]["omega_first"] == 30
