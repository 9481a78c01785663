"""Sounds: integer samples are kept exactly, clipping is noted, damaged files are refused in one line."""

from __future__ import annotations

import contextlib
import io
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.signals import Source, View, load_signal
from inr.signals.audio import Audio
from inr.signals.files.sniffing import HEAD_BYTES, suffix_of
from inr.signals.files.sound_containers import set_channel_mask
from inr.signals.files.sounds import heading_of

Samples = np.ndarray[Any, np.dtype[Any]]


def encoded(samples: Samples, subtype: str = "PCM_16", form: str = "WAV", rate_hz: int = 8000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format=form, subtype=subtype)
    return out.getvalue()


def piped(data: bytes, name: str = "sound.wav") -> Audio:
    return Audio.load(Source(name, data=data), {})


def written(signal: Audio, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    out = io.BytesIO()
    notes = Audio.write(signal.values.numpy(), signal.meta, out, suffix)
    return out.getvalue(), notes


def integers(bits: int, channels: int = 1) -> Samples:
    rng = np.random.default_rng(1)
    q = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (300, channels))
    q[0], q[1] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return (q << (32 - bits)).astype(np.int32)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize(
    ("form", "subtype", "bits"),
    [
        ("WAV", "PCM_U8", 8),
        ("WAV", "PCM_16", 16),
        ("WAV", "PCM_24", 24),
        ("FLAC", "PCM_16", 16),
        ("FLAC", "PCM_24", 24),
    ],
)
def test_integer_samples_come_back_exactly(tmp_path: Path, form: str, subtype: str, bits: int, channels: int) -> None:
    samples = integers(bits, channels)
    suffix = f".{form.lower()}"
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(samples, subtype, form))
    signal = load_signal(path)
    assert isinstance(signal, Audio)
    meta: dict[str, Any] = {"rate_hz": 8000, "subtype": subtype}
    if (form, channels) == ("FLAC", 5):
        meta["channel_mask"] = 0x37  # front left, right and centre, back left and right
    assert (signal.spec.shape, signal.spec.d_out, signal.meta) == ((300,), channels, meta)
    data, notes = written(signal, suffix)
    assert notes == ()
    again, rate_hz = soundfile.read(io.BytesIO(data), dtype="int32", always_2d=True)
    np.testing.assert_array_equal(again, samples)
    assert rate_hz == 8000


def test_float_wav_beyond_full_scale_is_kept() -> None:
    samples = np.array([[-3.5], [0.25], [2.0]], np.float32)
    signal = piped(encoded(samples, "FLOAT"))
    assert signal.frame.scale == (3.5,)
    assert signal.peak == 3.5
    data, notes = written(signal, ".wav")
    assert notes == ()
    np.testing.assert_array_equal(piped(data).values.numpy(), samples)


def test_flac_has_no_floats_and_clips_with_a_note() -> None:
    signal = piped(encoded(np.array([[-3.5], [0.25], [2.0]], np.float32), "FLOAT"))
    data, notes = written(signal, ".flac")
    assert "PCM_24" in notes[0]
    assert notes[1].startswith("2 of 3 samples")
    again, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    np.testing.assert_allclose(again, [-1, 0.25, 1 - 2**-23])


def test_ogg_comes_back_as_wav() -> None:
    t = np.arange(8000) / 8000
    signal = piped(encoded(0.5 * np.sin(2 * np.pi * 440 * t)[:, None]))
    data, notes = written(signal, ".ogg")
    assert "VORBIS" in notes[0]
    lossy = piped(data, "a.ogg")
    assert abs(len(lossy.values) - 8000) <= 64
    assert written(lossy, ".wav")[1] == (".wav is written as PCM_16, the source was VORBIS",)


def test_coordinate_is_time_at_sample_centres() -> None:
    signal = piped(encoded(integers(16, 2)))
    index = torch.tensor([0, 7, 299])
    batch = signal.pool(torch.Generator()).batch(index)
    torch.testing.assert_close(signal.frame.domain.from_unit(batch.x)[:, 0], (index + 0.5) / 8000)
    torch.testing.assert_close(signal.frame.from_field(batch.y), signal.values[index])
    assert float(signal.pool(torch.Generator()).batch(torch.arange(300)).y.abs().max()) == 1.0


def test_silence_has_scale_one() -> None:
    assert piped(encoded(np.zeros((10, 2)))).frame.scale == (1.0, 1.0)


