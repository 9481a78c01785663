"""Boundary-value problems with closed forms: `python benchmarks/solve.py [--only NAMES] [--record solve]`.

Each is solved with the settings of `inr solve`, on one thread, and compared with its exact solution at points that were
not trained on. `--peer` first times steps of DeepXDE (with torch) beside ours, and runs its example of Helmholtz's
equation (`Helmholtz_Dirichlet_2d`: 3 x 150 sines, hard conditions, 400 points, Adam 1e-3, 5000 steps; then by L-BFGS in
float64), each for at most --limit seconds; the last problem here is the same. `_deepxde.py` says how.
Each row has the machine's load, because other work makes seconds longer.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from _record import save
from _timing import interleaved, ratio
from scipy.special import hankel1

from inr.kernels import use_backend
from inr.kernels.dense_mlp import dense_mlp
from inr.kernels.pointwise import sines
from inr.kernels.sine_jet import JetPlan, identity_jets, sine_jet
from inr.solving import Ball, Problem, Solution, solve, solve_ball
from inr.solving.examples import EXAMPLES
from inr.solving.helmholtz import EDGE

BOX = {"x": (0, 1), "y": (0, 1)}
BURGERS_NU = 0.01 / math.pi
WALLS = [{"on": "boundary", "equation": "u = 0"}]


def _poisson(k: int, d: int) -> Problem:
    axes = dict.fromkeys("xyz"[:d], (0, 1))
    exact = "*".join(f"sin({k}*pi*{axis})" for axis in axes)
    return Problem.of(f"-lap(u) = {d * k * k}*pi**2*{exact}", axes, WALLS, reference={"exact": exact})


def _plate(equation: Any, axes: Any, conditions: Any, exact: Any, **tables: Any) -> Problem:
    return Problem.of(equation, axes, conditions, reference={"exact": exact} if exact else {}, **tables)


def _plane_wave(waves: float) -> Problem:
    k = 2 * math.pi * waves
    wave = f"cos({k * math.cos(0.5)}*x + {k * math.sin(0.5)}*y)"
    return _plate(f"lap(u) + {k}**2*u = 0", BOX, [{"on": "boundary", "equation": f"u = {wave}"}], wave)


LAST_LAYER = {"method": "least_squares"}
EIGENVALUES = {
    "A16 square, 3 states": (2 * math.pi**2, 5 * math.pi**2, 5 * math.pi**2),
    "A16 well, 3 states": (0.81974009427, 3.22094072717, 6.94589087491),
}


TURN = "where(y < 0, atan2(y, x) + 2*pi, atan2(y, x))"
CORNER = f"(x**2 + y**2)**(1/3)*sin(2*({TURN})/3)"


def _in_mesh() -> Problem:
    exact = "sin(2*x)*cos(3*y)*cosh(z)"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "torus.stl"
        trimesh.creation.torus(1.0, 0.4, major_sections=64, minor_sections=32).export(path)
        conditions = [{"on": "boundary", "equation": f"u = {exact}"}]
        return _plate(f"lap(u) = -12*{exact}", {}, conditions, exact, geometry={"mesh": str(path)})


WAVENUMBER = 20


def _source(s: float) -> Problem:
    """A Gaussian source of integral 1 and standard deviation s in free space."""
    source = f"exp(-(x**2 + y**2)/(2*{s}**2))/(2*pi*{s}**2)"
    axes = {"x": (-1, 1), "y": (-1, 1)}
    head = {"absorb": {"width": 0.5, "strength": 5}, "spots": [{"at": [0, 0], "size": s}]}
    return Problem.of(f"lap(E) + {WAVENUMBER}**2*E = -{source}", axes, fields={"E": {"complex": True}}, problem=head)


def _off_hankel(solution: Solution, s: float) -> float:
    """Relative L2 from i/4 H0(k r) exp(-k^2 s^2 / 2), between the layers and outside of the source, after one complex
    factor is fitted."""
    line = torch.linspace(-0.5, 0.5, 101, dtype=torch.float64)
    x = torch.cartesian_prod(line, line)
    r = x.norm(dim=1).numpy()
    there = r > max(0.05, 3 * s)
    parts = solution.field.jets(x[torch.from_numpy(there)], JetPlan(0))[0].detach().numpy()
    found = parts[:, 0] + 1j * parts[:, 1]
    wanted = 0.25j * hankel1(0, WAVENUMBER * r[there]) * np.exp(-((WAVENUMBER * s) ** 2) / 2)
    factor = np.vdot(found, wanted) / np.vdot(found, found)
    return float(np.linalg.norm(factor * found - wanted) / np.linalg.norm(wanted))


def _loaded(text: str, file: str, table: Any, header: str) -> Problem:
    with tempfile.TemporaryDirectory() as folder:
        np.savetxt(Path(folder) / file, table, delimiter=",", header=header, comments="")
        (Path(folder) / "problem.toml").write_text(text)
        return Problem.load(Path(folder) / "problem.toml")


def _probes() -> Problem:
    """200 values of exp(-0.6 pi^2 t) sin(pi x) sin(pi y) with noise of 1 % of the largest."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(200, 3)) * [1, 1, 0.5]
    u = np.sin(np.pi * x[:, 0]) * np.sin(np.pi * x[:, 1]) * np.exp(-0.3 * 2 * np.pi**2 * x[:, 2])
    text = (
        '[problem]\nequation = "u_t = kappa*lap(u)"\n[axes]\nx = [0, 1]\ny = [0, 1]\nt = [0, 0.5]\n'
        "[unknowns]\nkappa = { start = 1.0, low = 0.01, high = 10 }\n"
        '[[condition]]\non = "boundary"\nequation = "u = 0"\n[[observed]]\nfile = "u.csv"\nnoise = 0.01\n'
    )
    return _loaded(text, "u.csv", np.c_[x, u + 0.01 * rng.standard_normal(200)], "x,y,t,u")


