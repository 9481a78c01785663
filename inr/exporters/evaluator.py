"""A neural field as a list of steps, run by NumPy alone.

The list is in a .npz file: its entry "program" holds JSON, the others the arrays that it names. Points are
independent of each other. From Python, with FIELD the folder and name of this file:

    from FIELD import load
    values = load("FIELD.npz")(points)      # [N, D] -> [N, C]

and from a shell: python FIELD.py POINTS.npy VALUES.npy
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MEMORY = 1 << 22  # numbers in the widest value of one block of points


def load(path: str | Path) -> Callable[[Any], Any]:
    """The function that is in a file: points [N, D] to values [N, C]."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    rows = json.loads(str(arrays.pop("program")))["ops"]
    return lambda points: evaluate(rows, arrays, points)


def evaluate(rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, Any], points: Any) -> Any:
    """Values [N, C] (float32) at points [N, D]."""
    points = np.asarray(points, rows[0].get("dtype", "float32"))
    if points.ndim != 2 or points.shape[1] != rows[0]["width"]:
        raise ValueError(f"points have the shape {points.shape}, expected [N, {rows[0]['width']}]")
    widest = max(row["width"] * row.get("neighbours", 1) for row in rows)
    size = max(1, MEMORY // widest)
    blocks = [points[i : i + size] for i in range(0, max(1, len(points)), size)]
    with np.errstate(all="ignore"):
        return np.concatenate([_block(rows, arrays, block) for block in blocks])


def _block(rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, Any], points: Any) -> Any:
    values: list[Any] = []
    for row in rows:
        fields = {k: arrays[v] if isinstance(v, str) and v in arrays else v for k, v in row.items()}
        inputs = [values[place] for place in fields.pop("inputs")]
        values.append(points if row["op"] == "input" else OPS[row["op"]](fields, *inputs))
    return values[-1]


def grid(op: Mapping[str, Any], x: Any) -> Any:
    corners = np.indices((2,) * x.shape[1]).reshape(x.shape[1], -1).T
    levels = []
    for level, entries in enumerate(op["entries"]):
        place = x * op["scale"][level] + x.dtype.type(op["start"])
        cell = np.floor(place)
        if op["last"] is not None:
            cell = np.minimum(cell, op["last"][level])
        t = place - cell
        if op["is_smooth"]:
            t = t * t * (3 - 2 * t)
        total = np.zeros((len(x), op["table"].shape[1]), x.dtype)
        for corner in corners:
            vertex = cell.astype(np.int64) + corner
            if op["is_hashed"][level]:
                products = (vertex * op["factor"].astype(np.int64)) & 0xFFFFFFFF
                index = np.bitwise_xor.reduce(products, axis=1) & (int(entries) - 1)
            else:
                index = (vertex * op["stride"][level]).sum(1) % int(entries)
            weight = np.where(corner == 1, t, 1 - t).prod(1, keepdims=True)
            total += weight * op["table"][int(op["offset"][level]) + index]
        levels.append(total)
    return np.concatenate(levels, 1)


def radial(op: Mapping[str, Any], x: Any, centres: Any, roots: Any) -> Any:
    """phi [*B] of points x [*B, D] about centres [*B, D] with roots [*B, D, D]."""
    offset = [x[..., d] - centres[..., d] for d in range(x.shape[-1])]
    y = [sum(roots[..., r, d] * offset[d] for d in range(len(offset))) for r in range(len(offset))]
    if op["kernel"] == "tent":
        return math.prod(np.maximum(1 - np.abs(part), 0) for part in y)
    q = sum(part * part for part in y)
    phi = RADIAL[op["kernel"]](q)
    return phi if op.get("reach") is None else np.where(q <= op["reach"] ** 2, phi, 0).astype(phi.dtype)


