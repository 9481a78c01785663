"""Inductive gradient adjustment: its matrix, its gradient, and its effect on a spectrum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fitting import Run, resolve
from inr.fitting.losses.standard import Mse
from inr.fitting.residual_transforms.iga import Iga, lowering, tangent_kernel
from inr.signals import Batch
from inr.signals.array import Array
from tests.published import Array as NumbersArray
from tests.published import Published, PublishedFormula, PublishedMethod, check

GROUPS, LENGTH, K = 12, 5, 4


def _linear_features() -> NumbersArray:
    """[GROUPS * LENGTH, 20]: features of a field that is linear in its parameters."""
    features: NumbersArray = np.random.default_rng(0).standard_normal((GROUPS * LENGTH, 20)) / np.arange(1, 21)
    return features


def _residual() -> NumbersArray:
    return np.random.default_rng(1).standard_normal((GROUPS * LENGTH, 3))


def _published_residual() -> NumbersArray:
    """S r by position, S of the kernel of the position with the largest error of each group; its K largest to K+1st."""
    residual = _residual().reshape(GROUPS, LENGTH, 3)
    hardest = np.abs(residual).sum(-1).argmax(1) + LENGTH * np.arange(GROUPS)
    features = _linear_features()[hardest]
    values, vectors = np.linalg.eigh(features @ features.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    s = np.eye(GROUPS)
    for i in range(K):
        s -= (1 - values[K] / values[i]) * np.outer(vectors[:, i], vectors[:, i])
    changed: NumbersArray = np.einsum("ij,jpc->ipc", s, residual).reshape(-1, 3)
    return changed


class Linear(Field):
    """f(x) [C] = W phi(x), phi a table looked up at x in [0, 1]: the gradient of sum_c f_c / sqrt(C) is phi."""

    def __init__(self) -> None:
        super().__init__()
        self.features = torch.from_numpy(_linear_features())
        self.weight = nn.Parameter(torch.zeros(3, 20, dtype=torch.float64))
        self.d_in, self.d_out, self.smoothness, self.boundary = 1, 3, math.inf, "extend"
        self.config = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        n = len(self.features)
        i = torch.arange(n, dtype=x.dtype)
        wave, basis = (torch.cos(math.pi / n * i * (at + 0.5)) for at in (n * x, i[:, None]))
        out: Tensor = wave @ torch.linalg.solve(basis, self.features) @ self.weight.T
        return out


def _changed() -> NumbersArray:
    x = (torch.arange(GROUPS * LENGTH, dtype=torch.float64) / (GROUPS * LENGTH))[:, None]
    residual = torch.from_numpy(_residual())
    return Iga(k=K, groups=GROUPS).build().apply(Linear(), Batch(x, residual), residual, None, 0).numpy()


SOURCE = "LabShuHangGU/IGA-INR"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="iga: changed residuals", source=SOURCE, published=_published_residual, here=_changed, tolerance=1e-9
    ),
    PublishedMethod(
        name="iga",
        source=SOURCE,
        here=Iga(),
        settings={"k": 20, "every": 1},
        told={"representatives": "The paper's code: the gradient of a sum over G positions of a group"},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


class Cosines(Field):
    """f(x) = sum_i w_i s_i cos(pi i x): linear in w, with a kernel whose eigenpairs are known on midpoints."""

    def __init__(self, scales: Tensor, channels: int = 1) -> None:
        super().__init__()
        self.scales = scales
        self.weight = nn.Parameter(torch.zeros(channels, len(scales), dtype=scales.dtype))
        self.d_in, self.d_out, self.smoothness, self.boundary = 1, channels, math.inf, "extend"
        self.config = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        i = torch.arange(len(self.scales), dtype=x.dtype)
        out: Tensor = (torch.cos(math.pi * i * x) * self.scales) @ self.weight.T
        return out


def midpoints(n: int) -> Tensor:
    return ((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]


def eigenvalues(scales: Tensor, n: int) -> Tensor:
    """Of K = Phi Phi^T on n midpoints, where the cosines are orthogonal with squared lengths n, n/2, n/2, ..."""
    lengths = torch.full((len(scales),), n / 2, dtype=torch.float64)
    lengths[0] = n
    return scales.square() * lengths


def small_mlp(d_out: int = 3) -> Field:
    spec = Spec("array", 2, d_out, (16, 16))
    return Mlp(width=16, depth=2).resolve(spec).build(spec, Generator().manual_seed(0))


def gradients(field: Field, objective: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(objective, list(field.parameters())))


@pytest.mark.parametrize("is_weighted", [False, True])
def test_without_lowering_it_is_the_mean_squared_error(is_weighted: bool, generator: Generator) -> None:
    field = small_mlp()
    weight = torch.rand(60, 1, generator=generator) if is_weighted else None
    batch = Batch(torch.rand(60, 2, generator=generator), torch.randn(60, 3, generator=generator), weight)
    plain = Mse().value(field, batch, generator)
    same = Iga(k=0, groups=7).build().objective(field, batch, None, 0)
    assert float(same.detach()) == pytest.approx(float(plain.detach()), rel=1e-6)
    for a, b in zip(gradients(field, same), gradients(field, plain), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_its_value_is_the_mean_squared_error_and_its_gradient_is_another(generator: Generator) -> None:
    field = small_mlp()
    batch = Batch(torch.rand(64, 2, generator=generator), torch.randn(64, 3, generator=generator))
    plain = Mse().value(field, batch, generator)
    other = Iga(k=5, groups=16).build().objective(field, batch, None, 0)
    assert float(other.detach()) == pytest.approx(float(plain.detach()), rel=1e-6)
    pairs = zip(gradients(field, other), gradients(field, plain), strict=True)
    assert any((a - b).abs().max() > 0.05 * b.abs().max() for a, b in pairs)


@pytest.mark.parametrize("k", [1, 4, 11, 500])
def test_the_matrix_has_eigenvalues_between_0_and_1_and_flattens_the_kernel(k: int, generator: Generator) -> None:
    factor = torch.randn(12, 40, generator=generator, dtype=torch.float64)
    kernel = factor @ factor.T
    s = lowering(kernel, k)
    own = torch.linalg.eigvalsh(s)
    assert 0 < float(own[0]) <= float(own[-1]) <= 1 + 1e-12
    before = torch.linalg.eigvalsh(kernel).flip(0)
    k = min(k, 11)
    after = torch.linalg.eigvalsh((s @ kernel + kernel @ s) / 2).flip(0)
    torch.testing.assert_close(after, before.clamp(max=float(before[k])))


def test_a_kernel_of_low_rank_is_lowered_to_its_last_positive_eigenvalue(generator: Generator) -> None:
    factor = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    values = torch.linalg.eigvalsh(lowering(factor @ factor.T, 10) @ (factor @ factor.T)).flip(0)
    last = torch.linalg.eigvalsh(factor.T @ factor)[0]
    torch.testing.assert_close(values[:3], last.expand(3))
    assert torch.equal(lowering(torch.zeros(4, 4), 2), torch.eye(4, dtype=torch.float64))


def test_the_tangent_kernel_of_a_linear_field_is_its_features_product() -> None:
    scales = torch.tensor([1.0, 0.5, 0.25], dtype=torch.float64)
    x = midpoints(8)
    features = torch.cos(math.pi * torch.arange(3, dtype=x.dtype) * x) * scales
    for channels in (1, 2):
        torch.testing.assert_close(tangent_kernel(Cosines(scales, channels), x), features @ features.T)


def test_kernels_without_a_batched_backward_have_one_too(generator: Generator) -> None:
    """A hash grid's kernel, against parameter gradients taken point by point."""
    spec = Spec("array", 2, 1, (24, 24))
    document: dict[str, Any] = {"type": "hash_grid", "width": 8}
    document["encoding"] = {"type": "hash_grid", "levels": 2, "log2_table": 6, "finest": [12]}
    config, _ = resolve(Array.of_array(np.zeros((24, 24), np.float32)), document)
    field = config.build(spec, generator)
    x = torch.rand(5, 2, generator=generator)
    rows = [torch.cat([g.flatten() for g in gradients(field, field(p[None]).sum())]) for p in x]
    jacobian = torch.stack(rows)
    torch.testing.assert_close(tangent_kernel(field, x), jacobian @ jacobian.T, rtol=1e-4, atol=1e-7)


