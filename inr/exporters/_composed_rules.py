"""Lowering rules for the fields that `inr csg` composes."""

from __future__ import annotations

import numpy as np

from inr.exporters._rules import apply, lowers
from inr.exporters.builder import Value, concat
from inr.fields.csg import CsgField
from inr.fields.placed import PlacedField
from inr.fields.primitive import PrimitiveField

_STEEP = 1e30


@lowers(CsgField)
def _csg(field: CsgField, x: Value) -> Value:
    config = field.config
    f = apply(field.first, x)
    if field.second is None:
        return f + -config.by if config.operation == "offset" else f.map("abs") + -config.by / 2
    g = apply(field.second, x)
    if config.operation == "union":
        return -_most(-f, -g, config.blend)
    return _most(f, -g if config.operation == "difference" else g, config.blend)


def _most(f: Value, g: Value, k: float) -> Value:
    """max(f, g) + max(k - |f - g|, 0)^2 / (4 k)."""
    most = f.join("maximum", g)
    if k == 0:
        return most
    return most + (f - g).map("abs").affine(-1.0, k).map("relu").map("square").affine(1 / (4 * k))


@lowers(PlacedField)
def _placed(field: PlacedField, x: Value) -> Value:
    c = field.config
    at = x.dense(np.array(c.matrix, np.float32).reshape(3, 3), np.array(c.shift, np.float32))
    inside = at.clamp(0.0, 1.0) if c.is_boxed else at
    d = apply(field.base, inside).affine(c.scale, c.offset)
    if c.is_boxed:
        way = (at - inside).map("square").sum()
        beyond = (way + d.map("relu").map("square")).map("sqrt")  # inside the box it is max(d, 0)
        is_in_box = way.affine(_STEEP).clamp(None, 1.0).affine(-1.0, 1.0)
        d = beyond - (-d).map("relu") * is_in_box
    return d.affine(c.gain)


@lowers(PrimitiveField)
def _primitive(field: PrimitiveField, x: Value) -> Value:
    n = field.config.numbers
    if field.config.solid == "plane":
        length = float(np.linalg.norm(n[:3]))
        normal = np.array([n[:3]], np.float32) / np.float32(length)
        return x.dense(normal, np.array([-n[3] / length], np.float32))
    p = x.affine(1.0, [-v for v in n[:3]])
    if field.config.solid == "box":
        q = p.map("abs").affine(1.0, [-size / 2 for size in n[3:]])
        return _inside_and_out([q.columns(i, i + 1) for i in range(3)])
    if field.config.solid == "sphere":
        return _length(p) + -n[3]
    across, along = _length(p.columns(0, 2)) + -n[3], p.columns(2, 3)
    if field.config.solid == "torus":
        return _length(concat([across, along])) + -n[4]
    return _inside_and_out([across, along.map("abs") + -n[4] / 2])


def _length(p: Value) -> Value:
    return p.map("square").sum().map("sqrt")


def _inside_and_out(q: list[Value]) -> Value:
    """|max(q, 0)| + min(max_i q_i, 0)."""
    most = q[0]
    for other in q[1:]:
        most = most.join("maximum", other)
    return _length(concat(q).map("relu")) - (-most).map("relu")
