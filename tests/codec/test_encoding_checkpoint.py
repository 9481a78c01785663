"""Encodings that stop at any step: they continue from their checkpoint to the same bytes, or keep what they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inr.codec.compression_input import CompressionInput, load_input
from inr.codec.compression_settings import CompressionSettings
from inr.codec.decode import decompress
from inr.codec.encode import Compressed, compress_input
from inr.codec.encoding_checkpoint import EncodingCheckpoint
from inr.codec.encoding_control import EncodingControl, EncodingState, EncodingStoppedError
from inr.codec.profiles.pyramid import encoder
from inr.codec.rate_target import RateTarget
from inr.core.errors import UnreadableError, UsageError
from inr.fitting import is_unfinished
from inr.signals.array import Array
from inr.signals.image import Image
from tests.codec.profiles.pyramid.pictures import picture

STEPS = 20
SETTINGS = CompressionSettings(RateTarget(size_bytes=420), effort=1, verify=False)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> CompressionInput:
    monkeypatch.setitem(encoder.STEPS, 1, STEPS)
    return load_input(Image.of_pixels(picture(24, 32)))


def stopping(step: int, **more: object) -> EncodingControl:
    """A control that stops after so many steps of this encoding."""
    left = [step]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] == 0

    return EncodingControl(should_stop=should_stop, **more)  # type: ignore[arg-type]


def stopped(given: CompressionInput, control: EncodingControl, folder: Path) -> EncodingCheckpoint:
    """The checkpoint of an encoding that stops, written and read."""
    with pytest.raises(EncodingStoppedError):
        compress_input(given, SETTINGS, control=control)
    assert control.state is not None
    EncodingCheckpoint.of(SETTINGS, control.state(), given.signal, 1.5).save(folder)
    return EncodingCheckpoint.load(folder)


def test_it_continues_to_the_same_bytes(given: CompressionInput, tmp_path: Path) -> None:
    """Stopped among soft steps, at their end, among the hard ones, in a correction; and once more after that."""
    seen: list[str] = []
    whole = compress_input(given, SETTINGS, lambda _, text: seen.append(text))
    n_corrected = next(i for i, text in enumerate(seen) if text.startswith("correction 1: "))
    assert n_corrected == STEPS < len(seen)
    for step in (7, 18, n_corrected + 2):
        found = stopped(given, stopping(step), tmp_path / "a")
        assert found.state.step == step
        assert (found.settings, found.seconds) == (SETTINGS, 1.5)
        if step == 7:
            found = stopped(given, stopping(4, resumed=found.state), tmp_path / "b")
            assert found.state.step == 11
        again: list[str] = []
        control = EncodingControl(resumed=found.state)
        made = compress_input(given, found.settings, lambda _, text, told=again: told.append(text), control)  # type: ignore[misc]
        assert made.data == whole.data
        assert again == seen[found.state.step :]


def test_saved_on_the_way_it_continues_to_the_same_bytes(given: CompressionInput) -> None:
    states: list[EncodingState] = []
    control = EncodingControl(save_every=9, save=states.append)
    whole = compress_input(given, SETTINGS, control=control)
    assert [state.step for state in states[:3]] == [9, 18, 27]
    for state in states[1:3]:
        assert compress_input(given, SETTINGS, control=EncodingControl(resumed=state)).data == whole.data


def test_a_kept_encoding_returns_the_best_so_far(given: CompressionInput, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(step: int) -> Compressed:
        control = stopping(step, is_kept=True, save=states.append)
        made = compress_input(given, SETTINGS, control=control)
        assert made.outcome == "interrupted"
        assert states[-1].step == step
        assert decompress(made.data).values().shape == (24, 32, 3)
        return made

    states: list[EncodingState] = []
    assert kept(2).metrics["psnr_db"] < kept(19).metrics["psnr_db"]
    after = kept(STEPS + 1)  # the result of the run, or of one step of the correction if that is nearer to the target
    monkeypatch.setattr(encoder, "CORRECTIONS", 0)
    assert len(after.data) <= len(compress_input(given, SETTINGS).data)


def test_a_checkpoint_is_of_one_signal_and_one_pyramid(given: CompressionInput, tmp_path: Path) -> None:
    found = stopped(given, stopping(3), tmp_path / "a")
    assert is_unfinished(tmp_path / "a")
    found.save(tmp_path / "b", "done")
    assert not is_unfinished(tmp_path / "b")
    found.check(given.signal)
    other = load_input(Image.of_pixels(picture(24, 33)))
    with pytest.raises(UsageError, match="belongs to another signal"):
        found.check(other.signal)
    with pytest.raises(UnreadableError, match="not valid: the state is of another pyramid"):
        compress_input(other, SETTINGS, control=EncodingControl(resumed=found.state))
    with pytest.raises(UnreadableError, match="no such file"):
        EncodingCheckpoint.load(tmp_path / "c")


@pytest.mark.parametrize("wanted", [{"is_kept": True}, {"is_saved": True}, {"save_every": 5}])
def test_other_profiles_are_not_kept_or_saved(wanted: dict[str, Any]) -> None:
    given = load_input(Array.of_array(picture(6, 6)[..., 0].astype("float32")))
    with pytest.raises(UsageError, match="profile 'grids', whose encodings are neither kept nor resumed"):
        compress_input(given, CompressionSettings(verify=False), control=EncodingControl(**wanted))
