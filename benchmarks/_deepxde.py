"""DeepXDE (torch) beside `inr solve`: a step of training for the same network and points, and time to an error."""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from _timing import interleaved, ratio

from inr.kernels.pointwise import sines
from inr.kernels.sine_jet import JetPlan, identity_jets, sine_jet
from inr.solving import Problem, solve

WANTED = 1e-3
"""Relative L2 error, the time to which is compared."""
EARLY = 60.0
"""Seconds of DeepXDE, whose error then is what our time is compared at too."""
EVERY = 100
"""Iterations between measurements."""
WIDTHS = (64, 64, 64)
POINTS = 2048


def _deepxde() -> Any:
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde  # type: ignore[import-not-found]  # installed for the comparison only

    return deepxde


def _equation(dde: Any, factors: Sequence[float], source: float) -> Callable[[Any, Any], Any]:
    """Of two arguments, which DeepXDE counts."""

    def equation(x: Any, y: Any) -> Any:
        return sum(c * dde.grad.hessian(y, x, i=i, j=i) for i, c in enumerate(factors)) + source

    return equation


def steps(seconds: float = 20.0) -> list[dict[str, Any]]:
    """A step of Adam in float32 on 2048 points for 2 -> 64 -> 64 -> 64 -> 1 sines, without conditions: the loss
    mean (lap(u) + 1)^2, and mean (u_tt - 4 u_xx)^2 with five streams. Weights and points are DeepXDE's in both, which
    take turns; the losses are those of the first step."""
    dde = _deepxde()
    rows = []
    for name, factors, source in (("Poisson", (1.0, 1.0), 1.0), ("wave", (-4.0, 1.0), 0.0)):
        dde.config.set_random_seed(0)
        equation = _equation(dde, factors, source)
        data = dde.data.PDE(dde.geometry.Rectangle([0, 0], [1, 1]), equation, [], num_domain=POINTS)
        net = dde.nn.FNN([2, *WIDTHS, 1], "sin", "Glorot uniform")
        model = dde.Model(data, net)
        model.compile("adam", lr=1e-3)
        weights = [layer.weight.detach().clone().requires_grad_() for layer in net.linears]
        biases = [layer.bias.detach().clone().requires_grad_() for layer in net.linears]
        adam = torch.optim.Adam([*weights, *biases], lr=1e-3, fused=True)
        x = torch.from_numpy(np.asarray(data.train_x, np.float32))
        plan = JetPlan.laplacian(2) if name == "Poisson" else JetPlan(2, (((0, 0, 1.0),), ((1, 1, 1.0),)))
        jets, waves = identity_jets(x, plan), sines(1.0, 1.0, 1.0)

        def loss(
            jets: Any = jets, weights: Any = weights, biases: Any = biases, plan: Any = plan, waves: Any = waves,
            factors: Any = factors, source: float = source,
        ) -> torch.Tensor:  # fmt: skip
            y = sine_jet(jets, weights, biases, waves, plan)[3:]
            total = y[0] if len(y) == 1 else factors[0] * y[0] + factors[1] * y[1]
            return (total + source).square().mean()

        def ours(adam: Any = adam, loss: Callable[[], torch.Tensor] = loss) -> None:
            adam.zero_grad()
            loss().backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            adam.step()

        inputs, targets = data.train_x, data.train_y
        theirs = float(np.sum(model._outputs_losses(True, inputs, targets, None)[1]))
        mine = float(loss().detach())
        step = functools.partial(model._train_step, inputs, targets, None)
        calls: dict[str, Callable[[], object]] = {"inr": ours, "deepxde": step}
        times = interleaved(calls, seconds)
        row = {"problem": f"step, {name}", "version": dde.__version__, "load": os.getloadavg()[0]}
        row |= {f"{key}_ms": statistics.median(spent) for key, spent in times.items()}
        row |= {"ratio": ratio(times, "deepxde", "inr"), "loss": mine, "deepxde_loss": theirs}
        row["threads"] = torch.get_num_threads()
        print(row, flush=True)
        rows.append(row)
    return rows


