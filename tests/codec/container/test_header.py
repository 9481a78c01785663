"""The header of every kind of signal, both ways, and fields out of range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.codec import Limits
from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.encode import notes_on_size
from inr.core.errors import FormatError
from inr.signals import Signal, load_signal
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from inr.signals.points import Points

RANDOM = np.random.default_rng(0)
SIGNALS: dict[str, Signal] = {
    "rgb": Image.of_pixels(RANDOM.integers(0, 256, (5, 7, 3)).astype(np.uint8)),
    "grey 16": Image.of_pixels(RANDOM.integers(0, 2**16, (5, 700, 1)).astype(np.uint16)),
    "float": Image.of_pixels(RANDOM.normal(size=(4, 4, 2)).astype(np.float32)),
    "sound": Audio.of_samples(RANDOM.normal(size=(500, 2)).astype(np.float32), 44100, "PCM_24"),
    "5.1": Audio.of_samples(RANDOM.normal(size=(50, 6)).astype(np.float32), 48000),
    "array": Array.of_array(RANDOM.normal(size=(3, 4, 5, 6))),
    "channels": Array.of_array(RANDOM.integers(0, 9, (3, 40, 6)).astype(np.int16), has_channels=True),
    "shape": load_signal("analytic:torus"),
    "points": Points(RANDOM.normal(size=(9, 3)), np.eye(3)[RANDOM.integers(0, 3, 9)]),
}
SIGNALS["5.1"].meta["channel_mask"] = 0x3F


@pytest.mark.parametrize("name", SIGNALS)
def test_a_header_comes_back_with_the_signals_spec_frame_and_meta(name: str) -> None:
    signal = SIGNALS[name]
    header = Header.of(signal)
    again = Header.read(header.to_bytes())
    assert again == header
    assert again.spec() == signal.spec
    frame = again.frame()
    assert (frame.offset, frame.scale, frame.domain.low) == (
        signal.frame.offset,
        signal.frame.scale,
        signal.frame.domain.low,
    )
    assert frame.domain.high == pytest.approx(signal.frame.domain.high, rel=1e-15)
    assert frame.domain.axes == signal.frame.domain.axes
    assert {k: v for k, v in signal.meta.items() if k in again.meta} == dict(again.meta)


@pytest.mark.parametrize("name", SIGNALS)
def test_every_cut_and_addition_is_refused(name: str) -> None:
    data = Header.of(SIGNALS[name]).to_bytes()
    for wrong in [data[:n] for n in range(len(data))] + [data + b"\0"]:
        with pytest.raises(FormatError):
            Header.read(wrong)


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    try:
        header = Header.read(data)
    except FormatError:
        return
    assert header.to_bytes() == data
    assert header.n_samples * header.channels <= Limits().samples


def test_samples_beyond_the_limit_are_refused() -> None:
    with pytest.raises(FormatError, match="samples"):
        Header.read(Writer().u8(0).varint(2**20).varint(2**20).u8(3).bytes())


def test_numbers_are_held_to_their_ranges() -> None:
    with pytest.raises(FormatError, match="shortest"):
        Reader(b"\x80\x00", "x").varint("n")
    with pytest.raises(FormatError, match="32-bit"):
        Reader(b"\xff" * 9, "x").varint("n")
    with pytest.raises(FormatError, match="expected 1 to 5"):
        Reader(b"\x07", "x").u8("n", 1, 5)
    for bad in (float("nan"), float("inf"), 2.0):
        with pytest.raises(FormatError, match="expected 0 to 1"):
            Reader(Writer().f32(bad).bytes(), "x").f32("n", 0, 1)


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_varints_come_back(n: int, signed: int) -> None:
    reader = Reader(Writer().varint(n).signed(signed).bytes(), "x")
    assert (reader.varint("n"), reader.signed("s")) == (n, signed)
    reader.end()


def test_a_plain_file_of_the_values_is_known_by_its_size() -> None:
    assert Header.of(SIGNALS["rgb"]).plain_bytes == 5 * 7 * 3
    assert Header.of(SIGNALS["grey 16"]).plain_bytes == 5 * 700 * 2
    assert Header.of(SIGNALS["sound"]).plain_bytes == 44 + 500 * 2 * 3
    assert Header.of(SIGNALS["channels"]).plain_bytes == 128 + 3 * 40 * 6 * 2
    assert Header.of(SIGNALS["shape"]).plain_bytes is None
    assert notes_on_size(Header.of(SIGNALS["rgb"]), 104) == ()
    assert "105" in notes_on_size(Header.of(SIGNALS["rgb"]), 105)[0]
