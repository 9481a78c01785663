"""Files of tiny-cuda-nn: the values its kernels read from the vector, its configurations, and unsupported fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import inr
from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import ConfigError, UnreadableError, UsageError
from inr.exporters import export
from inr.exporters.ops import Array
from inr.exporters.tcnn import load_fit, parameters, set_parameters, settings
from inr.fields import FieldConfig
from inr.fitting import FitConfig
from tests.assertions import assert_near, assert_same_bytes
from tests.exporters.fits import encoded, fit_of, points

HERE = Path(__file__).parent
PRIMES = (1, 2654435761, 805459861)
GRID = {
    "type": "hash_grid",
    "encoding": {"levels": 5, "log2_table": 8, "finest": [24], "init_range": 0.1},
    "width": 32,
    "depth": 2,
}


def tiny_cuda_nn(config: dict[str, Any], flat: Array, x: Array, d_out: int) -> Array:
    """The values of a hash grid and a network as the library computes them, in float64, from its JSON and vector."""
    e, n = config["encoding"], config["network"]
    log2 = np.log2(np.float32(e["per_level_scale"]))
    d, f, features, at = x.shape[1], e["n_features_per_level"], [], 0
    width, depth = n["n_neurons"], n["n_hidden_layers"]
    padded = -(-e["n_levels"] * f // 16) * 16
    shapes = [(width, padded), *[(width, width)] * (depth - 1), (-(-d_out // 16) * 16, width)]
    matrices = []
    for shape in shapes:
        matrices.append(flat[at : at + shape[0] * shape[1]].reshape(shape).astype(float))
        at += shape[0] * shape[1]
    for level in range(e["n_levels"]):
        scale = np.exp2(np.float32(level) * log2) * np.float32(e["base_resolution"]) - np.float32(1)
        side = int(np.ceil(scale)) + 1
        size = min(-(-(side**d) // 8) * 8, 2 ** e["log2_hashmap_size"])
        table = flat[at : at + size * f].reshape(size, f).astype(float)
        at += size * f
        place = x * float(scale) + 0.5
        cell = np.floor(place)
        total = np.zeros((len(x), f))
        for corner in np.ndindex(*(2,) * d):
            vertex = (cell + corner).astype(np.uint64)
            if side**d <= size:
                index = sum(vertex[:, i] * np.uint64(side**i) for i in range(d))
            else:
                products = [vertex[:, i] * np.uint64(p) & np.uint64(0xFFFFFFFF) for i, p in enumerate(PRIMES[:d])]
                index = np.bitwise_xor.reduce(products)
            t = place - cell
            total += np.prod(np.where(corner, t, 1 - t), axis=1)[:, None] * table[np.asarray(index) % np.uint64(size)]
        features.append(total)
    assert at == len(flat)
    h = np.concatenate([*features, np.zeros((len(x), padded - e["n_levels"] * f))], 1)
    for matrix in matrices[:-1]:
        h = np.maximum(h @ matrix.T, 0)
    values: Array = (h @ matrices[-1].T)[:, :d_out]
    return values


@pytest.mark.parametrize("d_in", [2, 3])
def test_the_vector_and_the_json_are_enough_to_calculate_the_field(d_in: int, tmp_path: Path) -> None:
    fit, x = fit_of(GRID, d_in), points(d_in=d_in)
    export(fit, tmp_path / "a.json")
    config = json.loads((tmp_path / "a.json").read_text())
    found = tiny_cuda_nn(config, np.load(tmp_path / "a.npy"), x.numpy().astype(float), 3)
    with torch.no_grad():
        assert_near(torch.from_numpy(found).float(), fit.field(x), 1e-4)


def test_a_fit_comes_back_bit_for_bit(tmp_path: Path) -> None:
    fit = fit_of(GRID)
    export(fit, tmp_path / "a.json")
    again = load_fit(tmp_path / "a.json")
    for name, tensor in fit.field.state_dict().items():
        assert_same_bytes(again.field.state_dict()[name], tensor)
    assert again.frame == fit.frame
    assert again.to_bytes() == fit.to_bytes()


def test_frequencies_of_sines_go_into_the_matrices(tmp_path: Path) -> None:
    fit, x = fit_of(GRID, activation={"type": "sine", "omega": 5.0}), points()
    export(fit, tmp_path / "a.json")
    network = json.loads((tmp_path / "a.json").read_text())["network"]
    assert (network["otype"], network["activation"]) == ("CutlassMLP", "Sine")
    assert_near(load_fit(tmp_path / "a.json")(x), fit(x), 1e-6)


@pytest.mark.parametrize(
    ("name", "signal", "n_grid"),
    [("image", "analytic:zone-plate", None), pytest.param("sdf", "analytic:torus", 12_196_240, marks=pytest.mark.slow)],
)
def test_instant_ngps_configurations_load_train_and_round_trip(
    name: str, signal: str, n_grid: int | None, tmp_path: Path
) -> None:
    read = settings(HERE / f"instant_ngp_{name}.json")
    assert read["fit"]["optimizer"]["eps"] == 1e-15
    assert read["fit"]["loss"] == {"image": "mse", "sdf": "mape"}[name]
    assert read["fit"].get("ema") == {"image": None, "sdf": 0.95}[name]
    fit = inr.fit(signal, read["field"], {**read["fit"], "steps": 3, "batch": 256})
    assert fit.outcome == "done"
    flat = parameters(fit.field)
    n_network = 64 * 32 + 64 * 64 + 16 * 64
    grid: Any = fit.field.body.encoding  # type: ignore[union-attr]
    assert len(flat) == n_network + grid.table.numel()
    assert n_grid in (None, grid.table.numel())
    export(fit, tmp_path / "a.json")
    again = load_fit(tmp_path / "a.json")
    assert np.array_equal(parameters(again.field), flat)
    encoding = json.loads((tmp_path / "a.json").read_text())["encoding"]
    stated = read["field"]["encoding"]
    written = [encoding[k] for k in ("n_levels", "n_features_per_level", "log2_hashmap_size", "base_resolution")]
    assert written == [stated[k] for k in ("levels", "features", "log2_table", "base")]
    finest = grid.geometry.resolution[-1][0]
    assert encoding["base_resolution"] * encoding["per_level_scale"] ** 15 == pytest.approx(finest, abs=1.01)
    set_parameters(again.field, np.zeros_like(flat))
    assert not parameters(again.field).any()


def test_instant_ngps_rule_reaches_half_the_longest_side_and_2048_in_space() -> None:
    field = settings(HERE / "instant_ngp_image.json")["field"]
    config: Any = parse(FieldConfig, field).resolve(Spec("image", 2, 3, (512, 256)))
    assert config.encoding.finest[0] in (256, 257)
    assert config.encoding.growth == pytest.approx((256 / 16) ** (1 / 15))
    again: Any = parse(FieldConfig, json.loads(json.dumps(config.to_json())))
    assert again.encoding.geometry() == config.encoding.geometry()
    space: Any = parse(FieldConfig, settings(HERE / "instant_ngp_sdf.json")["field"]).resolve(Spec("shape", 3, 1))
    assert space.encoding.growth == pytest.approx(1.38191288)
    assert parse(FitConfig, settings(HERE / "instant_ngp_sdf.json")["fit"]).ema == 0.95


@pytest.mark.parametrize(
    ("document", "d_in", "reason"),
    [
        ({"type": "siren"}, 2, "encoding 'identity' differs"),
        ({"type": "chebyshev"}, 2, "supports a grid followed by a network"),
        ({**GRID, "has_bias": True}, 2, "no biases"),
        ({**GRID, "activation": "gauss"}, 2, "no activation 'gauss'"),
        ({**GRID, "block": "ccp"}, 2, "affine layers, but the field's blocks are 'ccp'"),
        ({**GRID, "encoding": {"type": "hash_grid", "features": 3}}, 2, "1, 2, 4 or 8 features"),
        ({**GRID, "encoding": {"type": "hash_grid", "finest": [24, 48]}}, 2, "one resolution for all axes"),
        (GRID, 1, "2, 3 or 4 dimensions"),
    ],
)
def test_fields_that_it_cannot_hold_are_refused_in_a_sentence(document: dict[str, Any], d_in: int, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        encoded("tcnn", fit_of(document, d_in))


def test_everything_without_a_counterpart_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '{"encoding": {"otype": "OneBlob"}, "network": {"otype": "FullyFusedMLP", "activation": "Squareplus"}}'
    )
    with pytest.raises(ConfigError) as caught:
        settings(path)
    assert len(caught.value.problems) == 2
    path.write_text('{"encoding": [], "network": {}, "optimizer": {"otype": "Ema", "nested": 3}}')
    with pytest.raises(ConfigError, match=r"\[\] is not a table of settings; .*encoding is None"):
        settings(path)
    path.write_text('{"encoding": {}}')
    with pytest.raises(UsageError, match="a configuration without a fit"):
        load_fit(path)
    path.write_text("{")
    with pytest.raises(UnreadableError, match="cannot be read as JSON"):
        settings(path)


def test_capitals_do_not_matter_as_in_tiny_cuda_nn(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    documents = []
    for change in (str, str.lower):
        otypes = {"HashGrid": change("HashGrid"), "Smoothstep": change("Smoothstep")}
        encoding = {"otype": otypes["HashGrid"], "interpolation": otypes["Smoothstep"]}
        network = {"otype": change("FullyFusedMLP"), "activation": change("Sine"), "output_activation": change("Tanh")}
        path.write_text(json.dumps({"encoding": encoding, "network": network, "loss": {"otype": change("MAPE")}}))
        documents.append(settings(path))
    assert documents[0] == documents[1]
    assert documents[0]["field"]["encoding"]["interpolation"] == "smoothstep"


def test_a_vector_of_another_length_is_refused(tmp_path: Path) -> None:
    export(fit_of(GRID), tmp_path / "a.json")
    np.save(tmp_path / "a.npy", np.zeros(7, np.float32))
    with pytest.raises(UnreadableError, match=r"float32 \(7,\), expected \d+ floating numbers"):
        load_fit(tmp_path / "a.json")
    (tmp_path / "a.npy").unlink()
    with pytest.raises(UnreadableError, match="cannot be read"):
        load_fit(tmp_path / "a.json")


def test_a_scale_beyond_floats_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    document = {"encoding": {"otype": "HashGrid", "per_level_scale": 10**400}, "network": {"otype": "FullyFusedMLP"}}
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="expected a number of at most") as caught:
        settings(path)
    assert len(caught.value.message) < 300
