"""Training in a random subspace of the parameters.

Li, Farkhoor, Liu and Yosinski 2018, Measuring the Intrinsic Dimension of Objective Landscapes, arXiv:1804.08838; the
structured projection is Le, Sarlos and Smola 2013 (Fastfood).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS, Deviation, Field, FieldConfig
from inr.fields._limits import Limits
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers.activations.sine import Sine

DENSE_LIMIT = 2**24
"""Entries of the largest dense projection; larger problems use the structured one."""


@FIELDS.register("subspace")
@dataclass(frozen=True, kw_only=True)
class Subspace(FieldConfig):
    """Any field restricted to a random subspace of its parameters: theta = theta0 + P z, only z [D] is trained.

    theta0 is the base's own initialisation, P [|theta|, D] is random with rows of unit length, and z starts at 0. With
    unit rows an Adam step changes every theta about as much as in the base, so the base's learning rate applies. (The
    authors scale columns, not rows: the same up to a factor of the rate.) theta0 and P follow from one saved seed, so a
    model file contains only z and the seed.

    projection "dense": independent normal rows, normalised. "fastfood": H G Pi H S / sqrt(D sum(G^2)) with signs S, a
    permutation Pi, normal G and Walsh-Hadamard H of the least power of two >= |theta| and D: rows of about unit length,
    memory O(|theta|) and time O(|theta| log |theta|).

    A picture needs thousands of dimensions. Use it for compression, or to find how many parameters a signal needs. In
    benchmarks/claims.py 4096 dimensions, dense, reached 7 dB on a 64 x 64 patch in 400 steps, barely more than 256
    dimensions did (record claims-4).
    """

    paper: ClassVar[str] = "Li et al. 2018, arXiv:1804.08838"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "It trains 4096 numbers for 196,608 values, in directions that are drawn at random: it holds no detailed "
            "picture."
        ),
        sound=(
            "It trains 4096 numbers in directions that are drawn at random. Waves of up to 1 kHz, which give 11.5 dB "
            "of `bach.wav`, alone have 4000 numbers in 2 s."
        ),
        shapes="It trains 4096 numbers in directions that are drawn at random, so a detail cannot be changed alone.",
        purpose="It is for finding how many parameters a signal needs (`inr compare --intrinsic`), not for quality.",
    )

    best: ClassVar[BestRecipe] = BestRecipe(
        lattice={"lr": 1e-3}, shape={**cosine("adam", 3e-4, 4096, 1000), "loss": "l1"}
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "forward",
            "columns of P of unit length",
            "rows of unit length",
            "a step of Adam then changes every parameter about as much as in the base, whatever D is",
        ),
        Deviation("fit.optimizer.l2", "1e-5, of the parameters theta", "0", "one signal is fitted, not many"),
    )

    base: FieldConfig = param(
        Mlp(encoding=Identity(), activation=Sine(), depth=4), "the field whose parameters are restricted"
    )
    dimensions: int = param(4096, "trained dimensions D", ge=1, le=2**24)
    projection: Literal["dense", "fastfood"] | None = param(None, "P; none: dense up to 2^24 entries, else fastfood")

    def build(self, spec: Spec, generator: Generator) -> Field:
        return SubspaceField(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Of distances `best`; else the base's, with Adam in place of SOAP: a vector has no eigenbasis."""
        if spec.has_distances:
            return super().recipe(spec)
        found = self.base.recipe(spec)
        return found if found.get("optimizer") != "soap" else {**found, "optimizer": "adam", **self.best.lattice}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The authors' example, 100 epochs of 50,000 pictures of MNIST; the paper has no field."""
        adam = {"type": "adam", "beta2": 0.99}
        return {"optimizer": adam, "lr": 1e-3, "schedule": "constant", "batch": 128, "steps": 39_100}


