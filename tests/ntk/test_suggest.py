"""Proposals: they follow the signal's bandwidth, state their reason, and are refused without a spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from inr.core.errors import UsageError
from inr.ntk.suggest import suggest
from inr.signals import Signal, load_signal
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image

NET = ("width=32", "depth=2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def tone(folder: Path, cycles: float, n: int = 2048) -> Signal:
    soundfile.write(folder / "tone.wav", 0.9 * np.sin(2 * np.pi * cycles * np.arange(n) / n), 8000, subtype="FLOAT")
    return load_signal(folder / "tone.wav")


@pytest.mark.parametrize("family", ["siren", "rff"])
def test_the_proposal_follows_the_signals_frequency(folder: Path, family: str) -> None:
    found = [suggest(tone(folder, cycles), [family], settings=NET).proposals[0] for cycles in (4.0, 60.0, 900.0)]
    assert found[0].value < found[1].value < found[2].value
    for proposal in found:
        assert proposal.slow <= proposal.allowed
        smaller = [share for value, share in proposal.tried.items() if value < proposal.value]
        assert all(share > proposal.allowed for share in smaller)


def test_pictures_have_a_rule_that_follows_their_detail(folder: Path) -> None:
    from PIL import Image

    y, x = np.mgrid[0:48, 0:48] / 48
    found = []
    for cycles in (3, 16):
        Image.fromarray((127 + 100 * np.sin(2 * np.pi * cycles * (x + y))).astype(np.uint8)).save(folder / "a.png")
        (proposal,) = suggest(load_signal(folder / "a.png"), settings=NET).proposals
        found.append(proposal.value)
    assert found[0] < found[1]


def test_the_spectrum_is_that_of_the_signal(folder: Path) -> None:
    found = suggest(tone(folder, 128.0), ["siren"], settings=NET)
    assert sum(found.energy) == pytest.approx(1.0)
    (low, high) = found.edges[int(np.argmax(found.energy))]
    assert low < 128 / 2048 <= high
    assert found.below(0.99) < 1.5 * 128 / 2048


def test_a_proposal_is_marked_if_it_is_the_default(folder: Path) -> None:
    best = suggest(tone(folder, 4.0), ["rff"], settings=NET).proposals[0].value
    (same,) = suggest(tone(folder, 4.0), ["rff"], settings=(*NET, f"encoding.sigma={best:g}")).proposals
    (other,) = suggest(tone(folder, 4.0), ["rff"], settings=(*NET, f"encoding.sigma={4 * best:g}")).proposals
    assert (same.is_default, same.value) == (True, best)
    assert (other.is_default, other.value) == (False, best)
    assert "the default has" in other.reason


def test_proposals_are_the_same_every_time(folder: Path) -> None:
    assert suggest(tone(folder, 40.0), settings=NET) == suggest(tone(folder, 40.0), settings=NET)


def test_a_kind_without_rules_has_no_proposals() -> None:
    values = np.sin(np.arange(256, dtype=np.float32))
    found = suggest(Array.of_array(values))
    assert (found.field, list(found.proposals)) == ("hash_grid", [])


def test_colours_under_alpha_0_have_no_spectrum() -> None:
    hidden = np.random.default_rng(0).integers(0, 256, (32, 32, 4)).astype(np.uint8)
    hidden[..., 3] = 0
    with pytest.raises(UsageError, match="constant"):
        suggest(Image.of_pixels(hidden))
    shown = hidden.copy()
    shown[:16] = [10, 20, 30, 255]
    other = shown.copy()
    other[16:, :, :3] = 200
    assert suggest(Image.of_pixels(shown), []).energy == suggest(Image.of_pixels(other), []).energy


@pytest.mark.parametrize("value", [0.1, 1 / 3, 7.0])
def test_a_constant_is_recognised_in_spite_of_rounding(value: float) -> None:
    for signal in (
        Image.of_pixels(np.full((24, 20, 3), value, np.float32)),
        Audio.of_samples(np.full((500, 2), value / 10, np.float32), 8000),
    ):
        with pytest.raises(UsageError, match="the signal is constant"):
            suggest(signal)


def test_signals_without_a_spectrum_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="constant"):
        suggest(Array.of_array(np.full(64, 3, np.float32)))
    with pytest.raises(UsageError, match="of kind 'shape'"):
        suggest(load_signal("analytic:torus"))
    with pytest.raises(UsageError, match="no rule covers field 'rfff' for signals of kind 'audio'"):
        suggest(tone(folder, 4.0), ["rfff"])
