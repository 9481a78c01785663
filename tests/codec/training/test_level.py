"""The output bias of a coded shape is set so that the right number of samples is inside."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import trimesh
from torch import Generator

from inr.codec.entropy.quantise import StepSize
from inr.codec.training.coded_tensors import CodedTensor, coded_tensors
from inr.codec.training.level import Level
from inr.core.config import parse
from inr.fields import Field, FieldConfig
from inr.signals import Pool
from inr.signals.shape import Shape
from tests.codec.training.test_rate_control import waves

BOX = trimesh.creation.box((1, 1, 0.2))


@pytest.fixture(scope="module")
def shape() -> Shape:
    return Shape.of_mesh(BOX.vertices, BOX.faces, n_points=2**14)


@pytest.fixture(scope="module")
def pool(shape: Shape) -> Pool:
    return shape.pool(Generator().manual_seed(1))


def built(shape: Shape, settings: dict[str, Any]) -> tuple[Field, list[CodedTensor]]:
    field = parse(FieldConfig, settings).resolve(shape.spec).build(shape.spec, Generator().manual_seed(2))
    return field, coded_tensors(field)


def n_inside(field: Field, pool: Pool) -> tuple[int, int]:
    """Samples off the surface that are inside by the field, and by the shape."""
    batch = pool.batch(torch.arange(pool.size))
    off = batch.y[:, 0] != 0
    with torch.no_grad():
        return int((field(batch.x[off])[:, 0] < 0).sum()), int((batch.y < 0).sum())


def test_the_count_of_samples_inside_is_met(shape: Shape, pool: Pool) -> None:
    field, parts = built(shape, {"type": "siren", "width": 16, "depth": 2})
    coded = [part.quantise(StepSize.near(2.0**-8)) for part in parts]
    for part, symbols in zip(parts, coded, strict=True):
        part.assign(symbols)
    level = Level.of(shape, field, parts, pool)
    assert level is not None
    before, expected = n_inside(field, pool)
    assert abs(before - expected) > 100
    held = level.corrected(coded)
    assert abs(n_inside(field, pool)[0] - expected) <= 2
    assert all(new is old for new, old in zip(held[:-1], coded[:-1], strict=True))
    assert held[-1].values().item() == parts[-1].values.item()
    again = level.corrected(held)
    assert abs(int(again[-1].symbols[0]) - int(held[-1].symbols[0])) <= 1


def test_a_field_without_an_output_bias_is_left_alone(shape: Shape, pool: Pool) -> None:
    field, parts = built(shape, {"type": "siren", "width": 8, "depth": 2, "has_bias": False})
    assert Level.of(shape, field, parts, pool) is None


def test_a_last_tensor_that_is_not_the_output_bias_is_left_alone(shape: Shape, pool: Pool) -> None:
    field, parts = built(shape, {"type": "siren", "width": 1, "depth": 2})
    assert Level.of(shape, field, parts, pool) is not None
    assert Level.of(shape, field, parts[:-1], pool) is None, "the last is now a weight"


def test_other_signals_have_no_level(shape: Shape) -> None:
    signal = waves()
    field = parse(FieldConfig, {"type": "siren", "width": 8, "depth": 2}).resolve(signal.spec)
    made = field.build(signal.spec, Generator().manual_seed(0))
    assert Level.of(signal, made, coded_tensors(made), signal.pool(Generator().manual_seed(0))) is None
