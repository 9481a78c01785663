"""Combining fitted shapes by an expression: the result is a fit that holds its operands exactly.

Which values stay distances (f, g distances of the operands):

| operation | where the value is the distance | elsewhere |
|---|---|---|
| union | outside | lower bound |
| intersection, difference | inside | lower bound |
| offset outwards | outside | lower bound |
| offset inwards | inside | lower bound |
| shell | outside the shell | lower bound |
| blend, unequal scales | nowhere | lower bound |
| move, rotate, equal scale | as the operand | as the operand |
| a fit beyond its box | nowhere | lower bound |

An offset or a shell needs distances on the side that its surface moves to. Where the operand has only lower bounds
there, the surface would be in the wrong place, so `combine` refuses.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Generator

from inr.core.domain import Domain, Frame, Spec
from inr.core.errors import InrError, UsageError
from inr.core.text import finite_json
from inr.fields import Field
from inr.fields.csg import Csg, CsgField
from inr.fields.placed import Placed, PlacedField
from inr.fields.primitive import Primitive, PrimitiveField
from inr.fitting import Fit, FitConfig
from inr.fitting.warm_start import origin
from inr.workflows.csg_expression import Call, Name, Node, at_column, parse_expression

Reals = NDArray[np.float64]

MARGIN = 1.1
"""Side of the cube of a shape, in largest extents; fits of shapes have the same."""
DEEPEST = 40
"""Combinations in one another, at most: the document of a model holds them as tables in tables."""

_SPEC = Spec("shape", 3, 1)
_NEAR = 1 - 1e-9
_ROUGH = 0.1
"""Error of the distances, as a part of an offset, that is worth a note."""


@dataclasses.dataclass(frozen=True)
class _Map:
    """Coordinates x of the result's unit box -> matrix x + shift, a place in an operand's units. gain: from its lengths
    to those of the unit box, so that slopes do not grow."""

    matrix: Reals
    shift: Reals
    gain: float

    def then(self, matrix: NDArray[Any], shift: NDArray[Any]) -> _Map:
        """This map, then p -> matrix p + shift."""
        stretch = float(np.linalg.norm(matrix, 2))
        return _Map(matrix @ self.matrix, matrix @ self.shift + shift, self.gain / stretch)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A shape in its own units. low, high: its bounding box. outside, inside: up to which distance from the surface its
    values are distances there; 0: nowhere. build: makes its field behind a map. words: what it is, for messages."""

    low: Reals
    high: Reals
    outside: float
    inside: float
    build: Callable[[_Map], Field]
    words: str
    depth: int = 1


def combine(
    expression: str,
    operands: Callable[[str], Fit],
    *,
    blend: float = 0.0,
    offset: float = 0.0,
    shell: float = 0.0,
    margin: float = 0.0,
) -> Fit:
    """The fit of an expression of fitted shapes and simple solids, see `inr.workflows.csg_expression`.

    operands: gives the fit of a name. blend: width of the blend of each + - & in mesh units. offset: of the result,
    outwards if positive. shell: thickness of a shell around its surface, instead of the solid; 0: the solid.
    margin: by how much the box is larger than the result needs, in mesh units.
    Returns a fit of kind "shape" without a training: operands keep their parameters, and beyond their boxes they are
    continued by a lower bound. Its box is a cube around the boxes of the parts. `meta` states up to which
    distance its values are distances (`outside`, `inside`; null: everywhere).
    Raises UsageError, with the column, for an expression that is not one, operands that are not shapes, an unbounded
    result, and offsets of values that are not distances (see the table above).
    """
    for name, value in (("blend", blend), ("shell", shell), ("margin", margin)):
        if value < 0:
            raise UsageError(f"`{name}` is {value:g}, expected at least 0")
    tree = parse_expression(expression)
    if shell:
        tree = Call("shell", (tree,), (shell,), 1)
    if offset:
        tree = Call("offset", (tree,), (offset,), 1)
    found = _Composer(operands, blend)
    part = found.part(tree)
    if part.depth > DEEPEST:
        raise UsageError(
            f"the expression has {part.depth} combinations in one another, expected at most {DEEPEST}",
            "group them with parentheses: (a + b) + (c + d)",
        )
    size = part.high - part.low
    if not np.isfinite(size).all():
        raise UsageError(
            "the result has no end: a plane bounds only one side", "intersect it with a shape: plane & box"
        )
    if (size <= 0).any():
        raise UsageError("the result is empty: its parts do not meet", "look at their boxes with inr inspect")
    side = MARGIN * float(size.max()) + 2 * margin
    low = (part.low + part.high) / 2 - side / 2
    frame = Frame(
        Domain(tuple(low.tolist()), tuple((low + side).tolist()), ("x", "y", "z"), "mesh units"), (0.0,), (side,)
    )
    field = part.build(_Map(np.eye(3) * side, low, 1 / side))
    ends = {"outside": part.outside, "inside": part.inside}
    meta = {"side": side, "margin": margin + (MARGIN - 1) / 2 * float(size.max())}
    return Fit(
        field=field,
        spec=_SPEC,
        frame=frame,
        meta={**meta, **finite_json(ends)},
        settings=FitConfig(),
        source=expression,
        notes=(*found.notes, *found.uncertain()),
        provenance={"combined": [origin(fit, name) for name, fit in sorted(found.used.items())]},
    )


