"""Pi-nets: statements of the paper and its authors' tutorial."""

from __future__ import annotations

import pytest

from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.fields.pi_ccp import PiCcp
from inr.fields.pi_ncp import PiNcp
from inr.layers.blocks.ncp import Ncp
from tests.fields.formulas import fourier_features, torch_default
from tests.published import Array, Distribution, Normal, Parameters, PublishedFamily, check, linear


def _ccp(p: Parameters, x: Array) -> Array:
    """x_1 = U_1 e, x_i = (U_i e) x_{i-1} + x_{i-1}, y = C x_N + beta."""
    e = fourier_features(p, x)
    h = e @ p["body.blocks.0.branch.weight"].T
    for layer in range(1, 4):
        h = (e @ p[f"body.blocks.{layer}.branch.weight"].T) * h + h
    return linear(p, "body.last", h)


def _ncp(p: Parameters, x: Array, has_skip: bool) -> Array:
    """x_1 = (A_1 e)(B_1 b_1), x_i = (A_i e)(S_i x_{i-1} + B_i b_i) [+ x_{i-1}], y = C x_N + beta."""
    e, h = fourier_features(p, x), None
    for layer in range(4):
        block = f"body.blocks.{layer}"
        inner = p[f"{block}.mix.weight"] @ p[f"{block}.constant"]
        if h is not None:
            inner = h @ p[f"{block}.linear.weight"].T + inner
        product = (e @ p[f"{block}.branch.weight"].T) * inner
        h = product if h is None or not has_skip else product + h
    assert h is not None
    return linear(p, "body.last", h)


def _statement(config: FieldConfig, name: str, has_skip: bool | None) -> PublishedFamily:
    own: dict[str, Distribution] = {}
    if has_skip is not None:
        own = {"*.constant": Normal(1), "*.mix.weight": torch_default(32)}
    return PublishedFamily(
        name=name,
        config=config,
        source="Chrysos et al. 2020; tutorial of polynomial-nets",
        spec=Spec("image", 2, 3, (64, 64)),
        small=("width=16", "encoding.n_frequencies=8", "encoding.sigma=1"),
        forward=_ccp if has_skip is None else lambda p, x: _ncp(p, x, has_skip),
        initial={
            "body.encoding.frequencies": Normal(30),  # ours
            "*.branch.weight": torch_default(256),
            **own,
            "*": torch_default(256),
        },
        settings={"field.encoding": "identity", "field.activation": "identity"},
    )


PUBLISHED = (
    _statement(PiCcp(), "pi_ccp", None),
    _statement(PiNcp(), "pi_ncp", True),
    _statement(PiNcp(block=Ncp(has_skip=False)), "pi_ncp without skip", False),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
