"""GLSL: one pure function for WebGL 2, OpenGL ES 3 and desktop OpenGL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.core.config import param
from inr.exporters._exporter import EXPORTERS, Exported, Exporter, check_name, provenance
from inr.exporters._lowering import Coordinates, lower, rounding_note
from inr.exporters.ops import Array
from inr.exporters.shader import Dialect, shader
from inr.fitting import Fit

TEXTURE_WIDTH = 2048
"""4-vectors in a row of the texture: the width that WebGL 2 promises."""


@EXPORTERS.register("glsl")
@dataclass(frozen=True, kw_only=True)
class Glsl(Exporter):
    """A function `float field(vec3 x)` (`vec3 field(vec2 x)` ...) in GLSL ES 3.00, for use in a shader.

    Up to `limit` numbers are constants in the text. More are stored in a .bin file beside it: a texture of 2048 x N
    RGBA32F texels with nearest filtering, which the function reads as `uniform sampler2D NAME_weights`.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".glsl",)

    limit: int = param(4096, "largest number of constants in the text; more are stored in a texture", ge=0)
    name: str = param("field", "name of the function, and prefix of its helpers")
    coordinates: Coordinates = param("unit", "units of points: the unit box, or the signal's units")

    def encode(self, fit: Fit, suffix: str) -> Exported:
        check_name(self.name)
        made = shader(
            lower(fit, self.coordinates, has_doubles=False), GlslDialect(), self.name, self.limit, provenance(fit)
        )
        notes = rounding_note(fit, self.coordinates)
        if made.weights is None:
            return Exported({suffix: made.text.encode()}, notes)
        return Exported({suffix: made.text.encode(), ".bin": texture(made.weights).tobytes()}, notes)


def texture(weights: Array) -> Array:
    """4-vectors [n, 4] as whole rows of a texture [rows, TEXTURE_WIDTH, 4]."""
    rows = -(-len(weights) // TEXTURE_WIDTH)
    padded = np.zeros((rows * TEXTURE_WIDTH, 4), "<f4")
    padded[: len(weights)] = weights
    return padded.reshape(rows, TEXTURE_WIDTH, 4)


class GlslDialect(Dialect):
    vec4, mat4, uint, to_int, to_float = "vec4", "mat4", "uint", "int", "float"

    def local(self, kind: str, name: str, value: str) -> str:
        return f"{kind} {name} = {value};"

    def array(self, name: str, n: int) -> str:
        return f"vec4 {name}[{n}];"

    def loop(self, index: str, n: int) -> str:
        return f"for (int {index} = 0; {index} < {n}; ++{index}) {{"

    def function(self, name: str, arguments: Sequence[tuple[str, str]], result: str, body: str) -> str:
        return f"{result} {name}({', '.join(f'{kind} {arg}' for kind, arg in arguments)}) {{ return {body}; }}"

    def head(self, name: str, d_in: int, d_out: int) -> str:
        return f"{_kind(d_out)} {name}({_kind(d_in)} x) {{"

    def tail(self, components: Sequence[str]) -> str:
        return f"return {_kind(len(components))}({', '.join(components)});"

    def storage(self, name: str, n: int) -> str:
        rows = -(-n // TEXTURE_WIDTH)
        shift, mask = TEXTURE_WIDTH.bit_length() - 1, TEXTURE_WIDTH - 1
        return (
            f"// RGBA32F, {TEXTURE_WIDTH} x {rows} texels, nearest filtering: the numbers in the .bin file.\n"
            f"uniform highp sampler2D {name}_weights;\n"
            f"vec4 {name}_weight(int i) "
            f"{{ return texelFetch({name}_weights, ivec2(i & {mask}, i >> {shift}), 0); }}"
        )


def _kind(n: int) -> str:
    return "float" if n == 1 else f"vec{n}" if n <= 4 else f"float[{n}]"
