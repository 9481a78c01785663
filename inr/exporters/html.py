"""An interactive page that evaluates a fitted field in the browser: pictures, shapes and sounds."""

from __future__ import annotations

import base64
import html
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from inr.codec.guards import naming
from inr.core.config import param
from inr.core.errors import UsageError
from inr.core.text import printable
from inr.exporters._exporter import EXPORTERS, Exported, Exporter, provenance
from inr.exporters._lowering import lower
from inr.exporters.file_page import has_page, page_of_file
from inr.exporters.glsl import GlslDialect, texture
from inr.exporters.shader import number, shader
from inr.fitting import Fit

LIMIT = 2048
"""Numbers that are constants in the text: browsers compile long texts slowly."""
LARGE = 32_000_000

_COLOURS = {"icc", "colour_chunks"}
"""Of a picture's `meta`: what its values mean."""

_NO_PSNR = "the page has no PSNR; with --set original=PICTURE it is measured"

_HELP = {
    "picture": "Drag to move, scroll to zoom (keys: arrows, + and -): every pixel evaluates the field. The slider "
    "compares the field with its samples at the original resolution, upscaled bicubically.",
    "shape": "Drag to turn, scroll to come closer (keys: arrows, + and -): rays are traced through the distance field "
    "(sphere tracing).",
    "sound": "Every sample is evaluated in this browser.",
}


@EXPORTERS.register("html")
@dataclass(frozen=True, kw_only=True)
class Page(Exporter):
    """One self-contained page that evaluates the field in the browser (WebGL 2), without network.

    Pictures (and arrays of two axes) with zoom and a slider against bicubic upscaling, shapes by sphere tracing, sounds
    with waveform and play button; beside it size, quality and provenance. With `#bare` appended to its address the page
    is only the canvas; a picture then fills the window, pixel for pixel as `inr render` renders it at that size.

    The page of a compressed picture (.inrz, profile pyramid) holds the file and a decoder.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".html",)

    original: str | None = param(None, "picture to measure a compressed one against, for the PSNR on its page")

    def encode_file(self, data: bytes, name: str, suffix: str) -> Exported | None:
        with naming(Path(name).name):
            is_shown = has_page(data)
        if not is_shown:
            return None
        notes = () if self.original is not None else (_NO_PSNR,)
        return Exported({suffix: page_of_file(data, name, self.original)}, notes)

    def encode(self, fit: Fit, suffix: str) -> Exported:
        if self.original is not None:
            raise UsageError("setting original applies to compressed pictures of profile pyramid only")
        view = _view(fit)
        n_bytes = len(fit.to_bytes())
        made = shader(lower(fit), GlslDialect(), "field", LIMIT, provenance(fit))
        name = printable(fit.source) or f"{fit.field.config.type_name} field"
        data: dict[str, Any] = {
            "view": view,
            "name": name,
            "help": _HELP[view],
            "facts": _facts(fit, n_bytes),
            "about": " ".join(provenance(fit)),
            "glsl": made.text + _reader(fit, view),
            "size": list(fit.spec.shape or ()),
            "channels": fit.spec.d_out,
        }
        if view == "shape":
            data["per_length"] = number(1 / fit.frame.scale[0])
        has_colours = view == "picture" and fit.spec.traits.is_picture and bool(_COLOURS & fit.meta.keys())
        if has_colours:
            data["colours"] = {name: fit.meta[name] for name in _COLOURS & fit.meta.keys()}
        if view == "sound":
            assert fit.spec.shape is not None
            data["rate"] = fit.spec.shape[0] / fit.frame.domain.extent[0]
        text = Path(__file__).with_name("_page.html").read_text("utf-8")
        document = json.dumps(data, sort_keys=True, allow_nan=False).replace("<", "\\u003c")
        head, tail = text.split("DATA")
        head = head.replace("TITLE", html.escape(name))
        script = Path(__file__).with_name("_colours.js").read_text("utf-8") if has_colours else ""
        tail = tail.replace("COLOURS", script)
        weights = (
            b"" if made.weights is None else base64.b64encode(texture(made.weights).data)
        )  # large: copied only once
        page = b"".join([f'{head}{document[:-1]}, "weights": "'.encode(), weights, f'"}}{tail}'.encode()])
        notes = [f"the page has {len(page) / 1e6:.0f} MB"] if len(page) > LARGE else []
        return Exported({suffix: page}, tuple(notes))


def _view(fit: Fit) -> str:
    spec = fit.spec
    if spec.d_in == 2 and spec.d_out <= 4 and spec.shape is not None:
        return "picture"
    if spec.d_in == 3 and spec.d_out == 1 and spec.shape is None and not spec.traits.is_unsigned:
        return "shape"
    if spec.d_in == 1 and spec.d_out <= 4 and spec.shape is not None:
        return "sound"
    raise UsageError(
        f"the page shows pictures, shapes and sounds, but this field maps {spec.d_in} coordinates to "
        f"{spec.d_out} values ({spec.kind})"
    )


def _reader(fit: Fit, view: str) -> str:
    """GLSL wrapper of `field` for the page: colours [0, 1] of a picture, channels of a sound."""
    c = fit.spec.d_out
    padded = {
        1: "vec4(vec3(v), 1.0)" if view == "picture" else "vec4(v, 0.0, 0.0, 0.0)",
        2: "vec4(vec3(v.x), v.y)" if view == "picture" else "vec4(v, 0.0, 0.0)",
        3: "vec4(v, 1.0)",
        4: "v",
    }[c]
    kind = "float" if c == 1 else f"vec{c}"
    if view == "sound":
        return f"vec4 values(float x) {{ {kind} v = field(x); return {padded}; }}\n"
    if view == "shape":
        return ""
    line = f"{kind} v = field(x);"
    if not fit.spec.traits.is_picture:  # the range of training values, -1 to 1, from black to white
        offset, scale = (", ".join(number(n) for n in numbers) for numbers in (fit.frame.offset, fit.frame.scale))
        line += f" v = 0.5 + 0.5 * (v - {kind}({offset})) / {kind}({scale});"
    return f"vec4 colour(vec2 x) {{ {line} return {padded}; }}\n"


def _facts(fit: Fit, n_bytes: int) -> list[tuple[str, str]]:
    rows = [("field", fit.field.config.type_name), ("parameters", f"{fit.field.n_params:,}")]
    rows.append(("model file", f"{n_bytes / 1000:,.1f} kB"))
    if fit.spec.shape is not None:
        rows.append(("fitted at", " x ".join(map(str, fit.spec.shape))))
    for name, value in fit.metrics.items():
        if math.isfinite(value):
            is_db = name.endswith("_db")
            label = name.removesuffix("_db").replace("_", " ")
            rows.append((label.upper() if len(label) < 5 else label, f"{value:.2f} dB" if is_db else f"{value:.4g}"))
    rows.append(("steps", f"{fit.steps:,}"))
    return rows
