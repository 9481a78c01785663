"""Torch modules of other packages: their kernels, their reports, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field
from inr.ntk import TorchModule, ntk_report, tangent_kernel
from tests.ntk.small_reports import picture

SPEC = Spec(kind="image", d_in=2, d_out=3, shape=(8, 8))


class Own(nn.Module):
    """Layers that are called, called with more axes, used twice, and used without being called; and its own weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice, self.wide = nn.Linear(2, 6), nn.Linear(6, 6), nn.Linear(3, 3, bias=False)
        self.silent, self.last = nn.Linear(6, 6), nn.Linear(6, 3)
        self.scale = nn.Parameter(torch.full((6,), 1.5))
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.sin(self.scale * self.first(x))
        h = torch.tanh(self.twice(torch.tanh(self.twice(h))))
        h = self.wide(h.view(len(h), 2, 3)).flatten(1)
        found: Tensor = self.last(self.norm(h @ self.silent.weight))
        return found


def made(module: nn.Module, low: float = -1.0, high: float = 1.0) -> Field:
    torch.manual_seed(0)
    return TorchModule(module=module, low=low, high=high).build(SPEC, Generator())


def test_its_kernel_is_that_of_all_gradients() -> None:
    torch.manual_seed(1)
    field = made(Own())
    x = torch.rand(12, 2, generator=Generator().manual_seed(2))
    layered, plain = tangent_kernel(field, x), tangent_kernel(field, x, method="contraction")
    assert torch.allclose(layered.matrix, plain.matrix, rtol=1e-9, atol=1e-9)
    assert layered.n_params == sum(p.numel() for p in Own().parameters())
    assert {"module.first", "module.twice", "module.last"} <= set(layered.traces)


def test_the_structure_of_linear_layers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No gradient of a network of torch's own layers is computed point by point."""
    field = made(nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)))

    def refuse(*_: object) -> Tensor:
        raise AssertionError("point by point")

    monkeypatch.setattr("inr.ntk.kernel.units.jacobian", refuse)
    assert tangent_kernel(field, torch.rand(4, 2)).n_points == 4


def test_coordinates_reach_it_in_its_interval() -> None:
    seen: list[Tensor] = []

    class Spy(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().forward(x)

    field = made(Spy(2, 3), low=0.0, high=10.0)
    assert field(torch.tensor([[[0.0, 0.5], [1.0, 0.25]]])).shape == (1, 2, 3)
    assert seen[-1].tolist() == [[0.0, 5.0], [10.0, 2.5]]


def test_it_is_copied() -> None:
    module = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    before = [p.detach().clone() for p in module.parameters()]
    report = ntk_report(module, picture(2), settings={"steps": 40}, points=32)
    assert all(torch.equal(p, old) for p, old in zip(module.parameters(), before, strict=True))
    assert (report.field, report.n_params, report.rehearsed, report.trials) == ("Sequential", 65, 4, ())
    other = ntk_report(picture(2), module, {"steps": 40}, points=32)
    assert other.verdict == report.verdict


def test_a_slow_module_is_told_from_a_fast_one() -> None:
    torch.manual_seed(0)

    class Waves(nn.Module):
        def __init__(self, omega: float) -> None:
            super().__init__()
            self.omega, self.a, self.b = omega, nn.Linear(2, 128), nn.Linear(128, 1)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.b(torch.sin(self.omega * self.a(x)))
            return found

    slow, fast = (
        ntk_report(Waves(omega), signal=picture(8), settings={"steps": 300}, points=64).verdict.unlearned
        for omega in (1.0, 40.0)
    )
    assert slow > 0.9 > 0.5 > fast


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Linear(3, 3), "failed on 3 points of 2 coordinates"),
        (nn.Linear(2, 4), r"to \[3, 4\], expected \[3, 3\]"),
        (nn.LSTM(2, 3), "to a tuple, expected"),
        (nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=0)), "depend on the other points"),
        (nn.Sequential(nn.Linear(2, 3), nn.Threshold(1e30, float("nan"))), "not finite"),
    ],
)
def test_refused(module: nn.Module, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        made(module)


def test_refused_coordinates_and_arguments() -> None:
    with pytest.raises(UsageError, match="expected finite low < high"):
        made(nn.Linear(2, 3), low=1.0, high=1.0)
    with pytest.raises(UsageError, match="a module needs one signal, given 0"):
        ntk_report(nn.Linear(2, 1))
    with pytest.raises(UsageError, match="a module needs one signal, given 2"):
        ntk_report(nn.Linear(2, 1), picture(2), signal=picture(2))
