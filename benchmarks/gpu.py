"""All benchmarks and tests on a CUDA device in one call: `python benchmarks/gpu.py [--record NAME] [--limit SECONDS]`.

    ops      hash grid, networks, sine, sums of kernels, the codec's loops, forward and with gradients: milliseconds of
             each backend, of torch eager (`reference`) and of torch.compile on it, and the share of the device's memory
             bandwidth and of its float32 or tensor peak that each of ours reaches. The ceilings are measured in the
             same run.
    steps    a whole training step of the default fit of a picture and of a shape: captured in a CUDA graph, uncaptured,
             and by plain torch; and of tiny-cuda-nn's own module with torch's Adam, where it can be imported; and of
             the codec's pyramid
    quality  seconds to 40 dB of a 768x512 picture, and to IoU 0.995 of a shape, after warm-up

When the time is over, a timer ends the run: the record keeps all measurements so far and names the missing ones.
Without a device it prints an error and ends with exit code 2, without a record.
"""

from __future__ import annotations

import argparse
import functools
import signal as signals
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from _record import save
from torch import Tensor

from inr.codec.profiles.pyramid.architecture import architecture_of
from inr.codec.profiles.pyramid.latent_trainer import RateController, Trainer
from inr.codec.profiles.pyramid.network import Networks, error, rate
from inr.core.errors import UnavailableError
from inr.core.optional import has
from inr.fitting import Run, resolve
from inr.kernels import Need, ops, use_backend, use_precision
from inr.kernels.dense_mlp import dense_mlp
from inr.kernels.hash_grid import grid_geometry, hash_grid
from inr.kernels.kernel_sum import kernel_sum
from inr.kernels.noisy_round import noisy_round
from inr.kernels.pointwise import sines
from inr.kernels.relu_mlp import relu_mlp
from inr.kernels.sine import sine
from inr.signals import Signal, load_signal
from inr.signals.image import Image

DEVICE = "cuda"
LIMIT_S = 460.0  # below 8 minutes
POINTS = 2**18
REAL = 4  # bytes
WARM_UP, ROUNDS, STEPS = 5, 30, 200


class Over(BaseException):
    """The time is over. Not an Exception, which a compiler might catch."""


def milliseconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median time on the device, by events."""
    for _ in range(WARM_UP):
        call()
    times: list[float] = []
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]  # torch has no types for it
        start.record()
        call()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def ceilings() -> dict[str, float]:
    """Bytes per second of a copy, operations per second of products in float32, tf32 and float16."""
    a = torch.ones(2**28, device=DEVICE)
    b = torch.empty_like(a)
    found = {"bytes_per_s": 2 * REAL * a.numel() / (1e-3 * milliseconds(lambda: b.copy_(a)))}
    n, kept = 8192, torch.backends.cuda.matmul.allow_tf32
    for name, dtype in (("float32", torch.float32), ("tf32", torch.float32), ("float16", torch.float16)):
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        matrix = torch.ones(n, n, device=DEVICE, dtype=dtype)
        product = functools.partial(torch.matmul, matrix, matrix)
        found[f"{name}_flops_per_s"] = 2 * n**3 / (1e-3 * milliseconds(product, 5))
    torch.backends.cuda.matmul.allow_tf32 = kept
    return found


# -- ops


def cases(generator: torch.Generator) -> list[tuple[str, str, Callable[..., Tensor], list[Tensor], float, float]]:
    """Op, size, call, its inputs, and the bytes and operations of its forward pass."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(DEVICE).requires_grad_()

    found: list[tuple[str, str, Callable[..., Tensor], list[Tensor], float, float]] = []
    for d_in, finest in ((2, (768, 512)), (3, (2048,) * 3)):
        geometry = grid_geometry(d_in, 16, 19, (16,) * d_in, finest)
        x = torch.rand(POINTS, d_in, generator=generator).to(DEVICE).requires_grad_()
        table = normal(geometry.total_entries, 2)
        reads = min(2 * POINTS * 2**d_in * 16, table.numel())
        moved, done = REAL * (x.numel() + reads + 32 * POINTS), POINTS * 16 * 2**d_in * (d_in + 4)

        def of_grid(x: Tensor, table: Tensor, geometry: Any = geometry) -> Tensor:
            return hash_grid(x, table, geometry)

        found.append(("hash_grid", f"{d_in}-D, 16 levels of 2, 2^19", of_grid, [x, table], moved, done))
    for op, widths in (
        ("relu_mlp", (32, 64, 64, 3)),
        ("dense_mlp", (2, 64, 64, 64, 3)),
        ("dense_mlp", (2, 128, 128, 3)),
    ):
        weights = [(normal(b, a) / a**0.5).detach().requires_grad_() for a, b in pairwise(widths)]
        products = 2 * POINTS * sum(a * b for a, b in pairwise(widths))

        def of_network(x: Tensor, *weights: Tensor, op: str = op) -> Tensor:
            biases = [None] * len(weights)
            if op == "relu_mlp":
                return relu_mlp(x, weights, biases)
            return dense_mlp(x, weights, biases, sines(*[30.0] * (len(weights) - 1)))

        inputs = [normal(POINTS, widths[0]), *weights]
        moved = REAL * POINTS * (widths[0] + widths[-1])
        found.append((op, "-".join(map(str, widths)), of_network, inputs, moved, products))
    found.append(("sine", f"{16 * POINTS}", lambda z: sine(z, 30.0), [normal(16 * POINTS)], 2 * REAL * 16 * POINTS, 0))
    p, centres = (torch.rand(n, 2, generator=generator).to(DEVICE).requires_grad_() for n in (POINTS // 8, 1000))
    sums = [p, centres, torch.full((1000,), 0.05, device=DEVICE, requires_grad=True), normal(1000, 3)]
    pairs = len(p) * len(centres)
    found.append(
        (
            "kernel_sum",
            f"{len(p)} x 1000, gauss",
            lambda p, centres, widths, weights: kernel_sum(p, centres, widths, weights, "gauss"),
            sums,
            REAL * sum(t.numel() for t in sums),
            pairs * 30,
        )
    )
    return [*found, *codec_cases(generator)]


def codec_cases(generator: torch.Generator) -> list[tuple[str, str, Callable[..., Tensor], list[Tensor], float, float]]:
    """The loops of the pyramid of a picture of 768 x 512, as at effort 5."""
    target = picture().values.movedim(-1, 0).contiguous().to(DEVICE)
    channels, height, width = target.shape
    a = architecture_of(channels, height, width, effort=5)
    grids = [torch.randn(shape, generator=generator).to(DEVICE).requires_grad_() for shape in a.grids]
    values = Networks(a, target.cpu(), 1e-3, generator).to(DEVICE).values()
    of_rate, of_error = ({name: values[name] for name in names} for names in (a.context, a.synthesis))
    n_pixels, n = a.height * a.width, a.n_latents
    context = a.n_neighbours + a.n_mixtures
    layers = a.n_features * (a.n_grids + a.channels) + a.channels * a.n_grids + 9 * a.channels**2 * a.n_convolutions

    def rate_of(*given: Tensor) -> Tensor:
        return rate(a, dict(zip(of_rate, given[len(grids) :], strict=True)), given[: len(grids)])

    def error_of(*given: Tensor) -> Tensor:
        return error(a, dict(zip(of_error, given[len(grids) :], strict=True)), given[: len(grids)], target)

    def rounded(x: Tensor) -> Tensor:
        return noisy_round(x, 0.3, 0.2, 1, 2)

    flat = torch.randn(n, generator=generator).to(DEVICE).requires_grad_()
    size, products = "a picture of 768 x 512", 2 * n * context * (context * a.n_hidden + 4)
    return [
        ("context_rate", size, rate_of, [*grids, *of_rate.values()], REAL * n, products),
        (
            "pyramid_error",
            size,
            error_of,
            [*grids, *of_error.values()],
            REAL * (n + target.numel()),
            2 * n_pixels * layers,
        ),
        ("noisy_round", size, rounded, [flat], 3 * REAL * n, 0),
    ]


def measure_ops(peaks: dict[str, float]) -> Iterator[dict[str, Any]]:
    for op, size, call, inputs, n_bytes, n_flops in cases(torch.Generator().manual_seed(0)):
        backends = [b.name for b in ops()[op].backends if "cuda" in (b.devices or {"cuda"})]
        precisions = ("float32", "tf32", "float16") if op.endswith("_mlp") else ("float32",)
        g = torch.ones_like(call(*inputs))
        for is_backward in (False, True):
            row: dict[str, Any] = {"op": op, "size": size, "pass": "forward + backward" if is_backward else "forward"}
            row["ms"], row["not_run"] = {}, {}
            for backend in [*backends, "compile"]:
                for precision in precisions if backend not in ("reference", "compile") else ("float32",):
                    name = backend if precision == "float32" else f"{backend} {precision}"
                    try:
                        row["ms"][name] = time_op(call, inputs, g, backend, precision, is_backward)
                    except (UnavailableError, RuntimeError) as error:
                        row["not_run"][name] = str(error).splitlines()[0]
            for name, ms in row["ms"].items():
                if name.startswith("cuda"):
                    kind = name.removeprefix("cuda").strip() or "float32"
                    times = 3 if is_backward else 1
                    row[f"memory_share {name}"] = times * n_bytes / (1e-3 * ms * peaks["bytes_per_s"])
                    row[f"compute_share {name}"] = times * n_flops / (1e-3 * ms * peaks[f"{kind}_flops_per_s"])
            print(op, size, row["pass"], {name: round(ms, 3) for name, ms in row["ms"].items()}, flush=True)
            yield row


def time_op(
    call: Callable[..., Tensor], inputs: list[Tensor], g: Tensor, backend: str, precision: Any, is_backward: bool
) -> float:
    function = torch.compile(call) if backend == "compile" else call

    def run() -> object:
        if is_backward:
            return torch.autograd.grad(function(*inputs), inputs, g)
        with torch.no_grad():
            return function(*inputs)

    with use_backend("reference" if backend == "compile" else backend), use_precision(precision, "cuda"):
        return milliseconds(run)


# -- steps and quality


def picture() -> Image:
    """768 x 512 pixels with edges and fine detail, the same in every run, without a file."""
    y, x = np.mgrid[:512, :768] / 512
    waves = [
        np.sin(40 * x * x + 9 * y) * np.cos(23 * y * x),
        np.sin(60 * np.hypot(x - 0.7, y - 0.5)),
        np.cos(31 * x * y),
    ]
    disc = (np.hypot(x - 0.5, y - 0.4) < 0.25)[..., None]
    noise = np.random.default_rng(0).normal(0, 4, (512, 768, 3))
    return Image.of_pixels((127 + 90 * np.stack(waves, -1) * (1 - 0.6 * disc) + noise).clip(0, 255).astype(np.uint8))


def run_of(signal: Signal, **settings: Any) -> Run:
    return Run(signal, *resolve(signal, "hash_grid", settings), torch.device(DEVICE))


def measure_step(name: str, signal: Signal) -> Iterator[dict[str, Any]]:
    row: dict[str, Any] = {"step": name, "ms": {}, "not_run": {}}
    arms = {"captured": ("", "float32"), "captured float16": ("", "float16"), "uncaptured": ("", "float32")}
    for arm, (backend, precision) in {**arms, "torch eager": ("reference", "float32")}.items():
        try:
            run = run_of(signal, steps=STEPS, precision=precision)
            if not arm.startswith("captured"):
                run.train_step.capture_with(None)
            row["batch"] = min(run.settings.batch, run.pool.size)
            if backend:
                with use_backend(backend):
                    row["ms"][arm] = of_steps(run)
            else:
                row["ms"][arm] = of_steps(run)
        except (UnavailableError, RuntimeError) as error:
            row["not_run"][arm] = str(error).splitlines()[0]
    if has("tinycudann"):
        row["ms"]["tinycudann"] = of_tinycudann(signal.spec.d_in, signal.spec.d_out, row["batch"])
    else:
        row["not_run"]["tinycudann"] = "the package cannot be imported"
    print("step of", name, {arm: round(ms, 3) for arm, ms in row["ms"].items()}, flush=True)
    yield row


def measure_codec_step() -> Iterator[dict[str, Any]]:
    """A soft step of the pyramid, and by plain torch."""
    row: dict[str, Any] = {"step": "pyramid of a picture 768x512", "ms": {}, "not_run": {}}
    target = picture().values.movedim(-1, 0).contiguous().to(DEVICE)
    channels, height, width = target.shape
    architecture = architecture_of(channels, height, width, effort=5)
    for arm, backend in (("triton", "cuda"), ("torch eager", "reference")):
        trainer = Trainer(architecture, target, RateController(1e-3), torch.Generator().manual_seed(0))
        try:
            with use_backend(backend):
                trainer.soft(WARM_UP)
                torch.cuda.synchronize()
                start = time.perf_counter()
                trainer.soft(ROUNDS)
                torch.cuda.synchronize()
            row["ms"][arm] = 1e3 * (time.perf_counter() - start) / ROUNDS
        except (UnavailableError, RuntimeError) as problem:
            row["not_run"][arm] = str(problem).splitlines()[0]
    print("step of", row["step"], {arm: round(ms, 3) for arm, ms in row["ms"].items()}, flush=True)
    yield row


def of_steps(run: Run) -> float:
    """Milliseconds of a step, with batches and the reading of the loss."""
    for _ in range(20):
        run.take_step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(STEPS - 20):
        run.take_step()
    torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / (STEPS - 20)


def of_tinycudann(d_in: int, d_out: int, batch: int) -> float:
    """The same with tiny-cuda-nn's PyTorch binding: 16 levels of 2, 2^19 entries, 64 x 2, torch's fused Adam."""
    import tinycudann

    encoding = {"otype": "HashGrid", "log2_hashmap_size": 19, "base_resolution": 16, "per_level_scale": 1.5}
    network = {"otype": "FullyFusedMLP", "activation": "ReLU", "n_neurons": 64, "n_hidden_layers": 2}
    module = tinycudann.NetworkWithInputEncoding(d_in, d_out, encoding, network | {"output_activation": "None"})
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2, fused=True)
    x, y = torch.rand(batch, d_in, device=DEVICE), torch.rand(batch, d_out, device=DEVICE)

    def step() -> None:
        optimizer.zero_grad()
        (module(x).float() - y).square().mean().backward()
        optimizer.step()

    return milliseconds(step, 100)


def measure_quality(name: str, signal: Signal, target: float, limit_s: float) -> Iterator[dict[str, Any]]:
    """Seconds of training until the written signal has the quality; evaluations every 20 steps are not counted.

    limit_s: of both.
    """
    run_of(signal, steps=20).advance()  # compiles
    run = run_of(signal, steps=20_000)
    seconds, quality, metric, begin = 0.0, 0.0, signal.headline, time.perf_counter()
    while time.perf_counter() - begin < limit_s and quality < target and run.step < 20_000:
        start = time.perf_counter()
        for _ in range(20):
            run.take_step()
        torch.cuda.synchronize()
        seconds += time.perf_counter() - start
        quality = signal.metrics(run.result("done", with_metrics=False))[metric]
    row = {"quality of": name, "metric": metric, "target": target, "reached": quality, "steps": run.step}
    row["seconds"] = seconds if quality >= target else None
    print(row, flush=True)
    yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", help="keep the rows under this name")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds for everything")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("torch sees no CUDA device: nothing is measured and nothing is recorded", file=sys.stderr)
        return 2
    begin = time.perf_counter()
    rows: list[dict[str, Any]] = []
    is_over = measure(rows, options.limit)
    if options.record:
        save(options.record, rows)
    print(f"{time.perf_counter() - begin:.0f} s" + (", which is all there was" if is_over else ""))
    return 0


