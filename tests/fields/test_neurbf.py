"""NeuRBF: the formula point by point, its budget, its start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inr.core.config import override, parse
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.encodings import EncodingConfig
from inr.encodings.concat import Concat, ConcatEncoding
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.encodings.identity import Identity
from inr.encodings.rbf import Rbf, RbfEncoding
from inr.fields import FieldConfig
from inr.fields.mlp import MlpField
from inr.fields.neurbf import NeuRbf
from inr.fitting import Run, resolve
from inr.kernels.radial import radial
from inr.layers.activations.skip_sine import SkipSine
from inr.signals.array import Array
from tests.assertions import assert_near, assert_same_bytes
from tests.fields.hash_levels import hash_levels, scales
from tests.published import AnyValues, Parameters, PublishedFamily, Uniform, check, linear
from tests.published import Array as Numbers

PICTURE = Spec("image", 2, 3, (96, 64))
SPACE = Spec("shape", 3, 1)


SQUARE = Spec("image", 2, 3, (64, 64))


def _near(p: Parameters, x: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Indices [N, K] of the nearest centres, and offsets [N, K, D] from them."""
    offset = x[:, None] - p["body.encoding.second.centres"]
    nearest = np.argsort((offset**2).sum(-1), -1)[:, :count]
    return nearest, np.take_along_axis(offset, nearest[..., None], 1)


def _kernel_features(p: Parameters, phi: Numbers, nearest: Numbers, m: Numbers) -> Numbers:
    """sum_k w_k sin(phi_k m), with phi divided by its sum."""
    phi = phi / (phi.sum(-1, keepdims=True) + 1e-8)
    return np.asarray((p["body.encoding.second.weight"][nearest] * np.sin(phi[..., None] * m)).sum(1))


def _network(p: Parameters, e: Numbers, mu: Numbers) -> Numbers:
    """u = W e + b, then u + sin(u mu), then ReLU, then a linear map."""
    u = linear(p, "body.blocks.0.linear", e + p["body.encoding.shift"])
    h = u + np.sin(u * mu)
    return linear(p, "body.last", np.maximum(linear(p, "body.blocks.1.linear", h), 0))


def _picture(p: Parameters, x: Numbers) -> Numbers:
    """4 kernels 1 / (1 + d^T S d) with frequencies 2^-3 to 2^4 (2^12 by default), mu from 1 to 1000."""
    nearest, offset = _near(p, x, 4)
    roots = p["body.encoding.second.roots"][nearest]
    phi = 1 / (1 + ((roots @ offset[..., None]) ** 2).sum((-1, -2)))
    kernels = _kernel_features(p, phi, nearest, 2.0 ** np.linspace(-3, 4, 32))
    grid = hash_levels(p["body.encoding.first.table"], x, scales(16, 2, 2), 24)
    return _network(p, np.concatenate([grid, kernels], -1), 10.0 ** np.linspace(0, 3, 64))


def _distance(p: Parameters, x: Numbers) -> Numbers:
    """8 kernels prod_d max(1 - |d_d| s, 0) with frequencies 1 to 8, mu from 30 to 300."""
    nearest, offset = _near(p, x, 8)
    s = p["body.encoding.second.roots"][nearest]
    phi = np.maximum(1 - np.abs(offset * s[..., None]), 0).prod(-1)
    kernels = _kernel_features(p, phi, nearest, 2.0 ** np.linspace(0, 3, 16))
    grid = hash_levels(p["body.encoding.first.table"], x, scales(16, 128 ** (1 / 15), 16), 15)
    return _network(p, np.concatenate([grid, kernels], -1), 30 * 10.0 ** np.linspace(0, 1, 64))


