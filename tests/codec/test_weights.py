"""Profile "weights": every family round-trips symbols and values through bytes; aims are met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from inr._config import parse
from inr.codec import tensors
from inr.codec._header import Header
from inr.codec._limits import Limits
from inr.codec.field_coding import payload_of
from inr.codec.pieces import pieces, specs
from inr.codec.quantise import Step
from inr.codec.training import Budget, Plan, train
from inr.codec.weights import Weights
from inr.fields import FIELDS, FieldConfig
from inr.signals.array import Array
from tests.assertions import assert_same_bytes
from tests.conformance.small import DEFAULT_SMALL, SMALL

CASES = [
    pytest.param({"type": name, **document}, id=f"{name}-{i}")
    for name in FIELDS
    for i, document in enumerate(SMALL.get(name, DEFAULT_SMALL))
]
every_field = pytest.mark.parametrize("document", CASES)


def small_array(side: int = 24, channels: int = 3) -> Array:
    x, y = np.meshgrid(*2 * [np.linspace(0, 1, side)], indexing="ij")
    bands = [np.sin(5 * x + k) * np.cos(4 * y * (k + 1)) for k in range(channels)]
    return Array.of_array(np.stack(bands, -1).astype(np.float32), has_channels=True)


@every_field
def test_symbols_and_values_of_every_family_come_back(document: dict[str, Any]) -> None:
    signal = small_array()
    config = parse(FieldConfig, document).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    parts = pieces(field)
    coded = [part.quantise(Step.near(2.0**-7)) for part in parts]
    payload = payload_of(config, coded)
    found = Weights().decode(Header.of(signal), payload, Limits())
    assert found.symbols_sha256 == tensors.symbols_sha256([c.symbols for c in coded])
    decoded = found.fit().field
    assert decoded.config == config
    for part, symbols, again in zip(parts, coded, pieces(decoded), strict=True):
        assert part.spec == again.spec
        np.testing.assert_array_equal(again.quantise(symbols.step).symbols, symbols.symbols)
    for part, symbols in zip(parts, coded, strict=True):
        part.assign(symbols)
    field.load_state_dict(field.state_dict())
    field.eval()
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert_same_bytes(decoded(x), field(x))
    assert list(Weights().outline(Header.of(signal), memoryview(payload.arch), Limits())) == specs(parts)
    assert Weights().work(Header.of(signal), memoryview(payload.arch)) >= 0


@pytest.mark.parametrize("name", list(FIELDS))
def test_every_family_trains_for_its_bytes(name: str) -> None:
    signal = small_array()
    config = parse(FieldConfig, {"type": name, **SMALL.get(name, DEFAULT_SMALL)[0]}).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    trained = train(signal, field, Plan(5, 200, 1e-4), Budget(bits=4000.0), seed=1)
    payload = payload_of(config, trained.coded)
    found = Weights().decode(Header.of(signal), payload, Limits()).fit()
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert_same_bytes(found.field(x), trained.field(x))
