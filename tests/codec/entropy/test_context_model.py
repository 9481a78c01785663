"""Context coding: both decoders return the symbols and find damage; context from neighbours saves bytes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from inr.codec.entropy import context_model as context
from inr.codec.entropy.laplace import encode as encode_plainly
from inr.codec.entropy.quantise import Integers
from inr.core.errors import FormatError

LAYOUTS: list[context.Layout] = [
    ("line", (2, 200)),
    ("plane", (1, 17, 23)),
    ("volume", (2, 7, 6, 9)),
    ("spectrum", (1, 12, 30)),
    ("line", (1, 1)),
]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout[0])


def some(layout: context.Layout, scale: float = 3.0) -> Integers:
    return np.rint(np.random.default_rng(0).laplace(0, scale, layout[1])).astype(np.int32)


@every_layout
@pytest.mark.parametrize("scale", [0.05, 3.0, 500.0])
def test_symbols_come_back(layout: context.Layout, scale: float) -> None:
    symbols = some(layout, scale)
    np.testing.assert_array_equal(context.decode(context.encode(symbols, layout), layout), symbols)


@every_layout
def test_the_python_decoder_gives_the_same(layout: context.Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = some(layout)
    coded = context.encode(symbols, layout)
    monkeypatch.setenv("INR_BACKEND", "reference")
    np.testing.assert_array_equal(context.decode(coded, layout), symbols)


@every_layout
def test_a_neighbourhood_lies_in_the_past(layout: context.Layout) -> None:
    own = context.NEIGHBOURHOODS[layout[0]]
    for offset in (*own.near, *own.far, *own.mean):
        assert offset < (0,) * len(offset)
        assert max(map(abs, offset)) <= own.reach


@every_layout
def test_a_stream_cut_short_or_lengthened_is_refused(layout: context.Layout) -> None:
    coded = context.encode(some(layout), layout)
    for stream in (coded.stream[: len(coded.stream) // 2 - 1], coded.stream + b"\xff" * 8):
        with pytest.raises(FormatError):
            context.decode(dataclasses.replace(coded, stream=stream), layout)


def test_tables_out_of_range_are_refused() -> None:
    coded = context.encode(some(LAYOUTS[1]), LAYOUTS[1])
    with pytest.raises(FormatError):
        context.decode(dataclasses.replace(coded, scales=coded.scales + 300), LAYOUTS[1])


def test_context_from_neighbours_saves_bytes() -> None:
    rows, columns = np.mgrid[:64, :64]
    rng = np.random.default_rng(0)
    bumpy = np.rint(rng.laplace(0, 0.1 + 8 * np.exp(-((rows - 32) ** 2 + (columns - 20) ** 2) / 100))).astype(np.int32)
    smooth = np.rint(40 * np.sin(rows / 9) * np.cos(columns / 7) + rng.normal(0, 1, rows.shape)).astype(np.int32)
    for symbols in (bumpy, smooth):
        layout = ("plane", (1, 64, 64))
        b = max(float(np.abs(symbols).mean()), 0.1)
        s = np.full(symbols.size, round(96 + 16 * np.log2(b)), np.int32)
        plain = encode_plainly(symbols.ravel(), np.zeros(symbols.size, np.int32), s)
        assert len(context.encode(symbols[None], layout).stream) < 0.75 * len(plain)
