"""The tests of the Triton kernels, run in Triton's interpreter: in separate processes, as it cannot be switched in one.

Also their machine code: Triton's compiler needs no device.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.optional import has
from inr.kernels import is_interpreted, use_precision
from tests.kernels.compilation import CAPABILITIES, LEAST_SHARED_BYTES, launches
from tests.kernels.test_context_rate import Problem as RateProblem
from tests.kernels.test_pyramid_error import Problem as ErrorProblem
from tests.kernels.test_sine_jet import Problem as JetProblem

pytestmark = [
    pytest.mark.skipif(is_interpreted(), reason="this is the interpreter's process"),
    pytest.mark.skipif(not has("triton"), reason="triton cannot be imported"),
]

Call = Callable[[], object]
"""A call that starts kernels. Its modules are imported before."""

PARTS = {
    "hash grid": ("test_hash_grid.py", "cuda and not any_number_of_threads"),
    "networks": ("test_triton.py", "network"),
    "the codec's loops": ("test_triton.py", "codec"),
    "other kernels": ("test_triton.py", "not network and not codec"),
}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_in_the_interpreter(part: str, pytestconfig: pytest.Config) -> None:
    file, chosen = PARTS[part]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen]
    done = subprocess.run(
        [*command, f"tests/kernels/{file}"],
        cwd=pytestconfig.rootpath,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout


def test_without_the_variable_nothing_is_interpreted() -> None:
    """A call on CPU tensors does not import triton."""
    code = (
        "import sys, torch\n"
        "from inr.kernels.sine import sine\n"
        "sine(torch.ones(3))\n"
        "assert 'triton' not in sys.modules or 'triton' in sys.argv"
    )
    env = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


def _grid() -> Call:
    from inr.kernels.hash_grid import cuda, grid_geometry

    geometry = grid_geometry(3, 4, 10, (4, 5, 6), (40, 50, 60))
    x, table = torch.rand(9, 3, requires_grad=True), torch.zeros(geometry.total_entries, 2, requires_grad=True)

    def call() -> None:
        y = cuda.hash_grid(x, table, geometry, "smoothstep")
        grads = torch.autograd.grad(y, (x, table), torch.ones_like(y), create_graph=True)
        torch.autograd.grad(grads[0].square().sum(), (x, table), retain_graph=True)
        torch.use_deterministic_algorithms(True)
        try:
            torch.autograd.grad(y, table, torch.ones_like(y))
        finally:
            torch.use_deterministic_algorithms(False)

    return call


def _network(precision: Any, is_sine: bool) -> Call:
    from inr.kernels.dense_mlp.cuda import dense_mlp
    from inr.kernels.pointwise import sines
    from inr.kernels.relu_mlp.cuda import relu_mlp

    widths = (3, 128, 128, 2)
    weights = [torch.zeros(b, a, requires_grad=True) for a, b in pairwise(widths)]
    biases = [torch.zeros(width, requires_grad=True) for width in widths[1:]]
    x = torch.zeros(2**15, 3, requires_grad=True)

    def call() -> None:
        with use_precision(precision, "cuda"):
            y = dense_mlp(x, weights, biases, sines(30.0, 1.0)) if is_sine else relu_mlp(x, weights, biases)
        torch.autograd.grad(y, [x, *weights, *biases], torch.zeros_like(y))

    return call


def _kernels() -> Call:
    from inr.kernels.kernel_sum import cuda

    p, weights = torch.rand(99, 3, requires_grad=True), torch.rand(50, 2, requires_grad=True)

    def call() -> None:
        y = cuda.kernel_sum(p, torch.rand(50, 3), torch.ones(50), weights, "gauss")
        torch.autograd.grad(y, (p, weights), torch.zeros_like(y))

    return call


def _sine() -> Call:
    from inr.kernels.sine import cuda

    z = torch.rand(99, requires_grad=True)
    return lambda: torch.autograd.grad(cuda.sine(z, 30.0).sum(), z)


def _rate() -> Call:
    from inr.kernels.context_rate import cuda

    problem = RateProblem((40, 70), 4, 12, 4, 2, torch.float32, torch.Generator())
    leaves = [tensor.requires_grad_() for tensor in problem.inputs]
    n, m = problem.n_grids, problem.n_layers
    parts = leaves[:n], leaves[n : 2 * n], leaves[2 * n : 2 * n + m], leaves[2 * n + m : -1], leaves[-1]
    return lambda: cuda.context_rate(*parts, problem.offsets)


def _error() -> Call:
    from inr.kernels.pyramid_error import cuda

    problem = ErrorProblem((40, 70), 4, 32, 3, 2, torch.float32, torch.Generator())
    leaves = [tensor.requires_grad_() for tensor in problem.inputs]
    grids, kernels, weights, biases = problem.parts(leaves)

    def call() -> Tensor:
        return cuda.pyramid_error(grids, kernels, weights, biases, leaves[-1], problem.target)

    return call


def _rounding() -> Call:
    from inr.kernels.noisy_round import cuda

    return lambda: [cuda.noisy_round(torch.zeros(99), 0.3, 0.2, seed, 2, 2**32 - 99) for seed in range(2)]


def _jets(dtype: torch.dtype) -> Call:
    from inr.kernels.sine_jet import JetPlan, cuda

    problem = JetProblem((3, 20, 2), 99, JetPlan.laplacian(3), torch.Generator(), dtype=dtype)
    jets, w1, w2, b1 = problem.inputs

    def call() -> None:
        y = cuda.sine_jet(jets, [w1, w2], [b1, None], problem.activations, problem.plan)
        torch.autograd.grad(y, problem.inputs, torch.zeros_like(y))

    return call


CALLS: dict[str, Callable[[], Call]] = {
    "hash grid": _grid,
    "rectified units, float32": lambda: _network("float32", False),
    "rectified units, float16": lambda: _network("float16", False),
    "sines, tf32": lambda: _network("tf32", True),
    "sums of kernels": _kernels,
    "sines": _sine,
    "jets, float32": lambda: _jets(torch.float32),
    "jets, float64": lambda: _jets(torch.float64),
    "the codec's rate": _rate,
    "the codec's error": _error,
    "the codec's rounding": _rounding,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_every_launch_compiles_for_missing_devices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel needs more shared memory than these devices have, or spills registers."""
    seen = launches(monkeypatch, CALLS[name]())
    assert len(seen) >= 2
    for launch in seen:
        compiled = launch.compile(CAPABILITIES[0])
        assert compiled.metadata.shared <= LEAST_SHARED_BYTES
        assert ".local" not in compiled.asm["ptx"]