def helmholtz(limit: float, seed: int, *, is_second_order: bool = False) -> dict[str, Any]:
    """DeepXDE's published script `Helmholtz_Dirichlet_2d` (3 x 150 sines, hard conditions, 400 points, Adam 1e-3, 5000
    steps) with its error over time; stopped after `limit` seconds. is_second_order: float64 and L-BFGS instead of Adam.
    """
    dde = _deepxde()
    dde.config.set_default_float("float64" if is_second_order else "float32")
    dde.config.set_random_seed(seed)
    k0 = 4 * np.pi

    def equation(x: Any, y: Any) -> Any:
        source = k0**2 * torch.sin(k0 * x[:, 0:1]) * torch.sin(k0 * x[:, 1:2])
        return -dde.grad.hessian(y, x, i=0, j=0) - dde.grad.hessian(y, x, i=1, j=1) - k0**2 * y - source

    def exact(x: Any) -> Any:
        return np.sin(k0 * x[:, 0:1]) * np.sin(k0 * x[:, 1:2])

    geometry = dde.geometry.Rectangle([0, 0], [1, 1])
    per_wave = 0.5 / 10
    n = int(1 / per_wave)
    data = dde.data.PDE(geometry, equation, [], num_domain=n**2, num_boundary=4 * n, solution=exact, num_test=1000)
    net = dde.nn.FNN([2] + [150] * 3 + [1], "sin", "Glorot uniform")
    net.apply_output_transform(lambda x, y: x[:, 0:1] * (1 - x[:, 0:1]) * x[:, 1:2] * (1 - x[:, 1:2]) * y)
    model = dde.Model(data, net)
    if is_second_order:
        dde.optimizers.set_LBFGS_options(maxiter=15_000)
        dde.optimizers.config.LBFGS_options |= {"iter_per_step": EVERY, "fun_per_step": 5 * EVERY // 4}
        model.compile("L-BFGS", metrics=["l2 relative error"])
    else:
        model.compile("adam", lr=1e-3, metrics=["l2 relative error"])
    curve: list[dict[str, float]] = []
    begin = time.perf_counter()
    x = geometry.random_points(4000)
    wanted = exact(x)

    callback: Any = dde.callbacks.Callback

    class Watch(callback):  # type: ignore[misc]  # no types
        def on_epoch_end(self) -> None:
            spent = time.perf_counter() - begin
            if is_second_order or model.train_state.epoch % EVERY == 0:
                error = float(np.linalg.norm(model.predict(x) - wanted) / np.linalg.norm(wanted))
                curve.append({"seconds": spent, "error": error, "steps": model.train_state.epoch})
                if error <= WANTED:
                    model.stop_training = True
            if spent > limit:
                model.stop_training = True

    model.train(iterations=None if is_second_order else 5000, display_every=5000, callbacks=[Watch()])
    dde.config.set_default_float("float32")
    reached = next((point["seconds"] for point in curve if point["error"] <= WANTED), None)
    return {
        "problem": "DeepXDE",
        "method": "L-BFGS, float64" if is_second_order else "Adam, float32",
        "version": dde.__version__,
        "seed": seed,
        "curve": curve,
        "reached_s": reached,
        "limit_s": limit,
        "is_stopped": reached is None and time.perf_counter() - begin > limit,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
    }


def compared(problem: Problem, limit: float, seeds: int) -> list[dict[str, Any]]:
    """Both on Helmholtz's equation, and a row with medians: seconds to `WANTED`, of a run that did not reach it the
    limit or its end (then the ratio is a lower bound), and our seconds to the error that DeepXDE has after a minute."""
    rows = [helmholtz(limit, seed) for seed in range(seeds)] + [helmholtz(limit, 0, is_second_order=True)]
    ours: list[dict[str, Any]] = []
    for seed in range(max(3, seeds)):
        solution = solve(problem, seed=seed, target=WANTED)
        stages = [{"what": s.what, "seconds": s.seconds, "score": s.score} for s in solution.stages]
        ours.append({"problem": "inr solve", "seed": seed, "error": solution.errors.exact["u"], "stages": stages,
                     "seconds": solution.seconds, "load": os.getloadavg()[0]})  # fmt: skip
    adam = [row for row in rows if row["method"].startswith("Adam")]
    theirs = statistics.median(row["reached_s"] or row["curve"][-1]["seconds"] for row in adam)
    mine = statistics.median(row["seconds"] for row in ours)
    early = [min((p["error"] for p in row["curve"] if p["seconds"] <= EARLY), default=1.0) for row in adam]
    summary = {
        "problem": "time to 1e-3",
        "inr_s": mine,
        "inr_error": max(row["error"] for row in ours),
        "deepxde_s": theirs,
        "is_reached": all(row["reached_s"] for row in adam),
        "ratio": theirs / mine,
        "deepxde_error_after_60_s": statistics.median(early),
    }
    print(summary, flush=True)
    return [*rows, *ours, summary]
