"""Landing on a size: symbols moved towards zero, and the better of several ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from inr._config import parse
from inr.codec._limits import Limits
from inr.codec.field_coding import decode_plain, payload_of
from inr.codec.landing import Outcome
from inr.codec.pieces import Piece, pieces
from inr.codec.profile import Payload
from inr.codec.quantise import Integers, Quantised, Step
from inr.codec.training import Budget, Plan, Trained
from inr.fields import FieldConfig
from inr.signals.array import Array

STEP = Step.near(2.0**-6)


def waves() -> Array:
    x, y = np.meshgrid(*2 * [np.linspace(0, 1, 20)], indexing="ij")
    return Array.of_array((np.sin(5 * x) * np.cos(4 * y))[..., None].astype(np.float32), has_channels=True)


@pytest.fixture
def outcome() -> Outcome:
    """An untrained network, rounded."""
    signal = waves()
    config = parse(FieldConfig, {"type": "siren", "width": 16, "depth": 2}).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    parts = pieces(field)
    coded = [part.quantise(STEP) for part in parts]
    latent = [part.values.clone() for part in parts]
    trained = Trained(field, parts, coded, latent, 0.0)
    return Outcome(signal, trained, lambda _, symbols: payload_of(config, symbols))


def symbols_of(outcome: Outcome, payload: Payload) -> list[Integers]:
    return [coded.symbols for coded in decode_plain(outcome.trained.pieces, payload, Limits())]


@pytest.mark.parametrize("spare", [1, 5])
def test_as_few_symbols_are_moved_by_one_towards_zero(outcome: Outcome, spare: int) -> None:
    own = outcome.at(1.0)
    found = outcome.within(own.size - spare)
    assert found is not None
    assert own.size - spare - 8 <= found.size <= own.size - spare
    for before, after, values in zip(
        symbols_of(outcome, own), symbols_of(outcome, found), outcome.trained.latent, strict=True
    ):
        moved = np.abs(before) - np.abs(after)
        assert set(np.unique(moved)) <= {0, 1}
        assert (before * after >= 0).all()
        overshoot = np.abs(before) - np.sign(before) * values.double().numpy() / STEP.value
        is_moved = moved == 1
        stayed = overshoot[~is_moved & (before != 0)]
        if is_moved.any() and len(stayed):
            assert overshoot[is_moved].min() >= stayed.max() - 1e-9


def test_what_is_far_too_much_can_not_be_moved_away(outcome: Outcome) -> None:
    assert outcome.within(10) is None


def test_the_better_way_is_taken(outcome: Outcome) -> None:
    ways = [lambda: outcome.at(16.0), lambda: None, lambda: outcome.at(1.0)]
    qualities = {}
    for factor in (1.0, 16.0):
        outcome.at(factor)
        qualities[factor] = outcome.quality()
    assert outcome.best(ways) == outcome.at(max(qualities, key=lambda factor: qualities[factor]))


@pytest.mark.parametrize("has_soap", [False, True])
def test_a_budget_is_one_of_the_coder(has_soap: bool) -> None:
    """A coder that takes four times as much is given a quarter of the symbols' bits."""
    signal = waves()
    config = parse(FieldConfig, {"type": "siren", "width": 16, "depth": 2}).resolve(signal.spec)
    plan = Plan(240, 200, 1e-3, has_soap=has_soap)
    sizes = []
    for price in (1, 4):

        def pack(_: Sequence[Piece], coded: Sequence[Quantised], price: int = price) -> Payload:
            own = payload_of(config, coded)
            return Payload(own.arch, own.table, own.data * price, own.symbols_sha256)

        field = config.build(signal.spec, torch.Generator().manual_seed(3))
        made = Outcome.of(signal, field, plan, Budget(bits=8 * 500), 0, lambda *_: None, pack)
        sizes.append(len(made.at(1.0).data) / price)
    assert sizes[1] < 0.6 * sizes[0]
