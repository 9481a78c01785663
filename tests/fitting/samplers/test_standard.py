"""Shuffled epochs, and products of coordinates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.core.domain import Grid, Spec
from inr.core.samples import Samples
from inr.fitting.samplers import SamplerState
from inr.fitting.samplers.standard import GridConfig, Shuffled

STATE = SamplerState(
    0,
    0.0,
    lambda index: torch.zeros(len(index), 1),
    lambda index: (torch.zeros(len(index)), torch.zeros(len(index), 1)),
)


def lattice(shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> Samples:
    """Samples whose coordinates and value identify them."""
    order = order or tuple(range(len(shape)))
    grid = Grid.whole(tuple(shape[order.index(axis)] for axis in range(len(shape))), order)

    def at(index: Tensor) -> tuple[Tensor, Tensor]:
        return grid.points(index), index[:, None].float()

    return Samples(Spec("array", len(shape), 1, shape), math.prod(shape), at, order)


def test_shuffled_sees_every_sample_once_per_epoch(generator: torch.Generator) -> None:
    sampler = Shuffled().build(lattice((10,)), 3, generator)
    epochs = [torch.cat([sampler.draw(STATE).index for _ in range(3)]) for _ in range(4)]
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 9
    assert any(not torch.equal(epochs[0], e) for e in epochs[1:])


def test_a_batch_as_large_as_the_pool_is_the_pool_in_order(generator: torch.Generator) -> None:
    assert Shuffled().build(lattice((5,)), 9, generator).draw(STATE).index.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("is_older", [False, True])
def test_a_restored_sampler_draws_the_same_samples(generator: torch.Generator, *, is_older: bool) -> None:
    """Older checkpoints have an epoch in 64 bits."""
    one = Shuffled().build(lattice((100,)), 7, generator)
    for _ in range(5):
        one.draw(STATE)
    state, random_state = one.state(), generator.get_state()
    expected = [one.draw(STATE).index.tolist() for _ in range(30)]
    other_generator = torch.Generator()
    other_generator.set_state(random_state)
    other = Shuffled().build(lattice((100,)), 7, other_generator)
    other.restore({**state, "order": state["order"].long()} if is_older else state)
    assert [other.draw(STATE).index.tolist() for _ in range(30)] == expected


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1)])
@pytest.mark.parametrize("batch", [30, 10**6])
def test_grid_batches_are_products_of_coordinates(
    order: tuple[int, ...], batch: int, generator: torch.Generator
) -> None:
    samples = lattice((4, 6, 5), order)
    draw = GridConfig().build(samples, batch, generator).draw(STATE)
    assert draw.grid is not None
    assert len(draw.index) == math.prod(draw.grid) <= batch
    assert batch == 30 or draw.grid == (4, 6, 5)
    x = samples.at(draw.index)[0].reshape(*draw.grid, 3)
    for d in range(3):
        others = [0] * 3
        others[d] = slice(None)  # type: ignore[call-overload]
        line = x[tuple(others)][:, d]
        view = [1, 1, 1]
        view[d] = -1
        assert torch.equal(x[..., d], line.view(view).expand(draw.grid))
        assert len(set(line.tolist())) == len(line)


def test_samples_as_a_grid_are_in_coordinate_order() -> None:
    samples = lattice((4, 6), (1, 0))  # as a picture of 6 rows and 4 columns
    grid = samples.grid()
    assert grid is not None
    assert grid.shape == (4, 6, 1)
    assert grid[1, 0, 0] == 1  # x + 1 is the next sample
    assert grid[0, 1, 0] == 4