PUBLISHED = (
    PublishedFamily(
        config=NeuRbf(),
        source="oppo-us-research/NeuRBF, main_img_div2k.py",
        spec=SQUARE,
        small=("encoding.second.n_kernels=40", "encoding.second.high=16"),
        forward=_picture,
        tolerance=1e-5,  # factors are float32
        initial={
            "body.encoding.first.table": Uniform(-1e-4, 1e-4),
            "body.encoding.second.weight": Uniform(-1e-4, 1e-4),
            "body.encoding.shift": Uniform(-1e-4, 1e-4),
            "body.encoding.second.*": AnyValues(),  # k-means of the signal
            "body.blocks.0.linear.*": Uniform(-1 / 6, 1 / 6),
            "body.*": Uniform(-1 / 8, 1 / 8),
        },
        settings={
            "field.width": 64,
            "field.depth": 2,
            "field.encoding.first.levels": 2,
            "field.encoding.first.features": 2,
            "field.encoding.first.log2_table": 24,
            "field.encoding.first.base": 16,
            "field.encoding.first.finest": [32, 32],
            "field.encoding.second.features": 32,
            "field.encoding.second.neighbours": 4,
            "field.encoding.second.kernel": "inverse_quadric",
            "field.encoding.second.shape": "full",
            "field.encoding.second.low": 1 / 8,
            "field.encoding.second.high": 4096,
            "field.encoding.second.iterations": 10,
            "field.activation.low": 1,
            "field.activation.high": 1000,
            "fit.optimizer.beta2": 0.99,
            "fit.optimizer.eps": 1e-15,
            "fit.lr": 1e-2,
            "fit.lr_encoding": 5e-3,
            "fit.schedule": "cosine",
            "fit.schedule.end": 0.01,
            "fit.batch": 2**18,
            "fit.steps": 35_000,
        },
    ),
    PublishedFamily(
        config=NeuRbf(),
        name="neurbf (distances)",
        source="oppo-us-research/NeuRBF, configs/sdf.py",
        spec=SPACE,
        small=("encoding.second.n_kernels=40",),
        forward=_distance,
        tolerance=1e-5,
        seeds=1,
        initial={
            "body.encoding.first.table": Uniform(-1e-4, 1e-4),
            "body.encoding.second.weight": Uniform(-1e-4, 1e-4),
            "body.encoding.shift": Uniform(-1e-4, 1e-4),
            "body.encoding.second.*": AnyValues(),
            "body.blocks.0.linear.*": Uniform(-1 / math.sqrt(32), 1 / math.sqrt(32)),
            "body.*": Uniform(-1 / 8, 1 / 8),
        },
        settings={
            "field.encoding.first.levels": 16,
            "field.encoding.first.features": 1,
            "field.encoding.first.log2_table": 15,
            "field.encoding.first.base": 16,
            "field.encoding.first.finest": [2048, 2048, 2048],
            "field.encoding.second.features": 16,
            "field.encoding.second.neighbours": 8,
            "field.encoding.second.kernel": "tent",
            "field.encoding.second.shape": "scalar",
            "field.encoding.second.low": 1,
            "field.encoding.second.high": 8,
            "field.activation.low": 30,
            "field.activation.high": 300,
            "fit.optimizer.beta2": 0.99,
            "fit.optimizer.eps": 1e-15,
            "fit.lr": 1e-4,
            "fit.lr_encoding": None,
            "fit.schedule": "cosine",
            "fit.schedule.end": 0.1,
            "fit.batch": 2**18,
            "fit.steps": 20_000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def _rbf(generator: torch.Generator, spec: Spec = PICTURE, **settings: Any) -> RbfEncoding:
    encoding = Rbf(**{"n_kernels": 30, **settings}).resolve(spec).build(spec.d_in, generator)
    assert isinstance(encoding, RbfEncoding)
    encoding = encoding.double()
    with torch.no_grad():
        encoding.weight.normal_(generator=generator)
        encoding.roots.mul_(1 + torch.rand(encoding.roots.shape, generator=generator))
    return encoding


@pytest.mark.parametrize("shape", ["scalar", "diagonal", "full"])
@pytest.mark.parametrize("kernel", ["inverse_quadric", "tent", "markov", "cubic"])
def test_features_are_the_papers_sum_point_by_point(shape: Any, kernel: Any, generator: torch.Generator) -> None:
    encoding = _rbf(generator, shape=shape, kernel=kernel, features=5, low=0.5, high=8.0)
    x = torch.rand(15, 2, generator=generator, dtype=torch.float64)
    assert_near(encoding(x), torch.stack([_slow(encoding, at) for at in x]), 1e-5)  # factors and sides are float32


def _slow(encoding: RbfEncoding, at: Tensor) -> Tensor:
    p = at * torch.tensor([1.0, 2 / 3], dtype=torch.float64)
    nearest = sorted(range(len(encoding.centres)), key=lambda i: float((p - encoding.centres[i]).norm()))[:4]
    phi = []
    for i in nearest:
        root, offset = encoding.roots[i], p - encoding.centres[i]
        phi.append(radial(root @ offset if root.ndim == 2 else root * offset, encoding.kernel))
    total = sum(float(v) for v in phi) + 1e-8
    factors = [0.5 * 16 ** (c / 4) for c in range(5)]
    return torch.stack(
        [
            sum((encoding.weight[i, c] * torch.sin(v / total * factors[c]) for i, v in zip(nearest, phi, strict=True)),
                torch.zeros(()))
            for c in range(5)
        ]
    ).detach()  # fmt: skip


def test_normalised_values_are_a_partition_of_unity(generator: torch.Generator) -> None:
    encoding = _rbf(generator, has_sines=False, features=1)
    with torch.no_grad():
        encoding.weight.fill_(3.0)
    e = encoding(torch.rand(50, 2, generator=generator, dtype=torch.float64))
    assert_near(e, torch.full((50, 1), 3.0, dtype=torch.float64), 1e-6)


def test_defaults_are_the_papers_for_pictures_and_space() -> None:
    picture, space = Rbf().resolve(PICTURE), Rbf().resolve(SPACE)
    assert (picture.kernel, picture.shape, picture.neighbours, picture.features) == ("inverse_quadric", "full", 4, 32)
    assert (picture.low, picture.high, picture.sides) == (1 / 8, 4096.0, (1.0, 64 / 96))
    assert (space.kernel, space.shape, space.neighbours, space.features) == ("tent", "scalar", 8, 16)
    assert (space.low, space.high) == (1.0, 8.0)
    with pytest.raises(ConfigError, match=r"neighbours is 9, expected at most the number of kernels \(5\)"):
        Rbf(neighbours=9, n_kernels=5).resolve(PICTURE)
    with pytest.raises(ConfigError, match=r"sides has 3 numbers, expected one per axis \(2\)"):
        Rbf(sides=(1.0, 1.0, 1.0)).resolve(PICTURE)


@pytest.mark.parametrize("spec", [Spec("image", 2, 3, (256, 256)), Spec("audio", 1, 1, (44100,)), SPACE])
def test_the_number_of_parameters_is_that_of_an_instant_ngp_network(spec: Spec) -> None:
    """16 levels of 2 features and 2 x 64 with biases. A kernel counts its symmetric shape once, as in the paper."""
    d, c = spec.d_in, spec.d_out
    grid = {"type": "hash_grid", "levels": 16, "base": 16, "growth": "instant_ngp"}
    encoding = parse(EncodingConfig, {**grid, "log2_table": 24 if spec.shape else 15}).resolve(spec)
    with torch.device("meta"):
        field = NeuRbf().resolve(spec).build(spec, torch.Generator())
        entries = sum(p.numel() for p in encoding.build(d, torch.Generator()).parameters())
    reference = entries + (32 + 64 + c) * 64 + (64 + 64 + c)
    kernels = _second(field)
    per_kernel = d + (d * (d + 1) // 2 if spec.shape else 1)
    counted = field.n_params + per_kernel * len(kernels.centres)
    assert reference - (kernels.d_out + per_kernel) < counted <= reference


def test_settings_reach_the_parts_and_a_small_signal_gets_the_least_kernels() -> None:
    config = override(NeuRbf(), ["encoding.second.kernel=gauss", "encoding.first.levels=3"], "field").resolve(PICTURE)
    assert isinstance(config.encoding, Concat)
    assert isinstance(config.encoding.second, Rbf)
    assert isinstance(config.encoding.first, HashGridEncodingConfig)
    assert (config.encoding.second.kernel, config.encoding.first.levels) == ("gauss", 3)
    small = NeuRbf().resolve(Spec("array", 1, 1, (40,))).encoding
    assert isinstance(small, Concat)
    assert isinstance(small.second, Rbf)
    assert small.second.n_kernels == 64


def test_the_start_puts_centres_where_the_signal_has_detail() -> None:
    picture = torch.zeros(40, 60)
    picture[:, 45:] = torch.rand(40, 15, generator=torch.Generator().manual_seed(0))
    signal = Array.of_array(picture.numpy())
    runs = []
    for _ in range(2):
        config, settings = resolve(signal, {"type": "neurbf", "encoding": {"second": {"n_kernels": 50}}})
        run = Run(signal, config, settings)
        runs.append(run.field.state_dict())
    encoding = _second(run.field)
    assert encoding.sides.tolist() == pytest.approx([2 / 3, 1.0])
    assert encoding.centres[:, 1].min() > 43 / 60
    assert encoding.centres[:, 0].max() < 2 / 3
    for a, b in zip(runs[0].values(), runs[1].values(), strict=True):
        assert_same_bytes(a, b)
    precision = (encoding.roots.mT @ encoding.roots).double()
    values = torch.linalg.eigvalsh(precision)
    assert values.min() > 0
    assert values.max().sqrt() < 60 * 200 * 30  # nothing narrower than the floor on variances allows


def test_more_kernels_than_samples_leaves_the_rest_where_they_were() -> None:
    signal = Array.of_array(torch.arange(10.0).numpy())
    document = {"type": "neurbf", "encoding": {"second": {"n_kernels": 25}}}
    config, settings = resolve(signal, document)
    fresh = _second(config.build(signal.spec, Run(signal, config, settings).generators["loss"]))
    started = _second(Run(signal, config, settings).field)
    assert_near(started.centres[:10].sort(0).values[:, 0], (torch.arange(10) + 0.5) / 10, 1e-6)
    assert len(fresh.centres) == len(started.centres) == 25
    assert torch.isfinite(started.roots).all()


def _second(field: torch.nn.Module) -> RbfEncoding:
    assert isinstance(field, MlpField)
    encoding = field.body.encoding
    assert isinstance(encoding, ConcatEncoding)
    assert isinstance(encoding.second, RbfEncoding)
    return encoding.second


def test_concatenation_is_both_parts_and_a_shift(generator: torch.Generator) -> None:
    config = Concat(first=Identity(), second=Identity(low=0.0, high=2.0), has_shift=True)
    encoding = config.resolve(PICTURE).build(2, generator)
    assert isinstance(encoding, ConcatEncoding)
    assert encoding.shift is not None
    with torch.no_grad():
        encoding.shift.copy_(torch.tensor([10.0, 20.0, 30.0, 40.0]))
    assert_near(encoding(torch.tensor([[0.5, 1.0]])), torch.tensor([[10.0, 21.0, 31.0, 42.0]]), 1e-6)
    assert encoding.boundary == "extend"
    mixed = Concat(first=Identity(), second=HashGridEncodingConfig(levels=2, finest=(8,), log2_table=6))
    clamped = mixed.resolve(PICTURE).build(2, generator)
    assert (clamped.boundary, clamped.smoothness) == ("clamp", 0.0)
    assert_near(clamped(torch.tensor([[1.5, -1.0]])), clamped(torch.tensor([[1.0, 0.0]])), 1e-6)
    nested = parse(EncodingConfig, {"type": "concat", "second": {"type": "concat"}}).resolve(PICTURE)
    assert nested.build(2, generator).d_out == 2 + 2 + frequency_width(PICTURE)


def frequency_width(spec: Spec) -> int:
    return 2 + 2 * 2 * int(math.log2(min(spec.shape or (8,)) / 4))


def test_the_first_layer_adds_sines_and_the_others_are_rectified(generator: torch.Generator) -> None:
    config = SkipSine().resolve(PICTURE)
    z = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    factors = torch.tensor([1.0, 10.0, 100.0, 1000.0], dtype=torch.float64)
    assert_near(config.build("first", 4).double()(z), z + torch.sin(factors * z), 1e-4)
    assert torch.equal(config.build("hidden", 4)(z), z.relu())
    space = SkipSine().resolve(SPACE)
    assert (space.low, space.high) == (30.0, 300.0)


def test_point_clouds_are_refused_as_the_field_lacks_derivatives() -> None:
    spec = Spec("points", 3, 1)
    config = parse(FieldConfig, {"type": "neurbf", "encoding": {"second": {"n_kernels": 20}}}).resolve(spec)
    with torch.device("meta"):
        assert config.build(spec, torch.Generator()).smoothness == 0
