"""Conformance tests of every contract, for the variants of this package and for those of others.

One line in a test module of pytest runs all tests of a contract over a variant:

    from inr.testing import EncodingTests
    TestMine = EncodingTests.of({"type": "mine", "sigma": 3.0}, {"type": "mine", "sigma": 30.0})

A document is what a settings file would say of the variant: `{"type": name, setting: value, ...}`, or the name alone.
Names must be registered before, by importing the module that registers them. Needs pytest.
"""

from inr.testing._suite import assert_near, assert_same_bytes
from inr.testing.encodings import EncodingTests
from inr.testing.exporters import ExporterTests
from inr.testing.fields import FieldTests
from inr.testing.fitting import (
    JitterTests,
    LossTests,
    OptimizerTests,
    ResidualTransformTests,
    SamplerTests,
    ScheduleTests,
)
from inr.testing.kernels import KernelTests
from inr.testing.layers import ActivationTests, BlockTests, HeadTests, InitialiserTests, LinearTests
from inr.testing.profiles import ProfileTests
from inr.testing.signals import SignalTests

__all__ = [
    "ActivationTests",
    "BlockTests",
    "EncodingTests",
    "ExporterTests",
    "FieldTests",
    "HeadTests",
    "InitialiserTests",
    "JitterTests",
    "KernelTests",
    "LinearTests",
    "LossTests",
    "OptimizerTests",
    "ProfileTests",
    "ResidualTransformTests",
    "SamplerTests",
    "ScheduleTests",
    "SignalTests",
    "assert_near",
    "assert_same_bytes",
]