class _Composer:
    """Turns a tree into parts. used: the fits by name. notes: for the user."""

    def __init__(self, operands: Callable[[str], Fit], blend: float) -> None:
        self._operands, self._blend = operands, blend
        self.used: dict[str, Fit] = {}
        self.notes: list[str] = []
        self._reach = 0.0

    def uncertain(self) -> list[str]:
        """Notes on fits whose distances are too rough for the offsets and shells of the expression."""
        return [
            f"the distances of {name!r} are off by {error:.3g} on average, and so are offsets of it: fit it longer"
            for name, fit in sorted(self.used.items())
            if (error := fit.metrics.get("sdf_mae", 0.0)) > _ROUGH * self._reach > 0
        ]

    def part(self, node: Node) -> _Part:
        if isinstance(node, Name):
            if node.text not in self.used:
                self.used[node.text] = self._load(node)
            return _fitted(self.used[node.text], node)
        parts = [self.part(shape) for shape in node.shapes]
        if not parts:
            return _solid(node)
        if len(parts) == 2:
            return self._joined(node, *parts)
        if node.function in ("offset", "shell"):
            self._reach = max(self._reach, abs(node.numbers[0]))
            return _thicker(node, parts[0])
        return _moved(node, parts[0])

    def _load(self, node: Name) -> Fit:
        try:
            return self._operands(node.text)
        except InrError as error:
            raise type(error)(f"column {node.column}: {error.message}", error.hint) from error

    def _joined(self, node: Call, a: _Part, b: _Part) -> _Part:
        """Union, intersection or difference."""
        k = node.numbers[0] if node.numbers else self._blend
        if k < 0:
            raise at_column(node.column, f"the width of the blend is {k:g}, expected at least 0")
        meet_low, meet_high = np.maximum(a.low, b.low), np.minimum(a.high, b.high)
        if (meet_low > meet_high).any():
            outcome = {"union": "the union has separate parts", "difference": "nothing is cut away"}
            words = outcome.get(node.function, "the intersection is empty")
            self.notes.append(f"{a.words} and {b.words} do not touch: {words}")
        if node.function == "union":
            low, high = np.minimum(a.low, b.low) - k / 4, np.maximum(a.high, b.high) + k / 4
            outside, inside = min(a.outside, b.outside), 0.0
        elif node.function == "intersection":
            low, high, outside, inside = meet_low, meet_high, 0.0, min(a.inside, b.inside)
        else:
            low, high, outside, inside = a.low, a.high, 0.0, min(a.inside, b.outside)
        if k:
            outside = inside = 0.0

        def build(at: _Map) -> Field:
            first, second = a.build(at), b.build(at)
            config = Csg(
                operation=node.function,  # type: ignore[arg-type]  # one of its three
                first=first.config,
                second=second.config,
                blend=k * at.gain,
            )
            return CsgField(config, first, second)

        words = "the blend" if k else f"the {node.function}"
        return _Part(low, high, outside, inside, build, words, 1 + max(a.depth, b.depth))


