"""Methods that act on the tangent kernel, before and after: the kernel shows the effects that their papers describe.

Row equilibration (weight conditioning) has no such effect: rows have nearly equal length at the start.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from inr import ntk
from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.fitting.residual_transforms.iga import lowering

SHAPE = (12, 12)
SPEC = Spec("image", 2, 1, SHAPE)
NET = {"width": 32, "depth": 3}
SMALL_FR = {"type": "fourier_reparam", "n_low": 8, "n_high": 8, "phases": 8}
SEEDS = (0, 1)


def target() -> Tensor:
    x = ntk.lattice(SHAPE).float()
    return torch.sin(20 * x[:, :1]) * torch.cos(31 * x[:, 1:]) + x[:, :1]


def kernel(document: dict[str, Any], seed: int) -> Tensor:
    x = ntk.lattice(SHAPE).float()
    field = parse(FieldConfig, document, "field").resolve(SPEC).build(SPEC, Generator().manual_seed(seed))
    samples = Samples(SPEC, len(x), lambda index: (x[index], target()[index]), (0, 1))
    field.initialise(samples, Generator().manual_seed(seed))
    return ntk.tangent_kernel(field, x).matrix


def high_share(matrix: Tensor) -> float:
    """Share of the trace at frequencies beyond a quarter of a cycle per sample."""
    kappa = ntk.fourier_diagonal(matrix, SHAPE)
    return float(kappa[ntk.radial_frequency(SHAPE) > 0.25].sum() / kappa.sum())


def condition_of_target(matrix: Tensor) -> float:
    found = ntk.spectrum(matrix)
    y = target()
    return ntk.condition(found, ntk.alignment(found, y - y.mean()).coefficients.square(), 0.9)


@pytest.mark.parametrize("seed", SEEDS)
def test_winner_raises_the_high_bands_of_a_siren(seed: int) -> None:
    sine = {"activation": {"type": "sine", "omega": 10.0, "omega_first": 10.0}}
    before = kernel({"type": "siren", **NET, **sine}, seed)
    after = kernel({"type": "winner", **NET, **sine, "init": {"type": "winner", "s0": 20.0, "s1": 0.1}}, seed)
    assert high_share(after) > 2 * high_share(before)
    assert condition_of_target(after) < condition_of_target(before)


@pytest.mark.parametrize("seed", SEEDS)
def test_omega_moves_the_roll_off_of_a_siren(seed: int) -> None:
    shares = [
        high_share(kernel({"type": "siren", **NET, "activation": {"type": "sine", "omega": omega}}, seed))
        for omega in (5.0, 10.0, 20.0)
    ]
    assert shares[2] > 2 * shares[1] > 4 * shares[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("encoding", ["identity", "frequency"])
def test_fourier_reparameterisation_raises_the_high_bands_of_a_relu_network(encoding: str, seed: int) -> None:
    plain = {"type": "mlp", **NET, "encoding": encoding}
    before, after = kernel(plain, seed), kernel(plain | {"linear": SMALL_FR}, seed)
    assert high_share(after) > 2 * high_share(before)
    assert condition_of_target(after) < condition_of_target(before)
    assert ntk.ranks(ntk.spectrum(after)).participation > ntk.ranks(ntk.spectrum(before)).participation


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", ["relu_pe", "siren"])
def test_iga_flattens_the_spectrum(family: str, seed: int) -> None:
    """The residual S r is learned by Theta S, whose first k + 1 eigenvalues are equal."""
    k = 10
    before = kernel({"type": family, **NET}, seed)
    after = before @ lowering(before, k)
    after = (after + after.T) / 2  # they commute; what is not symmetric is rounding
    old, new = ntk.spectrum(before), ntk.spectrum(after)
    torch.testing.assert_close(new.values[: k + 1], old.values[k].expand(k + 1), rtol=1e-6, atol=0.0)
    torch.testing.assert_close(new.values[k + 1 :], old.values[k + 1 :], rtol=1e-4, atol=1e-6 * float(old.values[0]))
    assert high_share(after) > 1.2 * high_share(before)
    assert ntk.condition(new) < 0.5 * ntk.condition(old)
    assert ntk.ranks(new).entropy > 2 * ntk.ranks(old).entropy


@pytest.mark.parametrize("seed", SEEDS)
def test_row_equilibration_leaves_a_fresh_kernel_nearly_as_it_is(seed: int) -> None:
    before = kernel({"type": "mlp", **NET}, seed)
    after = kernel({"type": "mlp", **NET, "linear": "row_equilibrated"}, seed)
    assert ntk.cka(before, after) > 0.97
    assert high_share(after) == pytest.approx(high_share(before), rel=0.2)
