"""Which module of a field computes the gradients of which parameters, and what passes through it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inr.core.gradient_factors import Factor, HasGradientFactors, Part, factor, with_ones
from inr.fields import Field

PROBES = (3, 5)
ROWS = 1024
"""Points per pass through the field."""


@dataclass(frozen=True)
class Unit:
    """A module that maps every point separately, and the parameters whose gradients follow from its calls.

    name: its path in the field. has_factors: whether the gradients of its own parameters have a structure: the one that
    the module states, or that of torch's own `Linear`. others: the other parameters, by name in the module, which are
    differentiated point by point.
    weights: of the others [p]; None: 1.
    """

    name: str
    module: nn.Module
    has_factors: bool
    others: dict[str, Tensor]
    weights: Tensor | None = None


@dataclass(frozen=True)
class Use:
    """One call of a unit's module: its inputs, and the derivative of each channel by its output.

    inputs: tensors [n, ...]. cotangent: [C, n, ...].
    """

    inputs: tuple[Tensor, ...]
    cotangent: Tensor

    @property
    def numbers(self) -> int:
        return sum(t.numel() for t in self.inputs) + self.cotangent.numel()

    def __getitem__(self, rows: slice) -> Use:
        return Use(tuple(t[rows] for t in self.inputs), self.cotangent[:, rows])


def units_of(field: Field, x: Tensor) -> list[Unit]:
    """The units of a field: every trained parameter belongs to the smallest module that contains all its uses and is
    only called point by point.

    A call is point by point if all its tensors have the number of points as leading length, for two numbers of points.
    A layer that is never called (its block uses its matrix), or is called with a constant, so belongs to its block.
    """
    is_called = {id(field)}
    is_per_point: dict[int, bool] = {}
    is_flat: dict[int, bool] = {}

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        is_called.add(id(module))
        tensors = [*args, *kwargs.values(), out]
        fits = not kwargs and all(isinstance(t, Tensor) and t.ndim >= 2 and len(t) == n for t in tensors)
        is_per_point[id(module)] = is_per_point.get(id(module), True) and fits
        is_flat[id(module)] = is_flat.get(id(module), True) and fits and out.ndim == 2

    handles = [m.register_forward_hook(look, with_kwargs=True) for m in field.modules()]
    try:
        with torch.no_grad():
            for n in PROBES:
                field(x[:1].expand(n, -1).contiguous())
    finally:
        for handle in handles:
            handle.remove()

    places: dict[int, list[str]] = {}
    for name, p in field.named_parameters(remove_duplicate=False):
        if p.requires_grad:
            places.setdefault(id(p), []).append(name)
    paths: dict[int, list[str]] = {}
    for path, module in field.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(path)
    claimed: dict[str, list[str]] = {}
    for names in places.values():
        claimed.setdefault(_smallest(field, names, paths, is_per_point), []).append(names[0])
    return [_unit(field, path, names, is_flat) for path, names in claimed.items()]


def field_as_unit(field: Field, weights: Tensor | None = None) -> Unit:
    """The whole field as one unit without stated structure. weights: see `Unit`."""
    others = {name: p.detach() for name, p in field.named_parameters() if p.requires_grad}
    return Unit("field", field, False, others, weights)


def _smallest(field: Field, names: list[str], paths: dict[int, list[str]], is_per_point: dict[int, bool]) -> str:
    """Path of the deepest module, called point by point, that all paths to a parameter share."""
    path = names[0].rpartition(".")[0]
    while path:
        module = field.get_submodule(path)
        prefixes = tuple(p + "." for p in paths[id(module)])
        if is_per_point.get(id(module), False) and all(name.startswith(prefixes) for name in names):
            return paths[id(module)][0]
        path = path.rpartition(".")[0]
    return ""


def _unit(field: Field, path: str, names: list[str], is_flat: dict[int, bool]) -> Unit:
    module = field.get_submodule(path)
    own = {id(p) for p in module.parameters(recurse=False)}
    parameters = {id(p): p for p in (field.get_parameter(name) for name in names)}
    is_torchs = type(module) is nn.Linear and is_flat.get(id(module), False)
    is_known = is_torchs or isinstance(module, HasGradientFactors)
    has_factors = is_known and bool(own) and own <= parameters.keys()
    others = {}
    for name, p in module.named_parameters():
        if id(p) in parameters and not (has_factors and id(p) in own):
            others[name] = p.detach()
    return Unit(path or "field", module, has_factors, others)


def capture(field: Field, x: Tensor, units: Sequence[Unit], seeds: Tensor) -> tuple[list[list[Use]], Tensor]:
    """The uses of every unit over all points x [N, D], and the values [N, C].

    seeds: [S, C], the combinations of channels whose derivatives are taken.
    """
    parts = [_capture(field, rows, units, seeds) for rows in torch.split(x, ROWS)]
    uses = []
    for u in range(len(units)):
        calls = [part[0][u] for part in parts]
        uses.append([_joined(same) for same in zip(*calls, strict=True)])
    return uses, torch.cat([part[1] for part in parts])


def _joined(parts: tuple[Use, ...]) -> Use:
    if len(parts) == 1:
        return parts[0]
    inputs = tuple(torch.cat(same) for same in zip(*(p.inputs for p in parts), strict=True))
    return Use(inputs, torch.cat([p.cotangent for p in parts], dim=1))


def _capture(field: Field, x: Tensor, units: Sequence[Unit], seeds: Tensor) -> tuple[list[list[Use]], Tensor]:
    calls: list[list[tuple[tuple[Tensor, ...], Tensor]]] = [[] for _ in units]
    with _recording(units, calls), torch.enable_grad():
        y = field(x)
    outs = [out for unit_calls in calls for _, out in unit_calls]
    slopes = []
    for i, seed in enumerate(seeds):
        grads = torch.autograd.grad(
            y, outs, seed.expand_as(y), retain_graph=i + 1 < len(seeds), allow_unused=True, materialize_grads=True
        )
        slopes.append(grads)
    by_call = iter([of[0].unsqueeze(0) if len(of) == 1 else torch.stack(of) for of in zip(*slopes, strict=True)])
    uses = [[Use(inputs, next(by_call)) for inputs, _ in unit_calls] for unit_calls in calls]
    return uses, y.detach()


@contextmanager
def _recording(units: Sequence[Unit], calls: list[list[tuple[tuple[Tensor, ...], Tensor]]]) -> Iterator[None]:
    def record(which: int) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], out: Tensor) -> None:
            calls[which].append((tuple(a.detach() for a in args), out))

        return hook

    handles = [unit.module.register_forward_hook(record(i)) for i, unit in enumerate(units)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def factors_of(unit: Unit, uses: Sequence[Use]) -> list[Factor]:
    """The factors of a unit's parameters at the points of its uses; a module used twice has the sum of both."""
    found: list[Factor] = []
    if unit.has_factors:
        with torch.no_grad():
            each = [_own_factors(unit.module, use) for use in uses]
        found += [_together(same) for same in zip(*each, strict=True)]
    if unit.others:
        rows = sum((jacobian(unit.module, unit.others, use) for use in uses), torch.zeros(()))
        found.append(factor(cotangent=rows.to(uses[0].cotangent), weight=unit.weights))
    return found


