"""tiny-cuda-nn: reading and writing its JSON and parameter vector.

Mueller 2021, tiny-cuda-nn; Mueller et al. 2022 (Instant-NGP), arXiv:2201.05989. The layout of the vector, and the JSON
of a grid and of a network, are defined in `inr.kernels.tcnn_layout`; this file translates the settings of a fit.
"""

from __future__ import annotations

import io
import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch

from inr.assemblies import linears_between
from inr.assemblies.single import Single
from inr.core.document import MAX_DEPTH, check_document
from inr.core.errors import ConfigError, UnreadableError, UsageError
from inr.core.rules import LARGEST_FLOAT, depth_of
from inr.core.text import command
from inr.encodings import GridEncoding
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.exporters._exporter import EXPORTERS, Exported, Exporter
from inr.exporters.ops import Array
from inr.fields import Field
from inr.fields.mlp import Mlp, MlpField
from inr.fitting import Fit
from inr.fitting.model_file import build_field, check_finite, parse_model, unreadable_if_invalid
from inr.kernels.tcnn_layout import (
    INTERPOLATION_NAMES,
    TCNN_WIDTHS,
    grid_config,
    network_config,
    network_shapes,
    pack,
    unpack,
)
from inr.layers import Linear
from inr.layers.activations.elementwise import LeakyRelu, Tanh
from inr.layers.activations.identity import NoActivation
from inr.layers.activations.relu import Relu
from inr.layers.activations.sine import Sine, SineActivation
from inr.layers.blocks.affine import AffineBlock
from inr.layers.heads.standard import LinearHeadConfig, TanhHeadConfig
from inr.signals import Source

V = TypeVar("V")
MAX_JSON_BYTES = 2**24
_ACTIVATIONS: Mapping[str, Mapping[str, Any]] = {
    "ReLU": {"type": "relu"},
    "LeakyReLU": {"type": "leaky_relu", "slope": 0.01},
    "Sine": {"type": "sine", "omega": 1.0},
    "Tanh": {"type": "tanh"},
    "None": {"type": "identity"},
}
_HEADS = {"None": "linear", "Tanh": "tanh"}
_INTERPOLATIONS = {theirs: ours for ours, theirs in INTERPOLATION_NAMES.items()}
_LOSSES = {"L2": "mse", "L1": "l1", "MAPE": "mape"}
_NETWORKS = dict.fromkeys(("FullyFusedMLP", "CutlassMLP", "MegakernelMLP"))


