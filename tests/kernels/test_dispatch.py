"""The choice of a backend: priority, reasons, forcing, and the log."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest
import torch

from inr.core import machine_code
from inr.core.errors import UnavailableError
from inr.kernels import Backend, Need, Op, compiler, ops, table, use_backend
from tests.kernels.conftest import Packages

NEED = Need(device="cpu", dtype=torch.float32)
SLOW = Backend("reference", priority=0, target="math:floor", is_functional=True)
FAST = Backend(
    "fast",
    priority=10,
    target="math:ceil",
    devices=frozenset({"cpu"}),
    dtypes=frozenset({torch.float32}),
    max_order=2,
    is_deterministic=False,
)
OP = Op("rounding", (SLOW, FAST), {torch.float32: 1e-6})


def test_the_highest_priority_that_fits_is_chosen() -> None:
    assert OP.choose(NEED) is FAST
    assert OP.choose(NEED).function(1.5) == 2


@pytest.mark.parametrize(
    ("need", "word"),
    [
        (Need(device="cuda", dtype=torch.float32), "cuda"),
        (Need(device="cpu", dtype=torch.float16), "float16"),
        (Need(device="cpu", dtype=torch.float32, order=3), "order 3"),
        (Need(device="cpu", dtype=torch.float32, deterministic=True), "determinism"),
        (Need(device="cpu", dtype=torch.float32, functional=True), "torch.func"),
    ],
)
def test_each_limit_is_one_reason(need: Need, word: str) -> None:
    (reason,) = FAST.reasons_against(need)
    assert word in reason
    assert OP.choose(need) is SLOW


def test_a_forced_backend_that_does_not_fit_lists_every_reason() -> None:
    need = Need(device="cuda", dtype=torch.float16, order=3, deterministic=True, functional=True)
    with use_backend("fast"), pytest.raises(UnavailableError) as caught:
        OP.choose(need)
    assert all(reason in caught.value.message for reason in FAST.reasons_against(need))
    assert len(FAST.reasons_against(need)) == 5


def test_the_environment_forces_and_the_block_is_stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_BACKEND", "reference")
    assert OP.choose(NEED) is SLOW
    with use_backend("fast"):
        assert OP.choose(NEED) is FAST
    monkeypatch.setenv("INR_BACKEND", "referense")
    with pytest.raises(UnavailableError, match="did you mean 'reference'"):
        OP.choose(NEED)


def test_a_fallback_is_logged_once_per_need(caplog: pytest.LogCaptureFixture) -> None:
    op = Op("rounding", (SLOW, FAST), {})
    with caplog.at_level(logging.INFO, logger="inr"):
        for _ in range(3):
            op.choose(NEED)
            op.choose(Need(device="cpu", dtype=torch.float64))
    assert [record.getMessage() for record in caplog.records] == [
        "rounding runs on backend 'reference': not 'fast' because "
        "it computes in torch.float32, and the tensors are torch.float64"
    ]


def test_nothing_fits() -> None:
    with pytest.raises(UnavailableError, match="no backend of rounding fits"):
        Op("rounding", (FAST,), {}).choose(Need(device="cuda", dtype=torch.float32))


def test_a_package_that_cannot_be_imported_is_a_reason(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numba", "triton"):
        packages.remove(name, error=OSError(f"{name} is broken\nin two lines"))
    rows = {(row.op, row.backend): row for row in table()}
    assert rows["hash_grid", "cpu"].reasons == ("the package 'numba' cannot be imported (OSError: numba is broken)",)
    assert rows["hash_grid", "reference"].is_usable
    broken = "the package 'triton' cannot be imported (OSError: triton is broken)"
    assert rows["hash_grid", "cuda"].reasons == (broken, "it runs on cuda, and the tensors are on cpu")
    assert ops()["hash_grid"].choose(NEED).name == "reference"
    monkeypatch.setattr(machine_code, "is_there", lambda: True)  # then it is not needed
    assert ops()["hash_grid"].choose(NEED).name == "cpu"


def test_triton_without_a_c_compiler_is_refused_on_devices(
    packages: Packages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packages.add(ModuleType("triton"))
    cuda = next(backend for backend in ops()["sine"].backends if backend.name == "cuda")

    def reasons() -> list[str]:
        compiler.reason_against.cache_clear()
        return cuda.reasons_against(Need(device="cuda", dtype=torch.float32))

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert ["C compiler" in reason for reason in reasons()] == [True]
    monkeypatch.setenv("CC", "cc")
    assert not any("C compiler" in reason for reason in reasons())
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert ["headers" in reason for reason in reasons()] == [True]
    compiler.reason_against.cache_clear()


def test_functional_calls_are_recognised() -> None:
    seen: list[bool] = []

    def square(x: torch.Tensor) -> torch.Tensor:
        seen.append(Need.of(x).functional)
        return x * x

    x = torch.ones(3)
    square(x)
    torch.func.vmap(square)(x)
    torch.func.jacrev(square)(x)
    torch.func.jvp(square, (x,), (x,))
    with torch.autograd.forward_ad.dual_level():
        square(torch.autograd.forward_ad.make_dual(x, x))  # type: ignore[no-untyped-call]
    assert seen == [False, True, True, True, True]


def test_every_op_keeps_the_contract() -> None:
    assert {"hash_grid", "dense_mlp"} <= ops().keys()
    for op in ops().values():
        names = [backend.name for backend in op.backends]
        assert len(set(names)) == len(names)
        reference = next(backend for backend in op.backends if backend.name == "reference")
        everything = Need(device="cuda", dtype=torch.float16, order=9, deterministic=True, functional=True)
        assert not reference.reasons_against(everything)
        assert {torch.float32, torch.float64} <= set(op.tolerances)


def test_the_import_of_kernels_leaves_numba_alone() -> None:
    code = "import sys, inr.kernels, inr.kernels.hash_grid; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_backend_that_gains_nothing_is_skipped_and_can_be_forced() -> None:
    large = Backend("large", priority=20, target="math:floor", least_size=100)
    op = Op("rounding", (SLOW, FAST, large), {})
    assert op.choose(NEED) is large
    assert op.choose(dataclasses.replace(NEED, size=100)) is large
    assert op.choose(dataclasses.replace(NEED, size=99)) is FAST
    with use_backend("large"):
        assert op.choose(dataclasses.replace(NEED, size=99)) is large


@pytest.mark.usefixtures("packages")
def test_a_package_of_another_device_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package_of_cuda.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    other = Backend("cuda", priority=20, target="math:ceil", package="package_of_cuda", devices=frozenset({"cuda"}))
    assert Op("rounding", (SLOW, other), {}).choose(NEED) is SLOW
    assert "package_of_cuda" not in sys.modules
    assert not other.reasons_against(Need(device="cuda", dtype=torch.float32))
    assert sys.modules.pop("package_of_cuda")


def test_in_the_interpreter_triton_runs_where_it_is_forced(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.add(ModuleType("triton"))
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    other = Backend("cuda", priority=20, target="math:ceil", package="triton", devices=frozenset({"cuda"}))
    op = Op("rounding", (SLOW, other), {})
    assert op.choose(NEED) is SLOW
    with use_backend("cuda"):
        assert op.choose(NEED) is other


def test_another_precision_needs_a_backend_for_it() -> None:
    need = dataclasses.replace(NEED, precision="bfloat16")
    (reason,) = FAST.reasons_against(need)
    assert "bfloat16" in reason
    with pytest.raises(UnavailableError, match="bfloat16"):
        OP.choose(need)
