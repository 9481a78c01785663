"""SIREN's experiments: `python benchmarks/siren_experiments.py PICTURES [--side N] [--width H] [--steps K]
[--seconds S] [--only A|B] [--out FOLDER] [--record siren-experiments]`.

Sitzmann et al. 2020, sections 4.1 and 4.3. A network 2 -> H -> H -> H -> H -> 1 with sin(30 .) sees derivatives of a
picture only, by the paper's losses (its code, vsitzmann/siren): mean |grad u - 10 S|^2 with Sobel's S of intensities in
[-1, 1], and mean (lap u - 1e4 L)^2 with the 5-point Laplacian L; the composition has the mean of the gradients of two
pictures. What differs: SOAP on random points in place of 10,000 steps of Adam on all pixels; the points are anywhere,
and what is wanted there is interpolated, because a field that has the derivatives at pixels only can have anything
between them, and low frequencies hide in that; and the factors 10 and 1e4 are for 256 pixels: they make the field about
0.6 times the picture, which other sides need too (with 1e4 at 64 pixels it would be ten times as large, and steps of
the same rate never come there). A constant (gradients) or a harmonic function (Laplacian) is free: pictures are
compared after the best multiple and constant of the field, and after the harmonic function that is missing on the
border. Networks begin with blurred derivatives, which become sharper: low frequencies are a small part of the losses,
more so of the Laplacian's, and come late otherwise (--sharp: no blurs). "laplacian, border" has the picture's values on
the border in its loss too, which leaves nothing free.

Then Helmholtz's equation with a point source, against the Hankel function, and the wave equation, against d'Alembert's
solution, standing waves and a pulse in the plane (its Hankel transform), by `inr solve`. --out keeps a picture of each.
Training on a picture ends after --steps or --seconds, whichever is first; names in --only are parts, and `=` before one
means this very experiment: `--only "=laplacian"`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _record import save
from _siren import OMEGA, PlainSiren
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy import ndimage
from scipy.special import j0
from solve import _off_hankel, _source
from torch.nn import functional

from inr.core.config import parse
from inr.fitting.optimizers import OptimizerConfig
from inr.kernels.pointwise import sines
from inr.kernels.sine_jet import JetPlan, identity_jets, sine_jet
from inr.report.solution_figure import solution_figure
from inr.solving import Problem, Solution, solve
from inr.solving.lattice import Sampled
from inr.solving.pictures.direct import solve_direct
from inr.solving.pictures.stencils import Stencils

Array = NDArray[Any]
PER_PICTURE = {"gradients": 10 * 8 * 2 / 255, "laplacian": 1e4 * (2 / 255) ** 2}
"""The field as a multiple of the picture, from the paper's factors 10 and 1e4 and its 256 pixels (Sobel's filter of a
ramp is 8 per pixel); Adam's steps and SOAP's suit fields of about that size."""
BORDER = 10.0
"""Weight of the border's values, beside squares of derivatives that are divided by their mean."""
LR, BATCH, AROUND = 5e-4, 2048, 256
BLURS: tuple[float, ...] = (0.03, 0.015, 0.0075, 0.0)
"""Standard deviations of the blurs as parts of the side; each has the same part of the time, the last one the rest."""
SHARE = 0.15


class Derivatives:
    """A SIREN in [-1, 1]^2, whose corners are the outer pixels (the paper's grid); points are (row, column)."""

    def __init__(self, side: int, width: int, plan: JetPlan) -> None:
        self.plan, self.side = plan, side
        self.net = PlainSiren(2, 1, width, depth=4)
        line = torch.linspace(-1, 1, side)
        self.points = torch.cartesian_prod(line, line)

    def jets(self, x: torch.Tensor) -> torch.Tensor:
        layers = [*self.net.layers]
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        return sine_jet(identity_jets(x, self.plan), weights, biases, sines(*[OMEGA] * 4), self.plan)[..., 0]

    def train(self, wanted: Array, per: float, picture: Array | None, steps: int, seconds: float) -> tuple[float, int]:
        """To the derivatives `wanted` [S, H, W], of streams 1 ... S or the Laplacian, but for the outer pixels, where
        filters do not know them. picture: whose values, times `per`, it has on the border. It ends after so many
        steps or seconds. Returns the last losses' mean, in parts of the wanted mean square, and the number of steps."""
        params = [*self.net.parameters()]
        optimizer = parse(OptimizerConfig, "soap", "optimizer").build({"other": params}, {"other": LR})
        generator = torch.Generator().manual_seed(2)
        stages = [_blurred(wanted, blur * self.side) for blur in BLURS]
        first, size = 1 if len(wanted) == 2 else 3, float(np.mean(np.square(wanted).sum(0)))
        last: list[float] = []
        step, began = 0, time.perf_counter()
        while (done := max(step / steps, (time.perf_counter() - began) / seconds)) < 1:
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = LR * min(1.0, 2 * (1 - done))
            y = stages[min(int(done / SHARE), len(stages) - 1)]
            x = (2 * torch.rand(BATCH, 2, generator=generator) - 1) * (1 - 2 / (self.side - 1))
            found = self.jets(x)[first : first + len(wanted)]
            value = (found - _interpolated(y, x)).square().sum(0).mean() / size
            if picture is not None:
                around = 2 * torch.rand(AROUND, 2, generator=generator) - 1
                walls = torch.arange(AROUND)
                around[walls, walls % 2] = around[walls, walls % 2].sign()
                values = _interpolated(torch.from_numpy(picture[None]).float(), around)
                value = value + BORDER * (self.jets(around)[:1] / per - values).square().mean()
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            optimizer.step()
            last = [*last[-49:], float(value.detach())]
        return float(np.mean(last)), step

    def picture(self, stream: int = 0) -> Array:
        with torch.no_grad():
            parts = [self.jets(part)[stream] for part in torch.split(self.points, 2**14)]
        return torch.cat(parts).double().numpy().reshape(self.side, self.side)