def test_groups_mix_position_by_position(generator: Generator) -> None:
    """r'[i, j] = sum_k S[i, k] r[k, j]; what is left over stays."""
    scales = torch.tensor([1.0, 0.5, 0.25, 0.1], dtype=torch.float64)
    field, x = Cosines(scales), midpoints(13)
    residual = torch.randn(13, 1, generator=generator, dtype=torch.float64)
    changed = Iga(k=2, groups=4).build().apply(field, Batch(x, residual), residual, None, 0)
    by_group = residual[:12].reshape(4, 3)
    at = by_group.abs().argmax(1) + 3 * torch.arange(4)
    s = lowering(tangent_kernel(field, x[at]), 2)
    torch.testing.assert_close(changed[:12].reshape(4, 3), s @ by_group)
    assert torch.equal(changed[12], residual[12])


def test_gradient_descent_learns_all_lowered_modes_at_one_speed() -> None:
    """Every sample its own group: modes decay as (1 - 2 lr min(l_i, l_k) / N)^t, and lr may be l_0 / l_k larger."""
    n, k = 16, 3
    scales = torch.tensor([1.0, 0.7, 0.4, 0.2, 0.1], dtype=torch.float64)
    values = eigenvalues(scales, n)
    x = midpoints(n)
    modes = torch.linalg.qr(torch.cos(math.pi * torch.arange(5, dtype=x.dtype) * x)).Q
    left = {}
    for lowered in (0, k):
        field = Cosines(scales)
        iga = Iga(k=lowered, groups=n).build()
        lr = n / 2 / float(values[lowered]) / 2
        for step in range(20):
            batch = Batch(x, modes.sum(1, keepdim=True))
            moves = gradients(field, iga.objective(field, batch, None, step))
            with torch.no_grad():
                for p, g in zip(field.parameters(), moves, strict=True):
                    p.sub_(lr * g)
        left[lowered] = (modes.T @ (field(x) - batch.y)).abs().flatten().detach()
        expected = (1 - 0.5 * values.clamp(max=float(values[lowered])) / values[lowered]) ** 20
        torch.testing.assert_close(left[lowered], expected, rtol=1e-6, atol=1e-9)
    assert left[0][3] > 0.5 > 1e-5 > left[k][3]  # the fine mode: hardly learned, and learned