def test_views() -> None:
    signal = piped(encoded(integers(16)))

    def shape_rate(view: View) -> tuple[tuple[int, ...], int]:
        grid, meta = Audio.grid(signal.spec, signal.frame, signal.meta, view)
        return grid.shape, meta["rate_hz"]

    assert shape_rate(View()) == ((300,), 8000)
    assert shape_rate(View(rate_hz=16000)) == ((600,), 16000)
    assert shape_rate(View(scale=0.5)) == ((150,), 4000)
    assert shape_rate(View(crop=(0.01, 0.02))) == ((160,), 8000)
    assert shape_rate(View(crop=(0.01, 0.02), rate_hz=4000)) == ((80,), 4000)
    assert shape_rate(View(size=(600,))) == ((600,), 16000)
    grid, _ = Audio.grid(signal.spec, signal.frame, signal.meta, View(crop=(0.01, 0.02)))
    t = signal.frame.domain.from_unit(grid.points(torch.arange(2)))
    torch.testing.assert_close(t[:, 0], torch.tensor([80.5, 81.5]) / 8000)
    for bad in (View(rate_hz=0.5), View(rate_hz=4000, scale=2), View(crop=(0.03, 0.02)), View(slices={"t": 0})):
        with pytest.raises(UsageError):
            shape_rate(bad)


def test_metrics_closed_form() -> None:
    signal = piped(encoded(np.full((100, 1), 0.5)))
    assert signal.metrics(lambda x: torch.full((len(x), 1), 0.5)) == {"snr_db": math.inf, "psnr_db": math.inf, "mse": 0}
    tenth_off = signal.metrics(lambda x: torch.full((len(x), 1), 0.45))
    assert tenth_off["snr_db"] == pytest.approx(20, abs=0.01)
    assert tenth_off["psnr_db"] == pytest.approx(-20 * math.log10(0.05), abs=0.01)
    assert signal.metrics(lambda x: torch.full((len(x), 1), 9.0))["mse"] == pytest.approx(0.25, rel=1e-3)

    def nearly(x: Tensor) -> Tensor:
        return torch.full((len(x), 1), 0.5 + 0.4 / 32768)

    assert signal.metrics(nearly)["snr_db"] == math.inf  # rounds to the same 16 bits


