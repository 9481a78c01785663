"""GLSL and WGSL functions from an op list.

A value is an array of 4-vectors, padded with 0. Up to a limit, numbers become constants in straight-line code; beyond
it they become one flat array of 4-vectors that loops read. Arguments of sines are reduced to [-pi, pi], the range in
which shading languages guarantee accuracy. Arrays are reused when their values are no longer needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import numpy as np

from inr.core.errors import UsageError
from inr.exporters import ops
from inr.exporters.ops import Array, Program

MAX_D = 4
MAX_LOCAL = 4096
"""Largest width of a value; every shader invocation has its own arrays of this size."""

_TEXT = {
    "sin": "{p}_sin({a})",
    "cos": "{p}_sin({a} + 1.5707963268)",
    "exp": "exp({a})",
    "log": "log({a})",
    "sqrt": "sqrt({a})",
    "square": "{a} * {a}",
    "abs": "abs({a})",
    "floor": "floor({a})",
    "reciprocal": "1.0 / {a}",
    "relu": "max({a}, {zero})",
    "tanh": "tanh(clamp({a}, {zero} - 15.0, {zero} + 15.0))",
    "sinh": "sinh({a})",
    "cosh": "cosh({a})",
    "atan": "atan({a})",
    "erf": "{p}_erf({a})",
    "sigmoid": "1.0 / (1.0 + exp(-{a}))",
    "softplus": "max({a}, {zero}) + log(1.0 + exp(-abs({a})))",
    "elu": "max({a}, {zero}) + min(exp(min({a}, {zero})) - 1.0, {zero})",
}
_FROM_ZERO = ("cos", "exp", "log", "reciprocal", "cosh", "sigmoid", "softplus")
"""Functions with value 0 outside their support."""
_PAIRS = {"add": "{a} + {b}", "subtract": "{a} - {b}", "multiply": "{a} * {b}", "divide": "{a} / {b}",
          "maximum": "max({a}, {b})"}  # fmt: skip
_RADIAL = {
    "inverse_quadric": "1.0 / (1.0 + q)",
    "inverse_multiquadric": "1.0 / sqrt(1.0 + q)",
    "inverse_linear": "1.0 / (sqrt(q) + 1e-10)",
    "inverse_cubic": "1.0 / (q * sqrt(q) + 1e-30)",
    "gauss": "exp(-0.5 * q)",
    "gauss_squared": "exp(-0.25 * q * q)",
    "markov": "exp(-sqrt(q))",
    "exp_sine": "exp(-sin(sqrt(q)))",
    "quadric": "1.0 + q",
    "multiquadric": "sqrt(1.0 + q)",
    "linear": "sqrt(q)",
    "cubic": "q * sqrt(q)",
    "thin_plate": "0.5 * q * log(max(q, 1e-30))",
}


class Dialect(ABC):
    """The syntax in which shading languages differ."""

    vec4: str
    mat4: str
    uint: str
    to_int: str
    to_float: str

    @abstractmethod
    def local(self, kind: str, name: str, value: str) -> str:
        """A variable of kind "float", "uint" or "vec4"."""

    @abstractmethod
    def array(self, name: str, n: int) -> str: ...

    @abstractmethod
    def loop(self, index: str, n: int) -> str:
        """The head of a loop over whole numbers from 0 to n - 1."""

    @abstractmethod
    def function(self, name: str, arguments: Sequence[tuple[str, str]], result: str, body: str) -> str:
        """A function on one line."""

    @abstractmethod
    def head(self, name: str, d_in: int, d_out: int) -> str: ...

    @abstractmethod
    def tail(self, components: Sequence[str]) -> str: ...

    @abstractmethod
    def storage(self, name: str, n: int) -> str:
        """The flat array of n 4-vectors, and NAME_weight(i) that reads it."""


@dataclass(frozen=True)
class Shader:
    """The source of a shader, and its weights [n, 4], if there are too many for constants."""

    text: str
    weights: Array | None


def shader(program: Program, dialect: Dialect, name: str, limit: int, about: Sequence[str]) -> Shader:
    """One pure function `name` of the program. limit: largest number of constants.

    Raises UsageError if shaders cannot evaluate the program.
    """
    _check(program)
    has_loops = any(program.find(ops.GridOp, ops.RadialOp, ops.ChosenOp))
    writer = _Writer(dialect, name, is_constant=program.n_numbers <= limit and not has_loops)
    writer.write(program)
    weights = None if writer.is_constant else writer.weights
    parts = [f"// {' '.join(line.split())}" for line in about]
    if weights is not None:
        parts.append(dialect.storage(name, len(weights)))
    helpers = [text for key, text in _helpers(dialect, name).items() if any(key in line for line in writer.lines)]
    arguments = dialect.head(name, program.d_in, program.d_out)
    parts += [*helpers, arguments, *writer.lines, "}"]
    return Shader("\n".join(parts) + "\n", weights)


def _check(program: Program) -> None:
    if any(program.find(ops.CastOp)):
        raise UsageError("the field needs float64, which shaders do not support", "use the format onnx or numpy")
    if any(program.find(ops.NearestOp)):
        raise UsageError(
            "the field searches the nearest kernels of each point, which is too slow in a shader",
            "use the format onnx or numpy",
        )
    if program.d_in > MAX_D:
        raise UsageError(
            f"the field has {program.d_in} coordinates, expected at most {MAX_D} (the size of shader vectors)"
        )
    fused = {i for i, _ in _fused(program).values()}
    widest = max(op.width for i, op in enumerate(program.ops) if i not in fused)
    if widest > MAX_LOCAL:
        raise UsageError(f"the field has {widest} numbers side by side at each point, for shaders at most {MAX_LOCAL}")


def _consumers(program: Program) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in program.ops]
    for i, op in enumerate(program.ops):
        for j in op.inputs:
            found[j].append(i)
    return found


def _fused(program: Program) -> dict[int, tuple[int, ops.RadialOp]]:
    """Dense op -> its kernels, if no other op reads the kernels' values: no array is needed for them."""
    users = _consumers(program)
    return {
        users[i][0]: (i, op)
        for i, op in enumerate(program.ops)
        if isinstance(op, ops.RadialOp) and len(users[i]) == 1 and isinstance(program.ops[users[i][0]], ops.DenseOp)
    }


