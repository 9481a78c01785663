"""Learned initialisations and warm starts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import inr
from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import FieldConfig
from inr.fitting import Fit, Run, resolve, resume, save_checkpoint
from inr.fitting.warm_start import warm_start
from inr.signals import Signal
from inr.signals.analytic import demo
from inr.signals.array import Array
from inr.workflows.fit import fit
from inr.workflows.meta_learning import PICTURE_FIELD, LearnConfig, Learner, default_field, learn
from tests.published import (
    Array as NumbersArray,
)
from tests.published import (
    Constant,
    Parameters,
    Published,
    PublishedFamily,
    PublishedFormula,
    PublishedMethod,
    Uniform,
    check,
    linear,
)

FIELD: dict[str, Any] = {"type": "siren", "width": 32, "depth": 3}


WIDTH, OMEGA, RATE = 8, 200.0, 1e-2


def _forward(p: Parameters, x: NumbersArray) -> NumbersArray:
    """sin(200 (W h + b)) from coordinates in [0, 1]; on [-1, 1], f is 2 (f + 1/2) - 1 = 2 f."""
    h = x
    for layer in range(4):
        h = np.sin(OMEGA * linear(p, f"body.blocks.{layer}.linear", h))
    return 2 * linear(p, "body.last", h)


def _small() -> tuple[Learner, Array]:
    """A learner of one signal, with one step of Reptile: afterwards `grad` is theta - (theta after two inner steps)."""
    signal = one_of_a_class(0, n=12)
    document = {**PICTURE_FIELD, "width": WIDTH, "depth": 2}
    config, settings = resolve(signal, document)
    field = config.build(signal.spec, torch.Generator().manual_seed(0))
    learned = LearnConfig(method="reptile", signals=1)
    return Learner(field, settings, learned, [signal.pool(torch.Generator())], torch.Generator()), signal


def _published_steps() -> NumbersArray:
    """Two steps of SGD at 1e-2 on the mean of (f + 1/2 - y)^2, y in [0, 1], with the gradient written out."""
    learner, signal = _small()
    weights = [p.detach().double().numpy().copy() for p in learner.field.parameters()]
    pool = signal.pool(torch.Generator())
    batch = pool.batch(torch.arange(pool.size))
    x, y = batch.x.double().numpy(), (batch.y.double().numpy() + 1) / 2
    start = [w.copy() for w in weights]
    for _ in range(2):
        w1, b1, w2, b2, w3, b3 = weights
        z1 = x @ w1.T + b1
        h1 = np.sin(OMEGA * z1)
        z2 = h1 @ w2.T + b2
        h2 = np.sin(OMEGA * z2)
        d3 = 2 * (h2 @ w3.T + b3 + 0.5 - y) / y.size
        d2 = (d3 @ w3) * OMEGA * np.cos(OMEGA * z2)
        d1 = (d2 @ w2) * OMEGA * np.cos(OMEGA * z1)
        slopes = [d1.T @ x, d1.sum(0), d2.T @ h1, d2.sum(0), d3.T @ h2, d3.sum(0)]
        weights = [w - RATE * g for w, g in zip(weights, slopes, strict=True)]
    return np.concatenate([(a - b).ravel() for a, b in zip(start, weights, strict=True)])


def _steps() -> NumbersArray:
    learner, _ = _small()
    learner.outer_step()
    return np.concatenate([p.grad.numpy().ravel() for p in learner.field.parameters() if p.grad is not None])


SOURCE = "tancik/learnit, meta_demo"
PUBLISHED: tuple[Published, ...] = (
    PublishedFamily(
        name="learn: network of pictures",
        config=parse(FieldConfig, PICTURE_FIELD, "field"),
        source=SOURCE,
        spec=Spec("image", 2, 3, (178, 178)),
        small=("width=16",),
        forward=_forward,
        tolerance=1e-8,
        initial={
            "body.blocks.0.linear.weight": Uniform(-1 / 2, 1 / 2),
            "*.weight": Uniform(-math.sqrt(6 / 256) / OMEGA, math.sqrt(6 / 256) / OMEGA),
            "*.bias": Constant(0),
        },
        settings={"field.width": 256, "field.depth": 4},
    ),
    PublishedFormula(
        name="learn: two inner steps", source=SOURCE, published=_published_steps, here=_steps, tolerance=1e-5
    ),
    PublishedMethod(
        name="learn",
        source=SOURCE,
        here=LearnConfig(),
        settings={
            "method": "maml",
            "inner_steps": 2,
            "inner_lr": 1e-2,
            "signals": 3,
            "lr": 1e-5,
            "steps": 150000,
            "batch": 178 * 178,
        },
        told={
            "inner_lr": "The paper: an inner rate of 1e-2 for values in [0, 1]",
            "lr": "The paper: 150000 outer steps at a rate of 1e-5",
            "steps": "The paper: 150000 outer steps at a rate of 1e-5",
            "batch": "The paper: all pixels of 178 x 178 in every inner step",
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


def test_pictures_are_learned_with_the_papers_network() -> None:
    assert default_field(demo("scene")) == PICTURE_FIELD
    assert default_field(demo("chirp")) == {"type": "siren"}


def one_of_a_class(seed: int, n: int = 24) -> Array:
    """Three common waves, each a little shifted and scaled."""
    rng = np.random.default_rng(seed)
    a = (np.arange(n) + 0.5) / n
    x, y = np.meshgrid(a, a, indexing="ij")
    p = rng.uniform(0, 0.9, 3)
    z = np.sin(2 * np.pi * x + p[0]) * np.cos(4 * np.pi * y + p[1]) + 0.5 * np.cos(6 * np.pi * (x + y) + p[2])
    return Array.of_array((z * rng.uniform(0.9, 1.1)).astype(np.float32))


def psnr_after(steps: int, init: Fit | None, lr: float = 1e-4) -> float:
    signal = one_of_a_class(99)
    run = Run(signal, *resolve(signal, FIELD, {"steps": steps, "lr": lr}))
    if init is not None:
        warm_start(run, init)
    return run.result(run.advance()).metrics["psnr_db"]


@pytest.mark.parametrize(("method", "inner_steps"), [("maml", 2), ("reptile", 6)])
def test_ten_steps_from_a_learned_start_beat_a_hundred_from_a_random_one(
    method: Literal["maml", "reptile"], inner_steps: int
) -> None:
    signals = [one_of_a_class(seed, n=20 + seed % 3) for seed in range(8)]  # sizes may differ
    settings = {"method": method, "steps": 70, "lr": 1e-3, "inner_steps": inner_steps, "inner_lr": 1e-2}
    start = learn(signals, FIELD, settings)
    assert start.provenance["learned"]["method"] == method
    assert psnr_after(10, start) > psnr_after(100, None) + 2  # dB; SIREN's own rate, an unseen signal


def test_the_outer_gradient_of_maml_goes_through_the_inner_steps() -> None:
    """One inner step at rate a, and f linear in its parameters: the gradient is (I - a H) times that after the step."""
    signal = one_of_a_class(0, n=6)
    document = {"type": "mlp", "depth": 0, "encoding": {"type": "identity"}, "width": 4}
    settings: dict[str, Any] = {"steps": 1, "inner_steps": 1, "inner_lr": 0.1, "lr": 1e-3, "signals": 1}
    config, fit_config = resolve(signal, document)
    field = config.build(signal.spec, torch.Generator().manual_seed(0))
    theta = torch.cat([p.detach().flatten() for p in field.parameters()]).double()
    pool = signal.pool(torch.Generator())
    batch = pool.batch(torch.arange(pool.size))
    names = [p.shape for p in field.parameters()]
    assert names == [torch.Size([1, 2]), torch.Size([1])]
    features = field.body.encoding(batch.x)  # type: ignore[union-attr,operator]
    a = torch.cat([features, torch.ones(len(batch.x), 1)], dim=1).double()
    hessian = 2 * a.T @ a / len(a)
    slope = hessian @ theta - 2 * a.T @ batch.y[:, 0].double() / len(a)
    after = theta - 0.1 * slope
    expected = (torch.eye(3) - 0.1 * hessian) @ (hessian @ after - 2 * a.T @ batch.y[:, 0].double() / len(a))
    learner = Learner(field, fit_config, LearnConfig(**settings), [pool], torch.Generator().manual_seed(0))
    learner.outer_step()
    found = torch.cat([p.grad.flatten() for p in field.parameters() if p.grad is not None]).double()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_signals_that_are_not_alike_are_refused() -> None:
    colour = Array.of_array(np.zeros((6, 6, 3), np.float32), has_channels=True)
    colour.name = "colour.npy"
    with pytest.raises(UsageError, match=r"'colour.npy' has number of channels 3, but '' has 1"):
        learn([one_of_a_class(0), colour], FIELD)
    with pytest.raises(UsageError, match="no signals"):
        learn([], FIELD)


def test_a_warm_start_is_where_the_other_fit_ended(tmp_path: Path) -> None:
    signal = one_of_a_class(1)
    first = fit(signal, FIELD, {"steps": 60, "lr": 1e-3})
    first.save(tmp_path / "a.safetensors")
    run = Run(signal, *resolve(signal, FIELD, {"steps": 0, "seed": 9, "ema": 0.9}))
    warm_start(run, inr.load(tmp_path / "a.safetensors"), "a.safetensors")
    result = run.result(run.advance())
    assert result.metrics == first.metrics
    assert result.provenance["init"]["file"] == "a.safetensors"


def test_a_resumed_warm_start_keeps_its_provenance(tmp_path: Path) -> None:
    signal = one_of_a_class(1)
    run = Run(signal, *resolve(signal, FIELD, {"steps": 4}))
    warm_start(run, fit(signal, FIELD, {"steps": 1}), "a.safetensors")
    run.advance(should_stop=lambda: run.step >= 2)
    save_checkpoint(run, tmp_path)
    again = resume(tmp_path, signal)
    assert again.result(again.advance()).to_bytes() == run.result(run.advance()).to_bytes()


@pytest.mark.parametrize(
    ("field", "signal", "message"),
    [
        ({"type": "mlp", "width": 32}, one_of_a_class(0), r"'a' holds a 'siren' field, the fit is of a 'mlp' field"),
        ({**FIELD, "width": 16}, one_of_a_class(0), r"'a' does not fit: its tensor '.*' is \[32, 2\].*needs \[16, 2\]"),
        ({**FIELD, "depth": 2}, one_of_a_class(0), r"does not fit: its tensor"),
        (
            FIELD,
            Array.of_array(np.zeros((6, 6, 3), np.float32), has_channels=True),
            r"is \[1, 32\], the fit needs \[3, 32\]",
        ),
    ],
)
def test_mismatches_are_one_clear_line(field: Any, signal: Signal, message: str) -> None:
    start = fit(one_of_a_class(0), FIELD, {"steps": 1})
    run = Run(signal, *resolve(signal, field, {"steps": 1}))
    with pytest.raises(UsageError, match=message) as caught:
        warm_start(run, start, "a")
    assert "\n" not in caught.value.message
