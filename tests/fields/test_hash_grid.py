"""The default grid of pictures: dense levels that start from the picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import torch

from inr.core.config import parse
from inr.core.domain import Spec
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields.hash_grid import MOST_DENSE, HashGrid
from inr.fitting import FitConfig, resolve
from inr.fitting.teacher import teacher_of
from inr.layers.initialisers.standard import Xavier
from inr.signals import Signal, load_signal
from inr.signals.array import Array
from inr.signals.audio import GOOD_SNR_DB, Audio
from inr.signals.solids.solid_signal import SolidSignal
from inr.workflows.distillation import distil
from inr.workflows.feature_distillation import FeatureTeacher
from inr.workflows.fit import FitPlan, fit
from inr.workflows.sizing import sized
from tests.fields.hash_levels import hash_levels, scales
from tests.published import Array as Numbers
from tests.published import Parameters, PublishedFamily, Uniform, check


def _forward(p: Parameters, x: Numbers) -> Numbers:
    """16 levels from 16 vertices to half the longest side, two ReLU layers, and no biases."""
    h = hash_levels(p["body.encoding.table"], x, scales(16, (64 / 16) ** (1 / 15), 16), 10)
    for layer in range(2):
        h = np.maximum(h @ p[f"body.blocks.{layer}.linear.weight"].T, 0)
    return np.asarray(h @ p["body.last.weight"].T)


PUBLISHED = (
    PublishedFamily(
        config=HashGrid(
            encoding=HashGridEncodingConfig(levels=16, log2_table=24, base=16, growth="instant_ngp"),
            width=64,
            depth=2,
            init=Xavier(),
        ),
        source="NVlabs/tiny-cuda-nn, instant-ngp/configs/image",
        spec=Spec("image", 2, 3, (128, 128)),
        small=("encoding.log2_table=10",),
        forward=_forward,
        tolerance=1e-7,  # tables are looked up in float32
        initial={
            "*.table": Uniform(-1e-4, 1e-4),
            "body.blocks.0.linear.weight": Uniform(-math.sqrt(6 / 96), math.sqrt(6 / 96)),
            "body.blocks.1.linear.weight": Uniform(-math.sqrt(6 / 128), math.sqrt(6 / 128)),
            "body.last.weight": Uniform(-math.sqrt(6 / 80), math.sqrt(6 / 80)),  # 3 outputs, padded to 16
        },
        settings={
            "field.has_bias": False,
            "field.encoding.features": 2,
            "fit.optimizer.beta2": 0.99,
            "fit.optimizer.eps": 1e-15,
            "fit.optimizer.l2": 1e-6,
            "fit.lr": 1e-2,
            "fit.schedule": "step",
            "fit.batch": 2**18,
            "fit.steps": 35_000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def texture(*shape: int, channels: int = 3) -> Array:
    """Noise whose channels are much alike, as those of photographs are."""
    generator = np.random.default_rng(0)
    grey = generator.random((*shape, 1))
    return Array.of_array((grey + 0.1 * generator.random((*shape, channels))).astype(np.float32), has_channels=True)


def spec_of(*shape: int, channels: int = 3) -> Spec:
    return Spec("image", len(shape), channels, shape)


def grid_of(config: HashGrid, spec: Spec) -> HashGridEncodingConfig:
    encoding = config.resolve(spec).encoding
    assert isinstance(encoding, HashGridEncodingConfig)
    return encoding


@pytest.mark.parametrize("shape", [(768, 512), (512, 768), (64, 64), (1500, 1000), (60, 50, 40)])
def test_colour_lattices_have_a_vertex_per_sample_and_at_most_0_8_parameters_per_value(shape: tuple[int, ...]) -> None:
    spec = spec_of(*shape)
    config = HashGrid().resolve(spec)
    assert config.starts_from_signal(spec)
    assert all(grid_of(HashGrid(), spec).geometry().is_dense)
    field = config.build(spec, torch.Generator())
    n_values = 3 * np.prod(shape)
    if n_values > 2**16:  # borders and the network count for more in small ones
        assert field.n_params <= 0.8 * n_values


@pytest.mark.parametrize("kind", ["shape", "slices"])
@pytest.mark.parametrize("log2_table", [None, 10, 14, 20])
def test_grids_of_distances_have_a_dense_level_that_starts_from_them(kind: str, log2_table: int | None) -> None:
    spec = Spec(kind, 3, 1)
    config = HashGrid(encoding=HashGridEncodingConfig(log2_table=log2_table)).resolve(spec)
    geometry = grid_of(config, spec).geometry()
    assert config.starts_from_signal(spec)
    assert geometry.is_dense[0]
    assert geometry.resolution[0] < (41, 41, 41)
    assert geometry.resolution[-1] == (256, 256, 256)
    assert config.resolve(spec) == config


@pytest.mark.parametrize(
    ("spec", "config"),
    [
        (spec_of(64, 48, channels=1), HashGrid()),  # as many features as values, or more
        (Spec("audio", 1, 2, (4000,)), HashGrid()),
        (Spec("shape", 3, 1), HashGrid(init=Xavier())),
        (Spec("shape", 3, 1), HashGrid(encoding=HashGridEncodingConfig(levels=4))),
        (Spec("points", 3, 1), HashGrid()),
        (Spec("unsigned", 3, 1), HashGrid()),
        (spec_of(MOST_DENSE // 64, 65), HashGrid()),
        (spec_of(64, 48), HashGrid(encoding=HashGridEncodingConfig(levels=4))),
        (spec_of(64, 48), HashGrid(encoding=HashGridEncodingConfig(log2_table=8))),
    ],
)
def test_other_signals_and_given_levels_keep_the_encodings_own_defaults(spec: Spec, config: HashGrid) -> None:
    encoding = config.encoding
    assert isinstance(encoding, HashGridEncodingConfig)
    assert grid_of(config, spec) == encoding.resolve(spec)


def smooth(*shape: int, channels: int = 1, periods: float = 1.5) -> Array:
    axes = np.meshgrid(*(np.arange(n) / max(shape) for n in shape), indexing="ij")
    phase = 2 * np.pi * periods * sum((i + 1) * axis for i, axis in enumerate(axes))
    values = np.stack([np.sin(phase + c) for c in range(channels)], -1)
    return Array.of_array(values.astype(np.float32), has_channels=True)


@pytest.mark.parametrize("shape", [(4000,), (4000, 1), (96, 80), (80, 72, 64)])
def test_smooth_lattices_have_few_vertices_and_the_expected_quality_without_steps(shape: tuple[int, ...]) -> None:
    signal = smooth(*shape)
    plan = FitPlan.of(signal)
    assert plan.settings.steps == 0
    assert plan.n_params < 0.5 * np.prod(shape)
    assert plan.fit().metrics["psnr_db"] > 49


@pytest.mark.parametrize("target_db", [30.0, 45.0, 60.0])
def test_a_target_is_reached_by_the_number_of_vertices(target_db: float) -> None:
    result = fit(smooth(160, 128, periods=6), None, {"target_psnr_db": target_db})
    assert result.outcome == "done"
    assert result.metrics["psnr_db"] >= target_db


def test_coarse_grids_with_several_levels_start_at_random() -> None:
    encoding = {"type": "hash_grid", "levels": 3, "base": 8, "finest": [32], "log2_table": 16}
    plan = FitPlan.of(smooth(64, 64), {"type": "hash_grid", "encoding": encoding})
    assert not plan.field.starts_from_signal(plan.signal.spec)
    assert plan.settings.steps == 550


def test_the_number_of_vertices_follows_from_the_content_and_the_target() -> None:
    def n_params(signal: Array, **settings: float) -> int:
        return FitPlan.of(signal, settings=settings).n_params

    blurred, detailed = smooth(128, 128), smooth(128, 128, periods=12)
    assert n_params(blurred) < 0.4 * n_params(detailed)
    assert n_params(detailed, target_psnr_db=28.0) < 0.7 * n_params(detailed)
    assert n_params(blurred, target_psnr_db=80.0) > 2 * n_params(blurred)


@pytest.mark.parametrize("channels", [1, 2])
def test_detail_everywhere_gets_a_vertex_per_sample_which_is_exact_without_steps(channels: int) -> None:
    signal = texture(40, 32, channels=channels)
    plan = FitPlan.of(signal)
    assert plan.settings.steps == 0
    assert plan.n_params < 1.4 * 40 * 32 * channels  # the border and the network count for much here
    assert plan.fit().metrics["psnr_db"] > 90


@pytest.mark.parametrize("channels", [1, 6])
def test_a_sound_has_a_vertex_per_sample_at_most(channels: int) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (6000, channels)).astype(np.float32)
    muffled = 3 * scipy.ndimage.gaussian_filter1d(noise, 8, axis=0)
    for values, most in ((noise, 1.02), (muffled, 0.3), (0.01 * muffled, 0.3)):
        plan = FitPlan.of(Audio.of_samples(values, 8000, "FLOAT"))
        assert plan.settings.steps == 0
        assert plan.n_params < most * values.size + 1024
        assert plan.fit().metrics["snr_db"] > GOOD_SNR_DB - 1


def test_longer_sounds_have_hashed_levels() -> None:
    spec = Spec("audio", 1, 1, (2 * MOST_DENSE,))
    assert not HashGrid().resolve(spec).starts_from_signal(spec)


def test_a_sound_of_more_samples_than_float32_tells_apart_is_exact() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (2**23 + 5, 1)).astype(np.float32)
    plan = FitPlan.of(Audio.of_samples(noise, 44100, "FLOAT"))
    assert plan.settings.steps == 0
    assert plan.fit().metrics["snr_db"] > 100


def test_a_long_sound_is_trained_with_its_coordinates_in_float64() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (2**20 + 5, 1)).astype(np.float32)
    encoding = {"type": "hash_grid", "levels": 1, "base": 2**18, "log2_table": 19, "features": 1}
    document = {"type": "hash_grid", "init": "xavier", "encoding": encoding}
    plan = FitPlan.of(Audio.of_samples(noise, 44100, "FLOAT"), document, {"steps": 2, "batch": 1024})
    run = plan.begin()
    assert run.batches.next(run.field, 0, 0.0).batch.x.dtype == torch.float64
    assert run.advance() == "done"


@pytest.mark.parametrize(
    "document",
    [
        {"type": "siren", "width": 8},
        {"type": "hash_grid", "head": "tanh"},
        {"type": "pi_ccp", "width": 8},
        {"type": "low_rank", "width": 8},
        {"type": "gaussian_image", "encoding": {"n_gaussians": 8}},
        {"type": "miner"},
        {"type": "f_inr"},
    ],
    ids=lambda document: document["type"],
)
def test_every_field_takes_a_long_sound(document: dict[str, Any]) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, (2**20 + 5, 1)).astype(np.float32)
    done = fit(Audio.of_samples(noise, 44100, "FLOAT"), document, {"steps": 2, "batch": 64})
    assert math.isfinite(done.metrics["snr_db"])


def test_given_settings_of_the_grid_are_kept() -> None:
    for encoding in ({"levels": 4}, {"features": 4}, {"base": 8}, {"log2_table": 9}):
        document = {"type": "hash_grid", "encoding": {"type": "hash_grid", **encoding}}
        found = FitPlan.of(smooth(64, 64), document).field
        assert found == parse(HashGrid, document).resolve(smooth(64, 64).spec)


def test_a_resolved_config_stays_as_it_is() -> None:
    spec = spec_of(64, 48)
    resolved = HashGrid().resolve(spec)
    assert resolved.resolve(spec) == resolved


def test_the_start_has_the_quality_of_the_picture() -> None:
    signal = texture(40, 32)
    started = fit(signal, "hash_grid", {"steps": 0})
    drawn = fit(signal, {"type": "hash_grid", "init": "xavier"}, {"steps": 0})
    assert started.metrics["psnr_db"] > 35 > 20 > drawn.metrics["psnr_db"]
    refined = fit(signal, "hash_grid", {})
    assert refined.metrics["psnr_db"] > started.metrics["psnr_db"] + 1


def test_the_order_of_axes_does_not_matter() -> None:
    # arrays keep their axes, pictures have rows along their second coordinate
    values = texture(24, 36).values
    for turned in (values, values.permute(1, 0, 2).contiguous()):
        start = fit(Array.of_array(turned.numpy(), has_channels=True), "hash_grid", {"steps": 0})
        assert start.metrics["psnr_db"] > 35


def test_what_a_network_cannot_read_starts_at_random() -> None:
    signal = texture(40, 32)
    for part in ({"width": 4}, {"activation": "sine"}, {"head": "tanh"}):
        assert fit(signal, {"type": "hash_grid", **part}, {"steps": 0}).metrics["psnr_db"] < 20


def test_a_batch_is_a_share_of_the_samples() -> None:
    def batch(*shape: int) -> int:
        spec = spec_of(*shape)
        return parse(FitConfig, HashGrid().resolve(spec).recipe(spec), "fit").batch

    assert batch(64, 48) == 16384
    assert batch(3000, 2000) == 250_000
    assert batch(6000, 4000) == 1_000_000


def test_signals_that_do_not_give_all_samples_of_their_lattice_start_at_random() -> None:
    taught = FeatureTeacher.of(teacher_of(fit(texture(40, 32), "siren", {"steps": 1}), "a"))
    config, settings = resolve(taught, "hash_grid")
    assert config == HashGrid(init=Xavier()).resolve(taught.spec)
    assert settings.lr == 0.03


def formula(name: str) -> Signal:
    signal = load_signal(f"analytic:{name}")
    assert isinstance(signal, SolidSignal)
    signal.n_points = 2**16
    return signal


def test_distances_are_near_the_signals_before_the_first_step() -> None:
    signal = formula("torus")
    before, drawn = (fit(signal, {"type": "hash_grid", "init": init}, {"steps": 0}) for init in ("signal", "xavier"))
    assert before.metrics["sdf_mae"] < 0.01 < 0.1 < drawn.metrics["sdf_mae"]


def test_a_shape_is_learned_better_from_its_distances() -> None:
    signal = formula("torus")
    settings = {"steps": 20, "batch": 8192}
    started, drawn = (fit(signal, {"type": "hash_grid", "init": init}, settings) for init in ("signal", "xavier"))
    assert started.metrics["iou"] > 0.99 > drawn.metrics["iou"]


def test_a_converted_shape_starts_from_the_models_distances() -> None:
    model = fit(formula("sphere"), "hash_grid", {"steps": 2, "batch": 4096})
    config, _ = resolve(teacher_of(model, "a"), "hash_grid")
    assert config == HashGrid().resolve(model.spec)
    converted = distil(model, "hash_grid", {"steps": 0})
    assert converted.metrics["mean_abs_difference"] < 0.005


def test_distances_that_are_known_at_samples_only_start_at_random() -> None:
    signal = formula("sphere")
    signal.has_values_anywhere = False
    config, settings = resolve(signal, "hash_grid")
    assert config == HashGrid(init=Xavier()).resolve(signal.spec)
    assert settings.lr == 0.005


def test_the_number_of_parameters_of_a_shape_can_be_given() -> None:
    spec = Spec("shape", 3, 1)
    for wanted in (100_000, 10_000_000):
        found = sized(HashGrid(), spec, wanted)
        assert wanted / 2.2 < found.n_params <= wanted
        assert found.config.starts_from_signal(spec)


def test_long_sounds_have_larger_batches_and_then_fewer_steps() -> None:
    def size(n: int) -> tuple[int, int | None]:
        spec = Spec("audio", 1, 1, (n,))
        recipe = parse(FitConfig, HashGrid().resolve(spec).recipe(spec), "fit")
        return recipe.batch, recipe.steps

    assert size(44_100) == (8192, 2000)
    assert size(4_000_000) == (100_000, 2000)
    assert size(26_460_000) == (661_500, 405)  # 10 minutes
    assert size(158_760_000) == (3_969_000, 300)  # an hour
