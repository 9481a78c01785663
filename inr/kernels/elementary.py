"""exp, log and sine with cosine for compiled loops: polynomials without branches or calls, so that the loops vectorise.

Each is for both floating-point types and is meant for `compiled` functions only. Errors are relative to the result, or
to 1 for sine and cosine, and hold for the stated arguments; NaN stays NaN.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inr.core.jit import Deferred, overloaded

types: Any = Deferred("numba.core.types")

OPTIONS = {"fastmath": {"contract"}, "error_model": "numpy"}
MOST_SINE = 1e5
"""sine_cosine is accurate, and bounded, up to this magnitude."""

# Adding 1.5 2^23 (2^52) rounds to an integer, which is then in the low bits.
_ROUND32, _ROUND64 = np.float32(1.5 * 2**23), np.float64(1.5 * 2**52)
_LOG2E32, _LOG2E64 = np.float32(math.log2(math.e)), np.float64(math.log2(math.e))
# ln 2 and pi / 2 as sums of parts, the first ones with zeros at the end, so that integers times them are exact.
_LN2_32 = np.float32(0.693359375), np.float32(-2.12194440e-4)
_LN2_64 = np.float64(6.93145751953125e-1), np.float64(1.42860682030941723212e-6)
_HALF_PI32 = np.float32(1.5703125), np.float32(4.837512969970703125e-4), np.float32(7.549789948768648e-8)
_HALF_PI64 = (
    np.float64(1.57079625129699707031),
    np.float64(7.54978941586159635335e-8),
    np.float64(5.39030285815811905e-15),
)
_PER_HALF_PI32, _PER_HALF_PI64 = np.float32(2 / math.pi), np.float64(2 / math.pi)
_EXP32 = tuple(np.float32(1 / math.factorial(k)) for k in range(7, -1, -1))
_EXP64 = tuple(np.float64(1 / math.factorial(k)) for k in range(13, -1, -1))
_SINE32 = tuple(np.float32((-1) ** k / math.factorial(2 * k + 1)) for k in range(4, -1, -1))
_SINE64 = tuple(np.float64((-1) ** k / math.factorial(2 * k + 1)) for k in range(8, -1, -1))
_COSINE32 = tuple(np.float32((-1) ** k / math.factorial(2 * k)) for k in range(5, -1, -1))
_COSINE64 = tuple(np.float64((-1) ** k / math.factorial(2 * k)) for k in range(9, -1, -1))
_LOG32 = tuple(np.float32(2 / (2 * k + 1)) for k in range(4, -1, -1))
_LOG64 = tuple(np.float64(2 / (2 * k + 1)) for k in range(10, -1, -1))
_LEAST32, _LEAST64 = np.float32(-87.0), np.float64(-708.0)
_MOST32, _MOST64 = np.float32(88.0), np.float64(709.0)
_HALF_ROOT32, _HALF_ROOT64 = 0x3F3504F3, 0x3FE6A09E667F3BCD  # the bits of sqrt(1 / 2)


# Their bodies are for calls from Python; compiled code gets the forms for its types below.


@overloaded
def exp(x: Any) -> Any:
    """e^x within 3 eps for x from -87 (double: -708) to 88 (709), and that of the nearest of these bounds beyond."""
    return np.exp(x)


@overloaded
def log(x: Any) -> Any:
    """ln x within 3 eps, or 3 eps absolutely near 1, for positive normal x."""
    return np.log(x)


@overloaded
def sine_cosine(x: Any) -> Any:
    """(sin x, cos x) within 3 eps (1 + |x| / 100) for |x| <= MOST_SINE."""
    return np.sin(x), np.cos(x)


@exp.form(**OPTIONS)
def _exp(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            x = _LEAST32 if x < _LEAST32 else x
            x = _MOST32 if x > _MOST32 else x
            shifted = x * _LOG2E32 + _ROUND32
            n = shifted - _ROUND32
            r = x - n * _LN2_32[0] - n * _LN2_32[1]
            p = _EXP32[0]
            for k in range(1, 8):
                p = p * r + _EXP32[k]
            return p * np.int32((np.float32(shifted).view(np.int32) + 127) << 23).view(np.float32)

        return single

    def double(x: Any) -> Any:
        x = _LEAST64 if x < _LEAST64 else x
        x = _MOST64 if x > _MOST64 else x
        shifted = x * _LOG2E64 + _ROUND64
        n = shifted - _ROUND64
        r = x - n * _LN2_64[0] - n * _LN2_64[1]
        p = _EXP64[0]
        for k in range(1, 14):
            p = p * r + _EXP64[k]
        return p * np.int64((np.float64(shifted).view(np.int64) + 1023) << 52).view(np.float64)

    return double


@log.form(**OPTIONS)
def _log(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            bits = np.float32(x).view(np.int32)
            e = np.int32(np.int32(bits - _HALF_ROOT32) >> 23)
            m = np.int32(bits - (e << 23)).view(np.float32)  # in [sqrt(1/2), sqrt(2))
            s = (m - np.float32(1)) / (m + np.float32(1))
            z = s * s
            p = _LOG32[0]
            for k in range(1, 5):
                p = p * z + _LOG32[k]
            n = np.float32(e)
            return n * _LN2_32[0] + (n * _LN2_32[1] + s * p)

        return single

    def double(x: Any) -> Any:
        bits = np.float64(x).view(np.int64)
        e = (bits - _HALF_ROOT64) >> 52
        m = np.int64(bits - (e << 52)).view(np.float64)
        s = (m - 1.0) / (m + 1.0)
        z = s * s
        p = _LOG64[0]
        for k in range(1, 11):
            p = p * z + _LOG64[k]
        n = np.float64(e)
        return n * _LN2_64[0] + (n * _LN2_64[1] + s * p)

    return double


@sine_cosine.form(**OPTIONS)
def _sine_cosine(x: Any) -> Any:
    if x == types.float32:

        def single(x: Any) -> Any:
            shifted = x * _PER_HALF_PI32 + _ROUND32
            n = shifted - _ROUND32
            r = x - n * _HALF_PI32[0] - n * _HALF_PI32[1] - n * _HALF_PI32[2]
            z = r * r
            s, c = _SINE32[0], _COSINE32[0]
            for k in range(1, 5):
                s = s * z + _SINE32[k]
            for k in range(1, 6):
                c = c * z + _COSINE32[k]
            s = s * r
            quadrant = np.float32(shifted).view(np.int32)
            sine = c if quadrant & 1 else s
            cosine = s if quadrant & 1 else c
            return (-sine if quadrant & 2 else sine), (-cosine if (quadrant + 1) & 2 else cosine)

        return single

    def double(x: Any) -> Any:
        shifted = x * _PER_HALF_PI64 + _ROUND64
        n = shifted - _ROUND64
        r = x - n * _HALF_PI64[0] - n * _HALF_PI64[1] - n * _HALF_PI64[2]
        z = r * r
        s, c = _SINE64[0], _COSINE64[0]
        for k in range(1, 9):
            s = s * z + _SINE64[k]
        for k in range(1, 10):
            c = c * z + _COSINE64[k]
        s = s * r
        quadrant = np.float64(shifted).view(np.int64)
        sine = c if quadrant & 1 else s
        cosine = s if quadrant & 1 else c
        return (-sine if quadrant & 2 else sine), (-cosine if (quadrant + 1) & 2 else cosine)

    return double
