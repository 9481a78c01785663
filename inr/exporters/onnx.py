"""ONNX: standard operators only, for any runtime, including browsers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.optional import need
from inr.exporters import ops
from inr.exporters._exporter import EXPORTERS, Exported, Exporter, provenance
from inr.exporters._lowering import Coordinates, lower
from inr.exporters.ops import Array, Operation
from inr.fitting import Fit

OPSET = 18
"""Of exclusive or on integers; the intermediate representation is the one that came with it."""
IR_VERSION = 8
MAX_BYTES = 2**31 - 2**20
"""Largest size of a protocol buffer."""
LARGE = 2**16
"""Bytes from which a constant is large."""

_NAMES = {
    "sin": "Sin", "cos": "Cos", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "abs": "Abs", "floor": "Floor",
    "reciprocal": "Reciprocal", "relu": "Relu", "tanh": "Tanh", "sinh": "Sinh", "cosh": "Cosh", "atan": "Atan",
    "erf": "Erf", "sigmoid": "Sigmoid", "softplus": "Softplus", "elu": "Elu",
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "maximum": "Max",
}  # fmt: skip


@EXPORTERS.register("onnx")
@dataclass(frozen=True, kw_only=True)
class Onnx(Exporter):
    """An ONNX graph of standard operators (opset 18), points [N, D] to values [N, C] in float32 for any N.

    With coordinates=signal the points are float64, because coordinates may be far from the origin. Hashes use 32-bit
    integers, because 64-bit support in browser runtimes is limited; products wrap around. Computations that are float64
    in the field stay float64.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    coordinates: Coordinates = param("unit", "units of points: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        need("onnx", "export to ONNX", "inr[export]")
        return Exported({suffix: _model(fit, self.coordinates)})


def _model(fit: Fit, coordinates: Coordinates) -> bytes:
    import onnx
    from onnx import TensorProto, helper

    from inr._version import __version__

    program = lower(fit, coordinates)
    if 8 * program.n_numbers > MAX_BYTES:
        raise UsageError(f"ONNX files have at most 2 GiB, and the field has {program.n_numbers:,} numbers")
    graph = _Graph()
    names: list[str] = []
    for op in program.ops:
        names.append(graph.value(op, [names[i] for i in op.inputs]))
    graph.node("Identity", names[-1], output="values")
    taken = TensorProto.DOUBLE if program.precision == "float64" else TensorProto.FLOAT
    points = helper.make_tensor_value_info("points", taken, ["N", program.d_in])
    # The checker copies what it checks several times over, so there large constants are inputs.
    large = [c for c in graph.constants if c.name in graph.large]
    made = helper.make_graph(
        graph.nodes,
        "field",
        [points, *(helper.make_tensor_value_info(c.name, c.data_type, c.dims) for c in large)],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["N", program.d_out])],
        [c for c in graph.constants if c.name not in graph.large],
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="inr",
        producer_version=__version__,
    )
    about = {"about": " ".join(provenance(fit)), "coordinates": coordinates, "opset": str(OPSET), "tolerance": "1e-5"}
    helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    del model.graph.input[1:], model.graph.initializer[:], program, op
    for outline in graph.constants:
        constant = model.graph.initializer.add()
        constant.CopyFrom(outline)
        if outline.name in graph.large:
            constant.raw_data = graph.large.pop(constant.name).tobytes()
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Graph:
    """Nodes and constants under construction; names are consecutive numbers.

    large: the numbers of large constants by name, which `constants` lacks.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.large: dict[str, Array] = {}
        self.dtypes: dict[str, Any] = {}
        self._tables: dict[tuple[int, Any], str] = {}
        self._count = 0

    def node(self, kind: str, *inputs: str | Array, output: str | None = None, **attributes: Any) -> str:
        """One node; arrays among the inputs become constants."""
        from onnx import helper

        self._count += 1
        output = output or f"v{self._count}"
        names = [self.constant(i) if isinstance(i, np.ndarray) else i for i in inputs]
        self.nodes.append(helper.make_node(kind, names, [output], **attributes))
        self.dtypes[output] = self.dtypes.get(names[0], np.float32)
        return output

    def constant(self, values: Array) -> str:
        from onnx import TensorProto, helper, numpy_helper

        name = f"c{len(self.constants)}"
        values = np.require(values, requirements="C")
        if values.nbytes < LARGE:
            self.constants.append(numpy_helper.from_array(values, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(values.dtype)
            self.constants.append(TensorProto(dims=values.shape, data_type=kind, name=name))
            self.large[name] = values.astype(values.dtype.newbyteorder("<"), copy=False)
        return name

    def value(self, op: Operation, inputs: Sequence[str]) -> str:
        """The nodes of an op; the name of its result. Float arrays have the precision of the inputs."""
        name: str = getattr(self, op.name)(op, *inputs)
        if isinstance(op, ops.CastOp):
            self.dtypes[name] = np.dtype(op.dtype)
        return name

    def like(self, values: Any, name: str) -> Array:
        return np.asarray(values, self.dtypes.get(name, np.float32))

    def input(self, op: ops.InputOp) -> str:
        self.dtypes["points"] = np.dtype(op.dtype)
        return "points"

    def affine(self, op: ops.AffineOp, h: str) -> str:
        if np.any(op.scale != 1):
            h = self.node("Mul", h, self.like(op.scale, h))
        return self.node("Add", h, self.like(op.shift, h)) if np.any(op.shift != 0) else h

    def dense(self, op: ops.DenseOp, h: str) -> str:
        return self.node("Gemm", h, self.like(op.weight, h), self.like(op.bias, h), transB=1)

    def chosen(self, op: ops.ChosenOp, h: str, k: str) -> str:
        from onnx import TensorProto

        which = self.node("Cast", self.node("Squeeze", k, np.array([1])), to=TensorProto.INT64)
        weight = self.node("Gather", self.like(op.weight, h), which, axis=0)
        product = self.node("MatMul", weight, self.node("Unsqueeze", h, np.array([2])))
        bias = self.node("Gather", self.like(op.bias, h), which, axis=0)
        return self.node("Add", self.node("Squeeze", product, np.array([2])), bias)

    def map(self, op: ops.MapOp, h: str) -> str:
        return self.function(op.function, h)

    def function(self, name: str, h: str) -> str:
        return self.node("Mul", h, h) if name == "square" else self.node(_NAMES[name], h)

    def clamp(self, op: ops.ClampOp, h: str) -> str:
        low, high = ("" if bound is None else self.constant(self.like(bound, h)) for bound in (op.low, op.high))
        return self.node("Clip", h, low, high)

    def join(self, op: ops.JoinOp, a: str, b: str) -> str:
        return self.node(_NAMES[op.function], a, b)

    def concat(self, op: ops.ConcatOp, *parts: str) -> str:
        return self.node("Concat", *parts, axis=1)

    def select(self, op: ops.SelectOp, h: str) -> str:
        return self.node("Gather", h, op.index, axis=1)

    def sum(self, op: ops.SumOp, h: str) -> str:
        parts = self.node("Reshape", h, np.array([-1, op.parts, op.width]))
        return self.node("ReduceSum", parts, np.array([1]), keepdims=0)

    def cast(self, op: ops.CastOp, h: str) -> str:
        from onnx import TensorProto

        return self.node("Cast", h, to=TensorProto.DOUBLE if op.dtype == "float64" else TensorProto.FLOAT)

    def grid(self, op: ops.GridOp, x: str) -> str:
        """Axes of what is in between: points, levels, corners, coordinates or features."""
        from onnx import TensorProto

        d, f = op.scale.shape[1], op.table.shape[1]
        corners = np.indices((2,) * d).reshape(d, -1).T
        axis = np.array([1])
        place = self.node("Mul", self.node("Unsqueeze", x, axis), self.like(op.scale, x))
        if op.start:
            place = self.node("Add", place, self.like(op.start, x))
        cell = self.node("Floor", place)
        if op.last is not None:
            cell = self.node("Min", cell, self.like(op.last, x))
        t = self.node("Sub", place, cell)
        if op.is_smooth:
            ease = self.node("Sub", self.like(3.0, x), self.node("Mul", t, self.like(2.0, x)))
            t = self.node("Mul", self.node("Mul", t, t), ease)
        two = np.array([2])
        t = self.node("Unsqueeze", t, two)
        t = self.node("Add", self.node("Mul", t, self.like(2 * corners - 1, x)), self.like(1 - corners, x))
        weight = self.node("ReduceProd", t, np.array([3]), keepdims=1)
        whole = self.node("Unsqueeze", self.node("Cast", cell, to=TensorProto.INT32), two)
        vertex = self.node("Add", whole, corners.astype(np.int32))
        index = self.node("Add", self._row(op, vertex), op.offset.astype(np.int32)[:, None])
        rows = self.node("Gather", self.table(op, x), index, axis=0)
        total = self.node("ReduceSum", self.node("Mul", rows, weight), two, keepdims=0)
        return self.node("Reshape", total, np.array([-1, len(op.scale) * f]))

    def table(self, op: ops.GridOp, x: str) -> str:
        """The constant of a grid's table, which several grids may read."""
        values = self.like(op.table, x)
        key = id(op.table), values.dtype
        if key not in self._tables:
            self._tables[key] = self.constant(values)
        return self._tables[key]

    def _row(self, op: ops.GridOp, vertex: str) -> str:
        """The row within its level of every vertex, in 32 bits."""
        entries = op.entries.astype(np.int32)[:, None]
        stride = np.where(op.is_hashed[:, None], 0, op.stride).astype(np.int32)[:, None]
        steps = self.node("ReduceSum", self.node("Mul", vertex, stride), np.array([3]), keepdims=0)
        dense = self.node("Mod", steps, entries)
        if not op.is_hashed.any():
            return dense
        products = self.node("Mul", vertex, op.factor.view(np.int32))
        axes = [self.node("Gather", products, np.array(i), axis=3) for i in range(len(op.factor))]
        mixed = axes[0]
        for other in axes[1:]:
            mixed = self.node("BitwiseXor", mixed, other)
        hashed = self.node("BitwiseAnd", mixed, entries - 1)
        return hashed if op.is_hashed.all() else self.node("Where", op.is_hashed[:, None], hashed, dense)

    def columns(self, x: str, d: int) -> list[str]:
        """Columns [N, 1]."""
        return [self.node("Gather", x, np.array([i]), axis=1) for i in range(d)]

    def radial(self, op: ops.RadialOp, x: str) -> str:
        d = op.centres.shape[1]
        offset = [self.node("Sub", c, self.like(op.centres[:, i], x)) for i, c in enumerate(self.columns(x, d))]
        roots = [[None if np.all(r == 0) else self.like(r, x) for r in op.roots[:, i].T] for i in range(d)]
        phi, q = self._phi(op.kernel, offset, roots)
        if op.reach is None or q is None:
            return phi
        near = self.node("LessOrEqual", q, self.like(op.reach**2, x))
        return self.node("Where", near, phi, self.like(0.0, x))

    def _phi(
        self, kernel: str, offset: Sequence[str], roots: Sequence[Sequence[str | Array | None]]
    ) -> tuple[str, str | None]:
        """phi and, except for the tent, |R (x - c)|^2 [N, M]."""
        y = []
        for row in roots:
            products = [self.node("Mul", o, r) for o, r in zip(offset, row, strict=True) if r is not None]
            y.append(self._fold("Add", products))
        like = y[0]
        if kernel == "tent":
            tents = [self.node("Relu", self.node("Sub", self.like(1.0, like), self.node("Abs", part))) for part in y]
            return self._fold("Mul", tents), None
        q = self._fold("Add", [self.node("Mul", part, part) for part in y])
        return self._of_square(kernel, q), q

    def _fold(self, kind: str, parts: Sequence[str]) -> str:
        total = parts[0]
        for part in parts[1:]:
            total = self.node(kind, total, part)
        return total

    def _of_square(self, kernel: str, q: str) -> str:
        def times(a: str, factor: float) -> str:
            return self.node("Mul", a, self.like(factor, q))

        def plus(a: str, shift: float) -> str:
            return self.node("Add", a, self.like(shift, q))

        def root() -> str:
            return self.node("Sqrt", q)

        def inverse(a: str) -> str:
            return self.node("Reciprocal", a)

        def exp(a: str) -> str:
            return self.node("Exp", a)

        forms: dict[str, Callable[[], str]] = {
            "inverse_quadric": lambda: inverse(plus(q, 1)),
            "inverse_multiquadric": lambda: inverse(self.node("Sqrt", plus(q, 1))),
            "inverse_linear": lambda: inverse(plus(root(), 1e-10)),
            "inverse_cubic": lambda: inverse(plus(self.node("Mul", q, root()), 1e-30)),
            "gauss": lambda: exp(times(q, -0.5)),
            "gauss_squared": lambda: exp(times(self.node("Mul", q, q), -0.25)),
            "markov": lambda: exp(times(root(), -1)),
            "exp_sine": lambda: exp(times(self.node("Sin", root()), -1)),
            "quadric": lambda: plus(q, 1),
            "multiquadric": lambda: self.node("Sqrt", plus(q, 1)),
            "linear": root,
            "cubic": lambda: self.node("Mul", q, root()),
            "thin_plate": lambda: self.node("Mul", times(q, 0.5), self.node("Log", self._or_one(q))),
        }
        return forms[kernel]()

    def _or_one(self, q: str) -> str:
        """q where it is positive, else 1."""
        return self.node("Where", self.node("Greater", q, self.like(0.0, q)), q, self.like(1.0, q))

    def nearest(self, op: ops.NearestOp, x: str) -> str:
        d = op.centres.shape[1]
        columns = self.columns(x, d)
        squares = []
        for i, column in enumerate(columns):
            offset = self.node("Sub", column, self.like(op.centres[:, i], x))
            squares.append(self.node("Mul", offset, offset))
        distance = self._fold("Add", squares)
        index = self.top(distance, op.neighbours)
        offsets = [
            self.node("Sub", c, self.node("Gather", self.like(op.centres[:, i], x), index, axis=0))
            for i, c in enumerate(columns)
        ]
        roots = [
            [self.node("Gather", self.like(op.roots[:, r, i], x), index, axis=0) for i in range(d)] for r in range(d)
        ]
        phi, _ = self._phi(op.kernel, offsets, roots)
        if op.is_normalised:
            total = self.node("ReduceSum", phi, np.array([1]), keepdims=1)
            phi = self.node("Div", phi, self.node("Add", total, self.like(1e-8, x)))
        mix = self.node("Unsqueeze", phi, np.array([2]))
        if op.factors is not None:
            mix = self.node("Sin", self.node("Mul", mix, self.like(op.factors, x)))
        rows = self.node("Gather", self.like(op.weight, x), index, axis=0)
        return self.node("ReduceSum", self.node("Mul", rows, mix), np.array([1]), keepdims=0)

    def top(self, distance: str, k: int) -> str:
        """Column indices [N, k] of the k smallest numbers of each row."""
        from onnx import helper

        self._count += 1
        least, index = f"v{self._count}", f"i{self._count}"
        names = [distance, self.constant(np.array([k]))]
        self.nodes.append(helper.make_node("TopK", names, [least, index], axis=1, largest=0, sorted=1))
        return index

    def polynomials(self, op: ops.PolynomialsOp, u: str) -> str:
        terms = [self.node("Add", self.node("Mul", u, self.like(0.0, u)), self.like(1.0, u)), u]
        for a, b in zip(op.a[1:], op.b[1:], strict=True):
            ahead = self.node("Mul", self.node("Mul", u, self.like(a, u)), terms[-1])
            terms.append(self.node("Sub", ahead, self.node("Mul", terms[-2], self.like(b, u)) if b != 1 else terms[-2]))
        return self.node("Mul", self.node("Concat", *terms[: len(op.scale)], axis=1), self.like(op.scale, u))