def _noisy_values() -> Problem:
    """2500 values of sin(pi x) sin(pi y) with noise 0.1, and a coefficient that is known on the boundary."""
    a = "1/(1 + x**2 + y**2 + (x - 1)**2 + (y - 1)**2)"
    slopes = "(2*x - 1)*cos(pi*x)*sin(pi*y) + (2*y - 1)*sin(pi*x)*cos(pi*y)"
    source = f"2*pi**2*sin(pi*x)*sin(pi*y)*({a}) + 2*pi*({a})**2*({slopes})"
    g = (np.arange(50) + 0.5) / 50
    x, y = np.meshgrid(g, g, indexing="ij")
    u = np.sin(np.pi * x) * np.sin(np.pi * y) + 0.1 * np.random.default_rng(0).standard_normal(x.shape)
    text = (
        f'[problem]\nequation = "-div(a*grad(u)) = {source}"\n[axes]\nx = [0, 1]\ny = [0, 1]\n'
        "[fields]\nu = {}\na = { unknown = true }\n"
        f'[reference]\nexact = {{ u = "sin(pi*x)*sin(pi*y)", a = "{a}" }}\n'
        f'[[condition]]\non = "boundary"\nequation = "u = 0"\n[[condition]]\non = "boundary"\nequation = "a = {a}"\n'
        '[[observed]]\nfile = "u.csv"\nnoise = 0.1\n'
    )
    return _loaded(text, "u.csv", np.c_[x.ravel(), y.ravel(), u.ravel()], "x,y,u")


def _states(equation: str, axes: Any) -> Problem:
    return Problem.of(equation, axes, WALLS, problem={"kind": "eigen", "states": 3})


