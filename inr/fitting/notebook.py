"""What notebooks show of a `Fit`: a picture of it or its sound, and a line of numbers."""

from __future__ import annotations

import base64
import io
import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from inr.core.text import printable
from inr.signals import View
from inr.signals.files.picture_writing import encode, fitting_profile

if TYPE_CHECKING:
    from inr.fitting.result import Fit

SIDE = 512
"""Pixels of the longer side of a picture, at most."""
LONGEST_SOUND_BYTES = 2**23


def mimebundle(fit: Fit) -> dict[str, str]:
    """Types and contents as Jupyter's protocol has them: text/plain always; image/png (base64) of pictures, with their
    colour profile; text/html with a player of sounds of up to 2^23 bytes."""
    line = _line(fit)
    found = {"text/plain": line}
    if fit.spec.traits.is_picture and fit.spec.shape is not None and fit.spec.d_in == 2:
        return found | {"image/png": base64.b64encode(_png(fit)).decode()}
    n_bytes = 4 * math.prod(fit.spec.shape or ()) * fit.spec.d_out
    if fit.spec.traits.is_waveform and fit.spec.shape is not None and n_bytes <= LONGEST_SOUND_BYTES:
        values, meta = fit.render()
        file = io.BytesIO()
        fit.kind.write(values, meta, file, ".wav")
        sound = base64.b64encode(file.getvalue()).decode()
        player = f'<audio controls aria-label="{escape(line)}" src="data:audio/wav;base64,{sound}"></audio>'
        return found | {"text/html": f"<p>{escape(line)}</p>{player}"}
    return found


def _png(fit: Fit) -> bytes:
    assert fit.spec.shape is not None
    size = tuple(max(1, round(n * min(1.0, SIDE / max(fit.spec.shape)))) for n in fit.spec.shape)
    values, _ = fit.render(View(size=size))
    if fit.meta.get("dtype") == "float32":
        offset, scale = (np.asarray(numbers, np.float32) for numbers in (fit.frame.offset, fit.frame.scale))
        values = (values - offset) / scale * 0.5 + 0.5
    icc, _ = fitting_profile(fit.meta, fit.spec.d_out, ".png")
    return encode(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8), ".png", icc)


def _line(fit: Fit) -> str:
    """`siren of photo.png: 768 x 512, 66,819 parameters, 500 steps, psnr_db 31.2`."""
    of = f" of {printable(fit.source)}" if fit.source else ""
    parts = [" x ".join(map(str, fit.spec.shape))] if fit.spec.shape is not None else []
    parts += [f"{fit.field.n_params:,} parameters", f"{fit.steps:,} steps"]
    headline = fit.kind.headline if fit.kind.headline in fit.metrics else "psnr_db"
    if headline in fit.metrics and math.isfinite(fit.metrics[headline]):
        parts.append(f"{headline} {fit.metrics[headline]:.4g}")
    return f"{fit.field.config.type_name}{of}: {', '.join(parts)}"