def _helpers(d: Dialect, name: str) -> dict[str, str]:
    """Helper functions, by the text whose occurrence requires them."""
    turn = "floor(a * 0.15915494309 + 0.5)"
    reduced = f"sin((a - 6.28125 * {turn}) - 0.0019353071796 * {turn})"
    t = "1.0 / (1.0 + 0.3275911 * abs(a))"
    poly = "((((1.061405429 * {t} - 1.453152027) * {t} + 1.421413741) * {t} - 0.284496736) * {t} + 0.254829592) * {t}"
    erf = f"sign(a) * (1.0 - {poly.format(t=f'({t})')} * exp(-a * a))"
    v = d.vec4
    return {
        f"{name}_sin(": "// The sine of an argument brought into [-pi, pi].\n"
        + d.function(f"{name}_sin", [(v, "a")], v, reduced),
        f"{name}_erf(": "// Abramowitz and Stegun 7.1.26, within 1.5e-7.\n"
        + d.function(f"{name}_erf", [(v, "a")], v, erf),
        f"{name}_number(": d.function(f"{name}_number", [("int", "i")], "float", f"{name}_weight(i >> 2u)[i & 3]"),
    }  # fmt: skip


def number(value: float) -> str:
    """A float32 in the fewest digits that read back the same."""
    text = str(np.float32(value))
    return text if "." in text or "e" in text else f"{text}.0"