def _blurred(wanted: Array, deviation: float) -> torch.Tensor:
    """By a Gaussian, each of the pictures [C, H, W]; deviation: standard, in pixels."""
    blurred = ndimage.gaussian_filter(wanted, (0, deviation, deviation), mode="nearest") if deviation else wanted
    return torch.from_numpy(blurred).float()


def _interpolated(picture: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[C, N], cubic, of [C, H, W] at points (row, column) [N, 2]."""
    places = x.flip(-1)[None, None]
    found = functional.grid_sample(picture[None], places, "bicubic", "border", align_corners=True)
    return found[0, :, 0]


def _grey(path: Path, side: int) -> Array:
    """[side, side] in [-1, 1]."""
    picture = Pillow.open(path).convert("L")
    least = min(picture.size)
    square = picture.crop((0, 0, least, least)).resize((side, side), Pillow.Resampling.LANCZOS)
    return np.asarray(square) / 127.5 - 1


def sobel(picture: Array) -> Array:
    return np.stack([ndimage.sobel(picture, axis) for axis in (0, 1)])


def _psnr(found: Array, wanted: Array) -> float:
    """dB of a range of 2."""
    return float(10 * np.log10(4 / np.mean(np.square(found - wanted))))


def _aligned(found: Array, wanted: Array) -> Array:
    """The best multiple and constant."""
    scale = np.cov(found.ravel(), wanted.ravel())
    aligned: Array = (found - found.mean()) * scale[0, 1] / scale[0, 0] + wanted.mean()
    return aligned


def _with_border(found: Array, wanted: Array) -> Array:
    """Plus the harmonic picture that makes the border's values right."""
    fixed = np.ones(found.shape, np.bool_)
    fixed[1:-1, 1:-1] = False
    missing = np.where(fixed, wanted - found, 0.0)[..., None]
    zero = np.zeros((found.shape[0], found.shape[1] - 1, 1)), np.zeros((found.shape[0] - 1, found.shape[1], 1))
    return found + solve_direct(Stencils.of_edges(*zero, missing, fixed))[..., 0]


def _relative(found: Array, wanted: Array) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def gradients(wanted: Array, picture: Array, options: Any) -> tuple[dict[str, Any], Array]:
    """wanted: Sobel's filter, [2, H, W]."""
    per, step = PER_PICTURE["gradients"], 2 / (len(picture) - 1)
    field = Derivatives(len(picture), options.width, JetPlan(2))
    scaled = wanted * per / (8 * step)
    loss, steps = field.train(scaled, per, None, options.steps, options.seconds)
    slopes = np.stack([field.picture(1), field.picture(2)])
    best = _aligned(field.picture(), picture)
    row = {"off_derivatives": _relative(slopes, scaled), "psnr_db": _psnr(best, picture), "loss": loss, "steps": steps}
    return row, best


def laplacians(picture: Array, options: Any, has_border: bool) -> tuple[dict[str, Any], Array]:
    per, step = PER_PICTURE["laplacian"], 2 / (len(picture) - 1)
    field = Derivatives(len(picture), options.width, JetPlan.laplacian(2))
    wanted = ndimage.laplace(picture) * per / step**2
    edge = picture if has_border else None
    loss, steps = field.train(wanted[None], per, edge, options.steps, options.seconds)
    found = field.picture() / per
    off = _relative(field.picture(3)[1:-1, 1:-1], wanted[1:-1, 1:-1])
    best = found if has_border else _with_border(found, picture)
    row = {"off_derivatives": off, "psnr_db": _psnr(best, picture), "loss": loss, "steps": steps}
    return row | {"psnr_free_db": _psnr(_aligned(found, picture), picture)}, best


def _shown(picture: Array, path: Path) -> None:
    Pillow.fromarray(((picture.clip(-1, 1) + 1) * 127.5 + 0.5).astype(np.uint8)).save(path)


def pictures(options: Any) -> dict[str, Callable[[], tuple[dict[str, Any], Array]]]:
    one, two = (
        _grey(path, options.side)
        for path in sorted(p for p in options.pictures.iterdir() if p.suffix in (".png", ".jpg"))[-2:]
    )
    both = (sobel(one) + sobel(two)) / 2
    return {
        "gradients": lambda: gradients(sobel(one), one, options),
        "laplacian": lambda: laplacians(one, options, False),
        "laplacian, border": lambda: laplacians(one, options, True),
        "composition": lambda: gradients(both, (one + two) / 2, options),
    }


# -- equations

LINE, PLANE = {"x": (-1, 1), "t": (0, 0.6)}, {"x": (-1, 1), "y": (-1, 1), "t": (0, 0.5)}
PULSE = 0.1
"""Standard deviation of the pulses."""


def _wave(axes: Any, start: str, exact: str = "") -> Problem:
    sides = [{"on": "boundary", "equation": "u = 0"}, {"on": "start", "equation": f"u = {start}"},
             {"on": "start", "equation": "u_t = 0"}]  # fmt: skip
    more: dict[str, Any] = {"reference": {"exact": exact}} if exact else {}
    return Problem.of("u_tt = lap(u)", axes, sides, **more)


def _pulse(place: str) -> str:
    return f"exp(-({place})**2/(2*{PULSE}**2))"


def _off_pulse(solution: Solution) -> float:
    """Relative L2 from the integral of s^2 exp(-k^2 s^2 / 2) J0(k r) cos(k t) k over k > 0."""
    line, times = np.linspace(-1, 1, 41), np.linspace(0, 0.5, 6)
    x, y, t = (each.ravel() for each in np.meshgrid(line, line, times, indexing="ij"))
    k, weights = np.polynomial.legendre.leggauss(200)
    k, weights = (k + 1) * 4 / PULSE, weights * 4 / PULSE
    kernel = j0(k * np.hypot(x, y)[:, None]) * np.cos(k * t[:, None]) * k
    wanted = kernel @ (weights * PULSE**2 * np.exp(-((k * PULSE) ** 2) / 2))
    points = torch.from_numpy(np.stack([x, y, t], -1))
    return _relative(solution.field.jets(points, JetPlan(0))[0, :, 0].detach().numpy(), wanted)


def equations() -> dict[str, tuple[Problem, dict[str, Any], Callable[[Solution], float] | None]]:
    """Name -> problem, settings, error; None: that from the exact solution."""
    last: dict[str, Any] = {"method": "least_squares"}
    return {
        "helmholtz, point source": (_source(0.05), last | {"features": 1000}, lambda s: _off_hankel(s, 0.05)),
        "wave, d'Alembert": (
            _wave(LINE, _pulse("x"), f"({_pulse('x - t')} + {_pulse('x + t')})/2"), last | {"features": 1000}, None),
        "wave, standing": (
            _wave({"x": (0, 1), "y": (0, 1), "t": (0, 1)}, "sin(pi*x)*sin(2*pi*y)",
                  "sin(pi*x)*sin(2*pi*y)*cos(sqrt(5)*pi*t)"), last | {"features": 800}, None),
        "wave, pulse in the plane": (
            _wave(PLANE, f"exp(-(x**2 + y**2)/(2*{PULSE}**2))"), last | {"features": 2500, "scale": 32.0},
            _off_pulse),
    }  # fmt: skip


def _is_wanted(name: str, parts: Sequence[str]) -> bool:
    return any(name == part[1:] if part[:1] == "=" else part in name for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--only", help="parts of names, with | between them")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sharp", action="store_true", help="no blurs")
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    torch.set_num_threads(max(1, int(os.environ.get("INR_NUM_THREADS", "2"))))
    if options.sharp:
        global BLURS
        BLURS = (0.0,)
    wanted = options.only.split("|") if options.only else [""]
    rows = []
    if options.out is not None:
        options.out.mkdir(exist_ok=True)

    def done(name: str, row: dict[str, Any], seconds: float) -> Path | None:
        rows.append({"experiment": name, **row, "seconds": seconds, "load": os.getloadavg()[0]})
        shown = "  ".join(f"{key} {value:.3g}" for key, value in row.items() if isinstance(value, float | int))
        print(f"{name:26} {shown}  {seconds:.0f} s", flush=True)
        return None if options.out is None else options.out / f"{name.replace(', ', '-').replace(' ', '-')}.png"

    for name, experiment in pictures(options).items():
        if _is_wanted(name, wanted):
            began = time.perf_counter()
            row, picture = experiment()
            sizes = {"side": options.side, "width": options.width}
            path = done(name, row | sizes, time.perf_counter() - began)
            if path is not None:
                _shown(picture, path)
    for name, (problem, settings, error) in equations().items():
        if _is_wanted(name, wanted):
            solution = solve(problem, **settings)
            off = max(solution.errors.exact.values()) if error is None else error(solution)
            path = done(name, {"off": off, "residual": solution.errors.residual}, solution.seconds)
            if path is not None:
                path.write_bytes(solution_figure(Sampled.of(solution), name, ".png"))
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
