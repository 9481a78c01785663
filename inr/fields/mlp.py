"""The freely composed field: every slot is a setting. Other composed families are this one with different defaults."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from torch import Generator, Tensor, nn

from inr.assemblies import AssemblyConfig, Body, BodyPlan
from inr.assemblies.linear_start import read_through
from inr.assemblies.single import Single, SingleConfig
from inr.core.config import Config, param
from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.encodings import EncodingConfig, GridConfig, GridEncoding
from inr.encodings.frequency import Frequency
from inr.encodings.grid_start import start_from_samples
from inr.encodings.identity import Identity
from inr.encodings.vertex_start import start_from_vertices
from inr.fields._field import FIELDS, Field, FieldConfig
from inr.fields._recipe import BestRecipe, cosine
from inr.layers import ActivationConfig, BlockConfig, HeadConfig, InitialiserConfig, Linear, LinearConfig
from inr.layers.activations.relu import Relu
from inr.layers.blocks.affine import Affine
from inr.layers.folding import linears_of, set_dense
from inr.layers.heads.standard import LinearHead, LinearHeadConfig
from inr.layers.initialisers.signal import FromSignal
from inr.layers.initialisers.standard import Matched
from inr.layers.linear.dense import Dense

_REST = 0.05
"""Share of their weights with which units start that do not read a signal's values at vertices."""


