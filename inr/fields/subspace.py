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

from inr._config import param
from inr._domain import Spec
from inr._errors import UsageError
from inr._samples import Samples
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS, Field, FieldConfig
from inr.fields.mlp import Mlp
from inr.layers.sine import Sine

DENSE_LIMIT = 2**24
"""Largest dense projection, in numbers; above it the structured one is taken."""


@FIELDS.register("subspace")
@dataclass(frozen=True, kw_only=True)
class Subspace(FieldConfig):
    """Any field on a random line, plane ... of its parameters: theta = theta0 + P z, only the D numbers z trained.

    theta0 is the base's own initialisation, P [|theta|, D] random with rows of unit length, z = 0 at first; with unit
    rows a step of Adam moves every theta about as far as it would move it in the base, so the base's rate holds. (The
    authors scale columns, not rows: the same up to a factor on the rate.) theta0 and P follow from one saved random
    number, so that a model file holds z and that number and nothing else.

    projection "dense": independent normal rows, normalised. "fastfood": H G Pi H S / sqrt(D sum(G^2)) with signs S, a
    permutation Pi, normal G and Walsh-Hadamard H of the least power of two >= |theta| and D: rows of about unit length,
    memory O(|theta|) and time O(|theta| log |theta|).

    A picture wants thousands of dimensions, for every frequency needs its phase; use it to compress, or to ask how many
    parameters a signal needs. In benchmarks/claims.py 4096 of them, dense, brought a 64 x 64 patch to 7 dB in 400
    steps, barely more than 256 did (record claims-4).
    """

    paper: ClassVar[str] = "Li et al. 2018, arXiv:1804.08838"

    base: FieldConfig = param(Mlp(encoding=Identity(), activation=Sine(), depth=4), "the field that is trained")
    dimensions: int = param(4096, "numbers D that are trained", ge=1, le=2**24)
    projection: Literal["dense", "fastfood"] | None = param(None, "P; none: dense where it has at most 2^24 entries")

    def build(self, spec: Spec, generator: Generator) -> Field:
        return SubspaceField(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        return self.base.recipe(spec)


class SubspaceField(Field):
    """base: a field whose parameters are buffers, holding theta0. Its own `penalty` is not taken."""

    role = "subspace"
    seed: Tensor  # [1]

    def __init__(self, config: Subspace, spec: Spec, generator: Generator) -> None:
        super().__init__()
        self.config: Subspace = config
        self.spec = spec
        self.d_in, self.d_out = spec.d_in, spec.d_out
        self.z = nn.Parameter(torch.zeros(config.dimensions))
        self.register_buffer("seed", torch.randint(2**62, (1,), generator=generator, device="cpu"))
        if not self.z.is_meta:  # an outline needs no more than the state, z and the seed
            self._draw()

    def _draw(self) -> None:
        """theta0 and P, from the seed."""
        generator = Generator().manual_seed(int(self.seed))
        self.base = self.config.base.build(self.spec, generator).to(self.z)
        self.shapes = _to_buffers(self.base)
        self.smoothness, self.outside = self.base.smoothness, self.base.outside
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

    def start(self, samples: Samples, generator: Generator) -> None:
        """Raises UsageError where the base's own start looks at the signal: then a seed is not enough to rebuild it."""
        before = {name: tensor.clone() for name, tensor in self.base.named_buffers()}
        self.base.start(samples, generator)
        if any(not torch.equal(tensor, before[name]) for name, tensor in self.base.named_buffers()):
            raise UsageError(
                f"field 'subspace' can not hold a {self.config.base.type_name!r} that starts from the signal",
                "choose a base, or an initialiser of it, that starts at random",
            )

    def fold(self) -> Field:
        """The base with its parameters where training left them, folded itself."""
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
    """Turn parameters into buffers, and keep every buffer out of the state; the parameters' shapes by name."""
    shapes = {name: p.shape for name, p in base.named_parameters()}
    for module in base.modules():
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        for name, tensor in own.items():
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)
    return shapes
