"""The child process of `peers.py`: runs in the environment of the peers, without inr.

Reads one JSON document per line, {"call": name, ...arguments}, and answers with one: {"result": ...} or {"error": ...}.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import math
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LOOK_RATIO = 1.3
_made: dict[str, Any] = {}


def hello(threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    versions = {"torch": str(torch.__version__)}
    for name in ("fast-ngp", "implicitlab"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _timed(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def fast_ngp_step(points: int, levels: int, log2_table: int, features: int, base: int, finest: int) -> float:
    """Milliseconds of `MultiresHashEncoding` forward and backward to its tables."""
    from fast_ngp.encoding.multi_hash_enc import MultiresHashEncoding

    key = f"fast_ngp {points}"
    if key not in _made:
        torch.manual_seed(0)
        encoding = MultiresHashEncoding(levels, features, log2_table, base, finest)
        _made[key] = encoding, torch.rand(points, 3), torch.randn(points, levels * features)
    encoding, x, g = _made[key]
    tables = [embedding.weight for embedding in encoding.embeddings]
    return _timed(lambda: torch.autograd.grad(encoding(x), tables, g))


def _siren_net(checkout: str, hidden: int, layers: int) -> nn.Module:
    """The network in SingleBVPNet of vsitzmann/siren; the code around it needs a GPU."""
    if checkout not in sys.path:
        # Its copy of torchmeta imports data sets and further packages in an __init__ that is not needed here.
        package = types.ModuleType("torchmeta")
        package.__path__ = [f"{checkout}/torchmeta"]
        sys.modules["torchmeta"] = package
        sys.path.insert(0, checkout)
    import modules

    torch.manual_seed(0)
    net: nn.Module = modules.FCBlock(2, 3, layers - 1, hidden, outermost_linear=True, nonlinearity="sine")
    return net


def siren_step(checkout: str, points: int, hidden: int, layers: int) -> float:
    """Milliseconds of a step of Adam. layers: hidden ones, the first included."""
    key = f"siren {points} {hidden} {layers}"
    if key not in _made:
        net = _siren_net(checkout, hidden, layers)
        _made[key] = (
            net,
            torch.optim.Adam(net.parameters(), lr=1e-4),
            torch.rand(1, points, 2),
            torch.rand(1, points, 3),
        )
    net, optimizer, x, y = _made[key]

    def step() -> None:
        optimizer.zero_grad()
        (net(2 * x - 1) - y).square().mean().backward()
        optimizer.step()

    return _timed(step)


class _Curve:
    """Measures the picture's PSNR at log-spaced steps, with the clock stopped; raises StopIteration at the limit."""

    def __init__(self, predict: Callable[[Tensor], Tensor], x: Tensor, pixels: Tensor, seconds: float) -> None:
        self.predict, self.x, self.pixels, self.limit = predict, x, pixels, seconds
        self.points: list[tuple[int, float, float]] = []
        self.step, self._next, self._before, self._since = 0, 1, 0.0, time.perf_counter()

    def after_step(self) -> None:
        self.step += 1
        spent = self._before + time.perf_counter() - self._since
        is_over = spent >= self.limit
        if self.step < self._next and not is_over:
            return
        self._next = math.ceil(self.step * LOOK_RATIO)
        with torch.no_grad():
            values = torch.cat([self.predict(part) for part in torch.split(self.x, 2**15)])
        written = (values * 127.5 + 127.5).round().clamp(0, 255) / 255
        mse = float((written - self.pixels).square().mean())
        self.points.append((self.step, spent, -10 * math.log10(mse)))
        if is_over:
            raise StopIteration
        self._before, self._since = spent, time.perf_counter()


def _picture(pixels: str) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates in [-1, 1], values in [-1, 1], and values in [0, 1] of a uint8 array file [rows, columns, 3]."""
    array = torch.from_numpy(np.load(pixels)).float() / 255
    rows, columns, channels = array.shape
    y, x = torch.meshgrid(
        (torch.arange(rows) + 0.5) / rows * 2 - 1, (torch.arange(columns) + 0.5) / columns * 2 - 1, indexing="ij"
    )
    flat = array.reshape(-1, channels)
    return torch.stack([x, y], -1).reshape(-1, 2), flat * 2 - 1, flat


def siren_picture(checkout: str, pixels: str, seconds: float, batch: int) -> list[tuple[int, float, float]]:
    """The curve of a SIREN 3x256 as published, with Adam at 1e-4 and random pixels."""
    x, y, values = _picture(pixels)
    net = _siren_net(checkout, 256, 3)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    curve = _Curve(lambda part: net(part), x, values, seconds)
    with contextlib.suppress(StopIteration):
        while True:
            index = torch.randint(len(x), (batch,))
            optimizer.zero_grad()
            (net(x[index]) - y[index]).square().mean().backward()
            optimizer.step()
            curve.after_step()
    return curve.points


def implicitlab_picture(pixels: str, seconds: float, log2_table: int, finest: int) -> list[tuple[int, float, float]]:
    """The curve of implicitlab's hash grid and network, trained by its own regression trainer with its defaults."""
    from implicitlab.nn import ImplicitSequential, MultiLayerPerceptron
    from implicitlab.nn.encodings.hashgrid import MultiResHashGridEncoding
    from implicitlab.training import Callback, SimpleRegressionTrainer, TrainingConfig
    from mouette.geometry import AABB
    from torch.utils.data import TensorDataset

    torch.manual_seed(0)
    x, y, values = _picture(pixels)
    encoding = MultiResHashGridEncoding(
        2, AABB([-1.0, -1.0], [1.0, 1.0]), log2_hashmap_size=log2_table, finest_resolution=finest
    )
    model: nn.Module = ImplicitSequential(encoding, MultiLayerPerceptron(encoding.output_dim, 64, 2, 3))
    trainer = SimpleRegressionTrainer(TrainingConfig(N_EPOCHS=10**6))
    order = torch.randperm(len(x))  # its loader takes the samples in order
    trainer.set_training_data(TensorDataset(x[order], y[order]))
    curve = _Curve(model, x, values, seconds)

    class Measure(Callback):  # type: ignore[misc]  # no types
        def callOnEndForward(self, trainer: Any, model: Any) -> None:  # noqa: N802  its name is theirs
            curve.after_step()

    trainer.add_callbacks(Measure())
    with contextlib.suppress(StopIteration):
        trainer.train(model)
    return curve.points


CALLS: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (hello, fast_ngp_step, siren_step, siren_picture, implicitlab_picture)
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # peers print
    for line in sys.stdin:
        document = json.loads(line)
        try:
            answer = {"result": CALLS[document.pop("call")](**document)}
        except Exception as error:  # noqa: BLE001  any exception of a peer is its result
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
