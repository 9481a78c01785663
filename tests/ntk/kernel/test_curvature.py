"""Products of the Hessian against torch's own Hessian, and of its Gauss-Newton part against the tangent kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field, FieldConfig
from inr.ntk import LossCurvature, TorchModule, density, lanczos, sharpness, spectrum, tangent_kernel

SPEC = Spec(kind="image", d_in=2, d_out=2, shape=(8, 8))


@pytest.fixture
def field() -> Field:
    config = parse(FieldConfig, {"type": "siren", "width": 5, "depth": 2, "activation": {"omega": 3}}, "field")
    return config.resolve(SPEC).build(SPEC, Generator().manual_seed(0))


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    generator = Generator().manual_seed(1)
    return tuple(torch.rand(9, 2, generator=generator, dtype=torch.float64) for _ in range(2))  # type: ignore[return-value]  # two


def dense(product: object, n: int) -> Tensor:
    return torch.stack([product(row) for row in torch.eye(n, dtype=torch.float64)])  # type: ignore[operator]  # a method


def test_the_hessian_is_torchs(field: Field, data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    curvature = LossCurvature(field, x, y)
    plain = {name: p.detach().double() for name, p in field.named_parameters()}
    sizes = [p.numel() for p in plain.values()]

    def loss(flat: Tensor) -> Tensor:
        parts = zip(plain, torch.split(flat, sizes), strict=True)
        values = {name: part.reshape(plain[name].shape) for name, part in parts}
        found: Tensor = torch.func.functional_call(field.double(), values, (x,))
        return (found - y).square().mean()

    flat = torch.cat([p.reshape(-1) for p in plain.values()])
    hessian: Any = torch.autograd.functional.hessian
    expected = hessian(loss, flat)
    assert torch.allclose(dense(curvature.hessian, curvature.n_params), expected, atol=1e-10)


def test_gauss_newton_has_the_kernels_eigenvalues(field: Field, data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    curvature = LossCurvature(field, x, y)
    matrix = dense(curvature.gauss_newton, curvature.n_params)
    kernel = spectrum(tangent_kernel(field, x)).values * 2 / y.numel()
    found = torch.linalg.eigvalsh(matrix).flip(0)
    assert torch.allclose(found[: len(kernel)], kernel, atol=1e-9 * float(kernel[0]))
    top = lanczos(curvature.gauss_newton, curvature.n_params, 1, Generator().manual_seed(0)).values
    assert float(top[0]) == pytest.approx(sharpness(float(kernel[0]) * y.numel() / 2, y.numel(), 1.0).value, rel=1e-3)


def test_the_density_has_the_trace(field: Field, data: tuple[Tensor, Tensor]) -> None:
    """The mean over random signs s of s^T H s, whose variance is 2 (|H|_F^2 - sum H_ii^2)."""
    curvature = LossCurvature(field, *data)
    matrix = dense(curvature.hessian, curvature.n_params)
    found = density(curvature.hessian, curvature.n_params, Generator().manual_seed(0), probes=10, steps=20)
    trace = float((found.weights * found.nodes).sum()) * curvature.n_params
    deviation = float((2 * (matrix.square().sum() - matrix.diagonal().square().sum()) / 10).sqrt())
    assert abs(trace - float(matrix.trace())) < 3 * deviation
    assert float(found.weights.sum()) == pytest.approx(1)
    assert float(found.nodes.max()) == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-3)


def test_at_an_exact_fit_both_are_equal(field: Field, data: tuple[Tensor, Tensor]) -> None:
    x = data[0]
    with torch.no_grad():
        y = field.double()(x)
    curvature = LossCurvature(field, x, y)
    v = torch.randn(curvature.n_params, dtype=torch.float64)
    assert torch.allclose(curvature.hessian(v), curvature.gauss_newton(v), atol=1e-10)


def test_a_model_that_is_linear_in_its_parameters(data: tuple[Tensor, Tensor]) -> None:
    x, y = data
    curvature = LossCurvature(TorchModule(module=nn.Linear(2, 2)).build(SPEC, Generator()), x, y)
    v = torch.randn(6, dtype=torch.float64)
    assert torch.allclose(curvature.hessian(v), curvature.gauss_newton(v), atol=1e-12)


def test_refused(field: Field) -> None:
    with pytest.raises(UsageError, match=r"targets have shape \(3, 1\), expected \(3, 2\)"):
        LossCurvature(field, torch.rand(3, 2), torch.rand(3, 1))


@pytest.mark.filterwarnings("ignore")  # of packages that curvlinops imports
def test_products_are_those_of_curvlinops(field: Field, data: tuple[Tensor, Tensor]) -> None:
    """If it is installed; it needs ten more packages, so it is not among those of the tests."""
    curvlinops: Any = pytest.importorskip("curvlinops")
    x, y = data
    curvature, net = LossCurvature(field, x, y), field.double().eval()
    parameters = [p for p in net.parameters() if p.requires_grad]
    v = torch.randn(curvature.n_params, generator=Generator().manual_seed(2), dtype=torch.float64)
    for kind, product in (("GGN", curvature.gauss_newton), ("Hessian", curvature.hessian)):
        of = getattr(curvlinops, f"{kind}LinearOperator")
        theirs = of(net, nn.MSELoss(), parameters, [(x, y)], check_deterministic=False)
        torch.testing.assert_close(product(v), theirs @ v)
