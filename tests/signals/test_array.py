"""Arrays: dtypes and axes are kept, slices and crops address elements, harmful files are refused in one line."""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from torch import Tensor

from inr.core.errors import InrError, UnreadableError, UsageError
from inr.signals import Source, View, evaluate_grid
from inr.signals.array import Array
from inr.signals.loading import load_signal

AnyArray = np.ndarray[Any, np.dtype[Any]]


def npy(array: AnyArray, *, allow_pickle: bool = False) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=allow_pickle)
    return out.getvalue()


def npz(**arrays: AnyArray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def piped(data: bytes, name: str = "a.npy", **options: str) -> Array:
    return Array.load(Source(name, data=data), options)


def field_of(signal: Array) -> Any:
    """The perfect field: the value of the element that a coordinate lies in."""
    shape = torch.tensor(signal.spec.shape)

    def evaluate(x: Tensor) -> Tensor:
        at = (x * shape).long().clamp(max=shape - 1)
        return signal.values[tuple(at.T)]

    return evaluate


def rendered(signal: Array, view: View, suffix: str = ".npy") -> AnyArray:
    grid, meta = Array.grid(signal.spec, signal.frame, signal.meta, view)
    out = io.BytesIO()
    Array.write(evaluate_grid(field_of(signal), grid, signal.spec.d_out), meta, out, suffix)
    out.seek(0)
    loaded: Any = np.load(out)
    result: AnyArray = loaded if suffix == ".npy" else loaded["values"]
    return result


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4), (2, 3, 2, 5)])
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "int16", "uint16", "int32", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_dtypes_and_axes_come_back(shape: tuple[int, ...], dtype: str, suffix: str) -> None:
    array = np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)
    signal = piped(npy(array))
    assert signal.spec.shape == shape
    assert signal.spec.d_out == 1
    back = rendered(signal, View(), suffix)
    np.testing.assert_array_equal(back, array, strict=True)
    assert signal.metrics(field_of(signal))["psnr_db"] == float("inf")


def test_fortran_order_and_big_endian() -> None:
    array = np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4))
    np.testing.assert_array_equal(rendered(piped(npy(array)), View()), array)


def test_channels_are_the_last_axis_by_option() -> None:
    array = (np.random.default_rng(0).normal(size=(4, 5, 3)) * [1, 100, 0.01]).astype(np.float32)
    signal = piped(npy(array), channels="last")
    assert (signal.spec.shape, signal.spec.d_out) == ((4, 5), 3)
    y = signal.pool(torch.Generator()).batch(torch.arange(20)).y
    torch.testing.assert_close(y.amax(0), torch.ones(3))
    torch.testing.assert_close(y.amin(0), -torch.ones(3))
    np.testing.assert_array_equal(rendered(signal, View()), array)


def test_key_names_the_array() -> None:
    data = npz(first=np.arange(3.0), second=np.arange(4.0))
    assert piped(data, "a.npz").spec.shape == (3,)
    assert piped(data, "a.npz", key="second").spec.shape == (4,)
    with pytest.raises(UsageError, match=r"did you mean 'second'"):
        piped(data, "a.npz", key="secnd")
    with pytest.raises(UsageError, match=r"not an \.npz"):
        piped(npy(np.arange(3.0)), key="second")


def test_an_npz_of_several_arrays_notes_which_is_used() -> None:
    data = npz(first=np.arange(3.0), second=np.arange(4.0), third=np.arange(5.0))
    (note,) = piped(data, "a.npz").notes
    assert "'first' of its 3 arrays is used" in note
    assert "second, third (signal.key=second)" in note
    assert piped(data, "a.npz", key="third").notes == ()
    assert piped(npz(only=np.arange(3.0)), "a.npz").notes == ()
    many = npz(**{f"a{k}": np.arange(2.0) for k in range(40)})
    assert "a8 and 31 more" in piped(many, "a.npz").notes[0]


