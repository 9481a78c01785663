"""Sine and cosine of blocks in Triton: the polynomials of `inr.kernels.sine.polynomial`, for float32.

    k = round(x / pi)      r = x - k pi      sin x = (-1)^k sin r      cos x = (-1)^k cos r

Up to |x| = 32768 k pi is taken away in float32, in parts with few bits, so that products with k are exact; where a
block has a larger x, in float64, which holds to about 1e9. Together they are shorter than the sines of CUDA's library,
which carry along a reduction for the largest numbers.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def sine_cosine(x: tl.tensor) -> tl.tensor:
    """(sin x, cos x), error below 5e-7; infinity and NaN give NaN."""
    k = tl.floor(x * 0.3183098861837907 + 0.5)
    r = ((x - k * 3.140625) - k * 9.67502593994140625e-4) - k * 1.509957990978376432e-7
    is_odd = k - 2 * tl.floor(k * 0.5)
    if tl.max(tl.abs(x)) > 32768:
        wide = x.to(tl.float64)
        turns = tl.floor(wide * 0.3183098861837907 + 0.5)
        rest = (wide - turns * 3.141592653589793) - turns * 1.2246467991473532e-16
        r = tl.where(rest == rest, tl.minimum(tl.maximum(rest, -1.6), 1.6), rest).to(tl.float32)
        is_odd = (turns - 2 * tl.floor(turns * 0.5)).to(tl.float32)
    sign = 1 - 2 * is_odd
    s = r * r
    sine = -0.00019806479394901544 + s * 2.5997517241194146e-06
    sine = -0.16666656732559204 + s * (0.008333015255630016 + s * sine)
    cosine = -0.0013865138171240687 + s * 2.3376618628390133e-05
    cosine = -0.5 + s * (0.04166543111205101 + s * cosine)
    return sign * (r + r * s * sine), sign * (1 + s * cosine)
