"""What every loss, sampler, optimizer, schedule, jitter and residual transform must do."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inr.core.config import Config
from inr.core.samples import Samples
from inr.fields import Field
from inr.fields.siren import Siren
from inr.fitting.jitters import JitterConfig
from inr.fitting.losses import LossConfig
from inr.fitting.optimizers import OptimizerConfig
from inr.fitting.residual_transforms import ResidualTransformConfig
from inr.fitting.samplers import BatchIndices, SamplerConfig, SamplerState
from inr.fitting.schedules import ScheduleConfig
from inr.signals import Batch, Stencil
from inr.signals.array import Array
from inr.testing._suite import Document, Suite, assert_near, assert_same_bytes, config_of, points, seeded

N, SIDE = 24 * 24, 24


def round_trips(slot: type[Config], document: Document) -> None:
    config = config_of(slot, document)
    assert config_of(slot, json.loads(json.dumps(config.to_json()))) == config


def a_signal() -> Array:
    """Waves on 24 x 24 samples."""
    t = (np.arange(SIDE) + 0.5) / SIDE
    values = np.sin(2 * np.pi * t)[:, None] * np.cos(4 * np.pi * t)[None]
    return Array.of_array(values.astype(np.float32))


def a_field(signal: Array) -> Field:
    return Siren(width=8, depth=2).resolve(signal.spec).build(signal.spec, seeded())


class ScheduleTests(Suite):
    """Schedules: progress in [0, 1] -> a factor on every rate."""

    def test_factors_are_finite_and_not_negative(self, document: Document) -> None:
        schedule = config_of(ScheduleConfig, document)
        factors = [schedule.factor(i / 100) for i in range(101)]
        assert all(np.isfinite(f) and f >= 0 for f in factors)
        assert max(factors) == pytest.approx(1.0, abs=0.05)

    def test_settings_round_trip(self, document: Document) -> None:
        round_trips(ScheduleConfig, document)


class JitterTests(Suite):
    """Jitters: coordinates in the box to coordinates in the box."""

    def test_coordinates_stay_in_the_box_and_follow_from_the_generator(self, document: Document) -> None:
        jitter = config_of(JitterConfig, document)
        x = points(100, 2, margin=0.0).float()
        for progress in (0.0, 0.3, 1.0):
            if not jitter.is_active(progress):
                continue
            one, two = (jitter.apply(x.clone(), progress, seeded(3)) for _ in range(2))
            assert one.shape == x.shape
            assert_same_bytes(one, two)
            assert float(one.min()) >= 0
            assert float(one.max()) <= 1

    def test_settings_round_trip(self, document: Document) -> None:
        round_trips(JitterConfig, document)


class LossTests(Suite):
    """Losses of a field of one channel on a batch of values, of points on a surface where `has_normals`, or of
    differences where `is_stencil`.
    """

    has_normals = False
    is_stencil = False

    def batch(self, document: Document) -> tuple[Field, Batch]:
        signal = a_signal()
        batch = signal.pool(seeded()).batch(torch.arange(0, N, 7))
        if self.has_normals:
            away = batch.x - 0.5
            batch = Batch(batch.x, torch.zeros_like(batch.y), None, away / away.norm(dim=-1, keepdim=True))
        if self.is_stencil:
            factors = torch.tensor([[-1.0, 1.0]]).expand(len(batch.x), 2)
            points = torch.stack([batch.x, batch.x.flip(0)], 1)
            batch = Batch(batch.x, batch.y, stencil=Stencil(points.flatten(0, 1), factors))
        return a_field(signal), batch

    def test_it_is_a_finite_scalar_that_follows_from_the_generator(self, document: Document) -> None:
        loss = config_of(LossConfig, document)
        field, batch = self.batch(document)
        one, two = (loss.value(field, batch, seeded(3)) for _ in range(2))
        assert one.shape == ()
        assert torch.isfinite(one)
        assert float(one.detach()) >= 0
        assert_same_bytes(one, two)

    def test_its_gradient_is_a_difference(self, document: Document) -> None:
        loss = config_of(LossConfig, document)
        field, batch = self.batch(document)
        field = field.double()
        batch = batch.each(lambda t: t.double() if t.is_floating_point() else t)
        parameters = list(field.parameters())
        grads = torch.autograd.grad(loss.value(field, batch, seeded(3)), parameters, allow_unused=True)
        directions = [torch.randn(p.shape, generator=seeded(i), dtype=p.dtype) for i, p in enumerate(parameters)]
        analytic = torch.stack([(g * d).sum() for g, d in zip(grads, directions, strict=True) if g is not None]).sum()
        step, values = 1e-7, []
        for sign in (1, -2):
            with torch.no_grad():
                for p, d in zip(parameters, directions, strict=True):
                    p.add_(sign * step * d)
            values.append(loss.value(field, batch, seeded(3)).detach())
        assert_near(analytic, (values[0] - values[1]) / (2 * step), 1e-3)

    def test_settings_round_trip(self, document: Document) -> None:
        round_trips(LossConfig, document)


class SamplerTests(Suite):
    """Samplers of 64 samples a step, on an array of 24 x 24. tile: shape of a block, for signals on disk."""

    size = 64
    tile: tuple[int, ...] | None = None

    def make(self, document: Document, seed: int = 0) -> tuple[Any, SamplerState, Field]:
        signal = a_signal()
        samples, field = Samples.counted(signal.spec, signal.pool(seeded()), self.tile), a_field(signal)
        y_of = samples.at

        def residuals(index: Tensor) -> Tensor:
            x, y = y_of(index)
            with torch.no_grad():
                return field(x) - y

        def error_gradients(index: Tensor) -> tuple[Tensor, Tensor]:
            x, y = y_of(index)
            x = x.clone().requires_grad_()
            error = (field(x) - y).square().mean(-1)
            (g,) = torch.autograd.grad(error.sum(), x)
            return error.detach(), g

        sampler = config_of(SamplerConfig, document).build(samples, self.size, seeded(seed))
        return sampler, SamplerState(0, 0.0, residuals, error_gradients), field

    def draws(self, sampler: Any, state: SamplerState, n: int, start: int = 0) -> list[BatchIndices]:
        states = (
            SamplerState(step, step / 100, state.residuals, state.error_gradients) for step in range(start, start + n)
        )
        return [sampler.draw(now) for now in states]

    def test_indices_are_samples_and_weights_are_finite(self, document: Document) -> None:
        sampler, state, _ = self.make(document)
        for draw in self.draws(sampler, state, 12):
            assert draw.index.dtype == torch.int64
            assert 0 < len(draw.index) <= max(self.size, N)
            assert int(draw.index.min()) >= 0
            assert int(draw.index.max()) < N
            if draw.weight is not None:
                assert draw.weight.shape == draw.index.shape
                assert torch.isfinite(draw.weight).all()

    def test_equal_seeds_draw_equal_batches(self, document: Document) -> None:
        (one, state, _), (two, other, _) = self.make(document, 5), self.make(document, 5)
        before = torch.get_rng_state()
        for a, b in zip(self.draws(one, state, 8), self.draws(two, other, 8), strict=True):
            assert_same_bytes(a.index, b.index)
        assert_same_bytes(torch.get_rng_state(), before)

    def test_a_grid_is_a_product(self, document: Document) -> None:
        sampler, state, _ = self.make(document)
        for draw in self.draws(sampler, state, 4):
            assert draw.grid is None or int(np.prod(draw.grid)) == len(draw.index)
            assert draw.groups is None or draw.groups[0] * draw.groups[1] == len(draw.index)

    def test_settings_round_trip(self, document: Document) -> None:
        round_trips(SamplerConfig, document)


class LinearProblem:
    """b - a matrix - bias [64, 4], as a loss and as `Residuals`."""

    def __init__(self) -> None:
        self.matrix, self.bias = nn.Parameter(torch.zeros(4, 4)), nn.Parameter(torch.zeros(4))
        self._a = torch.randn(64, 4, generator=seeded(1))
        self._b = self._a @ torch.randn(4, 4, generator=seeded(2)) + 0.5

    def __call__(self) -> Tensor:
        return (self._values(self.matrix, self.bias) - self._b).square().mean()

    def value(self) -> Tensor:
        return self._b - self._values(self.matrix, self.bias).detach()

    def linearised(self, params: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        jacobians = torch.func.jacrev(self._values, (0, 1))(*params)
        return self.value(), torch.cat([jacobian.flatten(2) for jacobian in jacobians], dim=-1).detach()

    def _values(self, matrix: Tensor, bias: Tensor) -> Tensor:
        return self._a @ matrix + bias


class OptimizerTests(Suite):
    """Optimizers, on the least squares of a matrix and a vector."""

    steps, lr = 200, 0.05

    def problem(self) -> tuple[list[nn.Parameter], LinearProblem]:
        problem = LinearProblem()
        return [problem.matrix, problem.bias], problem

    def build(self, document: Document, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        groups = {"hidden": parameters[:1], "bias": parameters[1:]}
        return config_of(OptimizerConfig, document).build(groups, dict.fromkeys(groups, self.lr))

    def run(self, document: Document, optimizer: torch.optim.Optimizer, loss: LinearProblem, n: int) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            value: Tensor = loss()
            value.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            return value

        taken: Any = loss if config_of(OptimizerConfig, document).is_least_squares else closure
        for _ in range(n):
            closure()
            optimizer.step(taken)

    def test_it_descends(self, document: Document) -> None:
        parameters, loss = self.problem()
        before = float(loss().detach())
        self.run(document, self.build(document, parameters), loss, self.steps)
        assert float(loss().detach()) < before / 10

    def test_a_restored_state_goes_on_the_same_way(self, document: Document) -> None:
        whole, loss = self.problem()
        optimizer = self.build(document, whole)
        self.run(document, optimizer, loss, 7)
        parts, other = self.problem()
        again = self.build(document, parts)
        with torch.no_grad():
            for p, q in zip(parts, whole, strict=True):
                p.copy_(q)
        again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        self.run(document, optimizer, loss, 5)
        self.run(document, again, other, 5)
        for p, q in zip(parts, whole, strict=True):
            assert_same_bytes(p, q)

    def test_settings_round_trip(self, document: Document) -> None:
        round_trips(OptimizerConfig, document)


class ResidualTransformTests(Suite):
    """Residual transforms, on batches of a small network."""

    groups: tuple[int, int] | None = None

    def test_the_value_is_the_mean_squared_error(self, document: Document) -> None:
        signal = a_signal()
        field = a_field(signal)
        batch = signal.pool(seeded()).batch(torch.arange(0, N, 9))
        transform = config_of(ResidualTransformConfig, document).build()
        found = transform.objective(field, batch, self.groups, 0)
        expected = (field(batch.x) - batch.y).square()
        expected = expected if batch.weight is None else expected * batch.weight
        assert_near(found.detach(), expected.mean().detach(), 1e-5)
        found.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in field.parameters())

    def test_settings_round_trip(self, document: Document) -> None:
        round_trips(ResidualTransformConfig, document)