def bad_sounds() -> dict[str, tuple[bytes, str]]:
    good = encoded(integers(16))
    flac = encoded(integers(16), form="FLAC")
    nan = encoded(np.array([[0.0], [np.nan]], np.float32), "FLOAT")
    return {
        "empty": (b"", "is empty"),
        "text": (b"not a sound at all, but text", "cannot read"),
        "truncated wav": (good[:-100], "truncated"),
        "truncated flac": (flac[: len(flac) // 2], "cannot read"),
        "no samples": (encoded(np.zeros((0, 1))), "no samples"),
        "nan": (nan, "NaN"),
    }


@pytest.mark.parametrize("name", bad_sounds())
def test_bad_sounds_are_refused_in_one_line(name: str) -> None:
    data, message = bad_sounds()[name]
    with pytest.raises(UnreadableError) as caught:
        piped(data)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


# -- headers that are wrong or incomplete


def with_size(data: bytes, at: int, size: int, order: str = "<") -> bytes:
    """A file with another size in four bytes of its header: at 4 of a RIFF file's whole, at 40 of its samples."""
    changed = bytearray(data)
    struct.pack_into(order + "I", changed, at, size)
    return bytes(changed)


@pytest.mark.parametrize("outer", [0, 1, 36, 640, 652, 10**6, 0x7FFFF000, 0xFFFFFFFF])
def test_the_size_of_the_samples_counts_not_that_of_the_whole_wav(outer: int) -> None:
    good = encoded(integers(16))
    signal = piped(with_size(good, 4, outer))
    np.testing.assert_array_equal(signal.values.numpy(), piped(good).values.numpy())
    assert signal.notes == ()


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
@pytest.mark.parametrize("outer", [0, 36, 0xFFFFFFFF])
def test_wav_written_to_a_pipe_is_read_to_its_end_with_a_note(size: int, outer: int) -> None:
    good = encoded(integers(16))
    signal = piped(with_size(with_size(good, 4, outer), 40, size))
    np.testing.assert_array_equal(signal.values.numpy(), piped(good).values.numpy())
    assert "does not state its length" in signal.notes[0]


@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64", "AIFF", "AU", "W64", "CAF"])
@pytest.mark.parametrize("lost", [2, 100, 599])
def test_samples_that_are_declared_and_missing_are_refused(form: str, lost: int) -> None:
    good = encoded(integers(16), form=form)
    with pytest.raises(UnreadableError, match="truncated") as caught:
        piped(good[:-lost])
    assert str(len(good) - lost) in caught.value.message


def test_big_endian_wav_whose_samples_are_cut_is_refused_and_whole_is_read() -> None:
    out = io.BytesIO()
    soundfile.write(out, integers(16), 8000, format="WAV", subtype="PCM_16", endian="BIG")
    data = out.getvalue()
    assert data[:4] == b"RIFX"
    assert len(piped(data).values) == 300
    assert len(piped(with_size(data, 40, 0, ">")).values) == 300
    with pytest.raises(UnreadableError, match="truncated"):
        piped(data[:-10])


def test_successor_of_rf64_is_read() -> None:
    data = encoded(integers(16), form="RF64")
    np.testing.assert_array_equal(piped(b"BW64" + data[4:]).values.numpy(), piped(data).values.numpy())


def unknown_length(flac: bytes) -> bytes:
    """A FLAC whose number of samples, 36 bits at the end of bytes 21 to 25, is 0: unknown."""
    changed = bytearray(flac)
    changed[21] &= 0xF0
    changed[22:26] = bytes(4)
    return bytes(changed)


@pytest.mark.parametrize("channels", [1, 2])
def test_flac_of_unknown_length_is_read_to_its_end(tmp_path: Path, channels: int) -> None:
    q = np.random.default_rng(0).integers(-9000, 9000, (70_000, channels)).astype(np.int16)
    flac = encoded(q, form="FLAC")
    path = tmp_path / "a.flac"
    path.write_bytes(unknown_length(flac))
    signal = load_signal(path)
    assert isinstance(signal, Audio)
    np.testing.assert_array_equal(signal.values.numpy(), piped(flac).values.numpy())
    with path.open("rb") as file:
        assert heading_of(file, "a.flac").n_samples == 70_000
    with pytest.raises(UnreadableError, match=r"cannot read 'sound\.wav' as a sound: [a-z]"):
        piped(unknown_length(flac)[: len(flac) // 2])
    with pytest.raises(UsageError, match="in tiles"):
        load_signal(path, options={"read": "tiles"})


@pytest.mark.parametrize(("form", "subtype"), [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")])
def test_lossy_sounds_that_end_early_are_refused_or_noted(form: str, subtype: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (48_000, 1))
    data = encoded(noise, subtype, form, 48_000)
    assert piped(data).notes == ()
    for end in range(300, len(data) - 1, len(data) // 23):
        printed = ""
        try:
            printed = " ".join(piped(data[:end]).notes)
        except UnreadableError as error:
            printed = error.message
        assert "0x" not in printed
        assert printed


def test_mp3_of_varying_rate_without_a_length_is_refused() -> None:
    """libsndfile takes the length that the first frame's bit rate would give, and leaves out the rest."""
    samples = np.random.default_rng(0).normal(0, 0.1, (100_000, 1))
    samples[:50_000] /= 1000
    out = io.BytesIO()
    soundfile.write(out, samples, 44_100, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE")
    whole = out.getvalue()
    assert len(piped(whole).values) == 100_000
    table = whole.find(whole[:2], 400)  # the frame of the table is the first
    with pytest.raises(UnreadableError, match="without a table of its length"):
        piped(whole[table:])


def test_ogg_that_is_cut_between_its_pages_is_noted() -> None:
    data = encoded(np.random.default_rng(0).normal(0, 0.1, (30_000, 1)), "VORBIS", "OGG")
    last = data.rfind(b"OggS")
    cut = piped(data[:last])
    assert 0 < len(cut.values) < 30_000
    assert "may be cut short" in cut.notes[0]


OTHERS = {
    ".aiff": ("AIFF", "PCM_16"), ".aif": ("AIFF", "PCM_24"), ".au": ("AU", "PCM_16"), ".snd": ("AU", "FLOAT"),
    ".w64": ("W64", "PCM_16"), ".caf": ("CAF", "PCM_16"), ".rf64": ("RF64", "PCM_16"), ".wave": ("WAVEX", "PCM_16"),
    ".mp3": ("MP3", "MPEG_LAYER_III"), ".opus": ("OGG", "OPUS"), ".oga": ("OGG", "VORBIS"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", OTHERS)
def test_other_containers_are_known_by_suffix_by_content_and_to_headings(tmp_path: Path, suffix: str) -> None:
    form, subtype = OTHERS[suffix]
    samples = 0.3 * np.sin(np.arange(4800)[:, None] / 20)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(samples, subtype, form, 48_000))
    signal = load_signal(path)
    assert isinstance(signal, Audio)
    assert signal.meta["subtype"] == subtype
    assert suffix_of(path.read_bytes()[:HEAD_BYTES]) in Audio.extensions
    with path.open("rb") as file:
        heading = heading_of(file, path.name)
    assert (heading.n_samples, heading.channels, heading.rate_hz) == (len(signal.values), 1, 48_000)
    if subtype.startswith("PCM") or subtype == "FLOAT":
        np.testing.assert_allclose(signal.values.numpy(), samples, atol=2**-15)


@pytest.mark.parametrize("form", ["VOC", "PAF", "NIST", "IRCAM", "SVX", "PVF", "AVR", "MAT5"])
def test_containers_that_are_not_read_are_refused_by_name(form: str) -> None:
    with pytest.raises(UnreadableError, match="expected WAV") as caught:
        piped(encoded(integers(16), form=form))
    assert soundfile.available_formats()[form] in caught.value.message
    assert "0x" not in caught.value.message


def test_files_that_are_not_sounds_are_named_by_their_content() -> None:
    with pytest.raises(UnreadableError, match=r"expected WAV.*it is \.png") as caught:
        piped(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "object at" not in caught.value.message


# -- the speakers of the channels


@pytest.mark.parametrize(("channels", "mask"), [(1, 4), (2, 3), (3, 7), (4, 0x603), (6, 0x3F), (6, 0x60F), (8, 0)])
def test_a_channel_layout_is_kept(channels: int, mask: int) -> None:
    out = io.BytesIO(encoded(integers(16, channels), form="WAVEX"))
    set_channel_mask(out, mask)
    signal = piped(out.getvalue())
    assert signal.meta["channel_mask"] == mask
    data, notes = written(signal, ".wav")
    assert notes == ()
    assert data[20:22] == b"\xfe\xff"  # WAVE_FORMAT_EXTENSIBLE
    assert struct.unpack_from("<I", data, 40)[0] == mask
    assert piped(data).meta == signal.meta
    np.testing.assert_array_equal(piped(data).values.numpy(), signal.values.numpy())


def test_a_channel_layout_that_a_format_cannot_keep_is_noted() -> None:
    out = io.BytesIO(encoded(integers(16, 6), form="WAVEX"))
    signal = piped(out.getvalue())
    data, notes = written(signal, ".flac")
    assert notes == ()
    assert piped(data).meta == signal.meta
    assert "layout" in written(signal, ".ogg")[1][-1]
    set_channel_mask(out, 0x60F)
    assert "layout" in written(piped(out.getvalue()), ".flac")[1][-1]


def test_flac_of_six_channels_becomes_a_wav_with_their_layout() -> None:
    data, _ = written(piped(encoded(integers(16, 6), form="FLAC"), "a.flac"), ".wav")
    assert struct.unpack_from("<I", data, 40)[0] == 0x3F
    assert soundfile.info(io.BytesIO(data)).format == "WAVEX"


SEEDS = [encoded(integers(16, 2)), encoded(integers(24), "PCM_24"), encoded(integers(16), form="FLAC")]
SEEDS += [encoded(integers(16), form=form) for form in ("RF64", "AIFF", "AU", "W64", "CAF")]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_unreadable(data: st.DataObject) -> None:
    damaged = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    with contextlib.suppress(UnreadableError):
        assert bool(torch.isfinite(piped(bytes(damaged[:cut])).values).all())


@pytest.mark.parametrize("n", [2**31, 2**35])
def test_memory_is_taken_for_the_samples_that_are_there(n: int) -> None:
    """A FLAC of 40 samples whose header states 2^31: 8 GiB, which must not be allocated."""
    out = io.BytesIO()
    soundfile.write(out, np.zeros((40, 1)), 8000, "PCM_16", format="FLAC")
    data = bytearray(out.getvalue())
    data[21] = data[21] & 0xF0 | n >> 32
    data[22:26] = (n & 0xFFFFFFFF).to_bytes(4, "big")
    with pytest.raises(UnreadableError, match="a sound"):
        Audio.load(Source("a.flac", data=bytes(data)), {})


def test_nothing_is_printed_for_a_negative_offset_in_a_header(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Damaged sizes in RF64 whose sum is the negative offset to which libsndfile wants to go."""
    data = bytes.fromhex(
        "52463634 a8010000 57415645 64733634 1c000000 00010000 03000000 00000000 00000080 28000000 00000000"
        "00000000 666d7420 28000000 feff0200 401f0000 007d0000 04001000 16001000 03000000 01000000 00001000"
        "800000aa 00389b71 64617461 00000080 00000000"
    ) + bytes(324)
    path = tmp_path / "sound.wav"
    path.write_bytes(data)
    with path.open("rb") as file, contextlib.suppress(UnreadableError):
        heading_of(file, path.name)
    assert capfd.readouterr() == ("", "")


def test_messages_of_the_mp3_decoder_are_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnreadableError):
        Audio.load(Source("a.mp3", data=bytes.fromhex("fffb017f0068617000686100")), {})
    with pytest.raises(UnreadableError):
        Audio.load(Source("a.wav", data=b"\xff\xff\0\0\x8c\0\0\0WAVELIST" + bytes(80)), {})
    assert capfd.readouterr().err == ""
