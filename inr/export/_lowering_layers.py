"""The ops of cells, activations and heads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inr._errors import UsageError
from inr.export._builder import Value, concat
from inr.export._lowering import apply, lowers
from inr.export._lowering_encodings import multilinear
from inr.layers._envelope import _END
from inr.layers.affine import AffineCell
from inr.layers.bspline_wavelet import BsplineWaveletActivation
from inr.layers.cauchy import CauchyActivation
from inr.layers.ccp import CcpCell
from inr.layers.elementwise import Elementwise
from inr.layers.filter import Filter, FilterCell
from inr.layers.finer import FinerActivation
from inr.layers.gabor import _LARGE, GaborActivation
from inr.layers.gauss import GaussActivation
from inr.layers.heads import LinearHead, TanhHead
from inr.layers.modulated import EPS, ModulatedCell, Modulation
from inr.layers.ncp import NcpCell
from inr.layers.no_activation import IdentityActivation
from inr.layers.poly_inr import PolyInr
from inr.layers.radial import RadialCell
from inr.layers.real_gabor import RealGaborActivation
from inr.layers.relu import ReluActivation
from inr.layers.sine import SineActivation
from inr.layers.skip_sine import SkipSineActivation
from inr.layers.spder import SpderActivation

# --- activations ---


@lowers(ReluActivation)
def _relu(module: ReluActivation, z: Value) -> Value:
    return z.map("relu")


@lowers(SineActivation)
def _sine(module: SineActivation, z: Value) -> Value:
    return (z * module.omega).map("sin")


def _vary(z: Value) -> Value:
    return (z.map("abs") + 1.0) * z


def _varied_sine(z: Value, omega: float) -> Value:
    return (_vary(z) * omega).map("sin")


@lowers(FinerActivation)
def _finer(module: FinerActivation, z: Value) -> Value:
    return _varied_sine(z, module.omega)


def _envelope(q: Value) -> Value:
    return (-q.clamp(None, _END)).map("exp")


@lowers(GaussActivation)
def _gauss(module: GaussActivation, z: Value) -> Value:
    if module.warp is not None:
        z = _varied_sine(z, module.warp)
    return _envelope((z * module.scale).map("square"))


@lowers(GaborActivation)
def _gabor(module: GaborActivation, z: Value) -> Value:
    real, imag = z.halves()
    if module.warp is not None:
        a, b = _vary(real) * module.warp, (_vary(imag) * module.warp).clamp(-_LARGE, _LARGE)
        real, imag = a.map("sin") * b.map("cosh"), a.map("cos") * b.map("sinh")
    square = real.map("square") + imag.map("square")
    if module.arity == 2:
        first, second = square.halves()
        square = first + second
        real, imag = real.halves()[0], imag.halves()[0]
    size = _envelope(imag * module.omega + square * module.scale**2)
    angle = real * module.omega
    return concat([size * angle.map("cos"), size * angle.map("sin")])


@lowers(RealGaborActivation)
def _real_gabor(module: RealGaborActivation, z: Value) -> Value:
    wave, width = z.halves()
    return (wave * module.omega).map("cos") * _envelope((width * module.scale).map("square"))


@lowers(SkipSineActivation)
def _skip_sine(module: SkipSineActivation, z: Value) -> Value:
    return z + (z * module.factors).map("sin")


@lowers(SpderActivation)
def _spder(module: SpderActivation, z: Value) -> Value:
    u = z * module.omega
    return u.map("sin") * (u.map("atan") if module.damping == "arctan" else u.map("abs").map("sqrt"))


@lowers(BsplineWaveletActivation)
def _bspline_wavelet(module: BsplineWaveletActivation, z: Value) -> Value:
    r = z.affine(module.scale, -1.5).map("abs")
    parts = [r.affine(-1.0, end).map("relu") * weight for end, weight in ((1.5, 1.0), (1.0, -8.0), (0.5, 23.0))]
    return (parts[0] + parts[1] + parts[2]) * (1 / 6)


@lowers(CauchyActivation)
def _cauchy(module: CauchyActivation, z: Value) -> Value:
    return z.affine(module.l1, module.l2) / (z.map("square") + module.d.square())


@lowers(IdentityActivation, LinearHead)
def _identity(module: IdentityActivation, z: Value) -> Value:
    return z


@lowers(TanhHead)
def _tanh(module: TanhHead, z: Value) -> Value:
    return z.map("tanh")


_ELEMENTWISE: dict[Callable[..., Tensor], Callable[..., Value]] = {
    torch.tanh: lambda z: z.map("tanh"),
    functional.elu: lambda z: z.map("elu"),
    functional.gelu: lambda z: (z * 0.5) * ((z * 0.5**0.5).map("erf") + 1.0),
    functional.silu: lambda z: z * z.map("sigmoid"),
    functional.softplus: lambda z, beta: (z * beta).map("softplus") * (1 / beta),
    functional.leaky_relu: lambda z, negative_slope: z.join("maximum", z * negative_slope),
}


@lowers(Elementwise)
def _elementwise(module: Elementwise, z: Value) -> Value:
    whole: Any = module.function
    function, settings = (whole.func, whole.keywords) if isinstance(whole, partial) else (whole, {})
    if function not in _ELEMENTWISE:
        raise UsageError(f"the activation {function!r} can not be written as a list of ops", "export it as pt2")
    return _ELEMENTWISE[function](z, **settings)


# --- cells: (h, e, x) -> h' ---


@lowers(AffineCell)
def _affine(cell: AffineCell, h: Value, e: Value, x: Value) -> Value:
    return apply(cell.activation, apply(cell.linear, h))


@lowers(CcpCell)
def _ccp(cell: CcpCell, h: Value, e: Value, x: Value) -> Value:
    factor = apply(cell.branch, e)
    return apply(cell.activation, factor if cell.is_first else factor * h + h)


@lowers(NcpCell)
def _ncp(cell: NcpCell, h: Value, e: Value, x: Value) -> Value:
    factor, constant = apply(cell.branch, e), cell.mix(cell.constant)
    if cell.linear is None:
        return apply(cell.activation, factor * constant)
    product = factor * (apply(cell.linear, h) + constant)
    return apply(cell.activation, product + h if cell.has_skip else product)


@lowers(PolyInr)
def _poly_inr(cell: PolyInr, h: Value, e: Value, x: Value) -> Value:
    factor = apply(cell.activation, apply(cell.branch, e))
    product = factor if cell.is_first else h * factor
    return apply(cell.activation, apply(cell.linear, product)).clamp(-cell.limit, cell.limit)


def _windows(h: Value, centres: Tensor, sharpness: Tensor) -> Value:
    """`inr.layers._windows.windows`."""
    scaled = sharpness.unsqueeze(-1)
    weight = torch.cat([scaled * centres, -0.5 * scaled], dim=-1)
    bias = -0.5 * sharpness * centres.square().sum(-1)
    return concat([h, h.map("square").sum()]).dense(weight, bias).map("exp")


@lowers(RadialCell)
def _radial(cell: RadialCell, h: Value, e: Value, x: Value) -> Value:
    return _windows(h, cell.centres, torch.exp(-2 * cell.log_width))


@lowers(Filter)
def _filter(module: Filter, e: Value) -> Value:
    wave = e.dense(module.omega, module.phase).map("sin")
    if module.centre is None or module.sharpness is None:
        return wave
    return wave * _windows(e, module.centre, module.sharpness)


@lowers(FilterCell)
def _filter_cell(cell: FilterCell, h: Value, e: Value, x: Value) -> Value:
    g = apply(cell.filter, e)
    return g if cell.linear is None else g * apply(cell.activation, apply(cell.linear, h))


@lowers(Modulation)
def _modulation(module: Modulation, x: Value) -> Value:
    return multilinear(x.clamp(0.0, 1.0), module.grid, module.interpolation)


@lowers(ModulatedCell)
def _modulated(cell: ModulatedCell, h: Value, e: Value, x: Value) -> Value:
    a = apply(cell.linear, h)
    if cell.has_norm:
        a = concat([_normalised(a.columns(i, i + cell.d_out)) for i in range(0, a.width, cell.d_out)])
    modulation = apply(cell.modulation, x)
    gamma, beta = modulation.columns(0, 1), modulation.columns(1, 2)
    return apply(cell.activation, (a * gamma) + beta)


def _normalised(a: Value) -> Value:
    """Mean 0 and variance 1 over the columns."""
    share = 1 / a.width
    centred = a - a.sum() * share
    variance = centred.map("square").sum() * share
    return centred / (variance + EPS).map("sqrt")