def problems() -> dict[str, tuple[Problem, dict[str, Any]]]:
    """Handbook name -> problem and settings. A name begins with its acceptance test."""
    square = {"x": (-1, 1), "y": (-1, 1)}
    front = "1/(1 + exp(-(x*sqrt(k/(2*D)) + 3*k*t/2)))"
    sides = ["left", "right"]
    return {
        "A1 Poisson 2-D, k=1": (_poisson(1, 2), {}),
        "A2 Poisson 2-D, k=4": (_poisson(4, 2), {}),
        "A2 Poisson 3-D, k=1": (_poisson(1, 3), {}),
        "A3 two scales, 1-D": (
            _plate("u_xx = -4*pi**2*sin(2*pi*x) - 250*pi**2*sin(50*pi*x)", {"x": (0, 1)}, WALLS,
                   "sin(2*pi*x) + 0.1*sin(50*pi*x)"), {}),
        "A4 constant source": (_plate("-lap(u) = 1", BOX, WALLS, None), {"method": "least_squares"}),
        "A5 disc": (_plate("lap(u) = -4", square, WALLS, "1 - x**2 - y**2", geometry={"disc": {"radius": 1}}), {}),
        "A5 disc, harmonic": (
            _plate("lap(u) = 0", square, [{"on": "boundary", "equation": "u = cos(3*atan2(y, x))"}], "x**3 - 3*x*y**2",
                   geometry={"disc": {"radius": 1}}), {}),
        "A5 annulus": (
            _plate("lap(u) = 0", {"x": (-2, 2), "y": (-2, 2)},
                   [{"on": "inner", "equation": "u = 0"}, {"on": "outer", "equation": "u = 1"}],
                   "log(x**2 + y**2)/(2*log(2))", geometry={"annulus": {"inner": 1, "outer": 2}}),
            {"method": "least_squares"}),
        "A6 L-shape": (
            _plate("lap(u) = 0", square, [{"on": "boundary", "equation": f"u = {CORNER}"}], CORNER,
                   geometry={"polygon": [[0, 0], [1, 0], [1, 1], [-1, 1], [-1, -1], [0, -1]]}), {}),
        "A7 torus of an STL file": (_in_mesh(), {"method": "least_squares"}),
        "A8 plane wave, k=20": (Problem.of_document(_example("helmholtz.toml")), {}),
        "plane wave, 12 wavelengths": (_plane_wave(12.13), LAST_LAYER),
        "12 wavelengths, scale 64": (_plane_wave(12.13), LAST_LAYER | {"features": 1500, "scale": 64.0}),
        "plane wave, 20 wavelengths": (_plane_wave(20.13), LAST_LAYER | {"time_s": 1.0}),
        "20 wavelengths, scale 64": (_plane_wave(20.13), LAST_LAYER | {"features": 2500, "scale": 64.0}),
        "A9 source, 0.05": (_source(0.05), {"features": 1500, "method": "least_squares", "scale": 48.0}),
        "A9 source, 0.01": (_source(0.01), {"features": 1500, "method": "least_squares", "scale": 48.0}),
        "A10 Helmholtz (1, 4)": (
            _plate("lap(u) + u = (1 - 17*pi**2)*sin(pi*x)*sin(4*pi*y)", square, WALLS, "sin(pi*x)*sin(4*pi*y)"), {}),
        "A11 wave 1-D": (Problem.of_document(_example("wave.toml")), {}),
        "A12 heat 2-D": (
            _plate("u_t = 0.01*lap(u)", {**square, "t": (0, 1)},
                   [{"on": "boundary", "equation": "u = 0.04/(0.04 + 0.02*t)*exp(-(x**2 + y**2)/(2*(0.04 + 0.02*t)))"},
                    {"on": "start", "equation": "u = exp(-(x**2 + y**2)/0.08)"}],
                   "0.04/(0.04 + 0.02*t)*exp(-(x**2 + y**2)/(2*(0.04 + 0.02*t)))"),
            {"features": 2500, "method": "least_squares"}),
        "A13 Burgers": (
            _plate("u_t + u*u_x = nu*u_xx", {"x": (-1, 1), "t": (0, 1)},
                   [{"on": "start", "equation": "u = -sin(pi*x)"}, {"on": sides, "equation": "u = 0"}], None,
                   parameters={"nu": BURGERS_NU}),
            {"sampler": "rad", "windows": 5, "method": "gauss_newton", "time_s": 115.0}),
        "A14 Allen-Cahn front": (
            _plate("u_t = D*u_xx + k*(u - u**3)", {"x": (-1, 1), "t": (0, 1)},
                   [{"on": sides, "equation": f"u = {front}"}, {"on": "start", "equation": f"u = {front}"}], front,
                   parameters={"D": 0.01, "k": 5}), {"windows": 4, "method": "least_squares", "scale": 64.0}),
        "A15 Navier's plate": (
            _plate(["lap(w) = m", "D*lap(m) = 0.015*sin(pi*x/10)*sin(pi*y/10)"], {"x": (0, 10), "y": (0, 10)},
                   [{"on": "boundary", "equation": "w = 0"}, {"on": "boundary", "equation": "m = 0"}],
                   {"w": "0.015/(D*pi**4*(2/100)**2)*sin(pi*x/10)*sin(pi*y/10)"}, parameters={"D": 20.8333}), {}),
        "A16 square, 3 states": (_states("-lap(u) = E*u", BOX), {}),
        "A16 well, 3 states": (Problem.of_document(_example("well.toml")), {}),
        "A17 Kovasznay": (Problem.of_document(_example("flow.toml")), {"method": "least_squares"}),
        "A18 diffusivity": (_probes(), {"features": 300}),
        "A18 coefficient": (_noisy_values(), {"method": "least_squares", "features": 150, "scale": 3.0}),
        "DeepXDE's Helmholtz": (
            _plate("-lap(u) - (4*pi)**2*u = (4*pi)**2*sin(4*pi*x)*sin(4*pi*y)", BOX, WALLS,
                   "sin(4*pi*x)*sin(4*pi*y)"), {}),
    }  # fmt: skip


