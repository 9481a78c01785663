"""What every backend of an op must do: agree with the reference. For calls of float tensors that return one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from inr.kernels import Need, Op, use_backend
from inr.testing._suite import assert_near, assert_same_bytes

Call = Callable[..., Tensor]


def compiled_backends(op: Op) -> list[str]:
    """Backends beside the reference that run here."""
    need = Need(device="cpu", dtype=torch.float32)
    return [b.name for b in op.backends if b.name != "reference" and not b.reasons_against(need)]


def _leaves(inputs: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone().requires_grad_() for tensor in inputs]


def assert_values_and_gradients_agree(op: Op, backend: str, call: Call, inputs: Sequence[Tensor]) -> None:
    """All gradients at once, and each one alone."""
    leaves, results = _leaves(inputs), {}
    with use_backend("reference"):
        expected = call(*leaves)
    generator = torch.Generator().manual_seed(3)
    g = torch.randn(expected.shape, generator=generator, dtype=expected.dtype)
    for name in ("reference", backend):
        with use_backend(name):
            y = call(*leaves)
            together = torch.autograd.grad(y, leaves, g)
            alone = [torch.autograd.grad(call(*leaves), leaf, g)[0] for leaf in leaves]
            results[name] = (y.detach(), *together, *alone)
    for found, wanted in zip(results[backend], results["reference"], strict=True):
        assert_near(found, wanted, op.tolerances[wanted.dtype])


def assert_second_gradients_agree(op: Op, backend: str, call: Call, inputs: Sequence[Tensor]) -> None:
    results = {}
    for name in ("reference", backend):
        leaves = _leaves(inputs)
        with use_backend(name):
            firsts = torch.autograd.grad(call(*leaves).square().sum(), leaves, create_graph=True)
            size = torch.stack([first.square().sum() for first in firsts]).sum()
            results[name] = torch.autograd.grad(size, leaves)
    for found, wanted in zip(results[backend], results["reference"], strict=True):
        assert wanted.abs().max() > 0
        assert_near(found, wanted, 10 * op.tolerances[wanted.dtype])


def assert_transforms_agree(call: Call, inputs: Sequence[Tensor]) -> None:
    """torch.func by each input against the reference: reverse and forward mode, and a batch of inputs."""
    for at in range(len(inputs)):

        def of_one(tensor: Tensor, at: int = at) -> Tensor:
            return call(*inputs[:at], tensor, *inputs[at + 1 :])

        with use_backend("reference"):
            expected = torch.autograd.functional.jacobian(of_one, inputs[at])  # type: ignore[no-untyped-call]  # torch has no types for it
        assert_near(torch.func.jacrev(of_one)(inputs[at]), expected, 1e-9)
        assert_near(torch.func.jacfwd(of_one)(inputs[at]), expected, 1e-9)
        pair = torch.stack([inputs[at], 0.9 * inputs[at]])
        each = torch.stack([of_one(tensor) for tensor in pair])
        assert_near(torch.func.vmap(of_one)(pair), each, 1e-9)


def assert_same_bytes_for_threads(
    results: Callable[[], Sequence[Tensor]], numbers: Sequence[int] = (1, 2, 2, 3)
) -> None:
    """Results have the same bytes for each of these numbers of threads, and twice for the same number."""
    runs = []
    for n_threads in numbers:
        torch.set_num_threads(n_threads)
        runs.append(results())
    for run in runs[1:]:
        for found, expected in zip(run, runs[0], strict=True):
            assert_same_bytes(found.detach(), expected.detach())


def assert_same_bytes_for_any_number_of_threads(backend: str, call: Call, inputs: Sequence[Tensor]) -> None:
    """A call and its gradients, with a backend."""

    def results() -> tuple[Tensor, ...]:
        leaves = _leaves(inputs)
        y = call(*leaves)
        return y, *torch.autograd.grad(y.square().sum(), leaves)

    with use_backend(backend):
        assert_same_bytes_for_threads(results)


def assert_strides_do_not_matter(backend: str, call: Call, inputs: Sequence[Tensor]) -> None:
    results = []
    for make in (torch.clone, lambda tensor: torch.stack((tensor, tensor), -1)[..., 0]):
        leaves = [make(tensor.detach()).requires_grad_() for tensor in inputs]
        with use_backend(backend):
            y = call(*leaves)
            results.append((y, *torch.autograd.grad(y.square().sum(), leaves)))
    for found, expected in zip(results[1], results[0], strict=True):
        assert_same_bytes(found, expected)


class KernelTests:
    """Every backend of an op that runs here, held against the reference. A subclass sets `op` and says in `call` how
    it is called and in `inputs` with what (float32; gradients are taken by all of them):

        class TestMine(KernelTests):
            op = OP

            def call(self, *tensors: Tensor) -> Tensor: ...
            def inputs(self) -> list[Tensor]: ...

    has_second: whether gradients of gradients are taken.
    """

    op: ClassVar[Op]
    has_second: ClassVar[bool] = True

    def call(self, *tensors: Tensor) -> Tensor:
        raise NotImplementedError

    def inputs(self) -> list[Tensor]:
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Called by pytest."""
        if "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", compiled_backends(self.op))

    def test_values_and_gradients_agree(self, backend: str) -> None:
        assert_values_and_gradients_agree(self.op, backend, self.call, self.inputs())

    def test_gradients_of_gradients_agree(self, backend: str) -> None:
        if self.has_second:
            assert_second_gradients_agree(self.op, backend, self.call, self.inputs())
        assert self.op.tolerances

    def test_any_number_of_threads_gives_the_same_bytes(self, backend: str) -> None:
        assert_same_bytes_for_any_number_of_threads(backend, self.call, self.inputs())

    def test_strides_do_not_matter(self, backend: str) -> None:
        assert_strides_do_not_matter(backend, self.call, self.inputs())

    @pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
    def test_transforms_agree_with_the_reference(self) -> None:
        assert_transforms_agree(self.call, [tensor.double() for tensor in self.inputs()])