def _thicker(node: Call, a: _Part) -> _Part:
    """Offset or shell."""
    by = node.numbers[0]
    is_shell = node.function == "shell"
    if is_shell and by <= 0:
        raise at_column(node.column, f"the thickness is {by:g}, expected more than 0")
    reach = by / 2 if is_shell else abs(by)
    for side, known in (("outside", a.outside), ("inside", a.inside)):
        is_needed = is_shell or (by > 0) == (side == "outside")
        if is_needed and by and reach > known:
            raise at_column(node.column, *_not_known(node, a, side, known, reach))
    grow = reach if is_shell else by
    if is_shell:
        outside, inside = min(a.outside, a.inside) - reach, 0.0
    else:
        outside, inside = (a.outside - by, 0.0) if by > 0 else (0.0, a.inside + by)

    def build(at: _Map) -> Field:
        first = a.build(at)
        config = Csg(operation="shell" if is_shell else "offset", first=first.config, by=by * at.gain)
        return CsgField(config, first, None)

    return _Part(a.low - grow, a.high + grow, outside, inside, build, f"the {node.function}", a.depth + 1)


def _not_known(node: Call, a: _Part, side: str, known: float, reach: float) -> tuple[str, str]:
    """Message and hint for an offset or shell of values that are not distances far enough."""
    limit = f"are distances up to {known:.4g} only" if known > 0 else "are only lower bounds of them"
    return (
        f"{node.function} needs the distances {side} up to {reach:.4g}, and there the values of {a.words} {limit}: the "
        "surface would be in the wrong place",
        f"make {a.words} a model with `bake=True` and `margin={2 * reach:.3g}`, and use that"
        if side == "outside"
        else f"make {a.words} a model with `bake=True`, and use that",
    )


def _moved(node: Call, a: _Part) -> _Part:
    """Move, rotate or scale: the part behind the inverse map."""
    n = node.numbers
    matrix, shift, factor = np.eye(3), np.zeros(3), 1.0
    is_equal = True
    if node.function == "move":
        shift = np.array(n)
    elif node.function == "rotate":
        matrix = _rotation(n)
    else:
        factors = np.array(n if len(n) == 3 else n * 3)
        if (factors <= 0).any():
            raise at_column(node.column, f"a factor is {factors.min():g}, expected more than 0")
        matrix, factor = np.diag(factors), float(factors.min())
        is_equal = bool((factors == factors[0]).all())
    inverse = np.linalg.inv(matrix)

    def build(at: _Map) -> Field:
        return a.build(at.then(inverse, -inverse @ shift))

    low, high = _box(matrix, shift, a)
    outside, inside = (a.outside * factor, a.inside * factor) if is_equal else (0.0, 0.0)
    return dataclasses.replace(a, low=low, high=high, outside=outside, inside=inside, build=build)


def _rotation(degrees: tuple[float, ...]) -> Reals:
    """About x, then y, then z."""
    turned = np.eye(3)
    for axis, angle in enumerate(degrees):
        quarter = round(angle / 90)
        is_exact = angle == 90 * quarter
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        if is_exact:
            c, s = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[quarter % 4]
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[i, i], step[i, j], step[j, i], step[j, j] = c, -s, s, c
        turned = step @ turned
    return turned