def _example(name: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(EXAMPLES[name])


def cole_hopf(x: Any, t: Any) -> Any:
    """u_t + u u_x = nu u_xx with u(x, 0) = -sin pi x, by 100 nodes of Gauss-Hermite quadrature (Cole 1951)."""
    z, w = np.polynomial.hermite.hermgauss(100)
    away = x[:, None] - 2 * np.sqrt(BURGERS_NU * t[:, None]) * z
    exponent = -np.cos(np.pi * away) / (2 * np.pi * BURGERS_NU)
    weight = np.exp(exponent - exponent.max(1, keepdims=True)) * w
    return -(np.sin(np.pi * away) * weight).sum(1) / weight.sum(1)


def _burgers_errors(solution: Any) -> tuple[dict[str, float], float]:
    """The relative L2 error, and the error at (0.25, 0.5), where u = -0.847354524451."""
    unit = torch.rand(4000, 2, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    found, (x, t) = solution.fit(unit)[:, 0].numpy(), unit.T.numpy()
    wanted = cole_hopf(2 * x - 1, t)
    quarter = solution.fit(torch.tensor([[0.625, 0.5]], dtype=torch.float64))
    return {"u": float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))}, abs(float(quarter) + 0.847354524451)


def measured(name: str, problem: Problem, settings: dict[str, Any]) -> dict[str, Any]:
    solution = solve(problem, **settings)
    errors = solution.errors
    row = {
        "problem": name,
        "exact": dict(errors.exact),
        "exact_max": dict(errors.exact_max),
        "residual": errors.residual,
        "bound": errors.bound,
        "stages": [{"what": s.what, "seconds": s.seconds, "score": s.score} for s in solution.stages],
        "seconds": solution.seconds,
        "load": os.getloadavg()[0],
    }
    if name in EIGENVALUES:
        pairs = zip(solution.unknowns.items(), EIGENVALUES[name], strict=True)
        row["exact"] = {key: abs(value / exact - 1) for (key, value), exact in pairs}
        row["estimates"] = dict(errors.eigenvalues)
    if name.startswith("A9"):
        row["exact"] = {"E": _off_hankel(solution, float(name.rpartition(" ")[2]))}
    if name == "A18 diffusivity":
        row["exact"] = {"kappa": abs(solution.unknowns["kappa"] / 0.3 - 1)}
    if name.startswith("A13"):
        row["exact"], row["at_quarter"] = _burgers_errors(solution)
    if name.startswith("A4"):
        centre = solution.fit(torch.tensor([[0.5, 0.5]], dtype=torch.float64))
        row["centre_error"] = abs(float(centre) - 0.0736713533)
    return row


