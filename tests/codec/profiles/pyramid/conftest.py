"""A trained pyramid for tests."""

from __future__ import annotations

import pytest
from torch import Generator

from inr.codec.profiles.pyramid.architecture import architecture_of
from inr.codec.profiles.pyramid.latent_trainer import RateController, Trainer
from tests.codec.profiles.pyramid.pictures import picture, tensor


@pytest.fixture(scope="session")
def trained() -> Trainer:
    target = tensor(picture())
    architecture = architecture_of(3, 40, 56, effort=1, expected_bytes=500)
    trainer = Trainer(architecture, target, RateController(1e-3), Generator().manual_seed(0))
    trainer.soft(150)
    trainer.hard(15)
    return trainer
