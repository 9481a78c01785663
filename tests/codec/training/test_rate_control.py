"""Reaching a size: symbols are moved towards zero, and the best of several methods is chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from inr.codec import Limits
from inr.codec.entropy.quantise import Integers, Quantised, StepSize
from inr.codec.field_profile import decode_plain, payload_of
from inr.codec.profile import Payload
from inr.codec.training.coded_tensors import CodedTensor, coded_tensors
from inr.codec.training.rate_control import Candidate
from inr.codec.training.trainer import RateTerm, TrainedField, TrainingSettings
from inr.core.config import parse
from inr.fields import FieldConfig
from inr.signals.array import Array

STEP = StepSize.near(2.0**-6)


def waves() -> Array:
    x, y = np.meshgrid(*2 * [np.linspace(0, 1, 20)], indexing="ij")
    return Array.of_array((np.sin(5 * x) * np.cos(4 * y))[..., None].astype(np.float32), has_channels=True)


@pytest.fixture
def candidate() -> Candidate:
    """An untrained network, rounded."""
    signal = waves()
    config = parse(FieldConfig, {"type": "siren", "width": 16, "depth": 2}).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    parts = coded_tensors(field)
    coded = [part.quantise(STEP) for part in parts]
    latent = [part.values.clone() for part in parts]
    trained = TrainedField(field, parts, coded, latent, 0.0, signal.pool(torch.Generator()))
    return Candidate(signal, trained, lambda _, symbols: payload_of(config, symbols))


def symbols_of(candidate: Candidate, payload: Payload) -> list[Integers]:
    return [coded.symbols for coded in decode_plain(candidate.trained.tensors, payload, Limits())]


@pytest.mark.parametrize("spare", [1, 5])
def test_as_few_symbols_are_moved_by_one_towards_zero(candidate: Candidate, spare: int) -> None:
    own = candidate.payload()
    found = candidate.payload_within(own.size - spare)
    assert found is not None
    assert own.size - spare - 8 <= found.size <= own.size - spare
    for before, after, values in zip(
        symbols_of(candidate, own), symbols_of(candidate, found), candidate.trained.latent, strict=True
    ):
        moved = np.abs(before) - np.abs(after)
        assert set(np.unique(moved)) <= {0, 1}
        assert (before * after >= 0).all()
        overshoot = np.abs(before) - np.sign(before) * values.double().numpy() / STEP.value
        is_moved = moved == 1
        stayed = overshoot[~is_moved & (before != 0)]
        if is_moved.any() and len(stayed):
            assert overshoot[is_moved].min() >= stayed.max() - 1e-9


def test_a_file_far_over_the_target_is_not_reached_by_moving_symbols(candidate: Candidate) -> None:
    assert candidate.payload_within(10) is None


def test_the_better_method_is_chosen(candidate: Candidate) -> None:
    makers = [lambda: candidate.payload(16.0), lambda: None, lambda: candidate.payload()]
    qualities = {}
    for factor in (1.0, 16.0):
        candidate.payload(factor)
        qualities[factor] = candidate.quality()
    assert candidate.best_payload(makers) == candidate.payload(max(qualities, key=lambda factor: qualities[factor]))


@pytest.mark.parametrize("has_soap", [False, True])
def test_a_budget_is_one_of_the_coder(has_soap: bool) -> None:
    """A coder that needs four times as many bytes gets a quarter of the symbols' bits."""
    signal = waves()
    config = parse(FieldConfig, {"type": "siren", "width": 16, "depth": 2}).resolve(signal.spec)
    plan = TrainingSettings(240, 200, 1e-3, has_soap=has_soap)
    sizes = []
    for price in (1, 4):

        def pack(_: Sequence[CodedTensor], coded: Sequence[Quantised], price: int = price) -> Payload:
            own = payload_of(config, coded)
            return Payload(own.arch, own.table, own.data * price, own.symbols_sha256)

        field = config.build(signal.spec, torch.Generator().manual_seed(3))
        made = Candidate.of(signal, field, plan, RateTerm(bits=8 * 500), 0, lambda *_: None, pack)
        sizes.append(len(made.payload().data) / price)
    assert sizes[1] < 0.6 * sizes[0]