class SubspaceField(Field):
    """base: a field whose parameters became buffers with theta0. Its `penalty` is ignored."""

    role = "subspace"
    seed: Tensor  # [1]

    def __init__(self, config: Subspace, spec: Spec, generator: Generator) -> None:
        super().__init__()
        self.config: Subspace = config
        self.spec = spec
        self.d_in, self.d_out = spec.d_in, spec.d_out
        self.z = nn.Parameter(torch.zeros(config.dimensions))
        self.register_buffer("seed", torch.randint(2**62, (1,), generator=generator, device="cpu"))
        if not self.z.is_meta:  # on the meta device only the state (z and the seed) is needed
            self._draw()

    def _draw(self) -> None:
        """theta0 and P, from the seed."""
        generator = Generator().manual_seed(int(self.seed))
        self.base = self.config.base.build(self.spec, generator).to(self.z)
        self.shapes = _to_buffers(self.base)
        self.smoothness, self.boundary = self.base.smoothness, self.base.boundary
        n, d = sum(math.prod(shape) for shape in self.shapes.values()), self.config.dimensions
        kind = self.config.projection or ("dense" if n * d <= DENSE_LIMIT else "fastfood")
        self.projection = (DenseProjection if kind == "dense" else Fastfood)(n, d, generator).to(self.z)

    def theta(self) -> dict[str, Tensor]:
        """The base's parameters by name, theta0 + P z, differentiable in z."""
        parts = torch.split(self.projection(self.z), [math.prod(shape) for shape in self.shapes.values()])
        return {
            name: self.base.get_buffer(name) + part.reshape(shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(self.base, self.theta(), (x,))
        return y

    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Raises UsageError if the base has a data-dependent initialisation, which the seed cannot reproduce."""
        before = {name: tensor.clone() for name, tensor in self.base.named_buffers()}
        self.base.initialise(samples, generator)
        if any(not torch.equal(tensor, before[name]) for name, tensor in self.base.named_buffers()):
            raise UsageError(
                f"field 'subspace' cannot use base {self.config.base.type_name!r}: it is initialised from the signal",
                "choose a base or an initialiser with random initial values",
            )

    def fold(self) -> Field:
        """The folded base with the trained parameters."""
        base = self.config.base.build(self.spec, Generator().manual_seed(int(self.seed))).to(self.z)
        with torch.no_grad():
            for name, value in self.theta().items():
                base.get_parameter(name).copy_(value)
        return base.fold()

    @contextlib.contextmanager
    def at_step(self, step: int) -> Iterator[None]:
        with self.base.at_step(step):
            yield

    def lipschitz_bound(self) -> float | None:
        return self.fold().lipschitz_bound()

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._draw()


class DenseProjection(nn.Module):
    """z [D] -> P z [n], P_ij ~ N(0, 1), then rows divided by their lengths."""

    matrix: Tensor

    def __init__(self, n: int, d: int, generator: Generator) -> None:
        super().__init__()
        matrix = torch.randn(n, d, generator=generator)
        self.register_buffer("matrix", nn.functional.normalize(matrix, dim=1), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        return self.matrix @ z


class Fastfood(nn.Module):
    """z [D] -> P z [n], P the first n rows and D columns of H G Pi H S / sqrt(D sum(G^2))."""

    sign: Tensor
    order: Tensor
    normal: Tensor

    def __init__(self, n: int, d: int, generator: Generator) -> None:
        super().__init__()
        self.n = n
        size = 1 << (max(n, d) - 1).bit_length()
        normal = torch.randn(size, generator=generator)
        sign = torch.randint(2, (size,), generator=generator) * 2.0 - 1.0
        self.register_buffer("sign", sign, persistent=False)
        self.register_buffer("order", torch.randperm(size, generator=generator), persistent=False)
        self.register_buffer("normal", normal / math.sqrt(d * float(normal.square().sum())), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        padded = nn.functional.pad(z, (0, len(self.sign) - len(z)))
        return hadamard(self.normal * hadamard(self.sign * padded)[self.order])[: self.n]


def hadamard(x: Tensor) -> Tensor:
    """H x for x [2^k], H the Walsh-Hadamard matrix of entries +-1 in Sylvester's order."""
    n, half = len(x), 1
    while half < n:
        a, b = x.reshape(-1, 2, half).unbind(1)
        x = torch.stack([a + b, a - b], dim=1).flatten()
        half *= 2
    return x


def _to_buffers(base: nn.Module) -> dict[str, torch.Size]:
    """Turn parameters into buffers and exclude all buffers from the state; returns the parameters' shapes by name."""
    shapes = {name: p.shape for name, p in base.named_parameters()}
    for module in base.modules():
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        for name, tensor in own.items():
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)
    return shapes