@EXPORTERS.register("tcnn")
@dataclass(frozen=True, kw_only=True)
class Tcnn(Exporter):
    """tiny-cuda-nn's JSON, and its flat float32 parameter vector in an .npy file beside it.

    For hash grids with equal sides and networks without biases. Values are training values: scale, offset and the rest
    of the fit are in the JSON under "inr", so the fit can be read back completely.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def encode(self, fit: Fit, suffix: str) -> Exported:
        field = fit.field.fold()
        network = _Network.of(field)
        document = {
            "encoding": network.encoding,
            "network": network.network,
            "loss": {"otype": "L2"},
            "optimizer": {"otype": "Adam", "learning_rate": 1e-2, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-15},
            "n_input_dims": fit.spec.d_in,
            "n_output_dims": fit.spec.d_out,
            "inr": {**fit.document(), "field": field.config.to_json()},
        }
        file = io.BytesIO()
        np.save(file, network.parameters())
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
        return Exported({suffix: f"{text}\n".encode(), ".npy": file.getvalue()})


def load_fit(source: Source | Path) -> Fit:
    """Read a fit written by `Tcnn`: JSON, and .npy beside it.

    Raises UnreadableError for damaged files, UsageError for a configuration without a fit.
    """
    document, path = _read(source), Path(source.name) if isinstance(source, Source) else source
    if "inr" not in document:
        raise UsageError(
            f"{str(path)!r} is a configuration without a fit",
            f"fit a signal with it: {command('inr', 'fit', 'IN', '--config', path)}",
        )
    place = path.with_suffix(".npy")
    try:
        flat = np.array(
            np.load(place, mmap_mode="r", allow_pickle=False)
        )  # memory-mapped: never allocates more than the file size
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise UnreadableError(f"parameters {str(place)!r} cannot be read: {error}") from error
    check_document(document["inr"], str(path))
    with unreadable_if_invalid(str(path)):
        spec, _, config = parse_model(document["inr"], str(path))
        with torch.device("meta"):
            outline = config.build(spec, torch.Generator()).state_dict()
        n_expected = sum(t.numel() for t in outline.values())
        if n_expected > flat.size:
            raise UnreadableError(
                f"parameters are {flat.dtype} {flat.shape}, expected {n_expected} floating numbers or more"
            )
        tensors = {name: torch.zeros(t.shape, dtype=t.dtype) for name, t in outline.items()}
        field = build_field(config, spec, tensors, str(path))
        set_parameters(field, flat)
        check_finite(field, str(path))
        return Fit.of_document(document["inr"], field, str(path))


def parameters(field: Field) -> Array:
    """The flat parameter vector of a field. Raises UsageError if tiny-cuda-nn cannot represent it."""
    return _Network.of(field).parameters()


def set_parameters(field: Field, flat: Array) -> None:
    """Set the parameters of such a field in place. Raises UnreadableError for a wrong length."""
    _Network.of(field).set(flat)


def settings(source: Source | Path) -> dict[str, dict[str, Any]]:
    """tiny-cuda-nn's or Instant-NGP's configuration file as documents of settings, {"field": ..., "fit": ...}.

    A grid without `per_level_scale` follows Instant-NGP's rule. From the optimizer, Adam and the EMA decay are read;
    a learning rate decay by step numbers is ignored, because runs here are shorter than its start. Raises ConfigError
    listing everything without a counterpart, UnreadableError for invalid JSON.
    """
    document = _read(source)
    parts = [document.get(key, {}) for key in ("encoding", "network", "loss", "optimizer")]
    problems = [f"{part!r} is not a table of settings" for part in parts if not isinstance(part, dict)]
    encoding, network, loss, optimizer = (part if isinstance(part, dict) else {} for part in parts)
    field, fit = _field(encoding, network, problems), _fit(loss, optimizer, problems)
    if problems:
        name = source.name if isinstance(source, Source) else source
        raise ConfigError([f"{name}: {problem}" for problem in problems])
    return {"field": field, "fit": fit}


def _field(encoding: Mapping[str, Any], network: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    kind = str(encoding.get("otype")).lower()
    if kind != "hashgrid" and (kind != "grid" or str(encoding.get("type", "Hash")).lower() != "hash"):
        problems.append(f"encoding is {encoding.get('otype')!r}, expected 'HashGrid'")
    _known("network", network.get("otype"), _NETWORKS, problems)
    activation = _known("activation", network.get("activation", "ReLU"), _ACTIVATIONS, problems)
    head = _known("output_activation", network.get("output_activation", "None"), _HEADS, problems)
    interpolation = _known("interpolation", encoding.get("interpolation", "Linear"), _INTERPOLATIONS, problems)
    scale = encoding.get("per_level_scale")
    if not isinstance(scale, int | float | None) or (scale is not None and not abs(scale) <= LARGEST_FLOAT):
        problems.append(f"per_level_scale is {reprlib.repr(scale)}, expected a number of at most {LARGEST_FLOAT:g}")
        scale = None
    return {
        "type": "hash_grid",
        "encoding": {
            "type": "hash_grid",
            "levels": encoding.get("n_levels", 16),
            "features": encoding.get("n_features_per_level", 2),
            "log2_table": encoding.get("log2_hashmap_size", 19),
            "base": encoding.get("base_resolution", 16),
            "growth": float(scale) if isinstance(scale, int | float) else "instant_ngp",
            "interpolation": interpolation,
        },
        "width": network.get("n_neurons", 128),
        "depth": network.get("n_hidden_layers", 5),
        "has_bias": False,
        "activation": activation,
        "head": head,
    }


def _known(what: str, name: Any, table: Mapping[str, V], problems: list[str]) -> V | None:
    """The value of a name; like tiny-cuda-nn, case-insensitive."""
    by_name = {key.lower(): value for key, value in table.items()}
    if str(name).lower() not in by_name:
        problems.append(f"{what} is {name!r}, expected one of {', '.join(table)}")
    return by_name.get(str(name).lower())


def _fit(loss: Mapping[str, Any], optimizer: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if loss:
        found["loss"] = _known("loss", loss.get("otype"), _LOSSES, problems)
    while optimizer.get("otype") in ("Ema", "ExponentialDecay"):
        if optimizer["otype"] == "Ema":
            found["ema"] = optimizer.get("decay", 0.99)
        else:
            found["schedule"] = "constant"
        nested = optimizer.get("nested")
        optimizer = nested if isinstance(nested, dict) else {}
    if optimizer:
        if optimizer.get("otype") != "Adam":
            problems.append(f"optimizer is {optimizer.get('otype')!r}, expected 'Adam', 'Ema' or 'ExponentialDecay'")
        found["lr"] = optimizer.get("learning_rate", 1e-3)
        found["optimizer"] = {
            "type": "adam",
            "beta1": optimizer.get("beta1", 0.9),
            "beta2": optimizer.get("beta2", 0.999),
            "eps": optimizer.get("epsilon", 1e-8),
            "l2": optimizer.get("l2_reg", 1e-8),
            "skip_zero_grad": True,
        }
    return found


def _read(source: Source | Path, depth: int = 8) -> dict[str, Any]:
    """A configuration: JSON with // comments, laid over its "parent" if it names one."""
    source = Source.of(source)
    path = Path(source.name)
    try:
        with source.open() as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise UnreadableError(f"{str(path)!r} has more than {MAX_JSON_BYTES} bytes")
        text = data.decode("utf-8")
        document: Any = json.loads(re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda m: m[1] or "", text))
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{str(path)!r} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnreadableError(f"{str(path)!r} is not a configuration: expected a table")
    if depth_of(document, MAX_DEPTH) > MAX_DEPTH:
        raise UnreadableError(f"{str(path)!r} has tables nested more than {MAX_DEPTH} levels deep")
    if "parent" in document and depth:
        place = path.parent / str(document.pop("parent"))
        if not place.is_file():
            raise UnreadableError(f"the parent {str(place)!r} of {str(path)!r} is not a file")
        parent = _read(place, depth - 1)
        return _merged(parent, document)
    return dict(document)