@pytest.mark.parametrize("label", [np.array("tumour"), np.array([{}], object), np.zeros(2, [("a", "f4")])])
def test_an_npz_whose_first_array_is_not_a_signal_names_the_others(label: AnyArray) -> None:
    out = io.BytesIO()
    np.savez(out, label=label, word=np.array("x"), img=np.zeros((4, 4)), allow_pickle=True)
    with pytest.raises(UnreadableError, match="'label'") as caught:
        piped(out.getvalue(), "a.npz")
    assert caught.value.hint is not None
    assert "it has: label, word, img" in caught.value.hint
    assert "signal.key=img" in caught.value.hint
    assert piped(out.getvalue(), "a.npz", key="img").spec.shape == (4, 4)


@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 6)])
def test_slices_are_taken_up_to_the_ends_that_the_message_names(shape: tuple[int, ...]) -> None:
    signal = piped(npy(np.random.default_rng(0).normal(size=(*shape, 2))), channels="none")
    for axis, n in enumerate(shape):
        for position in (-0.5, n - 0.5):
            grid, _ = Array.grid(signal.spec, signal.frame, signal.meta, View(slices={f"axis{axis}": position}))
            assert grid.shape[axis] == 1
        for position in (-0.6, n - 0.4, float(n), float("nan")):
            with pytest.raises(UsageError, match=rf"expected -0\.5 to {n - 0.5:g} elements"):
                Array.grid(signal.spec, signal.frame, signal.meta, View(slices={f"axis{axis}": position}))


def test_an_axis_is_cut_once() -> None:
    signal = piped(npy(np.zeros((3, 4, 5))))
    with pytest.raises(UsageError, match="two positions on the axis axis2"):
        Array.grid(signal.spec, signal.frame, signal.meta, View(slices={"axis2": 1, "2": 3}))


def test_views_address_elements() -> None:
    array = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(np.int16)
    signal = piped(npy(array))
    np.testing.assert_array_equal(rendered(signal, View(slices={"axis1": 2})), array[:, 2])
    np.testing.assert_array_equal(rendered(signal, View(slices={"0": 1, "axis2": 3})), array[1, :, 3])
    np.testing.assert_array_equal(rendered(signal, View(crop=(0, 1, 2, 2, 2, 1))), array[0:2, 1:3, 2:3])
    assert rendered(signal, View(scale=2)).shape == (4, 6, 8)
    assert rendered(signal, View(size=(5, 6, 7))).shape == (5, 6, 7)
    assert rendered(signal, View(size=(5, 7), slices={"1": 0})).shape == (5, 7)
    for bad in ({"axis3": 0.0}, {"axis0": 2.0}, {"axis0": 0.0, "axis1": 0.0, "axis2": 0.0}):
        with pytest.raises(UsageError):
            Array.grid(signal.spec, signal.frame, signal.meta, View(slices=bad))


def test_picture_of_two_axes() -> None:
    array = np.array([[0.0, 5.0, 10.0], [10.0, 10.0, 0.0]], np.float32)
    signal = piped(npy(array))
    out = io.BytesIO()
    notes = Array.write(signal.values.numpy(), signal.meta, out, ".png")
    assert "0 to 10" in notes[0]
    with Pillow.open(out) as image:
        np.testing.assert_array_equal(np.asarray(image), [[0, 32768, 65535], [65535, 65535, 0]])
    with pytest.raises(UsageError, match="2 axes"):
        Array.write(np.zeros((2, 2, 2, 1), np.float32), signal.meta, io.BytesIO(), ".png")


def test_integers_are_rounded_and_clipped_with_a_note() -> None:
    signal = piped(npy(np.array([0, 255], np.uint8)))
    out = io.BytesIO()
    notes = Array.write(np.array([[-3.0], [254.6]], np.float32), signal.meta, out, ".npy")
    out.seek(0)
    np.testing.assert_array_equal(np.load(out), np.array([0, 255], np.uint8))
    assert notes == ("1 of 2 values were outside the range of uint8 and were clipped",)
    out = io.BytesIO()
    Array.write(np.array([[1e30], [-1e30]], np.float32), {**signal.meta, "dtype": "int64"}, out, ".npy")
    out.seek(0)
    ends = np.load(out)
    assert ends[0] >= 2**63 - 1024
    assert ends[1] == -(2**63)