class _Writer:
    """The function body under construction."""

    def __init__(self, dialect: Dialect, name: str, *, is_constant: bool) -> None:
        self.d, self.name, self.is_constant = dialect, name, is_constant
        self.lines: list[str] = []
        self.blocks: list[Array] = []
        self.size = 0
        self._tables: dict[int, int] = {}
        self._indent = 1
        self._free: dict[int, list[str]] = {}
        self._names: dict[int, str] = {}
        self._count = 0

    @property
    def weights(self) -> Array:
        return np.concatenate(self.blocks) if self.blocks else np.zeros((1, 4), np.float32)

    def write(self, program: Program) -> None:
        users, fused = _consumers(program), _fused(program)
        skipped = {i for i, _ in fused.values()}
        last = {i: max(users[i], default=len(program.ops)) for i in range(len(program.ops))}
        for place, (source, radial) in fused.items():
            last[radial.inputs[0]] = max(last[radial.inputs[0]], place)
            last[source] = place
        for i, op in enumerate(program.ops):
            if i in skipped:
                continue
            if i in fused:
                radial = fused[i][1]
                assert isinstance(op, ops.DenseOp)
                inputs = [self._names[j] for j in radial.inputs]
                self._names[i] = self._array(op.width)
                self._sum_of_kernels(op, radial, inputs[0], self._names[i])
            else:
                inputs = [self._names[j] for j in op.inputs]
                can_replace = isinstance(op, ops.MapOp | ops.AffineOp | ops.ClampOp | ops.JoinOp)
                if can_replace and last[op.inputs[0]] == i:
                    self._names[i] = inputs[0]
                else:
                    self._names[i] = self._array(op.width)
                emit: Callable[..., None] = getattr(self, f"_{op.name}")
                emit(op, self._names[i], *(zip(inputs, (program.ops[j].width for j in op.inputs), strict=True)))
            for j in range(i + 1):
                if j in self._names and last[j] == i and self._names[j] != self._names[i]:
                    free = self._free.setdefault(-(-program.ops[j].width // 4), [])
                    if self._names[j] not in free:
                        free.append(self._names[j])
        result = self._names[len(program.ops) - 1]
        self.line(self.d.tail([_component(result, c) for c in range(program.d_out)]))

    # --- text ---

    def line(self, text: str) -> None:
        self.lines.append("  " * self._indent + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        self.line(head)
        self._indent += 1
        yield
        self._indent -= 1
        self.line("}")

    def loop(self, index: str, n: int) -> AbstractContextManager[None]:
        return self.block(self.d.loop(index, n))

    def _array(self, width: int) -> str:
        n = -(-width // 4)
        if self._free.get(n):
            return self._free[n].pop()
        name = f"v{self._count}"
        self._count += 1
        self.line(self.d.array(name, n))
        return name

    def _vector(self, values: Sequence[float] | Array) -> str:
        padded = [*values, *[0.0] * (4 - len(values))]
        return f"{self.d.vec4}({', '.join(number(v) for v in padded)})"

    def _store(self, values: Array) -> int:
        """Append rows [n, k], each padded to 4-vectors; the place of the first."""
        place = self.size
        width = -(-values.shape[-1] // 4) * 4
        padded = np.zeros((len(values), width), np.float32)
        padded[:, : values.shape[-1]] = values
        self.blocks.append(padded.reshape(-1, 4))
        self.size += padded.size // 4
        return place

    def _table(self, table: Array, is_whole: bool) -> int:
        """The place of a grid's table, which several grids may read: its 4-vector, or its number if rows are ragged."""
        if id(table) not in self._tables:
            flat = table.astype(np.float32).ravel()
            place = self._store(np.pad(flat, (0, -len(flat) % 4)).reshape(-1, 4))
            self._tables[id(table)] = place if is_whole else 4 * place
        return self._tables[id(table)]

    def _zero_pads(self, name: str, width: int) -> None:
        if width % 4:
            last, kept = width // 4, width % 4
            parts = [f"{name}[{last}].{c}" for c in "xyzw"[:kept]] + ["0.0"] * (4 - kept)
            self.line(f"{name}[{last}] = {self.d.vec4}({', '.join(parts)});")

    def _each(self, width: int, text: Callable[[str], str]) -> None:
        """A statement for every 4-vector, whose place is put into the text."""
        n = -(-width // 4)
        if n == 1:
            self.line(text("0"))
        else:
            with self.loop("j", n):
                self.line(text("j"))

    # --- ops ---

    def _input(self, op: ops.InputOp, out: str) -> None:
        names = ["x"] if op.width == 1 else [f"x.{c}" for c in "xyzw"[: op.width]]
        self.line(f"{out}[0] = {self.d.vec4}({', '.join([*names, *['0.0'] * (4 - op.width)])});")

    def _affine(self, op: ops.AffineOp, out: str, h: tuple[str, int]) -> None:
        source, width = h
        if np.ptp(op.scale) == 0 and not op.shift.any():
            self._each(width, lambda j: f"{out}[{j}] = {source}[{j}] * {number(float(op.scale[0]))};")
        elif self.is_constant or width <= 4:
            for k in range(0, width, 4):
                scale, shift = self._vector(op.scale[k : k + 4]), self._vector(op.shift[k : k + 4])
                self.line(f"{out}[{k // 4}] = {source}[{k // 4}] * {scale} + {shift};")
        else:
            a, b = self._store(op.scale[None]), self._store(op.shift[None])
            w = f"{self.name}_weight"
            self._each(width, lambda j: f"{out}[{j}] = {source}[{j}] * {w}({a} + {j}) + {w}({b} + {j});")

    def _dense(self, op: ops.DenseOp, out: str, h: tuple[str, int]) -> None:
        source, width = h
        n, m = -(-width // 4), -(-op.width // 4)
        weight = np.zeros((4 * m, 4 * n), np.float32)
        weight[: op.width, :width] = op.weight
        bias = np.zeros(4 * m, np.float32)
        bias[: op.width] = op.bias
        if self.is_constant:
            for j in range(m):
                terms = [self._vector(bias[4 * j : 4 * j + 4])]
                for k in range(n):
                    block = weight[4 * j : 4 * j + 4, 4 * k : 4 * k + 4]
                    numbers = ", ".join(number(float(v)) for v in block.T.flat)
                    terms.append(f"{self.d.mat4}({numbers}) * {source}[{k}]")
                self.line(f"{out}[{j}] = " + "\n    + ".join(terms) + ";")
            return
        blocks = weight.reshape(m, 4, n, 4).transpose(0, 2, 3, 1).reshape(-1, 4)  # row block, column block, column
        self._products(out, source, str(self._store(blocks)), str(self._store(bias[None])), n, m)

    def _products(self, out: str, source: str, weight: str, bias: str, n: int, m: int) -> None:
        """A layer of n by m 4-vectors. weight, bias: the places of its numbers."""
        w = f"{self.name}_weight"
        with self.loop("j", m):
            self.line(self.d.local("vec4", "s", f"{w}({bias} + j)"))
            with self.loop("k", n):
                for c in range(4):
                    self.line(f"s += {w}({weight} + (j * {n} + k) * 4 + {c}) * {source}[k].{'xyzw'[c]};")
            self.line(f"{out}[j] = s;")

    def _chosen(self, op: ops.ChosenOp, out: str, h: tuple[str, int], k: tuple[str, int]) -> None:
        n, m = -(-h[1] // 4), -(-op.width // 4)
        weight = np.zeros((len(op.weight), 4 * m, 4 * n), np.float32)
        weight[:, : op.width, : h[1]] = op.weight
        blocks = weight.reshape(-1, m, 4, n, 4).transpose(0, 1, 3, 4, 2).reshape(-1, 4)
        a, b = self._store(blocks), self._store(op.bias)
        with self.block("{"):
            self.line(self.d.local("uint", "chosen", f"{self.d.uint}({k[0]}[0].x)"))
            which = f"{self.d.to_int}(chosen)"
            self._products(out, h[0], f"{a} + {which} * {4 * m * n}", f"{b} + {which} * {m}", n, m)

    def _map(self, op: ops.MapOp, out: str, h: tuple[str, int]) -> None:
        zero = f"{self.d.vec4}(0.0)"

        def text(j: str) -> str:
            return f"{out}[{j}] = " + _TEXT[op.function].format(a=f"{h[0]}[{j}]", p=self.name, zero=zero) + ";"

        self._each(h[1], text)
        if op.function in _FROM_ZERO:
            self._zero_pads(out, op.width)

    def _clamp(self, op: ops.ClampOp, out: str, h: tuple[str, int]) -> None:
        def text(j: str) -> str:
            inner = f"{h[0]}[{j}]"
            if op.low is not None:
                inner = f"max({inner}, {self.d.vec4}({number(op.low)}))"
            if op.high is not None:
                inner = f"min({inner}, {self.d.vec4}({number(op.high)}))"
            return f"{out}[{j}] = {inner};"

        self._each(op.width, text)
        if (op.low or 0.0) > 0 or (op.high or 0.0) < 0:
            self._zero_pads(out, op.width)

    def _join(self, op: ops.JoinOp, out: str, a: tuple[str, int], b: tuple[str, int]) -> None:
        is_shared = b[1] == 1 and a[1] > 1

        def text(j: str) -> str:
            second = f"{self.d.vec4}({b[0]}[0].x)" if is_shared else f"{b[0]}[{j}]"
            return f"{out}[{j}] = " + _PAIRS[op.function].format(a=f"{a[0]}[{j}]", b=second) + ";"

        self._each(op.width, text)
        if is_shared or op.function == "divide":
            self._zero_pads(out, op.width)

    def _concat(self, op: ops.ConcatOp, out: str, *parts: tuple[str, int]) -> None:
        self._gather(out, [(name, c) for name, width in parts for c in range(width)])

    def _select(self, op: ops.SelectOp, out: str, h: tuple[str, int]) -> None:
        n = op.width // h[1]
        if n > 0 and n % 4 == 0 and np.array_equal(op.index, np.arange(op.width) // n):
            with self.loop("r", h[1]), self.loop("j", n // 4):
                self.line(f"{out}[r * {n // 4} + j] = {self.d.vec4}({h[0]}[r >> 2u][r & 3]);")
            return
        self._gather(out, [(h[0], int(c)) for c in op.index])

    def _gather(self, out: str, wanted: Sequence[tuple[str, int]]) -> None:
        """Components of arrays as the components of one; runs of whole 4-vectors become loops."""
        k, n = 0, len(wanted)
        while k < n:
            name, first = wanted[k]
            run = 0
            while k + run < n and wanted[k + run] == (name, first + run):
                run += 1
            whole = run // 4 if k % 4 == 0 and first % 4 == 0 else 0
            if whole > 1:
                with self.loop("j", whole):
                    self.line(f"{out}[{k // 4} + j] = {name}[{first // 4} + j];")
                k += 4 * whole
                continue
            chosen = [_component(*source) for source in wanted[k : k + 4]]
            chosen += ["0.0"] * (4 - len(chosen))
            self.line(f"{out}[{k // 4}] = {self.d.vec4}({', '.join(chosen)});")
            k += 4

    def _sum(self, op: ops.SumOp, out: str, h: tuple[str, int]) -> None:
        source, width = h
        self._each(op.width, lambda j: f"{out}[{j}] = {self.d.vec4}(0.0);")
        if op.width == 1:
            ones = f"{self.d.vec4}(1.0)"
            self._each(width, lambda j: f"{out}[0].x += dot({source}[{j}], {ones});")
        elif op.width % 4 == 0:
            n = op.width // 4
            with self.loop("r", op.parts), self.loop("j", n):
                self.line(f"{out}[j] += {source}[r * {n} + j];")
        else:
            with self.loop("r", op.parts), self.loop("c", op.width):
                at = f"(r * {op.width} + c)"
                self.line(f"{out}[c >> 2u][c & 3] += {source}[{at} >> 2u][{at} & 3];")

    # --- grids and kernels ---

    def _grid(self, op: ops.GridOp, out: str, x: tuple[str, int]) -> None:
        d, f = op.scale.shape[1], op.table.shape[1]
        is_whole = f % 4 == 0
        base = self._table(op.table, is_whole)
        self._each(op.width, lambda j: f"{out}[{j}] = {self.d.vec4}(0.0);")
        for level in range(len(op.scale)):
            with self.block("{"):
                for axis in range(d):
                    place = f"{_component(x[0], axis)} * {number(op.scale[level, axis])} + {number(op.start)}"
                    self.line(self.d.local("float", f"p{axis}", place))
                    cell = f"floor(p{axis})"
                    if op.last is not None:
                        cell = f"min({cell}, {number(op.last[level, axis])})"
                    self.line(self.d.local("float", f"c{axis}", cell))
                    self.line(self.d.local("float", f"t{axis}", f"p{axis} - c{axis}"))
                    if op.is_smooth:
                        self.line(f"t{axis} = t{axis} * t{axis} * (3.0 - 2.0 * t{axis});")
                with self.loop("m", 2**d):
                    self._corner(op, level, out, base, f if is_whole else 0)

    def _corner(self, op: ops.GridOp, level: int, out: str, base: int, whole: int) -> None:
        d, f, u = op.scale.shape[1], op.table.shape[1], self.d.uint
        for axis in range(d):
            self.line(self.d.local("uint", f"b{axis}", f"{u}((m >> {d - 1 - axis}u) & 1)"))
            self.line(self.d.local("uint", f"q{axis}", f"{u}(c{axis}) + b{axis}"))
        weights = [f"mix(1.0 - t{axis}, t{axis}, {self.d.to_float}(b{axis}))" for axis in range(d)]
        self.line(self.d.local("float", "w", " * ".join(weights)))
        if op.is_hashed[level]:
            mixed = " ^ ".join(f"(q{axis} * {int(op.factor[axis])}u)" for axis in range(d))
            row = f"({mixed}) & {int(op.entries[level]) - 1}u"
        else:
            steps = " + ".join(f"q{axis} * {int(op.stride[level, axis])}u" for axis in range(d))
            row = f"({steps}) % {int(op.entries[level])}u"
        self.line(self.d.local("uint", "row", f"({row}) + {int(op.offset[level])}u"))
        first = level * f
        if whole:
            with self.loop("j", whole // 4):
                entry = f"{self.name}_weight({base} + {self.d.to_int}(row) * {whole // 4} + j)"
                self.line(f"{out}[{first // 4} + j] += w * {entry};")
        else:
            for c in range(f):
                entry = f"{self.name}_number({base + c} + {self.d.to_int}(row) * {f})"
                self.line(f"{_component(out, first + c)} += w * {entry};")

    def _kernel(self, op: ops.RadialOp, x: str) -> None:
        """Inside a loop over m: the value `phi` of kernel m."""
        d = op.centres.shape[1]
        rows = np.concatenate([op.centres, op.roots.reshape(len(op.centres), -1)], 1)
        n = -(-rows.shape[1] // 4)
        base = self._store(rows)
        for k in range(n):
            self.line(self.d.local("vec4", f"g{k}", f"{self.name}_weight({base + k} + m * {n})"))
        entry = [_component("g", c).replace("[", "").replace("]", "") for c in range(rows.shape[1])]
        for axis in range(d):
            self.line(self.d.local("float", f"o{axis}", f"{_component(x, axis)} - {entry[axis]}"))
        y = [" + ".join(f"{entry[d + r * d + axis]} * o{axis}" for axis in range(d)) for r in range(d)]
        for r, text in enumerate(y):
            self.line(self.d.local("float", f"y{r}", text))
        if op.kernel == "tent":
            phi = " * ".join(f"max(1.0 - abs(y{r}), 0.0)" for r in range(d))
            self.line(self.d.local("float", "phi", phi))
            return
        self.line(self.d.local("float", "q", " + ".join(f"y{r} * y{r}" for r in range(d))))
        self.line(self.d.local("float", "phi", _RADIAL[op.kernel]))
        if op.reach is not None:
            self.line(f"if (q > {number(op.reach**2)}) {{ phi = 0.0; }}")

    def _radial(self, op: ops.RadialOp, out: str, x: tuple[str, int]) -> None:
        self._each(op.width, lambda j: f"{out}[{j}] = {self.d.vec4}(0.0);")
        with self.loop("m", op.width):
            self._kernel(op, x[0])
            self.line(f"{out}[m >> 2u][m & 3] = phi;")

    def _sum_of_kernels(self, op: ops.DenseOp, radial: ops.RadialOp, x: str, out: str) -> None:
        n = -(-op.width // 4)
        base = self._store(op.weight.T)
        for j in range(n):
            self.line(f"{out}[{j}] = {self._vector(op.bias[4 * j : 4 * j + 4])};")
        with self.loop("m", radial.width):
            self._kernel(radial, x)
            self._each(op.width, lambda j: f"{out}[{j}] += phi * {self.name}_weight({base} + m * {n} + {j});")


def _component(name: str, c: int) -> str:
    return f"{name}[{c // 4}].{'xyzw'[c % 4]}"
