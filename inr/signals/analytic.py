"""Signals made by formulas, for tests and demos: `demo("torus")`, or `load_signal("analytic:torus")`.

Pictures become an `Image`, sounds an `Audio`, distance functions a `Shape` whose solid is the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.domain import Domain, Frame
from inr.core.errors import unknown_name
from inr.core.solid_formulas import box, sphere, torus
from inr.signals._signal import Signal, Values
from inr.signals.audio import Audio
from inr.signals.files.reading import check_options
from inr.signals.image import Image
from inr.signals.shape import Shape
from inr.signals.solids.distances import EXACT, uniform
from inr.signals.solids.faces import Floats

Distance = Callable[[Tensor], Tensor]
"""Points [N, 3] to signed distances [N], negative inside, exact everywhere."""


def zone_plate(size: int = 256) -> Values:
    """Grey picture [size, size, 1]: 1/2 + 1/2 cos(pi r^2 / size), r in pixels from the centre.

    The local frequency grows linearly to 1/2 cycle per pixel at the middle of each side.
    """
    at = np.arange(size) + 0.5 - size / 2
    wave = 0.5 + 0.5 * np.cos(np.pi * (at[:, None] ** 2 + at[None, :] ** 2) / size)
    picture: Values = wave[..., None].astype(np.float32)
    return picture


def scene(width: int = 256, height: int = 192) -> Values:
    """RGB picture [height, width, 3]: smooth gradients, a disc and a slanted bar with sharp edges, a fine grating."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = (x + 0.5) / width, (y + 0.5) / height
    picture = np.stack([0.2 + 0.6 * u, 0.3 + 0.4 * np.sin(3 * u + 2 * v) ** 2, 0.8 - 0.5 * v], axis=-1)
    picture[(u - 0.3) ** 2 + (v - 0.4) ** 2 * (height / width) ** 2 < 0.03] = (0.95, 0.85, 0.2)
    picture[np.abs(v - 0.55 - 0.3 * u) < 0.03] = (0.1, 0.1, 0.15)
    grating = (u > 0.65) & (v < 0.35)
    picture[grating] *= (0.75 + 0.25 * np.cos(2 * np.pi * x / 6))[grating, None]
    result: Values = picture.astype(np.float32)
    return result


def chirp(duration: float = 1.0, rate_hz: int = 8000, low_hz: float = 50.0, high_hz: float = 2000.0) -> Values:
    """Sound [samples, 1]: 0.8 sin of a frequency that rises linearly from low_hz to high_hz over duration seconds."""
    t = (np.arange(round(duration * rate_hz)) + 0.5) / rate_hz
    phase = 2 * np.pi * (low_hz * t + (high_hz - low_hz) * t * t / (2 * duration))
    sound: Values = (0.8 * np.sin(phase)).astype(np.float32)[:, None]
    return sound


class FormulaSolid:
    """A distance function in the unit box: d(x) = f(low + side x) / side."""

    slack: float = EXACT

    def __init__(self, distance: Distance, frame: Frame, half: tuple[float, float, float]) -> None:
        self._distance, self._frame = distance, frame
        self._side = frame.scale[0]
        self.low, self.high = 0.5 - np.array(half) / self._side, 0.5 + np.array(half) / self._side

    def distance(self, x: Floats) -> Floats:
        values: Floats = self._unit(torch.from_numpy(x)).numpy()
        return values

    def depth(self, x: Floats) -> Floats:
        return np.abs(self.distance(x))

    def surface(self, n: int, generator: Generator) -> Floats:
        """Points of a thin shell, moved to their closest surface point: uniform by area up to shell width^2."""
        found: list[Tensor] = []
        while sum(map(len, found)) < n:
            x = torch.from_numpy(self.low - 0.01 + (self.high - self.low + 0.02) * uniform(8 * n + 64, 3, generator))
            x = x[self._unit(x).abs() < 0.01].requires_grad_()
            d = self._unit(x)
            (slope,) = torch.autograd.grad(d.sum(), x)
            found.append((x - d[:, None] * slope).detach())
        points: Floats = torch.cat(found)[:n].numpy()
        return points

    def _unit(self, x: Tensor) -> Tensor:
        return self._distance(self._frame.domain.from_unit(x)) / self._side


def formula_shape(distance: Distance, half: tuple[float, float, float]) -> Shape:
    """A `Shape` from an exact signed distance function around 0, and the half sizes of its bounding box."""
    side = 2.2 * max(half)
    domain = Domain((-side / 2,) * 3, (side / 2,) * 3, ("x", "y", "z"), "mesh units")
    frame = Frame(domain, (0.0,), (side,))
    return Shape(FormulaSolid(distance, frame, half), frame, {"side": side, "sign": "formula"}, n_points=2**18)


def _pixels(values: Values) -> Image:
    return Image.of_pixels(np.rint(values * 255).astype(np.uint8))


_DEMOS: dict[str, Callable[[], Signal]] = {
    "zone-plate": lambda: _pixels(zone_plate()),
    "scene": lambda: _pixels(scene()),
    "chirp": lambda: Audio.of_samples(chirp(), 8000),
    "sphere": lambda: formula_shape(sphere, (1.0, 1.0, 1.0)),
    "box": lambda: formula_shape(box, (1.0, 0.7, 0.5)),
    "torus": lambda: formula_shape(torus, (1.35, 1.35, 0.35)),
}
DEMO_NAMES = tuple(_DEMOS)


def load(name: str, options: Mapping[str, str]) -> Signal:
    """`demo(name)`. Raises UsageError for any option: formulas have none."""
    check_options("analytic", options, {})
    return demo(name)


def demo(name: str) -> Signal:
    """The signal with a name in `DEMO_NAMES`. Raises UsageError for another name."""
    if name not in _DEMOS:
        raise unknown_name("analytic signal", name, _DEMOS)
    return _DEMOS[name]()
