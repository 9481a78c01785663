"""Profile "weights": every family round-trips symbols and values through bytes; targets are reached."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from inr.codec import Limits
from inr.codec.container.header import Header
from inr.codec.decode import decode
from inr.codec.encode import compress
from inr.codec.entropy import tensors
from inr.codec.entropy.quantise import StepSize
from inr.codec.field_profile import payload_of, read_arch, write_arch
from inr.codec.profiles.weights import WeightsProfile
from inr.codec.rate_target import RateTarget
from inr.codec.training.coded_tensors import coded_tensors
from inr.codec.training.few_bits_group import step_of
from inr.codec.training.trainer import RateTerm, TrainingSettings, train
from inr.core.config import parse
from inr.core.errors import FormatError
from inr.encodings.frequency import Frequency
from inr.fields import FIELDS, FieldConfig
from inr.fields.siren import Siren
from inr.signals.array import Array
from inr.workflows.fit import fit
from tests.assertions import assert_same_bytes
from tests.conformance.small import DEFAULT_SMALL, SMALL

CASES = [
    pytest.param({"type": name, **document}, id=f"{name}-{i}")
    for name in FIELDS
    for i, document in enumerate(SMALL.get(name, DEFAULT_SMALL))
]
every_field = pytest.mark.parametrize("document", CASES)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps at every effort."""
    monkeypatch.setattr("inr.codec.profiles.weights.STEPS", 1600)


def small_array(side: int = 24, channels: int = 3) -> Array:
    x, y = np.meshgrid(*2 * [np.linspace(0, 1, side)], indexing="ij")
    bands = [np.sin(5 * x + k) * np.cos(4 * y * (k + 1)) for k in range(channels)]
    return Array.of_array(np.stack(bands, -1).astype(np.float32), has_channels=True)


@pytest.mark.slow
@every_field
def test_symbols_and_values_of_every_family_come_back(document: dict[str, Any]) -> None:
    signal = small_array()
    config = parse(FieldConfig, document).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    parts = coded_tensors(field)
    coded = [part.quantise(StepSize.near(2.0**-7)) for part in parts]
    payload = payload_of(config, coded)
    found = WeightsProfile().decode(Header.of(signal), payload, Limits())
    assert found.symbols_sha256 == tensors.symbols_sha256([c.symbols for c in coded])
    decoded = found.fit().field
    assert decoded.config == config
    for part, symbols, again in zip(parts, coded, coded_tensors(decoded), strict=True):
        assert part.spec == again.spec
        np.testing.assert_array_equal(again.quantise(symbols.step).symbols, symbols.symbols)
    for part, symbols in zip(parts, coded, strict=True):
        part.assign(symbols)
    field.load_state_dict(field.state_dict())
    field.eval()
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert_same_bytes(decoded(x), field(x))
    assert list(WeightsProfile().outline(Header.of(signal), memoryview(payload.arch), Limits())) == [
        part.spec for part in parts
    ]
    assert WeightsProfile().work(Header.of(signal), memoryview(payload.arch)) >= 0


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FIELDS))
def test_every_family_trains_for_its_bytes(name: str) -> None:
    signal = small_array()
    config = parse(FieldConfig, {"type": name, **SMALL.get(name, DEFAULT_SMALL)[0]}).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    trained = train(signal, field, TrainingSettings(5, 200, 1e-4), RateTerm(bits=4000.0), seed=1)
    payload = payload_of(config, trained.quantised)
    found = WeightsProfile().decode(Header.of(signal), payload, Limits()).fit()
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert_same_bytes(found.field(x), trained.field(x))


def test_a_size_is_met_from_below_in_one_fit(brief: None) -> None:
    signal = small_array(32)
    payload = WeightsProfile().encode(signal, RateTarget(size_bytes=1500), effort=2, seed=0)
    assert 0.9 * 1500 <= payload.size <= 1500
    again = WeightsProfile().encode(signal, RateTarget(size_bytes=1500), effort=2, seed=0)
    assert again == payload, "a seed decides every byte"
    found = WeightsProfile().decode(Header.of(signal), payload, Limits()).fit()
    assert signal.metrics(found)["psnr_db"] > 12


def test_a_psnr_is_met_from_above(brief: None) -> None:
    signal = small_array(32)
    payload = WeightsProfile().encode(signal, RateTarget(target_psnr_db=24.0), effort=1, seed=0)
    found = WeightsProfile().decode(Header.of(signal), payload, Limits()).fit()
    assert 24.0 <= signal.metrics(found)["psnr_db"] < 30


def test_a_family_and_its_width_can_be_chosen(brief: None) -> None:
    signal = small_array()
    target = RateTarget(size_bytes=1500)
    free = WeightsProfile().with_settings("finer", ["depth=2"]).encode(signal, target, effort=1, seed=0)
    fixed = WeightsProfile().with_settings("finer", ["width=12"]).encode(signal, target, effort=1, seed=0)
    assert free.size <= 1500
    config = WeightsProfile().decode(Header.of(signal), fixed, Limits()).fit().field.config
    assert (config.type_name, config.width) == ("finer", 12)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("field", "depth"), [(None, 4), ({"depth": 2}, 2)])
