"""Families that differ in their activation: sizes, initial values and settings for sound."""

from __future__ import annotations

import torch

from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.fields.bw_relu import BwRelu
from inr.fields.finer import Finer
from inr.fields.spder import Spder
from inr.fields.winner import Winner
from inr.fields.ws_siren import WsSiren

PICTURE, SOUND = Spec("image", 2, 3, (64, 64)), Spec("audio", 1, 1, (44100,))


def test_published_sizes() -> None:
    counts: list[tuple[FieldConfig, int]] = [
        (Finer(), 198_915),
        (Spder(), 330_499),
        (BwRelu(), 300 * 3 + 2 * 300 * 301 + 301 * 3),
        (WsSiren(), 512 * 3 + 3 * 512 * 513 + 513 * 3),
        (Winner(), 256 * 3 + 4 * 256 * 257 + 257 * 3),
    ]
    for config, expected in counts:
        assert config.resolve(PICTURE).build(PICTURE, torch.Generator()).n_params == expected


def test_finer_keeps_its_features_alive_with_depth(generator: torch.Generator) -> None:
    """A sine of any argument spread over many periods has variance 1/2; SIREN's weights give that here too."""
    field = Finer(depth=8, width=512).resolve(PICTURE).build(PICTURE, generator)
    seen: list[float] = []
    for block in list(field.body.blocks)[1:]:  # type: ignore[union-attr, arg-type]
        block.register_forward_hook(lambda m, i, out: seen.append(float(out.detach().var())))
    field(torch.rand(2048, 2, generator=generator))
    assert len(seen) == 7
    for variance in seen:
        assert 0.35 < variance < 0.6


def test_scaled_weights_keep_the_variance_of_a_sine(generator: torch.Generator) -> None:
    """omega z has variance alpha^2 (1 + ...), from layer to layer: the distribution is preserved, only wider."""
    field = WsSiren(depth=8, width=1024).resolve(PICTURE).build(PICTURE, generator)
    seen: list[float] = []
    for block in list(field.body.blocks)[1:]:  # type: ignore[union-attr, arg-type]
        block.linear.register_forward_hook(lambda m, i, out: seen.append(float((30 * out.detach()).var())))
    field(torch.rand(2048, 2, generator=generator))
    expected = 2.5**2 + 30**2 / (3 * 1024)
    assert len(seen) == 7
    for variance in seen:
        assert abs(variance - expected) < 0.12 * expected