def measure(rows: list[dict[str, Any]], limit_s: float) -> bool:
    """Adds every row once it is measured, and whether the time ended the run."""
    shape = load_signal("analytic:torus")
    peaks: dict[str, float] = {}
    parts: dict[str, Callable[[], Iterator[dict[str, Any]]]] = {
        "device": lambda: describe(peaks),
        "steps of a picture": lambda: measure_step("picture 768x512", picture()),
        "quality of a picture": lambda: measure_quality("picture 768x512", picture(), 40.0, 30),
        "steps of a shape": lambda: measure_step("torus", shape),
        "quality of a shape": lambda: measure_quality("torus", shape, 0.995, 30),
        "steps of the codec": measure_codec_step,
        "ops": lambda: measure_ops(peaks),
    }

    def end(number: int, frame: object) -> None:
        raise Over

    left = list(parts)
    signals.signal(signals.SIGALRM, end)
    signals.setitimer(signals.ITIMER_REAL, limit_s)
    try:
        for name, part in parts.items():
            try:
                rows.extend(part())  # keep the rows so far
            except (UnavailableError, RuntimeError) as problem:
                rows.append({"left out": name, "because": str(problem).splitlines()[0]})
            left.remove(name)
    except Over:
        rows += [{"left out": name, "because": "the time was over"} for name in left]
        return True
    finally:
        signals.setitimer(signals.ITIMER_REAL, 0)
    return False


def describe(peaks: dict[str, float]) -> Iterator[dict[str, Any]]:
    """The device, installed packages, usable backends, and its ceilings, which are also added to `peaks`."""
    versions = {name: has(name) for name in ("triton", "tinycudann")}
    usable = {op.name: [b.name for b in op.backends if not b.reasons_against(NEED)] for op in ops().values()}
    peaks |= ceilings()
    row = {"device": torch.cuda.get_device_name(), "packages": versions, "backends": usable, **peaks}
    print(row, flush=True)
    yield row


NEED = Need(device="cuda", dtype=torch.float32)

if __name__ == "__main__":
    sys.exit(main())
