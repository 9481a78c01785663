"""Lowering rules for blocks, activations and heads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from inr.core.errors import UsageError
from inr.exporters._encoding_rules import multilinear
from inr.exporters._rules import apply, lowers
from inr.exporters.builder import Value, concat
from inr.layers.activations.bspline_wavelet import BsplineWaveletActivation
from inr.layers.activations.cauchy import CauchyActivation
from inr.layers.activations.elementwise import Elementwise
from inr.layers.activations.envelope import LARGEST_EXPONENT
from inr.layers.activations.finer import FinerActivation
from inr.layers.activations.gabor import LARGEST_PHASE, GaborActivation
from inr.layers.activations.gauss import GaussActivation
from inr.layers.activations.identity import IdentityActivation
from inr.layers.activations.real_gabor import RealGaborActivation
from inr.layers.activations.relu import ReluActivation
from inr.layers.activations.sine import SineActivation
from inr.layers.activations.skip_sine import SkipSineActivation
from inr.layers.activations.spder import SpderActivation
from inr.layers.blocks.affine import AffineBlock
from inr.layers.blocks.ccp import CcpBlock
from inr.layers.blocks.filter import Filter, FilterBlock
from inr.layers.blocks.modulated import EPS, ModulatedBlock, Modulation
from inr.layers.blocks.ncp import NcpBlock
from inr.layers.blocks.poly_inr import PolyInr
from inr.layers.blocks.radial import RadialBlock
from inr.layers.heads.scaled import ScaledHead
from inr.layers.heads.standard import LinearHead, SigmoidHead, TanhHead

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
    return (-q.clamp(None, LARGEST_EXPONENT)).map("exp")


@lowers(GaussActivation)
def _gauss(module: GaussActivation, z: Value) -> Value:
    if module.warp is not None:
        z = _varied_sine(z, module.warp)
    return _envelope((z * module.scale).map("square"))


@lowers(GaborActivation)
def _gabor(module: GaborActivation, z: Value) -> Value:
    real, imag = z.halves()
    if module.warp is not None:
        a, b = _vary(real) * module.warp, (_vary(imag) * module.warp).clamp(-LARGEST_PHASE, LARGEST_PHASE)
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


@lowers(ScaledHead)
def _scaled(module: ScaledHead, z: Value) -> Value:
    return z * module.gain


@lowers(TanhHead)
def _tanh(module: TanhHead, z: Value) -> Value:
    return z.map("tanh")


@lowers(SigmoidHead)
def _sigmoid(module: SigmoidHead, z: Value) -> Value:
    return (z * 0.5).map("tanh")


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
        raise UsageError(f"the activation {function!r} cannot be lowered to ops", "use the format pt2")
    return _ELEMENTWISE[function](z, **settings)


# --- blocks: (h, e, x) -> h' ---


@lowers(AffineBlock)
def _affine(block: AffineBlock, h: Value, e: Value, x: Value) -> Value:
    return apply(block.activation, apply(block.linear, h))


@lowers(CcpBlock)
def _ccp(block: CcpBlock, h: Value, e: Value, x: Value) -> Value:
    factor = apply(block.branch, e)
    return apply(block.activation, factor if block.is_first else factor * h + h)


@lowers(NcpBlock)
def _ncp(block: NcpBlock, h: Value, e: Value, x: Value) -> Value:
    factor, constant = apply(block.branch, e), block.mix(block.constant)
    if block.linear is None:
        return apply(block.activation, factor * constant)
    product = factor * (apply(block.linear, h) + constant)
    return apply(block.activation, product + h if block.has_skip else product)


@lowers(PolyInr)
def _poly_inr(block: PolyInr, h: Value, e: Value, x: Value) -> Value:
    n = h.width - block.d_moved
    moved = e if block.is_first or block.move is None else h.columns(n, h.width)
    if block.move is not None:
        moved = apply(block.move, moved)
    factor = apply(block.branch, moved)
    if not block.is_plain:
        factor = apply(block.activation, factor)
    if not block.is_first:
        factor = (h if block.move is None else h.columns(0, n)) * factor
    out = apply(block.activation, apply(block.linear, factor)).clamp(-block.limit, block.limit)
    return concat([out, moved]) if block.hands_on else out


def _windows(h: Value, centres: Tensor, sharpness: Tensor) -> Value:
    """`inr.layers.blocks._windows.windows`."""
    squares = h.map("square")
    if sharpness.ndim == 1:
        sharpness, squares = sharpness.unsqueeze(-1), squares.sum()
    weight = torch.cat([sharpness * centres, -0.5 * sharpness], dim=-1)
    bias = -0.5 * (sharpness * centres.square()).sum(-1)
    return concat([h, squares]).dense(weight, bias).map("exp")


@lowers(RadialBlock)
def _radial(block: RadialBlock, h: Value, e: Value, x: Value) -> Value:
    return _windows(h, block.centres, torch.exp(-2 * block.log_width))


@lowers(Filter)
def _filter(module: Filter, e: Value) -> Value:
    wave = e.dense(module.omega, module.phase).map("sin")
    if module.centre is None or module.sharpness is None:
        return wave
    return wave * _windows(e, module.centre, module.sharpness)


@lowers(FilterBlock)
def _filter_block(block: FilterBlock, h: Value, e: Value, x: Value) -> Value:
    g = apply(block.filter, e)
    return g if block.linear is None else g * apply(block.activation, apply(block.linear, h))


@lowers(Modulation)
def _modulation(module: Modulation, x: Value) -> Value:
    return multilinear(x.clamp(0.0, 1.0), module.grid, module.interpolation)


@lowers(ModulatedBlock)
def _modulated(block: ModulatedBlock, h: Value, e: Value, x: Value) -> Value:
    a = apply(block.linear, h)
    if block.has_norm:
        a = concat([_normalised(a.columns(i, i + block.d_out)) for i in range(0, a.width, block.d_out)])
    modulation = apply(block.modulation, x)
    gamma, beta = modulation.columns(0, 1), modulation.columns(1, 2)
    return apply(block.activation, (a * gamma) + beta)


def _normalised(a: Value) -> Value:
    """Mean 0 and variance 1 over the columns."""
    share = 1 / a.width
    centred = a - a.sum() * share
    variance = centred.map("square").sum() * share
    return centred / (variance + EPS).map("sqrt")