def _merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch, RFC 7396."""
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            mine = merged.get(key)
            merged[key] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return merged


@dataclass(frozen=True)
class _Network:
    """A field in tiny-cuda-nn's terms: matrices (all but the last times `omega`), the grid, and the JSON of both."""

    linears: Sequence[Linear]
    omegas: Sequence[float]
    grid: GridEncoding
    encoding: Mapping[str, Any]
    network: Mapping[str, Any]

    @classmethod
    def of(cls, field: Field) -> _Network:
        """Raises UsageError with the first reason why tiny-cuda-nn cannot represent the field."""
        if not isinstance(field, MlpField) or not isinstance(field.body, Single):
            raise UsageError(
                f"tiny-cuda-nn supports a grid followed by a network, but field {field.config.type_name!r} is "
                "built differently"
            )
        config, body = field.config, field.body
        if not isinstance(body.encoding, GridEncoding) or not isinstance(config.encoding, HashGridEncodingConfig):
            raise UsageError(
                f"tiny-cuda-nn's counterpart of encoding {config.encoding.type_name!r} differs; only hash_grid is equal"
            )
        blocks = [block for block in body.blocks if isinstance(block, AffineBlock)]
        linears: list[Linear] | None = [body.last]
        if body.blocks:
            linears = linears_between(type(blocks[0].activation), list(body.blocks), body.last) if blocks else None
        if linears is None:
            block = config.block.type_name
            raise UsageError(f"tiny-cuda-nn's networks have affine layers, but the field's blocks are {block!r}")
        if any(linear.effective()[1] is not None for linear in linears):
            raise UsageError(
                "tiny-cuda-nn's networks have no biases, but the field's layers do", "fit with `field.has_bias=false`"
            )
        omegas = [c.activation.omega if isinstance(c.activation, SineActivation) else 1.0 for c in blocks]
        layers = _layers(config, [linears[0].d_in, *(linear.d_out for linear in linears)])
        return cls(linears, [*omegas, 1.0], body.encoding, _encoding(config.encoding), layers)

    @property
    def widths(self) -> list[int]:
        return [self.linears[0].d_in, *(linear.d_out for linear in self.linears)]

    def parameters(self) -> Array:
        with torch.no_grad():
            pairs = zip(self.linears, self.omegas, strict=True)
            vector = pack([omega * linear.effective()[0] for linear, omega in pairs], self.grid.table)
        flat: Array = vector.float().cpu().numpy()
        return flat

    def set(self, flat: Array) -> None:
        n_features = self.grid.table.shape[1]
        network = sum(rows * columns for rows, columns in network_shapes(self.widths, n_features))
        expected = network + self.grid.table.numel()
        if flat.shape != (expected,) or flat.dtype.kind != "f":
            raise UnreadableError(f"parameters are {flat.dtype} {flat.shape}, expected {expected} floating numbers")
        vector = torch.from_numpy(flat.astype(np.float32))
        matrices, table = unpack(vector, self.widths, self.grid.geometry, n_features)
        with torch.no_grad():
            for linear, omega, matrix in zip(self.linears, self.omegas, matrices, strict=True):
                linear.assign(matrix / omega)
            self.grid.table.copy_(table)


def _encoding(config: HashGridEncodingConfig) -> dict[str, Any]:
    try:
        document = grid_config(config.geometry(), config.features, config.interpolation or "linear")
    except UsageError as error:
        raise UsageError(
            error.message, "fit with `field.encoding.growth=B` and `field.encoding.features=2`, in 2 to 4 dimensions"
        ) from error
    document["log2_hashmap_size"] = config.log2_table
    return document if config.growth is None else document | {"per_level_scale": config.growth}


def _layers(config: Mlp, widths: Sequence[int]) -> dict[str, Any]:
    names = {Relu: "ReLU", Tanh: "Tanh", NoActivation: "None", Sine: "Sine"}
    name = names.get(type(config.activation))
    if isinstance(config.activation, LeakyRelu) and config.activation.slope == 0.01:
        name = "LeakyReLU"
    if name is None:
        raise UsageError(f"tiny-cuda-nn has no activation {config.activation.type_name!r}")
    head = {LinearHeadConfig: "None", TanhHeadConfig: "Tanh"}.get(type(config.head))
    if head is None:
        raise UsageError(f"tiny-cuda-nn has no output activation {config.head.type_name!r}")
    is_fused = config.width in TCNN_WIDTHS and config.depth >= 1 and name != "Sine"
    return network_config(widths, is_fused=is_fused) | {"activation": name, "output_activation": head}
