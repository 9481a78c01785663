"""The op list's definition against closed forms."""

from __future__ import annotations

import numpy as np

from inr.exporters.builder import Builder, Value, concat
from inr.exporters.evaluator import evaluate
from inr.exporters.ops import Array, DenseOp, GridOp, NearestOp, PolynomialsOp, RadialOp

X = np.random.default_rng(3).random((50, 2), np.float32)


def values(result: Value, x: Array = X) -> Array:
    found: Array = evaluate(*result.builder.program(result).document(), x)
    return found


def test_columns_are_taken_joined_and_summed() -> None:
    x = Builder(2).input
    both = concat([x, x * 2.0, x.select([1, 0, 1])])
    assert np.array_equal(values(both)[:, [2, 4, 6]], np.stack([2 * X[:, 0], X[:, 1], X[:, 1]], 1))
    assert np.allclose(values(both.columns(0, 4).sum(2)), 3 * X)
    assert np.allclose(values(both.sum()), (3 * X.sum(1) + X.sum(1) + X[:, 1])[:, None])
    assert np.allclose(values(x - x.columns(1, 2)), X - X[:, 1:])
    assert np.array_equal(
        values(x.affine([1.0, 2.0], [0.5, -1.0]).clamp(0.75, None))[:, 0], np.maximum(X[:, 0] + 0.5, 0.75)
    )


def test_unused_operations_are_left_out() -> None:
    x = Builder(2).input
    unused = x.dense(np.eye(2, dtype=np.float32))
    program = x.builder.program((x * 2.0).map("sin"))
    assert unused.place < len(x.builder.ops)
    assert [op.name for op in program.ops] == ["input", "affine", "map"]


def test_chebyshev_polynomials_are_cosines_of_multiples() -> None:
    x = Builder(1).input
    k = np.ones(8)
    u = x.cast("float64")
    p = x.builder.add(PolynomialsOp(inputs=(u.place,), width=9, a=2 * k, b=k, scale=np.ones(9)))
    t = np.linspace(0, np.pi, 20)
    found = values(p, np.cos(t)[:, None])
    assert np.allclose(
        found, np.cos(np.arange(9) * np.arccos(np.float32(np.cos(t)).astype(float))[:, None]), atol=1e-12
    )


def test_a_grid_of_a_linear_function_is_that_function() -> None:
    x = Builder(2).input
    table = np.add.outer(3 * np.arange(4), np.arange(5)).reshape(-1, 1).astype(np.float32)
    made = GridOp(
        inputs=(0,), width=1, table=table, scale=np.array([[3, 4]], np.float32), start=0.0,
        last=np.array([[2, 3]], np.float32), stride=np.array([[5, 1]]), factor=np.zeros(2, np.uint32),
        entries=np.array([20]), offset=np.array([0]), is_hashed=np.array([False]), is_smooth=False,
    )  # fmt: skip
    found = values(x.builder.add(made))
    assert np.allclose(found[:, 0], 9 * X[:, 0] + 4 * X[:, 1], atol=1e-5)


def test_kernels_have_their_values_and_the_nearest_are_found() -> None:
    x = Builder(2).input
    centres = np.random.default_rng(4).random((30, 2), np.float32)
    roots = np.broadcast_to(2 * np.eye(2, dtype=np.float32), (30, 2, 2)).copy()
    square = 4 * ((X[:, None] - centres) ** 2).sum(-1)
    phi = values(
        x.builder.add(RadialOp(inputs=(0,), width=30, centres=centres, roots=roots, kernel="gauss", reach=1.5))
    )
    assert np.allclose(phi, np.where(square <= 2.25, np.exp(-square / 2), 0), atol=1e-6)
    nearest = NearestOp(
        inputs=(0,), width=1, centres=centres, roots=roots, weight=np.arange(30, dtype=np.float32)[:, None],
        factors=None, kernel="quadric", neighbours=1, is_normalised=True,
    )  # fmt: skip
    assert np.allclose(values(x.builder.add(nearest))[:, 0], square.argmin(1), atol=1e-5)


def test_an_array_that_several_ops_read_is_held_once() -> None:
    x = Builder(2).input
    weight = np.eye(2)
    shared = [x.builder.add(DenseOp(inputs=(0,), width=2, weight=weight, bias=np.full(2, b))) for b in (0.0, 1.0)]
    program = x.builder.program(shared[0] + shared[1])
    rows, arrays = program.document()
    assert rows[1]["weight"] == rows[2]["weight"]
    assert len(arrays) == 3
    assert program.n_numbers == 4 + 2 + 2
    assert np.allclose(evaluate(rows, arrays, X), 2 * X + 1)
