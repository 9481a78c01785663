"""Second moments of gradients: exact for one batch, and draws of a part of a batch have the right expectation."""

from __future__ import annotations

import torch
from torch import Generator

from inr.core.config import parse
from inr.core.samples import Samples
from inr.fields import Field, FieldConfig
from inr.ntk.forecast.second_moments import preconditioner, second_moments
from inr.signals.image import Image


def _case(side: int) -> tuple[Field, Samples]:
    pixels = torch.rand((side, side, 1), generator=Generator().manual_seed(0)).numpy()
    signal = Image.of_pixels((255 * pixels).astype("uint8"))
    config = parse(FieldConfig, {"type": "siren", "width": 8, "depth": 1})
    made = config.build(signal.spec, Generator().manual_seed(0))
    return made, Samples.counted(signal.spec, signal.pool(Generator()))


def test_one_batch_of_all_samples_is_the_square_of_the_gradient() -> None:
    made, samples = _case(8)
    found = second_moments(made, samples, 64, Generator().manual_seed(1))
    x, y = samples.at(torch.arange(64))
    slopes = torch.autograd.grad((made(x) - y).square().mean(), list(made.parameters()))
    for v, slope in zip(found.values(), slopes, strict=True):
        torch.testing.assert_close(v, slope.square())


def test_draws_of_an_eighth_of_a_batch_have_the_mean_of_whole_batches() -> None:
    made, samples = _case(256)  # 8 batches of 8192
    x, y = samples.at(torch.arange(samples.size))
    parameters = list(made.parameters())
    sums = torch.zeros(sum(p.numel() for p in parameters), dtype=torch.float64)
    generator, n = Generator().manual_seed(2), 80
    for _ in range(n):
        index = torch.randint(samples.size, (8192,), generator=generator)
        slopes = torch.autograd.grad((made(x[index]) - y[index]).square().mean(), parameters)
        sums += torch.cat([s.double().square().reshape(-1) for s in slopes]) / n
    draws = [second_moments(made, samples, 8192, Generator().manual_seed(k)) for k in range(50)]
    mean = torch.stack([torch.cat([v.double().reshape(-1) for v in d.values()]) for d in draws]).mean(dim=0)
    assert float((mean / sums).log().mean().abs()) < 0.05
    assert abs(float(mean.sum() / sums.sum()) - 1) < 0.05


def test_parameters_without_an_effect_get_no_step() -> None:
    found = preconditioner({"a": torch.tensor([4.0, 0.0])}, 0.0)
    torch.testing.assert_close(found["a"], torch.tensor([0.5, 0.0], dtype=torch.float64))
