"""WIRE and its variants: statements of the authors' code, and of FINER++'s."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.wire import Wire, Wire2d
from inr.layers.activations.gabor import Gabor
from inr.layers.activations.real_gabor import RealGabor
from inr.layers.linear.dense import Dense
from tests.fields.formulas import symmetric, torch_default
from tests.published import Array, Parameters, PublishedFamily, check, linear

PICTURE, SHAPE = Spec("image", 2, 3, (512, 512)), Spec("shape", 3, 1)


def _affine(p: Parameters, prefix: str, h: Array) -> Array:
    """(A + j B) h + a + j b; the first layer is real."""
    weight: Array = p[f"{prefix}.real"] + 1j * p.get(f"{prefix}.imag", np.zeros(1))
    bias: Array = p[f"{prefix}.bias_real"] + 1j * p.get(f"{prefix}.bias_imag", np.zeros(1))
    return np.asarray(h @ weight.T + bias)


def _network(wavelet: Callable[[Array], Array], depth: int) -> Callable[[Parameters, Array], Array]:
    """`depth` layers and the real part of a linear map. The last bias has a real part only, and the rest is dropped."""

    def forward(p: Parameters, x: Array) -> Array:
        h = 2 * x - 1
        for layer in range(depth):
            h = wavelet(_affine(p, f"body.blocks.{layer}.linear", h))
        return np.real(_affine(p, "body.last", h))

    return forward


def _wavelet(omega: float, s: float) -> Callable[[Array], Array]:
    return lambda z: np.exp(1j * omega * z - np.abs(s * z) ** 2)


def _wavelet_of_two(z: Array) -> Array:
    wave, other = np.split(z, 2, axis=-1)
    return np.asarray(np.exp(10j * wave) * np.exp(-100 * (np.abs(wave) ** 2 + np.abs(other) ** 2)))


def _warped(z: Array) -> Array:
    """FINER++: the wavelet of sin(5 ((|Re z| + 1) Re z + j (|Im z| + 1) Im z))."""
    varied = (np.abs(z.real) + 1) * z.real + 1j * (np.abs(z.imag) + 1) * z.imag
    return np.asarray(_wavelet(4, 2)(np.sin(5 * varied)))


def _real(p: Parameters, x: Array) -> Array:
    """cos(20 z) exp(-(10 u)^2) of two real branches."""
    h = 2 * x - 1
    for layer in range(3):
        wave, other = np.split(linear(p, f"body.blocks.{layer}.linear", h), 2, axis=-1)
        h = np.cos(20 * wave) * np.exp(-((10 * other) ** 2))
    return linear(p, "body.last", h)


def _initial(d_in: int, units: int) -> dict[str, Any]:
    """Torch's default, of real and imaginary parts."""
    return {"body.blocks.0.linear.*": torch_default(d_in), "*": torch_default(units)}


NETWORK = {"field.width": 256, "field.depth": 3, "field.linear": "complex"}
PASSES = {"fit.optimizer": "adam", "fit.schedule": "exponential"}
PICTURE_RUN = {
    **PASSES,
    "fit.lr": 5e-3 / 4,
    "fit.schedule.end": 0.1,
    "fit.batch": 65536,
    "fit.steps": 2000 * 4,
}

PUBLISHED = (
    PublishedFamily(
        name="wire, image",
        config=Wire(),
        source="vishwa91/wire wire_image_denoise.py",
        spec=PICTURE,
        small=("width=24", "activation.omega=20", "activation.scale=30"),
        forward=_network(_wavelet(20, 30), 3),
        initial=_initial(2, 181),
        settings={**NETWORK, "field.activation.omega": 20, "field.activation.scale": 30, **PICTURE_RUN},
    ),
    PublishedFamily(
        name="wire, shape",
        config=Wire(),
        source="vishwa91/wire wire_occupancy.py",
        spec=SHAPE,
        small=("width=24", "activation.omega=10", "activation.scale=40"),
        forward=_network(_wavelet(10, 40), 3),
        initial=_initial(3, 181),
        settings={
            **NETWORK,
            "field.activation.omega": 10,
            "field.activation.scale": 40,
            **PASSES,
            "fit.lr": 5e-3,
            "fit.schedule.end": 0.2,
            "fit.batch": 200_000,
            "fit.steps": 200 * 672,
        },
    ),
    PublishedFamily(
        config=Wire2d(),
        source="vishwa91/wire modules/wire2d.py",
        spec=PICTURE,
        small=("width=24",),
        forward=_network(_wavelet_of_two, 3),
        initial=_initial(2, 128),
        settings={**NETWORK, "field.activation.omega": 10, "field.activation.scale": 10, **PICTURE_RUN},
    ),
    PublishedFamily(
        name="wire with warp",
        config=Wire(depth=4, activation=Gabor(omega=4.0, scale=2.0, warp=5.0, first_bias=1.0)),
        source="liuzhen0212/FINERplusplus models.py WF, run.sh",
        spec=PICTURE,
        small=("width=24",),
        forward=_network(_warped, 4),
        initial={
            "body.blocks.0.linear.real": symmetric(1 / 2),
            "body.blocks.0.linear.bias_real": symmetric(1),
            "*.bias_*": torch_default(181),
            "*": symmetric(math.sqrt(6 / 181) / 20),
        },
        settings={},
    ),
    PublishedFamily(
        name="wire, real",
        config=Wire(linear=Dense(), activation=RealGabor()),
        source="vishwa91/wire modules/wire.py RealGaborLayer",
        spec=PICTURE,
        small=("width=24",),
        forward=_real,
        initial=_initial(2, 256),
        settings={},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
