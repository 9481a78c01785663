"""Sums of kernels in closed form: exactness, and the same answer as numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings.kernels import KernelsEncoding
from inr.fields.mlp import MlpField
from inr.fitting import Fit
from inr.signals.array import Array
from inr.workflows.fit import fit
from tests.assertions import assert_near

RANDOM = torch.rand(14, 11, generator=torch.Generator().manual_seed(1))


def _fit(values: Tensor, document: dict[str, Any]) -> Fit:
    done = fit(Array.of_array(values.numpy()), document, {"dtype": "float32"})
    assert done.steps == 0
    return done


@pytest.mark.parametrize("kernel", ["linear", "cubic", "thin_plate"])
@pytest.mark.parametrize("d", [1, 2])
def test_splines_go_through_every_sample(kernel: str, d: int) -> None:
    values = RANDOM if d == 2 else RANDOM[:, 0]
    done = _fit(values, {"type": "polyharmonic", "encoding": {"first": {"kernel": kernel}}})
    assert done.metrics["psnr_db"] > 120


@pytest.mark.parametrize("n_centres", [40, 154])
@pytest.mark.parametrize("kernel", ["linear", "cubic", "thin_plate"])
def test_splines_reproduce_linear_functions_everywhere(kernel: str, n_centres: int) -> None:
    rows, columns = torch.meshgrid(torch.arange(14.0), torch.arange(11.0), indexing="ij")
    document = {"type": "polyharmonic", "encoding": {"first": {"kernel": kernel, "n_centres": n_centres}}}
    done = _fit(2 * rows - columns + 3, document)
    x = torch.tensor([[0.11, 0.52], [0.9, 0.9], [-0.5, 1.7], [3.0, 0.2]])
    expected = 2 * (14 * x[:, :1] - 0.5) - (11 * x[:, 1:] - 0.5) + 3
    assert_near(done(x), expected, 1e-5)


@pytest.mark.parametrize("n_centres", [40, 154])
def test_weights_of_a_spline_have_no_moments(n_centres: int) -> None:
    done = _fit(RANDOM, {"type": "polyharmonic", "encoding": {"first": {"n_centres": n_centres}}})
    assert isinstance(done.field, MlpField)
    encoding = done.field.body.encoding.first  # type: ignore[union-attr]
    assert isinstance(encoding, KernelsEncoding)
    weight = done.field.body.last.weight[:, :n_centres].detach()  # type: ignore[index, union-attr]
    moments = torch.cat([torch.ones(n_centres, 1), encoding.centres], dim=1).double()
    assert weight.dtype == torch.float64
    assert (weight @ moments).abs().max() < 1e-6 * weight.abs().sum()


def test_a_cubic_spline_in_one_dimension_is_the_natural_one() -> None:
    """r^3 with linear terms and no moments is the natural cubic spline: scipy's own."""
    from scipy.interpolate import CubicSpline

    values = RANDOM[:, 0].double()
    done = _fit(values, {"type": "polyharmonic"})
    x = torch.rand(50, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * (13 / 14) + 0.5 / 14
    natural = CubicSpline((np.arange(14) + 0.5) / 14, values.numpy(), bc_type="natural")
    assert_near(done(x).double(), torch.from_numpy(natural(x.numpy())).reshape(-1, 1), 1e-5)


def test_smoothing_leaves_the_samples_and_in_the_end_a_plane() -> None:
    rough = _fit(RANDOM, {"type": "polyharmonic", "smoothing": 0.1}).metrics["mse"]
    plane = _fit(RANDOM, {"type": "polyharmonic", "smoothing": 1e6}).metrics["mse"]
    x = np.stack(np.meshgrid(np.arange(14.0), np.arange(11.0), np.ones(1), indexing="ij"), -1).reshape(-1, 3)
    x[:, 2] = 1
    y = RANDOM.double().numpy().reshape(-1)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    assert 0 < rough < plane
    assert abs(plane - (residual**2).mean()) < 1e-4 * plane


@pytest.mark.parametrize("n_centres", [25, 154])
def test_gaussian_sums_are_numpys_least_squares(n_centres: int) -> None:
    document = {"type": "rbf", "encoding": {"n_centres": n_centres}}
    done = _fit(RANDOM, document)
    assert isinstance(done.field, MlpField)
    encoding = done.field.body.encoding
    assert isinstance(encoding, KernelsEncoding)
    x = torch.stack(torch.meshgrid((torch.arange(14) + 0.5) / 14, (torch.arange(11) + 0.5) / 11, indexing="ij"), -1)
    p = x.reshape(-1, 2).double() * torch.tensor([1.0, 11 / 14], dtype=torch.float64)
    r = (p[:, None] - encoding.centres.double()).norm(dim=-1) / encoding.widths.double()
    features = torch.cat([torch.exp(-r * r / 2), torch.ones(len(p), 1)], dim=1).numpy()
    y = RANDOM.double().numpy().reshape(-1)
    expected = features @ np.linalg.lstsq(features, y, rcond=None)[0]
    found = done(x.reshape(-1, 2))[:, 0].double()
    assert_near(found, torch.from_numpy(expected), 1e-4)


def test_the_least_squares_start_works_behind_any_body() -> None:
    """The last map of a random network: no other one has a smaller error."""
    document = {
        "type": "mlp", "width": 40, "depth": 1, "encoding": {"type": "random_fourier", "n_frequencies": 30, "sigma": 2},
        "init": "least_squares",
    }  # fmt: skip
    signal = Array.of_array(RANDOM.numpy())
    done = fit(signal, document, {"steps": 0})
    last = done.field.body.last  # type: ignore[union-attr]
    for sign in (1, -1):
        with torch.no_grad():
            step = sign * 1e-2 * torch.randn(last.weight.shape, generator=torch.Generator().manual_seed(4))  # type: ignore[union-attr, arg-type]
            last.weight.add_(step)  # type: ignore[union-attr, operator]
            assert signal.metrics(done)["mse"] > done.metrics["mse"]
            last.weight.sub_(step)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("name", ["rbf", "polyharmonic"])
def test_point_clouds_have_no_values_to_solve_for(name: str) -> None:
    from inr.fields import FIELDS

    with pytest.raises(ConfigError, match="a point cloud has no values"):
        FIELDS[name]().resolve(Spec("points", 3, 1))


def test_a_spline_needs_its_kernels() -> None:
    with pytest.raises(ConfigError, match="concat of kernels"):
        fit(Array.of_array(RANDOM.numpy()), {"type": "polyharmonic", "encoding": "identity"})
