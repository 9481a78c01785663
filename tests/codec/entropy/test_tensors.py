"""Tensors of integers as bytes: every model, both coders, and damaged tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.codec import Limits
from inr.codec.entropy import laplace, models, tensors
from inr.codec.entropy.quantise import Quantised, StepSize, quantise
from inr.codec.entropy.range_coder import capacity, finish_encoder, new_decoder, new_encoder
from inr.codec.entropy.tensors import TensorSpec
from inr.core.errors import FormatError

DRAW = np.random.default_rng(0)
CASES = {
    "constant": np.full(100, -7),
    "two values": DRAW.integers(0, 2, 500) * 1000,
    "uniform": DRAW.integers(-2048, 2048, 400),
    "wide": DRAW.integers(-(2**28) + 1, 2**28 - 1, 50),
    "narrow Laplace": np.rint(DRAW.laplace(0, 1.5, 2000)),
    "wide Laplace": np.rint(DRAW.laplace(40, 300, 2000)),
    "sparse": np.rint(DRAW.laplace(0, 20, 3000)) * (DRAW.random(3000) < 0.1),
    "uneven": DRAW.choice([-3, 0, 1, 9], 2000, p=[0.6, 0.1, 0.05, 0.25]),
    "one": np.array([5]),
}


def quantised(name: str) -> Quantised:
    return Quantised(CASES[name].astype(np.int32), StepSize(-3, 200))


def specs_of(found: list[Quantised | bytes]) -> list[TensorSpec]:
    return [
        TensorSpec(f"t{i}", t.symbols.shape if isinstance(t, Quantised) else (), isinstance(t, bytes))
        for i, t in enumerate(found)
    ]


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_all_tensors_come_back(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Quantised | bytes] = [quantised(name) for name in CASES]
    given += [b"own stream", Quantised(np.zeros((0, 3), np.int32)), b"", Quantised(np.ones((2, 3), np.int32))]
    expected = tensors.encode(given)
    monkeypatch.setenv("INR_BACKEND", backend)
    table, data = tensors.encode(given)
    assert (table, data) == expected
    found = tensors.decode(specs_of(given), table, data)
    for a, b in zip(given, found, strict=True):
        if isinstance(a, bytes):
            assert a == b
        else:
            assert isinstance(b, Quantised)
            assert a.step == b.step
            assert (a.symbols == b.symbols).all()


@pytest.mark.parametrize("name", CASES)
def test_the_estimate_of_a_model_is_what_it_takes(name: str) -> None:
    symbols = CASES[name].astype(np.int32)
    values, counts = np.unique(symbols, return_counts=True)
    tried = list(models.candidates(values, counts))
    assert tried
    for model in tried:
        state, out = new_encoder(), np.empty(capacity(len(symbols) + 1024), np.uint8)
        model.encode(symbols, state, out)
        n_bytes = finish_encoder(state, out)
        overhead = {0: 24, 1: 32, 2: 24, 3: 32}[model.kind]
        assert 8 * n_bytes == pytest.approx(model.bits(values, counts) - overhead, abs=17)


def test_the_best_model_suits_the_symbols() -> None:
    kinds = {name: models.best(symbols.astype(np.int32)).kind for name, symbols in CASES.items()}
    assert kinds["constant"] == kinds["one"] == kinds["uniform"] == kinds["wide"] == 0
    assert {kinds["narrow Laplace"], kinds["wide Laplace"]} <= {1, 2}
    assert kinds["sparse"] == 2
    assert kinds["uneven"] == 3


@pytest.mark.parametrize("mu", [0, 100, -5000, 2**15])
def test_the_estimated_shares_are_the_coded_ones(mu: int) -> None:
    for s in (0, 90, 255):
        edges = [laplace.cumulative(mu, s, q) for q in range(-64, 66)]
        assert models.shares(mu)[s].tolist() == np.diff(edges).tolist()


def test_a_wide_laplace_costs_what_its_entropy_is() -> None:
    b = 300.0
    symbols = np.rint(np.random.default_rng(3).laplace(0, b, 5000)).astype(np.int32)
    _, data = tensors.encode([Quantised(symbols)])
    assert 8 * len(data) / 5000 == pytest.approx(np.log2(2 * np.e * b), rel=0.01)


def test_the_survey_accounts_for_every_byte() -> None:
    given: list[Quantised | bytes] = [quantised(name) for name in CASES] + [b"12345"]
    table, data = tensors.encode(given)
    usage = tensors.survey(specs_of(given), table, data)
    assert sum(u.bits for u in usage) == pytest.approx(8 * len(data), abs=17)
    assert sum(u.record_bytes for u in usage) <= len(table)
    assert usage[-1].bits == 40


@given(st.binary(max_size=30), st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_bytes_decode_or_are_refused(table: bytes, data: bytes) -> None:
    specs = [TensorSpec("a", (40,)), TensorSpec("b", (3, 5))]
    try:
        found = tensors.decode(specs, table, data)
    except FormatError:
        return
    assert [t.symbols.shape for t in found if isinstance(t, Quantised)] == [(40,), (5, 3)[::-1]]


@given(st.integers(0, 3), st.binary(max_size=12), st.binary(max_size=50), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_any_stream_decodes_alike_under_both_coders(kind: int, record: bytes, data: bytes, n: int) -> None:
    from inr.codec.container.byte_fields import Reader
    from inr.codec.entropy import python_coder as reference

    try:
        model = models.MODELS[kind].read(Reader(record + bytes(12), "a record"))
    except FormatError:
        return
    fast, slow = np.zeros(n, np.int32), np.zeros(n, np.int32)
    state, decoder = new_decoder(np.frombuffer(data, np.uint8)), reference.Decoder(data)
    model.decode(fast, state, np.frombuffer(data, np.uint8))
    model.decode_in_python(slow, decoder)
    assert bool(state[3]) == decoder.failed
    assert decoder.failed or fast.tolist() == slow.tolist()


def test_damaged_tables_are_refused() -> None:
    given: list[Quantised | bytes] = [quantised("narrow Laplace"), b"own"]
    specs = specs_of(given)
    table, data = tensors.encode(given)
    for bad_table, bad_data in [
        (table[:-1], data),
        (table + b"\0", data),
        (table, data[:-1]),
        (table, data + b"\0"),
        (b"\x80\x00" + table[2:], data),
    ]:
        with pytest.raises(FormatError):
            tensors.decode(specs, bad_table, bad_data)
    with pytest.raises(FormatError, match="kind"):
        tensors.decode(specs[::-1], table, data)
    with pytest.raises(FormatError, match="limit"):
        tensors.decode([TensorSpec("huge", (2**20, 2**20))], b"\0" * 6, b"")
    with pytest.raises(FormatError, match="limit"):
        tensors.decode(specs, table, data, Limits(symbols=10))


def test_steps_are_exact_and_near() -> None:
    for value in (1e-9, 0.001, 0.999, 1.0, 1.9999, 3.0, 1e5):
        step = StepSize.near(value)
        assert abs(step.value - value) <= value / 255
        assert StepSize.near(step.value) == step
    assert StepSize.near(1e-30).value == 2.0**-40
    assert StepSize.near(1e30).value == 255 / 128 * 2.0**20
    with pytest.raises(ValueError, match="step"):
        StepSize.near(0.0)


def test_quantised_values_are_multiples_of_the_step() -> None:
    values = np.linspace(-1, 1, 101)
    q = quantise(values, StepSize.near(0.01))
    assert np.abs(q.values() - values).max() <= q.step.value / 2
    assert quantise([1e9], StepSize.near(1.0), largest=100).symbols.tolist() == [100]