def _box(matrix: Reals, shift: Reals, a: _Part) -> tuple[Reals, Reals]:
    """The bounding box of a moved box; one without an end stays so."""
    if not np.isfinite([a.low, a.high]).all():
        return np.full(3, -np.inf), np.full(3, np.inf)
    corners = np.stack(np.meshgrid(*zip(a.low, a.high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    moved = corners @ matrix.T + shift
    return moved.min(axis=0), moved.max(axis=0)


def _fitted(fit: Fit, node: Name) -> _Part:
    """A fit in the units of its shape."""
    if fit.spec.quantity != "distances" or (fit.spec.d_in, fit.spec.d_out) != (3, 1):
        raise at_column(
            node.column,
            f"{node.text!r} is a model of kind {fit.spec.kind!r}, expected a shape or point cloud",
            "fit a shape (OBJ, PLY, STL, GLB, OFF) or a point cloud",
        )
    box = fit.frame.domain
    side = box.extent[0]
    if max(box.extent) > side * (1 + 1e-9) or min(box.extent) < side * (1 - 1e-9):
        raise at_column(node.column, f"{node.text!r} has a box of {box.extent}, expected a cube")
    low = np.array(box.low)
    margin = float(fit.meta.get("margin", (1 - 1 / MARGIN) / 2 * side))
    is_composed = isinstance(fit.field, CsgField | PlacedField | PrimitiveField)
    far = math.inf if is_composed else margin * _NEAR
    outside, inside = (
        _reach(fit.meta.get(name, default), default) for name, default in (("outside", far), ("inside", math.inf))
    )

    def build(at: _Map) -> Field:
        config = Placed(
            base=fit.field.config,
            matrix=tuple((at.matrix / side).reshape(-1).tolist()),
            shift=tuple(((at.shift - low) / side).tolist()),
            scale=fit.frame.scale[0] / side,
            offset=fit.frame.offset[0] / side,
            gain=at.gain * side,
            is_boxed=not is_composed,
        )
        return PlacedField(config, copy.deepcopy(fit.field))

    return _Part(low + margin, low + side - margin, outside, inside, build, repr(node.text), _depth(fit.field) + 1)


def _reach(stated: Any, default: float) -> float:
    """The distance that a model's metadata states; none: everywhere."""
    if stated is None:
        return math.inf
    return float(stated) if isinstance(stated, int | float) and stated >= 0 else default


def _depth(field: Field) -> int:
    """Composed fields in one another."""
    inner = [field.first, field.second] if isinstance(field, CsgField) else [getattr(field, "base", None)]
    return 1 + max((_depth(one) for one in inner if isinstance(one, CsgField | PlacedField)), default=0)


def _solid(node: Call) -> _Part:
    """A simple solid."""
    n = np.array(node.numbers)
    centre, sizes = n[:3], n[3:]
    half: Reals = np.full(3, np.inf)
    if node.function != "plane" and (sizes <= 0).any():
        raise at_column(node.column, f"a size of the {node.function} is {sizes.min():g}, expected more than 0")
    if node.function == "plane" and not centre.any():
        raise at_column(node.column, "the normal of the plane is 0, expected a direction")
    if node.function == "sphere":
        half = np.full(3, sizes[0])
    elif node.function == "box":
        half = sizes / 2
    elif node.function == "cylinder":
        half = np.array([sizes[0], sizes[0], sizes[1] / 2])
    elif node.function == "torus":
        half = np.array([sizes.sum(), sizes.sum(), sizes[1]])

    def build(at: _Map) -> Field:
        # far from the origin, float32 has too few digits for places, but not for offsets from the centre
        if node.function == "plane":
            normal = at.matrix.T @ centre
            stretch = float(np.linalg.norm(normal) / np.linalg.norm(centre))
            level = (float(n[3]) - float(centre @ at.shift)) / float(np.linalg.norm(normal))
            numbers = (*(normal / np.linalg.norm(normal)).tolist(), level)
            placed = Placed(base=Primitive(solid="plane", numbers=numbers), gain=at.gain * stretch, is_boxed=False)
        else:
            own = Primitive(solid=node.function, numbers=(0.0, 0.0, 0.0, *sizes.tolist()))  # type: ignore[arg-type]  # one of its solids
            matrix, shift = tuple(at.matrix.reshape(-1).tolist()), tuple((at.shift - centre).tolist())
            placed = Placed(base=own, matrix=matrix, shift=shift, gain=at.gain, is_boxed=False)
        return placed.resolve(_SPEC).build(_SPEC, Generator())

    low, high = (np.full(3, -np.inf), half) if node.function == "plane" else (centre - half, centre + half)
    return _Part(low, high, math.inf, math.inf, build, f"the {node.function}", 2)
