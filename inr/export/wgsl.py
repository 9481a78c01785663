"""WGSL: one pure function for WebGPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from inr._config import param
from inr.export._exporter import EXPORTERS, Exported, Exporter, check_name, provenance
from inr.export._lowering import Coordinates, lower
from inr.export._shader import Dialect, shader
from inr.fitting import Fit


@EXPORTERS.register("wgsl")
@dataclass(frozen=True, kw_only=True)
class Wgsl(Exporter):
    """A function `fn field(x: vec3f) -> f32` (`fn field(x: vec2f) -> vec3f` ...) in WGSL.

    Few numbers are constants in the text. More go into a .bin beside it, little-endian float32, the content of the
    storage buffer `NAME_weights: array<vec4f>`, at the group and binding of the settings.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".wgsl",)

    limit: int = param(4096, "numbers that may be constants in the text; more go into a buffer", ge=0)
    name: str = param("field", "name of the function, and prefix of its helpers")
    group: int = param(0, "bind group of the buffer", ge=0, le=3)
    binding: int = param(0, "binding of the buffer", ge=0, le=999)
    coordinates: Coordinates = param("unit", "what points are given in: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        check_name(self.name)
        dialect = WgslDialect(self.group, self.binding)
        made = shader(lower(fit, self.coordinates), dialect, self.name, self.limit, provenance(fit))
        if made.weights is None:
            return Exported({suffix: made.text.encode()})
        return Exported({suffix: made.text.encode(), ".bin": made.weights.astype("<f4").tobytes()})


class WgslDialect(Dialect):
    vec4, mat4, uint, to_int, to_float = "vec4f", "mat4x4f", "u32", "i32", "f32"
    _kinds: ClassVar[dict[str, str]] = {"float": "f32", "uint": "u32", "vec4": "vec4f", "int": "i32"}

    def __init__(self, group: int, binding: int) -> None:
        self.group, self.binding = group, binding

    def local(self, kind: str, name: str, value: str) -> str:
        return f"var {name}: {self._kinds[kind]} = {value};"

    def array(self, name: str, n: int) -> str:
        return f"var {name}: array<vec4f, {n}>;"

    def loop(self, index: str, n: int) -> str:
        return f"for (var {index}: i32 = 0; {index} < {n}; {index}++) {{"

    def function(self, name: str, arguments: Sequence[tuple[str, str]], result: str, body: str) -> str:
        taken = ", ".join(f"{arg}: {self._kinds.get(kind, kind)}" for kind, arg in arguments)
        return f"fn {name}({taken}) -> {self._kinds.get(result, result)} {{ return {body}; }}"

    def head(self, name: str, d_in: int, d_out: int) -> str:
        return f"fn {name}(x: {_kind(d_in)}) -> {_kind(d_out)} {{"

    def tail(self, components: Sequence[str]) -> str:
        return f"return {_kind(len(components))}({', '.join(components)});"

    def storage(self, name: str, n: int) -> str:
        return (
            f"// {n} 4-vectors: the numbers in the .bin file.\n"
            f"@group({self.group}) @binding({self.binding}) var<storage, read> {name}_weights: array<vec4f>;\n"
            f"fn {name}_weight(i: i32) -> vec4f {{ return {name}_weights[i]; }}"
        )


def _kind(n: int) -> str:
    return "f32" if n == 1 else f"vec{n}f" if n <= 4 else f"array<f32, {n}>"