@FIELDS.register("mlp")
@dataclass(frozen=True, kw_only=True)
class Mlp(FieldConfig):
    """Freely composed network: choose encoding, linear layer, activation, block, assembly, head, initialiser.

    NeRF's paper has 10 octaves of positions; here distances have 6, which are learned faster (record
    shape-frequencies, of `relu_pe`): `--set field.encoding.octaves=10` is the paper's.
    """

    paper: ClassVar[str] = "Tancik et al. 2020, arXiv:2006.10739; Mildenhall et al. 2020, arXiv:2003.08934"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1500),
        shape={**cosine("soap", 1e-3, 4096, 1500), "loss": "l1"},
        sound=cosine("soap", 3e-3, 4096, 1500),
        rest={"lr": 1e-3},
        record="recipes",
        searched="relu_pe",
    )
    sound_range: ClassVar[float | None] = None
    """Half the range of raw coordinates of a sound; None: that of other signals, 1."""

    encoding: EncodingConfig = param(Frequency(), "coordinates to features")
    width: int = param(256, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(3, "layers before the last linear map", ge=0, le=1024)
    has_bias: bool = param(True, "linear maps have a bias")
    linear: LinearConfig = param(Dense(), "parameterisation of the matrices")
    activation: ActivationConfig = param(Relu(), "elementwise function of the hidden layers")
    block: BlockConfig = param(Affine(), "structure of a layer", was="cell")
    assembly: AssemblyConfig = param(SingleConfig(), "how bodies combine")
    head: HeadConfig = param(LinearHeadConfig(), "last features to values")
    init: InitialiserConfig = param(Matched(), "initialiser of the linear maps")

    def resolve(self, spec: Spec) -> Self:
        """Resolve the parts of a body for the input of one body (`AssemblyConfig.body_spec`).

        Raw coordinates, `identity` without a range, are in +-`coordinate_range`.
        """
        seen = dict.fromkeys(("encoding", "linear", "activation", "block"), self.assembly.body_spec(spec))
        slots = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        if self.encoding == Identity():
            half = self.coordinate_range(spec)
            slots["encoding"] = Identity(low=-half, high=half)
        resolved: dict[str, Any] = {k: v.resolve(seen.get(k, spec)) for k, v in slots.items() if isinstance(v, Config)}
        config = dataclasses.replace(self, **resolved)
        return dataclasses.replace(config, linear=config.linear.before(config.activation))

    def coordinate_range(self, spec: Spec) -> float:
        """Half the range of raw coordinates: 1, or `sound_range`.

        The frequencies of a first layer count per unit of its input.
        """
        return self.sound_range if self.sound_range is not None and spec.traits.is_waveform else 1.0

    def build(self, spec: Spec, generator: Generator) -> Field:
        return MlpField(self, spec, generator)

    def plan(self) -> BodyPlan:
        """The components of a body of these resolved settings."""
        return BodyPlan(self.encoding, self.linear, self.activation, self.block, self.width, self.depth, self.has_bias)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The best known for the family. SOAP's rates differ by activation, so another one has Adam at 1e-3."""
        found = super().recipe(spec)
        is_own = isinstance(self.activation, type(type(self)().activation))
        return found if is_own or found.get("optimizer") != "soap" else {"lr": 1e-3}

    def starts_from_signal(self, spec: Spec) -> bool:
        return (
            isinstance(self.init, FromSignal)
            and isinstance(self.encoding, GridConfig)
            and isinstance(self.assembly, SingleConfig)
            and isinstance(self.head, LinearHeadConfig)
            and self.encoding.starts_from(spec)
        )


class MlpField(Field):
    """head(assembly(x)), with the parameters set by the config's initialiser."""

    def __init__(self, config: Mlp, spec: Spec, generator: Generator) -> None:
        super().__init__()
        self.config: Mlp = config
        self.spec = spec
        self.d_in, self.d_out = spec.d_in, spec.d_out
        self.body = config.assembly.build(config.plan(), spec.d_in, spec.d_out, generator)
        self.head = config.head.build()
        config.init.apply(self.body, config.activation, generator)
        self.smoothness = min(self.body.smoothness, self.head.smoothness)
        self.boundary = self.body.boundary

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        return self.head(self.body.on_grid(axes))

    def mean_error(self, x: Tensor, y: Tensor, weight: Tensor | None, power: Literal[1, 2]) -> Tensor:
        shorter = self.body.mean_error(self.rounded(x), y, weight, power) if isinstance(self.head, LinearHead) else None
        return super().mean_error(x, y, weight, power) if shorter is None else shorter

    def fold(self) -> Field:
        """The same network with plain dense layers."""
        config = dataclasses.replace(self.config, linear=Dense(), block=self.config.block.folded())
        if config == self.config:
            return self
        folded = MlpField(config, self.spec, Generator())
        shapes = {name: tensor.shape for name, tensor in folded.state_dict().items()}
        kept = {name: t for name, t in self.state_dict().items() if shapes.get(name) == t.shape}
        folded.load_state_dict(kept, strict=False)
        _fold(self.body, folded.body)
        return folded

    def penalty(self) -> Tensor | None:
        is_plain = type(self.config.linear).penalty is LinearConfig.penalty
        return None if is_plain else self.config.linear.penalty(list(linears_of(self)))

    @contextlib.contextmanager
    def at_step(self, step: int) -> Iterator[None]:
        if not self.varies_by_step:
            yield
            return
        layers = list(linears_of(self))
        self.config.linear.at_step(layers, step)
        try:
            yield
        finally:
            self.config.linear.at_step(layers, None)

    @property
    def reads_double(self) -> bool:
        return isinstance(self.body, Single) and isinstance(self.body.encoding, GridEncoding)

    @property
    def trains_whole_too(self) -> bool:
        return self.config.linear.trains_whole_too

    @property
    def varies_by_step(self) -> bool:
        return type(self.config.linear).at_step is not LinearConfig.at_step

    @contextlib.contextmanager
    def updating(self) -> Iterator[None]:
        with self.config.linear.updating(list(linears_of(self))) if self.has_own_update else contextlib.nullcontext():
            yield

    @property
    def has_own_update(self) -> bool:
        return type(self.config.linear).updating is not LinearConfig.updating

    def lipschitz_bound(self) -> float | None:
        body, head = self.body.lipschitz_bound(), self.head.lipschitz
        return None if body is None or head is None else body * head

    def initialise(self, samples: Samples, generator: Generator) -> None:
        super().initialise(samples, generator)
        self.config.init.initialise(self.body, self.config.activation, samples, generator)
        if not self.config.starts_from_signal(samples.spec):
            return
        grid, values = self.body.get_submodule("encoding"), samples.anywhere
        assert isinstance(grid, GridEncoding)
        if values is not None:
            read_through(self.body, lambda: start_from_vertices(grid, values), rest=_REST)
        elif samples.order is not None and samples.tile is None:
            read_through(self.body, lambda: start_from_samples(grid, samples))


def _fold(own: nn.Module, plain: nn.Module) -> None:
    if isinstance(own, Body) and isinstance(plain, Body):
        own.fold(plain)
    elif isinstance(own, Linear) and isinstance(plain, Linear):
        set_dense(plain, *own.effective())
    else:
        for part, plain_part in zip(own.children(), plain.children(), strict=True):
            _fold(part, plain_part)
