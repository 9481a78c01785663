"""Nearest neighbours: every backend against a search of all centres."""

from __future__ import annotations

import copy

import pytest
import torch

from inr.core.errors import UsageError
from inr.kernels import use_backend
from inr.kernels.knn import OP, knn

BACKENDS = [backend.name for backend in OP.backends]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("d", "k"), [(1, 1), (2, 4), (3, 8), (2, 50)])
def test_neighbours_are_the_nearest_in_order(backend: str, d: int, k: int, generator: torch.Generator) -> None:
    x = torch.rand(300, d, generator=generator, dtype=torch.float64)
    centres = torch.rand(50, d, generator=generator, dtype=torch.float64)
    with use_backend(backend):
        found = knn(x, centres, k)
    every = torch.linalg.norm(x[:, None] - centres, dim=-1)
    assert torch.equal(found, every.argsort(dim=1)[:, :k])


@pytest.mark.parametrize("backend", BACKENDS)
def test_centres_that_moved_are_seen(backend: str, generator: torch.Generator) -> None:
    x, centres = torch.rand(40, 2, generator=generator), torch.rand(9, 2, generator=generator)
    with use_backend(backend):
        before = knn(x, centres, 1)
        centres.copy_(centres.flip(0).clone())
        assert torch.equal(knn(x, centres, 1), 8 - before)
        assert torch.equal(knn(x, copy.deepcopy(centres), 1), 8 - before)
        with torch.inference_mode():
            assert torch.equal(knn(x, centres.clone(), 1), 8 - before)
    assert knn(x[:0], centres, 3).shape == (0, 3)


def test_it_runs_under_vmap(generator: torch.Generator) -> None:
    x, centres = torch.rand(20, 2, generator=generator), torch.rand(9, 2, generator=generator)
    rows = torch.func.vmap(lambda at: knn(at[None], centres, 3)[0])(x)
    assert torch.equal(rows, knn(x, centres, 3))


def test_mismatched_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="k is 4, expected 1 to the number of centres"):
        knn(torch.zeros(2, 2), torch.zeros(3, 2), 4)
    with pytest.raises(UsageError, match="do not fit"):
        knn(torch.zeros(2, 2), torch.zeros(3, 1), 1)
    with pytest.raises(UsageError, match="float64"):
        knn(torch.zeros(2, 2), torch.zeros(3, 2).double(), 1)
