"""WGSL: one pure function for WebGPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.exporters._exporter import EXPORTERS, Exported, Exporter, check_name, provenance
from inr.exporters._lowering import Coordinates, lower, rounding_note
from inr.exporters.shader import Dialect, shader
from inr.fitting import Fit


@EXPORTERS.register("wgsl")
@dataclass(frozen=True, kw_only=True)
class Wgsl(Exporter):
    """A function `fn field(x: vec3f) -> f32` (`fn field(x: vec2f) -> vec3f` ...) in WGSL.

    Up to `limit` numbers are constants in the text. More are stored in a .bin file beside it, as little-endian float32:
    the content of the storage buffer `NAME_weights: array<vec4f>`, at the group and binding of the settings.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".wgsl",)

    limit: int = param(4096, "largest number of constants in the text; more are stored in a buffer", ge=0)
    name: str = param("field", "name of the function, and prefix of its helpers")
    group: int = param(0, "bind group of the buffer", ge=0, le=3)
    binding: int = param(0, "binding of the buffer", ge=0, le=999)
    coordinates: Coordinates = param("unit", "units of points: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        check_name(self.name)
        dialect = WgslDialect(self.group, self.binding)
        made = shader(lower(fit, self.coordinates, has_doubles=False), dialect, self.name, self.limit, provenance(fit))
        notes = rounding_note(fit, self.coordinates)
        if made.weights is None:
            return Exported({suffix: made.text.encode()}, notes)
        return Exported({suffix: made.text.encode(), ".bin": made.weights.astype("<f4").tobytes()}, notes)


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