def test_the_profile_builds_the_default_architecture(brief: None, field: dict[str, int] | None, depth: int) -> None:
    """With the public function."""
    made = compress(small_array(), profile="weights", field=field, size_bytes=1500, effort=1, verify=False)
    config = decode(made.data).fit().field.config
    assert isinstance(config, Siren)
    assert config.depth == depth
    assert isinstance(config.encoding, Frequency)
    assert config.encoding.base == 1.4


def test_a_model_keeps_its_architecture(brief: None) -> None:
    signal = small_array()
    model = fit(signal, {"type": "siren", "width": 16, "depth": 2}, {"steps": 200, "batch": 576, "lr": 1e-3})
    payload = WeightsProfile().encode_model(model, RateTarget(quality=60), effort=1, seed=0)
    found = WeightsProfile().decode(Header.of(signal), payload, Limits()).fit()
    assert found.field.config == model.field.config
    assert found.metrics == {}
    assert signal.metrics(found)["psnr_db"] > model.metrics["psnr_db"] - 3
    assert payload.size < 1.3 * model.field.n_params * 6.6 / 8 + 100


def test_a_model_of_a_family_with_high_rates_keeps_what_it_has_learned(brief: None) -> None:
    """MINER's paper trains at a rate of 0.03, which undoes what a fit has learned."""
    signal = small_array()
    model = fit(signal, {"type": "miner", "width": 8}, {"steps": 300})
    payload = WeightsProfile().encode_model(model, RateTarget(quality=60), effort=1, seed=0)
    found = WeightsProfile().decode(Header.of(signal), payload, Limits()).fit()
    assert signal.metrics(found)["psnr_db"] > model.metrics["psnr_db"] - 3


@pytest.mark.parametrize("part", ["arch", "table", "data"])
def test_damage_is_a_format_error_or_another_digest(part: str) -> None:
    signal = small_array()
    config = parse(FieldConfig, {"type": "hash_grid", **SMALL["hash_grid"][0]}).resolve(signal.spec)
    field = config.build(signal.spec, torch.Generator().manual_seed(3))
    whole = payload_of(config, [piece.quantise(StepSize.near(2.0**-7)) for piece in coded_tensors(field)])
    data = getattr(whole, part)
    for bit in range(0, 8 * len(data), max(1, len(data) // 12)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        broken = dataclasses.replace(whole, **{part: bytes(changed)})
        try:
            found = WeightsProfile().decode(Header.of(signal), broken, Limits(parameters=10**6))
        except FormatError:
            continue
        assert found.symbols_sha256 == whole.symbols_sha256


def test_architectures_beyond_the_limits_are_refused_before_memory_is_taken() -> None:
    signal = small_array()
    cases: list[tuple[dict[str, Any], Limits]] = [
        ({"type": "siren", "width": 4097}, Limits()),
        ({"type": "siren", "depth": 65}, Limits()),
        ({"type": "siren", "width": 64}, Limits(parameters=100)),
        ({"type": "hash_grid", "encoding": {"log2_table": 24, "finest": [4000]}}, Limits(table=2**20)),
        ({"type": "subspace", "dimensions": 60, "projection": "dense"}, Limits(parameters=10000)),
    ]
    for document, limits in cases:
        config = parse(FieldConfig, document).resolve(signal.spec)
        with pytest.raises(FormatError):
            read_arch(Header.of(signal), write_arch(config), limits)


@pytest.mark.parametrize("bits", [3, 4])
def test_matrices_of_few_bits_per_entry(bits: int, brief: None) -> None:
    """No matrix has more than 2^bits - 1 values, the first 2^8 - 1; the field is a plain one."""
    signal = small_array()
    few = ["linear=quantized", f"linear.bits={bits}", "depth=2", "width=32"]
    payload = WeightsProfile().with_settings(None, few).encode(signal, RateTarget(lambda_=1e-7), effort=3, seed=0)
    fit = WeightsProfile().decode(Header.of(signal), payload, Limits()).fit()
    assert fit.field.config.to_json()["linear"]["type"] == "dense"
    seen = []
    for part in coded_tensors(fit.field):
        if part.name.endswith("weight"):
            values = torch.from_numpy(np.unique(part.values.numpy()))
            step = float(values.abs()[values.abs() > 0].min())
            largest = 2 ** ((8 if ".0." in part.name else bits) - 1) - 1
            seen.append(len(values))
            assert len(values) <= 2 * largest + 1
            ratio = values / step
            assert float((ratio - ratio.round()).abs().max()) < 1e-3
    assert len(seen) == 3
    assert max(seen[1:]) > 2 ** (bits - 1)
    n = sum(part.values.numel() for part in coded_tensors(fit.field))
    assert payload.size * 8 < (bits + 2.5) * n + 8 * 250
    assert signal.metrics(fit)["psnr_db"] > 25


def test_the_step_of_few_bits_reaches_the_largest_entry() -> None:
    for magnitude in (0.0, 1e-7, 0.3, 1.0, 17.3):
        for n in (1, 7, 127, 32767):
            step = step_of(magnitude, n)
            assert step.value * n >= magnitude
            assert step.value * n <= max(1.02 * magnitude, 2.0**-39 * n)
