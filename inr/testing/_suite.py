"""What all suites share: variants as parameters of tests, and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Generator, Tensor

from inr.core.config import Config, parse

Document = Mapping[str, Any] | str
C = TypeVar("C", bound=Config)


class Suite:
    """Tests of one contract. Every test that has the parameter `document` runs once for each of `documents`."""

    documents: ClassVar[Sequence[Document]] = ()

    @classmethod
    def of(cls, *documents: Document) -> type[Self]:
        """The suite for these variants, to be assigned to a name that begins with Test."""
        if not documents:
            raise ValueError(f"{cls.__name__}.of got no documents, expected at least one")
        return type(cls.__name__, (cls,), {"documents": documents})

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Called by pytest."""
        if "document" in metafunc.fixturenames:
            names = [d if isinstance(d, str) else str(d.get("type", "default")) for d in self.documents]
            ids = [f"{name}-{names[:i].count(name)}" for i, name in enumerate(names)]
            metafunc.parametrize("document", self.documents, ids=ids)


def config_of(slot: type[C], document: Document) -> C:
    """The settings that a document means. slot: the base class of the slot."""
    return parse(slot, document)


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def points(*shape: int, seed: int = 0, margin: float = 0.05) -> Tensor:
    """Coordinates in [margin, 1 - margin], float64."""
    return torch.rand(*shape, generator=seeded(seed), dtype=torch.float64) * (1 - 2 * margin) + margin


def assert_near(found: Tensor, expected: Tensor, relative: float) -> None:
    """Equal shapes, and differences of at most `relative` times the largest expected magnitude."""
    assert found.shape == expected.shape, f"shape {tuple(found.shape)}, expected {tuple(expected.shape)}"
    if expected.numel() == 0:
        return
    scale = expected.abs().max().clamp_min(1e-30)
    worst = (found - expected).abs().max() / scale
    assert torch.isfinite(worst), "not finite"
    assert worst <= relative, f"differs by {worst:.2e} of the largest value, expected at most {relative:.0e}"


def assert_same_bytes(found: Tensor, expected: Tensor) -> None:
    """Equal shapes, types and bits."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    assert found.detach().contiguous().numpy().tobytes() == expected.detach().contiguous().numpy().tobytes()


def assert_same_state(one: torch.nn.Module, other: torch.nn.Module) -> None:
    """Equal names and bits of all parameters and buffers."""
    a, b = one.state_dict(), other.state_dict()
    assert list(a) == list(b)
    for name, tensor in a.items():
        assert_same_bytes(b[name], tensor)


def central_difference(function: Any, x: Tensor, h: float) -> Tensor:
    """d function(x).sum() / dx for x [N, D], one coordinate at a time."""
    with torch.no_grad():
        steps = h * torch.eye(x.shape[-1], dtype=x.dtype)
        columns = [
            (function(x + s) - function(x - s)).reshape(len(x), -1).sum(-1) / (2 * h)  # rows do not see each other
            for s in steps
        ]
    return torch.stack(columns, dim=-1)