def nearest(op: Mapping[str, Any], x: Any) -> Any:
    squares = sum((x[:, d : d + 1] - op["centres"][:, d]) ** 2 for d in range(x.shape[1]))
    chosen = np.argsort(squares, axis=1, kind="stable")[:, : op["neighbours"]]
    phi = radial(op, x[:, None], op["centres"][chosen], op["roots"][chosen])
    if op["is_normalised"]:
        phi = phi / (phi.sum(1, keepdims=True) + phi.dtype.type(1e-8))
    mix = phi[:, :, None]
    if op["factors"] is not None:
        mix = np.sin(mix * op["factors"])
    return (op["weight"][chosen] * mix).sum(1)


def polynomials(op: Mapping[str, Any], u: Any) -> Any:
    terms = [np.ones_like(u), u]
    for a, b in zip(op["a"][1:], op["b"][1:], strict=True):
        terms.append(a * u * terms[-1] - b * terms[-2])
    return np.concatenate(terms[: len(op["scale"])], 1) * op["scale"]


def chosen(op: Mapping[str, Any], h: Any, k: Any) -> Any:
    y = np.empty((len(h), op["width"]), h.dtype)
    for i in np.unique(k):
        rows = k[:, 0] == i
        y[rows] = h[rows] @ op["weight"][int(i)].T + op["bias"][int(i)]
    return y


def clamp(op: Mapping[str, Any], h: Any) -> Any:
    low, high = (None if bound is None else h.dtype.type(bound) for bound in (op["low"], op["high"]))
    return np.clip(h, low, high)


_erf = np.frompyfunc(math.erf, 1, 1)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "square": np.square,
    "abs": np.abs,
    "floor": np.floor,
    "reciprocal": np.reciprocal,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "atan": np.arctan,
    "erf": lambda z: _erf(z).astype(z.dtype),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "softplus": lambda z: np.logaddexp(z, z.dtype.type(0)),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
}
PAIRINGS: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
}
RADIAL: dict[str, Callable[[Any], Any]] = {
    "inverse_quadric": lambda q: 1 / (1 + q),
    "inverse_multiquadric": lambda q: 1 / np.sqrt(1 + q),
    "inverse_linear": lambda q: 1 / (np.sqrt(q) + q.dtype.type(1e-10)),
    "inverse_cubic": lambda q: 1 / (q * np.sqrt(q) + q.dtype.type(1e-30)),
    "gauss": lambda q: np.exp(-q / 2),
    "gauss_squared": lambda q: np.exp(-q * q / 4),
    "markov": lambda q: np.exp(-np.sqrt(q)),
    "exp_sine": lambda q: np.exp(-np.sin(np.sqrt(q))),
    "quadric": lambda q: 1 + q,
    "multiquadric": lambda q: np.sqrt(1 + q),
    "linear": np.sqrt,
    "cubic": lambda q: q * np.sqrt(q),
    "thin_plate": lambda q: q / 2 * np.log(np.where(q > 0, q, 1)),
}
OPS: dict[str, Callable[..., Any]] = {
    "affine": lambda op, h: h * op["scale"] + op["shift"],
    "dense": lambda op, h: h @ op["weight"].T + op["bias"],
    "chosen": chosen,
    "map": lambda op, h: FUNCTIONS[op["function"]](h),
    "clamp": clamp,
    "join": lambda op, a, b: PAIRINGS[op["function"]](a, b),
    "concat": lambda op, *parts: np.concatenate(parts, 1),
    "select": lambda op, h: h[:, op["index"]],
    "sum": lambda op, h: h.reshape(len(h), op["parts"], op["width"]).sum(1),
    "grid": grid,
    "radial": lambda op, x: radial(op, x[:, None], op["centres"], op["roots"]),
    "nearest": nearest,
    "polynomials": polynomials,
    "cast": lambda op, h: h.astype(op["dtype"]),
}

if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(f"usage: python {Path(__file__).name} POINTS.npy VALUES.npy")
    try:
        _points = np.load(sys.argv[1], allow_pickle=False)
        np.save(sys.argv[2], load(Path(__file__).with_suffix(".npz"))(_points))
    except (OSError, ValueError) as _error:
        raise SystemExit(f"error: {_error}") from None