def test_s_is_kept_between_computations() -> None:
    field, x = Cosines(torch.tensor([1.0, 0.5], dtype=torch.float64)), midpoints(8)
    iga = Iga(k=1, groups=4, every=3).build()
    kept = []
    for step in range(4):
        iga.apply(field, Batch(x, x), (x - 0.3 * step) ** 2, None, step)
        kept.append(iga.state()["matrix"].clone())
    assert torch.equal(kept[0], kept[1])
    assert torch.equal(kept[1], kept[2])
    assert not torch.equal(kept[2], kept[3])


def test_unsupported_fields_are_refused() -> None:
    signal = Array.of_array(np.linspace(0, 1, 32, dtype=np.float32))
    with pytest.raises(UsageError, match=r"transform 'iga' changes the residual of loss 'mse', but the loss is 'l1'"):
        Run(signal, *resolve(signal, "siren", {"residual_transform": "iga", "loss": "l1"}))
    with pytest.raises(UsageError, match=r"'lbfgs' needs the gradient of a loss, but transform 'iga' changes that"):
        Run(signal, *resolve(signal, "siren", {"residual_transform": "iga", "optimizer": "lbfgs"}))


def test_a_fit_that_diverges_under_it_is_an_outcome() -> None:
    signal = Array.of_array(np.linspace(0, 1, 32, dtype=np.float32))
    settings = {"residual_transform": {"type": "iga", "k": 2, "groups": 4}, "lr": 1e30, "steps": 200}
    run = Run(signal, *resolve(signal, {"type": "mlp", "width": 8, "depth": 2}, settings))
    assert run.advance() == "diverged"