def _own_factors(module: nn.Module, use: Use) -> list[Factor]:
    """Of the module's own parameters, at one of its calls."""
    if isinstance(module, HasGradientFactors):
        return module.tangent(use.inputs, use.cotangent)
    assert isinstance(module, nn.Linear)
    return [factor(with_ones(use.inputs[0], module.bias is not None), cotangent=use.cotangent)]


def _together(same: tuple[Factor, ...]) -> Factor:
    parts: tuple[Part, ...] = ()
    for f in same:
        parts += f.parts
    return Factor(parts, same[0].weight)


def jacobian(module: nn.Module, parameters: dict[str, Tensor], use: Use) -> Tensor:
    """[C, n, p]: per point and channel, the gradient by the parameters, concatenated."""

    def pulled(inputs: tuple[Tensor, ...], cotangent: Tensor) -> Tensor:
        def out(values: dict[str, Tensor]) -> Tensor:
            y: Tensor = torch.func.functional_call(module, values, tuple(t[None] for t in inputs))
            return y[0]

        pull = torch.func.vjp(out, parameters)[1]

        def one(seed: Tensor) -> Tensor:
            slopes = pull(seed)[0]
            return torch.cat([slopes[name].reshape(-1) for name in parameters])

        rows: Tensor = torch.func.vmap(one)(cotangent)
        return rows

    with torch.no_grad():
        rows: Tensor = torch.func.vmap(pulled, in_dims=(0, 1), out_dims=1)(use.inputs, use.cotangent)
    return rows