TWO_BODY = "A19 two-body, d=1000"


def two_body(d: int) -> tuple[Any, Any]:
    """u = (1 - |x|^2) sum_i c_i sin(x_i + cos x_(i+1) + x_(i+1) cos x_i) with normal c_i, and its Laplacian."""
    c = torch.randn(d - 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def exact(x: torch.Tensor) -> torch.Tensor:
        a, b = x[:, :-1], x[:, 1:]
        return (1 - x.square().sum(1)) * (torch.sin(a + torch.cos(b) + b * torch.cos(a)) @ c.to(x))

    def laplacian(x: torch.Tensor) -> torch.Tensor:
        a, b, weights = x[:, :-1], x[:, 1:], c.to(x)
        inner = a + torch.cos(b) + b * torch.cos(a)
        by_a, by_b = 1 - b * torch.sin(a), torch.cos(a) - torch.sin(b)
        s, k = torch.sin(inner), torch.cos(inner)
        second = (-k * (b * torch.cos(a) + torch.cos(b)) - s * (by_a**2 + by_b**2)) @ weights
        along = (k * (a * by_a + b * by_b)) @ weights
        return (1 - x.square().sum(1)) * second - 4 * along - 2 * d * (s @ weights)

    return exact, laplacian


def in_many_dimensions(seconds: float) -> dict[str, Any]:
    """The error at 5000 new points; `constant` is that of the best multiple of 1 - |x|^2."""
    exact, laplacian = two_body(1000)
    ball = Ball(1000, laplacian)
    solution = solve_ball(ball, time_s=seconds)
    x = ball.points(5000, torch.Generator().manual_seed(9))
    wanted, plain = exact(x), 1 - x.square().sum(1)
    flat = plain * (plain @ wanted) / (plain @ plain)
    return {
        "problem": TWO_BODY,
        "exact": {"u": float((solution.field(x) - wanted).norm() / wanted.norm())},
        "constant": float((flat - wanted).norm() / wanted.norm()),
        "residual": solution.residual,
        "steps": solution.steps,
        "seconds": solution.seconds,
        "load": os.getloadavg()[0],
    }


def steps() -> list[dict[str, Any]]:
    """One gradient of mean (lap(u) + 1)^2 for 2 -> 64 -> 64 -> 64 -> 1 sines at 2048 points, on one thread: `sine_jet`
    compiled, as plain torch, and by autograd within autograd; and its products of matrices alone. They take turns;
    ratios are of neighbours in time."""
    rows = []
    plan, waves = JetPlan.laplacian(2), sines(3.0, 1.0, 1.0)
    for dtype in (torch.float32, torch.float64):
        generator = torch.Generator().manual_seed(0)
        widths = (2, 64, 64, 64, 1)
        weights = [torch.randn(b, a, generator=generator, dtype=dtype) / a**0.5 for a, b in pairwise(widths)]
        biases = [torch.randn(b, generator=generator, dtype=dtype) for b in widths[1:]]
        params = [p.requires_grad_() for p in (*weights, *biases[:-1])]  # the last bias has no effect
        x = torch.rand(2048, 2, generator=generator, dtype=dtype)

        def loss(backend: str, x: torch.Tensor = x, weights: Any = weights, biases: Any = biases) -> torch.Tensor:
            with use_backend(backend):
                y = sine_jet(identity_jets(x, plan), weights, biases, waves, plan)
            return (y[3] + 1).square().mean()

        def nested(x: torch.Tensor = x, weights: Any = weights, biases: Any = biases) -> torch.Tensor:
            x = x.clone().requires_grad_()
            with use_backend("reference"):
                y = dense_mlp(x, weights, biases, waves, order=3)
            (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            second = [torch.autograd.grad(first[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2)]
            return (second[0] + second[1] + 1).square().mean()

        rooms = [torch.empty(plan.n_streams * len(x), width, dtype=dtype) for width in widths]
        for room in rooms:
            room.normal_(generator=generator)

        def products(rooms: Any = rooms, weights: Any = weights) -> None:
            """Those of all layers and streams: forward, and backward by inputs and weights."""
            with torch.no_grad():
                for a, b, w in zip(rooms, rooms[1:], weights, strict=False):
                    torch.mm(a, w.T, out=b)
                for a, b, w in zip(rooms[:-1], rooms[1:], weights, strict=False):
                    torch.mm(b.T, a)
                    torch.mm(b, w)

        calls = {
            "products": products,
            "compiled": lambda loss=loss, params=params: torch.autograd.grad(loss("cpu"), params),
            "torch": lambda loss=loss, params=params: torch.autograd.grad(loss("reference"), params),
            "nested": lambda nested=nested, params=params: torch.autograd.grad(nested(), params),
        }
        mine, other = (torch.autograd.grad(value, params) for value in (loss("cpu"), nested()))
        off = max(float((a - b).norm() / b.norm()) for a, b in zip(mine[:4], other[:4], strict=True))
        times = interleaved(calls, 15.0)
        row = {"dtype": str(dtype), "difference": off, "load": os.getloadavg()[0]}
        row |= {f"{name}_ms": statistics.median(spent) for name, spent in times.items()}
        rows.append(row | {f"{name}_ratio": ratio(times, name, "compiled") for name in ("torch", "nested")})
        print(rows[-1], flush=True)
    return rows


PER_MODE = (1.2, 1.4, 1.6, 1.8, 2.0, 2.2)


def features_for_waves() -> list[dict[str, Any]]:
    """Plane waves across a square with so many features per mode that `inr.solving.helmholtz` counts."""
    rows = []
    for waves in (6.13, 9.13, 12.13):
        k = 2 * math.pi * waves
        modes = math.pi * ((k / 2 + EDGE) / math.pi) ** 2  # of a square of side 1
        for share in PER_MODE:
            n = round(share * modes)
            errors = solve(_plane_wave(waves), method="least_squares", features=n, time_s=0.01).errors
            rows.append({"waves": waves, "per_mode": share, "features": n, "residual": errors.residual,
                         "exact": errors.exact["u"]})  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="parts of names, with commas")
    parser.add_argument("--steps", action="store_true", help="only gradients of a network, against plain torch")
    parser.add_argument("--per-mode", action="store_true", help="only features per mode of waves of one length")
    parser.add_argument("--peer", action="store_true", help="DeepXDE too, which must be installed")
    parser.add_argument("--limit", type=float, default=400.0, help="seconds of each run of DeepXDE")
    parser.add_argument("--seeds", type=int, default=1, help="runs of DeepXDE with Adam")
    parser.add_argument("--threads", type=int, default=1, help="of torch and of inr")
    parser.add_argument("--record", help="keep the rows under this name")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.steps or options.per_mode:
        rows = steps() if options.steps else features_for_waves()
        if options.record:
            print(save(options.record, rows))
        return
    rows = []
    if options.peer:
        import _deepxde

        problem, _ = problems()["DeepXDE's Helmholtz"]
        rows = [*_deepxde.steps(), *_deepxde.compared(problem, options.limit, options.seeds)]
    for name, (problem, settings) in problems().items():
        if options.only is None or any(part in name for part in options.only.split(",")):
            rows.append(measured(name, problem, settings))
            row = rows[-1]
            worst = max(row["exact"].values(), default=row.get("centre_error", float("nan")))
            print(f"{name:24} error {worst:.1e}  residual {row['residual']:.1e}  {row['seconds']:.1f} s", flush=True)
    if options.only is None or any(part in TWO_BODY for part in options.only.split(",")):
        rows.append(in_many_dimensions(60.0))
        print(rows[-1], flush=True)
    if options.record:
        print(save(options.record, rows))


if __name__ == "__main__":
    main()