def test_large_integers_are_noted() -> None:
    for value in (2**24 + 1, -(2**24) - 2, 2**40, 2**62):
        assert "2^24" in piped(npy(np.array([value, 0]))).notes[0]
    assert piped(npy(np.array([2**24, 0]))).notes == ()


def bad_arrays() -> dict[str, tuple[bytes, str]]:
    good = npy(np.arange(100.0))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w"):
        pass
    odd = io.BytesIO()
    with zipfile.ZipFile(odd, "w") as archive:
        archive.writestr("note.txt", "hello")
    return {
        "empty file": (b"", "is empty"),
        "text": (b"hello, this is text", "cannot read"),
        "pickle": (npy(np.array([{}, []], object), allow_pickle=True), "object"),
        "complex": (npy(np.array([1j])), "complex"),
        "words": (npy(np.array(["a"])), "dtype"),
        "record": (npy(np.zeros(3, [("a", "f4")])), "dtype"),
        "nan": (npy(np.array([1.0, np.nan])), "NaN"),
        "infinite": (npy(np.array([1.0, np.inf])), "NaN"),
        "too large": (npy(np.array([1.0, 1e300])), "too large"),
        "no elements": (npy(np.zeros((0, 3))), "at least one element"),
        "scalar": (npy(np.array(3.0)), "axes"),
        "five axes": (npy(np.zeros((1, 1, 1, 1, 2))), "axes"),
        "truncated": (good[:-8], "truncated"),
        "huge": (huge.getvalue(), r"2\^30"),
        "empty zip": (out.getvalue(), "cannot read"),
        "other zip": (odd.getvalue(), "cannot read"),
        "truncated npz": (npz(a=np.random.default_rng(0).normal(size=50))[:-60], "cannot read"),
    }


@pytest.mark.parametrize("name", bad_arrays())
def test_bad_arrays_are_refused_in_one_line(name: str) -> None:
    data, message = bad_arrays()[name]
    with pytest.raises(UnreadableError, match=message) as caught:
        piped(data)
    assert "\n" not in caught.value.message


SEEDS = [npy(np.arange(12.0).reshape(3, 4)), npy(np.arange(6, dtype=np.uint8)), npz(a=np.arange(5.0), b=np.arange(3))]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_refused(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    with contextlib.suppress(UnreadableError):
        assert bool(torch.isfinite(piped(bytes(damaged[:cut])).values).all())


def test_unknown_options_and_values() -> None:
    with pytest.raises(InrError, match=r"did you mean 'channels'"):
        piped(npy(np.arange(3.0)), chanels="last")
    with pytest.raises(UsageError, match="expected one of none, last"):
        piped(npy(np.arange(3.0)), channels="first")


@pytest.mark.parametrize("columns", [3, 6])
def test_rows_that_may_be_points_are_noted_unless_the_kind_is_named(columns: int) -> None:
    rows = np.random.default_rng(0).normal(size=(120, columns))
    source = Source("scan.npy", data=npy(rows))
    (note,) = load_signal(source).notes
    assert note.startswith(f"scan.npy: an array of 120 x {columns} numbers is fitted; if its rows are points")
    assert "`kind=points`" in note
    assert "`kind=unsigned`" in note
    assert load_signal(source, "array").notes == ()


@pytest.mark.parametrize(
    "rows", [np.zeros((99, 3)), np.zeros((120, 4)), np.zeros((120, 3), np.int32), np.zeros((9, 9, 3))]
)
def test_other_arrays_are_not_taken_for_points(rows: AnyArray) -> None:
    assert load_signal(Source("a.npy", data=npy(rows))).notes == ()
    assert load_signal(Source("a.npz", data=npz(rows=np.zeros((120, 3))))).notes == ()  # kind points reads no .npz
