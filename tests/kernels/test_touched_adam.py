"""Adam for touched entries: torch's Adam as the oracle, and every backend against the reference."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.kernels import use_backend
from inr.kernels.touched_adam import OP, Rates, touched_adam
from inr.testing.kernels import compiled_backends
from tests.assertions import assert_near, assert_same_bytes

RATES = Rates(lr=0.1, b1=0.9, b2=0.99, eps=1e-8)
COMPILED = compiled_backends(OP)
State = tuple[Tensor, Tensor, Tensor, Tensor]


def start(*shape: int, generator: Generator, dtype: torch.dtype = torch.float64) -> State:
    """Values, moments and marks."""
    p = torch.randn(*shape, generator=generator, dtype=dtype)
    return p, torch.zeros_like(p), torch.zeros_like(p), torch.zeros_like(p)


def gradients(*shape: int, generator: Generator, share: float, count: int = 12) -> list[Tensor]:
    """share: of entries that have a gradient."""
    numbers = [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(count)]
    return [g * (torch.rand(*shape, generator=generator) < share) for g in numbers]


@pytest.mark.parametrize("backend", ["reference", *COMPILED])
@pytest.mark.parametrize("is_counting", [False, True])
def test_with_all_gradients_it_is_torchs_adam(backend: str, is_counting: bool, generator: Generator) -> None:
    state = start(7, 3, generator=generator)
    theirs = torch.nn.Parameter(state[0].clone())
    adam = torch.optim.Adam([theirs], lr=RATES.lr, betas=(RATES.b1, RATES.b2), eps=RATES.eps)
    with use_backend(backend):
        for step, g in enumerate(gradients(7, 3, generator=generator, share=1.0), 1):
            theirs.grad = g.clone()
            adam.step()
            touched_adam(*state, g, RATES, step, is_counting=is_counting)
    assert_near(state[0], theirs.detach(), 1e-12)
    assert (state[3] == 12).all()


@pytest.mark.parametrize("backend", ["reference", *COMPILED])
def test_moments_of_touched_entries_are_adams_and_others_stay(backend: str, generator: Generator) -> None:
    p, m, v, last = start(40, generator=generator)
    theirs = torch.nn.Parameter(p.clone())
    adam = torch.optim.Adam([theirs], lr=RATES.lr, betas=(RATES.b1, RATES.b2), eps=RATES.eps)
    with use_backend(backend):
        for step, g in enumerate(gradients(40, generator=generator, share=0.2, count=50), 1):
            before = p.clone()
            theirs.grad = g.clone()
            adam.step()
            touched_adam(p, m, v, last, g, RATES, step, is_counting=False)
            at, state = g != 0, adam.state[theirs]
            assert_near(m[at], state["exp_avg"][at], 1e-12)
            assert_near(v[at], state["exp_avg_sq"][at], 1e-12)
            move = RATES.lr * m / (1 - RATES.b1**step) / ((v / (1 - RATES.b2**step)).sqrt() + RATES.eps)
            assert_near(p, torch.where(at, before - move, before), 1e-12)
            assert (last[at] == step).all()
            assert_same_bytes(p[~at], before[~at])


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("is_counting", [False, True])
def test_backends_equal_the_reference_for_any_number_of_threads(
    backend: str, dtype: torch.dtype, is_counting: bool, generator: Generator
) -> None:
    first = start(3, 30_001, generator=generator, dtype=dtype)
    slopes = [g.to(dtype) for g in gradients(3, 30_001, generator=generator, share=0.3, count=9)]
    slopes[4][0, :5] = torch.nan  # a run that diverges must show it

    def ended(name: str, threads: int, *, is_strided: bool = False) -> list[Tensor]:
        torch.set_num_threads(threads)
        state = [t.t().contiguous().t() if is_strided else t.clone() for t in first]
        with use_backend(name):
            for step, g in enumerate(slopes, 1):
                p, m, v, mark = state
                touched_adam(p, m, v, mark, g, RATES, step, is_counting=is_counting)
        return [t.contiguous() for t in state]

    expected, found = ended("reference", 1), ended(backend, 1)
    assert found[0][0, :5].isnan().all()
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=OP.tolerances[dtype], equal_nan=True)
    for other in (ended(backend, 3), ended(backend, 2)):
        for mine, theirs in zip(other, found, strict=True):
            assert_same_bytes(mine, theirs)
    strided = ended(backend, 1, is_strided=True)
    torch.testing.assert_close(strided[0], found[0], rtol=0, atol=OP.tolerances[dtype], equal_nan=True)


def test_numbers_that_do_not_fit_are_refused(generator: Generator) -> None:
    p, m, v, mark = start(4, generator=generator)
    with pytest.raises(UsageError, match=r"mark.* torch.float32 \[4\] on cpu"):
        touched_adam(p, m, v, mark.float(), p, RATES, 1, is_counting=False)
    with pytest.raises(UsageError, match=r"step 0: expected 1 or more"):
        touched_adam(p, m, v, mark, p, RATES, 0, is_counting=False)
